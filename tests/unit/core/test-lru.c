/* The cache: order of use, sizes, replacing, and a great many. */
#include "core/lru.h"

#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int released;

static void release(void *value)
{
        released++;
        free(value);
}

static void put(struct nxc_lru *c, const char *key, size_t size)
{
        nxc_lru_put(c, key, strdup(key), size);
}

static void the_least_recently_used_goes(void **state)
{
        struct nxc_lru *c = nxc_lru_new(3, release);

        released = 0;
        put(c, "a", 1);
        put(c, "b", 1);
        put(c, "c", 1);
        assert_string_equal(nxc_lru_get(c, "a"), "a");
        put(c, "d", 1);
        assert_int_equal(released, 1);
        assert_null(nxc_lru_get(c, "b"));
        assert_string_equal(nxc_lru_get(c, "c"), "c");
        put(c, "e", 2);
        assert_null(nxc_lru_get(c, "a"));
        assert_null(nxc_lru_get(c, "d"));
        assert_string_equal(nxc_lru_get(c, "c"), "c");
        assert_int_equal(nxc_lru_count(c), 2);
        nxc_lru_free(c);
        assert_int_equal(released, 5);
}

static void what_is_too_large_is_not_kept(void **state)
{
        struct nxc_lru *c = nxc_lru_new(10, release);

        released = 0;
        put(c, "a", 10);
        put(c, "b", 11);
        assert_null(nxc_lru_get(c, "b"));
        assert_string_equal(nxc_lru_get(c, "a"), "a");
        put(c, "a", 11); /* and what it would have replaced is not right any more */
        assert_null(nxc_lru_get(c, "a"));
        assert_int_equal(released, 3);
        put(c, "a", 4);
        put(c, "a", 5);
        put(c, "b", 5);
        assert_int_equal(nxc_lru_count(c), 2);
        nxc_lru_free(c);
        nxc_lru_free(NULL);
}

static void many(void **state)
{
        struct nxc_lru *c = nxc_lru_new(1000, release);

        released = 0;
        for (int i = 0; i < 100000; i++) {
                char key[16];

                snprintf(key, sizeof(key), "%d", i);
                put(c, key, 1);
        }
        assert_int_equal(nxc_lru_count(c), 1000);
        assert_null(nxc_lru_get(c, "98999"));
        assert_string_equal(nxc_lru_get(c, "99000"), "99000");
        nxc_lru_free(c);
        assert_int_equal(released, 100000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_least_recently_used_goes),
                cmocka_unit_test(what_is_too_large_is_not_kept),
                cmocka_unit_test(many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
