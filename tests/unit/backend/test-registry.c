/* Which names are known, and what is said of the others. */
#include "backend/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_row_is_complete(void **state)
{
        const struct nxc_backend_ops *const *all = nxc_backends();

        assert_string_equal(all[0]->name, "crun");
        assert_string_equal(all[1]->name, "runc");
        for (size_t i = 0; all[i]; i++) {
                const struct nxc_backend_ops *found;

                assert_int_equal(all[i]->abi, NXC_BACKEND_ABI);
                assert_true(
                        all[i]->summary && all[i]->install_hint && all[i]->accepts && all[i]->error_kind);
                assert_true(all[i]->probe && all[i]->create && all[i]->start && all[i]->status &&
                            all[i]->remove);
                assert_int_equal(nxc_backend_find(all[i]->name, &found, NULL), 0);
                assert_ptr_equal(found, all[i]);
        }
}

static void names_are_exact(void **state)
{
        static const struct {
                const char *name;
                enum nxc_error_kind kind;
                const char *words;
        } cases[] = {
                { "nosuch", NXC_ERR_RUNTIME_NOT_AVAILABLE, "unknown runtime 'nosuch'" },
                { "cru", NXC_ERR_RUNTIME_NOT_AVAILABLE, "unknown runtime 'cru'" },
                { "CRUN", NXC_ERR_RUNTIME_NOT_AVAILABLE, "unknown runtime 'CRUN'" },
                { "", NXC_ERR_RUNTIME_NOT_AVAILABLE, "unknown runtime ''" },
                { "fake", NXC_ERR_RUNTIME_NOT_AVAILABLE, "unknown runtime 'fake'" },
                { "vm", NXC_ERR_NOT_IMPLEMENTED, "runtime 'vm' is not built into this nexcage" },
                { "proxmox", NXC_ERR_NOT_IMPLEMENTED, "not built" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                const struct nxc_backend_ops *b;
                struct nxc_error err = { 0 };

                assert_true(nxc_backend_find(cases[i].name, &b, &err) < 0);
                assert_int_equal(err.kind, cases[i].kind);
                assert_non_null(strstr(err.message, cases[i].words));
                assert_string_equal(err.hint, "known runtimes: crun, runc, lxc (not built: vm, proxmox)");
        }
}

static void what_is_left_out_is_not_implemented(void **state)
{
        const struct nxc_backend_ops none = { .name = "none" };
        struct nxc_backend_target t = { .id = "c1" };
        struct nxc_error err = { 0 };

        assert_true(nxc_backend_pause(&none, &t, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_NOT_IMPLEMENTED);
        assert_string_equal(err.message, "none cannot pause");
        assert_false(nxc_backend_can_run(&none));
        assert_int_equal(nxc_backend_check_spec(&none, NULL, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_row_is_complete),
                cmocka_unit_test(names_are_exact),
                cmocka_unit_test(what_is_left_out_is_not_implemented),
        };

        unsetenv("NXC_DEBUG");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
