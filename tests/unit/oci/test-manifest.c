#include "core/json.h"
#include "oci/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar+gzip"
#define CONFIG "\"config\":{\"mediaType\":\"" NXC_MT_OCI_CONFIG "\",\"digest\":\"" DIGEST "\",\"size\":7}"
#define LAYER(type, size) "{\"mediaType\":\"" type "\",\"digest\":\"" DIGEST "\",\"size\":" size "}"
#define MANIFEST(layers) "{\"schemaVersion\":2," CONFIG ",\"layers\":[" layers "]}"
#define ENTRY(platform) \
        "{\"mediaType\":\"" NXC_MT_OCI_MANIFEST "\",\"digest\":\"" DIGEST "\",\"size\":7" platform "}"
#define INDEX(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

static json_t *parse(const char *text)
{
        struct nxc_error err = { 0 };
        json_t *j;

        if (nxc_json_parse(text, strlen(text), "test", &j, &err) < 0)
                fail_msg("%s", err.message);
        return j;
}

static void expect_manifest(const char *text, const char *message)
{
        _cleanup_json_ json_t *j = parse(text);
        struct nxc_manifest m;
        struct nxc_error err = { 0 };

        assert_true(nxc_manifest_parse(j, &m, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        if (!strstr(err.message, message))
                fail_msg("'%s' is not in '%s'", message, err.message);
}

static void test_manifest(void **state)
{
        static const struct {
                const char *type;
                enum nxc_compression compression;
        } types[] = {
                { "application/vnd.oci.image.layer.v1.tar", NXC_COMPRESSION_NONE },
                { LAYER_TYPE, NXC_COMPRESSION_GZIP },
                { "application/vnd.oci.image.layer.v1.tar+zstd", NXC_COMPRESSION_ZSTD },
                { "application/vnd.docker.image.rootfs.diff.tar.gzip", NXC_COMPRESSION_GZIP },
                { "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", NXC_COMPRESSION_GZIP },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(types); i++) {
                _cleanup_free_ char *text = nxc_strf(
                        "{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"%s\","
                        "\"digest\":\"" DIGEST "\",\"size\":9007199,\"data\":\"eHg=\"}]}",
                        types[i].type);
                _cleanup_json_ json_t *j = parse(text);
                struct nxc_error err = { 0 };
                struct nxc_manifest m;

                assert_int_equal(nxc_manifest_parse(j, &m, &err), 0);
                assert_int_equal(m.n_layers, 1);
                assert_int_equal(m.layers[0].compression, types[i].compression);
                assert_int_equal(m.layers[0].size, 9007199);
                assert_string_equal(m.config.digest.text, DIGEST);
                nxc_manifest_done(&m);
        }
}

static void test_manifest_refused(void **state)
{
        expect_manifest("[]", "not a JSON object");
        expect_manifest("{}", "'schemaVersion' is missing");
        expect_manifest("{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1 is not supported");
        expect_manifest("{\"schemaVersion\":3,\"layers\":[]}", "'schemaVersion' is not 2");
        expect_manifest("{\"schemaVersion\":2}", "has neither");
        expect_manifest("{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", "has both");
        expect_manifest("{\"schemaVersion\":2,\"manifests\":[]}", "is an index");
        expect_manifest("{\"schemaVersion\":2,\"layers\":[]}", "'config' is missing");
        expect_manifest("{\"schemaVersion\":2," CONFIG "}", "'layers' is missing");
        expect_manifest("{\"schemaVersion\":2,\"mediaType\":7," CONFIG "}", "'mediaType' is not a string");
        expect_manifest(
                "{\"schemaVersion\":2,\"mediaType\":\"text/html\"," CONFIG "}", "neither an image manifest");
        expect_manifest(
                "{\"schemaVersion\":2,\"mediaType\":\"" NXC_MT_OCI_INDEX "\"," CONFIG "}", "not those of");
        expect_manifest(MANIFEST(""), "has no layers");
        expect_manifest(MANIFEST("7"), "layers[0]: is not a descriptor");
        expect_manifest(MANIFEST(LAYER(LAYER_TYPE, "-1")), "layers[0]: 'size' -1 is out of range");
        expect_manifest(MANIFEST(LAYER(LAYER_TYPE, "9007199254740993")), "is out of range");
        expect_manifest(MANIFEST(LAYER(LAYER_TYPE, "1.5")), "'size' is not an integer");
        expect_manifest(MANIFEST(LAYER(LAYER_TYPE, "\"1\"")), "'size' is not an integer");
        expect_manifest(
                MANIFEST(LAYER(LAYER_TYPE, "1099511627776") "," LAYER(LAYER_TYPE, "1")), "have more than");
        expect_manifest(MANIFEST(LAYER("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "1")),
                "not supported");
        expect_manifest(
                MANIFEST("{\"mediaType\":\"" LAYER_TYPE "\",\"digest\":\"sha256:../../etc\",\"size\":1}"),
                "layers[0]: digest");
        expect_manifest(MANIFEST("{\"mediaType\":\"" LAYER_TYPE "\",\"digest\":\"md5:" HEX "\",\"size\":1}"),
                "digest");
        expect_manifest(MANIFEST("{\"mediaType\":\"x\\ny\",\"digest\":\"" DIGEST "\",\"size\":1}"),
                "control character");
        expect_manifest(
                MANIFEST("{\"mediaType\":\"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip\","
                         "\"urls\":[\"https://x.example/\"],\"digest\":\"" DIGEST "\",\"size\":1}"),
                "foreign layer");
        expect_manifest(
                "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.empty.v1+json\","
                "\"digest\":\"" DIGEST "\",\"size\":2},\"layers\":[]}",
                "artifact of type 'application/vnd.oci.empty.v1+json'");
}

static void test_too_many_layers(void **state)
{
        _cleanup_buf_ struct nxc_buf b = { 0 };

        nxc_buf_puts(&b, "{\"schemaVersion\":2," CONFIG ",\"layers\":[");
        for (int i = 0; i < NXC_MAX_LAYERS + 1; i++)
                nxc_buf_printf(&b, "%s" LAYER(LAYER_TYPE, "1"), i ? "," : "");
        nxc_buf_puts(&b, "]}");
        expect_manifest(b.data, "has 501 layers (at most 500)");
}

static void test_kind(void **state)
{
        static const struct {
                const char *text, *said;
                int kind; /* -1: refused */
        } rows[] = {
                { MANIFEST(""), NULL, NXC_DOC_MANIFEST },
                { MANIFEST(""), NXC_MT_OCI_MANIFEST "; charset=utf-8", NXC_DOC_MANIFEST },
                { MANIFEST(""), "application/json", NXC_DOC_MANIFEST },
                { MANIFEST(""), NXC_MT_OCI_INDEX, -1 },
                { MANIFEST(""), "text/html", -1 },
                { INDEX(""), NXC_MT_DOCKER_LIST, NXC_DOC_INDEX },
                { INDEX(""), NXC_MT_DOCKER_MANIFEST, -1 },
                { "{\"schemaVersion\":2,\"mediaType\":\"" NXC_MT_OCI_INDEX "\",\"manifests\":[]}",
                        NXC_MT_DOCKER_LIST, -1 },
                { "{\"schemaVersion\":2,\"mediaType\":\"" NXC_MT_OCI_MANIFEST "\",\"manifests\":[]}", NULL,
                        -1 },
                { "{\"schemaVersion\":1}", "application/vnd.docker.distribution.manifest.v1+prettyjws", -1 },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                _cleanup_json_ json_t *j = parse(rows[i].text);
                enum nxc_document_kind kind;
                int r = nxc_document_kind(j, rows[i].said, &kind, NULL);

                if (rows[i].kind < 0)
                        assert_true(r < 0);
                else
                        assert_int_equal(r, 0);
                if (r == 0)
                        assert_int_equal(kind, rows[i].kind);
        }
}

static void test_index(void **state)
{
        _cleanup_json_ json_t *j = parse(
                INDEX(ENTRY(",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\","
                            "\"variant\":\"v7\"},\"annotations\":{"
                            "\"org.opencontainers.image.ref.name\":\"a:b\"}") "," ENTRY("")));
        _cleanup_json_ json_t *bad = parse(INDEX(ENTRY(",\"platform\":{\"os\":\"linux\"}")));
        struct nxc_error err = { 0 };
        struct nxc_index ix;

        assert_int_equal(nxc_index_parse(j, &ix, &err), 0);
        assert_int_equal(ix.n_manifests, 2);
        assert_string_equal(ix.manifests[0].platform.variant, "v7");
        assert_string_equal(ix.manifests[0].ref_name, "a:b");
        assert_string_equal(ix.manifests[1].platform.os, "");
        nxc_index_done(&ix);
        assert_true(nxc_index_parse(bad, &ix, &err) < 0);
        assert_string_equal(err.message, "index.manifests[0].platform: 'architecture' is missing");
}

#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\"]}"
#define IMAGE(members) "{\"os\":\"linux\",\"architecture\":\"amd64\"," ROOTFS members "}"
#define EXECUTION(members) IMAGE(",\"config\":{" members "}")

static void expect_config(const char *text, const char *message)
{
        _cleanup_json_ json_t *j = parse(text);
        struct nxc_image_config c;
        struct nxc_error err = { 0 };

        assert_true(nxc_image_config_parse(j, &c, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        if (!strstr(err.message, message))
                fail_msg("'%s' is not in '%s'", message, err.message);
}

static void test_config(void **state)
{
        _cleanup_json_ json_t *j = parse(
                IMAGE(",\"variant\":\"v2\",\"created\":\"2024-01-01T00:00:00Z\",\"history\":[{\"empty_"
                      "layer\":true},{}],"
                      "\"config\":{\"User\":\"app\",\"Env\":[\"A=b\\nc\"],\"Entrypoint\":null,\"Cmd\":["
                      "\"sh\",\"-c\",\"a\\nb\"],"
                      "\"Volumes\":{\"/data\":{}},\"ExposedPorts\":{\"80/"
                      "tcp\":{}},\"WorkingDir\":\"\",\"Labels\":{\"k\":\"v\"},"
                      "\"StopSignal\":\"SIGQUIT\",\"Healthcheck\":{\"Test\":[\"NONE\"]}}"));
        struct nxc_error err = { 0 };
        struct nxc_image_config c;

        assert_int_equal(nxc_image_config_parse(j, &c, &err), 0);
        assert_string_equal(c.platform.variant, "v2");
        assert_string_equal(c.user, "app");
        assert_null(c.working_dir);
        assert_string_equal(c.stop_signal, "SIGQUIT");
        assert_int_equal(c.entrypoint.n, 0);
        assert_string_equal(c.cmd.v[2], "a\nb");
        assert_string_equal(c.volumes.v[0], "/data");
        assert_string_equal(c.exposed_ports.v[0], "80/tcp");
        assert_int_equal(json_object_size(c.labels), 1);
        assert_int_equal(c.n_diff_ids, 1);
        nxc_image_config_done(&c);
}

static void test_config_refused(void **state)
{
        expect_config("[]", "not a JSON object");
        expect_config("{\"architecture\":\"amd64\"," ROOTFS "}", "'os' is missing");
        expect_config("{\"os\":\"windows\",\"architecture\":\"amd64\"," ROOTFS "}",
                "'os' is 'windows', not linux");
        expect_config("{\"os\":\"linux\"," ROOTFS "}", "'architecture' is missing");
        expect_config("{\"os\":\"linux\",\"architecture\":\"amd64\"}", "'rootfs' is missing");
        expect_config(
                "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"x\",\"diff_ids\":[]}}",
                "'type' is not 'layers'");
        expect_config("{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_"
                      "ids\":[7]}}",
                "'diff_ids[0]'");
        expect_config(IMAGE(",\"history\":[{},{}]"), "'history' has 2 layers and 'rootfs.diff_ids' 1");
        expect_config(EXECUTION("\"User\":\"root\\n\""), "'User' has a control character");
        expect_config(EXECUTION("\"WorkingDir\":\"x\\nlxc.hook.pre-start = /bin/sh\""),
                "'WorkingDir' has a control character");
        expect_config(EXECUTION("\"StopSignal\":\"\\u007f\""), "'StopSignal' has a control character");
        expect_config(EXECUTION("\"Volumes\":{\"/a\\rb\":{}}"), "'Volumes' has a control character");
        expect_config(EXECUTION("\"Volumes\":[\"/a\"]"), "'Volumes' is not an object");
        expect_config(EXECUTION("\"ExposedPorts\":[]"), "'ExposedPorts' is not an object");
        expect_config(EXECUTION("\"Env\":[\"A\"]"), "'config.Env[0]' is not NAME=VALUE");
        expect_config(EXECUTION("\"Env\":[\"=a\"]"), "'config.Env[0]' is not NAME=VALUE");
        expect_config(
                EXECUTION("\"Env\":[\"A\\nB=c\"]"), "the name of 'config.Env[0]' has a control character");
        expect_config(EXECUTION("\"Cmd\":\"sh\""), "'Cmd' is not an array");
        expect_config(EXECUTION("\"Cmd\":[1]"), "'Cmd[0]' is not a string");
        expect_config(EXECUTION("\"Labels\":{\"a\":1}"), "'config.Labels' is not a string");
}

static void test_consistent(void **state)
{
        struct nxc_manifest m = { .n_layers = 2 };
        struct nxc_image_config c = { .n_diff_ids = 2 };
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_image_check_consistent(&m, &c, &err), 0);
        c.n_diff_ids = 1;
        assert_true(nxc_image_check_consistent(&m, &c, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        assert_string_equal(
                err.message, "image: its manifest has 2 layers and its configuration 1 diff_ids");
}

static void test_docker_archive(void **state)
{
        static const char *const refused[] = {
                "{}",
                "[]",
                "[7]",
                "[{\"Config\":\"a.json\"}]",
                "[{\"Config\":\"\",\"Layers\":[\"l\"]}]",
                "[{\"Config\":\"../a.json\",\"Layers\":[\"l\"]}]",
                "[{\"Config\":\"/a.json\",\"Layers\":[\"l\"]}]",
                "[{\"Config\":\"a.json\",\"Layers\":[]}]",
                "[{\"Config\":\"a.json\",\"Layers\":[\"a/../../b\"]}]",
                "[{\"Config\":\"a.json\",\"Layers\":[\"a\\nb\"]}]",
        };
        _cleanup_json_ json_t *j = parse(
                "[{\"Config\":\"a.json\",\"RepoTags\":[\"x:1\",\"x:2\"],\"Layers\":[\"l/layer.tar\"]},"
                "{\"Config\":\"blobs/sha256/b\",\"RepoTags\":null,\"Layers\":[\"c\",\"c\"]}]");
        struct nxc_error err = { 0 };
        struct nxc_docker_archive a;

        assert_int_equal(nxc_docker_archive_parse(j, &a, &err), 0);
        assert_int_equal(a.n_images, 2);
        assert_string_equal(a.images[0].repo_tags.v[1], "x:2");
        assert_string_equal(a.images[1].config, "blobs/sha256/b");
        assert_int_equal(a.images[1].repo_tags.n, 0);
        assert_int_equal(a.images[1].layers.n, 2);
        nxc_docker_archive_done(&a);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(refused); i++) {
                _cleanup_json_ json_t *bad = parse(refused[i]);

                nxc_error_reset(&err);
                assert_true(nxc_docker_archive_parse(bad, &a, &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_manifest),
                cmocka_unit_test(test_manifest_refused),
                cmocka_unit_test(test_too_many_layers),
                cmocka_unit_test(test_kind),
                cmocka_unit_test(test_index),
                cmocka_unit_test(test_config),
                cmocka_unit_test(test_config_refused),
                cmocka_unit_test(test_consistent),
                cmocka_unit_test(test_docker_archive),
        };

        return cmocka_run_group_tests_name("oci-manifest", tests, NULL, NULL);
}
