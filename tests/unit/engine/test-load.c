#include "engine/engine.h"

#include "core/cleanup.h"
#include "core/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void assert_not_available(const char *path)
{
        const struct nxc_engine_ops *ops = NULL;
        struct nxc_error e = { 0 };

        assert_int_equal(setenv("NXC_ENGINE_MODULE", path, 1), 0);
        assert_true(nxc_engine_load(&ops, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_RUNTIME_NOT_AVAILABLE);
        assert_non_null(strstr(e.message, path));
        assert_non_null(strstr(e.hint, "NXC_ENGINE_MODULE"));
        assert_null(ops);
}

static void a_missing_module_is_named(void **state)
{
        assert_not_available("/nonexistent/engine.so");
}

static void what_is_no_module_is_refused(void **state)
{
        char path[] = "/tmp/nxc-test-load-XXXXXX";
        _cleanup_close_ int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, "no module", 9), 0);
        assert_not_available(path);
        unlink(path);
}

/* A library, but not ours. */
static void a_library_without_the_symbol_is_refused(void **state)
{
        assert_not_available("libjansson.so.4");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_missing_module_is_named),
                cmocka_unit_test(what_is_no_module_is_refused),
                cmocka_unit_test(a_library_without_the_symbol_is_refused),
        };

        return cmocka_run_group_tests_name("engine-load", tests, NULL, NULL);
}
