/* Buffers, string vectors, strict numbers. */
#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void buffer_grows_and_ends_in_nul(void **state)
{
        _cleanup_buf_ struct nxc_buf b = { 0 };

        assert_int_equal(nxc_buf_add(&b, "", 0), 0);
        assert_string_equal(b.data, "");
        for (int i = 0; i < 10000; i++)
                assert_int_equal(nxc_buf_printf(&b, "%d,", i % 10), 0);
        assert_int_equal(b.len, 20000);
        assert_int_equal(strlen(b.data), 20000);
        assert_int_equal(nxc_buf_add(&b, "a\0b", 3), 0);
        assert_int_equal(b.len, 20003);
        assert_memory_equal(b.data + 20000, "a\0b", 4);
}

static void buffer_keeps_its_limit(void **state)
{
        _cleanup_buf_ struct nxc_buf b = { .limit = 4 };

        assert_int_equal(nxc_buf_puts(&b, "abc"), 0);
        assert_int_equal(nxc_buf_puts(&b, "de"), -EFBIG);
        assert_int_equal(nxc_buf_printf(&b, "%d", 10), -EFBIG);
        assert_string_equal(b.data, "abc");
        assert_int_equal(nxc_buf_puts(&b, "d"), 0);
        assert_string_equal(b.data, "abcd");
        assert_int_equal(nxc_buf_add(&b, "x", SIZE_MAX), -EFBIG);
}

static void buffer_may_be_done_twice(void **state)
{
        struct nxc_buf b = { 0 };

        assert_int_equal(nxc_buf_puts(&b, "a"), 0);
        errno = ENOTTY;
        nxc_buf_done(&b);
        nxc_buf_done(&b);
        assert_null(b.data);
        assert_int_equal(errno, ENOTTY);
}

static void vector_is_null_terminated(void **state)
{
        _cleanup_strv_ struct nxc_strv s = { 0 };

        for (int i = 0; i < 100; i++) {
                assert_int_equal(nxc_strv_addf(&s, "item-%d", i), 0);
                assert_null(s.v[s.n]);
        }
        assert_int_equal(nxc_strv_add(&s, ""), 0);
        assert_int_equal(nxc_strv_take(&s, strdup("last")), 0);
        assert_int_equal(nxc_strv_take(&s, NULL), -ENOMEM);
        assert_int_equal(s.n, 102);
        assert_string_equal(s.v[99], "item-99");
        assert_string_equal(s.v[101], "last");
        assert_null(s.v[102]);
}

static void comparisons(void **state)
{
        assert_true(nxc_streq(NULL, NULL));
        assert_false(nxc_streq("a", NULL));
        assert_false(nxc_streq(NULL, "a"));
        assert_true(nxc_streq("a", "a"));
        assert_true(nxc_starts_with("abc", "ab"));
        assert_true(nxc_starts_with("abc", ""));
        assert_false(nxc_starts_with("a", "ab"));
        assert_true(nxc_ends_with("abc", "bc"));
        assert_true(nxc_ends_with("abc", "abc"));
        assert_false(nxc_ends_with("bc", "abc"));
        assert_true(nxc_has_control("a\n"));
        assert_true(nxc_has_control("\x7f"));
        assert_true(nxc_has_control("\x1b[2J"));
        assert_false(nxc_has_control("a\xc3\xa9 b"));
        assert_false(nxc_has_control(""));
}

static void unsigned_numbers_are_strict(void **state)
{
        static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1.0", "a", "1a" };
        uint64_t v = 7;

        assert_int_equal(nxc_parse_u64("0", &v), 0);
        assert_int_equal(v, 0);
        assert_int_equal(nxc_parse_u64("18446744073709551615", &v), 0);
        assert_true(v == UINT64_MAX);
        assert_int_equal(nxc_parse_u64("18446744073709551616", &v), -ERANGE);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++)
                assert_int_equal(nxc_parse_u64(bad[i], &v), -EINVAL);
        assert_true(v == UINT64_MAX); /* untouched */
}

static void signed_numbers_are_strict(void **state)
{
        static const char *const bad[] = { "", "-", "--1", "+1", " 1", "-0x1", "1 " };
        int64_t v = 7;

        assert_int_equal(nxc_parse_i64("-9223372036854775808", &v), 0);
        assert_true(v == INT64_MIN);
        assert_int_equal(nxc_parse_i64("9223372036854775807", &v), 0);
        assert_true(v == INT64_MAX);
        assert_int_equal(nxc_parse_i64("9223372036854775808", &v), -ERANGE);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++)
                assert_int_equal(nxc_parse_i64(bad[i], &v), -EINVAL);
}

static void sizes(void **state)
{
        static const struct {
                const char *text;
                uint64_t bytes;
        } good[] = { { "0", 0 }, { "512", 512 }, { "512b", 512 }, { "64k", 65536 }, { "64K", 65536 },
                { "64m", 64 << 20 }, { "64MB", 64 << 20 }, { "64MiB", 64 << 20 }, { "1.5g", 3ull << 29 },
                { "2T", 2ull << 40 }, { "9007199254740993", 9007199254740993 }, { "0.5k", 512 } };
        static const char *const bad[] = { "", "m", "-1", "1x", "1mm", "1 m", "1e3", "0x10", "nan", "inf",
                ".5k", "1.2.3", "1bb", "1bi" };
        uint64_t v = 1;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(good); i++) {
                assert_int_equal(nxc_parse_size(good[i].text, &v), 0);
                assert_true(v == good[i].bytes);
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++)
                assert_int_equal(nxc_parse_size(bad[i], &v), -EINVAL);
        assert_int_equal(nxc_parse_size("99999999999t", &v), -ERANGE);
}

static void durations(void **state)
{
        static const struct {
                const char *text;
                uint64_t ms;
        } good[] = { { "0", 0 }, { "10", 10000 }, { "10s", 10000 }, { "250ms", 250 }, { "5m", 300000 },
                { "1h", 3600000 }, { "1.5s", 1500 } };
        static const char *const bad[] = { "", "s", "-1s", "1d", "1 s", "1ss", "1s2" };
        uint64_t v;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(good); i++) {
                assert_int_equal(nxc_parse_duration(good[i].text, &v), 0);
                assert_true(v == good[i].ms);
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++)
                assert_int_equal(nxc_parse_duration(bad[i], &v), -EINVAL);
        assert_int_equal(nxc_parse_duration("99999999999999999h", &v), -ERANGE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(buffer_grows_and_ends_in_nul),
                cmocka_unit_test(buffer_keeps_its_limit),
                cmocka_unit_test(buffer_may_be_done_twice),
                cmocka_unit_test(vector_is_null_terminated),
                cmocka_unit_test(comparisons),
                cmocka_unit_test(unsigned_numbers_are_strict),
                cmocka_unit_test(signed_numbers_are_strict),
                cmocka_unit_test(sizes),
                cmocka_unit_test(durations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
