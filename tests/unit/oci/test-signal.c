#include "oci/compose.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_signals(void **state)
{
        static const struct {
                const char *text;
                int number;
        } rows[] = {
                { "TERM", 15 },
                { "SIGTERM", 15 },
                { "sigterm", 15 },
                { "15", 15 },
                { "KILL", 9 },
                { "0", 0 },
                { "64", 64 },
                { "RTMIN", 34 },
                { "SIGRTMIN+3", 37 },
                { "rtmax-1", 63 },
                { "IOT", 6 },
                { "CLD", 17 },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                int sig = -1;

                assert_int_equal(nxc_signal_parse(rows[i].text, &sig, NULL), 0);
                assert_int_equal(sig, rows[i].number);
        }
}

static void test_refused(void **state)
{
        static const char *const rows[] = { "", "SIG", "FOO", "65", "-1", "+9", "9 ", " 9", "0x9",
                "SIGSIGTERM", "RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMIN+", "18446744073709551625" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                struct nxc_error err = { 0 };
                int sig;

                assert_true(nxc_signal_parse(rows[i], &sig, &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_USAGE);
        }
}

static void test_caps(void **state)
{
        assert_int_equal(nxc_cap_parse("CHOWN"), 0);
        assert_int_equal(nxc_cap_parse("cap_net_raw"), 13);
        assert_int_equal(nxc_cap_parse("CAP_CHECKPOINT_RESTORE"), 40);
        assert_true(nxc_cap_parse("CAP_") < 0);
        assert_true(nxc_cap_parse("FOO") < 0);
        assert_string_equal(nxc_cap_name(21), "CAP_SYS_ADMIN");
        assert_null(nxc_cap_name(41));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_signals),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_caps),
        };

        return cmocka_run_group_tests_name("oci-signal", tests, NULL, NULL);
}
