/* The error object: what it keeps, what it appends, what it survives. */
#include "core/error.h"
#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void each_kind_has_its_own_name(void **state)
{
        for (int i = 0; i < _NXC_ERR_MAX; i++) {
                assert_non_null(nxc_error_kind_name(i));
                for (int k = 0; k < i; k++)
                        assert_string_not_equal(nxc_error_kind_name(i), nxc_error_kind_name(k));
        }
        assert_string_equal(nxc_error_kind_name(NXC_ERR_ZFS), "ZFSError");
        assert_string_equal(nxc_error_kind_name(NXC_ERR_BUNDLE_NOT_FOUND), "BundleNotFound");
}

static void fail_says_what_and_why(void **state)
{
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_fail(&err, ENOENT, "open '%s'", "x"), -ENOENT);
        assert_string_equal(err.message, "open 'x': No such file or directory");
        assert_string_equal(nxc_error_kind_name(err.kind), "FileError");
        assert_int_equal(err.errnum, ENOENT);
        assert_string_equal(err.hint, "");
        assert_null(err.stage);
}

static void the_first_error_stays(void **state)
{
        struct nxc_error err = { 0 };

        nxc_fail(&err, EIO, "first");
        assert_int_equal(nxc_fail(&err, EPERM, "second"), -EPERM);
        assert_string_equal(err.message, "first: Input/output error");
        nxc_error_reset(&err);
        assert_false(nxc_error_is_set(&err));
        nxc_fail(&err, EPERM, "second");
        assert_string_equal(err.message, "second: Operation not permitted");
}

static void without_errno_nothing_is_appended(void **state)
{
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_fail_kind(&err, NXC_ERR_INVALID_SPEC, 0, "field %s", "a"), -EINVAL);
        assert_string_equal(err.message, "field a");
        assert_int_equal(err.errnum, EINVAL);
}

static void a_failure_never_looks_like_success(void **state)
{
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_fail(&err, -ENOENT, "open"), -ENOENT);
        assert_string_equal(err.message, "open: No such file or directory");
        assert_int_equal(err.errnum, ENOENT);
        assert_int_equal(nxc_fail(NULL, 0, "x"), -EINVAL);
}

static void no_object_is_fine(void **state)
{
        assert_int_equal(nxc_fail(NULL, EIO, "x"), -EIO);
        assert_int_equal(nxc_oom(NULL), -ENOMEM);
        assert_int_equal(nxc_error_wrap(NULL, "x"), -EINVAL);
        assert_int_equal(nxc_error_set_kind(NULL, NXC_ERR_BUSY), -EINVAL);
        nxc_error_hint(NULL, "x");
        nxc_error_reset(NULL);
        assert_false(nxc_error_is_set(NULL));
}

static void memory_is_a_kind(void **state)
{
        struct nxc_error err = { 0 }, other = { 0 };

        assert_int_equal(nxc_oom(&err), -ENOMEM);
        assert_string_equal(nxc_error_kind_name(err.kind), "OutOfMemory");
        nxc_fail(&other, ENOMEM, "map the stack");
        assert_string_equal(nxc_error_kind_name(other.kind), "OutOfMemory");
}

static void wrap_and_kind_and_hint(void **state)
{
        struct nxc_error err = { 0 };

        nxc_fail(&err, EIO, "read");
        assert_int_equal(nxc_error_wrap(&err, "layer %d", 3), -EIO);
        assert_string_equal(err.message, "layer 3: read: Input/output error");
        assert_int_equal(nxc_error_set_kind(&err, NXC_ERR_INVALID_IMAGE), -EIO);
        assert_string_equal(nxc_error_kind_name(err.kind), "InvalidImage");
        nxc_error_hint(&err, "try %s", "again");
        assert_string_equal(err.hint, "try again");
}

static void long_words_are_cut_not_lost(void **state)
{
        struct nxc_error err = { 0 };
        char text[4096];

        memset(text, 'a', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        nxc_fail(&err, EIO, "%s", text);
        assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
        nxc_error_wrap(&err, "outer");
        assert_true(nxc_starts_with(err.message, "outer: aaa"));
        assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
        nxc_error_hint(&err, "%s", text);
        assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
}

static void a_missing_system_call_is_explained(void **state)
{
        struct nxc_error err = { 0 };

        nxc_fail(&err, ENOSYS, "open root filesystem 'x'");
        assert_string_equal(err.message, "open root filesystem 'x': Function not implemented");
        assert_non_null(strstr(err.hint, "Linux 5.6"));
        assert_non_null(strstr(err.hint, "openat2"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_has_its_own_name),
                cmocka_unit_test(fail_says_what_and_why),
                cmocka_unit_test(the_first_error_stays),
                cmocka_unit_test(without_errno_nothing_is_appended),
                cmocka_unit_test(a_failure_never_looks_like_success),
                cmocka_unit_test(no_object_is_fine),
                cmocka_unit_test(memory_is_a_kind),
                cmocka_unit_test(wrap_and_kind_and_hint),
                cmocka_unit_test(long_words_are_cut_not_lost),
                cmocka_unit_test(a_missing_system_call_is_explained),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
