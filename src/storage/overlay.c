/* The default driver: upper and work directories of the container over the image's layers, in one overlay
 * mount. Nothing has to be set up for it. While it is prepared the mount is detached (sys/mount.h), so only
 * its directories, which lie in the container's directory, have to be undone. */
#include "storage/common-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* One project: what is copied up is made in one and moved to the other. */
static const char *const directories[] = { "upper", "work", NULL };

static int probe(const struct nxc_storage_env *env, struct nxc_error *err)
{
        return nxc_storage_need_kernel("overlay", "modprobe overlay, or use --storage dir", err);
}

static int prepare(const struct nxc_storage_request *q, int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_close_ int userns = -EBADF;
        int r = 0;

        if (q->size_bytes)
                r = nxc_storage_check_quota("overlay", q->dir_fd, err);
        if (r == 0 && q->ids)
                r = nxc_idmap_open(q->ids, &userns, err);
        if (r < 0)
                return r;
        nxc_layer_chain_map(q->chain, q->ids, userns);
        r = nxc_storage_compose(q, ret_mount_fd, err);
        nxc_layer_chain_map(q->chain, NULL, -EBADF);
        return r;
}

/* --- a user namespace: the layers are shown to the overlay with the owners they have there (Linux >= 5.19);
 * what the flow wrote meanwhile has the flow's --- */

static bool is_mapped(const struct nxc_id_range *ranges, size_t n, uint32_t outside)
{
        for (size_t i = 0; i < n; i++)
                if (outside >= ranges[i].outside && outside - ranges[i].outside < ranges[i].count)
                        return true;
        return false;
}

/* By the overlay's own name for it, whose idea of the owner would be the old one otherwise. */
static int give_away(const struct nxc_idmap *ids, int mount_dir, const char *name, const struct stat *st,
        struct nxc_error *err)
{
        uid_t uid = st->st_uid;
        gid_t gid = st->st_gid;

        if (is_mapped(ids->uids, ids->n_uids, uid) && is_mapped(ids->gids, ids->n_gids, gid))
                return 0; /* it was copied up */
        if (nxc_idmap_owner(ids, &uid, &gid) < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, 0,
                        "the user namespace does not map %u:%u, whose the directories of the root are", uid,
                        gid);
        if (fchownat(mount_dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                return nxc_fail(err, errno, "give '%s' of the root to the user namespace", name);
        return 0;
}

static int give_away_all(const struct nxc_idmap *ids, int upper_dir, int mount_dir, struct nxc_error *err)
{
        int fd = openat(upper_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!dir)
                return nxc_fail(err, errno, "read the container's 'upper' directory");
        while (r == 0 && (de = readdir(dir))) {
                _cleanup_close_ int below = -EBADF, shown = -EBADF;
                struct stat st;

                if (nxc_streq(de->d_name, ".") || nxc_streq(de->d_name, ".."))
                        continue;
                if (fstatat(upper_dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return nxc_fail(err, errno, "stat '%s' in the root", de->d_name);
                r = give_away(ids, mount_dir, de->d_name, &st, err);
                if (r < 0 || !S_ISDIR(st.st_mode))
                        continue;
                below = openat(upper_dir, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                shown = openat(mount_dir, de->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (below < 0 || shown < 0)
                        return nxc_fail(err, errno, "open '%s' in the root", de->d_name);
                r = give_away_all(ids, below, shown, err);
        }
        return r;
}

static int make(const struct nxc_storage_container *c, const struct nxc_storage_request *q, int *mount_fd,
        struct nxc_error *err)
{
        _cleanup_close_ int upper = -EBADF;
        int r = q->size_bytes ? nxc_storage_limit(q->dir_fd, directories, q->size_bytes, err) : 0;

        if (r < 0 || !q->ids)
                return r;
        r = nxc_storage_open_dir(q->dir_fd, "upper", &upper, err);
        return r < 0 ? r : give_away_all(q->ids, upper, *mount_fd, err);
}

static int attach(const struct nxc_storage_container *c, enum nxc_rootfs_kind kind, int mount_fd,
        struct nxc_rootfs *ret, struct nxc_error *err)
{
        return nxc_storage_attach_dir(c, mount_fd, NULL, ret, err);
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

const struct nxc_storage_ops nxc_storage_overlay = {
        .name = "overlay",
        .summary = "an upper directory over the image's layers",
        .makes = NXC_STORAGE_MAKES_NOTHING,
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
