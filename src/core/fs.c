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

const char *nxc_show_at(int dirfd, const char *name, char ret[NXC_SHOWN_MAX])
{
        char link[48], dir[NXC_SHOWN_MAX];
        int saved = errno;
        ssize_t n = -1;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
        if (dirfd >= 0 && name[0] != '/')
                n = readlink(link, dir, sizeof(dir));
        if (n > 0 && (size_t)n + 1 + strlen(name) < NXC_SHOWN_MAX)
                snprintf(ret, NXC_SHOWN_MAX, "%.*s/%s", (int)n, dir, name);
        else
                snprintf(ret, NXC_SHOWN_MAX, "%s", name);
        errno = saved;
        return ret;
}

int nxc_read_fd(int fd, size_t limit, char **ret, size_t *ret_len, struct nxc_error *err, const char *what)
{
        _cleanup_buf_ struct nxc_buf buf = { .limit = limit };
        char chunk[16384];
        struct stat st;

        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit)
                return nxc_fail(err, EFBIG, "read %s of %lld bytes (at most %zu)", what,
                        (long long)st.st_size, limit);
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

int nxc_read_file_at(
        int dirfd, const char *path, size_t limit, char **ret, size_t *ret_len, struct nxc_error *err)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return nxc_fail(err, errno, "open '%s'", path);
        if (fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "stat '%s'", path);
        if (!S_ISREG(st.st_mode))
                return nxc_fail(
                        err, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "read '%s', not a regular file", path);
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

static int make_dir(const char *path, mode_t mode)
{
        struct stat st;

        if (mkdir(path, mode) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        return stat(path, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int nxc_mkdir_p(const char *path, mode_t mode, struct nxc_error *err)
{
        _cleanup_free_ char *p = nxc_path_absolute(path);
        int r;

        if (!p)
                return errno == ENOMEM ? nxc_oom(err) : nxc_fail(err, errno, "create directory '%s'", path);
        r = make_dir(p, mode);
        if (r != -ENOENT)
                return r < 0 ? nxc_fail(err, -r, "create directory '%s'", p) : 0;
        for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                r = make_dir(p, mode);
                if (r < 0)
                        return nxc_fail(err, -r, "create directory '%s'", p);
                *slash = '/';
        }
        r = make_dir(p, mode);
        return r < 0 ? nxc_fail(err, -r, "create directory '%s'", p) : 0;
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

/* An attacker who renames without end could otherwise hold a path with ".." in it for ever. */
#define OPENAT2_TRIES 1000

static int openat2_raw(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
        struct open_how how = {
                .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
                .mode = (flags & (O_CREAT | __O_TMPFILE)) ? mode : 0,
                .resolve = resolve,
        };
        int tries = 0;
        long fd;

        path += strspn(path, "/");
        do /* EAGAIN: a rename or a mount raced with the resolution (openat2(2)) */
                fd = syscall(SYS_openat2, dirfd, *path ? path : ".", &how, sizeof(how));
        while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < OPENAT2_TRIES)));
        return fd < 0 ? -errno : (int)fd;
}

/* Removing a tree. What is removed may come from a container, so it may be deeper than we have fds or stack,
 * and it may hold mounts that somebody forgot: below this depth a directory is first moved up beside the
 * others, and no directory is entered that is a mount point, not even one of the same file system (which
 * st_dev would not show). */
#define REMOVE_MAX_DEPTH 64

struct removal {
        int top_fd;
        unsigned moved; /* names given to what was moved up */
        bool again;     /* something was moved up: another pass */
};

static int move_up(struct removal *rm, int dir_fd, const char *name)
{
        char to[32];

        do
                snprintf(to, sizeof(to), ".nxc-removed-%u", rm->moved++);
        while (renameat2(dir_fd, name, rm->top_fd, to, RENAME_NOREPLACE) < 0 && errno == EEXIST);
        if (faccessat(rm->top_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        rm->again = true;
        return 0;
}

static int remove_children(struct removal *rm, int fd, int depth);

static int remove_entry(struct removal *rm, int dir_fd, const char *name, int depth)
{
        int child, r;

        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        r = -errno;
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
                return 0;
        if (errno == ENOTDIR)
                return r; /* a file that could not go */
        if (errno != ENOTEMPTY && errno != EEXIST)
                return -errno;
        if (depth >= REMOVE_MAX_DEPTH)
                return move_up(rm, dir_fd, name);
        child = openat2_raw(
                dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
        if (child < 0)
                return child;
        r = remove_children(rm, child, depth + 1);
        if (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                r = -errno;
        return r;
}

/* Takes fd. The first failure is what is reported; the rest is removed all the same. */
static int remove_children(struct removal *rm, int fd, int depth)
{
        _cleanup_closedir_ DIR *dir = fdopendir(fd);
        struct dirent *de;
        int r = 0;

        if (!dir) {
                r = -errno;
                close(fd);
                return r;
        }
        if (depth == 0)
                rm->top_fd = fd;
        do {
                rm->again = depth > 0 && rm->again;
                rewinddir(dir);
                while ((errno = 0, de = readdir(dir))) {
                        int k = 0;

                        if (!nxc_streq(de->d_name, ".") && !nxc_streq(de->d_name, ".."))
                                k = remove_entry(rm, fd, de->d_name, depth);
                        r = r ? r : k;
                }
                r = r ? r : -errno;
        } while (depth == 0 && rm->again);
        return r;
}

/* The tree's own directory may be a mount point as well, whose contents are somebody else's. */
static bool is_mount_root(int fd)
{
        struct statx stx;

        return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0 &&
               (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int nxc_remove_tree_at(int dirfd, const char *name, struct nxc_error *err)
{
        struct removal rm = { 0 };
        int fd, r, unlinked;

        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
                return 0;
        unlinked = errno;
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return nxc_fail(
                        err, errno == ENOTDIR || errno == ELOOP ? unlinked : errno, "remove '%s'", name);
        if (is_mount_root(fd)) {
                close(fd);
                return nxc_fail(err, EBUSY, "remove '%s', which is mounted", name);
        }
        r = remove_children(&rm, fd, 0);
        if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                r = -errno;
        if (r < 0)
                return nxc_fail(err, -r, "remove '%s'", name);
        return 0;
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
        return openat2_raw(
                root_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
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

bool nxc_has_name_at(int dirfd, const char *name, int fd)
{
        struct stat held, named;

        return fstat(fd, &held) == 0 && fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
               held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}
