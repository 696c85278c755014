/* See treehash-internal.h. */
#include "layerfs/treehash-internal.h"

#include "core/cleanup.h"
#include "core/hash.h"
#include "core/str.h"
#include "layerfs/content-internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* Out of memory is an error of the walk, not of the container. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(elt) ((elt)->lost = true)
#include <uthash.h>

#define MAX_DEPTH 1024       /* a layer has at most 256 levels, see untar.c; a container may add its own */
#define XATTR_LIST_MAX 65536 /* XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel */
#define XATTR_VALUE_MAX 65536

/* The first name of an inode that has several. */
struct first_name {
        ino_t ino;
        bool lost; /* uthash could not enter it */
        UT_hash_handle hh;
        char path[];
};

struct walk {
        const struct nxc_treehash_opts *opts;
        struct nxc_hash *hash;
        struct nxc_buf path; /* of the entry, from the root; "" there */
        struct nxc_buf line;
        struct first_name *first_names;
        char *xattr_list, *xattr_value;
        struct nxc_treehash result;
        struct nxc_error *err;
};

static int fail_at(struct walk *w, int r, const char *what)
{
        return nxc_fail(w->err, -r, "%s '%s'", what, w->path.len ? w->path.data : "/");
}

/* --- lines --- */

/* Blanks, backslashes and what is not printable ASCII as \xNN: one line is one path. */
static int add_escaped(struct nxc_buf *b, const char *text, size_t len)
{
        int r = 0;

        for (size_t i = 0; i < len && r == 0;) {
                size_t plain = i;
                unsigned char c;

                while (plain < len && (c = (unsigned char)text[plain], c > ' ' && c < 0x7f && c != '\\'))
                        plain++;
                if (plain > i)
                        r = nxc_buf_add(b, text + i, plain - i);
                if (plain < len && r == 0)
                        r = nxc_buf_printf(b, "\\x%02x", (unsigned char)text[plain]);
                i = plain + 1;
        }
        return r;
}

static bool xattr_counts(const struct walk *w, const char *name)
{
        if (nxc_starts_with(name, "trusted.overlay.") || nxc_starts_with(name, "user.overlay."))
                return w->opts->overlay_marks;
        return !nxc_starts_with(name, "security.") || nxc_streq(name, "security.capability");
}

static int by_name(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_xattrs_of(struct walk *w, const char *proc_path, const char *list, size_t list_len)
{
        _cleanup_free_ const char **names = NULL;
        size_t n = 0, k = 0;
        int r = 0;

        for (size_t i = 0; i < list_len; i++)
                n += list[i] == '\0';
        names = calloc(n + 1, sizeof(*names));
        if (!names)
                return -ENOMEM;
        for (const char *p = list; p < list + list_len; p += strlen(p) + 1)
                names[k++] = p;
        qsort(names, k, sizeof(*names), by_name);
        for (size_t i = 0; i < k && r == 0; i++) {
                ssize_t len;

                if (!xattr_counts(w, names[i]))
                        continue;
                len = lgetxattr(proc_path, names[i], w->xattr_value, XATTR_VALUE_MAX);
                if (len < 0)
                        return -errno;
                r = nxc_buf_puts(&w->line, " ");
                if (r == 0)
                        r = add_escaped(&w->line, names[i], strlen(names[i]));
                if (r == 0)
                        r = nxc_buf_puts(&w->line, "=");
                if (r == 0)
                        r = add_escaped(&w->line, w->xattr_value, (size_t)len);
        }
        return r;
}

/* Through /proc/self/fd, so that links are not followed and nothing needs to be opened. */
static int add_xattrs(struct walk *w, int dir_fd, const char *name)
{
        char proc_path[512];
        ssize_t len;

        if (w->opts->no_xattrs)
                return 0;
        snprintf(proc_path, sizeof(proc_path), "/proc/self/fd/%d/%s", dir_fd, name);
        len = llistxattr(proc_path, w->xattr_list, XATTR_LIST_MAX);
        if (len < 0)
                return errno == ENOTSUP ? 0 : -errno;
        return len ? add_xattrs_of(w, proc_path, w->xattr_list, (size_t)len) : 0;
}

static char type_char(mode_t mode)
{
        switch (mode & S_IFMT) {
        case S_IFREG:
                return 'f';
        case S_IFDIR:
                return 'd';
        case S_IFLNK:
                return 'l';
        case S_IFCHR:
                return 'c';
        case S_IFBLK:
                return 'b';
        case S_IFIFO:
                return 'p';
        default:
                return 's';
        }
}

static int add_by_type(struct walk *w, int dir_fd, const char *name, const struct stat *st)
{
        char content[NXC_CONTENT_TEXT_MAX], target[4097];
        ssize_t n;
        int r;

        if (S_ISREG(st->st_mode)) {
                r = w->opts->content(w->opts->arg, dir_fd, name, st, content);
                return r < 0 ? r : nxc_buf_printf(&w->line, " %lld %s", (long long)st->st_size, content);
        }
        if (S_ISLNK(st->st_mode)) {
                n = readlinkat(dir_fd, name, target, sizeof(target));
                if (n < 0)
                        return -errno;
                r = nxc_buf_puts(&w->line, " ");
                return r < 0 ? r : add_escaped(&w->line, target, (size_t)n);
        }
        if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
                return nxc_buf_printf(&w->line, " %u:%u", major(st->st_rdev), minor(st->st_rdev));
        return 0;
}

static int add_new_inode(struct walk *w, int dir_fd, const char *name, const struct stat *st)
{
        int r = nxc_buf_printf(&w->line, " %c %04o %u:%u", type_char(st->st_mode), st->st_mode & 07777,
                st->st_uid, st->st_gid);

        w->result.disk_bytes += (uint64_t)st->st_blocks * 512;
        if (r == 0)
                r = add_by_type(w, dir_fd, name, st);
        if (r == 0 && w->opts->mtimes && !S_ISDIR(st->st_mode))
                r = nxc_buf_printf(
                        &w->line, " @%lld.%09ld", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
        if (r == 0)
                r = add_xattrs(w, dir_fd, name);
        return r;
}

/* Finds the first name of an inode, or makes this one it. */
static int enter_first_name(struct walk *w, ino_t ino, const char **ret_other)
{
        struct first_name *f;

        HASH_FIND(hh, w->first_names, &ino, sizeof(ino), f);
        if (f) {
                *ret_other = f->path;
                return 0;
        }
        f = malloc(sizeof(*f) + w->path.len + 1);
        if (!f)
                return -ENOMEM;
        f->ino = ino;
        f->lost = false;
        memcpy(f->path, w->path.data, w->path.len + 1);
        HASH_ADD(hh, w->first_names, ino, sizeof(f->ino), f);
        if (f->lost) {
                free(f);
                return -ENOMEM;
        }
        *ret_other = NULL;
        return 0;
}

static int add_line(struct walk *w, int dir_fd, const char *name, const struct stat *st)
{
        const char *other = NULL;
        int r;

        w->line.len = 0;
        r = nxc_buf_puts(&w->line, "/");
        if (r == 0)
                r = add_escaped(&w->line, w->path.data, w->path.len);
        if (r == 0 && !S_ISDIR(st->st_mode) && st->st_nlink > 1)
                r = enter_first_name(w, st->st_ino, &other);
        if (r == 0 && other) {
                r = nxc_buf_puts(&w->line, " h /");
                if (r == 0)
                        r = add_escaped(&w->line, other, strlen(other));
        } else if (r == 0) {
                r = add_new_inode(w, dir_fd, name, st);
        }
        if (r < 0)
                return fail_at(w, r, "read");
        w->result.entries++;
        if (w->opts->line)
                w->opts->line(w->opts->arg, w->line.data, w->line.len);
        nxc_hash_update(w->hash, w->line.data, w->line.len);
        nxc_hash_update(w->hash, "\n", 1);
        return 0;
}

/* --- the walk --- */

static int list_names(int dir_fd, struct nxc_strv *ret)
{
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!dir) {
                r = -errno;
                if (fd >= 0)
                        close(fd);
                return r;
        }
        while (r == 0 && (errno = 0, de = readdir(dir)))
                if (!nxc_streq(de->d_name, ".") && !nxc_streq(de->d_name, ".."))
                        r = nxc_strv_add(ret, de->d_name);
        if (r == 0 && errno)
                r = -errno;
        if (r == 0 && ret->n > 1)
                qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
        return r;
}

static int walk_directory(struct walk *w, int dir_fd, int depth);

static int walk_entry(struct walk *w, int dir_fd, const char *name, int depth)
{
        _cleanup_close_ int child = -EBADF;
        struct stat st;
        int r;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return fail_at(w, -errno, "stat");
        r = add_line(w, dir_fd, name, &st);
        if (r < 0 || !S_ISDIR(st.st_mode))
                return r;
        child = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0)
                return fail_at(w, -errno, "open");
        return walk_directory(w, child, depth + 1);
}

static int walk_directory(struct walk *w, int dir_fd, int depth)
{
        _cleanup_strv_ struct nxc_strv names = { NULL };
        size_t base = w->path.len;
        int r = depth > MAX_DEPTH ? -ELOOP : list_names(dir_fd, &names);

        if (r < 0)
                return fail_at(w, r, "list");
        for (size_t i = 0; i < names.n; i++) {
                w->path.len = base;
                r = base ? nxc_buf_puts(&w->path, "/") : 0;
                if (r == 0)
                        r = nxc_buf_puts(&w->path, names.v[i]);
                if (r < 0)
                        return nxc_oom(w->err);
                r = walk_entry(w, dir_fd, names.v[i], depth);
                if (r < 0)
                        return r;
        }
        w->path.len = base;
        return 0;
}

static void walk_done(struct walk *w)
{
        struct first_name *f, *next;

        HASH_ITER (hh, w->first_names, f, next) {
                HASH_DEL(w->first_names, f);
                free(f);
        }
        nxc_hash_free(w->hash);
        nxc_buf_done(&w->path);
        nxc_buf_done(&w->line);
        free(w->xattr_list);
        free(w->xattr_value);
}

int nxc_treehash(
        int root_fd, const struct nxc_treehash_opts *opts, struct nxc_treehash *ret, struct nxc_error *err)
{
        struct walk w = { .opts = opts, .err = err };
        struct stat st;
        int r = 0;

        w.hash = nxc_hash_new("sha256");
        w.xattr_list = malloc(XATTR_LIST_MAX);
        w.xattr_value = malloc(XATTR_VALUE_MAX);
        if (!w.hash || !w.xattr_list || !w.xattr_value || nxc_buf_puts(&w.path, "") < 0)
                r = nxc_oom(err);
        if (r == 0 && fstat(root_fd, &st) < 0)
                r = nxc_fail(err, errno, "stat the root of a tree");
        if (r == 0)
                r = add_line(&w, root_fd, ".", &st);
        if (r == 0)
                r = walk_directory(&w, root_fd, 0);
        if (r == 0) {
                nxc_hash_finish(w.hash, &w.result.digest);
                *ret = w.result;
        }
        walk_done(&w);
        return r;
}

int nxc_treehash_sha256(void *arg, int dir_fd, const char *name, const struct stat *st, char *ret)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct nxc_digest d;
        int r;

        if (fd < 0)
                return -errno;
        r = nxc_hash_fd("sha256", fd, &d, NULL, NULL);
        if (r < 0)
                return r;
        snprintf(ret, NXC_CONTENT_TEXT_MAX, "%s", d.text);
        return 0;
}

int nxc_treehash_crc64(void *arg, int dir_fd, const char *name, const struct stat *st, char *ret)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        uint64_t crc;
        int r;

        if (fd < 0)
                return -errno;
        r = nxc_crc64_fd(fd, (uint64_t)st->st_size, &crc);
        if (r < 0)
                return r;
        snprintf(ret, NXC_CONTENT_TEXT_MAX, "crc64:%016" PRIx64, crc);
        return 0;
}
