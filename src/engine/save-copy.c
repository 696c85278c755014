/* See save-internal.h: a file's bytes, as they are in the store or decompressed, with their digest compared
 * at the end. */
#include "engine/save-internal.h"

#include "core/cleanup.h"
#include "core/hash.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#define CHUNK (256u << 10)

/* Reads a blob; a compressed one through libarchive's filters. */
struct blob_reader {
        int fd;
        struct archive *a; /* NULL: as it is */
        const char *digest;
};

static int reader_failed(struct blob_reader *rd, struct nxc_error *err)
{
        const char *why = archive_error_string(rd->a);

        if (archive_errno(rd->a) == ENOMEM || !why) /* it has words for everything else */
                return nxc_oom(err);
        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "decompress blob '%s': %s", rd->digest, why);
}

static int reader_open(struct blob_reader *rd, struct nxc_engine_ctx *ctx, const struct nxc_descriptor *blob,
        bool plain, struct nxc_error *err)
{
        struct archive_entry *e;
        int r;

        *rd = (struct blob_reader){ .fd = -EBADF, .digest = blob->digest.text };
        r = nxc_image_blob_open(ctx->images, &blob->digest, blob->size, &rd->fd, err);
        if (r < 0 || !plain || blob->compression == NXC_COMPRESSION_NONE)
                return r;
        rd->a = archive_read_new();
        /* Opening does the same, and goes on to its end when that finds no memory (libarchive 3.6). */
        if (!rd->a || archive_read_set_callback_data(rd->a, NULL) != ARCHIVE_OK)
                return nxc_oom(err);
        r = archive_read_support_format_raw(rd->a);
        if (r == ARCHIVE_OK)
                r = blob->compression == NXC_COMPRESSION_GZIP ? archive_read_support_filter_gzip(rd->a)
                                                              : archive_read_support_filter_zstd(rd->a);
        if (r != ARCHIVE_OK || archive_read_open_fd(rd->a, rd->fd, CHUNK) != ARCHIVE_OK ||
                archive_read_next_header(rd->a, &e) != ARCHIVE_OK)
                return reader_failed(rd, err);
        return 0;
}

/* Bytes, 0 at the end, or -errno. */
static ssize_t reader_read(struct blob_reader *rd, void *buf, size_t len, struct nxc_error *err)
{
        ssize_t n;

        do
                n = rd->a ? archive_read_data(rd->a, buf, len) : read(rd->fd, buf, len);
        while ((rd->a && n == ARCHIVE_RETRY) || (!rd->a && n < 0 && errno == EINTR));
        if (n < 0 && rd->a)
                return reader_failed(rd, err);
        if (n < 0)
                return nxc_fail(err, errno, "read blob '%s'", rd->digest);
        return n;
}

static void reader_done(struct blob_reader *rd)
{
        archive_read_free(rd->a);
        nxc_closep(&rd->fd);
}

static int copy_blob(struct nxc_engine_ctx *ctx, const struct nxc_descriptor *blob,
        const struct nxc_digest *plain, nxc_save_write_fn fn, void *arg, uint64_t *ret_size,
        struct nxc_error *err)
{
        const struct nxc_digest *want = plain ? plain : &blob->digest;
        _cleanup_free_ char *chunk = malloc(CHUNK);
        struct nxc_hash *hash = nxc_hash_new(strncmp(want->text, "sha512", 6) == 0 ? "sha512" : "sha256");
        struct nxc_digest got;
        struct blob_reader rd = { .fd = -EBADF };
        uint64_t size = 0;
        int r = chunk && hash ? reader_open(&rd, ctx, blob, plain != NULL, err) : nxc_oom(err);

        while (r == 0) {
                ssize_t n = reader_read(&rd, chunk, CHUNK, err);

                if (n <= 0) {
                        r = (int)n;
                        break;
                }
                nxc_hash_update(hash, chunk, (size_t)n);
                size += (uint64_t)n;
                if (fn)
                        r = fn(arg, chunk, (size_t)n, err);
        }
        if (r == 0) {
                nxc_hash_finish(hash, &got);
                if (!nxc_digest_equal(&got, want))
                        r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "blob '%s' has %s '%s'%s%s",
                                blob->digest.text, plain ? "diff_id" : "digest", got.text,
                                plain ? " instead of " : "", plain ? plain->text : "");
                else if (ret_size)
                        *ret_size = size;
        }
        reader_done(&rd);
        nxc_hash_free(hash);
        return r;
}

int nxc_save_copy(struct nxc_engine_ctx *ctx, const struct nxc_save_file *f, nxc_save_write_fn fn, void *arg,
        struct nxc_error *err)
{
        if (f->text)
                return fn(arg, f->text, f->size, err);
        return copy_blob(ctx, f->blob, f->plain_digest, fn, arg, NULL, err);
}

int nxc_save_plain_size(struct nxc_engine_ctx *ctx, const struct nxc_descriptor *blob,
        const struct nxc_digest *plain_digest, uint64_t *ret, struct nxc_error *err)
{
        return copy_blob(ctx, blob, plain_digest, NULL, NULL, ret, err);
}
