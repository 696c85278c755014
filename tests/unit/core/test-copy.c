/* Copies: holes, times, modes, links, and the counting of what was copied. */
#include "core/copy.h"

#include "temp-dir.h"

#include "core/cleanup.h"

static int open_sub(struct temp_dir *t, const char *name)
{
        int fd;

        assert_int_equal(mkdirat(t->fd, name, 0700), 0);
        fd = openat(t->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static void test_tree(void **state)
{
        struct temp_dir *t = *state;
        const struct timespec times[2] = { { 1000000000, 5 }, { 1234567890, 123456789 } };
        int from = open_sub(t, "from"), to = open_sub(t, "to"), fd;
        struct nxc_error err = { 0 };
        char text[8] = "";
        struct stat st;

        put_file(from, "file", "content");
        assert_int_equal(fchmodat(from, "file", 0641, 0), 0);
        assert_int_equal(utimensat(from, "file", times, 0), 0);
        assert_int_equal(symlinkat("/etc/passwd", from, "link"), 0);
        assert_int_equal(mkdirat(from, "dir", 0500), 0);
        assert_int_equal(mkfifoat(from, "fifo", 0604), 0);
        fd = openat(from, "holes", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(pwrite(fd, "end", 3, 8 << 20), 3);
        assert_int_equal(ftruncate(fd, 16 << 20), 0);
        close(fd);
        if (nxc_copy_tree(from, to, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(fstatat(to, "file", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0641);
        assert_int_equal(st.st_mtim.tv_nsec, 123456789);
        assert_int_equal(st.st_size, 7);
        assert_int_equal(fstatat(to, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISLNK(st.st_mode));
        assert_int_equal(fstatat(to, "dir", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0500);
        assert_int_equal(fstatat(to, "fifo", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFIFO | 0604);
        fd = openat(to, "holes", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 16 << 20);
        assert_true(st.st_blocks < 4096);
        assert_int_equal(pread(fd, text, 3, 8 << 20), 3);
        assert_string_equal(text, "end");
        close(fd);
        close(from);
        close(to);
}

static int shift(void *arg, uid_t *uid, gid_t *gid)
{
        if (*uid != geteuid())
                return -EOVERFLOW;
        return *(int *)arg;
}

static void count(void *arg, uint64_t bytes)
{
        *(int *)arg += (int)bytes;
}

static void test_entry(void **state)
{
        struct temp_dir *t = *state;
        int from = open_sub(t, "from"), to = open_sub(t, "to"), total = 0;
        struct nxc_copy c = { .copied = count, .arg = &total };
        struct stat st;

        put_file(from, "file", "content");
        assert_int_equal(fstatat(from, "file", &st, 0), 0);
        assert_int_equal(nxc_copy_entry(&c, from, to, "file", &st), 0);
        assert_int_equal(total, 7);
        assert_int_equal(nxc_copy_entry(&c, from, to, "file", &st), -EEXIST);
        assert_int_equal(nxc_copy_entry(&c, from, to, "nosuch", &st), -ENOENT);
        /* an owner that there is not */
        total = 0;
        c = (struct nxc_copy){ .shift = shift, .arg = &total };
        st.st_uid = geteuid() + 1;
        assert_int_equal(unlinkat(to, "file", 0), 0);
        assert_int_equal(nxc_copy_entry(&c, from, to, "file", &st), -EOVERFLOW);
        close(from);
        close(to);
}

int main(void)
{
        const struct CMUnitTest tests[] = { with_temp_dir(test_tree), with_temp_dir(test_entry) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
