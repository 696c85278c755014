/* See fs.h. */
#include "core/fs.h"

#include "core/cleanup.h"
#include "core/path.h"
#include "core/str.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int nxc_read_fd(int fd, size_t limit, char **ret, size_t *ret_len, struct nxc_error *err, const char *what)
{
        _cleanup_buf_ struct nxc_buf buf = { .limit = limit };
        char chunk[16384];
        struct stat st;

        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit)
                return nxc_fail(err, EFBIG, "read %s of %lld bytes (at most %zu)", what, (long long)st.st_size, limit);
        for (;;) {
                ssize_t n = read(fd, chunk, sizeof(chunk));
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return nxc_fail(err, errno, "read %s", what);
                r = nxc_buf_add(&buf, chunk, (size_t)n);
                if (r < 0)
                        return nxc_fail(err, -r, "read %s (at most %zu bytes)", what, limit);
                if (n == 0)
                        break;
        }
        if (ret_len)
                *ret_len = buf.len;
        *ret = TAKE_PTR(buf.data);
        return 0;
}

int nxc_read_file_at(int dirfd, const char *path, size_t limit, char **ret, size_t *ret_len, struct nxc_error *err)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return nxc_fail(err, errno, "open '%s'", path);
        if (fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "stat '%s'", path);
        if (!S_ISREG(st.st_mode))
                return nxc_fail(err, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "read '%s', not a regular file", path);
        return nxc_read_fd(fd, limit, ret, ret_len, err, path);
}

int nxc_write_all(int fd, const void *data, size_t len)
{
        const char *p = data;

        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

int nxc_mkdir_p(const char *path, mode_t mode, struct nxc_error *err)
{
        _cleanup_free_ char *p = nxc_path_absolute(path);
        char *slash;

        if (!p)
                return nxc_oom(err);
        if (mkdir(p, mode) == 0 || errno == EEXIST)
                return 0;
        for (slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(p, mode) < 0 && errno != EEXIST)
                        return nxc_fail(err, errno, "create directory '%s'", p);
                *slash = '/';
        }
        if (mkdir(p, mode) < 0 && errno != EEXIST)
                return nxc_fail(err, errno, "create directory '%s'", p);
        return 0;
}

int nxc_open_dir_p(const char *path, mode_t mode, int *ret_fd, struct nxc_error *err)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

        if (fd < 0 && errno == ENOENT) {
                r = nxc_mkdir_p(path, mode, err);
                if (r < 0)
                        return r;
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0)
                return nxc_fail(err, errno, "open directory '%s'", path);
        *ret_fd = fd;
        return 0;
}

/* Depth is bounded by fds, so a tree deeper than this is removed by moving nothing: it is an error (-EMFILE). */
static int remove_children(int fd, dev_t dev)
{
        _cleanup_closedir_ DIR *dir = fdopendir(fd);
        struct dirent *de;
        int r = 0;

        if (!dir) {
                close(fd);
                return -errno;
        }
        while ((errno = 0, de = readdir(dir))) {
                struct stat st;
                int child, k;

                if (nxc_streq(de->d_name, ".") || nxc_streq(de->d_name, ".."))
                        continue;
                if (de->d_type != DT_DIR && unlinkat(dirfd(dir), de->d_name, 0) == 0)
                        continue;
                if (unlinkat(dirfd(dir), de->d_name, AT_REMOVEDIR) == 0)
                        continue;
                if (errno == ENOTDIR && unlinkat(dirfd(dir), de->d_name, 0) == 0)
                        continue;
                child = openat(dirfd(dir), de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (child < 0) {
                        r = r ? r : -errno;
                        continue;
                }
                if (fstat(child, &st) < 0 || st.st_dev != dev) {
                        close(child);
                        r = r ? r : -EXDEV;
                        continue;
                }
                k = remove_children(child, dev);
                if (k == 0 && unlinkat(dirfd(dir), de->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                        k = -errno;
                r = r ? r : k;
        }
        return r ? r : -errno;
}

int nxc_remove_tree_at(int dirfd, const char *name, struct nxc_error *err)
{
        struct stat st;
        int fd, r;

        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
                return 0;
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return nxc_fail(err, errno, "remove '%s'", name);
        if (fstat(fd, &st) < 0) {
                r = -errno;
                close(fd);
                return nxc_fail(err, -r, "stat '%s'", name);
        }
        r = remove_children(fd, st.st_dev);
        if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
                r = -errno;
        if (r < 0)
                return nxc_fail(err, -r, "remove '%s'", name);
        return 0;
}

static int openat2_raw(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
        struct open_how how = {
                .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
                .mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
                .resolve = resolve,
        };
        long fd;

        path += strspn(path, "/");
        do /* EAGAIN: a rename raced with the resolution of ".." (openat2(2)) */
                fd = syscall(SYS_openat2, dirfd, *path ? path : ".", &how, sizeof(how));
        while (fd < 0 && (errno == EAGAIN || errno == EINTR));
        return fd < 0 ? -errno : (int)fd;
}

int nxc_root_open(int root_fd, const char *path, int flags, mode_t mode)
{
        return openat2_raw(root_fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int nxc_within_open(int dir_fd, const char *path, int flags, mode_t mode)
{
        return openat2_raw(dir_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

int nxc_beneath_open(int root_fd, const char *path, int flags, mode_t mode)
{
        return openat2_raw(root_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int nxc_root_mkdir_p(int root_fd, const char *path, mode_t mode, bool *ret_made)
{
        _cleanup_close_ int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
        char name[256];
        bool made = false;

        if (fd < 0)
                return -errno;
        for (;;) {
                size_t k;
                int next;

                path += strspn(path, "/");
                k = strcspn(path, "/");
                if (k == 0)
                        break;
                if (k >= sizeof(name))
                        return -ENAMETOOLONG;
                memcpy(name, path, k);
                name[k] = '\0';
                path += k;
                if (nxc_streq(name, ".."))
                        return -EINVAL;
                made = mkdirat(fd, name, mode) == 0;
                if (!made && errno != EEXIST)
                        return -errno;
                next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return -errno; /* a link is ENOTDIR: O_DIRECTORY with O_NOFOLLOW */
                close(fd);
                fd = next;
        }
        if (ret_made)
                *ret_made = made;
        return TAKE_FD(fd);
}
