/* Mappings of ids: what config.json says, what becomes of a number, and a namespace that has them. */
#include "sys/idmap.h"

#include "core/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(const char *uids, const char *gids, struct nxc_idmap **ret, struct nxc_error *err)
{
        json_t *u = json_loads(uids, 0, NULL), *g = json_loads(gids, 0, NULL);
        int r = nxc_idmap_parse(u, g, ret, err);

        json_decref(u);
        json_decref(g);
        return r;
}

#define ONE "[{\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}]"

static void test_shift(void **state)
{
        static const struct nxc_id_range ranges[] = { { 0, 100000, 10 }, { 10, 1000, 1 },
                { 4294967294u, 5, 1 } };
        static const struct {
                uint32_t inside, outside;
        } good[] = { { 0, 100000 }, { 9, 100009 }, { 10, 1000 }, { 4294967294u, 5 } };
        static const uint32_t bad[] = { 11, 100000, 4294967293u, 4294967295u };
        uint32_t got = 7;

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                assert_int_equal(nxc_idmap_shift(ranges, 3, good[i].inside, &got), 0);
                assert_int_equal(got, good[i].outside);
        }
        got = 7;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(nxc_idmap_shift(ranges, 3, bad[i], &got), -EOVERFLOW);
        assert_int_equal(got, 7);
}

static void test_parse(void **state)
{
        static const char *const bad[] = { "[]", "[3]", "[{}]", "[{\"containerID\": 0, \"hostID\": 1}]",
                "[{\"containerID\": -1, \"hostID\": 1, \"size\": 1}]",
                "[{\"containerID\": 0, \"hostID\": 4294967296, \"size\": 1}]",
                "[{\"containerID\": 0, \"hostID\": 1, \"size\": 0}]",
                "[{\"containerID\": \"0\", \"hostID\": 1, \"size\": 1}]" };
        struct nxc_idmap *m = NULL;
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_idmap_parse(NULL, NULL, &m, &err), 0);
        assert_null(m);
        assert_int_equal(parse(ONE, ONE, &m, &err), 0);
        assert_int_equal(m->n_uids, 1);
        assert_int_equal(m->gids[0].outside, 100000);
        nxc_idmap_free(m);
        m = NULL;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                nxc_error_reset(&err);
                assert_true(parse(ONE, bad[i], &m, &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_INVALID_SPEC);
                assert_non_null(strstr(err.message, "gidMappings"));
                assert_null(m);
        }
}

static void test_open(void **state)
{
        struct nxc_idmap *m = NULL;
        struct nxc_error err = { 0 };
        int fd = -1;

        if (geteuid() != 0) {
                print_message("# skipped: mapping others' ids needs root\n");
                skip();
                return;
        }
        assert_int_equal(parse(ONE, ONE, &m, &err), 0);
        if (nxc_idmap_open(m, &fd, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(fd >= 0);
        close(fd);
        m->uids[0].count = UINT32_MAX; /* past the last id there is */
        assert_true(nxc_idmap_open(m, &fd, &err) < 0);
        assert_non_null(strstr(err.message, "id mappings"));
        nxc_idmap_free(m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_shift),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_open),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
