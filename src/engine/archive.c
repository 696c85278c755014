/* See engine-internal.h: an image archive, read once from its start to its end, compressed or not.
 *
 * Nothing is extracted: a member's bytes go into the staging area under the digest that is computed here,
 * and its name is only ever compared with other names, never opened. So "..", absolute names and links that
 * lead anywhere are harmless. */
#include "engine/engine-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/path.h"
#include "core/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_MEMBERS \
        20000 /* NXC_MAX_LAYERS with what old docker writes for each, and twenty images of them */
#define MAX_BYTES (256ull << 30)      /* plain */
#define RATIO_FREE_BYTES (1ull << 30) /* below this nobody asks how well it compressed */
#define MAX_RATIO 200 /* plain to compressed; tars of zeros reach 1000, those of programs 5 */
#define MAX_INDEX_BYTES NXC_MANIFEST_MAX_BYTES
#define MAX_LINKS 8
#define CHUNK (256u << 10)

struct reading {
        struct archive *a;
        struct nxc_intake *in;
        struct nxc_archive *ret;
        const char *what;
        char *chunk;
        uint64_t total;
};

/* libarchive's convention ends here. */
static int archive_failed(struct reading *rd, struct nxc_error *err)
{
        int errnum = archive_errno(rd->a);
        const char *why = archive_error_string(rd->a);

        if (errnum == ENOMEM || (!errnum && !why)) /* it has words for everything else */
                return nxc_oom(err);
        if (errnum == EIO || errnum == EISDIR || errnum == EBADF)
                return nxc_fail(err, errnum, "read archive '%s'", rd->what);
        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "read archive '%s': %s", rd->what,
                why ? why : "it is damaged");
}

static int check_limits(struct reading *rd, uint64_t more, struct nxc_error *err)
{
        uint64_t raw = (uint64_t)archive_filter_bytes(rd->a, -1);

        rd->total += more;
        if (rd->total > MAX_BYTES)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "archive '%s' holds more than %llu bytes", rd->what, MAX_BYTES);
        if (rd->total > RATIO_FREE_BYTES && rd->total / MAX_RATIO > raw)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "archive '%s' grows to more than %d times its size", rd->what, MAX_RATIO);
        return 0;
}

static struct nxc_archive_file *add_file(struct reading *rd, const char *path, struct nxc_error *err)
{
        struct nxc_archive *a = rd->ret;
        char *clean = nxc_path_normalize(path);

        if (clean && a->n == a->cap) {
                size_t cap = a->cap ? 2 * a->cap : 64;
                struct nxc_archive_file *p = reallocarray(a->files, cap, sizeof(*p));

                if (!p) {
                        free(clean);
                        clean = NULL;
                } else {
                        a->files = p;
                        a->cap = cap;
                }
        }
        if (!clean) {
                nxc_oom(err);
                return NULL;
        }
        a->files[a->n] = (struct nxc_archive_file){ .path = clean };
        return &a->files[a->n++];
}

/* Where a link leads, as a name of a member. */
static char *resolve_link(const char *path, const char *target)
{
        _cleanup_free_ char *text = NULL;
        const char *base = nxc_path_basename(path);

        if (*target == '/')
                return nxc_path_normalize(target);
        text = nxc_strf("%.*s/%s", (int)(base - path), path, target);
        return text ? nxc_path_normalize(text) : NULL;
}

static int add_link(
        struct reading *rd, const char *path, const char *target, bool is_symlink, struct nxc_error *err)
{
        struct nxc_archive_file *f = add_file(rd, path, err);

        if (!f)
                return -ENOMEM;
        f->link = is_symlink ? resolve_link(f->path, target) : nxc_path_normalize(target);
        return f->link ? 0 : nxc_oom(err);
}

/* index.json and manifest.json are also kept as documents. */
static int keep_document(struct reading *rd, const char *name, json_t **ret, const struct nxc_buf *text,
        struct nxc_error *err)
{
        int r;

        json_decref(*ret);
        *ret = NULL;
        r = nxc_json_parse(text->data ? text->data : "", text->len, name, ret, err);
        if (r == 0 || r == -ENOMEM)
                return r;
        nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
        return nxc_error_wrap(err, "archive '%s'", rd->what);
}

static json_t **document_of(struct nxc_archive *a, const char *path)
{
        if (nxc_streq(path, "/index.json"))
                return &a->index;
        if (nxc_streq(path, "/manifest.json"))
                return &a->docker;
        return NULL;
}

static int copy_member(
        struct reading *rd, struct nxc_blob_writer *w, struct nxc_buf *text, struct nxc_error *err)
{
        for (;;) {
                la_ssize_t n = archive_read_data(rd->a, rd->chunk, CHUNK);
                int r;

                if (n == ARCHIVE_RETRY)
                        continue;
                if (n < 0)
                        return archive_failed(rd, err);
                if (n == 0)
                        return 0;
                r = check_limits(rd, (uint64_t)n, err);
                if (r == 0)
                        r = nxc_blob_writer_write(w, rd->chunk, (size_t)n, err);
                if (r < 0)
                        return r;
                if (text)
                        r = nxc_buf_add(text, rd->chunk, (size_t)n);
                if (r < 0)
                        return nxc_fail_kind(
                                err, NXC_ERR_INVALID_IMAGE, -r, "archive '%s': read its index", rd->what);
        }
}

static int add_member(struct reading *rd, const char *path, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf text = { .limit = MAX_INDEX_BYTES };
        struct nxc_archive_file *f = add_file(rd, path, err);
        struct nxc_blob_writer *w = NULL;
        json_t **document;
        int r;

        if (!f)
                return -ENOMEM;
        document = document_of(rd->ret, f->path);
        r = nxc_blob_writer_open_unnamed(rd->in,
                nxc_starts_with(f->path, "/blobs/sha512/") ? "sha512" : "sha256", MAX_BYTES, &w, err);
        if (r == 0)
                r = copy_member(rd, w, document ? &text : NULL, err);
        if (r < 0) {
                nxc_blob_writer_discard(w);
                return r;
        }
        r = nxc_blob_writer_close_unnamed(w, &f->desc, err);
        if (r == 0 && document)
                r = keep_document(rd, f->path + 1, document, &text, err);
        return r;
}

static int read_member(struct reading *rd, struct archive_entry *e, struct nxc_error *err)
{
        const char *path = archive_entry_pathname(e), *link = archive_entry_hardlink(e);

        if (!path)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_IMAGE, 0, "archive '%s' has a member without a name", rd->what);
        if (rd->ret->n >= MAX_MEMBERS)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "archive '%s' has more than %d members",
                        rd->what, MAX_MEMBERS);
        if (link)
                return add_link(rd, path, link, false, err);
        if (archive_entry_filetype(e) == AE_IFLNK)
                return add_link(rd, path, archive_entry_symlink(e) ?: "", true, err);
        if (archive_entry_filetype(e) == AE_IFREG)
                return add_member(rd, path, err);
        return 0; /* directories are of no interest, and nothing else belongs there */
}

static int read_members(struct reading *rd, struct nxc_error *err)
{
        for (;;) {
                struct archive_entry *e;
                int k = archive_read_next_header(rd->a, &e), r;

                if (k == ARCHIVE_EOF)
                        return 0;
                if (k == ARCHIVE_RETRY)
                        continue;
                if (k < ARCHIVE_WARN) /* a warning is about a name's character set */
                        return archive_failed(rd, err);
                r = read_member(rd, e, err);
                if (r < 0)
                        return r;
        }
}

static int open_archive(struct reading *rd, int fd, struct nxc_error *err)
{
        rd->a = archive_read_new();
        rd->chunk = malloc(CHUNK);
        /* Opening does the same, and goes on to its end when that finds no memory (libarchive 3.6). */
        if (!rd->a || !rd->chunk || archive_read_set_callback_data(rd->a, NULL) != ARCHIVE_OK)
                return nxc_oom(err);
        if (archive_read_support_format_tar(rd->a) != ARCHIVE_OK ||
                archive_read_support_filter_gzip(rd->a) != ARCHIVE_OK ||
                archive_read_support_filter_zstd(rd->a) != ARCHIVE_OK ||
                archive_read_open_fd(rd->a, fd, CHUNK) != ARCHIVE_OK)
                return archive_failed(rd, err);
        return 0;
}

static int compare_files(const void *a, const void *b)
{
        const struct nxc_archive_file *x = a, *y = b;

        return strcmp(x->path, y->path);
}

int nxc_archive_read(const char *path, struct nxc_intake *in, struct nxc_archive *ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = nxc_streq(path, "-") ? fcntl(0, F_DUPFD_CLOEXEC, 3)
                                                      : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct nxc_archive a = { 0 };
        struct reading rd = { .in = in, .ret = &a, .what = path };
        int r;

        if (fd < 0)
                return nxc_fail(err, errno, "open archive '%s'", path);
        r = open_archive(&rd, fd, err);
        if (r == 0)
                r = read_members(&rd, err);
        archive_read_free(rd.a);
        free(rd.chunk);
        if (r < 0) {
                nxc_archive_done(&a);
                return r;
        }
        if (a.n)
                qsort(a.files, a.n, sizeof(*a.files), compare_files);
        *ret = a;
        return 0;
}

const struct nxc_archive_file *nxc_archive_find(const struct nxc_archive *a, const char *path)
{
        _cleanup_free_ char *clean = nxc_path_normalize(path);
        struct nxc_archive_file key = { .path = clean };

        for (int i = 0; clean && a->n && i < MAX_LINKS; i++) {
                const struct nxc_archive_file *f = bsearch(&key, a->files, a->n, sizeof(key), compare_files);

                if (!f || !f->link)
                        return f;
                key.path = f->link;
        }
        return NULL;
}

void nxc_archive_done(struct nxc_archive *a)
{
        for (size_t i = 0; i < a->n; i++) {
                free(a->files[i].path);
                free(a->files[i].link);
        }
        free(a->files);
        json_decref(a->index);
        json_decref(a->docker);
        *a = (struct nxc_archive){ 0 };
}
