/* meta.db: it says what the images say, follows index.json, and is made again when it is gone or damaged. */
#include "store-fixture.h"

#include "image/catalog.h"

static void assert_as_read(struct fixture *f, size_t n)
{
        struct nxc_image_summary *known, *read;
        size_t n_known, n_read;
        struct nxc_error e = { 0 };

        if (nxc_catalog_list(f->store_fd, f->store, &known, &n_known, &e) < 0)
                fail_msg("no list: %s", e.message);
        assert_int_equal(nxc_image_summaries(f->store, &read, &n_read, &e), 0);
        assert_int_equal(n_known, n);
        assert_int_equal(n_read, n);
        for (size_t i = 0; i < n; i++) {
                assert_true(nxc_streq(known[i].name, read[i].name));
                assert_string_equal(known[i].digest.text, read[i].digest.text);
                assert_string_equal(known[i].index_digest.text, read[i].index_digest.text);
                assert_string_equal(known[i].id.text, read[i].id.text);
                assert_true(nxc_streq(known[i].created, read[i].created));
                assert_string_equal(known[i].platform, read[i].platform);
                assert_int_equal(known[i].size_bytes, read[i].size_bytes);
                assert_int_equal(known[i].n_diff_ids, read[i].n_diff_ids);
                for (size_t k = 0; k < known[i].n_diff_ids; k++)
                        assert_string_equal(known[i].diff_ids[k].text, read[i].diff_ids[k].text);
        }
        nxc_image_summaries_free(known, n_known);
        nxc_image_summaries_free(read, n_read);
}

static void it_follows_the_index(void **state)
{
        struct fixture *f = *state;
        struct documents d;
        struct nxc_image *im;
        struct nxc_reference more = reference("localhost/other:2");

        assert_as_read(f, 0);
        add_image(f, "a", "localhost/a:1", &d);
        assert_as_read(f, 1);
        add_image(f, "b", "localhost/b:1", &d);
        add_image(f, "c", NULL, &d);
        assert_as_read(f, 3);
        assert_as_read(f, 3);
        assert_int_equal(nxc_image_find(f->store, "localhost/a:1", &im, NULL), 0);
        assert_int_equal(nxc_image_tag(f->store, im, &more, NULL), 0);
        assert_as_read(f, 4);
        assert_int_equal(nxc_image_untag(f->store, im, NULL, NULL), 0);
        nxc_image_free(im);
        assert_as_read(f, 2);
}

/* Nothing is read but meta.db while index.json is the same. */
static void it_does_not_read_images_again(void **state)
{
        struct fixture *f = *state;
        struct nxc_image_summary *v;
        struct documents d;
        size_t n;

        add_image(f, "a", "localhost/a:1", &d);
        assert_as_read(f, 1);
        assert_int_equal(nxc_image_blob_drop(f->store, &d.manifest_desc.digest, NULL), 0);
        assert_int_equal(nxc_catalog_list(f->store_fd, f->store, &v, &n, NULL), 0);
        assert_int_equal(n, 1);
        assert_string_equal(v[0].name, "localhost/a:1");
        nxc_image_summaries_free(v, n);
}

static void spoil(struct fixture *f, off_t at, const char *with)
{
        int fd = openat(f->store_fd, "meta.db", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(pwrite(fd, with, strlen(with), at), strlen(with));
        close(fd);
}

static void it_is_made_again(void **state)
{
        struct fixture *f = *state;
        struct documents d;

        add_image(f, "a", "localhost/a:1", &d);
        add_image(f, "b", "localhost/b:1", &d);
        assert_as_read(f, 2);
        assert_int_equal(unlinkat(f->store_fd, "meta.db", 0), 0);
        assert_as_read(f, 2);
        spoil(f, 0, "this is no database, whatever its name may say of it");
        unlinkat(f->store_fd, "meta.db-wal", 0);
        assert_as_read(f, 2);
        spoil(f, 60, "\x01\x02\x03\x04"); /* user_version: another version's */
        assert_as_read(f, 2);
        assert_int_equal(nxc_catalog_check(f->store_fd), 0);
        spoil(f, 4096 + 8, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_int_equal(nxc_catalog_check(f->store_fd), -EINVAL);
        nxc_catalog_drop(f->store_fd);
        assert_int_equal(nxc_catalog_check(f->store_fd), 0); /* there is none */
        assert_as_read(f, 2);
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_store(it_follows_the_index),
                with_store(it_does_not_read_images_again),
                with_store(it_is_made_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
