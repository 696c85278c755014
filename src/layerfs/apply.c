/* A layer copied over a directory: what overlayfs would show, made once and for good. For roots that are to
 * stand alone, and where there is no overlayfs.
 *
 * Within one layer a path is met once, and all directories on it are the layer's own. So the first name of a
 * file with several can be found again by its path, in what was copied, without meeting a link of a lower
 * layer: those were replaced on the way there. It is opened beneath the target all the same. */
#include "layerfs/layerfs-internal.h"

#include "core/cleanup.h"
#include "core/copy.h"
#include "core/fs.h"
#include "core/str.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(elt) ((elt)->lost = true)
#include <uthash.h>

struct first_name {
        ino_t ino;
        bool lost; /* uthash could not enter it */
        UT_hash_handle hh;
        char path[];
};

struct apply {
        const struct nxc_flatten_opts *opts;
        struct nxc_copy copy;
        struct first_name *links; /* by inode */
        struct nxc_buf path;      /* of the directory we are in, without a slash at either end */
        int to_fd;                /* the top of the target */
        const char *opaque;
        struct nxc_error *err;
};

static int shift(void *arg, uid_t *uid, gid_t *gid)
{
        return nxc_idmap_owner(((const struct apply *)arg)->opts->ids, uid, gid);
}

static void copied(void *arg, uint64_t bytes)
{
        const struct nxc_flatten_opts *opts = ((const struct apply *)arg)->opts;

        opts->copied(opts->arg, bytes);
}

static int fail(struct apply *a, int errnum, const char *what, const char *name, const struct stat *st)
{
        const char *dir = a->path.data ? a->path.data : "";

        if (errnum == EOVERFLOW && st && a->opts->ids)
                return nxc_fail_kind(a->err, NXC_ERR_INVALID_ROOTFS, 0,
                        "'%s%s/%s' is owned by %u:%u, which the user namespace does not map",
                        *dir ? "/" : "", dir, name, st->st_uid, st->st_gid);
        nxc_fail(a->err, errnum, "%s '%s%s/%s'", what, *dir ? "/" : "", dir, name);
        if (errnum == ENOSPC || errnum == EDQUOT)
                nxc_error_hint(a->err, "nexcage prune removes what no container uses any more");
        return -errnum;
}

/* --- hard links --- */

static int remember_name(struct apply *a, const char *name, ino_t ino)
{
        size_t size = a->path.len + 1 + strlen(name) + 1;
        struct first_name *l = calloc(1, sizeof(*l) + size);

        if (!l)
                return -ENOMEM;
        l->ino = ino;
        snprintf(l->path, size, "%s%s%s", a->path.len ? a->path.data : "", a->path.len ? "/" : "", name);
        HASH_ADD(hh, a->links, ino, sizeof(l->ino), l);
        if (!l->lost)
                return 0;
        free(l);
        return -ENOMEM;
}

/* 1: linked to its first name. 0: this is it, and remembered. */
static int link_again(struct apply *a, int to_dir, const char *name, const struct stat *st)
{
        _cleanup_close_ int dir = -EBADF;
        struct first_name *found;
        const char *base;

        HASH_FIND(hh, a->links, &st->st_ino, sizeof(st->st_ino), found);
        if (!found)
                return remember_name(a, name, st->st_ino);
        base = strrchr(found->path, '/');
        if (base) {
                _cleanup_free_ char *parent = strndup(found->path, (size_t)(base - found->path));

                if (!parent)
                        return -ENOMEM;
                dir = nxc_beneath_open(a->to_fd, parent, O_PATH | O_DIRECTORY, 0);
                if (dir < 0)
                        return dir;
        }
        if (linkat(base ? dir : a->to_fd, base ? base + 1 : found->path, to_dir, name, 0) < 0)
                return -errno;
        return 1;
}

static void free_links(struct apply *a)
{
        struct first_name *l, *next;

        HASH_ITER (hh, a->links, l, next) {
                HASH_DEL(a->links, l);
                free(l);
        }
}

/* --- the walk --- */

static bool is_whiteout(const struct stat *st)
{
        return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static bool is_opaque(const struct apply *a, int fd)
{
        char y;

        return fgetxattr(fd, a->opaque, &y, 1) == 1 && y == 'y';
}

static int apply_dir(struct apply *a, int from, int to);

/* The directory in the target: the lower layers', or a new one. */
static int open_target(struct apply *a, int to_dir, const char *name, bool opaque, int *ret)
{
        struct stat st;
        int r = fstatat(to_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;

        if (r < 0 && r != -ENOENT)
                return fail(a, -r, "look at", name, NULL);
        if (r == 0 && (opaque || !S_ISDIR(st.st_mode))) {
                r = nxc_remove_tree_at(to_dir, name, a->err);
                if (r < 0)
                        return r;
                r = -ENOENT;
        }
        if (r == -ENOENT && mkdirat(to_dir, name, 0700) < 0)
                return fail(a, errno, "create directory", name, NULL);
        *ret = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret < 0 ? fail(a, errno, "open directory", name, NULL) : 0;
}

static int apply_subdir(struct apply *a, int from_dir, int to_dir, const char *name, const struct stat *st)
{
        _cleanup_close_ int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                            to = -EBADF;
        size_t len = a->path.len;
        int r;

        if (from < 0)
                return fail(a, errno, "open directory", name, NULL);
        r = open_target(a, to_dir, name, is_opaque(a, from), &to);
        if (r == 0 && nxc_buf_printf(&a->path, "%s%s", len ? "/" : "", name) < 0)
                r = nxc_oom(a->err);
        if (r == 0)
                r = apply_dir(a, from, to);
        if (a->path.data) {
                a->path.len = len;
                a->path.data[len] = '\0';
        }
        if (r < 0)
                return r;
        r = nxc_copy_attributes(&a->copy, from, to, st);
        return r < 0 ? fail(a, -r, "set the attributes of", name, st) : 0;
}

static int apply_entry(struct apply *a, int from_dir, int to_dir, const char *name)
{
        struct stat st;
        int r = 0;

        if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return fail(a, errno, "look at", name, NULL);
        if (S_ISDIR(st.st_mode))
                return apply_subdir(a, from_dir, to_dir, name, &st);
        if (unlinkat(to_dir, name, 0) < 0 && errno != ENOENT) {
                if (errno != EISDIR)
                        return fail(a, errno, "replace", name, NULL);
                r = nxc_remove_tree_at(to_dir, name, a->err);
                if (r < 0)
                        return r;
        }
        if (is_whiteout(&st))
                return 0;
        if (st.st_nlink > 1)
                r = link_again(a, to_dir, name, &st);
        if (r == 0)
                r = nxc_copy_entry(&a->copy, from_dir, to_dir, name, &st);
        return r < 0 ? fail(a, -r, "copy", name, &st) : 0;
}

static int apply_dir(struct apply *a, int from, int to)
{
        int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!dir) {
                r = fail(a, errno, "read directory", ".", NULL);
                nxc_closep(&fd);
                return r;
        }
        while (r == 0 && (errno = 0, de = readdir(dir)))
                if (!nxc_streq(de->d_name, ".") && !nxc_streq(de->d_name, ".."))
                        r = apply_entry(a, from, to, de->d_name);
        if (r == 0 && errno)
                r = fail(a, errno, "read directory", ".", NULL);
        return r;
}

static int init_copy(struct apply *a)
{
        uid_t root = 0;
        gid_t group = 0;

        a->copy.arg = a;
        if (a->opts->copied)
                a->copy.copied = copied;
        if (!a->opts->ids)
                return 0;
        a->copy.shift = shift;
        if (shift(a, &root, &group) < 0)
                return nxc_fail_kind(a->err, NXC_ERR_INVALID_ROOTFS, 0,
                        "the user namespace maps no root: the files of an image would have no owner");
        a->copy.root_uid = root;
        return 0;
}

int nxc_layer_apply(int layer_fd, int to_fd, const struct nxc_flatten_opts *opts, struct nxc_error *err)
{
        struct apply a = {
                .opts = opts,
                .to_fd = to_fd,
                .copy.image_fd = opts->image_fd,
                .opaque = nxc_overlay_opaque_xattr(),
                .err = err,
        };
        struct stat st;
        int r = init_copy(&a);

        if (r == 0)
                r = apply_dir(&a, layer_fd, to_fd);
        if (r == 0) {
                r = fstat(layer_fd, &st) < 0 ? -errno : nxc_copy_attributes(&a.copy, layer_fd, to_fd, &st);
                if (r < 0)
                        r = fail(&a, -r, "set the attributes of", "", &st);
        }
        free_links(&a);
        nxc_buf_done(&a.path);
        return r;
}
