/* The operations on a whole store, with an image made here: needs root, for the layers. What a registry does
 * to pull is tested through the command line (tests/integration). */
#include "engine/engine-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG                                                                                           \
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%" \
        "s\"]}}"
#define MANIFEST                                                                       \
        "{\"schemaVersion\":2,\"mediaType\":\"" NXC_MT_OCI_MANIFEST                    \
        "\",\"config\":{\"mediaType\":\"" NXC_MT_OCI_CONFIG                            \
        "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"application/" \
        "vnd.oci.image.layer.v1.tar\","                                                \
        "\"digest\":\"%s\",\"size\":%zu}]}"
#define INDEX                                                                       \
        "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" NXC_MT_OCI_MANIFEST \
        "\",\"digest\":\"%s\",\"size\":%zu,"                                        \
        "\"annotations\":{\"org.opencontainers.image.ref.name\":\"localhost/unit:1\"}}]}"

struct fixture {
        char dir[64], layout[96], store[96];
        struct nxc_engine_ctx ctx;
        struct nxc_digest layer, config, manifest;
        unsigned events;
};

/* A tar of one file, by hand: ustar's header is simple enough. */
static size_t make_tar(char *tar, size_t size)
{
        unsigned sum = 0;

        memset(tar, 0, size);
        strcpy(tar, "hello");
        strcpy(tar + 100, "0000644");
        strcpy(tar + 108, "0000000");
        strcpy(tar + 116, "0000000");
        strcpy(tar + 124, "00000000006");
        strcpy(tar + 136, "00000000000");
        memset(tar + 148, ' ', 8);
        tar[156] = '0';
        memcpy(tar + 257, "ustar\00000", 8);
        for (int i = 0; i < 512; i++)
                sum += (unsigned char)tar[i];
        snprintf(tar + 148, 8, "%06o", sum);
        strcpy(tar + 512, "hello\n");
        return 512 * 4;
}

static void put(struct fixture *f, const char *path, const void *data, size_t len)
{
        _cleanup_free_ char *full = nxc_strf("%s/%s", f->layout, path);
        _cleanup_close_ int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, data, len), 0);
}

static void put_blob(struct fixture *f, const void *data, size_t len, struct nxc_digest *ret)
{
        char path[NXC_DIGEST_MAX + 8];

        assert_int_equal(nxc_hash_buffer("sha256", data, len, ret, NULL), 0);
        nxc_digest_blob_path(ret, path, sizeof(path));
        put(f, path, data, len);
}

static void make_layout(struct fixture *f)
{
        char tar[4096], config[512], manifest[1024], index[1024], blobs[128];
        size_t n = make_tar(tar, sizeof(tar));

        snprintf(blobs, sizeof(blobs), "%s/blobs/sha256", f->layout);
        assert_int_equal(nxc_mkdir_p(blobs, 0755, NULL), 0);
        put(f, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", 30);
        put_blob(f, tar, n, &f->layer);
        snprintf(config, sizeof(config), CONFIG, f->layer.text);
        put_blob(f, config, strlen(config), &f->config);
        snprintf(manifest, sizeof(manifest), MANIFEST, f->config.text, strlen(config), f->layer.text, n);
        put_blob(f, manifest, strlen(manifest), &f->manifest);
        snprintf(index, sizeof(index), INDEX, f->manifest.text, strlen(manifest));
        put(f, "index.json", index, strlen(index));
}

static void count_event(void *arg, const struct nxc_progress_event *ev)
{
        struct fixture *f = arg;

        assert_non_null(ev->what);
        f->events++;
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        *state = f;
        strcpy(f->dir, "/tmp/nxc-test-engine-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        snprintf(f->layout, sizeof(f->layout), "%s/layout", f->dir);
        snprintf(f->store, sizeof(f->store), "%s/store", f->dir);
        make_layout(f);
        assert_int_equal(nxc_open_dir_p(f->store, 0700, &f->ctx.store_fd, NULL), 0);
        assert_int_equal(nxc_image_store_open(f->ctx.store_fd, true, &f->ctx.images, NULL), 0);
        assert_int_equal(nxc_layerfs_open(f->ctx.store_fd, true, &f->ctx.layers, NULL), 0);
        f->ctx.progress = count_event;
        f->ctx.progress_arg = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        nxc_layerfs_close(f->ctx.layers);
        nxc_image_store_close(f->ctx.images);
        close(f->ctx.store_fd);
        nxc_remove_tree_at(AT_FDCWD, f->dir, NULL);
        free(f);
        return 0;
}

static void need_root(void)
{
        if (geteuid() == 0)
                return;
        print_message("# needs root: layers keep their owners\n");
        skip();
}

static struct nxc_image *import(struct fixture *f)
{
        struct nxc_image *im = NULL;
        struct nxc_error e = { 0 };

        if (nxc_engine_import(&f->ctx, f->layout, NULL, "linux/amd64", &im, &e) < 0)
                fail_msg("import: %s", e.message);
        return im;
}

static enum nxc_error_kind import_error(struct fixture *f)
{
        struct nxc_image *im = NULL;
        struct nxc_error e = { 0 };

        assert_true(nxc_engine_import(&f->ctx, f->layout, NULL, "linux/amd64", &im, &e) < 0);
        return e.kind;
}

static void an_import_is_found_again(void **state)
{
        struct fixture *f = *state;
        struct nxc_image *im, *found;

        need_root();
        im = import(f);
        assert_string_equal(im->name, "localhost/unit:1");
        assert_true(nxc_digest_equal(&im->digest, &f->manifest));
        assert_true(nxc_digest_equal(&im->id, &f->config));
        assert_true(nxc_layerfs_has(f->ctx.layers, &f->layer));
        assert_true(f->events >= 6); /* start and end of manifest, configuration and layer */
        assert_int_equal(nxc_image_find(f->ctx.images, "unit:1", &found, NULL), 0);
        assert_int_equal(found->size_bytes, im->size_bytes);
        nxc_image_free(found);
        nxc_image_free(im);
}

static void a_wrong_layer_leaves_nothing(void **state)
{
        struct fixture *f = *state;
        char path[NXC_DIGEST_MAX + 8];
        struct nxc_image **list;
        size_t n;

        need_root();
        nxc_digest_blob_path(&f->layer, path, sizeof(path));
        put(f, path, "short", 5);
        assert_int_equal(import_error(f), NXC_ERR_INVALID_IMAGE);
        assert_false(nxc_layerfs_has(f->ctx.layers, &f->layer));
        assert_int_equal(nxc_image_list(f->ctx.images, &list, &n, NULL), 0);
        assert_int_equal(n, 0);
        free(list);
}

/* The index cannot be written at the very end: layers and blobs that had their names already lose them
 * again. */
static void a_failed_commit_takes_the_layers_back(void **state)
{
        struct fixture *f = *state;

        need_root();
        assert_int_equal(unlinkat(f->ctx.store_fd, "images/index.json", 0), 0);
        assert_int_equal(mkdirat(f->ctx.store_fd, "images/index.json", 0700), 0);
        assert_int_equal(import_error(f), NXC_ERR_FILE);
        assert_false(nxc_layerfs_has(f->ctx.layers, &f->layer));
}

static void saved_images_come_back(void **state)
{
        static const char *const formats[] = { "oci-archive", "docker-archive", "oci-dir" };
        struct fixture *f = *state;
        struct nxc_image *im, *back;

        need_root();
        im = import(f);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(formats); i++) {
                _cleanup_free_ char *target = nxc_strf("%s/%s", f->dir, formats[i]);
                struct nxc_error e = { 0 };

                if (nxc_engine_save(&f->ctx, im, formats[i], target, &e) < 0 ||
                        nxc_engine_import(&f->ctx, target, NULL, NULL, &back, &e) < 0)
                        fail_msg("%s: %s", formats[i], e.message);
                assert_string_equal(back->name, "localhost/unit:1");
                assert_true(nxc_digest_equal(&back->id, &f->config));
                nxc_image_free(back);
        }
        nxc_image_free(im);
}

static void formats_are_found_exactly(void **state)
{
        struct fixture *f = *state;
        struct nxc_error e = { 0 };
        struct nxc_image *im;

        need_root();
        im = import(f);
        assert_true(nxc_engine_save(&f->ctx, im, "oci", "/nonexistent/x", &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_USAGE);
        nxc_error_reset(&e);
        assert_true(nxc_engine_save(&f->ctx, im, "oci-dir", "-", &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_USAGE);
        nxc_image_free(im);
}

static void verify_tells_and_repair_mends(void **state)
{
        struct fixture *f = *state;
        struct nxc_error e = { 0 };
        struct nxc_image *im;

        need_root();
        im = import(f);
        assert_int_equal(nxc_engine_verify(&f->ctx, im, false, NULL), 0);
        assert_int_equal(nxc_layerfs_remove(f->ctx.layers, &f->layer, NULL), 0);
        assert_true(nxc_engine_verify(&f->ctx, im, false, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_INVALID_IMAGE);
        assert_non_null(strstr(e.hint, "--repair"));
        assert_int_equal(nxc_engine_verify(&f->ctx, im, true, NULL), 0);
        assert_int_equal(nxc_engine_verify(&f->ctx, im, false, NULL), 0);
        nxc_image_free(im);
}

/* Without a network: what is there is used, its layers unpacked again; what is not is not found. */
static void pull_without_a_registry(void **state)
{
        struct fixture *f = *state;
        struct nxc_pull_opts opts = { .reference = "localhost/unit:1", .policy = NXC_PULL_NEVER };
        struct nxc_error e = { 0 };
        struct nxc_image *im;

        need_root();
        assert_true(nxc_engine_pull(&f->ctx, &opts, &im, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_IMAGE_NOT_FOUND);
        assert_non_null(strstr(e.hint, "nexcage pull"));
        nxc_image_free(import(f));
        assert_int_equal(nxc_layerfs_remove(f->ctx.layers, &f->layer, NULL), 0);
        opts.policy = NXC_PULL_MISSING;
        assert_int_equal(nxc_engine_pull(&f->ctx, &opts, &im, NULL), 0);
        assert_true(nxc_layerfs_has(f->ctx.layers, &f->layer));
        nxc_image_free(im);
        nxc_error_reset(&e);
        opts.policy = NXC_PULL_NEVER;
        opts.platform = "linux/s390x";
        assert_true(nxc_engine_pull(&f->ctx, &opts, &im, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_IMAGE_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_import_is_found_again),
                TEST(a_wrong_layer_leaves_nothing),
                TEST(a_failed_commit_takes_the_layers_back),
                TEST(saved_images_come_back),
                TEST(formats_are_found_exactly),
                TEST(verify_tells_and_repair_mends),
                TEST(pull_without_a_registry),
        };

        return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
