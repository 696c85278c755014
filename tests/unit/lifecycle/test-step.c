/* The step runner: order, what a dry run leaves out, stage names, the first error, injected failures. */
#include "lifecycle/step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct log {
        char text[64];
        bool fail_b;
};

static int append(struct log *l, const char *s)
{
        strcat(l->text, s);
        return 0;
}

static int run_a(void *flow, struct nxc_error *err)
{
        return append(flow, "a");
}

static int run_b(void *flow, struct nxc_error *err)
{
        struct log *l = flow;

        if (l->fail_b)
                return nxc_fail(err, ENOSPC, "make b");
        return append(l, "b");
}

static int run_c(void *flow, struct nxc_error *err)
{
        return append(flow, "c");
}

static bool never(const void *flow)
{
        return false;
}

static const struct nxc_step steps[] = {
        { "step-a", "A", run_a, NULL, 0, "-" },
        { "step-never", "N", run_c, never, 0, "-" },
        { "step-b", "B", run_b, NULL, NXC_STEP_WRITES, "-" },
        { "step-c", "C", run_c, NULL, 0, "-" },
};

static void runs_in_order_and_times(void **state)
{
        struct nxc_step_time times[4] = { 0 };
        struct nxc_step_runner runner = { steps, 4, times, false };
        struct log l = { 0 };

        assert_int_equal(nxc_steps_run(&runner, &l, NULL), 0);
        assert_string_equal(l.text, "abc");
        assert_true(times[0].ran && !times[1].ran && times[2].ran && times[3].ran);
        assert_true(times[3].start_ns >= times[0].start_ns);
}

static void dry_run_leaves_out_what_writes(void **state)
{
        struct nxc_step_runner runner = { steps, 4, NULL, true };
        struct log l = { 0 };

        assert_int_equal(nxc_steps_run(&runner, &l, NULL), 0);
        assert_string_equal(l.text, "ac");
}

static void failure_names_its_stage(void **state)
{
        struct nxc_step_time times[4] = { 0 };
        struct nxc_step_runner runner = { steps, 4, times, false };
        struct log l = { .fail_b = true };
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_steps_run(&runner, &l, &err), -ENOSPC);
        assert_string_equal(err.stage, "step-b");
        assert_string_equal(l.text, "a");
        assert_true(times[2].ran);
        assert_false(times[3].ran);
}

static void injected_failures_come_before_and_after(void **state)
{
        static const struct nxc_step faulty[] = {
                { "faulty-a", "A", run_a, NULL, 0, "-" },
                { "faulty-b", "B", run_b, NULL, 0, "-" },
        };
        struct nxc_step_runner whole = { faulty, 2, NULL, false }, rest = { faulty + 1, 1, NULL, false };
        struct log before = { 0 }, after = { 0 };
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_steps_run(&whole, &after, &err), -EIO);
        assert_string_equal(after.text, "a");
        assert_string_equal(err.stage, "faulty-a");
        nxc_error_reset(&err);
        assert_int_equal(nxc_steps_run(&rest, &before, &err), -EIO);
        assert_string_equal(before.text, "");
        assert_string_equal(err.stage, "faulty-b");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(runs_in_order_and_times),
                cmocka_unit_test(dry_run_leaves_out_what_writes),
                cmocka_unit_test(failure_names_its_stage),
                cmocka_unit_test(injected_failures_come_before_and_after),
        };

        setenv("NXC_DEBUG", "fail-before=faulty-b,fail-at=faulty-a", 1); /* read once */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
