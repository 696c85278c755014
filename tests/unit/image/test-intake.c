#include "image/intake.h"

#include "store-fixture.h"

#include "image/store-internal.h"

#include <signal.h>
#include <sys/wait.h>

static struct nxc_intake *begin(struct fixture *f)
{
        struct nxc_intake *in;

        assert_int_equal(nxc_intake_begin(f->store, &in, NULL), 0);
        return in;
}

static void assert_nothing_left(struct fixture *f)
{
        assert_int_equal(count_entries(f, "images", NXC_STAGING_PREFIX), 0);
        assert_int_equal(count_entries(f, "images", "index.json."), 0);
        assert_int_equal(count_entries(f, "images/blobs/sha256", NULL), 0);
}

static void abandoned_leaves_nothing(void **state)
{
        struct fixture *f = *state;
        struct nxc_intake *in = begin(f);
        struct documents d;

        make_documents(&d, "x");
        stage_documents(in, &d);
        assert_int_equal(count_entries(f, "images", NXC_STAGING_PREFIX), 1);
        nxc_intake_abandon(in);
        nxc_intake_abandon(NULL);
        assert_nothing_left(f);
}

static void a_wrong_digest_is_refused(void **state)
{
        struct fixture *f = *state;
        struct nxc_descriptor d = describe("right", "");
        struct nxc_intake *in = begin(f);
        struct nxc_error e = { 0 };

        assert_true(nxc_intake_add_blob(in, &d, "wrong", 5, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_INVALID_IMAGE);
        assert_non_null(strstr(e.message, d.digest.text));
        nxc_intake_abandon(in);
        assert_nothing_left(f);
}

static void a_wrong_size_is_refused(void **state)
{
        struct fixture *f = *state;
        struct nxc_descriptor d = describe("four", "");
        struct nxc_intake *in = begin(f);
        struct nxc_blob_writer *w;
        struct nxc_error e = { 0 };

        assert_int_equal(nxc_blob_writer_open(in, &d, &w, &e), 0);
        assert_true(nxc_blob_writer_write(w, "fourfive", 8, &e) < 0); /* at once, not when all has come */
        assert_int_equal(e.kind, NXC_ERR_INVALID_IMAGE);
        nxc_blob_writer_discard(w);

        nxc_error_reset(&e);
        assert_int_equal(nxc_blob_writer_open(in, &d, &w, &e), 0);
        assert_int_equal(nxc_blob_writer_write(w, "fou", 3, &e), 0);
        assert_int_equal(nxc_blob_writer_size(w), 3);
        assert_true(nxc_blob_writer_close(w, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_INVALID_IMAGE);
        nxc_intake_abandon(in);
        assert_nothing_left(f);
}

static void rewind_starts_over(void **state)
{
        struct fixture *f = *state;
        struct nxc_descriptor d = describe("text", "");
        struct nxc_intake *in = begin(f);
        struct nxc_blob_writer *w;

        assert_int_equal(nxc_blob_writer_open(in, &d, &w, NULL), 0);
        assert_int_equal(nxc_blob_writer_write(w, "tex", 3, NULL), 0);
        assert_int_equal(nxc_blob_writer_rewind(w, NULL), 0);
        assert_int_equal(nxc_blob_writer_size(w), 0);
        assert_int_equal(nxc_blob_writer_write(w, "text", 4, NULL), 0);
        assert_int_equal(nxc_blob_writer_close(w, NULL), 0);
        nxc_intake_abandon(in);
}

static void what_is_there_is_not_written_again(void **state)
{
        struct fixture *f = *state;
        struct nxc_blob_writer *w = (void *)1;
        struct nxc_intake *in;
        struct documents d;
        struct nxc_image *im;
        uint64_t bytes = 0;
        struct nxc_error e = { 0 };

        add_image(f, "a", "localhost/a:1", &d);
        in = begin(f);
        assert_int_equal(nxc_blob_writer_open(in, &d.layer_desc, &w, NULL), 0);
        assert_null(w);
        assert_int_equal(nxc_intake_add_blob(in, &d.config_desc, "", 0, NULL), 0);
        assert_int_equal(nxc_intake_add_blob(in, &d.manifest_desc, "", 0, NULL), 0);
        /* removed and collected meanwhile: the intake holds its own links */
        assert_int_equal(nxc_image_find(f->store, "localhost/a:1", &im, NULL), 0);
        assert_int_equal(nxc_image_untag(f->store, im, NULL, NULL), 0);
        nxc_image_free(im);
        assert_int_equal(nxc_image_collect(f->store, &bytes, NULL), 0);
        assert_int_equal(count_entries(f, "images/blobs/sha256", NULL), 0);
        assert_int_equal(nxc_intake_commit(in, &d.manifest_desc, NULL, NULL, NULL, &e), 0);
        assert_int_equal(count_entries(f, "images/blobs/sha256", NULL), 3);
        assert_int_equal(count_entries(f, "images", NXC_STAGING_PREFIX), 0);
        assert_int_equal(nxc_image_find(f->store, d.manifest_desc.digest.text, &im, &e), 0);
        nxc_image_free(im);
}

static void a_truncated_blob_is_replaced(void **state)
{
        struct fixture *f = *state;
        char path[NXC_DIGEST_MAX + 16], blob[NXC_DIGEST_MAX + 8];
        struct documents d;
        int fd;

        add_image(f, "a", "localhost/a:1", &d);
        nxc_digest_blob_path(&d.layer_desc.digest, blob, sizeof(blob));
        snprintf(path, sizeof(path), "images/%s", blob);
        fd = openat(f->store_fd, path, O_WRONLY | O_TRUNC);
        close(fd);
        assert_true(nxc_image_blob_open(f->store, &d.layer_desc.digest, d.layer_desc.size, &fd, NULL) < 0);
        add_image(f, "a", "localhost/a:1", &d);
        assert_int_equal(
                nxc_image_blob_open(f->store, &d.layer_desc.digest, d.layer_desc.size, &fd, NULL), 0);
        close(fd);
}

static void only_what_was_asked_for_is_published(void **state)
{
        struct fixture *f = *state;
        struct nxc_intake *in = begin(f);
        struct nxc_descriptor got, wrong;
        struct nxc_blob_writer *w;
        struct nxc_error e = { 0 };
        struct documents d;

        make_documents(&d, "x");
        assert_int_equal(nxc_blob_writer_open_unnamed(in, "sha256", 100, &w, NULL), 0);
        assert_int_equal(nxc_blob_writer_write(w, d.layer, d.layer_desc.size, NULL), 0);
        assert_int_equal(nxc_blob_writer_close_unnamed(w, &got, NULL), 0);
        assert_true(nxc_digest_equal(&got.digest, &d.layer_desc.digest));
        assert_int_equal(got.size, d.layer_desc.size);
        assert_int_equal(nxc_blob_writer_open_unnamed(in, "sha512", 100, &w, NULL), 0);
        assert_int_equal(nxc_blob_writer_write(w, "stray", 5, NULL), 0);
        assert_int_equal(nxc_blob_writer_close_unnamed(w, &got, NULL), 0);
        assert_int_equal(strncmp(got.digest.text, "sha512:", 7), 0);

        wrong = d.layer_desc;
        wrong.size++;
        assert_true(nxc_blob_writer_open(in, &wrong, &w, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_INVALID_IMAGE);
        stage_documents(in, &d);
        assert_int_equal(nxc_intake_commit(in, &d.manifest_desc, NULL, NULL, NULL, NULL), 0);
        assert_int_equal(count_entries(f, "images/blobs/sha256", NULL), 3);
        assert_int_equal(faccessat(f->store_fd, "images/blobs/sha512", F_OK, 0), -1);
}

static void the_index_digest_is_remembered(void **state)
{
        struct fixture *f = *state;
        struct nxc_reference ref = reference("localhost/a:1");
        struct nxc_digest index = describe("an index", "").digest;
        struct nxc_intake *in = begin(f);
        struct nxc_image *im;
        struct documents d;
        char text[300];

        make_documents(&d, "x");
        stage_documents(in, &d);
        assert_int_equal(
                nxc_intake_commit(in, &d.manifest_desc, &index, &d.config_desc.digest, &ref, NULL), 0);
        snprintf(text, sizeof(text), "localhost/a@%s", index.text);
        assert_int_equal(nxc_image_find(f->store, text, &im, NULL), 0);
        assert_true(nxc_digest_equal(&im->index_digest, &index));
        nxc_image_free(im);
}

/* The index cannot be replaced: blobs that were published for it are taken back. */
static void a_failed_commit_takes_back(void **state)
{
        struct fixture *f = *state;
        struct nxc_intake *in = begin(f);
        struct nxc_error e = { 0 };
        struct documents d;

        make_documents(&d, "x");
        stage_documents(in, &d);
        assert_int_equal(unlinkat(f->store_fd, "images/index.json", 0), 0);
        assert_int_equal(mkdirat(f->store_fd, "images/index.json", 0700), 0);
        assert_true(nxc_intake_commit(in, &d.manifest_desc, NULL, NULL, NULL, &e) < 0);
        assert_int_equal(e.kind, NXC_ERR_FILE);
        nxc_intake_abandon(in);
        assert_nothing_left(f);
}

static void cancelled_writes_fail(void **state)
{
        struct fixture *f = *state;
        struct nxc_descriptor d = describe("text", "");
        struct nxc_intake *in = begin(f);
        struct nxc_blob_writer *w;
        struct nxc_error e = { 0 };

        assert_int_equal(nxc_blob_writer_open(in, &d, &w, NULL), 0);
        nxc_intake_cancel(in);
        assert_int_equal(nxc_blob_writer_write(w, "text", 4, &e), -ECANCELED);
        assert_int_equal(e.kind, NXC_ERR_INTERRUPTED);
        nxc_blob_writer_discard(w);
        nxc_intake_abandon(in);
}

/* The staging area of a killed process goes with the next intake; that of a living one stays. */
static void the_dead_are_swept(void **state)
{
        struct fixture *f = *state;
        struct nxc_intake *living = begin(f), *next;
        struct documents d;
        int status;
        pid_t pid;

        make_documents(&d, "x");
        fflush(stdout);
        pid = fork();
        if (pid == 0) {
                struct nxc_intake *in;

                if (nxc_intake_begin(f->store, &in, NULL) == 0)
                        nxc_intake_add_blob(in, &d.layer_desc, d.layer, d.layer_desc.size, NULL);
                raise(SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(count_entries(f, "images", NXC_STAGING_PREFIX), 2);
        next = begin(f);
        assert_int_equal(count_entries(f, "images", NXC_STAGING_PREFIX), 2);
        stage_documents(living, &d);
        nxc_intake_abandon(next);
        assert_int_equal(nxc_intake_commit(living, &d.manifest_desc, NULL, NULL, NULL, NULL), 0);
        assert_int_equal(count_entries(f, "images", NXC_STAGING_PREFIX), 0);
}

#define WRITERS 8

/* Many processes enter images at once: none is lost. */
static void concurrent_commits_all_count(void **state)
{
        struct fixture *f = *state;
        struct nxc_image **list;
        size_t n;

        fflush(stdout);
        for (int i = 0; i < WRITERS; i++) {
                if (fork() == 0) {
                        struct documents d;
                        char seed[16], name[64];

                        for (int k = 0; k < 5; k++) {
                                snprintf(seed, sizeof(seed), "%d.%d", i, k);
                                snprintf(name, sizeof(name), "localhost/p%d:%d", i, k);
                                add_image(f, seed, name, &d);
                        }
                        _exit(0);
                }
        }
        for (int i = 0; i < WRITERS; i++) {
                int status;

                assert_true(wait(&status) > 0);
                assert_int_equal(status, 0);
        }
        assert_int_equal(nxc_image_list(f->store, &list, &n, NULL), 0);
        assert_int_equal(n, WRITERS * 5);
        for (size_t i = 0; i < n; i++)
                nxc_image_free(list[i]);
        free(list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(abandoned_leaves_nothing),
                TEST(a_wrong_digest_is_refused),
                TEST(a_wrong_size_is_refused),
                TEST(rewind_starts_over),
                TEST(what_is_there_is_not_written_again),
                TEST(a_truncated_blob_is_replaced),
                TEST(only_what_was_asked_for_is_published),
                TEST(the_index_digest_is_remembered),
                TEST(a_failed_commit_takes_back),
                TEST(cancelled_writes_fail),
                TEST(the_dead_are_swept),
                TEST(concurrent_commits_all_count),
        };

        return cmocka_run_group_tests_name("image-intake", tests, NULL, NULL);
}
