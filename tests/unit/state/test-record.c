/* Records as JSON, ids, and the state document. */
#include "core/json.h"
#include "state/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char full[] =
        "{\"version\":1,\"id\":\"c1\",\"ociVersion\":\"1.0.2\",\"bundle\":\"/b\",\"runtimeBundle\":\"/rb\","
        "\"rootfs\":\"/b/"
        "rootfs\",\"runtime\":\"crun\",\"created\":\"2026-01-02T03:04:05.000000006Z\",\"owner\":\"root\","
        "\"storage\":\"overlay\",\"store\":\"/s\",\"containerDir\":\"/s/c1\",\"image\":\"docker.io/library/"
        "x:y\","
        "\"imageDigest\":\"" DIGEST
        "\",\"stopSignal\":\"SIGINT\",\"logPath\":\"/log\",\"diffIds\":[\"" DIGEST "\"],"
        "\"annotations\":{\"k\":\"v\"},\"labels\":{\"l\":\"w\"},\"systemdCgroup\":true,\"autoRemove\":true,"
        "\"hooksContinue\":true}";

static struct nxc_record *parse(const char *text, struct nxc_error *err)
{
        _cleanup_json_ json_t *j = NULL;
        struct nxc_record *r = NULL;

        assert_int_equal(nxc_json_parse(text, strlen(text), "test", &j, NULL), 0);
        if (nxc_record_from_json(j, &r, err) < 0)
                assert_null(r);
        return r;
}

static void record_survives_being_written(void **state)
{
        struct nxc_record *r = parse(full, NULL);
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *text = NULL;

        assert_non_null(r);
        assert_string_equal(r->rt_bundle, "/rb");
        assert_string_equal(r->diff_ids.v[0], DIGEST);
        assert_true(r->systemd_cgroup && r->auto_remove && r->hooks_continue);
        j = nxc_record_to_json(r);
        text = nxc_json_format(j, false);
        assert_string_equal(text, full);
        nxc_record_free(r);
}

/* One thing wrong at a time: the text to be replaced, by what, and what the error says. */
static void record_refuses(void **state)
{
        static const struct {
                const char *from, *to, *words;
        } cases[] = {
                { "\"version\":1", "\"version\":2", "of version 2" },
                { "\"version\":1", "\"version\":\"1\"", "not a record" },
                { "\"id\":\"c1\"", "\"id\":\"../x\"", "'id' has to be a container id" },
                { "\"id\":\"c1\",", "", "'id' has to be there" },
                { "\"bundle\":\"/b\"", "\"bundle\":\"b\"", "'bundle' has to be an absolute path" },
                { "\"rootfs\":\"/b/rootfs\"", "\"rootfs\":7", "'rootfs' has to be a string" },
                { "\"imageDigest\":\"sha256:", "\"imageDigest\":\"sha256:../",
                        "'imageDigest' has to be a digest" },
                { "\"diffIds\":[\"", "\"diffIds\":[\"../", "'diffIds' has to be an array of digests" },
                { "\"k\":\"v\"", "\"k\":1", "'annotations' has to be an object of strings" },
                { "\"autoRemove\":true", "\"autoRemove\":1", "'autoRemove' has to be true or false" },
                { "\"owner\"", "\"owners\"", "unknown key 'owners'" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                const char *at = strstr(full, cases[i].from);
                _cleanup_free_ char *text = NULL;
                struct nxc_error err = { 0 };

                assert_non_null(at);
                text = nxc_strf("%.*s%s%s", (int)(at - full), full, cases[i].to, at + strlen(cases[i].from));
                assert_null(parse(text, &err));
                assert_int_equal(err.kind, NXC_ERR_FILE);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("'%s' does not say '%s'", err.message, cases[i].words);
        }
}

static void document_has_runcs_order(void **state)
{
        struct nxc_record *r = parse(full, NULL);
        _cleanup_json_ json_t *j = nxc_state_document(r, NXC_STATUS_RUNNING, 42);
        _cleanup_json_ json_t *stopped = nxc_state_document(r, NXC_STATUS_STOPPED, 42);
        _cleanup_free_ char *text = nxc_json_format(j, false);

        assert_string_equal(text,
                "{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"pid\":42,\"status\":\"running\",\"bundle\":\"/"
                "b\","
                "\"rootfs\":\"/b/"
                "rootfs\",\"created\":\"2026-01-02T03:04:05.000000006Z\",\"annotations\":{\"k\":\"v\"},"
                "\"owner\":\"root\",\"runtime\":\"crun\",\"image\":\"docker.io/library/"
                "x:y\",\"imageDigest\":\"" DIGEST "\"}");
        assert_int_equal(json_integer_value(json_object_get(stopped, "pid")), 0);
        nxc_record_free(r);
}

static void ids(void **state)
{
        static const char *const good[] = { "a", "A-b_c+d.e", "0", "_", "+x", "-x" };
        static const char *const bad[] = { "", ".", "..", ".a", "a/b", "../x", "a b", "a\n", "\xc3\xa4",
                "a:b" };
        char id[13], other[13], longest[258];
        struct nxc_error err = { 0 };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(good); i++)
                assert_int_equal(nxc_id_check(good[i], NULL), 0);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++) {
                nxc_error_reset(&err);
                assert_true(nxc_id_check(bad[i], &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_USAGE);
        }
        memset(longest, 'x', sizeof(longest));
        longest[255] = '\0';
        assert_int_equal(nxc_id_check(longest, NULL), 0);
        longest[255] = 'x';
        longest[256] = '\0';
        assert_true(nxc_id_check(longest, NULL) < 0);
        assert_int_equal(nxc_id_generate(id, NULL), 0);
        assert_int_equal(nxc_id_generate(other, NULL), 0);
        assert_int_equal(strlen(id), 12);
        assert_string_not_equal(id, other);
        assert_int_equal(nxc_id_check(id, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(record_survives_being_written),
                cmocka_unit_test(record_refuses),
                cmocka_unit_test(document_has_runcs_order),
                cmocka_unit_test(ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
