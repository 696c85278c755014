/* mount and umount: an image's root, read-only, somewhere in the file system. */
#include "cli/commands.h"
#include "lifecycle/store.h"

static int run_mount(struct nxc_call *call, struct nxc_error *err)
{
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        return r < 0 ? r : nxc_image_mount(host, call->args[0], call->args[1], err);
}

static int run_umount(struct nxc_call *call, struct nxc_error *err)
{
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        return r < 0 ? r : nxc_image_umount(host, call->args[0], err);
}

const struct nxc_command nxc_command_mount = {
        .name = "mount",
        .synopsis = "IMAGE DIR",
        .summary = "show an image's root read-only in a directory",
        .min_args = 2,
        .max_args = 2,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_IMAGES,
        .run = run_mount,
};

const struct nxc_command nxc_command_umount = {
        .name = "umount",
        .synopsis = "DIR",
        .summary = "end a mount made by `nexcage mount`",
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_FILES,
        .run = run_umount,
};
