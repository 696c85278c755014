/* See process.h. vfork semantics come from posix_spawn; fds are kept out of the child by O_CLOEXEC, which
 * everything of ours carries, so the child only inherits 0, 1, 2 and the preserved ones. */
#include "core/process.h"

#include "core/cleanup.h"
#include "core/fs.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CAPTURE_LIMIT (1024 * 1024) /* more of a child's words than this helps nobody */

static const char *const default_env[] = { "PATH=" SYSTEM_PATH, NULL };

static int check_program(const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EACCES; /* as execve(2) says of a directory, which access(2) would let pass */
        return access(path, X_OK) < 0 ? -errno : 0;
}

int nxc_process_find(const char *name, char **ret_path)
{
        const char *dir = SYSTEM_PATH;

        if (strchr(name, '/')) {
                int r = check_program(name);

                if (r < 0)
                        return r;
                *ret_path = strdup(name);
                return *ret_path ? 0 : -ENOMEM;
        }
        while (*dir) {
                size_t n = strcspn(dir, ":");
                char *p = nxc_strf("%.*s/%s", (int)n, dir, name);

                if (!p)
                        return -ENOMEM;
                if (check_program(p) == 0) {
                        *ret_path = p;
                        return 0;
                }
                free(p);
                dir += n;
                dir += *dir == ':';
        }
        return -ENOENT;
}

static int inherited_end = -1; /* the first fd from 3 on that was not open when we started */

int nxc_process_guard(void)
{
        int fd;

        for (inherited_end = 3; fcntl(inherited_end, F_GETFD) >= 0; inherited_end++)
                ;
        do {
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
        } while (fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
        close(fd);
        /* Linux 5.11; on older ones the caller's fds are the caller's care, as for other programs */
        if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0 && errno != ENOSYS && errno != EINVAL)
                return -errno;
        return signal(SIGCHLD, SIG_DFL) == SIG_ERR ? -errno : 0;
}

bool nxc_process_may_preserve(int n)
{
        if (n <= 0)
                return n == 0;
        if (inherited_end >= 0)
                return n <= inherited_end - 3;
        for (int fd = 3; fd < 3 + n; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        return false;
        return true;
}

int nxc_process_exit_code(int status)
{
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int add_stdio(posix_spawn_file_actions_t *fa, int child_fd, int fd)
{
        if (fd < 0)
                return posix_spawn_file_actions_addopen(fa, child_fd, "/dev/null", O_RDWR, 0);
        return posix_spawn_file_actions_adddup2(fa, fd, child_fd); /* dup2 onto itself clears O_CLOEXEC */
}

static int prepare(const struct nxc_process_opts *o, const int fds[3], posix_spawn_file_actions_t *fa,
        posix_spawnattr_t *attr)
{
        short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
        sigset_t none, pipe_only;
        int r = 0;

        sigemptyset(&none);
        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        posix_spawnattr_setsigmask(attr, &none);
        posix_spawnattr_setsigdefault(attr, &pipe_only);
        if (o->new_group || o->timeout_ms > 0)
                flags |= POSIX_SPAWN_SETPGROUP;
        posix_spawnattr_setflags(attr, flags);
        for (int i = 0; r == 0 && i < 3; i++)
                r = add_stdio(fa, i, fds[i]);
        for (int i = 0; r == 0 && i < o->preserve_fds; i++)
                r = posix_spawn_file_actions_adddup2(fa, 3 + i, 3 + i);
        if (r == 0 && o->cwd)
                r = posix_spawn_file_actions_addchdir_np(fa, o->cwd);
        return r;
}

static int posix_way(const struct nxc_process_opts *o, const char *path, const int fds[3], pid_t *ret_pid)
{
        posix_spawn_file_actions_t fa;
        posix_spawnattr_t attr;
        int r;

        posix_spawn_file_actions_init(&fa);
        posix_spawnattr_init(&attr);
        r = prepare(o, fds, &fa, &attr);
        if (r == 0)
                r = posix_spawn(ret_pid, path, &fa, &attr, (char *const *)o->argv,
                        (char *const *)(o->envp ? o->envp : default_env));
        posix_spawnattr_destroy(&attr);
        posix_spawn_file_actions_destroy(&fa);
        return -r;
}

static int child_fds(const struct nxc_process_opts *o, const int fds[3])
{
        for (int i = 0; i < 3; i++) {
                int fd = fds[i] >= 0 ? fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);

                if (fd < 0 || (fd == i ? fcntl(i, F_SETFD, 0) : dup2(fd, i)) < 0)
                        return -errno;
        }
        for (int i = 3; i < 3 + o->preserve_fds; i++)
                if (fcntl(i, F_SETFD, 0) < 0)
                        return -errno;
        return 0;
}

static void child(const struct nxc_process_opts *o, const char *path, const int fds[3], int report_fd)
{
        sigset_t none;
        int r;

        sigemptyset(&none);
        signal(SIGPIPE, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (o->new_group || o->timeout_ms > 0)
                setpgid(0, 0);
        r = child_fds(o, fds);
        if (r == 0 && o->cwd && chdir(o->cwd) < 0)
                r = -errno;
        if (r == 0)
                r = o->in_child(o->in_child_arg);
        if (r == 0) {
                execve(path, (char *const *)o->argv, (char *const *)(o->envp ? o->envp : default_env));
                r = -errno;
        }
        nxc_write_all(report_fd, &r, sizeof(r));
        _exit(127);
}

/* The pipe closes when the program is executed; until then the child says through it what went wrong. */
static int fork_way(const struct nxc_process_opts *o, const char *path, const int fds[3], pid_t *ret_pid)
{
        _cleanup_close_ int report_out = -EBADF, report_in = -EBADF;
        int p[2], r = 0;
        ssize_t n;
        pid_t pid;

        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        report_out = p[0];
        report_in = p[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                child(o, path, fds, report_in);
        nxc_closep(&report_in);
        do
                n = read(report_out, &r, sizeof(r));
        while (n < 0 && errno == EINTR);
        if (n == sizeof(r)) {
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                return r;
        }
        *ret_pid = pid;
        return 0;
}

static int spawn(const struct nxc_process_opts *o, const int fds[3], pid_t *ret_pid, struct nxc_error *err)
{
        const char *program = o->program ? o->program : o->argv[0];
        _cleanup_free_ char *path = NULL;
        char by_fd[32];
        const char *file;
        int r;

        r = nxc_process_find(program, &path);
        if (r < 0)
                return nxc_fail(err, -r, "find program '%s'", program);
        snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", o->program_fd);
        file = o->program_fd >= 0 ? by_fd : path;
        r = o->in_child ? fork_way(o, file, fds, ret_pid) : posix_way(o, file, fds, ret_pid);
        return r < 0 ? nxc_fail(err, -r, "run '%s'", path) : 0;
}

/* Before our own pipes may take the numbers: what the caller promised has to be there. */
static int check_preserved(const struct nxc_process_opts *o, struct nxc_error *err)
{
        for (int fd = 3; fd < 3 + o->preserve_fds; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        return nxc_fail(err, errno, "preserve file descriptor %d for '%s'", fd, o->argv[0]);
        return 0;
}

int nxc_process_spawn(
        const struct nxc_process_opts *o, pid_t *ret_pid, int *ret_pidfd, struct nxc_error *err)
{
        const int fds[3] = { o->stdin_fd, o->stdout_fd, o->stderr_fd };
        pid_t pid;
        int r = check_preserved(o, err);

        if (r == 0)
                r = spawn(o, fds, &pid, err);
        if (r < 0)
                return r;
        if (ret_pidfd) {
                int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

                if (pidfd < 0) {
                        r = -errno;
                        kill(pid, SIGKILL);
                        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                                ;
                        return nxc_fail(err, -r, "watch '%s'", o->argv[0]);
                }
                *ret_pidfd = pidfd;
        }
        *ret_pid = pid;
        return 0;
}

struct pipes {
        int in[2], out[2], errs[2];
};

static void pipes_done(struct pipes *p)
{
        for (int i = 0; i < 2; i++) {
                nxc_closep(&p->in[i]);
                nxc_closep(&p->out[i]);
                nxc_closep(&p->errs[i]);
        }
}

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Takes what is there into the capture; past its limit it is read and dropped, so that the child never
 * blocks, and so it is where memory ends. */
static bool drain(int fd, struct nxc_buf *into, bool *lost)
{
        char chunk[8192];
        ssize_t n = read(fd, chunk, sizeof(chunk));

        if (n < 0)
                return errno == EINTR || errno == EAGAIN;
        if (n == 0)
                return false;
        if ((size_t)n > into->limit - into->len)
                n = (ssize_t)(into->limit - into->len);
        *lost |= nxc_buf_add(into, chunk, (size_t)n) < 0;
        return true;
}

/* Writes without the SIGPIPE of a child that does not read, and without touching the process's disposition
 * of it, which other threads rely on. */
static ssize_t write_quietly(int fd, const void *data, size_t len)
{
        static const struct timespec at_once;
        sigset_t pipe_only, old, pending;
        ssize_t n;
        int saved;

        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        sigpending(&pending);
        pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
        n = write(fd, data, len);
        saved = errno;
        if (n < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE))
                while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
                        ;
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        errno = saved;
        return n;
}

static bool feed(int fd, const struct nxc_process_opts *o, size_t *offset)
{
        ssize_t n = write_quietly(fd, o->input + *offset, o->input_len - *offset);

        if (n < 0)
                return errno == EINTR || errno == EAGAIN;
        *offset += (size_t)n;
        return *offset < o->input_len;
}

/* Once the process ended, what a pipe can hold is still its words; more comes from a grandchild that goes on
 * writing, and would never end. */
#define LAST_READS 256

/* Until the process ended; a grandchild that keeps the pipes open does not hold us. */
static int converse(const struct nxc_process_opts *o, struct pipes *p, int pidfd, bool *ret_lost)
{
        bool lost_words = false; /* on stderr: the worse message, not a wrong result */
        int64_t deadline = o->timeout_ms > 0 ? now_ms() + o->timeout_ms : -1;
        bool ended = false;
        size_t offset = 0;
        int reads = 0;

        for (;;) {
                struct pollfd pf[4] = {
                        { .fd = pidfd, .events = POLLIN },
                        { .fd = p->out[0], .events = POLLIN },
                        { .fd = p->errs[0], .events = POLLIN },
                        { .fd = p->in[1], .events = POLLOUT },
                };
                int left = deadline < 0 ? -1 : (int)(deadline - now_ms());
                int n;

                if (deadline >= 0 && left <= 0 && !ended)
                        return -ETIMEDOUT;
                n = poll(pf, 4, ended ? 0 : left);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n <= 0 && ended)
                        return 0;
                if (n <= 0)
                        continue;
                if (pf[1].revents && !drain(p->out[0], o->capture_stdout, ret_lost))
                        nxc_closep(&p->out[0]);
                if (pf[2].revents && !drain(p->errs[0], o->capture_stderr, &lost_words))
                        nxc_closep(&p->errs[0]);
                if (pf[3].revents && ((pf[3].revents & POLLERR) || !feed(p->in[1], o, &offset)))
                        nxc_closep(&p->in[1]);
                if (pf[0].revents) {
                        ended = true;
                        if (p->out[0] < 0 && p->errs[0] < 0)
                                return 0;
                        if ((!pf[1].revents && !pf[2].revents) || ++reads > LAST_READS)
                                return 0;
                }
        }
}

static int begin_capture(struct nxc_buf *b)
{
        if (!b)
                return 0;
        if (b->limit == 0)
                b->limit = CAPTURE_LIMIT;
        return nxc_buf_add(b, "", 0);
}

int nxc_process_run(const struct nxc_process_opts *o, int *ret_status, struct nxc_error *err)
{
        _cleanup_(pipes_done) struct pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
        _cleanup_close_ int pidfd = -EBADF;
        int fds[3], r, status;
        bool lost = false;
        pid_t pid;

        r = check_preserved(o, err);
        if (r < 0)
                return r;
        if ((o->input && pipe2(p.in, O_CLOEXEC) < 0) || (o->capture_stdout && pipe2(p.out, O_CLOEXEC) < 0) ||
                (o->capture_stderr && pipe2(p.errs, O_CLOEXEC) < 0))
                return nxc_fail(err, errno, "make a pipe to '%s'", o->argv[0]);
        if (begin_capture(o->capture_stdout) < 0 || begin_capture(o->capture_stderr) < 0)
                return nxc_oom(err);
        fds[0] = o->input ? p.in[0] : o->stdin_fd;
        fds[1] = o->capture_stdout ? p.out[1] : o->stdout_fd;
        fds[2] = o->capture_stderr ? p.errs[1] : o->stderr_fd;
        r = spawn(o, fds, &pid, err);
        if (r < 0)
                return r;
        nxc_closep(&p.in[0]);
        nxc_closep(&p.out[1]);
        nxc_closep(&p.errs[1]);
        r = 0;
        if (o->input || o->capture_stdout || o->capture_stderr || o->timeout_ms > 0) {
                if (p.in[1] >= 0)
                        fcntl(p.in[1], F_SETFL, O_NONBLOCK);
                pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
                r = pidfd < 0 ? -errno : converse(o, &p, pidfd, &lost);
                if (r < 0)
                        kill(o->new_group || o->timeout_ms > 0 ? -pid : pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return nxc_fail(err, errno, "wait for '%s'", o->argv[0]);
        if (r < 0)
                return nxc_fail(err, -r, "wait for '%s'", o->argv[0]);
        if (lost)
                return nxc_fail(err, ENOMEM, "read what '%s' says", o->argv[0]);
        *ret_status = status;
        return 0;
}

int nxc_process_listen_fds(void)
{
        const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
        uint64_t p, n;

        if (!pid || !fds || nxc_parse_u64(pid, &p) < 0 || nxc_parse_u64(fds, &n) < 0 || n > 1024)
                return 0;
        return p == (uint64_t)getpid() ? (int)n : 0;
}
