/* Sizes, ages and names as they are shown. */
#include "cli/image-json.h"
#include "cli/output.h"

#include "core/cleanup.h"
#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void sizes(void **state)
{
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = { { 0, "0 B" }, { 999, "999 B" }, { 1000, "1.00 kB" }, { 4480000, "4.48 MB" },
                { 9999, "10.0 kB" }, { 99990, "100 kB" }, { 410000000, "410 MB" }, { 999600, "1.00 MB" },
                { UINT64_MAX, "18.4 EB" } };
        char text[16];

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                nxc_format_size(cases[i].bytes, text, sizeof(text));
                assert_string_equal(text, cases[i].text);
        }
}

static void ages(void **state)
{
        static const struct {
                const char *when, *text;
        } cases[] = { { "2024-05-01T00:00:00Z", "just now" }, { "2024-04-30T23:59:59.5Z", "1 second ago" },
                { "2024-04-30T22:00:00Z", "2 hours ago" }, { "2024-04-29T00:00:00+00:00", "2 days ago" },
                { "2024-04-10T00:00:00Z", "3 weeks ago" }, { "2020-01-01T00:00:00Z", "4 years ago" },
                { "1970-01-01T00:00:00Z", "54 years ago" }, { "2030-01-01T00:00:00Z", "just now" },
                { "soon", "" }, { NULL, "" } };
        char text[32];

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                nxc_format_age(cases[i].when, 1714521600, text, sizeof(text));
                assert_string_equal(text, cases[i].text);
        }
}

static void names(void **state)
{
        struct nxc_image image = { .name = (char *)"127.0.0.1:5000/a/b:1.2" };
        char repository[800], tag[130];

        nxc_image_split_name(image.name, repository, sizeof(repository), tag, sizeof(tag));
        assert_string_equal(repository, "127.0.0.1:5000/a/b");
        assert_string_equal(tag, "1.2");
        image.name = NULL;
        nxc_image_split_name(image.name, repository, sizeof(repository), tag, sizeof(tag));
        assert_string_equal(repository, "<none>");
        assert_string_equal(tag, "<none>");
}

static void image_documents_are_whole(void **state)
{
        struct nxc_image image = {
                .digest = { "sha256:1" },
                .id = { "sha256:2" },
                .config.platform = { "linux", "arm64", "v8" },
                .config_json = json_object(),
                .manifest_json = json_object(),
        };
        _cleanup_json_ json_t *j = nxc_image_detail_json(&image);

        assert_non_null(j);
        assert_string_equal(nxc_json_str(j, "platform"), "linux/arm64/v8");
        assert_true(json_is_null(nxc_json_get(j, "name")));
        assert_true(json_is_null(nxc_json_get(j, "config")));
        assert_true(json_is_array(nxc_json_get(j, "layers")));
        json_decref(image.config_json);
        json_decref(image.manifest_json);
}

static void tables_are_aligned_and_tame(void **state)
{
        _cleanup_table_ struct nxc_table t = { .n_columns = 2 };

        nxc_table_add(&t, (const char *const[]){ "NAME", "TAG" });
        nxc_table_add(&t, (const char *const[]){ "a\x1b[31m", NULL });
        assert_int_equal(t.n_cells, 4);
        assert_string_equal(t.cells[2], "a?[31m");
        assert_string_equal(t.cells[3], "");
        assert_false(t.failed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sizes),
                cmocka_unit_test(ages),
                cmocka_unit_test(names),
                cmocka_unit_test(image_documents_are_whole),
                cmocka_unit_test(tables_are_aligned_and_tame),
        };

        return cmocka_run_group_tests_name("cli/output", tests, NULL, NULL);
}
