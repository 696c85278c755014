/* layer STORE COMMAND...: LayerFS by hand, for tests and measurements below the engine.
 *
 *   unpack BLOB DIFF_ID...    unpack and commit blobs, compression by their first bytes; one pair after the
 * other mount DIR DIFF_ID...      compose read-only, base first, and attach at DIR mount-rw DIR UPPER WORK
 * DIFF_ID... verify DIFF_ID remove DIFF_ID sweep */
#include "layerfs/intake.h"
#include "layerfs/layerfs.h"

#include "core/cleanup.h"
#include "core/str.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct nxc_layerfs *lfs;
static struct nxc_error err;

static enum nxc_compression guess(int fd)
{
        unsigned char b[2] = { 0 };

        if (pread(fd, b, 2, 0) == 2 && b[0] == 0x1f && b[1] == 0x8b)
                return NXC_COMPRESSION_GZIP;
        return b[0] == 0x28 && b[1] == 0xb5 ? NXC_COMPRESSION_ZSTD : NXC_COMPRESSION_NONE;
}

static int unpack(char **args)
{
        for (; args[0] && args[1]; args += 2) {
                _cleanup_close_ int fd = open(args[0], O_RDONLY | O_CLOEXEC);
                struct nxc_staged_layer *staged;
                struct nxc_digest diff_id;
                int r;

                if (fd < 0)
                        return nxc_fail(&err, errno, "open '%s'", args[0]);
                r = nxc_digest_parse(args[1], &diff_id, &err);
                if (r == 0)
                        r = nxc_layerfs_unpack(lfs, fd, guess(fd), &diff_id, NULL, &staged, &err);
                if (r == 0)
                        r = nxc_staged_layer_commit(staged, &err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int open_dir(const char *path)
{
        return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int mount_chain(const char *dir, int upper, int work, char **ids)
{
        struct nxc_digest diff_ids[512];
        struct nxc_layer_chain *chain = NULL;
        _cleanup_close_ int mount_fd = -EBADF, dir_fd = open_dir(dir);
        size_t n = 0;
        int r = 0;

        for (; ids[n] && n < NXC_ARRAY_SIZE(diff_ids) && r == 0; n++)
                r = nxc_digest_parse(ids[n], &diff_ids[n], &err);
        if (r == 0)
                r = nxc_layerfs_hold(lfs, diff_ids, n, &chain, &err);
        if (r == 0)
                r = nxc_layer_chain_compose(chain, upper, work, false, &mount_fd, &err);
        if (r == 0)
                r = nxc_mount_attach(mount_fd, dir_fd, ".", &err);
        nxc_layer_chain_release(chain);
        return r;
}

static int by_id(
        const char *id, int (*fn)(struct nxc_layerfs *, const struct nxc_digest *, struct nxc_error *))
{
        struct nxc_digest diff_id;
        int r = nxc_digest_parse(id, &diff_id, &err);

        return r < 0 ? r : fn(lfs, &diff_id, &err);
}

static int run(int argc, char **argv)
{
        const char *command = argc > 2 ? argv[2] : "";

        if (nxc_streq(command, "unpack") && argc > 4)
                return unpack(argv + 3);
        if (nxc_streq(command, "mount") && argc > 4)
                return mount_chain(argv[3], -1, -1, argv + 4);
        if (nxc_streq(command, "mount-rw") && argc > 6)
                return mount_chain(argv[3], open_dir(argv[4]), open_dir(argv[5]), argv + 6);
        if (nxc_streq(command, "verify") && argc == 4)
                return by_id(argv[3], nxc_layerfs_verify);
        if (nxc_streq(command, "remove") && argc == 4)
                return by_id(argv[3], nxc_layerfs_remove);
        if (nxc_streq(command, "sweep") && argc == 3)
                return nxc_layerfs_sweep(lfs, &err);
        return nxc_fail_kind(&err, NXC_ERR_USAGE, 0, "read the command '%s'", command);
}

int main(int argc, char **argv)
{
        _cleanup_close_ int store_fd = argc > 1 ? open_dir(argv[1]) : -1;
        int r;

        if (store_fd < 0) {
                fprintf(stderr, "usage: layer STORE COMMAND...\n");
                return 2;
        }
        r = nxc_layerfs_open(store_fd, true, &lfs, &err);
        if (r == 0)
                r = run(argc, argv);
        if (r < 0)
                fprintf(stderr, "%s: %s\n", nxc_error_kind_name(err.kind), err.message);
        nxc_layerfs_close(lfs);
        return r < 0;
}
