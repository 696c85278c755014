/* See untar-internal.h.
 *
 * Theory of operation. Nothing is ever done by a path that a kernel could resolve out of the root: the
 * parent directory of an entry is opened with openat2 below the root's descriptor, and the entry itself is
 * made in it by its last component, never following a link. The open parent is kept, since the next entry
 * mostly has the same one.
 *
 * A parent that is a symlink (an entry "bin/sh" after "bin -> usr/bin") is followed as a process chrooted
 * into this layer would (RESOLVE_IN_ROOT): what podman does, which unpacks each layer alone in a chroot. The
 * layers below are not looked at, for a layer is shared by its diff_id in many chains. So where "bin" is a
 * link in a layer below only, "bin/sh" makes a directory that hides the link, as it does in podman and
 * docker; umoci and containerd, which unpack over the layers below, would follow it. No builder writes such
 * layers: they name a file by its real path.
 *
 * Whiteouts speak of the layers below only (image-spec, layer.md), in whatever order the entries come:
 * ".wh.x" becomes overlayfs' character device 0:0, unless this layer has an x, whose directory then is made
 * opaque; an x that comes after its whiteout takes its place, a directory being made opaque again.
 * ".wh..wh..opq" sets the opaque mark on the directory that it lies in, which need not have an entry yet.
 *
 * Names: libarchive itself refuses PAX and GNU headers of more than 1 MiB; a name ends at a NUL.
 *
 * Times of directories: making an entry in a directory changes its time. It is put back when the directory
 * is left, so that no list of all directories needs to be kept. */
#include "layerfs/untar-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/str.h"
#include "sys/mount.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META_PREFIX ".wh..wh." /* aufs' own files, and the opaque mark */
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define ENTRY_MAX_XATTRS 256   /* more than ext4 can store for a file */
#define XATTR_VALUE_MAX 65536  /* XATTR_SIZE_MAX of the kernel */
#define MAX_DEFAULT_ACLS 65536 /* kept in memory until the end; images have none or a few */
#define MODE_BITS 07777
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY)

struct default_acl {
        struct default_acl *next;
        size_t len;
        char *path;
        char value[];
};

struct untar {
        int root_fd;
        const struct nxc_untar_source *source;
        struct nxc_error *err;
        struct archive *archive;
        struct nxc_content_index *content;
        uint64_t max_entries, max_bytes;
        struct nxc_untar_result result;
        uint64_t stream_bytes; /* read from the source so far */
        bool padded;           /* the last block was not whole: see read_block */
        uid_t uid;
        gid_t gid;
        mode_t umask;
        const char *opaque;
        bool warned_xattr;
        struct default_acl *default_acls;
        size_t n_default_acls;
        /* The directory in which entries are made. */
        int parent_fd; /* negative: none; may be root_fd */
        char parent[PATH_MAX];
        struct timespec parent_mtime;
        bool parent_touched;  /* its time has to be put back */
        bool parent_inherits; /* what is made in it gets another group than ours, or set-group-ID */
};

/* An entry, cleaned: path and link relative to the root, without ".", empty and ".." components; "" is the
 * root. */
struct entry {
        struct archive_entry *ae;
        char path[PATH_MAX], link[PATH_MAX];
        const char *base; /* the last component of path */
        mode_t mode;      /* permission bits */
        uid_t uid;
        gid_t gid;
        struct timespec times[2];
        bool whiteout; /* it takes away */
        bool moot;     /* there is nothing left to take away */
};

/* --- errors --- */

/* A name from the archive as it may stand in a message: no control characters, not too long. */
static const char *quote(const char *name, char *buf, size_t size)
{
        size_t n = 0;

        for (; name && name[n] && n + 4 < size; n++)
                buf[n] = (unsigned char)name[n] < 0x20 || name[n] == 0x7f ? '?' : name[n];
        buf[n] = '\0';
        if (name && name[n])
                strcpy(buf + n, "...");
        return buf;
}

/* The layer is wrong. */
static int refuse(struct untar *u, const char *name, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
static int refuse(struct untar *u, const char *name, const char *fmt, ...)
{
        char quoted[256], why[512];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(why, sizeof(why), fmt, ap);
        va_end(ap);
        return nxc_fail_kind(u->err, NXC_ERR_INVALID_IMAGE, 0, "unpack '%s': %s",
                quote(name, quoted, sizeof(quoted)), why);
}

/* The system is: -r is its errno. */
static int fail_system(struct untar *u, const struct entry *e, int r, const char *what)
{
        char quoted[256];

        nxc_fail(u->err, -r, "unpack '%s': %s", quote(e->path[0] ? e->path : "/", quoted, sizeof(quoted)),
                what);
        if (r == -EPERM || r == -EACCES)
                nxc_error_hint(
                        u->err, "unpacking layers needs root: owners, devices and overlay marks are set");
        else if (r == -ENOSPC || r == -EDQUOT)
                nxc_error_hint(u->err, "the file system of the store is full, of bytes or of inodes");
        return r;
}

/* --- names --- */

/* Cleans a name into buf (PATH_MAX). */
static int clean_name(struct untar *u, const char *name, const char *what, char *buf)
{
        size_t len = 0;
        int depth = 0;

        if (!name || !name[0])
                return refuse(u, name, "the %s is empty", what);
        for (const char *p = name; *p; p += strspn(p, "/")) {
                size_t n = strcspn(p, "/");

                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return refuse(u, name, "the %s has a '..'", what);
                if (n > NAME_MAX)
                        return refuse(
                                u, name, "the %s has a component of more than %d bytes", what, NAME_MAX);
                if (n > 0 && !(n == 1 && p[0] == '.')) {
                        if (len + n + 2 > PATH_MAX)
                                return refuse(u, name, "the %s is longer than %d bytes", what, PATH_MAX);
                        if (++depth > NXC_UNTAR_MAX_DEPTH)
                                return refuse(u, name, "the %s is more than %d directories deep", what,
                                        NXC_UNTAR_MAX_DEPTH);
                        if (len)
                                buf[len++] = '/';
                        memcpy(buf + len, p, n);
                        len += n;
                }
                p += n;
        }
        buf[len] = '\0';
        return 0;
}

/* The length of the directory part of a clean path, 0 for the root; *ret_base is what follows it. */
static size_t split_path(const char *path, const char **ret_base)
{
        const char *slash = strrchr(path, '/');

        *ret_base = slash ? slash + 1 : path;
        return slash ? (size_t)(slash - path) : 0;
}

/* --- parents --- */

static bool is_whiteout(const struct stat *st)
{
        return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static int set_mtime(int fd, struct timespec mtime)
{
        struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, mtime };

        return futimens(fd, times) < 0 ? -errno : 0;
}

static int leave_parent(struct untar *u)
{
        int r = u->parent_fd >= 0 && u->parent_touched ? set_mtime(u->parent_fd, u->parent_mtime) : 0;

        if (u->parent_fd != u->root_fd)
                nxc_closep(&u->parent_fd);
        u->parent_fd = -EBADF;
        u->parent_touched = false;
        return r;
}

/* A directory that has no entry (yet), 0755 and root's as everybody makes it; returns an fd of it. The one
 * it lies in keeps its time. */
static int make_implicit(struct untar *u, int dir_fd, const char *name, bool opaque)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        if (fstat(dir_fd, &st) < 0 || mkdirat(dir_fd, name, 0755) < 0)
                return -errno;
        fd = openat(dir_fd, name, DIR_FLAGS | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchown(fd, u->uid, u->gid) < 0 || fchmod(fd, 0755) < 0)
                return -errno;
        if (opaque && fsetxattr(fd, u->opaque, "y", 1, 0) < 0)
                return -errno;
        u->result.xattrs |= opaque;
        r = set_mtime(dir_fd, st.st_mtim);
        return r < 0 ? r : TAKE_FD(fd);
}

/* After a link was followed, names no longer say how deep we are. */
static int check_depth(struct untar *u, const char *name, int fd)
{
        char proc[64], path[2 * PATH_MAX];
        int depth = 0;
        ssize_t n;

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
        n = readlink(proc, path, sizeof(path));
        if (n < 0 && errno != ENAMETOOLONG)
                return nxc_fail(u->err, errno, "read link '%s'", proc);
        for (ssize_t i = 0; i < n; i++)
                depth += path[i] == '/';
        if (n < 0 || n >= PATH_MAX || depth > 2 * NXC_UNTAR_MAX_DEPTH)
                return refuse(u, name, "its directory is too deep");
        return 0;
}

static int follow_link(struct untar *u, const struct entry *e, const char *prefix)
{
        int fd = nxc_root_open(u->root_fd, prefix, DIR_FLAGS, 0), r;

        if (fd < 0)
                return refuse(u, e->path, "'%s' is a symlink to %s", prefix,
                        fd == -ENOENT  ? "nothing"
                        : fd == -ELOOP ? "itself"
                                       : "no directory");
        r = check_depth(u, e->path, fd);
        if (r < 0) {
                close(fd);
                return r;
        }
        return fd;
}

/* Opens name, a directory of the entry's path and the last component of prefix; makes it when it is missing.
 */
static int enter_directory(
        struct untar *u, struct entry *e, int dir_fd, const char *name, const char *prefix)
{
        int fd = openat(dir_fd, name, DIR_FLAGS | O_NOFOLLOW | O_CLOEXEC);
        bool removed = false;
        struct stat st;

        if (fd >= 0)
                return fd;
        if (errno == ENOTDIR || errno == ELOOP) {
                if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return fail_system(u, e, -errno, "stat a directory of its path");
                if (S_ISLNK(st.st_mode))
                        return follow_link(u, e, prefix);
                if (!is_whiteout(&st))
                        return refuse(u, e->path, "'%s' is not a directory", prefix);
                if (e->whiteout) {
                        e->moot = true; /* all below is removed already; some builders say it twice */
                        return -ENOENT;
                }
                removed = true;
                if (unlinkat(dir_fd, name, 0) < 0)
                        return fail_system(u, e, -errno, "replace a whiteout");
        } else if (errno != ENOENT) {
                return fail_system(u, e, -errno, "open a directory of its path");
        }
        fd = make_implicit(u, dir_fd, name, removed);
        if (fd < 0)
                return fail_system(u, e, fd, "make a directory of its path");
        return fd;
}

/* Opens the directory dir component by component: the slow way, for what is missing or a link. */
static int walk_to_parent(struct untar *u, struct entry *e, const char *dir)
{
        _cleanup_close_ int fd = fcntl(u->root_fd, F_DUPFD_CLOEXEC, 3);
        char prefix[PATH_MAX], name[NAME_MAX + 1];
        size_t len = 0;

        if (fd < 0)
                return fail_system(u, e, -errno, "open the root");
        for (const char *p = dir; *p; p += strspn(p, "/")) {
                size_t n = strcspn(p, "/");
                int next;

                memcpy(name, p, n);
                name[n] = '\0';
                p += n;
                len = (size_t)(p - dir);
                memcpy(prefix, dir, len);
                prefix[len] = '\0';
                next = enter_directory(u, e, fd, name, prefix);
                if (next < 0)
                        return next;
                close(fd);
                fd = next;
        }
        return TAKE_FD(fd);
}

/* Makes the entry's directory the one in which entries are made. */
static int enter_parent(struct untar *u, struct entry *e)
{
        size_t len = split_path(e->path, &e->base);
        struct stat st;
        int fd, r;

        if (u->parent_fd >= 0 && strncmp(u->parent, e->path, len) == 0 && u->parent[len] == '\0')
                return 0;
        r = leave_parent(u);
        if (r < 0)
                return fail_system(u, e, r, "set the time of a directory");
        memcpy(u->parent, e->path, len);
        u->parent[len] = '\0';
        fd = len ? nxc_beneath_open(u->root_fd, u->parent, DIR_FLAGS, 0) : u->root_fd;
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
                fd = walk_to_parent(u, e, u->parent);
        else if (fd < 0)
                return fail_system(u, e, fd, "open its directory");
        if (fd < 0)
                return fd;
        u->parent_fd = fd;
        if (fstat(fd, &st) < 0)
                return fail_system(u, e, -errno, "stat its directory");
        u->parent_mtime = st.st_mtim;
        u->parent_inherits = (st.st_mode & S_ISGID) || st.st_gid != u->gid;
        return 0;
}

/* --- metadata --- */

/* What a layer may set. Overlay's own marks would make overlayfs fetch files from elsewhere (metacopy,
 * redirect), and trusted.* and security.* belong to the host, but for file capabilities, which are the
 * image's. */
static bool xattr_is_kept(const char *name)
{
        if (nxc_starts_with(name, "user."))
                return !nxc_starts_with(name, "user.overlay.");
        return nxc_streq(name, "security.capability") || nxc_streq(name, "system.posix_acl_access") ||
               nxc_streq(name, "system.posix_acl_default");
}

/* A default ACL would change the mode of what is made below, so it is set at the end. */
static int defer_default_acl(struct untar *u, const struct entry *e, const void *value, size_t len)
{
        struct default_acl *a = malloc(sizeof(*a) + len);

        if (u->n_default_acls >= MAX_DEFAULT_ACLS) {
                free(a);
                return refuse(u, e->path, "more than %d directories have default ACLs", MAX_DEFAULT_ACLS);
        }
        if (!a || !(a->path = strdup(e->path))) {
                free(a);
                return nxc_oom(u->err);
        }
        memcpy(a->value, value, len);
        a->len = len;
        a->next = u->default_acls;
        u->default_acls = a;
        u->n_default_acls++;
        return 0;
}

static int set_one_xattr(
        struct untar *u, const struct entry *e, int fd, const char *name, const void *value, size_t len)
{
        char proc[PATH_MAX];
        int r;

        if (fd >= 0) {
                r = fsetxattr(fd, name, value, len, 0);
        } else { /* no descriptor: a link, a device, or a directory */
                snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", u->parent_fd, e->base);
                r = lsetxattr(proc, name, value, len, 0);
        }
        if (r == 0)
                return 0;
        /* user.* on a link or a device is not allowed by Linux; a file system may have no xattrs at all. */
        if (errno != ENOTSUP && !(errno == EPERM && nxc_starts_with(name, "user.")))
                return fail_system(u, e, -errno, "set an extended attribute");
        if (!u->warned_xattr)
                nxc_warn("the extended attribute '%s' of '%s' cannot be set here, ignoring it and others "
                         "like it",
                        name, e->path);
        u->warned_xattr = true;
        return 0;
}

static int set_xattrs(struct untar *u, const struct entry *e, int fd)
{
        const char *name;
        const void *value;
        size_t len;
        int n = 0, r;

        if (archive_entry_xattr_reset(e->ae) == 0)
                return 0;
        while (archive_entry_xattr_next(e->ae, &name, &value, &len) == ARCHIVE_OK) {
                if (++n > ENTRY_MAX_XATTRS)
                        return refuse(
                                u, e->path, "it has more than %d extended attributes", ENTRY_MAX_XATTRS);
                if (!name || !xattr_is_kept(name))
                        continue;
                if (strlen(name) > NAME_MAX || len > XATTR_VALUE_MAX)
                        return refuse(u, e->path, "an extended attribute is too large");
                if (nxc_streq(name, "system.posix_acl_default"))
                        r = defer_default_acl(u, e, value, len);
                else
                        r = set_one_xattr(u, e, fd, name, value, len);
                if (r < 0)
                        return r;
                u->result.xattrs = true;
        }
        return 0;
}

static bool needs_chown(const struct untar *u, const struct entry *e)
{
        return e->uid != u->uid || e->gid != u->gid || u->parent_inherits;
}

/* Owner before mode and capabilities, which a change of owner takes away; times last. */
static int finish_file(struct untar *u, const struct entry *e, int fd)
{
        int r;

        if (needs_chown(u, e) && fchown(fd, e->uid, e->gid) < 0)
                return fail_system(u, e, -errno, "set its owner");
        if ((e->mode & (u->umask | 07000)) && fchmod(fd, e->mode) < 0)
                return fail_system(u, e, -errno, "set its mode");
        r = set_xattrs(u, e, fd);
        if (r < 0)
                return r;
        if (futimens(fd, e->times) < 0)
                return fail_system(u, e, -errno, "set its time");
        return 0;
}

/* The same by name in the parent, for what cannot or need not be opened. Nobody else works in a staged
 * directory, so that the name still means what was just made or looked at. existed: its owner and mode may
 * be any. */
static int finish_name(struct untar *u, const struct entry *e, bool existed, bool is_link)
{
        int r;

        if ((existed || needs_chown(u, e)) &&
                fchownat(u->parent_fd, e->base, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return fail_system(u, e, -errno, "set its owner");
        if (!is_link && (existed || u->parent_inherits || (e->mode & (u->umask | 07000))) &&
                fchmodat(u->parent_fd, e->base, e->mode, 0) < 0)
                return fail_system(u, e, -errno, "set its mode");
        r = set_xattrs(u, e, -1);
        if (r < 0)
                return r;
        if (utimensat(u->parent_fd, e->base, e->times, AT_SYMLINK_NOFOLLOW) < 0)
                return fail_system(u, e, -errno, "set its time");
        return 0;
}

/* --- making entries --- */

/* Takes away what has the entry's name, an earlier entry of this layer. */
static int make_room(struct untar *u, const struct entry *e)
{
        struct stat st;
        int r = 0;

        if (fstatat(u->parent_fd, e->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : fail_system(u, e, -errno, "stat what it replaces");
        u->content->stale = true;
        if (S_ISDIR(st.st_mode))
                r = nxc_remove_tree_at(u->parent_fd, e->base, NULL);
        else if (unlinkat(u->parent_fd, e->base, 0) < 0)
                r = -errno;
        return r < 0 ? fail_system(u, e, r, "replace an earlier entry") : 0;
}

/* libarchive's convention ends here. False: the archive is not to blame, and err is set. */
static bool is_archives_fault(struct untar *u)
{
        if (nxc_error_is_set(u->err)) /* the source's */
                return false;
        if (archive_errno(u->archive) != ENOMEM && archive_error_string(u->archive))
                return true;
        nxc_oom(u->err); /* it has words for everything else */
        return false;
}

static ssize_t next_block(
        struct untar *u, const struct entry *e, const void **data, size_t *len, int64_t *offset)
{
        int r = archive_read_data_block(u->archive, data, len, offset);

        if (r == ARCHIVE_EOF)
                return 0;
        if (r == ARCHIVE_OK)
                return 1;
        if (!is_archives_fault(u))
                return -u->err->errnum;
        return refuse(u, e->path, "%s", archive_error_string(u->archive));
}

static int write_at(int fd, const char *data, size_t len, int64_t offset)
{
        while (len > 0) {
                ssize_t n = pwrite(fd, data, len, offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                len -= (size_t)n;
                offset += n;
        }
        return 0;
}

/* Holes stay holes. */
static int write_content(struct untar *u, const struct entry *e, int fd, uint64_t *ret_crc)
{
        int64_t size = archive_entry_size(e->ae), end = 0, offset;
        const void *data;
        uint64_t crc = 0;
        size_t len;
        ssize_t r;

        while ((r = next_block(u, e, &data, &len, &offset)) > 0) {
                if (len == 0)
                        continue;
                if (offset < end || offset > size || (int64_t)len > size - offset)
                        return refuse(u, e->path, "its data lie outside of it");
                if (offset > end)
                        crc = nxc_crc64_zeros(crc, (uint64_t)(offset - end));
                crc = nxc_crc64(crc, data, len);
                r = write_at(fd, data, len, offset);
                if (r < 0)
                        return fail_system(u, e, (int)r, "write its data");
                end = offset + (int64_t)len;
        }
        if (r < 0)
                return (int)r;
        if (end < size) {
                crc = nxc_crc64_zeros(crc, (uint64_t)(size - end));
                if (ftruncate(fd, size) < 0)
                        return fail_system(u, e, -errno, "set its size");
        }
        *ret_crc = crc;
        return 0;
}

static int count_size(struct untar *u, const struct entry *e)
{
        int64_t size = archive_entry_size(e->ae);

        if (size < 0 || (uint64_t)size > u->max_bytes ||
                u->result.file_bytes + (uint64_t)size > u->max_bytes)
                return refuse(u, e->path, "with it, files are larger than %llu bytes",
                        (unsigned long long)u->max_bytes);
        u->result.file_bytes += (uint64_t)size;
        return 0;
}

static int make_file(struct untar *u, const struct entry *e)
{
        int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, r = count_size(u, e);
        _cleanup_close_ int fd = -EBADF;
        uint64_t crc = 0;
        struct stat st;

        if (r < 0)
                return r;
        fd = openat(u->parent_fd, e->base, flags, e->mode & 0777);
        if (fd < 0 && errno == EEXIST) {
                r = make_room(u, e);
                if (r < 0)
                        return r;
                fd = openat(u->parent_fd, e->base, flags, e->mode & 0777);
        }
        if (fd < 0)
                return fail_system(u, e, -errno, "make the file");
        r = write_content(u, e, fd, &crc);
        if (r == 0)
                r = finish_file(u, e, fd);
        if (r < 0)
                return r;
        if (u->content->stale)
                return 0;
        if (fstat(fd, &st) < 0)
                return fail_system(u, e, -errno, "stat the file");
        return nxc_content_index_add(u->content, st.st_ino, crc) < 0 ? nxc_oom(u->err) : 0;
}

static int set_opaque(struct untar *u, const struct entry *e, const char *name)
{
        char proc[PATH_MAX];

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", u->parent_fd, name);
        if (lsetxattr(proc, u->opaque, "y", 1, 0) < 0)
                return fail_system(u, e, -errno, "mark a directory opaque");
        u->result.xattrs = true;
        return 0;
}

/* A directory keeps what is in it when its entry comes again. One that takes another thing's place hides
 * what layers below have there, as that thing did. */
static int make_directory(struct untar *u, const struct entry *e)
{
        bool existed = false, replaces = false;
        struct stat st;
        int r;

        if (mkdirat(u->parent_fd, e->base, e->mode & 0777) < 0) {
                if (errno != EEXIST)
                        return fail_system(u, e, -errno, "make the directory");
                if (fstatat(u->parent_fd, e->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return fail_system(u, e, -errno, "stat an earlier entry");
                existed = S_ISDIR(st.st_mode);
                replaces = !existed;
        }
        if (replaces) {
                r = make_room(u, e);
                if (r < 0)
                        return r;
                if (mkdirat(u->parent_fd, e->base, e->mode & 0777) < 0)
                        return fail_system(u, e, -errno, "make the directory");
                r = set_opaque(u, e, e->base);
                if (r < 0)
                        return r;
        }
        return finish_name(u, e, existed, false);
}

static int make_symlink(struct untar *u, const struct entry *e)
{
        const char *target = archive_entry_symlink(e->ae);
        int r;

        if (!target || !target[0])
                return refuse(u, e->path, "it is a symlink to an empty name");
        if (strlen(target) >= PATH_MAX)
                return refuse(u, e->path, "it is a symlink to a name of more than %d bytes", PATH_MAX - 1);
        r = symlinkat(target, u->parent_fd, e->base) < 0 ? -errno : 0;
        if (r == -EEXIST) {
                r = make_room(u, e);
                if (r < 0)
                        return r;
                r = symlinkat(target, u->parent_fd, e->base) < 0 ? -errno : 0;
        }
        if (r < 0)
                return fail_system(u, e, r, "make the symlink");
        return finish_name(u, e, false, true);
}

static int make_node(struct untar *u, const struct entry *e, mode_t type)
{
        dev_t device = 0;
        int r;

        if (type != S_IFIFO) {
                uint64_t major = (uint64_t)archive_entry_rdevmajor(e->ae),
                         minor = (uint64_t)archive_entry_rdevminor(e->ae);

                if (major > 0xfff || minor > 0xfffff) /* what Linux has bits for */
                        return refuse(u, e->path, "its device number is too large");
                device = makedev((unsigned)major, (unsigned)minor);
        }
        r = mknodat(u->parent_fd, e->base, type | (e->mode & 0777), device) < 0 ? -errno : 0;
        if (r == -EEXIST) {
                r = make_room(u, e);
                if (r < 0)
                        return r;
                r = mknodat(u->parent_fd, e->base, type | (e->mode & 0777), device) < 0 ? -errno : 0;
        }
        if (r < 0)
                return fail_system(u, e, r, type == S_IFIFO ? "make the FIFO" : "make the device");
        if (type == S_IFCHR && device == 0)
                u->result.whiteouts = true; /* it is one to overlayfs, and to podman */
        return finish_name(u, e, false, false);
}

/* The directory of a hard link's target, by a new descriptor; links in its path are followed within the
 * layer. */
static int open_link_directory(struct untar *u, const struct entry *e, const char **ret_base)
{
        size_t len = split_path(e->link, ret_base);
        char dir[PATH_MAX];

        memcpy(dir, e->link, len);
        dir[len] = '\0';
        return nxc_root_open(u->root_fd, dir, O_PATH | O_DIRECTORY, 0);
}

/* Owner, mode and time are those of the target, of whose inode this is another name. */
static int make_hardlink(struct untar *u, struct entry *e)
{
        _cleanup_close_ int dir_fd = -EBADF;
        const char *base;
        struct stat target, here;
        int r = clean_name(u, archive_entry_hardlink(e->ae), "hard link's target", e->link);

        if (r < 0)
                return r;
        dir_fd = open_link_directory(u, e, &base);
        if (!base[0] || dir_fd < 0 || fstatat(dir_fd, base, &target, AT_SYMLINK_NOFOLLOW) < 0 ||
                is_whiteout(&target))
                return refuse(
                        u, e->path, "it is a hard link to '%.300s', which is not in this layer", e->link);
        if (S_ISDIR(target.st_mode))
                return refuse(u, e->path, "it is a hard link to '%.300s', a directory", e->link);
        if (linkat(dir_fd, base, u->parent_fd, e->base, 0) == 0)
                return 0;
        if (errno != EEXIST)
                return fail_system(u, e, -errno, "make the hard link");
        if (fstatat(u->parent_fd, e->base, &here, AT_SYMLINK_NOFOLLOW) == 0 && here.st_ino == target.st_ino)
                return 0; /* said twice, or a link to itself */
        r = make_room(u, e);
        if (r < 0)
                return r;
        if (linkat(dir_fd, base, u->parent_fd, e->base, 0) < 0)
                return refuse(u, e->path, "it is a hard link to '%.300s', which it replaces", e->link);
        return 0;
}

/* --- whiteouts --- */

static int make_whiteout(struct untar *u, const struct entry *e, const char *name)
{
        struct stat st;

        u->result.whiteouts = true;
        u->parent_touched = true;
        if (mknodat(u->parent_fd, name, S_IFCHR, 0) == 0)
                return 0;
        if (errno != EEXIST)
                return fail_system(u, e, -errno, "make a whiteout");
        if (fstatat(u->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return fail_system(u, e, -errno, "stat what it hides");
        /* This layer's own: it stays, and hides what is below in full. */
        return S_ISDIR(st.st_mode) ? set_opaque(u, e, name) : 0;
}

/* Whether a directory of the path is named like a whiteout; *ret_meta: like aufs' own, which nobody wants.
 */
static bool path_has_whiteout(const struct entry *e, bool *ret_meta)
{
        bool found = false;

        *ret_meta = nxc_starts_with(e->base, WHITEOUT_META_PREFIX) && !nxc_streq(e->base, WHITEOUT_OPAQUE);
        for (const char *p = e->path; p < e->base; p = strchr(p, '/') + 1) {
                found |= nxc_starts_with(p, WHITEOUT_PREFIX);
                *ret_meta |= nxc_starts_with(p, WHITEOUT_META_PREFIX);
        }
        return found;
}

/* Returns 1 when the entry was no whiteout. */
static int try_whiteout(struct untar *u, struct entry *e)
{
        bool meta, inside = path_has_whiteout(e, &meta);
        const char *name = e->base + strlen(WHITEOUT_PREFIX);
        int r;

        if (meta)
                return 0;
        if (inside)
                return refuse(u, e->path, "it lies in a whiteout");
        if (!nxc_starts_with(e->base, WHITEOUT_PREFIX))
                return 1;
        if (!archive_entry_hardlink(e->ae) && archive_entry_filetype(e->ae) != AE_IFREG)
                return refuse(u, e->path, "a whiteout has to be a file");
        if (!name[0] || nxc_streq(name, ".") || nxc_streq(name, ".."))
                return refuse(u, e->path, "a whiteout of nothing");
        e->whiteout = true;
        r = enter_parent(u, e);
        if (e->moot)
                return 0;
        if (r < 0)
                return r;
        if (!nxc_streq(e->base, WHITEOUT_OPAQUE))
                return make_whiteout(u, e, name);
        if (fsetxattr(u->parent_fd, u->opaque, "y", 1, 0) < 0)
                return fail_system(u, e, -errno, "mark its directory opaque");
        u->result.xattrs = true;
        return 0;
}

/* --- entries --- */

static int load_entry(struct untar *u, struct archive_entry *ae, struct entry *e)
{
        const char *name = archive_entry_pathname(ae);
        int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
        int r = clean_name(u, name, "name", e->path);

        if (r < 0)
                return r;
        split_path(e->path, &e->base);
        if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
                return refuse(u, e->path, "its owner %lld:%lld is no user", (long long)uid, (long long)gid);
        e->ae = ae;
        e->whiteout = e->moot = false;
        e->mode = archive_entry_perm(ae) & MODE_BITS;
        e->uid = (uid_t)uid;
        e->gid = (gid_t)gid;
        e->times[0].tv_sec = e->times[1].tv_sec = archive_entry_mtime(ae);
        e->times[0].tv_nsec = e->times[1].tv_nsec = archive_entry_mtime_nsec(ae);
        return 0;
}

/* "./": an archive may say what "/" is like, and nothing else about it (CVE-2021-29136). */
static int set_root(struct untar *u, const struct entry *e)
{
        int r;

        if (archive_entry_hardlink(e->ae) || archive_entry_filetype(e->ae) != AE_IFDIR)
                return refuse(u, "/", "the root can only be a directory");
        u->result.explicit_root = true;
        if (fchown(u->root_fd, e->uid, e->gid) < 0 || fchmod(u->root_fd, e->mode) < 0)
                return fail_system(u, e, -errno, "set its owner and mode");
        r = set_xattrs(u, e, u->root_fd);
        if (r == 0 && u->parent_fd == u->root_fd)
                r = leave_parent(u);
        if (r == 0)
                r = set_mtime(u->root_fd, e->times[1]);
        return r;
}

static int make_entry(struct untar *u, struct entry *e)
{
        int r = try_whiteout(u, e);

        if (r <= 0)
                return r;
        if (!e->path[0])
                return set_root(u, e);
        r = enter_parent(u, e);
        if (r < 0)
                return r;
        u->parent_touched = true;
        if (archive_entry_hardlink(e->ae))
                return make_hardlink(u, e);
        switch (archive_entry_filetype(e->ae)) {
        case AE_IFREG:
                return make_file(u, e);
        case AE_IFDIR:
                return make_directory(u, e);
        case AE_IFLNK:
                return make_symlink(u, e);
        case AE_IFCHR:
                return make_node(u, e, S_IFCHR);
        case AE_IFBLK:
                return make_node(u, e, S_IFBLK);
        case AE_IFIFO:
                return make_node(u, e, S_IFIFO);
        default:
                return refuse(
                        u, e->path, "its type %#o is unknown", (unsigned)archive_entry_filetype(e->ae));
        }
}

/* --- the archive --- */

#define TAR_BLOCK 512

/* umoci's `insert` and other writers in Go that forget to close their archive leave out the padding of the
 * last file and the end mark; Go's own reader, and so every engine, takes that. The stream's digest says
 * that it is what was meant. */
static ssize_t read_block(struct archive *a, void *arg, const void **ret)
{
        static const char zeros[TAR_BLOCK];
        struct untar *u = arg;
        ssize_t n = u->source->next(u->source->arg, ret, u->err);

        if (n < 0)
                archive_set_error(a, (int)-n, "source failed");
        if (n < 0)
                return ARCHIVE_FATAL;
        u->stream_bytes += (uint64_t)n;
        if (n > 0 || u->stream_bytes % TAR_BLOCK == 0 || u->padded)
                return n;
        u->padded = true;
        *ret = zeros;
        return (ssize_t)(TAR_BLOCK - u->stream_bytes % TAR_BLOCK);
}

/* Padding may have stood in for the padding of the last entry, never for its data. */
static int check_last_entry(struct untar *u, uint64_t size, bool is_sparse, const char *path)
{
        if (!u->padded ||
                (!is_sparse && size % TAR_BLOCK && size % TAR_BLOCK <= u->stream_bytes % TAR_BLOCK))
                return 0;
        return refuse(u, path, "the archive ends within it");
}

/* libarchive warns of a name that the C locale cannot write, and leaves it as it is: just what we want. */
static bool is_harmless(const char *warning)
{
        return warning && strstr(warning, "can't be converted");
}

static int read_entries(struct untar *u)
{
        _cleanup_free_ struct entry *e = malloc(sizeof(*e));
        struct archive_entry *ae = archive_entry_new2(u->archive);
        uint64_t last_size = 0;
        bool last_sparse = false;
        int r = 0;

        if (!e || !ae)
                r = nxc_oom(u->err);
        while (r == 0) {
                int code = archive_read_next_header2(u->archive, ae);
                const char *why = archive_error_string(u->archive);

                if (code == ARCHIVE_EOF) {
                        r = check_last_entry(u, last_size, last_sparse, e->path);
                        break;
                }
                if (code != ARCHIVE_OK && !(code == ARCHIVE_WARN && is_harmless(why))) {
                        r = is_archives_fault(u) ? nxc_fail_kind(u->err, NXC_ERR_INVALID_IMAGE, 0,
                                                           "read the tar archive after %llu entries: %s",
                                                           (unsigned long long)u->result.entries, why)
                                                 : -u->err->errnum;
                        break;
                }
                if (++u->result.entries > u->max_entries) {
                        r = nxc_fail_kind(u->err, NXC_ERR_INVALID_IMAGE, E2BIG,
                                "unpack more than %llu entries", (unsigned long long)u->max_entries);
                        break;
                }
                last_size = archive_entry_filetype(ae) == AE_IFREG ? (uint64_t)archive_entry_size(ae) : 0;
                last_sparse = archive_entry_sparse_count(ae) > 0;
                r = load_entry(u, ae, e);
                if (r == 0)
                        r = make_entry(u, e);
        }
        archive_entry_free(ae);
        return r;
}

/* Also what follows the archive's end mark belongs to the layer's digest. */
static int drain(struct untar *u)
{
        const void *data;
        ssize_t n;

        do
                n = u->source->next(u->source->arg, &data, u->err);
        while (n > 0);
        return (int)n;
}

static int set_default_acls(struct untar *u)
{
        for (struct default_acl *a = u->default_acls; a; a = a->next) {
                _cleanup_close_ int fd = nxc_root_open(u->root_fd, a->path, DIR_FLAGS, 0);

                if (fd < 0) /* replaced by a later entry */
                        continue;
                if (fsetxattr(fd, "system.posix_acl_default", a->value, a->len, 0) < 0 && errno != ENOTSUP)
                        return nxc_fail(u->err, errno, "unpack '%s': set its default ACL", a->path);
        }
        return 0;
}

static void untar_done(struct untar *u)
{
        struct default_acl *next;

        if (u->parent_fd != u->root_fd)
                nxc_closep(&u->parent_fd);
        for (struct default_acl *a = u->default_acls; a; a = next) {
                next = a->next;
                free(a->path);
                free(a);
        }
        archive_read_free(u->archive);
}

/* The umask cannot be asked for without changing it, for all threads, but by this. All bits when it fails:
 * then each mode is set. */
static mode_t read_umask(void)
{
        _cleanup_free_ char *status = NULL;
        const char *line;

        if (nxc_read_file_at(AT_FDCWD, "/proc/self/status", 1 << 16, &status, NULL, NULL) < 0)
                return 0777;
        line = strstr(status, "\nUmask:");
        return line ? (mode_t)strtoul(line + strlen("\nUmask:"), NULL, 8) & 0777 : 0777;
}

static int open_archive(struct untar *u)
{
        u->archive = archive_read_new();
        if (!u->archive)
                return nxc_oom(u->err);
        if (archive_read_support_format_tar(u->archive) != ARCHIVE_OK ||
                archive_read_open2(u->archive, u, NULL, read_block, NULL, NULL) != ARCHIVE_OK) {
                if (!is_archives_fault(u))
                        return -u->err->errnum;
                return nxc_fail_kind(u->err, NXC_ERR_INVALID_IMAGE, 0, "open the tar archive: %s",
                        archive_error_string(u->archive));
        }
        return 0;
}

int nxc_untar(int root_fd, const struct nxc_untar_source *source, uint64_t max_entries, uint64_t max_bytes,
        struct nxc_content_index *content, struct nxc_untar_result *ret, struct nxc_error *err)
{
        struct nxc_error local = { NXC_ERR_NONE };
        _cleanup_free_ struct untar *u = malloc(sizeof(*u));
        locale_t c_locale, saved;
        int r;

        if (!u)
                return nxc_oom(err);
        *u = (struct untar){
                .root_fd = root_fd,
                .source = source,
                .err = err ? err : &local,
                .content = content,
                .max_entries = max_entries,
                .max_bytes = max_bytes,
                .uid = geteuid(),
                .gid = getegid(),
                .umask = read_umask(),
                .opaque = nxc_overlay_uses_userxattr() ? "user.overlay.opaque" : "trusted.overlay.opaque",
                .parent_fd = -EBADF,
        };
        /* In the C locale libarchive passes names through byte by byte; in others it converts what is not
         * UTF-8. */
        c_locale = newlocale(LC_ALL_MASK, "C", NULL);
        if (!c_locale)
                return nxc_oom(err);
        saved = uselocale(c_locale);
        r = open_archive(u);
        if (r == 0)
                r = read_entries(u);
        if (r == 0)
                r = drain(u);
        if (r == 0)
                r = set_default_acls(u);
        if (r == 0) {
                r = leave_parent(u);
                if (r < 0)
                        r = nxc_fail(u->err, -r, "set the time of '%s'", u->parent);
        }
        if (r == 0)
                *ret = u->result;
        untar_done(u);
        uselocale(saved);
        freelocale(c_locale);
        return r;
}
