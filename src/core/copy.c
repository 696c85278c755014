/* See copy.h. */
#include "core/copy.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define XATTR_LIST_MAX_BYTES 65536 /* the kernel's own limits: XATTR_LIST_MAX, XATTR_SIZE_MAX */

static int copy_xattrs(int from, int to)
{
        _cleanup_free_ char *list = malloc(XATTR_LIST_MAX_BYTES), *value = malloc(XATTR_LIST_MAX_BYTES);
        ssize_t n;

        if (!list || !value)
                return -ENOMEM;
        n = flistxattr(from, list, XATTR_LIST_MAX_BYTES);
        if (n < 0)
                return errno == ENOTSUP ? 0 : -errno;
        for (const char *name = list; name < list + n; name += strlen(name) + 1) {
                ssize_t k = fgetxattr(from, name, value, XATTR_LIST_MAX_BYTES);

                if (nxc_starts_with(name, "trusted.overlay."))
                        continue;
                if (k >= 0 && fsetxattr(to, name, value, (size_t)k, 0) < 0 && errno != ENOTSUP)
                        return -errno;
        }
        return 0;
}

static int copy_attributes(int from, int to, const struct stat *st)
{
        struct timespec times[2] = { st->st_atim, st->st_mtim };
        int r;

        if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
                return -errno;
        r = copy_xattrs(from, to);
        if (r < 0)
                return r;
        return futimens(to, times) < 0 ? -errno : 0;
}

/* In the kernel where it can (reflinks among it), which for two file systems it only does with sendfile(2).
 */
static ssize_t copy_range(int from, int to, off_t *at, size_t len)
{
        off_t out = *at;
        ssize_t n = copy_file_range(from, at, to, &out, len, 0);

        if (n >= 0 || (errno != EXDEV && errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS))
                return n;
        if (lseek(to, *at, SEEK_SET) < 0)
                return -1;
        return sendfile(to, from, at, len);
}

static int copy_data(int from, int to, off_t size)
{
        off_t at = 0;

        while (at < size) {
                off_t data = lseek(from, at, SEEK_DATA), hole;

                if (data < 0 && errno == ENXIO)
                        break;
                hole = data < 0 ? size : lseek(from, data, SEEK_HOLE);
                if (data < 0)
                        data = at;
                if (hole < 0)
                        hole = size;
                for (off_t in = data; in < hole;) {
                        ssize_t n = copy_range(from, to, &in, (size_t)(hole - in));

                        if (n < 0 && errno == EINTR)
                                continue;
                        if (n < 0)
                                return -errno;
                        if (n == 0)
                                break;
                }
                at = hole;
        }
        return ftruncate(to, size) < 0 ? -errno : 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
        _cleanup_close_ int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
                            to = -EBADF;
        int r;

        if (from < 0)
                return -errno;
        to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to < 0)
                return -errno;
        r = copy_data(from, to, st->st_size);
        return r < 0 ? r : copy_attributes(from, to, st);
}

static int copy_other(int from_dir, int to_dir, const char *name, const struct stat *st)
{
        struct timespec times[2] = { st->st_atim, st->st_mtim };
        char target[PATH_MAX];

        if (S_ISLNK(st->st_mode)) {
                ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

                if (n < 0)
                        return -errno;
                target[n] = '\0';
                if (symlinkat(target, to_dir, name) < 0)
                        return -errno;
        } else if (mknodat(to_dir, name, st->st_mode, st->st_rdev) < 0 ||
                   fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0) {
                return -errno;
        }
        if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
                utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

static int copy_dir(int from_fd, int to_fd, dev_t dev, struct nxc_error *err);

static int copy_subdir(int from_dir, int to_dir, const char *name, dev_t dev, struct nxc_error *err)
{
        _cleanup_close_ int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                            to = -EBADF;

        if (from < 0)
                return nxc_fail(err, errno, "open directory '%s'", name);
        if (mkdirat(to_dir, name, 0700) < 0)
                return nxc_fail(err, errno, "create directory '%s'", name);
        to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to < 0)
                return nxc_fail(err, errno, "open directory '%s'", name);
        return copy_dir(from, to, dev, err);
}

static int copy_entry(int from_fd, int to_fd, const char *name, dev_t dev, struct nxc_error *err)
{
        struct stat st;
        int r;

        if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return nxc_fail(err, errno, "stat '%s'", name);
        if (st.st_dev != dev && S_ISDIR(st.st_mode))
                return 0;
        if (S_ISDIR(st.st_mode))
                return copy_subdir(from_fd, to_fd, name, dev, err);
        r = S_ISREG(st.st_mode) ? copy_file(from_fd, to_fd, name, &st)
                                : copy_other(from_fd, to_fd, name, &st);
        return r < 0 ? nxc_fail(err, -r, "copy '%s'", name) : 0;
}

static int copy_dir(int from_fd, int to_fd, dev_t dev, struct nxc_error *err)
{
        int fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;
        struct stat st;

        if (!dir)
                return nxc_fail(err, errno, "read a directory");
        while (r == 0 && (errno = 0, de = readdir(dir)))
                if (!nxc_streq(de->d_name, ".") && !nxc_streq(de->d_name, ".."))
                        r = copy_entry(from_fd, to_fd, de->d_name, dev, err);
        if (r < 0)
                return r;
        if (errno)
                return nxc_fail(err, errno, "read a directory");
        if (fstat(from_fd, &st) < 0)
                return nxc_fail(err, errno, "stat a directory");
        r = copy_attributes(from_fd, to_fd, &st);
        return r < 0 ? nxc_fail(err, -r, "set the attributes of a copied directory") : 0;
}

int nxc_copy_tree(int from_fd, int to_fd, struct nxc_error *err)
{
        struct stat st;

        if (fstat(from_fd, &st) < 0)
                return nxc_fail(err, errno, "stat a directory");
        return copy_dir(from_fd, to_fd, st.st_dev, err);
}
