/* Paths as text. */
#include "core/cleanup.h"
#include "core/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void normalize(void **state)
{
        static const char *const cases[][2] = { { "", "/" }, { "/", "/" }, { "//", "/" }, { "/a", "/a" },
                { "a", "/a" }, { "/a/", "/a" }, { "/a//b", "/a/b" }, { "/a/./b/.", "/a/b" },
                { "/a/../b", "/b" }, { "/../..", "/" }, { "/a/b/../..", "/" }, { "/a/b/../../../c", "/c" },
                { "/...", "/..." }, { "/a/..b", "/a/..b" }, { ".", "/" }, { "..", "/" }, { "./a", "/a" } };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *got = nxc_path_normalize(cases[i][0]);

                assert_string_equal(got, cases[i][1]);
        }
}

static void join(void **state)
{
        static const char *const cases[][3] = { { "/a", "b", "/a/b" }, { "/a/", "/b", "/a/b" },
                { "/a//", "b/", "/a/b/" }, { "/", "b", "/b" }, { ".", "b", "./b" }, { "/a", "", "/a/" } };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *got = nxc_path_join(cases[i][0], cases[i][1]);

                assert_string_equal(got, cases[i][2]);
        }
}

static void absolute(void **state)
{
        _cleanup_free_ char *a = nxc_path_absolute("/x/../y"), *b = NULL, *c = NULL;
        _cleanup_free_ char *before = getcwd(NULL, 0);

        assert_string_equal(a, "/y");
        assert_int_equal(chdir("/tmp"), 0);
        b = nxc_path_absolute("x/./y");
        assert_string_equal(b, "/tmp/x/y");
        c = nxc_path_absolute("../x");
        assert_string_equal(c, "/x");
        assert_int_equal(chdir(before), 0);
}

static void absolute_says_when_there_is_no_here(void **state)
{
        char dir[] = "/tmp/nxc-test-XXXXXX";
        _cleanup_free_ char *before = getcwd(NULL, 0);

        assert_non_null(mkdtemp(dir));
        assert_int_equal(chdir(dir), 0);
        assert_int_equal(rmdir(dir), 0);
        assert_null(nxc_path_absolute("x"));
        assert_int_equal(errno, ENOENT);
        assert_int_equal(chdir(before), 0);
}

static void beneath(void **state)
{
        assert_true(nxc_path_is_beneath("/a", "/a"));
        assert_true(nxc_path_is_beneath("/a", "/a/b"));
        assert_false(nxc_path_is_beneath("/a", "/ab"));
        assert_false(nxc_path_is_beneath("/a/b", "/a"));
        assert_true(nxc_path_is_beneath("/", "/a"));
        assert_true(nxc_path_is_beneath("/", "/"));
}

static void basename_is_what_follows_the_last_slash(void **state)
{
        assert_string_equal(nxc_path_basename("/a/b"), "b");
        assert_string_equal(nxc_path_basename("b"), "b");
        assert_string_equal(nxc_path_basename("/"), "");
        assert_string_equal(nxc_path_basename(""), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(normalize),
                cmocka_unit_test(join),
                cmocka_unit_test(absolute),
                cmocka_unit_test(absolute_says_when_there_is_no_here),
                cmocka_unit_test(beneath),
                cmocka_unit_test(basename_is_what_follows_the_last_slash),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
