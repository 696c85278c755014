/* The image writer, without rights: small fixed archives give images of known digests (tests/golden/erofs;
 * NXC_GOLDEN_UPDATE=1 writes them anew), which fsck.erofs accepts and which are no larger than they may
 * be. */
#include "../core/temp-dir.h"
#include "tar-writer.h"

#include "core/cleanup.h"
#include "core/process.h"
#include "core/publish.h"
#include "layerfs/erofs-internal.h"
#include "sys/mount.h"

#define GOLDEN SOURCE_ROOT "/tests/golden/erofs"
#define VALUE_1000                                                                                          \
        "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv" \
        "vvv"

struct memory {
        const struct nxc_buf *data;
        size_t pos;
};

static ssize_t next_of_memory(void *arg, const void **ret, struct nxc_error *err)
{
        struct memory *m = arg;
        size_t n = m->data->len - m->pos;

        n = n < 30000 ? n : 30000;
        *ret = m->data->data + m->pos;
        m->pos += n;
        return (ssize_t)n;
}

static int write_image(int fd, const struct nxc_buf *tar, struct nxc_erofs_image *ret, struct nxc_error *err)
{
        struct memory memory = { tar, 0 };
        struct nxc_tar_source source = { next_of_memory, &memory };
        struct nxc_tar_limits limits = { .entries = 200000, .bytes = 8ull << 30 };
        uint8_t uuid[16] = { 0xab };
        struct nxc_tar_result result;
        struct nxc_erofs_writer *w;
        int r = nxc_erofs_open(fd, &w, err);

        assert_int_equal(r, 0);
        r = nxc_erofs_from_tar(w, &source, &limits, uuid, &result, ret, err);
        nxc_erofs_close(w);
        return r;
}

static int image_of(
        struct temp_dir *t, const char *name, const struct nxc_buf *tar, struct nxc_erofs_image *ret)
{
        struct nxc_error err = { 0 };
        int fd = openat(t->fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (write_image(fd, tar, ret, &err) < 0)
                fail_msg("%s", err.message);
        return fd;
}

/* data: reads all files, too. */
static void check(struct temp_dir *t, const char *name, bool data)
{
        _cleanup_free_ char *image = nxc_strf("%s/%s", t->path, name), *fsck = NULL;
        const char *argv[] = { "fsck.erofs", image, data ? "--extract" : NULL, NULL };
        struct nxc_process_opts opts = NXC_PROCESS_OPTS_INIT;
        struct nxc_error err = { 0 };
        int status;

        if (nxc_process_find("fsck.erofs", &fsck) < 0) {
                print_message("# skipped: fsck.erofs (package erofs-utils) is not installed\n");
                return;
        }
        opts.argv = argv;
        opts.stdout_fd = opts.stderr_fd = 2;
        assert_int_equal(nxc_process_run(&opts, &status, &err), 0);
        assert_int_equal(nxc_process_exit_code(status), 0);
}

static void compare_golden(const char *name, int fd)
{
        _cleanup_free_ char *path = nxc_strf("%s.sha256", name), *want = NULL;
        _cleanup_close_ int dir = open(GOLDEN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct nxc_error err = { 0 };
        struct nxc_digest digest;

        assert_true(dir >= 0);
        assert_int_equal(nxc_hash_fd("sha256", fd, &digest, NULL, &err), 0);
        digest.text[strlen(digest.text) + 1] = '\0';
        digest.text[strlen(digest.text)] = '\n';
        if (getenv("NXC_GOLDEN_UPDATE"))
                assert_int_equal(
                        nxc_publish_at(dir, path, digest.text, strlen(digest.text), 0644, 0, &err), 0);
        assert_int_equal(nxc_read_file_at(dir, path, 4096, &want, NULL, &err), 0);
        assert_string_equal(digest.text, want);
}

/* name: of the golden file; NULL: none. */
static void check_tar(struct temp_dir *t, const char *name, const struct nxc_buf *tar)
{
        struct nxc_erofs_image one, two;
        _cleanup_close_ int fd = image_of(t, "one", tar, &one), again = -EBADF;
        struct nxc_digest a, b;
        struct nxc_error err = { 0 };
        struct stat st;

        setenv("NXC_FEATURE_DIRECT_IO", "0", 1);
        again = image_of(t, "two", tar, &two);
        unsetenv("NXC_FEATURE_DIRECT_IO");
        assert_int_equal(nxc_hash_fd("sha256", fd, &a, NULL, &err), 0);
        assert_int_equal(nxc_hash_fd("sha256", again, &b, NULL, &err), 0);
        assert_string_equal(a.text, b.text);
        assert_int_equal(one.inodes, two.inodes);
        assert_int_equal(fstat(fd, &st), 0);
        assert_true((uint64_t)st.st_blocks * 512 <= tar->len + tar->len / 10 + 8 * NXC_EROFS_BLOCK);
        check(t, "one", true);
        if (name)
                compare_golden(name, fd);
}

static const struct {
        const char *name;
        struct tar_entry entries[16];
} images[] = {
        { "empty", { { 0 } } },
        { "kinds", { { '5', "./", .mode = 0711, .uid = 3 }, { '5', "d", .mode = 02770, .gid = 50 },
                           { '0', "d/f", "text", .mode = 04755, .uid = 7 },
                           { '0', "d/big-id", "x",
                                   .pax = { "uid=70000", "gid=4294967294", "mtime=1600000000.123456789" } },
                           { '0', "d/old", "x", .pax = { "mtime=-5.5" } }, { '2', "l", "d/f", .uid = 9 },
                           { '3', "null", .mode = 0666, .major = 1, .minor = 3 },
                           { '4', "loop", .major = 7, .minor = 300 }, { '6', "fifo", .mode = 0600 },
                           { '0', "k\xc3\xb6rper/\xff", "x" }, { 0 } } },
        { "links", { { '0', "a", "a" }, { '1', "b", "a" }, { '1', "d/c", "b" }, { '2', "s", "a" },
                           { '1', "t", "s" }, { '0', "gone", "1" }, { '1', "gone2", "gone" },
                           { '0', "gone", "2" }, { 0 } } },
        { "tails",
                { { '0', "0" }, { '0', "1", .size = 1 }, { '0', "4031", .size = 4031 },
                        { '0', "4032", .size = 4032 }, { '0', "4033", .size = 4033 },
                        { '0', "4095", .size = 4095 }, { '0', "4096", .size = 4096 },
                        { '0', "4097", .size = 4097 }, { '0', "8192", .size = 8192 },
                        { '0', "2097152", .size = 2097152 }, { '0', "3000000", .size = 3000000 }, { 0 } } },
        { "whiteouts", { { '0', ".wh.gone" }, { '0', "opq/.wh..wh..opq" }, { '0', "opq/f" },
                               { '0', ".wh.back" }, { '5', "back" }, { '3', "char" }, { 0 } } },
        { "xattrs", { { '5', "d", .pax = { "SCHILY.xattr.user.a=1", "SCHILY.xattr.user.b=2" } },
                            { '5', "d", .pax = { "SCHILY.xattr.user.a=3" } }, { '0', "d/.wh..wh..opq" },
                            { '0', "short", "x", .pax = { "SCHILY.xattr.user.kept=2" } },
                            { '0', "long", .size = 3500,
                                    .pax = { "SCHILY.xattr.user.l=" VALUE_1000 VALUE_1000 VALUE_1000
                                                    VALUE_1000 VALUE_1000 VALUE_1000 } },
                            { '0', "same", "x",
                                    .pax = { "SCHILY.xattr.user.l=" VALUE_1000 VALUE_1000 VALUE_1000
                                                    VALUE_1000 VALUE_1000 VALUE_1000 } },
                            { '0', "cap",
                                    .pax = { "LIBARCHIVE.xattr.security.capability="
                                             "AQAAAgAgAAAAAAAAAAAAAAAAAAA" } },
                            { 0 } } },
        { "sparse", { { '0', "s", "data",
                              .pax = { "GNU.sparse.size=120000", "GNU.sparse.map=20000,2,100000,2" } },
                            { '0', "after", "x" }, { 0 } } },
};

static void test_golden(void **state)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(images); i++) {
                _cleanup_buf_ struct nxc_buf tar = { 0 };

                tar_all(&tar, images[i].entries);
                print_message("# %s\n", images[i].name);
                check_tar(*state, images[i].name, &tar);
        }
}

/* Names over many blocks, in many directories, with links among them. */
static void test_large_directories(void **state)
{
        _cleanup_buf_ struct nxc_buf tar = { 0 };

        for (int i = 0; i < 100000; i++) {
                _cleanup_free_ char *name = nxc_strf(
                        "many/%s-%d", i % 3 ? "name" : "another-much-longer", i);

                tar_add(&tar, &(struct tar_entry){ '0', name, i % 7 ? "x" : NULL });
        }
        for (int i = 0; i < 300; i++) {
                _cleanup_free_ char *dir = nxc_strf("dir-%d/sub", i), *link = nxc_strf("dir-%d/link", i);

                tar_add(&tar, &(struct tar_entry){ '5', dir });
                tar_add(&tar, &(struct tar_entry){ '1', link, "many/name-1" });
        }
        tar_end(&tar);
        check_tar(*state, "large", &tar);
}

/* Sizes as they come, so that chunks of inodes are of all sizes. */
static void test_many_files(void **state)
{
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        unsigned seed = 1;

        for (int i = 0; i < 5000; i++) {
                _cleanup_free_ char *name = nxc_strf("d%d/f%d", i / 50, i);

                seed = seed * 1103515245 + 12345;
                tar_add(&tar,
                        &(struct tar_entry){ '0', name, .size = (seed >> 16) % (i % 10 ? 3000 : 30000) });
        }
        tar_end(&tar);
        check_tar(*state, "files", &tar);
}

/* More than 4 GiB, nearly all of it a hole. */
static void test_large_file(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        struct nxc_erofs_image image;
        _cleanup_close_ int fd = -EBADF, mount_fd = -EBADF, file = -EBADF;
        char buf[5];
        struct stat st;

        tar_add(&tar, &(struct tar_entry){ '0', "s", "data",
                              .pax = { "GNU.sparse.size=5000001000", "GNU.sparse.map=0,2,5000000000,2" } });
        tar_add(&tar, &(struct tar_entry){ '0', "after", "x" });
        tar_end(&tar);
        fd = image_of(t, "image", &tar, &image);
        assert_int_equal(fstat(fd, &st), 0);
        assert_true(st.st_size > 5000000000);
        assert_true(st.st_blocks < 200);
        check(t, "image", false); /* fsck.erofs 1.5 crashes on the data of any file of this size */
        if (nxc_mount_erofs(fd, NULL, 0, &mount_fd, NULL) < 0) {
                print_message("# skipped: images cannot be mounted here\n");
                return;
        }
        file = openat(mount_fd, "s", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fstat(file, &st), 0);
        assert_int_equal(st.st_size, 5000001000);
        assert_int_equal(pread(file, buf, 5, 0), 5);
        assert_memory_equal(buf, "da\0\0\0", 5);
        assert_int_equal(pread(file, buf, 5, 4999999999), 5);
        assert_memory_equal(buf, "\0ta\0\0", 5);
}

static void test_limits(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        _cleanup_close_ int fd = openat(t->fd, "image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        _cleanup_free_ char *value = nxc_strf("SCHILY.xattr.user.x=%0*d", 60000, 0);
        struct nxc_erofs_image image;
        struct nxc_error err = { 0 };

        for (int i = 0; i < 300; i++) {
                _cleanup_free_ char *name = nxc_strf("%d", i);

                tar_add(&tar, &(struct tar_entry){ '5', name, .pax = { value } });
        }
        tar_end(&tar);
        assert_int_equal(write_image(fd, &tar, &image, &err), -EINVAL);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        assert_non_null(strstr(err.message, "directories have more than"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(test_golden),
                with_temp_dir(test_large_directories),
                with_temp_dir(test_many_files),
                with_temp_dir(test_large_file),
                with_temp_dir(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
