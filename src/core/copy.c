/* See copy.h. */
#include "core/copy.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#define XATTR_LIST_MAX_BYTES 65536    /* the kernel's own limits: XATTR_LIST_MAX, XATTR_SIZE_MAX */
#define LINK_PATH_MAX (32 + NAME_MAX) /* "/proc/self/fd/N/NAME" */

#define CLONE_BLOCK 4096u  /* of the file systems that have reflinks, and of our images */
#define EXTENTS_AT_ONCE 64 /* most files have one */

/* --- attributes --- */

/* A file capability holds in the user namespace whose root it names; one that names none holds in the first
 * (vfs_cap_data and vfs_ns_cap_data, Linux >= 4.14). */
static size_t shift_capability(const struct nxc_copy *c, char *value, size_t len)
{
        struct vfs_ns_cap_data cap;

        if (!c->shift || len != sizeof(struct vfs_cap_data))
                return len;
        memcpy(&cap, value, len);
        cap.magic_etc = htole32(VFS_CAP_REVISION_3 | (le32toh(cap.magic_etc) & VFS_CAP_FLAGS_MASK));
        cap.rootid = htole32(c->root_uid);
        memcpy(value, &cap, sizeof(cap));
        return sizeof(cap);
}

static int copy_xattrs(const struct nxc_copy *c, const char *from, const char *to)
{
        _cleanup_free_ char *list = NULL, *value = NULL;
        ssize_t n = llistxattr(from, NULL, 0);

        if (n <= 0)
                return n == 0 || errno == ENOTSUP ? 0 : -errno;
        list = malloc(XATTR_LIST_MAX_BYTES);
        value = malloc(XATTR_LIST_MAX_BYTES);
        if (!list || !value)
                return -ENOMEM;
        n = llistxattr(from, list, XATTR_LIST_MAX_BYTES);
        if (n < 0)
                return -errno;
        for (const char *name = list; name < list + n; name += strlen(name) + 1) {
                ssize_t k = lgetxattr(from, name, value, XATTR_LIST_MAX_BYTES);

                if (k < 0 || nxc_starts_with(name, "trusted.overlay.") ||
                        nxc_starts_with(name, "user.overlay."))
                        continue;
                if (nxc_streq(name, "security.capability"))
                        k = (ssize_t)shift_capability(c, value, (size_t)k);
                if (lsetxattr(to, name, value, (size_t)k, 0) < 0 && errno != ENOTSUP)
                        return -errno;
        }
        return 0;
}

static int find_owner(const struct nxc_copy *c, const struct stat *st, uid_t *uid, gid_t *gid)
{
        *uid = st->st_uid;
        *gid = st->st_gid;
        return c->shift ? c->shift(c->arg, uid, gid) : 0;
}

/* A name beneath the link of a descriptor in /proc: the xattr calls and the others take no O_PATH descriptors. */
static const char *proc_path(int dir, const char *name, char buf[LINK_PATH_MAX])
{
        snprintf(buf, LINK_PATH_MAX, "/proc/self/fd/%d/%s", dir, name);
        return buf;
}

static int set_attributes(struct nxc_copy *c, int from, int to, const char *from_path, const char *to_path,
        const struct stat *st)
{
        struct timespec times[2] = { st->st_atim, st->st_mtim };
        uid_t uid;
        gid_t gid;
        int r = find_owner(c, st, &uid, &gid);

        if (r < 0)
                return r;
        /* the owner first: changing it takes set-user-ID bits and capabilities away */
        if (fchown(to, uid, gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
                return -errno;
        r = copy_xattrs(c, from_path, to_path);
        if (r < 0)
                return r;
        return futimens(to, times) < 0 ? -errno : 0;
}

int nxc_copy_attributes(struct nxc_copy *c, int from_fd, int to_fd, const struct stat *st)
{
        char from[LINK_PATH_MAX], to[LINK_PATH_MAX];

        return set_attributes(c, from_fd, to_fd, proc_path(from_fd, "", from), proc_path(to_fd, "", to), st);
}

/* --- content --- */

/* In the kernel where it can, which for two file systems it only does with sendfile(2). */
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

static int copy_plain(int from, int to, off_t at, off_t end)
{
        while (at < end) {
                ssize_t n = copy_range(from, to, &at, (size_t)(end - at));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
        }
        return 0;
}

static int copy_extents(int from, int to, off_t size)
{
        off_t at = 0;

        while (at < size) {
                off_t data = lseek(from, at, SEEK_DATA), hole;
                int r;

                if (data < 0 && errno == ENXIO)
                        break;
                hole = data < 0 ? size : lseek(from, data, SEEK_HOLE);
                if (data < 0)
                        data = at;
                if (hole < 0)
                        hole = size;
                r = copy_plain(from, to, data, hole);
                if (r < 0)
                        return r;
                at = hole;
        }
        return ftruncate(to, size) < 0 ? -errno : 0;
}

/* Of a file in a mounted image: from the image. A last block is cloned whole and cut. */
static int clone_extent(
        const struct nxc_copy *c, int from, int to, const struct fiemap_extent *e, off_t size)
{
        struct file_clone_range range = {
                .src_fd = c->image_fd,
                .src_offset = e->fe_physical,
                .dest_offset = e->fe_logical,
                .src_length = (e->fe_length + CLONE_BLOCK - 1) / CLONE_BLOCK * CLONE_BLOCK,
        };
        off_t end = (off_t)(e->fe_logical + e->fe_length);

        if (!(e->fe_flags & ~(uint32_t)FIEMAP_EXTENT_LAST) && ioctl(to, FICLONERANGE, &range) == 0)
                return 0;
        /* within an inode, say */
        return copy_plain(from, to, (off_t)e->fe_logical, end < size ? end : size);
}

/* 1: this file system does not tell. */
static int clone_from_image(const struct nxc_copy *c, int from, int to, off_t size)
{
        union {
                struct fiemap map;
                char room[sizeof(struct fiemap) + EXTENTS_AT_ONCE * sizeof(struct fiemap_extent)];
        } f;
        bool last = false;
        uint64_t at = 0;

        while (!last) {
                memset(&f.map, 0, sizeof(f.map));
                f.map.fm_start = at;
                f.map.fm_length = FIEMAP_MAX_OFFSET - at;
                f.map.fm_extent_count = EXTENTS_AT_ONCE;
                if (ioctl(from, FS_IOC_FIEMAP, &f.map) < 0)
                        return at ? -errno : 1;
                last = f.map.fm_mapped_extents == 0;
                for (uint32_t i = 0; i < f.map.fm_mapped_extents; i++) {
                        const struct fiemap_extent *e = &f.map.fm_extents[i];
                        int r = clone_extent(c, from, to, e, size);

                        if (r < 0)
                                return r;
                        at = e->fe_logical + e->fe_length;
                        last = e->fe_flags & FIEMAP_EXTENT_LAST;
                }
        }
        return ftruncate(to, size) < 0 ? -errno : 0;
}

bool nxc_copy_can_clone(int file_fd, int dir_fd)
{
        _cleanup_close_ int to = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        struct file_clone_range range = { .src_fd = file_fd, .src_length = CLONE_BLOCK };

        return to >= 0 && ioctl(to, FICLONERANGE, &range) == 0;
}

/* The whole file as a reflink, holes and all; asked for once where there is no such thing. */
static int copy_data(struct nxc_copy *c, int from, int to, off_t size)
{
        if (size == 0)
                return 0;
        if (c->image_fd > 0) {
                int r = clone_from_image(c, from, to, size);

                if (r <= 0)
                        return r;
        } else if (!c->no_clone) {
                if (ioctl(to, FICLONE, from) == 0)
                        return 0;
                if (errno != EOPNOTSUPP && errno != EXDEV && errno != EINVAL && errno != ENOTTY)
                        return -errno;
                c->no_clone = true;
        }
        return copy_extents(from, to, size);
}

static int copy_file(struct nxc_copy *c, int from_dir, int to_dir, const char *name, const struct stat *st)
{
        _cleanup_close_ int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
                            to = -EBADF;
        char from_path[LINK_PATH_MAX], to_path[LINK_PATH_MAX];
        int r;

        if (from < 0)
                return -errno;
        to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to < 0)
                return -errno;
        r = copy_data(c, from, to, st->st_size);
        if (r < 0)
                return r;
        if (c->copied)
                c->copied(c->arg, (uint64_t)st->st_size);
        return set_attributes(
                c, from, to, proc_path(from_dir, name, from_path), proc_path(to_dir, name, to_path), st);
}

static int make_other(int from_dir, int to_dir, const char *name, const struct stat *st)
{
        char target[PATH_MAX];
        ssize_t n;

        if (!S_ISLNK(st->st_mode))
                return mknodat(to_dir, name, st->st_mode, st->st_rdev) < 0 ? -errno : 0;
        n = readlinkat(from_dir, name, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = '\0';
        return symlinkat(target, to_dir, name) < 0 ? -errno : 0;
}

static int copy_other(struct nxc_copy *c, int from_dir, int to_dir, const char *name, const struct stat *st)
{
        struct timespec times[2] = { st->st_atim, st->st_mtim };
        char from_path[LINK_PATH_MAX], to_path[LINK_PATH_MAX];
        uid_t uid;
        gid_t gid;
        int r = find_owner(c, st, &uid, &gid);

        if (r == 0)
                r = make_other(from_dir, to_dir, name, st);
        if (r < 0)
                return r;
        if (fchownat(to_dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
                (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0))
                return -errno;
        r = copy_xattrs(c, proc_path(from_dir, name, from_path), proc_path(to_dir, name, to_path));
        if (r < 0)
                return r;
        return utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int nxc_copy_entry(struct nxc_copy *c, int from_dir, int to_dir, const char *name, const struct stat *st)
{
        return S_ISREG(st->st_mode) ? copy_file(c, from_dir, to_dir, name, st)
                                    : copy_other(c, from_dir, to_dir, name, st);
}

/* --- a whole tree --- */

static int copy_dir(struct nxc_copy *c, int from_fd, int to_fd, dev_t dev, struct nxc_error *err);

static int copy_subdir(
        struct nxc_copy *c, int from_dir, int to_dir, const char *name, dev_t dev, struct nxc_error *err)
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
        return copy_dir(c, from, to, dev, err);
}

static int copy_child(
        struct nxc_copy *c, int from_fd, int to_fd, const char *name, dev_t dev, struct nxc_error *err)
{
        struct stat st;
        int r;

        if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return nxc_fail(err, errno, "stat '%s'", name);
        if (st.st_dev != dev && S_ISDIR(st.st_mode))
                return 0;
        if (S_ISDIR(st.st_mode))
                return copy_subdir(c, from_fd, to_fd, name, dev, err);
        r = nxc_copy_entry(c, from_fd, to_fd, name, &st);
        return r < 0 ? nxc_fail(err, -r, "copy '%s'", name) : 0;
}

static int copy_dir(struct nxc_copy *c, int from_fd, int to_fd, dev_t dev, struct nxc_error *err)
{
        int fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;
        struct stat st;

        if (!dir)
                return nxc_fail(err, errno, "read a directory");
        while (r == 0 && (errno = 0, de = readdir(dir)))
                if (!nxc_streq(de->d_name, ".") && !nxc_streq(de->d_name, ".."))
                        r = copy_child(c, from_fd, to_fd, de->d_name, dev, err);
        if (r < 0)
                return r;
        if (errno)
                return nxc_fail(err, errno, "read a directory");
        if (fstat(from_fd, &st) < 0)
                return nxc_fail(err, errno, "stat a directory");
        r = nxc_copy_attributes(c, from_fd, to_fd, &st);
        return r < 0 ? nxc_fail(err, -r, "set the attributes of a copied directory") : 0;
}

int nxc_copy_tree(int from_fd, int to_fd, struct nxc_error *err)
{
        struct nxc_copy c = { 0 };
        struct stat st;

        if (fstat(from_fd, &st) < 0)
                return nxc_fail(err, errno, "stat a directory");
        return copy_dir(&c, from_fd, to_fd, st.st_dev, err);
}
