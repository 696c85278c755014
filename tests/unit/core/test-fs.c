/* Files and directories by fd: limits, links that lead out, trees that do not want to go. */
#include "core/fs.h"
#include "temp-dir.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* --- reading and writing --- */

static void read_has_a_limit(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        char *text = NULL;
        size_t len;

        put_file(t->fd, "x", "hello");
        assert_int_equal(nxc_read_file_at(t->fd, "x", 4, &text, NULL, &err), -EFBIG);
        assert_null(text);
        assert_string_equal(err.message, "read x of 5 bytes (at most 4): File too large");
        assert_int_equal(nxc_read_file_at(t->fd, "x", 5, &text, &len, NULL), 0);
        assert_string_equal(text, "hello");
        assert_int_equal(len, 5);
        free(text);
        put_file(t->fd, "empty", "");
        assert_int_equal(nxc_read_file_at(t->fd, "empty", 5, &text, &len, NULL), 0);
        assert_string_equal(text, "");
        free(text);
}

static void read_knows_a_file_without_size(void **state)
{
        char *text = NULL;
        size_t len;

        assert_int_equal(nxc_read_file_at(AT_FDCWD, "/proc/self/status", 1 << 16, &text, &len, NULL), 0);
        assert_true(len > 0 && strstr(text, "Name:"));
        free(text);
        text = NULL;
        assert_int_equal(nxc_read_file_at(AT_FDCWD, "/proc/self/status", 10, &text, &len, NULL), -EFBIG);
        assert_null(text);
}

static void read_refuses_other_things(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        char *text = NULL;

        alarm(10);
        assert_int_equal(nxc_read_file_at(t->fd, ".", 10, &text, NULL, &err), -EISDIR);
        assert_int_equal(mkfifoat(t->fd, "fifo", 0600), 0);
        assert_int_equal(nxc_read_file_at(t->fd, "fifo", 10, &text, NULL, NULL), -EINVAL);
        assert_int_equal(nxc_read_file_at(AT_FDCWD, "/dev/zero", 10, &text, NULL, NULL), -EINVAL);
        assert_int_equal(nxc_read_file_at(t->fd, "absent", 10, &text, NULL, NULL), -ENOENT);
        alarm(0);
        assert_null(text);
}

static void write_reports(void **state)
{
        int p[2];

        assert_int_equal(pipe(p), 0);
        assert_int_equal(nxc_write_all(p[1], "abc", 3), 0);
        assert_int_equal(nxc_write_all(p[1], "", 0), 0);
        assert_int_equal(nxc_write_all(-1, "abc", 3), -EBADF);
        close(p[0]);
        close(p[1]);
}

/* --- directories --- */

static void mkdir_p_makes_the_way(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *path = nxc_strf("%s/a/b//c/", t->path), *file = nxc_strf("%s/file", t->path);
        _cleanup_free_ char *below = nxc_strf("%s/file/x", t->path);
        struct nxc_error err = { 0 };
        struct stat st;

        assert_int_equal(nxc_mkdir_p(path, 0700, NULL), 0);
        assert_int_equal(nxc_mkdir_p(path, 0700, NULL), 0);
        assert_int_equal(fstatat(t->fd, "a/b/c", &st, 0), 0);
        assert_true(S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0700);
        put_file(t->fd, "file", "");
        assert_int_equal(nxc_mkdir_p(file, 0700, &err), -ENOTDIR);
        assert_non_null(strstr(err.message, "/file': Not a directory"));
        assert_int_equal(nxc_mkdir_p(below, 0700, NULL), -ENOTDIR);
        assert_int_equal(nxc_mkdir_p("/", 0700, NULL), 0);
        assert_int_equal(symlinkat("a", t->fd, "link"), 0);
}

static void open_dir_p_gives_an_fd(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *path = nxc_strf("%s/x/y", t->path);
        _cleanup_close_ int fd = -EBADF;

        assert_int_equal(nxc_open_dir_p(path, 0755, &fd, NULL), 0);
        put_file(fd, "in", "");
        assert_true(exists_at(t->fd, "x/y/in"));
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* --- removing --- */

static void remove_tree_takes_all_kinds(void **state)
{
        struct temp_dir *t = *state;

        assert_int_equal(mkdirat(t->fd, "tree", 0700), 0);
        assert_int_equal(mkdirat(t->fd, "tree/empty", 0), 0);
        assert_int_equal(mkdirat(t->fd, "tree/full", 0700), 0);
        put_file(t->fd, "tree/full/file", "x");
        assert_int_equal(mkfifoat(t->fd, "tree/fifo", 0600), 0);
        put_file(t->fd, "keep", "x");
        assert_int_equal(symlinkat("../keep", t->fd, "tree/link"), 0);
        assert_int_equal(symlinkat("..", t->fd, "tree/up"), 0);
        assert_int_equal(linkat(t->fd, "keep", t->fd, "tree/hard", 0), 0);
        assert_int_equal(nxc_remove_tree_at(t->fd, "tree", NULL), 0);
        assert_false(exists_at(t->fd, "tree"));
        assert_true(exists_at(t->fd, "keep"));
}

static void remove_tree_of_less(void **state)
{
        struct temp_dir *t = *state;

        assert_int_equal(nxc_remove_tree_at(t->fd, "absent", NULL), 0);
        put_file(t->fd, "file", "");
        assert_int_equal(nxc_remove_tree_at(t->fd, "file", NULL), 0);
        assert_int_equal(mkdirat(t->fd, "dir", 0700), 0);
        put_file(t->fd, "dir/keep", "");
        assert_int_equal(symlinkat("dir", t->fd, "link"), 0);
        assert_int_equal(nxc_remove_tree_at(t->fd, "link", NULL), 0);
        assert_true(exists_at(t->fd, "dir/keep"));
}

/* Deeper than the fds that we have, as a container may leave it. */
static void remove_tree_goes_to_any_depth(void **state)
{
        struct temp_dir *t = *state;
        struct rlimit old, few = { 0 };
        int fd, r;

        assert_int_equal(mkdirat(t->fd, "deep", 0700), 0);
        fd = openat(t->fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < 3000; i++) {
                int next;

                assert_int_equal(mkdirat(fd, "d", 0700), 0);
                if (i % 100 == 0)
                        put_file(fd, "f", "");
                next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                close(fd);
                fd = next;
        }
        put_file(fd, ".nxc-removed-0", "");
        close(fd);
        put_file(t->fd, "deep/.nxc-removed-0", "");
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        few = (struct rlimit){ 100, old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        r = nxc_remove_tree_at(t->fd, "deep", NULL);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(r, 0);
        assert_false(exists_at(t->fd, "deep"));
}

/* In a mount namespace of its own, so that nothing is left even if the test dies. */
static void remove_tree_stays_out_of_mounts(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *volume = nxc_strf("%s/volume", t->path), *at = nxc_strf("%s/tree/at", t->path);
        struct nxc_error err = { 0 };

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip();
        assert_int_equal(mkdirat(t->fd, "volume", 0700), 0);
        put_file(t->fd, "volume/precious", "");
        assert_int_equal(mkdirat(t->fd, "tree", 0700), 0);
        assert_int_equal(mkdirat(t->fd, "tree/at", 0700), 0);
        assert_int_equal(mkdirat(t->fd, "tree/other", 0700), 0);
        assert_int_equal(mount(volume, at, NULL, MS_BIND, NULL), 0); /* of the same file system */
        assert_true(nxc_remove_tree_at(t->fd, "tree", &err) < 0);
        assert_true(exists_at(t->fd, "volume/precious"));
        assert_false(exists_at(t->fd, "tree/other"));
        assert_int_equal(nxc_remove_tree_at(t->fd, "tree/at", &err), -EBUSY);
        assert_true(exists_at(t->fd, "volume/precious"));
        assert_int_equal(umount2(at, MNT_DETACH), 0);
        assert_int_equal(nxc_remove_tree_at(t->fd, "tree", NULL), 0);
}

/* --- inside a root --- */

static void make_root(struct temp_dir *t)
{
        assert_int_equal(mkdirat(t->fd, "root", 0755), 0);
        assert_int_equal(mkdirat(t->fd, "root/etc", 0755), 0);
        put_file(t->fd, "root/etc/passwd", "inside");
        put_file(t->fd, "outside", "outside");
        assert_int_equal(symlinkat("/etc/passwd", t->fd, "root/absolute"), 0);
        assert_int_equal(symlinkat("etc/passwd", t->fd, "root/relative"), 0);
        assert_int_equal(symlinkat("../../../outside", t->fd, "root/up"), 0);
        assert_int_equal(symlinkat("../outside", t->fd, "root/out"), 0);
        assert_int_equal(symlinkat("/proc/self/fd/0", t->fd, "root/magic"), 0);
        assert_int_equal(symlinkat("/etc", t->fd, "root/dir"), 0);
        assert_int_equal(symlinkat("loop", t->fd, "root/loop"), 0);
}

static void expect_text(int fd, const char *want)
{
        char *text = NULL;

        assert_true(fd >= 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(nxc_read_fd(fd, 100, &text, NULL, NULL, "x"), 0);
        assert_string_equal(text, want);
        free(text);
        close(fd);
}

static void root_open_follows_as_inside(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_close_ int root = -EBADF;

        make_root(t);
        root = openat(t->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        expect_text(nxc_root_open(root, "/etc/passwd", O_RDONLY, 0), "inside");
        expect_text(nxc_root_open(root, "absolute", O_RDONLY, 0), "inside");
        expect_text(nxc_root_open(root, "relative", O_RDONLY, 0), "inside");
        expect_text(nxc_root_open(root, "dir/passwd", O_RDONLY, 0), "inside");
        expect_text(nxc_root_open(root, "/../../etc/passwd", O_RDONLY, 0), "inside");
        assert_int_equal(nxc_root_open(root, "up", O_RDONLY, 0), -ENOENT);
        assert_int_equal(nxc_root_open(root, "out", O_RDONLY, 0), -ENOENT);
        assert_int_equal(nxc_root_open(root, "loop", O_RDONLY, 0), -ELOOP);
        assert_int_equal(nxc_root_open(root, "magic", O_RDONLY, 0), -ENOENT);
        close(nxc_root_open(root, "new", O_WRONLY | O_CREAT | O_EXCL, 0640));
        assert_true(exists_at(t->fd, "root/new"));
}

static void within_open_follows_what_stays(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_close_ int root = -EBADF;

        make_root(t);
        root = openat(t->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        expect_text(nxc_within_open(root, "relative", O_RDONLY, 0), "inside");
        expect_text(nxc_within_open(root, "etc/../relative", O_RDONLY, 0), "inside");
        assert_int_equal(nxc_within_open(root, "absolute", O_RDONLY, 0), -EXDEV);
        assert_int_equal(nxc_within_open(root, "out", O_RDONLY, 0), -EXDEV);
        assert_int_equal(nxc_within_open(root, "..", O_RDONLY, 0), -EXDEV);
}

static void beneath_open_follows_nothing(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_close_ int root = -EBADF;

        make_root(t);
        root = openat(t->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        expect_text(nxc_beneath_open(root, "etc/passwd", O_RDONLY, 0), "inside");
        expect_text(nxc_beneath_open(root, "/etc/passwd", O_RDONLY, 0), "inside");
        assert_int_equal(nxc_beneath_open(root, "relative", O_RDONLY, 0), -ELOOP);
        assert_int_equal(nxc_beneath_open(root, "dir/passwd", O_RDONLY, 0), -ELOOP);
        assert_int_equal(nxc_beneath_open(root, "../outside", O_RDONLY, 0), -EXDEV);
        close(nxc_beneath_open(root, "/", O_PATH | O_DIRECTORY, 0));
}

static void root_mkdir_p_goes_through_no_link(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_close_ int root = -EBADF;
        bool made = false;
        struct stat st;
        int fd;

        make_root(t);
        root = openat(t->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        fd = nxc_root_mkdir_p(root, "/a/./b//c/", 0750, &made);
        assert_true(fd >= 0 && made);
        assert_int_equal(fstatat(t->fd, "root/a/b/c", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode & 0777, 0750);
        put_file(fd, "in", "");
        assert_true(exists_at(t->fd, "root/a/b/c/in"));
        close(fd);
        fd = nxc_root_mkdir_p(root, "a/b/c", 0750, &made);
        assert_true(fd >= 0 && !made);
        close(fd);
        fd = nxc_root_mkdir_p(root, "", 0750, NULL);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(nxc_root_mkdir_p(root, "dir/x", 0750, NULL), -ENOTDIR);
        assert_int_equal(nxc_root_mkdir_p(root, "out", 0750, NULL), -ENOTDIR);
        assert_int_equal(nxc_root_mkdir_p(root, "etc/passwd/x", 0750, NULL), -ENOTDIR);
        assert_int_equal(nxc_root_mkdir_p(root, "a/../../x", 0750, NULL), -EINVAL);
        assert_false(exists_at(t->fd, "x"));
}

/* The old-kernel path on a new kernel: openat2 answers ENOSYS, in a child of the test. */
static void a_missing_openat2_is_said(void **state)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = { NXC_ARRAY_SIZE(code), code };
        struct temp_dir *t = *state;
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                struct nxc_error err = { 0 };

                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
                        _exit(77);
                if (nxc_root_open(t->fd, "x", O_PATH, 0) != -ENOSYS ||
                        nxc_within_open(t->fd, "x", O_PATH, 0) != -ENOSYS ||
                        nxc_beneath_open(t->fd, "x", O_PATH, 0) != -ENOSYS)
                        _exit(1);
                if (mkdirat(t->fd, "d", 0700) < 0 || mkdirat(t->fd, "d/e", 0700) < 0 ||
                        mkdirat(t->fd, "d/e/f", 0700) < 0)
                        _exit(2);
                if (nxc_remove_tree_at(t->fd, "d", &err) != -ENOSYS || !strstr(err.hint, "openat2"))
                        _exit(3);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(read_has_a_limit), cmocka_unit_test(read_knows_a_file_without_size),
                with_temp_dir(read_refuses_other_things), cmocka_unit_test(write_reports),
                with_temp_dir(mkdir_p_makes_the_way), with_temp_dir(open_dir_p_gives_an_fd),
                with_temp_dir(remove_tree_takes_all_kinds), with_temp_dir(remove_tree_of_less),
                with_temp_dir(remove_tree_goes_to_any_depth), with_temp_dir(root_open_follows_as_inside),
                with_temp_dir(within_open_follows_what_stays), with_temp_dir(beneath_open_follows_nothing),
                with_temp_dir(root_mkdir_p_goes_through_no_link), with_temp_dir(a_missing_openat2_is_said),
                with_temp_dir(remove_tree_stays_out_of_mounts), /* last: it leaves the mount namespace */
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
