/* The plain stream: all three encodings, members and frames, every kind of damage, the limits. */
#include "../core/temp-dir.h"

#include "core/cleanup.h"
#include "core/hash.h"
#include "layerfs/pump-internal.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zstd.h>

#define PLAIN_SIZE (3u << 20) /* three times a block, and not a multiple of it with what is added */

static char *make_plain(size_t size)
{
        char *p = malloc(size);
        unsigned x = 1;

        for (size_t i = 0; i < size; i++) {
                x = x * 1103515245 + 12345;
                p[i] = (char)(i % 4096 < 2048 ? x >> 24 : 'z');
        }
        return p;
}

static void add_gzip(struct nxc_buf *b, const void *data, size_t len)
{
        size_t max = 2 * len + 1000;
        _cleanup_free_ uint8_t *out = malloc(max);
        struct isal_zstream s;

        isal_deflate_init(&s);
        s.gzip_flag = IGZIP_GZIP;
        s.end_of_stream = 1;
        s.next_in = (uint8_t *)(uintptr_t)data;
        s.avail_in = (uint32_t)len;
        s.next_out = out;
        s.avail_out = (uint32_t)max;
        while (s.internal_state.state != ZSTATE_END)
                assert_int_equal(isal_deflate(&s), COMP_OK);
        assert_int_equal(nxc_buf_add(b, out, max - s.avail_out), 0);
}

/* A member of stored blocks, whose size is known to the byte. */
static void add_stored(struct nxc_buf *b, const char *data, size_t len)
{
        uint32_t trailer[2] = { crc32_gzip_refl(0, (const unsigned char *)data, len), (uint32_t)len };

        (void)!nxc_buf_add(b, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
        do {
                uint16_t n = len < 65535 ? (uint16_t)len : 65535, complement = (uint16_t)~n;
                char last = n == len;

                (void)!nxc_buf_add(b, &last, 1);
                (void)!nxc_buf_add(b, &n, 2);
                (void)!nxc_buf_add(b, &complement, 2);
                (void)!nxc_buf_add(b, data, n);
                data += n;
                len -= n;
        } while (len > 0);
        (void)!nxc_buf_add(b, trailer, 8);
}

static void add_zstd(struct nxc_buf *b, const void *data, size_t len)
{
        size_t max = ZSTD_compressBound(len);
        _cleanup_free_ uint8_t *out = malloc(max);
        size_t n = ZSTD_compress(out, max, data, len, 1);

        assert_false(ZSTD_isError(n));
        assert_int_equal(nxc_buf_add(b, out, n), 0);
}

static int put_blob(struct temp_dir *t, const void *data, size_t len)
{
        int fd = openat(t->fd, "blob", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, data, len), 0);
        return fd;
}

/* Reads a blob to its end. */
static int read_blob(struct temp_dir *t, const struct nxc_buf *blob, enum nxc_compression compression,
        struct nxc_digest *digest, uint64_t *bytes, struct nxc_error *err)
{
        _cleanup_close_ int fd = put_blob(t, blob->data, blob->len);
        struct nxc_plain *p;
        struct nxc_pump *pump;
        const void *data;
        ssize_t n = nxc_plain_open(fd, NULL, compression, "sha256", 64 << 20, &p, err);

        if (n < 0)
                return (int)n;
        assert_int_equal(nxc_pump_open(p, &pump, NULL), 0);
        while ((n = nxc_pump_next(pump, &data, err)) > 0)
                ;
        nxc_pump_close(pump);
        if (n == 0)
                nxc_plain_finish(p, digest, bytes);
        nxc_plain_close(p);
        return (int)n;
}

static void assert_reads_as(struct temp_dir *t, const struct nxc_buf *blob, enum nxc_compression compression,
        const void *plain, size_t len)
{
        struct nxc_digest got, want;
        struct nxc_error err = { 0 };
        uint64_t bytes = 0;

        if (read_blob(t, blob, compression, &got, &bytes, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(bytes, len);
        assert_int_equal(nxc_hash_buffer("sha256", plain, len, &want, NULL), 0);
        assert_string_equal(got.text, want.text);
}

static void assert_refused(
        struct temp_dir *t, const struct nxc_buf *blob, enum nxc_compression compression, const char *why)
{
        struct nxc_digest digest;
        struct nxc_error err = { 0 };
        uint64_t bytes;

        assert_true(read_blob(t, blob, compression, &digest, &bytes, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        if (!strstr(err.message, why))
                fail_msg("'%s', not '%s'", err.message, why);
}

static void test_encodings(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *plain = make_plain(PLAIN_SIZE + 123);
        _cleanup_buf_ struct nxc_buf none = { 0 }, gzip = { 0 }, zstd = { 0 };

        (void)!nxc_buf_add(&none, plain, PLAIN_SIZE + 123);
        add_gzip(&gzip, plain, PLAIN_SIZE + 123);
        add_zstd(&zstd, plain, PLAIN_SIZE + 123);
        assert_reads_as(t, &none, NXC_COMPRESSION_NONE, plain, PLAIN_SIZE + 123);
        assert_reads_as(t, &gzip, NXC_COMPRESSION_GZIP, plain, PLAIN_SIZE + 123);
        assert_reads_as(t, &zstd, NXC_COMPRESSION_ZSTD, plain, PLAIN_SIZE + 123);
        assert_refused(t, &none, NXC_COMPRESSION_GZIP, "the media type says gzip, its first bytes plain");
        assert_refused(t, &gzip, NXC_COMPRESSION_ZSTD, "the media type says zstd, its first bytes gzip");
        assert_refused(t, &zstd, NXC_COMPRESSION_NONE, "the media type says plain, its first bytes zstd");
}

/* Members end anywhere in the input buffer, also at its very end and within their trailer. */
static void test_members(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *plain = make_plain(PLAIN_SIZE);
        size_t first[] = { 0, 1, 1000, 300000, 1u << 20, PLAIN_SIZE - 1 };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(first); i++) {
                _cleanup_buf_ struct nxc_buf gzip = { 0 }, zstd = { 0 };

                add_gzip(&gzip, plain, first[i]);
                add_gzip(&gzip, plain + first[i], PLAIN_SIZE - first[i]);
                assert_reads_as(t, &gzip, NXC_COMPRESSION_GZIP, plain, PLAIN_SIZE);
                add_zstd(&zstd, plain, first[i]);
                (void)!nxc_buf_add(&zstd, "\x50\x2a\x4d\x18\x03\0\0\0abc", 11); /* a skippable frame */
                add_zstd(&zstd, plain + first[i], PLAIN_SIZE - first[i]);
                assert_reads_as(t, &zstd, NXC_COMPRESSION_ZSTD, plain, PLAIN_SIZE);
        }
        for (size_t pad = 0; pad < 60;
                pad++) { /* the first member's end wanders over the border of a read, 256 KiB */
                _cleanup_buf_ struct nxc_buf gzip = { 0 };
                size_t len = (256 << 10) - 18 - 4 * 5 - 40 + pad;

                add_stored(&gzip, plain, len);
                assert_int_equal(gzip.len, (256 << 10) - 40 + pad);
                add_gzip(&gzip, plain + len, 3);
                assert_reads_as(t, &gzip, NXC_COMPRESSION_GZIP, plain, len + 3);
        }
}

static void test_damage(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *plain = make_plain(100000);
        _cleanup_buf_ struct nxc_buf gzip = { 0 }, zstd = { 0 }, empty = { 0 };
        size_t whole;

        assert_refused(t, &empty, NXC_COMPRESSION_NONE, "the blob is empty");
        add_gzip(&gzip, plain, 100000);
        add_zstd(&zstd, plain, 100000);
        whole = gzip.len;
        for (size_t cut = 1; cut < 30; cut++) {
                gzip.len = whole - cut;
                assert_refused(t, &gzip, NXC_COMPRESSION_GZIP, "truncated");
        }
        gzip.len = whole;
        gzip.data[whole - 6] ^= 1; /* the CRC */
        assert_refused(t, &gzip, NXC_COMPRESSION_GZIP, "a wrong checksum");
        gzip.data[whole - 6] ^= 1;
        (void)!nxc_buf_puts(&gzip, "garbage, and not little");
        assert_refused(t, &gzip, NXC_COMPRESSION_GZIP, "not a gzip header");
        gzip.len = 12;
        assert_refused(t, &gzip, NXC_COMPRESSION_GZIP, "truncated");
        zstd.len--;
        assert_refused(t, &zstd, NXC_COMPRESSION_ZSTD, "truncated");
        zstd.len = 8;
        assert_refused(t, &zstd, NXC_COMPRESSION_ZSTD, "truncated");
}

static void test_bombs(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *zeros = calloc(1, 65 << 20);
        _cleanup_buf_ struct nxc_buf gzip = { 0 }, zstd = { 0 };
        struct nxc_digest digest;
        struct nxc_error err = { 0 };
        _cleanup_close_ int fd = -EBADF;

        add_gzip(&gzip, zeros, 65 << 20);
        assert_refused(t, &gzip, NXC_COMPRESSION_GZIP, "to more than 67108864 bytes");
        for (int i = 0; i < 5; i++)
                add_zstd(&zstd, zeros, 65 << 20);
        fd = put_blob(t, zstd.data, zstd.len);
        assert_true(nxc_plain_digest(fd, NULL, NXC_COMPRESSION_ZSTD, "sha256", 0, &digest, &err) < 0);
        assert_non_null(strstr(err.message, "a bomb"));
}

/* A reader that gives up, at any point, does not hang. */
static void test_given_up(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *plain = make_plain(8u << 20);
        _cleanup_close_ int fd = put_blob(t, plain, 8u << 20);

        for (int blocks = 0; blocks < 8; blocks++) {
                struct nxc_plain *p;
                struct nxc_pump *pump;
                const void *data;

                assert_int_equal(nxc_plain_open(fd, NULL, NXC_COMPRESSION_NONE, "sha256", 0, &p, NULL), 0);
                assert_int_equal(nxc_pump_open(p, &pump, NULL), 0);
                for (int i = 0; i < blocks; i++) {
                        assert_int_equal(nxc_pump_next(pump, &data, NULL), NXC_PLAIN_BLOCK);
                        assert_memory_equal(data, plain + i * NXC_PLAIN_BLOCK, NXC_PLAIN_BLOCK);
                }
                nxc_pump_close(pump);
                nxc_plain_close(p);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(test_encodings),
                with_temp_dir(test_members),
                with_temp_dir(test_damage),
                with_temp_dir(test_bombs),
                with_temp_dir(test_given_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
