/* The default driver: upper and work directories of the container over the image's layers, in one overlay
 * mount. Nothing has to be set up for it. While it is prepared the mount is detached (sys/mount.h), so only
 * its directories, which lie in the container's directory, have to be undone. */
#include "storage/common-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"

#include <fcntl.h>
#include <string.h>

#define FILESYSTEMS_MAX_BYTES 65536 /* some dozen names */

static int probe(const struct nxc_storage_env *env, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        int r = nxc_read_file_at(AT_FDCWD, "/proc/filesystems", FILESYSTEMS_MAX_BYTES, &text, NULL, err);

        if (r < 0 || strstr(text, "\toverlay\n"))
                return r;
        r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "the kernel has no overlay file system");
        nxc_error_hint(err, "modprobe overlay, or use --storage dir");
        return r;
}

static int prepare(const struct nxc_storage_request *q, int *ret_mount_fd, struct nxc_error *err)
{
        if (q->size_bytes) {
                int r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "a size (--storage-size) with storage driver 'overlay'");

                nxc_error_hint(err, "use --storage raw");
                return r;
        }
        return nxc_storage_compose(q, ret_mount_fd, err);
}

static int attach(const struct nxc_storage_container *c, enum nxc_rootfs_kind kind, int mount_fd,
        struct nxc_rootfs *ret, struct nxc_error *err)
{
        return nxc_storage_attach_dir(c, mount_fd, NULL, ret, err);
}

static int usage(const struct nxc_storage_container *c, struct nxc_storage_usage *ret, struct nxc_error *err)
{
        struct nxc_storage_usage u = { 0 };
        int r = nxc_storage_disk_usage(c->dir, "upper", &u.bytes, err);

        if (r == 0)
                *ret = u;
        return r;
}

const struct nxc_storage_ops nxc_storage_overlay = {
        .name = "overlay",
        .summary = "an upper directory over the image's layers",
        .makes = NXC_STORAGE_MAKES_NOTHING,
        .offers = { NXC_ROOTFS_DIR },
        .n_offers = 1,
        .probe = probe,
        .prepare = prepare,
        .attach = attach,
        .release = nxc_storage_unmount,
        .usage = usage,
};
