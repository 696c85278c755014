/* A copy of the image for each container: for kernels without overlayfs, for stores on file systems that
 * cannot be an overlay's upper directory, and for who wants a plain directory. With reflinks (btrfs, XFS) it
 * takes no space and little time.
 *
 * The copy is made when the id is claimed, from the layers and from what the flow wrote into their overlay,
 * whose upper directory is one layer more. Where there can be no overlay to write into, it is made before,
 * in the staging directory. */
#include "storage/common-internal.h"

#include "core/cleanup.h"
#include "sys/feature.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char *const directories[] = { "rootfs", NULL };

static int probe(const struct nxc_storage_env *env, struct nxc_error *err)
{
        return 0; /* nothing but files */
}

/* upper: the overlay's, or negative. */
static int copy_root(const struct nxc_storage_request *q, int upper, struct nxc_error *err)
{
        _cleanup_close_ int root = -EBADF;
        int r = nxc_storage_open_dir(q->dir_fd, "rootfs", &root, err);

        return r < 0 ? r : nxc_storage_copy(q, upper, q->ids, root, err);
}

/* What an overlay failed for may be what this driver is there for, or not. */
static bool is_for_want_of_overlay(const struct nxc_error *why)
{
        return why->kind == NXC_ERR_INVALID_ROOTFS &&
               (why->errnum == ENODEV || why->errnum == EINVAL || why->errnum == EPERM ||
                       why->errnum == EOPNOTSUPP);
}

static int prepare_copy(const struct nxc_storage_request *q, int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_close_ int root = -EBADF;
        int r = nxc_storage_remove_overlay(q->dir_fd, err);

        if (r == 0 && q->ids)
                r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "a user namespace with storage driver 'dir' where there can be no overlay");
        if (r == 0)
                r = copy_root(q, -EBADF, err);
        if (r == 0)
                r = nxc_storage_open_dir(q->dir_fd, "rootfs", &root, err);
        return r < 0 ? r : nxc_mount_clone(root, false, ret_mount_fd, err);
}

static int prepare(const struct nxc_storage_request *q, int *ret_mount_fd, struct nxc_error *err)
{
        struct nxc_error why = { 0 };
        int r;

        if (q->size_bytes) {
                r = nxc_storage_check_quota("dir", q->dir_fd, err);
                if (r < 0)
                        return r;
        }
        if (!nxc_feature_enabled("OVERLAY")) {
                r = nxc_storage_make_dir(q->dir_fd, "rootfs", 0700, NULL, err);
                return r < 0 ? r : prepare_copy(q, ret_mount_fd, err);
        }
        r = nxc_storage_compose(q, ret_mount_fd, &why);
        if (r < 0 && is_for_want_of_overlay(&why))
                return prepare_copy(q, ret_mount_fd, err);
        if (r < 0 && err)
                *err = why;
        return r;
}

/* A limit does not stop who may exceed limits, which the one who copies may. */
static int check_size(
        const struct nxc_storage_container *c, const struct nxc_storage_request *q, struct nxc_error *err)
{
        struct nxc_storage_usage u;
        int r = nxc_storage_quota_usage(c, directories, &u, err);

        if (r < 0 || u.bytes <= q->size_bytes)
                return r;
        r = nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, ENOSPC,
                "fit the image's %llu bytes into a root of %llu bytes", (unsigned long long)u.bytes,
                (unsigned long long)q->size_bytes);
        nxc_error_hint(err, "--storage-size with more than that");
        return r;
}

static int make(const struct nxc_storage_container *c, const struct nxc_storage_request *q, int *mount_fd,
        struct nxc_error *err)
{
        _cleanup_close_ int upper = -EBADF;
        int r = q->size_bytes ? nxc_storage_limit(q->dir_fd, directories, q->size_bytes, err) : 0;

        nxc_closep(mount_fd);
        if (r < 0)
                return r;
        if (faccessat(q->dir_fd, "upper", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
                return 0; /* it was made by prepare */
        r = nxc_storage_open_dir(q->dir_fd, "upper", &upper, err);
        if (r == 0)
                r = copy_root(q, upper, err);
        if (r == 0 && q->size_bytes)
                r = check_size(c, q, err);
        return r < 0 ? r : nxc_storage_remove_overlay(q->dir_fd, err);
}

static int attach(const struct nxc_storage_container *c, enum nxc_rootfs_kind kind, int mount_fd,
        struct nxc_rootfs *ret, struct nxc_error *err)
{
        return nxc_storage_attach_dir(c, -EBADF, NULL, ret, err);
}

static int release(const struct nxc_storage_container *c, struct nxc_error *err)
{
        int r = nxc_storage_unmount(c, err);

        return r < 0 ? r : nxc_storage_unlimit(c, directories, err);
}

static int usage(const struct nxc_storage_container *c, struct nxc_storage_usage *ret, struct nxc_error *err)
{
        return nxc_storage_quota_usage(c, directories, ret, err);
}

static int resize(const struct nxc_storage_container *c, uint64_t size_bytes, struct nxc_error *err)
{
        return nxc_storage_relimit(c, directories, size_bytes, err);
}

const struct nxc_storage_ops nxc_storage_dir = {
        .name = "dir",
        .summary = "a copy of the image, by reflinks where the file system has them",
        .makes = NXC_STORAGE_MAKES_TREE,
        .offers = { NXC_ROOTFS_DIR },
        .n_offers = 1,
        .probe = probe,
        .prepare = prepare,
        .make = make,
        .attach = attach,
        .release = release,
        .usage = usage,
        .resize = resize,
};
