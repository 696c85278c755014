/* The arena: objects of every size, apart from each other, aligned and zeroed. */
#include "core/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The largest that a type of this size can have. */
static size_t alignment_of(size_t size)
{
        size_t align = 1;

        while (align < alignof(max_align_t) && size % (2 * align) == 0)
                align *= 2;
        return align;
}

static void objects_do_not_overlap(void **state)
{
        struct nxc_arena a = { 0 };
        uint8_t *objects[3000];

        for (size_t i = 0; i < 3000; i++) {
                objects[i] = nxc_arena_take(&a, i % 97 + 1);
                assert_non_null(objects[i]);
                assert_int_equal((uintptr_t)objects[i] % alignment_of(i % 97 + 1), 0);
                for (size_t k = 0; k <= i % 97; k++)
                        assert_int_equal(objects[i][k], 0);
                memset(objects[i], (int)(i & 0xff), i % 97 + 1);
        }
        for (size_t i = 0; i < 3000; i++)
                for (size_t k = 0; k <= i % 97; k++)
                        assert_int_equal(objects[i][k], i & 0xff);
        nxc_arena_done(&a);
        nxc_arena_done(&a);
}

static void large_ones(void **state)
{
        struct nxc_arena a = { 0 };
        char *small = nxc_arena_strdup(&a, "small"), *large = nxc_arena_take(&a, 1000000), *after;

        memset(large, 'x', 1000000);
        after = nxc_arena_strdup(&a, "after");
        assert_string_equal(small, "small");
        assert_string_equal(after, "after");
        assert_null(nxc_arena_take(&a, SIZE_MAX - 3));
        nxc_arena_done(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(objects_do_not_overlap),
                cmocka_unit_test(large_ones),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
