/* See tar-internal.h.
 *
 * What an archive means, whatever it is unpacked into.
 *
 * A parent that is a symlink (an entry "bin/sh" after "bin -> usr/bin") is followed as a process chrooted
 * into this layer would: what podman does, which unpacks each layer alone in a chroot. The layers below are
 * not looked at, for a layer is shared by its diff_id in many chains. So where "bin" is a link in a layer
 * below only, "bin/sh" makes a directory that hides the link, as it does in podman and docker; umoci and
 * containerd, which unpack over the layers below, would follow it. No builder writes such layers: they name
 * a file by its real path.
 *
 * Whiteouts speak of the layers below only (image-spec, layer.md), in whatever order the entries come:
 * ".wh.x" becomes overlayfs' character device 0:0, unless this layer has an x, whose directory then is made
 * opaque; an x that comes after its whiteout takes its place, a directory being made opaque again.
 * ".wh..wh..opq" sets the opaque mark on the directory that it lies in, which need not have an entry yet.
 *
 * Names: libarchive itself refuses PAX and GNU headers of more than 1 MiB; a name ends at a NUL. */
#include "layerfs/tar-internal.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META_PREFIX ".wh..wh." /* aufs' own files, and the opaque mark */
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define MODE_BITS 07777

struct nxc_tar {
        const struct nxc_tar_source *source;
        struct nxc_tar_limits limits;
        const struct nxc_tar_sink *sink;
        void *sink_arg;
        struct nxc_tar_result *result;
        struct nxc_error *err;
        struct archive *archive;
        uint64_t stream_bytes; /* read from the source so far */
        bool padded;           /* the last block was not whole: see read_block */
        uint64_t data_end;     /* of the file being read */
        struct nxc_tar_entry entry;
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

int nxc_tar_refuse(struct nxc_error *err, const char *name, const char *fmt, ...)
{
        char quoted[256], why[512];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(why, sizeof(why), fmt, ap);
        va_end(ap);
        return nxc_fail_kind(
                err, NXC_ERR_INVALID_IMAGE, 0, "unpack '%s': %s", quote(name, quoted, sizeof(quoted)), why);
}

int nxc_tar_fail(struct nxc_error *err, const struct nxc_tar_entry *e, int r, const char *what)
{
        char quoted[256];

        nxc_fail(
                err, -r, "unpack '%s': %s", quote(e->path[0] ? e->path : "/", quoted, sizeof(quoted)), what);
        if (r == -EPERM || r == -EACCES)
                nxc_error_hint(
                        err, "unpacking layers needs root: owners, devices and overlay marks are set");
        else if (r == -ENOSPC || r == -EDQUOT)
                nxc_error_hint(err, "the file system of the store is full, of bytes or of inodes");
        return r;
}

/* --- names --- */

/* Cleans a name into buf (PATH_MAX). */
static int clean_name(struct nxc_tar *t, const char *name, const char *what, char *buf)
{
        size_t len = 0;
        int depth = 0;

        if (!name || !name[0])
                return nxc_tar_refuse(t->err, name, "the %s is empty", what);
        for (const char *p = name; *p; p += strspn(p, "/")) {
                size_t n = strcspn(p, "/");

                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return nxc_tar_refuse(t->err, name, "the %s has a '..'", what);
                if (n > NAME_MAX)
                        return nxc_tar_refuse(t->err, name, "the %s has a component of more than %d bytes",
                                what, NAME_MAX);
                if (n > 0 && !(n == 1 && p[0] == '.')) {
                        if (len + n + 2 > PATH_MAX)
                                return nxc_tar_refuse(
                                        t->err, name, "the %s is longer than %d bytes", what, PATH_MAX);
                        if (++depth > NXC_TAR_MAX_DEPTH)
                                return nxc_tar_refuse(t->err, name,
                                        "the %s is more than %d directories deep", what, NXC_TAR_MAX_DEPTH);
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

size_t nxc_tar_split(const char *path, const char **ret_base)
{
        const char *slash = strrchr(path, '/');

        *ret_base = slash ? slash + 1 : path;
        return slash ? (size_t)(slash - path) : 0;
}

/* --- what an entry says --- */

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

static int load_xattrs(struct nxc_tar *t, struct archive_entry *ae, struct nxc_tar_entry *e)
{
        const char *name;
        const void *value;
        size_t len;
        int n = 0;

        e->n_xattrs = 0;
        if (e->type == 0 || archive_entry_xattr_reset(ae) == 0)
                return 0;
        while (archive_entry_xattr_next(ae, &name, &value, &len) == ARCHIVE_OK) {
                if (++n > NXC_TAR_MAX_XATTRS)
                        return nxc_tar_refuse(t->err, e->path, "it has more than %d extended attributes",
                                NXC_TAR_MAX_XATTRS);
                if (!name || !xattr_is_kept(name))
                        continue;
                if (strlen(name) > NAME_MAX || len > NXC_TAR_XATTR_MAX_BYTES)
                        return nxc_tar_refuse(t->err, e->path, "an extended attribute is too large");
                e->xattrs[e->n_xattrs++] = (struct nxc_tar_xattr){ name, value, len };
        }
        return 0;
}

static int load_device(struct nxc_tar *t, struct archive_entry *ae, struct nxc_tar_entry *e)
{
        uint64_t major = (uint64_t)archive_entry_rdevmajor(ae),
                 minor = (uint64_t)archive_entry_rdevminor(ae);

        if (major > 0xfff || minor > 0xfffff) /* what Linux has bits for */
                return nxc_tar_refuse(t->err, e->path, "its device number is too large");
        e->device = makedev((unsigned)major, (unsigned)minor);
        return 0;
}

static int load_target(struct nxc_tar *t, struct archive_entry *ae, struct nxc_tar_entry *e)
{
        e->target = archive_entry_symlink(ae);
        if (!e->target || !e->target[0])
                return nxc_tar_refuse(t->err, e->path, "it is a symlink to an empty name");
        if (strlen(e->target) >= PATH_MAX)
                return nxc_tar_refuse(
                        t->err, e->path, "it is a symlink to a name of more than %d bytes", PATH_MAX - 1);
        return 0;
}

static int load_size(struct nxc_tar *t, struct archive_entry *ae, struct nxc_tar_entry *e)
{
        int64_t size = archive_entry_size(ae);

        if (size < 0 || (uint64_t)size > t->limits.bytes ||
                t->result->file_bytes + (uint64_t)size > t->limits.bytes)
                return nxc_tar_refuse(t->err, e->path, "with it, files are larger than %llu bytes",
                        (unsigned long long)t->limits.bytes);
        t->result->file_bytes += (uint64_t)size;
        e->size = (uint64_t)size;
        return 0;
}

static int load_entry(struct nxc_tar *t, struct archive_entry *ae, struct nxc_tar_entry *e)
{
        const char *name = archive_entry_pathname(ae);
        int64_t uid = archive_entry_uid(ae), gid = archive_entry_gid(ae);
        int r = clean_name(t, name, "name", e->path);

        if (r < 0)
                return r;
        nxc_tar_split(e->path, &e->base);
        if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
                return nxc_tar_refuse(
                        t->err, e->path, "its owner %lld:%lld is no user", (long long)uid, (long long)gid);
        e->type = archive_entry_hardlink(ae) ? 0 : archive_entry_filetype(ae);
        e->mode = archive_entry_perm(ae) & MODE_BITS;
        e->uid = (uid_t)uid;
        e->gid = (gid_t)gid;
        e->mtime.tv_sec = archive_entry_mtime(ae);
        e->mtime.tv_nsec = archive_entry_mtime_nsec(ae);
        e->size = 0;
        e->device = 0;
        e->target = NULL;
        e->whiteout = e->moot = false;
        return load_xattrs(t, ae, e);
}

/* --- whiteouts --- */

/* Whether a directory of the path is named like a whiteout; *ret_meta: like aufs' own, which nobody
 * wants. */
static bool path_has_whiteout(const struct nxc_tar_entry *e, bool *ret_meta)
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
static int try_whiteout(struct nxc_tar *t, struct nxc_tar_entry *e)
{
        bool meta, inside = path_has_whiteout(e, &meta);
        const char *name = e->base + strlen(WHITEOUT_PREFIX);
        int r;

        if (meta)
                return 0;
        if (inside)
                return nxc_tar_refuse(t->err, e->path, "it lies in a whiteout");
        if (!nxc_starts_with(e->base, WHITEOUT_PREFIX))
                return 1;
        if (e->type != 0 && e->type != S_IFREG)
                return nxc_tar_refuse(t->err, e->path, "a whiteout has to be a file");
        if (!name[0] || nxc_streq(name, ".") || nxc_streq(name, ".."))
                return nxc_tar_refuse(t->err, e->path, "a whiteout of nothing");
        e->whiteout = true;
        r = t->sink->enter(t->sink_arg, e);
        if (e->moot)
                return 0;
        if (r < 0)
                return r;
        return nxc_streq(e->base, WHITEOUT_OPAQUE) ? t->sink->opaque(t->sink_arg, e)
                                                   : t->sink->whiteout(t->sink_arg, e, name);
}

/* --- entries --- */

/* "./": an archive may say what "/" is like, and nothing else about it (CVE-2021-29136). */
static int set_root(struct nxc_tar *t, const struct nxc_tar_entry *e)
{
        if (e->type != S_IFDIR)
                return nxc_tar_refuse(t->err, "/", "the root can only be a directory");
        t->result->explicit_root = true;
        return t->sink->root(t->sink_arg, e);
}

static int make_entry(struct nxc_tar *t, struct archive_entry *ae, struct nxc_tar_entry *e)
{
        const struct nxc_tar_sink *sink = t->sink;
        int r = try_whiteout(t, e);

        if (r <= 0)
                return r;
        if (!e->path[0])
                return set_root(t, e);
        r = sink->enter(t->sink_arg, e);
        if (r < 0)
                return r;
        switch (e->type) {
        case 0:
                r = clean_name(t, archive_entry_hardlink(ae), "hard link's target", e->link);
                return r < 0 ? r : sink->hardlink(t->sink_arg, e);
        case S_IFREG:
                t->data_end = 0;
                r = load_size(t, ae, e);
                return r < 0 ? r : sink->file(t->sink_arg, e, t);
        case S_IFDIR:
                return sink->directory(t->sink_arg, e);
        case S_IFLNK:
                r = load_target(t, ae, e);
                return r < 0 ? r : sink->symlink(t->sink_arg, e);
        case S_IFCHR:
        case S_IFBLK:
                r = load_device(t, ae, e);
                return r < 0 ? r : sink->node(t->sink_arg, e);
        case S_IFIFO:
                return sink->node(t->sink_arg, e);
        default:
                return nxc_tar_refuse(t->err, e->path, "its type %#o is unknown", (unsigned)e->type);
        }
}

/* libarchive's convention ends here. False: the archive is not to blame, and err is set. */
static bool is_archives_fault(struct nxc_tar *t)
{
        if (nxc_error_is_set(t->err)) /* the source's */
                return false;
        if (archive_errno(t->archive) != ENOMEM && archive_error_string(t->archive))
                return true;
        nxc_oom(t->err); /* it has words for everything else */
        return false;
}

int nxc_tar_data(struct nxc_tar *t, const void **ret_data, size_t *ret_len, uint64_t *ret_offset)
{
        const struct nxc_tar_entry *e = &t->entry;
        const void *data;
        int64_t offset;
        size_t len;
        int r;

        do
                r = archive_read_data_block(t->archive, &data, &len, &offset);
        while (r == ARCHIVE_OK && len == 0);
        if (r == ARCHIVE_EOF)
                return 0;
        if (r != ARCHIVE_OK && !is_archives_fault(t))
                return -t->err->errnum;
        if (r != ARCHIVE_OK)
                return nxc_tar_refuse(t->err, e->path, "%s", archive_error_string(t->archive));
        if (offset < 0 || (uint64_t)offset < t->data_end || (uint64_t)offset > e->size ||
                len > e->size - (uint64_t)offset)
                return nxc_tar_refuse(t->err, e->path, "its data lie outside of it");
        t->data_end = (uint64_t)offset + len;
        *ret_data = data;
        *ret_len = len;
        *ret_offset = (uint64_t)offset;
        return 1;
}

/* --- the archive --- */

#define TAR_BLOCK 512

/* umoci's `insert` and other writers in Go that forget to close their archive leave out the padding of the
 * last file and the end mark; Go's own reader, and so every engine, takes that. The stream's digest says
 * that it is what was meant. */
static ssize_t read_block(struct archive *a, void *arg, const void **ret)
{
        static const char zeros[TAR_BLOCK];
        struct nxc_tar *t = arg;
        ssize_t n = t->source->next(t->source->arg, ret, t->err);

        if (n < 0)
                archive_set_error(a, (int)-n, "source failed");
        if (n < 0)
                return ARCHIVE_FATAL;
        t->stream_bytes += (uint64_t)n;
        if (n > 0 || t->stream_bytes % TAR_BLOCK == 0 || t->padded)
                return n;
        t->padded = true;
        *ret = zeros;
        return (ssize_t)(TAR_BLOCK - t->stream_bytes % TAR_BLOCK);
}

/* Padding may have stood in for the padding of the last entry, never for its data. */
static int check_last_entry(struct nxc_tar *t, uint64_t size, bool is_sparse, const char *path)
{
        if (!t->padded ||
                (!is_sparse && size % TAR_BLOCK && size % TAR_BLOCK <= t->stream_bytes % TAR_BLOCK))
                return 0;
        return nxc_tar_refuse(t->err, path, "the archive ends within it");
}

/* libarchive warns of a name that the C locale cannot write, and leaves it as it is: just what we want. */
static bool is_harmless(const char *warning)
{
        return warning && strstr(warning, "can't be converted");
}

static int read_entries(struct nxc_tar *t)
{
        struct nxc_tar_entry *e = &t->entry;
        struct archive_entry *ae = archive_entry_new2(t->archive);
        uint64_t last_size = 0;
        bool last_sparse = false;
        int r = 0;

        if (!ae)
                r = nxc_oom(t->err);
        while (r == 0) {
                int code = archive_read_next_header2(t->archive, ae);
                const char *why = archive_error_string(t->archive);

                if (code == ARCHIVE_EOF) {
                        r = check_last_entry(t, last_size, last_sparse, e->path);
                        break;
                }
                if (code != ARCHIVE_OK && !(code == ARCHIVE_WARN && is_harmless(why))) {
                        r = is_archives_fault(t) ? nxc_fail_kind(t->err, NXC_ERR_INVALID_IMAGE, 0,
                                                           "read the tar archive after %llu entries: %s",
                                                           (unsigned long long)t->result->entries, why)
                                                 : -t->err->errnum;
                        break;
                }
                if (++t->result->entries > t->limits.entries) {
                        r = nxc_fail_kind(t->err, NXC_ERR_INVALID_IMAGE, E2BIG,
                                "unpack more than %llu entries", (unsigned long long)t->limits.entries);
                        break;
                }
                last_size = archive_entry_filetype(ae) == AE_IFREG ? (uint64_t)archive_entry_size(ae) : 0;
                last_sparse = archive_entry_sparse_count(ae) > 0;
                r = load_entry(t, ae, e);
                if (r == 0)
                        r = make_entry(t, ae, e);
        }
        archive_entry_free(ae);
        return r;
}

/* Also what follows the archive's end mark belongs to the layer's digest. */
static int drain(struct nxc_tar *t)
{
        const void *data;
        ssize_t n;

        do
                n = t->source->next(t->source->arg, &data, t->err);
        while (n > 0);
        return (int)n;
}

static int open_archive(struct nxc_tar *t)
{
        t->archive = archive_read_new();
        if (!t->archive)
                return nxc_oom(t->err);
        /* Opening does the same, and goes on to its end when that finds no memory (libarchive 3.6). */
        if (archive_read_set_callback_data(t->archive, t) != ARCHIVE_OK)
                return nxc_oom(t->err);
        if (archive_read_support_format_tar(t->archive) != ARCHIVE_OK ||
                archive_read_open2(t->archive, t, NULL, read_block, NULL, NULL) != ARCHIVE_OK) {
                if (!is_archives_fault(t))
                        return -t->err->errnum;
                return nxc_fail_kind(t->err, NXC_ERR_INVALID_IMAGE, 0, "open the tar archive: %s",
                        archive_error_string(t->archive));
        }
        return 0;
}

int nxc_tar_read(const struct nxc_tar_source *source, const struct nxc_tar_limits *limits,
        const struct nxc_tar_sink *sink, void *sink_arg, struct nxc_tar_result *result,
        struct nxc_error *err)
{
        struct nxc_error local = { NXC_ERR_NONE };
        _cleanup_free_ struct nxc_tar *t = malloc(sizeof(*t));
        locale_t c_locale, saved;
        int r;

        if (!t)
                return nxc_oom(err);
        *t = (struct nxc_tar){
                .source = source,
                .limits = *limits,
                .sink = sink,
                .sink_arg = sink_arg,
                .result = result,
                .err = err ? err : &local,
        };
        /* In the C locale libarchive passes names through byte by byte; in others it converts what is not
         * UTF-8. */
        c_locale = newlocale(LC_ALL_MASK, "C", NULL);
        if (!c_locale)
                return nxc_oom(err);
        saved = uselocale(c_locale);
        r = open_archive(t);
        if (r == 0)
                r = read_entries(t);
        if (r == 0)
                r = drain(t);
        if (r == 0)
                r = sink->finish(sink_arg);
        archive_read_free(t->archive);
        uselocale(saved);
        freelocale(c_locale);
        return r;
}
