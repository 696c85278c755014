/* Locks between processes. */
#include "core/lock.h"
#include "temp-dir.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

/* A process that holds the lock until it is killed; returns once it has it. */
static pid_t holder(struct temp_dir *t, enum nxc_lock_mode mode)
{
        int p[2];
        char c;
        pid_t pid;

        assert_int_equal(pipe(p), 0);
        pid = fork();
        if (pid == 0) {
                int fd;

                if (nxc_lock_at(t->fd, "lock", mode, 0, &fd, NULL) < 0 || write(p[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        close(p[1]);
        assert_int_equal(read(p[0], &c, 1), 1);
        close(p[0]);
        return pid;
}

static void end(pid_t pid)
{
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void an_exclusive_lock_excludes(void **state)
{
        struct temp_dir *t = *state;
        pid_t pid = holder(t, NXC_LOCK_EXCLUSIVE);
        struct nxc_error err = { 0 };
        struct timespec a, b;
        int fd = -EBADF;

        assert_int_equal(nxc_lock_at(t->fd, "lock", NXC_LOCK_SHARED, 0, &fd, &err), -EBUSY);
        assert_string_equal(nxc_error_kind_name(err.kind), "Busy");
        assert_non_null(strstr(err.message, "/lock', held by another process"));
        assert_int_equal(fd, -EBADF);
        clock_gettime(CLOCK_MONOTONIC, &a);
        assert_int_equal(nxc_lock_at(t->fd, "lock", NXC_LOCK_EXCLUSIVE, 100, &fd, NULL), -EBUSY);
        clock_gettime(CLOCK_MONOTONIC, &b);
        assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 90);
        end(pid); /* kill -9 releases it */
        assert_int_equal(nxc_lock_at(t->fd, "lock", NXC_LOCK_EXCLUSIVE, 0, &fd, NULL), 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        close(fd);
}

static void shared_locks_share(void **state)
{
        struct temp_dir *t = *state;
        pid_t pid = holder(t, NXC_LOCK_SHARED);
        int fd;

        assert_int_equal(nxc_lock_at(t->fd, "lock", NXC_LOCK_SHARED, 0, &fd, NULL), 0);
        close(fd);
        assert_int_equal(nxc_lock_at(t->fd, "lock", NXC_LOCK_EXCLUSIVE, 0, &fd, NULL), -EBUSY);
        end(pid);
}

static void a_waiter_gets_it(void **state)
{
        struct temp_dir *t = *state;
        pid_t pid = holder(t, NXC_LOCK_EXCLUSIVE), killer = fork();
        int fd;

        if (killer == 0) {
                usleep(50000);
                _exit(kill(pid, SIGKILL) < 0);
        }
        assert_int_equal(nxc_lock_at(t->fd, "lock", NXC_LOCK_EXCLUSIVE, -1, &fd, NULL), 0);
        close(fd);
        assert_int_equal(waitpid(killer, NULL, 0), killer);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_link_is_no_lock(void **state)
{
        struct temp_dir *t = *state;
        int fd;

        assert_int_equal(symlinkat("elsewhere", t->fd, "lock"), 0);
        assert_int_equal(nxc_lock_at(t->fd, "lock", NXC_LOCK_EXCLUSIVE, 0, &fd, NULL), -ELOOP);
        assert_false(exists_at(t->fd, "elsewhere"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(an_exclusive_lock_excludes),
                with_temp_dir(shared_locks_share),
                with_temp_dir(a_waiter_gets_it),
                with_temp_dir(a_link_is_no_lock),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
