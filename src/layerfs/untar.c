/* See untar-internal.h, and tar.c for what an archive means.
 *
 * Theory of operation. Nothing is ever done by a path that a kernel could resolve out of the root: the
 * parent directory of an entry is opened with openat2 below the root's descriptor, and the entry itself is
 * made in it by its last component, never following a link. The open parent is kept, since the next entry
 * mostly has the same one. A parent that is a symlink is followed with RESOLVE_IN_ROOT.
 *
 * Times of directories: making an entry in a directory changes its time. It is put back when the directory
 * is left, so that no list of all directories needs to be kept. */
#include "layerfs/untar-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/str.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define MAX_DEFAULT_ACLS 65536 /* kept in memory until the end; images have none or a few */
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY)

struct default_acl {
        struct default_acl *next;
        size_t len;
        char *path;
        char value[];
};

struct untar {
        int root_fd;
        struct nxc_error *err;
        struct nxc_content_index *content;
        struct nxc_tar_result *result;
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
        u->result->xattrs |= opaque;
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
        if (n < 0 || n >= PATH_MAX || depth > 2 * NXC_TAR_MAX_DEPTH)
                return nxc_tar_refuse(u->err, name, "its directory is too deep");
        return 0;
}

static int follow_link(struct untar *u, const struct nxc_tar_entry *e, const char *prefix)
{
        int fd = nxc_root_open(u->root_fd, prefix, DIR_FLAGS, 0), r;

        if (fd < 0)
                return nxc_tar_refuse(u->err, e->path, "'%s' is a symlink to %s", prefix,
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

/* Opens name, a directory of the entry's path and the last component of prefix; makes it when it is
 * missing. */
static int enter_directory(
        struct untar *u, struct nxc_tar_entry *e, int dir_fd, const char *name, const char *prefix)
{
        int fd = openat(dir_fd, name, DIR_FLAGS | O_NOFOLLOW | O_CLOEXEC);
        bool removed = false;
        struct stat st;

        if (fd >= 0)
                return fd;
        if (errno == ENOTDIR || errno == ELOOP) {
                if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return nxc_tar_fail(u->err, e, -errno, "stat a directory of its path");
                if (S_ISLNK(st.st_mode))
                        return follow_link(u, e, prefix);
                if (!is_whiteout(&st))
                        return nxc_tar_refuse(u->err, e->path, "'%s' is not a directory", prefix);
                if (e->whiteout) {
                        e->moot = true; /* all below is removed already; some builders say it twice */
                        return -ENOENT;
                }
                removed = true;
                if (unlinkat(dir_fd, name, 0) < 0)
                        return nxc_tar_fail(u->err, e, -errno, "replace a whiteout");
        } else if (errno != ENOENT) {
                return nxc_tar_fail(u->err, e, -errno, "open a directory of its path");
        }
        fd = make_implicit(u, dir_fd, name, removed);
        if (fd < 0)
                return nxc_tar_fail(u->err, e, fd, "make a directory of its path");
        return fd;
}

/* Opens the directory dir component by component: the slow way, for what is missing or a link. */
static int walk_to_parent(struct untar *u, struct nxc_tar_entry *e, const char *dir)
{
        _cleanup_close_ int fd = fcntl(u->root_fd, F_DUPFD_CLOEXEC, 3);
        char prefix[PATH_MAX], name[NAME_MAX + 1];
        size_t len = 0;

        if (fd < 0)
                return nxc_tar_fail(u->err, e, -errno, "open the root");
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
static int enter_parent(void *arg, struct nxc_tar_entry *e)
{
        struct untar *u = arg;
        size_t len = nxc_tar_split(e->path, &e->base);
        struct stat st;
        int fd, r;

        if (u->parent_fd >= 0 && strncmp(u->parent, e->path, len) == 0 && u->parent[len] == '\0')
                return 0;
        r = leave_parent(u);
        if (r < 0)
                return nxc_tar_fail(u->err, e, r, "set the time of a directory");
        memcpy(u->parent, e->path, len);
        u->parent[len] = '\0';
        fd = len ? nxc_beneath_open(u->root_fd, u->parent, DIR_FLAGS, 0) : u->root_fd;
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
                fd = walk_to_parent(u, e, u->parent);
        else if (fd < 0)
                return nxc_tar_fail(u->err, e, fd, "open its directory");
        if (fd < 0)
                return fd;
        u->parent_fd = fd;
        if (fstat(fd, &st) < 0)
                return nxc_tar_fail(u->err, e, -errno, "stat its directory");
        u->parent_mtime = st.st_mtim;
        u->parent_inherits = (st.st_mode & S_ISGID) || st.st_gid != u->gid;
        return 0;
}

/* --- metadata --- */

/* A default ACL would change the mode of what is made below, so it is set at the end. */
static int defer_default_acl(struct untar *u, const struct nxc_tar_entry *e, const void *value, size_t len)
{
        struct default_acl *a = malloc(sizeof(*a) + len);

        if (u->n_default_acls >= MAX_DEFAULT_ACLS) {
                free(a);
                return nxc_tar_refuse(
                        u->err, e->path, "more than %d directories have default ACLs", MAX_DEFAULT_ACLS);
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

static int set_one_xattr(struct untar *u, const struct nxc_tar_entry *e, int fd, const char *name,
        const void *value, size_t len)
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
                return nxc_tar_fail(u->err, e, -errno, "set an extended attribute");
        if (!u->warned_xattr)
                nxc_warn("the extended attribute '%s' of '%s' cannot be set here, ignoring it and others "
                         "like it",
                        name, e->path);
        u->warned_xattr = true;
        return 0;
}

static int set_xattrs(struct untar *u, const struct nxc_tar_entry *e, int fd)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < e->n_xattrs; i++) {
                const struct nxc_tar_xattr *x = &e->xattrs[i];

                if (nxc_streq(x->name, "system.posix_acl_default"))
                        r = defer_default_acl(u, e, x->value, x->len);
                else
                        r = set_one_xattr(u, e, fd, x->name, x->value, x->len);
                u->result->xattrs = true;
        }
        return r;
}

static bool needs_chown(const struct untar *u, const struct nxc_tar_entry *e)
{
        return e->uid != u->uid || e->gid != u->gid || u->parent_inherits;
}

/* Owner before mode and capabilities, which a change of owner takes away; times last. */
static int finish_file(struct untar *u, const struct nxc_tar_entry *e, int fd)
{
        struct timespec times[2] = { e->mtime, e->mtime };
        int r;

        if (needs_chown(u, e) && fchown(fd, e->uid, e->gid) < 0)
                return nxc_tar_fail(u->err, e, -errno, "set its owner");
        if ((e->mode & (u->umask | 07000)) && fchmod(fd, e->mode) < 0)
                return nxc_tar_fail(u->err, e, -errno, "set its mode");
        r = set_xattrs(u, e, fd);
        if (r < 0)
                return r;
        if (futimens(fd, times) < 0)
                return nxc_tar_fail(u->err, e, -errno, "set its time");
        return 0;
}

/* The same by name in the parent, for what cannot or need not be opened. Nobody else works in a staged
 * directory, so that the name still means what was just made or looked at. existed: its owner and mode may
 * be any. */
static int finish_name(struct untar *u, const struct nxc_tar_entry *e, bool existed, bool is_link)
{
        struct timespec times[2] = { e->mtime, e->mtime };
        int r;

        if ((existed || needs_chown(u, e)) &&
                fchownat(u->parent_fd, e->base, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return nxc_tar_fail(u->err, e, -errno, "set its owner");
        if (!is_link && (existed || u->parent_inherits || (e->mode & (u->umask | 07000))) &&
                fchmodat(u->parent_fd, e->base, e->mode, 0) < 0)
                return nxc_tar_fail(u->err, e, -errno, "set its mode");
        r = set_xattrs(u, e, -1);
        if (r < 0)
                return r;
        if (utimensat(u->parent_fd, e->base, times, AT_SYMLINK_NOFOLLOW) < 0)
                return nxc_tar_fail(u->err, e, -errno, "set its time");
        return 0;
}

/* --- making entries --- */

/* Takes away what has the entry's name, an earlier entry of this layer. */
static int make_room(struct untar *u, const struct nxc_tar_entry *e)
{
        struct stat st;
        int r = 0;

        if (fstatat(u->parent_fd, e->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : nxc_tar_fail(u->err, e, -errno, "stat what it replaces");
        u->content->stale = true;
        if (S_ISDIR(st.st_mode))
                r = nxc_remove_tree_at(u->parent_fd, e->base, NULL);
        else if (unlinkat(u->parent_fd, e->base, 0) < 0)
                r = -errno;
        return r < 0 ? nxc_tar_fail(u->err, e, r, "replace an earlier entry") : 0;
}

static int write_at(int fd, const char *data, size_t len, uint64_t offset)
{
        while (len > 0) {
                ssize_t n = pwrite(fd, data, len, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                len -= (size_t)n;
                offset += (uint64_t)n;
        }
        return 0;
}

/* Holes stay holes. */
static int write_content(
        struct untar *u, const struct nxc_tar_entry *e, struct nxc_tar *tar, int fd, uint64_t *ret_crc)
{
        uint64_t crc = 0, end = 0, offset;
        const void *data;
        size_t len;
        int r;

        while ((r = nxc_tar_data(tar, &data, &len, &offset)) > 0) {
                if (offset > end)
                        crc = nxc_crc64_zeros(crc, offset - end);
                crc = nxc_crc64(crc, data, len);
                r = write_at(fd, data, len, offset);
                if (r < 0)
                        return nxc_tar_fail(u->err, e, r, "write its data");
                end = offset + len;
        }
        if (r < 0)
                return r;
        if (end < e->size) {
                crc = nxc_crc64_zeros(crc, e->size - end);
                if (ftruncate(fd, (off_t)e->size) < 0)
                        return nxc_tar_fail(u->err, e, -errno, "set its size");
        }
        *ret_crc = crc;
        return 0;
}

static int make_file(void *arg, const struct nxc_tar_entry *e, struct nxc_tar *tar)
{
        int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, r;
        struct untar *u = arg;
        _cleanup_close_ int fd = -EBADF;
        uint64_t crc = 0;
        struct stat st;

        u->parent_touched = true;
        fd = openat(u->parent_fd, e->base, flags, e->mode & 0777);
        if (fd < 0 && errno == EEXIST) {
                r = make_room(u, e);
                if (r < 0)
                        return r;
                fd = openat(u->parent_fd, e->base, flags, e->mode & 0777);
        }
        if (fd < 0)
                return nxc_tar_fail(u->err, e, -errno, "make the file");
        r = write_content(u, e, tar, fd, &crc);
        if (r == 0)
                r = finish_file(u, e, fd);
        if (r < 0)
                return r;
        if (u->content->stale)
                return 0;
        if (fstat(fd, &st) < 0)
                return nxc_tar_fail(u->err, e, -errno, "stat the file");
        return nxc_content_index_add(u->content, st.st_ino, crc) < 0 ? nxc_oom(u->err) : 0;
}

static int set_opaque(struct untar *u, const struct nxc_tar_entry *e, const char *name)
{
        char proc[PATH_MAX];

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", u->parent_fd, name);
        if (lsetxattr(proc, u->opaque, "y", 1, 0) < 0)
                return nxc_tar_fail(u->err, e, -errno, "mark a directory opaque");
        u->result->xattrs = true;
        return 0;
}

/* A directory keeps what is in it when its entry comes again. One that takes another thing's place hides
 * what layers below have there, as that thing did. */
static int make_directory(void *arg, const struct nxc_tar_entry *e)
{
        struct untar *u = arg;
        bool existed = false, replaces = false;
        struct stat st;
        int r;

        u->parent_touched = true;
        if (mkdirat(u->parent_fd, e->base, e->mode & 0777) < 0) {
                if (errno != EEXIST)
                        return nxc_tar_fail(u->err, e, -errno, "make the directory");
                if (fstatat(u->parent_fd, e->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return nxc_tar_fail(u->err, e, -errno, "stat an earlier entry");
                existed = S_ISDIR(st.st_mode);
                replaces = !existed;
        }
        if (replaces) {
                r = make_room(u, e);
                if (r < 0)
                        return r;
                if (mkdirat(u->parent_fd, e->base, e->mode & 0777) < 0)
                        return nxc_tar_fail(u->err, e, -errno, "make the directory");
                r = set_opaque(u, e, e->base);
                if (r < 0)
                        return r;
        }
        return finish_name(u, e, existed, false);
}

static int make_symlink(void *arg, const struct nxc_tar_entry *e)
{
        struct untar *u = arg;
        int r;

        u->parent_touched = true;
        r = symlinkat(e->target, u->parent_fd, e->base) < 0 ? -errno : 0;
        if (r == -EEXIST) {
                r = make_room(u, e);
                if (r < 0)
                        return r;
                r = symlinkat(e->target, u->parent_fd, e->base) < 0 ? -errno : 0;
        }
        if (r < 0)
                return nxc_tar_fail(u->err, e, r, "make the symlink");
        return finish_name(u, e, false, true);
}

static int make_node(void *arg, const struct nxc_tar_entry *e)
{
        mode_t mode = e->type | (e->mode & 0777);
        struct untar *u = arg;
        int r;

        u->parent_touched = true;
        r = mknodat(u->parent_fd, e->base, mode, e->device) < 0 ? -errno : 0;
        if (r == -EEXIST) {
                r = make_room(u, e);
                if (r < 0)
                        return r;
                r = mknodat(u->parent_fd, e->base, mode, e->device) < 0 ? -errno : 0;
        }
        if (r < 0)
                return nxc_tar_fail(u->err, e, r, e->type == S_IFIFO ? "make the FIFO" : "make the device");
        if (e->type == S_IFCHR && e->device == 0)
                u->result->whiteouts = true; /* it is one to overlayfs, and to podman */
        return finish_name(u, e, false, false);
}

/* The directory of a hard link's target, by a new descriptor; links in its path are followed within the
 * layer. */
static int open_link_directory(struct untar *u, const struct nxc_tar_entry *e, const char **ret_base)
{
        size_t len = nxc_tar_split(e->link, ret_base);
        char dir[PATH_MAX];

        memcpy(dir, e->link, len);
        dir[len] = '\0';
        return nxc_root_open(u->root_fd, dir, O_PATH | O_DIRECTORY, 0);
}

/* Owner, mode and time are those of the target, of whose inode this is another name. */
static int make_hardlink(void *arg, const struct nxc_tar_entry *e)
{
        _cleanup_close_ int dir_fd = -EBADF;
        struct untar *u = arg;
        const char *base;
        struct stat target, here;
        int r;

        u->parent_touched = true;
        dir_fd = open_link_directory(u, e, &base);
        if (!base[0] || dir_fd < 0 || fstatat(dir_fd, base, &target, AT_SYMLINK_NOFOLLOW) < 0 ||
                is_whiteout(&target))
                return nxc_tar_refuse(u->err, e->path,
                        "it is a hard link to '%.300s', which is not in this layer", e->link);
        if (S_ISDIR(target.st_mode))
                return nxc_tar_refuse(
                        u->err, e->path, "it is a hard link to '%.300s', a directory", e->link);
        if (linkat(dir_fd, base, u->parent_fd, e->base, 0) == 0)
                return 0;
        if (errno != EEXIST)
                return nxc_tar_fail(u->err, e, -errno, "make the hard link");
        if (fstatat(u->parent_fd, e->base, &here, AT_SYMLINK_NOFOLLOW) == 0 && here.st_ino == target.st_ino)
                return 0; /* said twice, or a link to itself */
        r = make_room(u, e);
        if (r < 0)
                return r;
        if (linkat(dir_fd, base, u->parent_fd, e->base, 0) < 0)
                return nxc_tar_refuse(
                        u->err, e->path, "it is a hard link to '%.300s', which it replaces", e->link);
        return 0;
}

/* --- whiteouts --- */

static int make_whiteout(void *arg, const struct nxc_tar_entry *e, const char *name)
{
        struct untar *u = arg;
        struct stat st;

        u->result->whiteouts = true;
        u->parent_touched = true;
        if (mknodat(u->parent_fd, name, S_IFCHR, 0) == 0)
                return 0;
        if (errno != EEXIST)
                return nxc_tar_fail(u->err, e, -errno, "make a whiteout");
        if (fstatat(u->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return nxc_tar_fail(u->err, e, -errno, "stat what it hides");
        /* This layer's own: it stays, and hides what is below in full. */
        return S_ISDIR(st.st_mode) ? set_opaque(u, e, name) : 0;
}

static int mark_opaque(void *arg, const struct nxc_tar_entry *e)
{
        struct untar *u = arg;

        if (fsetxattr(u->parent_fd, u->opaque, "y", 1, 0) < 0)
                return nxc_tar_fail(u->err, e, -errno, "mark its directory opaque");
        u->result->xattrs = true;
        return 0;
}

static int set_root(void *arg, const struct nxc_tar_entry *e)
{
        struct untar *u = arg;
        int r;

        if (fchown(u->root_fd, e->uid, e->gid) < 0 || fchmod(u->root_fd, e->mode) < 0)
                return nxc_tar_fail(u->err, e, -errno, "set its owner and mode");
        r = set_xattrs(u, e, u->root_fd);
        if (r == 0 && u->parent_fd == u->root_fd)
                r = leave_parent(u);
        if (r == 0)
                r = set_mtime(u->root_fd, e->mtime);
        return r;
}

/* --- the end --- */

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

static int finish(void *arg)
{
        struct untar *u = arg;
        int r = set_default_acls(u);

        if (r < 0)
                return r;
        r = leave_parent(u);
        return r < 0 ? nxc_fail(u->err, -r, "set the time of '%s'", u->parent) : 0;
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

static const struct nxc_tar_sink sink = {
        .root = set_root,
        .enter = enter_parent,
        .file = make_file,
        .directory = make_directory,
        .symlink = make_symlink,
        .node = make_node,
        .hardlink = make_hardlink,
        .whiteout = make_whiteout,
        .opaque = mark_opaque,
        .finish = finish,
};

int nxc_untar(int root_fd, const struct nxc_tar_source *source, const struct nxc_tar_limits *limits,
        struct nxc_content_index *content, struct nxc_tar_result *ret, struct nxc_error *err)
{
        struct nxc_error local = { NXC_ERR_NONE };
        struct nxc_tar_result result = { 0 };
        _cleanup_free_ struct untar *u = malloc(sizeof(*u));
        int r;

        if (!u)
                return nxc_oom(err);
        *u = (struct untar){
                .root_fd = root_fd,
                .err = err ? err : &local,
                .content = content,
                .result = &result,
                .uid = geteuid(),
                .gid = getegid(),
                .umask = read_umask(),
                .opaque = nxc_overlay_opaque_xattr(),
                .parent_fd = -EBADF,
        };
        r = nxc_tar_read(source, limits, &sink, u, &result, u->err);
        if (r == 0)
                *ret = result;
        untar_done(u);
        return r;
}
