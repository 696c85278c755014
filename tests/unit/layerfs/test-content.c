/* The checksum of contents: zeros without reading them, holes, and the index that can go stale. */
#include "../core/temp-dir.h"

#include "core/cleanup.h"
#include "layerfs/content-internal.h"

static void test_known_value(void **state)
{
        /* CRC-64/XZ of the standard check string */
        assert_true(nxc_crc64(0, "123456789", 9) == 0x995dc9bbdf1939faull);
        assert_true(nxc_crc64(nxc_crc64(0, "1234", 4), "56789", 5) == 0x995dc9bbdf1939faull);
}

static void test_zeros(void **state)
{
        static const char zeros[100000];
        static const size_t sizes[] = { 0, 1, 2, 7, 8, 63, 4096, 99999 };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(sizes); i++) {
                assert_true(nxc_crc64_zeros(0, sizes[i]) == nxc_crc64(0, zeros, sizes[i]));
                assert_true(nxc_crc64_zeros(42, sizes[i]) == nxc_crc64(42, zeros, sizes[i]));
        }
        assert_true(nxc_crc64_zeros(nxc_crc64_zeros(1, 1ull << 50), 1ull << 50) ==
                    nxc_crc64_zeros(1, 1ull << 51));
}

static void test_file_with_holes(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_close_ int fd = openat(t->fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        uint64_t crc, want;

        assert_int_equal(ftruncate(fd, 10 << 20), 0);
        assert_int_equal(pwrite(fd, "data", 4, 5 << 20), 4);
        assert_int_equal(nxc_crc64_fd(fd, 10 << 20, &crc), 0);
        want = nxc_crc64_zeros(nxc_crc64(nxc_crc64_zeros(0, 5 << 20), "data", 4), (5 << 20) - 4);
        assert_true(crc == want);
        assert_int_equal(
                nxc_crc64_fd(fd, (10 << 20) + 1, &crc), 0); /* a hole beyond the end is zeros, too */
        assert_true(crc == nxc_crc64_zeros(want, 1));
}

static void test_index(void **state)
{
        struct nxc_content_index ix = { 0 };
        uint64_t crc;

        assert_false(nxc_content_index_find(&ix, 1, &crc));
        for (unsigned i = 3000; i > 0; i--)
                assert_int_equal(nxc_content_index_add(&ix, i * 7, i), 0);
        assert_true(nxc_content_index_find(&ix, 700, &crc));
        assert_int_equal(crc, 100);
        assert_false(nxc_content_index_find(&ix, 701, &crc));
        ix.stale = true;
        assert_false(nxc_content_index_find(&ix, 700, &crc));
        nxc_content_index_done(&ix);
        nxc_content_index_done(&ix);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known_value),
                cmocka_unit_test(test_zeros),
                with_temp_dir(test_file_with_holes),
                cmocka_unit_test(test_index),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
