/* Computed digests against the vectors of FIPS 180-4. */
#include "core/hash.h"
#include "temp-dir.h"

#define ABC256 "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY256 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC512                                                                                            \
        "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23" \
        "a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static void buffers(void **state)
{
        struct nxc_digest d = { 0 };

        assert_int_equal(nxc_hash_buffer("sha256", "abc", 3, &d, NULL), 0);
        assert_string_equal(d.text, ABC256);
        assert_int_equal(nxc_hash_buffer("sha256", "", 0, &d, NULL), 0);
        assert_string_equal(d.text, EMPTY256);
        assert_int_equal(nxc_hash_buffer("sha512", "abc", 3, &d, NULL), 0);
        assert_string_equal(d.text, ABC512);
        assert_true(nxc_digest_is_valid(d.text));
}

static void pieces(void **state)
{
        struct nxc_hash *h = nxc_hash_new("sha256");
        struct nxc_digest d = { 0 };

        nxc_hash_update(h, "a", 1);
        nxc_hash_update(h, "", 0);
        nxc_hash_update(h, "bc", 2);
        nxc_hash_finish(h, &d);
        nxc_hash_free(h);
        assert_string_equal(d.text, ABC256);
        assert_null(nxc_hash_new("md5"));
        nxc_hash_free(NULL);
}

static void an_fd_from_its_start(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_digest d = { 0 };
        uint64_t size = 0;
        int fd;

        put_file(t->fd, "x", "abc");
        fd = openat(t->fd, "x", O_RDONLY | O_CLOEXEC);
        assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
        assert_int_equal(nxc_hash_fd("sha256", fd, &d, &size, NULL), 0);
        assert_string_equal(d.text, ABC256);
        assert_int_equal(size, 3);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 2);
        close(fd);
        assert_int_equal(nxc_hash_fd("sha256", t->fd, &d, NULL, NULL), -EISDIR);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(buffers),
                cmocka_unit_test(pieces),
                with_temp_dir(an_fd_from_its_start),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
