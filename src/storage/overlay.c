/* The default driver: upper and work directories of the container over the image's layers, in one overlay
 * mount. Nothing has to be set up for it. While it is prepared the mount is detached (sys/mount.h), so only
 * its directories, which lie in the container's staging directory, have to be undone. */
#include "storage/storage-ops.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"
#include "storage/storage.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILESYSTEMS_MAX_BYTES 65536 /* some dozen names */

static int probe(struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        int r = nxc_read_file_at(AT_FDCWD, "/proc/filesystems", FILESYSTEMS_MAX_BYTES, &text, NULL, err);

        if (r < 0 || strstr(text, "\toverlay\n"))
                return r;
        r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "the kernel has no overlay file system");
        nxc_error_hint(err, "modprobe overlay");
        return r;
}

static int make_dir(int dir_fd, const char *name, mode_t mode, int *ret_fd, struct nxc_error *err)
{
        int fd;

        if (mkdirat(dir_fd, name, mode) < 0)
                return nxc_fail(err, errno, "create the container's '%s' directory", name);
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return nxc_fail(err, errno, "open the container's '%s' directory", name);
        *ret_fd = fd;
        return 0;
}

static int prepare(const struct nxc_storage_prepare *p, int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_close_ int root = -EBADF, upper = -EBADF, work = -EBADF;
        int r = make_dir(p->dir_fd, "rootfs", 0700, &root, err);

        if (r < 0)
                return r;
        if (!p->read_only) {
                r = make_dir(p->dir_fd, "upper", 0755, &upper, err);
                if (r < 0)
                        return r;
                r = make_dir(p->dir_fd, "work", 0700, &work, err);
                if (r < 0)
                        return r;
        }
        return nxc_layer_chain_compose(p->chain, upper, work, p->ephemeral, ret_mount_fd, err);
}

static int attach(int mount_fd, const char *container_dir, struct nxc_rootfs *ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(container_dir, "rootfs");
        _cleanup_close_ int dir = -EBADF;
        int r;

        if (!path)
                return nxc_oom(err);
        dir = open(container_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return nxc_fail(err, errno, "open the container's directory '%s'", container_dir);
        r = nxc_mount_attach(mount_fd, dir, "rootfs", err);
        if (r < 0)
                return r;
        ret->kind = NXC_ROOTFS_DIR;
        ret->path = TAKE_PTR(path);
        return 0;
}

static int detach(const char *container_dir, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(container_dir, "rootfs");
        _cleanup_free_ char *lower = nxc_path_join(container_dir, NXC_STORAGE_LOWER);
        int r = path && lower ? nxc_umount(path, err) : nxc_oom(err);

        return r < 0 ? r : nxc_umount(lower, err);
}

const struct nxc_storage_ops nxc_storage_overlay = {
        .name = "overlay",
        .summary = "an upper directory over the image's layers",
        .probe = probe,
        .prepare = prepare,
        .attach = attach,
        .detach = detach,
};
