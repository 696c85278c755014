/* See decompress-internal.h.
 *
 * A decoder takes what it can of the input buffer and fills the output buffer; the loop around it feeds it,
 * and knows that an input that ends inside a frame is truncated. Gzip (RFC 1952: members one after the
 * other, header and CRC checked) is inflated by ISA-L, zstd (RFC 8878: frames one after the other) by
 * libzstd, plain tar is passed on. */
#include "layerfs/decompress-internal.h"

#include "core/cleanup.h"
#include "core/hash.h"
#include "layerfs/intake.h"

#include <isa-l/igzip_lib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define IN_SIZE (256 * 1024) /* larger reads gain nothing */

struct decoder {
        const char *name; /* for messages */
        enum nxc_compression compression;
        int (*open)(struct nxc_plain *p);
        void (*close)(struct nxc_plain *p);
        /* Decodes from in to out. Returns 0, with in_frame set while a frame has begun and not ended; or an
         * error. It makes progress whenever there is input and room. */
        int (*decode)(struct nxc_plain *p, struct nxc_error *err);
};

struct nxc_plain {
        const struct decoder *decoder;
        int fd;
        const struct nxc_blob_feed *feed; /* or NULL */
        uint64_t read_bytes, plain_bytes, max_bytes;
        bool eof, in_frame, pending; /* pending: the decoder may hold output that did not fit */
        struct nxc_hash *hash;
        union {
                struct inflate_state *inflate;
                ZSTD_DStream *zstd;
        } u;
        size_t in_pos, in_len, out_len;
        uint8_t *in, *out; /* out: the caller's, for the length of a read */
};

static int fail_damaged(struct nxc_plain *p, struct nxc_error *err, const char *what)
{
        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "decompress a %s layer: %s near byte %llu",
                p->decoder->name, what, (unsigned long long)(p->read_bytes - (p->in_len - p->in_pos)));
}

/* --- gzip --- */

static int gzip_open(struct nxc_plain *p)
{
        p->u.inflate = malloc(sizeof(*p->u.inflate));
        if (!p->u.inflate)
                return -ENOMEM;
        isal_inflate_init(p->u.inflate);
        p->u.inflate->crc_flag = ISAL_GZIP;
        return 0;
}

static void gzip_close(struct nxc_plain *p)
{
        free(p->u.inflate);
}

static const char *gzip_reason(int code)
{
        switch (code) {
        case ISAL_INVALID_BLOCK:
                return "an invalid block";
        case ISAL_INVALID_SYMBOL:
                return "an invalid symbol";
        case ISAL_INVALID_LOOKBACK:
                return "a reference before the start";
        case ISAL_INVALID_WRAPPER:
                return "not a gzip header";
        case ISAL_UNSUPPORTED_METHOD:
                return "an unknown method";
        case ISAL_INCORRECT_CHECKSUM:
                return "a wrong checksum";
        default:
                return "damaged data";
        }
}

static int gzip_decode(struct nxc_plain *p, struct nxc_error *err)
{
        struct inflate_state *s = p->u.inflate;
        int code;

        if (!p->in_frame && !p->pending) { /* a member begins */
                isal_inflate_reset(s);
                s->crc_flag = ISAL_GZIP;
        }
        s->next_in = p->in + p->in_pos;
        s->avail_in = (uint32_t)(p->in_len - p->in_pos);
        s->next_out = p->out + p->out_len;
        s->avail_out = (uint32_t)(NXC_PLAIN_BLOCK - p->out_len);
        code = isal_inflate(s);
        p->in_pos = p->in_len - s->avail_in;
        p->out_len = NXC_PLAIN_BLOCK - s->avail_out;
        if (code < 0 || code == ISAL_NEED_DICT)
                return fail_damaged(p, err, gzip_reason(code));
        p->in_frame = s->block_state != ISAL_BLOCK_FINISH;
        p->pending = p->in_frame && s->avail_out == 0;
        return 0;
}

/* --- zstd --- */

static int zstd_open(struct nxc_plain *p)
{
        p->u.zstd = ZSTD_createDStream();
        if (!p->u.zstd)
                return -ENOMEM;
        ZSTD_DCtx_setParameter(p->u.zstd, ZSTD_d_windowLogMax, NXC_ZSTD_WINDOW_LOG_MAX);
        return 0;
}

static void zstd_close(struct nxc_plain *p)
{
        ZSTD_freeDStream(p->u.zstd);
}

static int zstd_decode(struct nxc_plain *p, struct nxc_error *err)
{
        ZSTD_inBuffer in = { p->in, p->in_len, p->in_pos };
        ZSTD_outBuffer out = { p->out, NXC_PLAIN_BLOCK, p->out_len };
        size_t code = ZSTD_decompressStream(p->u.zstd, &out, &in);

        p->in_pos = in.pos;
        p->out_len = out.pos;
        if (ZSTD_isError(code))
                return fail_damaged(p, err, ZSTD_getErrorName(code));
        p->in_frame = code != 0;
        p->pending = p->in_frame && out.pos == out.size;
        return 0;
}

/* --- plain --- */

static int plain_open(struct nxc_plain *p)
{
        return 0;
}

static void plain_close(struct nxc_plain *p)
{
}

static int plain_decode(struct nxc_plain *p, struct nxc_error *err)
{
        size_t n = p->in_len - p->in_pos;

        if (n > NXC_PLAIN_BLOCK - p->out_len)
                n = NXC_PLAIN_BLOCK - p->out_len;
        memcpy(p->out + p->out_len, p->in + p->in_pos, n);
        p->in_pos += n;
        p->out_len += n;
        return 0;
}

static const struct decoder decoders[] = {
        { "plain", NXC_COMPRESSION_NONE, plain_open, plain_close, plain_decode },
        { "gzip", NXC_COMPRESSION_GZIP, gzip_open, gzip_close, gzip_decode },
        { "zstd", NXC_COMPRESSION_ZSTD, zstd_open, zstd_close, zstd_decode },
};

/* --- the stream --- */

/* What is not there yet is waited for; a blob that began anew may for a moment be shorter than it was. */
static ssize_t read_blob(struct nxc_plain *p)
{
        for (;;) {
                int more = p->feed ? p->feed->wait(p->feed->arg, p->read_bytes) : 1;
                ssize_t n = more <= 0 ? more : pread(p->fd, p->in, IN_SIZE, (off_t)p->read_bytes);

                if (n < 0 && more > 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return more > 0 ? -errno : n;
                if (n > 0 || !p->feed || more == 0)
                        return n;
                usleep(1000);
        }
}

static int fill(struct nxc_plain *p, struct nxc_error *err)
{
        ssize_t n = read_blob(p);

        if (n == -ECANCELED)
                return nxc_fail_kind(err, NXC_ERR_INTERRUPTED, ECANCELED, "read a layer blob");
        if (n < 0)
                return nxc_fail(err, (int)-n, "read a layer blob");
        p->in_pos = 0;
        p->in_len = (size_t)n;
        p->read_bytes += (uint64_t)n;
        p->eof = n == 0;
        return 0;
}

static enum nxc_compression detect(const uint8_t *b, size_t n)
{
        if (n >= 2 && b[0] == 0x1f && b[1] == 0x8b)
                return NXC_COMPRESSION_GZIP;
        if (n >= 4 && b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd)
                return NXC_COMPRESSION_ZSTD;
        if (n >= 4 && (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d &&
                b[3] == 0x18) /* a skippable frame */
                return NXC_COMPRESSION_ZSTD;
        return NXC_COMPRESSION_NONE;
}

bool nxc_plain_begins_as(int blob_fd, enum nxc_compression compression)
{
        uint8_t bytes[4];
        ssize_t n = pread(blob_fd, bytes, sizeof(bytes), 0);

        return n > 0 && detect(bytes, (size_t)n) == compression;
}

static int check_magic(struct nxc_plain *p, struct nxc_error *err)
{
        enum nxc_compression found;
        int r = fill(p, err);

        if (r < 0)
                return r;
        if (p->eof)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "decompress a %s layer: the blob is empty", p->decoder->name);
        found = detect(p->in, p->in_len);
        if (found != p->decoder->compression)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "decompress a layer: the media type says %s, its first bytes %s", p->decoder->name,
                        decoders[found].name);
        return 0;
}

int nxc_plain_open(int blob_fd, const struct nxc_blob_feed *feed, enum nxc_compression compression,
        const char *algorithm, uint64_t max_bytes, struct nxc_plain **ret, struct nxc_error *err)
{
        struct nxc_plain *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return nxc_oom(err);
        p->decoder = &decoders[compression];
        p->fd = blob_fd;
        p->feed = feed;
        p->max_bytes = max_bytes ? max_bytes : NXC_PLAIN_MAX_BYTES;
        p->hash = nxc_hash_new(algorithm);
        p->in = malloc(IN_SIZE);
        if (!p->hash || !p->in || p->decoder->open(p) < 0)
                r = nxc_oom(err);
        else
                r = check_magic(p, err);
        if (r < 0) {
                nxc_plain_close(p);
                return r;
        }
        *ret = p;
        return 0;
}

static int check_limits(struct nxc_plain *p, struct nxc_error *err)
{
        if (p->plain_bytes > p->max_bytes)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, EFBIG,
                        "decompress a %s layer to more than %llu bytes", p->decoder->name,
                        (unsigned long long)p->max_bytes);
        if (p->plain_bytes > NXC_PLAIN_RATIO_SLACK && p->plain_bytes / NXC_PLAIN_MAX_RATIO > p->read_bytes)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, EFBIG,
                        "decompress a %s layer: %llu bytes of %llu, a bomb (at most %d:1)", p->decoder->name,
                        (unsigned long long)p->plain_bytes, (unsigned long long)p->read_bytes,
                        NXC_PLAIN_MAX_RATIO);
        return 0;
}

ssize_t nxc_plain_read(struct nxc_plain *p, void *buf, struct nxc_error *err)
{
        size_t in_pos, out_len;
        int r;

        p->out = buf;
        p->out_len = 0;
        while (p->out_len < NXC_PLAIN_BLOCK) {
                if (p->in_pos == p->in_len && !p->eof) {
                        r = fill(p, err);
                        if (r < 0)
                                return r;
                }
                if (p->in_pos == p->in_len && !p->pending)
                        break; /* the end */
                in_pos = p->in_pos;
                out_len = p->out_len;
                r = p->decoder->decode(p, err);
                if (r < 0)
                        return r;
                if (in_pos == p->in_pos && out_len == p->out_len && in_pos < p->in_len)
                        return fail_damaged(p, err, "no progress"); /* would loop for ever */
        }
        if (p->out_len == 0 && p->in_frame)
                return fail_damaged(p, err, "truncated");
        p->plain_bytes += p->out_len;
        r = check_limits(p, err);
        if (r < 0)
                return r;
        nxc_hash_update(p->hash, p->out, p->out_len);
        return (ssize_t)p->out_len;
}

void nxc_plain_finish(struct nxc_plain *p, struct nxc_digest *ret_diff_id, uint64_t *ret_bytes)
{
        nxc_hash_finish(p->hash, ret_diff_id);
        *ret_bytes = p->plain_bytes;
}

void nxc_plain_close(struct nxc_plain *p)
{
        if (!p)
                return;
        p->decoder->close(p);
        nxc_hash_free(p->hash);
        free(p->in);
        free(p);
}

int nxc_plain_digest(int blob_fd, const struct nxc_blob_feed *feed, enum nxc_compression compression,
        const char *algorithm, uint64_t max_bytes, struct nxc_digest *ret, struct nxc_error *err)
{
        _cleanup_free_ void *block = malloc(NXC_PLAIN_BLOCK);
        struct nxc_plain *p;
        uint64_t bytes;
        ssize_t n;

        if (!block)
                return nxc_oom(err);
        n = nxc_plain_open(blob_fd, feed, compression, algorithm, max_bytes, &p, err);
        if (n < 0)
                return (int)n;
        do
                n = nxc_plain_read(p, block, err);
        while (n > 0);
        if (n == 0)
                nxc_plain_finish(p, ret, &bytes);
        nxc_plain_close(p);
        return (int)n;
}
