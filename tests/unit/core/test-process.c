/* Child processes: what they get, what comes back, and that none of them can hold us. */
#include "core/process.h"
#include "temp-dir.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#define SH(script) ((const char *const[]){ "sh", "-c", script, NULL })

static void exit_codes(void **state)
{
        static const struct {
                const char *script;
                int code;
        } cases[] = { { "exit 0", 0 }, { "exit 7", 7 }, { "exit 255", 255 }, { "kill -9 $$", 137 },
                { "kill $$", 143 } };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
                int status;

                o.argv = SH(cases[i].script);
                assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
                assert_int_equal(nxc_process_exit_code(status), cases[i].code);
        }
}

static void words_come_back(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { 0 }, errs = { 0 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        int status;

        o.argv = SH("cat; echo end; echo bad >&2");
        o.input = "given\n";
        o.input_len = 6;
        o.capture_stdout = &out;
        o.capture_stderr = &errs;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_string_equal(out.data, "given\nend\n");
        assert_string_equal(errs.data, "bad\n");
}

static void a_descriptor_of_the_program_is_executed(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        _cleanup_close_ int shell = open("/bin/sh", O_RDONLY | O_CLOEXEC);
        int status;

        o.argv = (const char *const[]){ "true", "-c", "echo by the shell", NULL };
        o.program_fd = shell;
        o.capture_stdout = &out;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_string_equal(out.data, "by the shell\n");
}

static void silence_is_an_empty_string(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        int status;

        o.argv = SH("exit 0");
        o.capture_stdout = &out;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_string_equal(out.data, "");
}

static void large_talk_both_ways(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { .limit = 8 << 20 }, in = { 0 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        int status;

        for (int i = 0; i < 200000; i++)
                nxc_buf_printf(&in, "line %d\n", i);
        o.argv = SH("cat");
        o.input = in.data;
        o.input_len = in.len;
        o.capture_stdout = &out;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_int_equal(out.len, in.len);
        assert_memory_equal(out.data, in.data, in.len);
}

static void a_capture_is_filled_to_its_limit(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { .limit = 10 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        int status;

        o.argv = SH("for i in 1 2 3 4 5 6 7 8; do echo 0123456; done; head -c 300000 /dev/zero; exit 3");
        o.capture_stdout = &out;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_int_equal(nxc_process_exit_code(status), 3);
        assert_string_equal(out.data, "0123456\n01");
}

static void a_child_that_does_not_read_is_no_signal(void **state)
{
        _cleanup_buf_ struct nxc_buf in = { 0 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        struct sigaction was;
        int status;

        for (int i = 0; i < 100000; i++)
                nxc_buf_puts(&in, "0123456789");
        o.argv = SH("exec 0<&-; sleep 0.05; exit 4");
        o.input = in.data;
        o.input_len = in.len;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_int_equal(nxc_process_exit_code(status), 4);
        assert_int_equal(sigaction(SIGPIPE, NULL, &was), 0);
        assert_true(was.sa_handler == SIG_DFL);
}

static void a_timeout_kills_the_group(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *script = nxc_strf("(sleep 1; touch %s/late) & sleep 30", t->path);
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        _cleanup_buf_ struct nxc_buf out = { 0 };
        struct nxc_error err = { 0 };
        int64_t start = now_ms();
        int status = 77;

        o.argv = SH(script);
        o.capture_stdout = &out;
        o.timeout_ms = 100;
        assert_int_equal(nxc_process_run(&o, &status, &err), -ETIMEDOUT);
        assert_true(now_ms() - start < 5000);
        assert_int_equal(status, 77);
        assert_string_equal(err.message, "wait for 'sh': Connection timed out");
        usleep(1200000);
        assert_false(exists_at(t->fd, "late"));
}

static void a_grandchild_does_not_hold_us(void **state)
{
        static const char *const scripts[] = { "sleep 5 & echo done",
                "(trap '' PIPE; while :; do echo y || exit; done) & "
                "echo done" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(scripts); i++) {
                struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
                _cleanup_buf_ struct nxc_buf out = { 0 };
                int64_t start = now_ms();
                int status;

                o.argv = SH(scripts[i]);
                o.capture_stdout = &out;
                assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
                assert_true(now_ms() - start < 4000);
                assert_non_null(strstr(out.data, "done\n"));
        }
}

static void the_environment_is_scrubbed(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        int status;

        setenv("NXC_SECRET", "x", 1);
        o.argv = (const char *const[]){ "env", NULL };
        o.capture_stdout = &out;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_string_equal(out.data, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
        out.len = 0;
        o.envp = (const char *const[]){ "A=1", NULL };
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_string_equal(out.data, "A=1\n");
}

static void only_preserved_fds_are_inherited(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        struct nxc_error err = { 0 };
        int status, three = dup3(1, 3, O_CLOEXEC) == 3, four = dup3(1, 40, O_CLOEXEC) == 40;

        assert_true(three && four);
        o.argv = SH("for fd in 3 40; do test -e /proc/self/fd/$fd && echo $fd; done; :");
        o.capture_stdout = &out;
        o.preserve_fds = 1;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_string_equal(out.data, "3\n");
        assert_true(fcntl(3, F_GETFD) & FD_CLOEXEC);
        o.preserve_fds = 30;
        assert_int_equal(nxc_process_run(&o, &status, &err), -EBADF);
        assert_non_null(strstr(err.message, "preserve file descriptor"));
        close(3);
        close(40);
}

static void the_directory_is_set(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_buf_ struct nxc_buf out = { 0 };
        _cleanup_free_ char *want = nxc_strf("%s\n", t->path);
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        int status;

        o.argv = (const char *const[]){ "pwd", NULL };
        o.cwd = t->path;
        o.capture_stdout = &out;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_string_equal(out.data, want);
        o.cwd = "/nonexistent";
        assert_int_equal(nxc_process_run(&o, &status, NULL), -ENOENT);
}

static void what_cannot_run_is_an_error(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_free_ char *plain = nxc_strf("%s/plain", t->path);
        const char *const names[] = { "no-such-program", "/no/such/program", plain };
        const int errnums[] = { -ENOENT, -ENOENT, -EACCES };

        put_file(t->fd, "plain", "");
        for (size_t i = 0; i < NXC_ARRAY_SIZE(names); i++) {
                struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
                struct nxc_error err = { 0 };
                int status;

                o.argv = (const char *const[]){ names[i], NULL };
                assert_int_equal(nxc_process_run(&o, &status, &err), errnums[i]);
                assert_non_null(strstr(err.message, names[i]));
        }
}

static void spawn_gives_a_pidfd(void **state)
{
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        _cleanup_close_ int pidfd = -EBADF;
        siginfo_t info = { 0 };
        pid_t pid;

        o.argv = SH("exit 5");
        assert_int_equal(nxc_process_spawn(&o, &pid, &pidfd, NULL), 0);
        assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
        assert_int_equal(info.si_status, 5);
        assert_int_equal(info.si_pid, pid);
}

static int refuse(void *arg)
{
        return -*(int *)arg;
}

static void a_child_can_refuse_before_the_program(void **state)
{
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        int status, errnum = EXDEV;

        o.argv = SH("exit 6");
        o.in_child = refuse;
        o.in_child_arg = &errnum;
        assert_int_equal(nxc_process_run(&o, &status, NULL), -EXDEV);
        errnum = 0;
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_int_equal(nxc_process_exit_code(status), 6);
        o.argv = (const char *const[]){ "sh", NULL };
        o.program = "/bin/true";
        assert_int_equal(nxc_process_run(&o, &status, NULL), 0);
        assert_int_equal(nxc_process_exit_code(status), 0);
}

/* In a child of the test, since it changes what the test itself stands on. */
static void guard_opens_and_hides(void **state)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;

                signal(SIGCHLD, SIG_IGN);
                close(0);
                close(2);
                if (dup2(1, 50) != 50 || nxc_process_guard() < 0)
                        _exit(1);
                if (fcntl(0, F_GETFD) != 0 || fcntl(2, F_GETFD) != 0 || !(fcntl(50, F_GETFD) & FD_CLOEXEC))
                        _exit(2);
                o.argv = SH("exit 9");
                _exit(nxc_process_run(&o, &status, NULL) < 0 ? 3 : nxc_process_exit_code(status));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(nxc_process_exit_code(status), 9);
}

static void find(void **state)
{
        _cleanup_free_ char *path = NULL, *other = NULL;

        assert_int_equal(nxc_process_find("sh", &path), 0);
        assert_true(nxc_ends_with(path, "/sh") && path[0] == '/');
        assert_int_equal(nxc_process_find("/bin/sh", &other), 0);
        assert_int_equal(nxc_process_find("no-such-program", &path), -ENOENT);
        assert_int_equal(nxc_process_find("", &path), -ENOENT);
        assert_int_equal(nxc_process_find("/usr/bin", &path), -EACCES);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_descriptor_of_the_program_is_executed),
                cmocka_unit_test(exit_codes),
                cmocka_unit_test(words_come_back),
                cmocka_unit_test(silence_is_an_empty_string),
                cmocka_unit_test(large_talk_both_ways),
                cmocka_unit_test(a_capture_is_filled_to_its_limit),
                cmocka_unit_test(a_child_that_does_not_read_is_no_signal),
                with_temp_dir(a_timeout_kills_the_group),
                cmocka_unit_test(a_grandchild_does_not_hold_us),
                cmocka_unit_test(the_environment_is_scrubbed),
                cmocka_unit_test(only_preserved_fds_are_inherited),
                with_temp_dir(the_directory_is_set),
                with_temp_dir(what_cannot_run_is_an_error),
                cmocka_unit_test(spawn_gives_a_pidfd),
                cmocka_unit_test(a_child_can_refuse_before_the_program),
                cmocka_unit_test(guard_opens_and_hides),
                cmocka_unit_test(find),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
