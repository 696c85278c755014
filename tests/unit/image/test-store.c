#include "image/store-internal.h"

#include "store-fixture.h"

#include "core/json.h"

#include <time.h>

static char *found_name(struct fixture *f, const char *text)
{
        struct nxc_image *im;
        char *name;

        if (nxc_image_find(f->store, text, &im, NULL) < 0)
                return NULL;
        name = im->name ? strdup(im->name) : strdup("(untagged)");
        nxc_image_free(im);
        return name;
}

static void assert_finds(struct fixture *f, const char *text, const char *want)
{
        _cleanup_free_ char *got = found_name(f, text);

        if (!got)
                fail_msg("'%s' finds nothing instead of '%s'", text, want);
        assert_string_equal(got, want);
}

static enum nxc_error_kind find_error(struct fixture *f, const char *text)
{
        struct nxc_error e = { 0 };
        struct nxc_image *im;

        if (nxc_image_find(f->store, text, &im, &e) == 0) {
                nxc_image_free(im);
                return NXC_ERR_NONE;
        }
        return e.kind;
}

static void absent_store_is_empty(void **state)
{
        struct fixture *f = *state;
        struct nxc_image_store *s;
        struct nxc_error e = { 0 };
        struct nxc_image **list, *im;
        uint64_t bytes = 0;
        size_t n = 7;

        assert_int_equal(nxc_remove_tree_at(f->store_fd, "images", NULL), 0);
        assert_int_equal(nxc_image_store_open(f->store_fd, false, &s, NULL), 0);
        assert_int_equal(nxc_image_list(s, &list, &n, NULL), 0);
        assert_int_equal(n, 0);
        free(list);
        assert_true(nxc_image_find(s, "busybox", &im, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_IMAGE_NOT_FOUND);
        assert_int_equal(nxc_image_collect(s, &bytes, NULL), 0);
        nxc_image_store_close(s);
        assert_int_equal(faccessat(f->store_fd, "images", F_OK, 0), -1);
}

static void a_layout_is_made(void **state)
{
        struct fixture *f = *state;
        json_t *j;

        assert_int_equal(nxc_json_load_at(f->store_fd, "images/oci-layout", 100, &j, NULL), 0);
        assert_string_equal(nxc_json_str(j, "imageLayoutVersion"), "1.0.0");
        json_decref(j);
        assert_int_equal(faccessat(f->store_fd, "images/blobs/sha256", F_OK, 0), 0);
}

static void another_layout_version_is_refused(void **state)
{
        struct fixture *f = *state;
        int fd = openat(f->store_fd, "images/oci-layout", O_WRONLY | O_TRUNC);
        struct nxc_image_store *s;
        struct nxc_error e = { 0 };

        assert_int_equal(nxc_write_all(fd, "{\"imageLayoutVersion\":\"2.0.0\"}", 30), 0);
        close(fd);
        assert_true(nxc_image_store_open(f->store_fd, true, &s, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_INVALID_IMAGE);
}

static void names_are_found(void **state)
{
        struct fixture *f = *state;
        struct documents a, b;
        char text[512];

        add_image(f, "a", "docker.io/library/busybox:latest", &a);
        add_image(f, "b", "127.0.0.1:5000/team/app:v1", &b);
        assert_finds(f, "busybox", "docker.io/library/busybox:latest");
        assert_finds(f, "busybox:latest", "docker.io/library/busybox:latest");
        assert_finds(f, "library/busybox", "docker.io/library/busybox:latest");
        assert_finds(f, "docker.io/busybox", "docker.io/library/busybox:latest");
        assert_finds(f, "127.0.0.1:5000/team/app:v1", "127.0.0.1:5000/team/app:v1");
        assert_int_equal(find_error(f, "busybox:1"), NXC_ERR_IMAGE_NOT_FOUND);
        assert_int_equal(find_error(f, "127.0.0.1:5000/team/app"), NXC_ERR_IMAGE_NOT_FOUND);
        assert_int_equal(find_error(f, "Not A Name"), NXC_ERR_USAGE);

        snprintf(text, sizeof(text), "127.0.0.1:5000/team/app@%s", b.manifest_desc.digest.text);
        assert_finds(f, text, "127.0.0.1:5000/team/app:v1");
        snprintf(text, sizeof(text), "busybox:whatever@%s", a.manifest_desc.digest.text);
        assert_finds(f, text, "docker.io/library/busybox:latest");
        snprintf(text, sizeof(text), "other/app@%s", b.manifest_desc.digest.text);
        assert_int_equal(find_error(f, text), NXC_ERR_IMAGE_NOT_FOUND);
        assert_finds(f, b.manifest_desc.digest.text, "127.0.0.1:5000/team/app:v1");
        assert_finds(f, b.config_desc.digest.text, "127.0.0.1:5000/team/app:v1");
}

static void localhost_comes_before_docker_io(void **state)
{
        struct fixture *f = *state;
        struct documents d;

        add_image(f, "a", "docker.io/library/app:latest", &d);
        add_image(f, "b", "localhost/app:latest", &d);
        assert_finds(f, "app", "localhost/app:latest");
}

static void ids_are_found_by_prefix(void **state)
{
        struct fixture *f = *state;
        struct documents a, b;
        char prefix[65];

        add_image(f, "a", "localhost/a:1", &a);
        add_image(f, "b", NULL, &b);
        snprintf(prefix, sizeof(prefix), "%s", nxc_digest_hex(&a.config_desc.digest));
        assert_finds(f, prefix, "localhost/a:1");
        prefix[12] = '\0';
        assert_finds(f, prefix, "localhost/a:1");
        prefix[6] = '\0';
        assert_finds(f, prefix, "localhost/a:1");
        prefix[5] = '\0';
        assert_int_equal(find_error(f, prefix), NXC_ERR_IMAGE_NOT_FOUND);
        snprintf(prefix, sizeof(prefix), "%.12s", nxc_digest_hex(&b.config_desc.digest));
        assert_finds(f, prefix, "(untagged)");
}

/* Two ids of six equal digits cannot be had in a test; the entries only say so. */
static void an_ambiguous_id_is_usage(void **state)
{
        struct fixture *f = *state;
        static const char format[] =
                "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" NXC_MT_OCI_MANIFEST
                "\",\"digest\":\"%s\","
                "\"size\":1,\"annotations\":{\"" NXC_ANNOTATION_CONFIG "\":\"sha256:abcdef%058d\"}},"
                "{\"mediaType\":\"" NXC_MT_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":1,\"annotations\":{"
                "\"" NXC_ANNOTATION_CONFIG "\":\"sha256:abcdef%058d\"}}]}";
        struct nxc_digest d = describe("x", "").digest;
        char text[2048];
        int fd = openat(f->store_fd, "images/index.json", O_WRONLY | O_TRUNC);
        int n = snprintf(text, sizeof(text), format, d.text, 1, d.text, 2);

        assert_int_equal(nxc_write_all(fd, text, (size_t)n), 0);
        close(fd);
        assert_int_equal(find_error(f, "abcdef"), NXC_ERR_USAGE);
}

static void a_moved_name_leaves_an_untagged_image(void **state)
{
        struct fixture *f = *state;
        struct documents a, b;
        struct nxc_image **list;
        size_t n;

        add_image(f, "a", "localhost/app:1", &a);
        add_image(f, "b", "localhost/app:1", &b);
        assert_int_equal(nxc_image_list(f->store, &list, &n, NULL), 0);
        assert_int_equal(n, 2);
        assert_null(list[0]->name);
        assert_true(nxc_digest_equal(&list[0]->digest, &a.manifest_desc.digest));
        assert_string_equal(list[1]->name, "localhost/app:1");
        assert_true(nxc_digest_equal(&list[1]->id, &b.config_desc.digest));
        assert_int_equal(list[1]->size_bytes, b.layer_desc.size + b.config_desc.size + b.manifest_desc.size);
        for (size_t i = 0; i < n; i++)
                nxc_image_free(list[i]);
        free(list);
        /* tagging the untagged one does not leave a second entry */
        add_image(f, "a", "localhost/app:0", &a);
        assert_int_equal(nxc_image_list(f->store, &list, &n, NULL), 0);
        assert_int_equal(n, 2);
        for (size_t i = 0; i < n; i++)
                nxc_image_free(list[i]);
        free(list);
}

static void tag_and_untag(void **state)
{
        struct fixture *f = *state;
        struct nxc_reference second = reference("localhost/second:2");
        struct nxc_error e = { 0 };
        struct documents a;
        struct nxc_image *im;
        uint64_t bytes = 0;

        add_image(f, "a", "localhost/first:1", &a);
        assert_int_equal(nxc_image_find(f->store, "localhost/first:1", &im, &e), 0);
        assert_int_equal(nxc_image_tag(f->store, im, &second, &e), 0);
        assert_finds(f, "localhost/first:1", "localhost/first:1");
        assert_finds(f, "second:2", "localhost/second:2");

        assert_int_equal(nxc_image_untag(f->store, im, "localhost/first:1", &e), 0);
        assert_int_equal(find_error(f, "localhost/first:1"), NXC_ERR_IMAGE_NOT_FOUND);
        assert_int_equal(nxc_image_collect(f->store, &bytes, &e), 0);
        assert_int_equal(bytes, 0);
        assert_true(nxc_image_untag(f->store, im, "localhost/first:1", &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_IMAGE_NOT_FOUND);

        nxc_error_reset(&e);
        assert_int_equal(nxc_image_untag(f->store, im, "localhost/second:2", &e), 0);
        assert_int_equal(nxc_image_collect(f->store, &bytes, &e), 0);
        assert_int_equal(bytes, im->size_bytes);
        assert_int_equal(count_entries(f, "images/blobs/sha256", NULL), 0);
        nxc_image_free(im);
}

static void collect_keeps_shared_blobs(void **state)
{
        struct fixture *f = *state;
        struct documents a, b;
        struct nxc_image *im;
        uint64_t bytes = 0;

        add_image(f, "a", "localhost/a:1", &a);
        add_image(f, "b", "localhost/b:1", &b);
        assert_int_equal(nxc_image_find(f->store, "localhost/a:1", &im, NULL), 0);
        assert_int_equal(nxc_image_untag(f->store, im, NULL, NULL), 0);
        nxc_image_free(im);
        assert_int_equal(symlinkat("/nonexistent", f->store_fd, "images/blobs/sha256/stranger"), 0);
        assert_int_equal(nxc_image_collect(f->store, &bytes, NULL), 0);
        assert_int_equal(bytes, a.layer_desc.size + a.config_desc.size + a.manifest_desc.size);
        assert_int_equal(
                count_entries(f, "images/blobs/sha256", NULL), 4); /* three of b and what is no blob */
        assert_finds(f, "b:1", "localhost/b:1");
}

static void put_blob(struct fixture *f, const char *text, struct nxc_digest *ret)
{
        char path[256], blob[NXC_DIGEST_MAX + 8];
        int fd;

        *ret = describe(text, "").digest;
        nxc_digest_blob_path(ret, blob, sizeof(blob));
        snprintf(path, sizeof(path), "images/%s", blob);
        fd = openat(f->store_fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

/* As skopeo --all writes it: index.json leads to an index, under a plain tag. */
static void an_index_of_others_is_followed(void **state)
{
        struct fixture *f = *state;
        char index[2048], text[1024];
        struct nxc_digest digest, ignored;
        struct documents d;
        struct nxc_image *im;
        uint64_t bytes = 0;
        int fd;

        make_documents(&d, "indexed");
        put_blob(f, d.layer, &ignored);
        put_blob(f, d.config, &ignored);
        put_blob(f, d.manifest, &ignored);
        put_blob(f, "not reached", &ignored);
        snprintf(index, sizeof(index),
                "{\"schemaVersion\":2,\"mediaType\":\"" NXC_MT_OCI_INDEX "\",\"manifests\":["
                "{\"mediaType\":\"" NXC_MT_OCI_MANIFEST "\",\"digest\":\"sha256:%064d\",\"size\":9,"
                "\"platform\":{\"os\":\"plan9\",\"architecture\":\"amd64\"}},"
                "{\"mediaType\":\"" NXC_MT_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%d,"
                "\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}]}",
                7, d.manifest_desc.digest.text, (int)d.manifest_desc.size,
#ifdef __aarch64__
                "arm64"
#else
                "amd64"
#endif
        );
        put_blob(f, index, &digest);
        snprintf(text, sizeof(text),
                "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" NXC_MT_OCI_INDEX
                "\",\"digest\":\"%s\",\"size\":%d,"
                "\"annotations\":{\"" NXC_ANNOTATION_NAME
                "\":\"v1\"}},{\"digest\":\"../../etc\",\"size\":1},3]}",
                digest.text, (int)strlen(index));
        fd = openat(f->store_fd, "images/index.json", O_WRONLY | O_TRUNC);
        assert_int_equal(nxc_write_all(fd, text, strlen(text)), 0);
        close(fd);

        assert_int_equal(nxc_image_find(f->store, "v1", &im, NULL), 0);
        assert_string_equal(im->name, "v1");
        assert_true(nxc_digest_equal(&im->digest, &d.manifest_desc.digest));
        assert_true(nxc_digest_equal(&im->index_digest, &digest));
        nxc_image_free(im);
        assert_finds(f, digest.text, "v1");
        assert_int_equal(nxc_image_collect(f->store, &bytes, NULL), 0);
        assert_int_equal(bytes, strlen("not reached"));
        assert_finds(f, "v1", "v1");
}

static void a_missing_blob_is_an_invalid_image(void **state)
{
        struct fixture *f = *state;
        char path[NXC_DIGEST_MAX + 16], blob[NXC_DIGEST_MAX + 8];
        struct nxc_image **list;
        struct documents d;
        size_t n;

        add_image(f, "a", "localhost/a:1", &d);
        add_image(f, "b", "localhost/b:1", &d);
        nxc_digest_blob_path(&d.config_desc.digest, blob, sizeof(blob));
        snprintf(path, sizeof(path), "images/%s", blob);
        assert_int_equal(unlinkat(f->store_fd, path, 0), 0);
        assert_int_equal(find_error(f, "localhost/b:1"), NXC_ERR_INVALID_IMAGE);
        assert_int_equal(nxc_image_list(f->store, &list, &n, NULL), 0);
        assert_int_equal(n, 1);
        nxc_image_free(list[0]);
        free(list);
        /* a link is no blob */
        assert_int_equal(symlinkat("/etc/passwd", f->store_fd, path), 0);
        assert_int_equal(find_error(f, "localhost/b:1"), NXC_ERR_INVALID_IMAGE);
}

static void a_broken_index_is_an_invalid_image(void **state)
{
        static const char *const texts[] = { "", "{", "[]", "{\"schemaVersion\":2}", "{\"manifests\":[]}",
                "{\"schemaVersion\":1,\"manifests\":[]}" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(texts); i++) {
                struct nxc_layout l = { 0 };
                struct nxc_error e = { 0 };

                assert_true(nxc_layout_parse(texts[i], strlen(texts[i]), &l, &e) < 0);
                assert_int_equal(e.kind, NXC_ERR_INVALID_IMAGE);
        }
}

static void finding_is_fast(void **state)
{
        struct fixture *f = *state;
        struct timespec a, b;
        struct documents d;
        double best_ms = 1e9;

        add_image(f, "a", "localhost/a:1", &d);
        for (int i = 0; i < 50; i++) {
                double ms;

                clock_gettime(CLOCK_MONOTONIC, &a);
                assert_finds(f, "localhost/a:1", "localhost/a:1");
                clock_gettime(CLOCK_MONOTONIC, &b);
                ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
                best_ms = ms < best_ms ? ms : best_ms;
        }
        print_message("# nxc_image_find: %.3f ms\n", best_ms);
        assert_true(best_ms < 5); /* the goal is 0.3; a sanitizer under load needs more */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(absent_store_is_empty),
                TEST(a_layout_is_made),
                TEST(another_layout_version_is_refused),
                TEST(names_are_found),
                TEST(localhost_comes_before_docker_io),
                TEST(ids_are_found_by_prefix),
                TEST(an_ambiguous_id_is_usage),
                TEST(a_moved_name_leaves_an_untagged_image),
                TEST(tag_and_untag),
                TEST(collect_keeps_shared_blobs),
                TEST(an_index_of_others_is_followed),
                TEST(a_missing_blob_is_an_invalid_image),
                TEST(a_broken_index_is_an_invalid_image),
                TEST(finding_is_fast),
        };

        return cmocka_run_group_tests_name("image-store", tests, NULL, NULL);
}
