/* The table of drivers, and what is the same for all of them. */
#include "storage/storage.h"

#include "../core/temp-dir.h"
#include "storage/common-internal.h"

#include "core/cleanup.h"

static void test_find(void **state)
{
        const struct nxc_storage_ops *s = NULL;
        struct nxc_error err = { 0 };

        for (size_t i = 0; nxc_storage_drivers()[i]; i++) {
                assert_int_equal(nxc_storage_find(nxc_storage_drivers()[i]->name, &s, &err), 0);
                assert_ptr_equal(s, nxc_storage_drivers()[i]);
        }
        assert_int_equal(nxc_storage_find("over", &s, &err), -EINVAL);
        assert_int_equal(err.kind, NXC_ERR_USAGE);
        assert_non_null(strstr(err.hint, "overlay, dir, raw"));
}

/* What is mandatory is there, and every driver can give a directory: all backends take one. */
static void test_complete(void **state)
{
        for (size_t i = 0; nxc_storage_drivers()[i]; i++) {
                const struct nxc_storage_ops *s = nxc_storage_drivers()[i];
                enum nxc_rootfs_kind kind;

                assert_non_null(s->summary);
                assert_true(s->probe && s->prepare && s->attach && s->release && s->usage);
                assert_true(s->make || s->makes == NXC_STORAGE_MAKES_NOTHING);
                assert_int_equal(nxc_storage_choose_kind(s, 1u << NXC_ROOTFS_DIR, &kind), 0);
                assert_int_equal(nxc_storage_choose_kind(s, 0, &kind), -ENOENT);
        }
}

static void test_choose_kind(void **state)
{
        static const struct nxc_storage_ops s = { .offers = { NXC_ROOTFS_BLOCK, NXC_ROOTFS_DIR },
                .n_offers = 2 };
        enum nxc_rootfs_kind kind;

        assert_int_equal(nxc_storage_choose_kind(&s, ~0u, &kind), 0);
        assert_int_equal(kind, NXC_ROOTFS_BLOCK);
        assert_int_equal(nxc_storage_choose_kind(&s, 1u << NXC_ROOTFS_DIR, &kind), 0);
        assert_int_equal(kind, NXC_ROOTFS_DIR);
        assert_int_equal(nxc_storage_choose_kind(&s, 1u << NXC_ROOTFS_DATASET, &kind), -ENOENT);
}

static void test_count(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_tree_count count, more;
        char block[8192] = "";
        struct stat st;
        uint64_t bytes = 7;
        int fd;

        assert_int_equal(mkdirat(t->fd, "dir", 0700), 0);
        assert_int_equal(nxc_storage_count(t->fd, &count), 0);
        assert_int_equal(count.inodes, 2);
        fd = openat(t->fd, "dir/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(nxc_write_all(fd, block, sizeof(block)), 0);
        assert_int_equal(fsync(fd), 0);
        assert_int_equal(fstat(fd, &st), 0);
        close(fd);
        assert_int_equal(linkat(t->fd, "dir/file", t->fd, "again", 0), 0);
        assert_int_equal(symlinkat("/", t->fd, "link"), 0);
        assert_int_equal(nxc_storage_count(t->fd, &more), 0);
        assert_int_equal(more.inodes, 5);
        assert_true(more.bytes >= count.bytes + (uint64_t)st.st_blocks * 512);
        assert_true(more.bytes < count.bytes + 2 * (uint64_t)st.st_blocks * 512);
        assert_int_equal(nxc_storage_disk_usage(t->path, "nosuch", &bytes, NULL), 0);
        assert_int_equal(bytes, 0);
}

static void test_of_dir(void **state)
{
        const struct nxc_storage_ops *s = NULL;
        struct nxc_error err = { 0 };
        struct temp_dir *t = *state;

        assert_int_equal(nxc_storage_of_dir(t->path, &s, &err), 0);
        assert_string_equal(s->name, "overlay");
        put_file(t->fd, ".storage", "raw");
        assert_int_equal(nxc_storage_of_dir(t->path, &s, &err), 0);
        assert_string_equal(s->name, "raw");
        put_file(t->fd, ".storage", "other");
        assert_true(nxc_storage_of_dir(t->path, &s, &err) < 0);
}

static void test_space(void **state)
{
        const struct nxc_storage_env env = { .store = "/tmp/nxc-nosuch/store" };
        struct nxc_storage_space space = { 0 };

        assert_int_equal(nxc_storage_space(nxc_storage_drivers()[0], &env, &space, NULL), 0);
        assert_true(space.total > 0 && space.available <= space.total);
        assert_string_equal(space.where, env.store);
        nxc_storage_space_done(&space);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_complete),
                cmocka_unit_test(test_choose_kind),
                with_temp_dir(test_count),
                with_temp_dir(test_of_dir),
                cmocka_unit_test(test_space),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
