/* See common-internal.h. */
#include "storage/common-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"
#include "core/str.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define FILESYSTEMS_MAX_BYTES 65536 /* some dozen names */

int nxc_storage_open_dir(int dir_fd, const char *name, int *ret_fd, struct nxc_error *err)
{
        int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return nxc_fail(err, errno, "open the container's '%s' directory", name);
        *ret_fd = fd;
        return 0;
}

int nxc_storage_make_dir(int dir_fd, const char *name, mode_t mode, int *ret_fd, struct nxc_error *err)
{
        if (mkdirat(dir_fd, name, mode) < 0)
                return nxc_fail(err, errno, "create the container's '%s' directory", name);
        return ret_fd ? nxc_storage_open_dir(dir_fd, name, ret_fd, err) : 0;
}

struct copying {
        const struct nxc_storage_progress *progress;
        uint64_t done, total;
};

static void copied(void *arg, uint64_t bytes)
{
        struct copying *c = arg;

        c->done += bytes;
        if (c->progress->fn)
                c->progress->fn(c->progress->arg, c->done, c->total > c->done ? c->total : c->done);
}

int nxc_storage_copy(const struct nxc_storage_request *q, int upper, const struct nxc_idmap *ids, int root,
        struct nxc_error *err)
{
        struct copying copying = { &q->progress, 0, q->image_bytes };
        const struct nxc_flatten_opts opts = { .ids = ids, .copied = copied, .arg = &copying };

        return nxc_layer_chain_flatten(q->chain, upper, root, &opts, err);
}

int nxc_storage_need_kernel(const char *file_system, const char *hint, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL, *line = nxc_strf("\t%s\n", file_system);
        int r = line ? nxc_read_file_at(
                               AT_FDCWD, "/proc/filesystems", FILESYSTEMS_MAX_BYTES, &text, NULL, err)
                     : nxc_oom(err);

        if (r < 0 || strstr(text, line))
                return r;
        r = nxc_fail_kind(
                err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "the kernel has no %s file system", file_system);
        nxc_error_hint(err, "%s", hint);
        return r;
}

int nxc_storage_remove_overlay(int dir_fd, struct nxc_error *err)
{
        int r = nxc_remove_tree_at(dir_fd, "upper", err);

        return r < 0 ? r : nxc_remove_tree_at(dir_fd, "work", err);
}

int nxc_storage_compose(const struct nxc_storage_request *q, int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_close_ int upper = -EBADF, work = -EBADF;
        int r = nxc_storage_make_dir(q->dir_fd, "rootfs", 0700, NULL, err);

        if (r == 0)
                r = nxc_storage_make_dir(q->dir_fd, "upper", 0755, &upper, err);
        if (r == 0)
                r = nxc_storage_make_dir(q->dir_fd, "work", 0700, &work, err);
        return r < 0 ? r : nxc_layer_chain_compose(q->chain, upper, work, q->ephemeral, ret_mount_fd, err);
}

int nxc_storage_attach_dir(const struct nxc_storage_container *c, int mount_fd, const char *source,
        struct nxc_rootfs *ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(c->dir, "rootfs"), *copy = source ? strdup(source) : NULL;
        _cleanup_close_ int dir = -EBADF;
        int r = 0;

        if (!path || (source && !copy))
                return nxc_oom(err);
        if (mount_fd >= 0) {
                dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (dir < 0)
                        return nxc_fail(err, errno, "open the container's directory '%s'", c->dir);
                r = nxc_mount_attach(mount_fd, dir, "rootfs", err);
        }
        if (r < 0)
                return r;
        ret->kind = NXC_ROOTFS_DIR;
        ret->path = TAKE_PTR(path);
        ret->source = TAKE_PTR(copy);
        return 0;
}

int nxc_storage_unmount(const struct nxc_storage_container *c, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(c->dir, "rootfs");
        _cleanup_free_ char *lower = nxc_path_join(c->dir, NXC_STORAGE_LOWER);
        int r = path && lower ? nxc_umount(path, err) : nxc_oom(err);

        return r < 0 ? r : nxc_umount(lower, err);
}

/* --- how much there is --- */

#define USAGE_MAX_DEPTH 200 /* a descriptor for each */

struct linked {
        ino_t ino;
        uint64_t bytes;
};

struct count {
        struct nxc_tree_count sum;
        dev_t dev;
        struct linked *links; /* inodes with more than one name */
        size_t n_links, cap;
};

static int remember_link(struct count *c, const struct stat *st)
{
        if (nxc_grow(&c->links, c->n_links, &c->cap, sizeof(*c->links)) < 0)
                return -ENOMEM;
        c->links[c->n_links++] = (struct linked){ st->st_ino, (uint64_t)st->st_blocks * 512 };
        return 0;
}

static int count_dir(struct count *c, int fd, int depth);

static int count_entry(struct count *c, int dir_fd, const char *name, int depth)
{
        struct stat st;
        int fd;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        c->sum.inodes++;
        if (S_ISDIR(st.st_mode) && st.st_dev != c->dev)
                return 0;
        if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
                return remember_link(c, &st);
        c->sum.bytes += (uint64_t)st.st_blocks * 512;
        if (!S_ISDIR(st.st_mode) || depth >= USAGE_MAX_DEPTH)
                return 0;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
        return count_dir(c, fd, depth + 1);
}

/* Takes fd. */
static int count_dir(struct count *c, int fd, int depth)
{
        _cleanup_closedir_ DIR *dir = fdopendir(fd);
        struct dirent *de;
        int r = 0;

        if (!dir) {
                r = -errno;
                close(fd);
                return r;
        }
        while (r == 0 && (errno = 0, de = readdir(dir)))
                if (!nxc_streq(de->d_name, ".") && !nxc_streq(de->d_name, ".."))
                        r = count_entry(c, fd, de->d_name, depth);
        return r < 0 ? r : -errno;
}

static int by_inode(const void *a, const void *b)
{
        const struct linked *x = a, *y = b;

        return x->ino < y->ino ? -1 : x->ino > y->ino;
}

int nxc_storage_count(int fd, struct nxc_tree_count *ret)
{
        struct count c = { 0 };
        struct stat st;
        int copy, r;

        if (fstat(fd, &st) < 0)
                return -errno;
        copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (copy < 0)
                return -errno;
        c.dev = st.st_dev;
        c.sum = (struct nxc_tree_count){ (uint64_t)st.st_blocks * 512, 1 };
        r = count_dir(&c, copy, 0);
        if (c.n_links)
                qsort(c.links, c.n_links, sizeof(*c.links), by_inode);
        for (size_t i = 0; i < c.n_links; i++)
                if (i == 0 || c.links[i].ino != c.links[i - 1].ino)
                        c.sum.bytes += c.links[i].bytes;
        free(c.links);
        if (r == 0)
                *ret = c.sum;
        return r;
}

int nxc_storage_disk_usage(const char *dir, const char *name, uint64_t *ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(dir, name);
        _cleanup_close_ int fd = -EBADF;
        struct nxc_tree_count count = { 0 };
        int r;

        if (!path)
                return nxc_oom(err);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
                return nxc_fail(err, errno, "open '%s'", path);
        r = fd < 0 ? 0 : nxc_storage_count(fd, &count);
        if (r < 0)
                return nxc_fail(err, -r, "count what '%s' takes", path);
        *ret = count.bytes;
        return 0;
}

int nxc_storage_store_space(
        const struct nxc_storage_env *env, struct nxc_storage_space *ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = strdup(env->store), *shown = strdup(env->store);
        struct statvfs sv;

        if (!path || !shown)
                return nxc_oom(err);
        while (statvfs(path, &sv) < 0) {
                char *slash = strrchr(path, '/');

                if (errno != ENOENT || !slash || nxc_streq(path, "/"))
                        return nxc_fail(err, errno, "ask for the free space of '%s'", env->store);
                slash[slash == path] = '\0';
        }
        *ret = (struct nxc_storage_space){ .total = (uint64_t)sv.f_blocks * sv.f_frsize,
                .available = (uint64_t)sv.f_bavail * sv.f_frsize,
                .where = TAKE_PTR(shown) };
        return 0;
}
