#include "engine/import-internal.h"

#include "core/cleanup.h"
#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define MANIFEST "\"mediaType\":\"" NXC_MT_OCI_MANIFEST "\",\"size\":7,\"digest\":"
#define NAMED(n) "\"annotations\":{\"org.opencontainers.image.ref.name\":\"" n "\"}"

static void index_candidates(const char *entries, struct nxc_candidates *ret)
{
        _cleanup_free_ char *text = nxc_strf("{\"schemaVersion\":2,\"manifests\":[%s]}", entries);
        json_t *j;

        assert_int_equal(nxc_json_parse(text, strlen(text), "index.json", &j, NULL), 0);
        assert_int_equal(nxc_candidates_of_index(j, ret, NULL), 0);
        json_decref(j);
}

static void the_only_one_needs_no_name(void **state)
{
        const struct nxc_candidate *one;
        struct nxc_candidates c;

        index_candidates("{" MANIFEST "\"" D1 "\"}", &c);
        assert_int_equal(nxc_candidates_select(&c, NULL, "x", &one, NULL), 0);
        assert_string_equal(one->desc.digest.text, D1);
        assert_int_equal(one->names.n, 0);
        nxc_candidates_done(&c);
}

static void several_are_told_apart_by_name(void **state)
{
        const struct nxc_candidate *one;
        struct nxc_candidates c;
        struct nxc_error e = { 0 };

        index_candidates("{" MANIFEST "\"" D1 "\"," NAMED("v1") "},{" MANIFEST "\"" D2
                                                                "\"," NAMED("docker.io/library/a:v2") "}",
                &c);
        assert_int_equal(nxc_candidates_select(&c, NULL, "dir", &one, &e), -EINVAL);
        assert_int_equal(e.kind, NXC_ERR_USAGE);
        assert_non_null(strstr(e.message, "v1, docker.io/library/a:v2"));
        assert_int_equal(nxc_candidates_select(&c, "v1", "dir", &one, NULL), 0);
        assert_string_equal(one->desc.digest.text, D1);
        assert_int_equal(nxc_candidates_select(&c, "a:v2", "dir", &one, NULL), 0);
        assert_string_equal(one->desc.digest.text, D2);
        assert_int_equal(nxc_candidates_select(&c, D2, "dir", &one, NULL), 0);
        nxc_error_reset(&e);
        assert_int_equal(nxc_candidates_select(&c, "v3", "dir", &one, &e), -EINVAL);
        assert_int_equal(e.kind, NXC_ERR_USAGE);
        assert_non_null(strstr(e.message, "v1, docker.io"));
        nxc_candidates_done(&c);
}

static void one_image_under_two_names_is_one(void **state)
{
        const struct nxc_candidate *one;
        struct nxc_candidates c;

        index_candidates(
                "{" MANIFEST "\"" D1 "\"," NAMED("v1") "},{" MANIFEST "\"" D1 "\"," NAMED("v2") "}", &c);
        assert_int_equal(c.n, 1);
        assert_int_equal(nxc_candidates_select(&c, NULL, "dir", &one, NULL), 0);
        assert_int_equal(one->names.n, 2);
        assert_int_equal(nxc_candidates_select(&c, "v2", "dir", &one, NULL), 0);
        nxc_candidates_done(&c);
}

static void platforms_without_names_are_one_image(void **state)
{
        struct nxc_candidates c;

        index_candidates(
                "{" MANIFEST "\"" D1 "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
                "{" MANIFEST "\"" D2 "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}}",
                &c);
        assert_true(c.is_platform_list);
        nxc_candidates_done(&c);
}

static void an_empty_layout_holds_no_image(void **state)
{
        const struct nxc_candidate *one;
        struct nxc_candidates c = { 0 };
        struct nxc_error e = { 0 };

        assert_int_equal(nxc_candidates_select(&c, NULL, "dir", &one, &e), -EINVAL);
        assert_int_equal(e.kind, NXC_ERR_INVALID_IMAGE);
}

static void assert_reference(const char *name, bool is_docker, const char *want)
{
        struct nxc_reference ref;
        _cleanup_free_ char *got = NULL;

        assert_int_equal(nxc_candidate_reference(name, is_docker, &ref), 0);
        got = nxc_reference_format(&ref);
        assert_string_equal(got, want);
}

static void names_become_references(void **state)
{
        struct nxc_reference ref;

        assert_reference("latest", false, "localhost/latest:latest");
        assert_reference("app:v1", false, "localhost/app:v1");
        assert_reference("app:v1", true, "docker.io/library/app:v1");
        assert_reference("docker.io/library/app:v1", false, "docker.io/library/app:v1");
        assert_reference("quay.io/a/b:c", false, "quay.io/a/b:c");
        assert_true(nxc_candidate_reference("no name", false, &ref) < 0);
}

static void assert_source(
        const char *text, enum nxc_import_kind kind, const char *path, const char *selector)
{
        _cleanup_free_ char *p = NULL, *s = NULL;
        enum nxc_import_kind k;

        assert_int_equal(nxc_import_parse_source(text, &k, &p, &s, NULL), 0);
        assert_int_equal(k, kind);
        assert_string_equal(p, path);
        if (selector)
                assert_string_equal(s, selector);
        else
                assert_null(s);
}

static void sources_end_where_a_file_does(void **state)
{
        char dir[] = "/tmp/nxc-test-import-XXXXXX", text[128], path[64];
        struct nxc_error e = { 0 };
        enum nxc_import_kind k;
        char *p, *s;

        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/a:b", dir);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_source(dir, NXC_IMPORT_ANY, dir, NULL);
        snprintf(text, sizeof(text), "oci:%s:localhost:5000/x:v1", dir);
        assert_source(text, NXC_IMPORT_OCI_DIR, dir, "localhost:5000/x:v1");
        assert_source(path, NXC_IMPORT_ANY, path, NULL);
        snprintf(text, sizeof(text), "docker-archive:%s:tag", path);
        assert_source(text, NXC_IMPORT_DOCKER_ARCHIVE, path, "tag");
        assert_source("oci-archive:/nonexistent:x", NXC_IMPORT_OCI_ARCHIVE, "/nonexistent:x", NULL);
        assert_source("-:v1", NXC_IMPORT_ANY, "-", "v1");
        assert_int_equal(nxc_import_parse_source("oci:", &k, &p, &s, &e), -EINVAL);
        assert_int_equal(e.kind, NXC_ERR_USAGE);
        rmdir(path);
        rmdir(dir);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_only_one_needs_no_name),
                cmocka_unit_test(several_are_told_apart_by_name),
                cmocka_unit_test(one_image_under_two_names_is_one),
                cmocka_unit_test(platforms_without_names_are_one_image),
                cmocka_unit_test(an_empty_layout_holds_no_image),
                cmocka_unit_test(names_become_references),
                cmocka_unit_test(sources_end_where_a_file_does),
        };

        return cmocka_run_group_tests_name("engine-import-select", tests, NULL, NULL);
}
