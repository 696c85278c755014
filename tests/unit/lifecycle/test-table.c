/* The create flow's table is complete: every row names its box and says how it is undone; names are
 * unique. */
#include "lifecycle/flow-internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_row_is_complete(void **state)
{
        for (size_t i = 0; i < nxc_create_n_steps; i++) {
                const struct nxc_step *s = &nxc_create_steps[i];

                assert_non_null(s->name);
                assert_non_null(s->run);
                assert_in_range(strlen(s->box), 1, 2);
                assert_true(s->undo && *s->undo);
                if (!(s->flags & NXC_STEP_WRITES))
                        assert_null(strstr(s->undo, "tree"));
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(s->name, nxc_create_steps[k].name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_is_complete) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
