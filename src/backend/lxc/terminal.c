/* The foreground: signals go on to the program, and with a terminal so do its bytes and its size. */
#include "backend/lxc/lxc-internal.h"

#include "core/fs.h"
#include "core/process.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

int lxc_receive_master(int sock, int *ret_fd, struct nxc_error *err)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        char name[64];
        struct iovec iov = { .iov_base = name, .iov_len = sizeof(name) };
        struct msghdr msg = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
        };
        ssize_t n;

        do
                n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n <= 0 || !CMSG_FIRSTHDR(&msg) || CMSG_FIRSTHDR(&msg)->cmsg_type != SCM_RIGHTS)
                return nxc_fail_kind(err, NXC_ERR_LXC, n < 0 ? errno : 0, "get the container's terminal");
        memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*ret_fd));
        return 0;
}

struct proxy {
        int master;
        bool has_input, is_raw;
        struct termios saved;
};

static void proxy_init(struct proxy *p, int master)
{
        struct termios raw;

        *p = (struct proxy){ .master = master, .has_input = master >= 0 };
        if (master < 0 || tcgetattr(STDIN_FILENO, &p->saved) < 0)
                return;
        raw = p->saved;
        cfmakeraw(&raw);
        p->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void proxy_done(struct proxy *p)
{
        if (p->is_raw)
                tcsetattr(STDIN_FILENO, TCSANOW, &p->saved);
}

static void pass_size(const struct proxy *p)
{
        struct winsize ws;

        if (p->master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0)
                ioctl(p->master, TIOCSWINSZ, &ws);
}

static void pass_input(struct proxy *p)
{
        char buf[4096];
        ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

        if (n > 0 && nxc_write_all(p->master, buf, (size_t)n) == 0)
                return;
        if (n == 0 && !p->is_raw) /* the end of a pipe: what a person would type */
                nxc_write_all(p->master, "\x04", 1);
        p->has_input = false;
}

/* false: it is at its end (EIO: no slave is open). */
static bool pass_output(struct proxy *p)
{
        char buf[16384];
        ssize_t n = read(p->master, buf, sizeof(buf));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return true;
        if (n <= 0)
                return false;
        nxc_write_all(STDOUT_FILENO, buf, (size_t)n);
        return true;
}

static void pass_signals(int signal_fd, int pidfd, const struct proxy *p)
{
        struct signalfd_siginfo si;

        while (read(signal_fd, &si, sizeof(si)) == sizeof(si)) {
                if (si.ssi_signo == SIGWINCH && p->master >= 0)
                        pass_size(p);
                else if (si.ssi_signo != SIGCHLD)
                        syscall(SYS_pidfd_send_signal, pidfd, (int)si.ssi_signo, NULL, 0);
        }
}

static void drain(struct proxy *p)
{
        struct pollfd pf = { .fd = p->master, .events = POLLIN };

        while (p->master >= 0 && poll(&pf, 1, 0) > 0 && (pf.revents & POLLIN) && pass_output(p))
                ;
}

static int loop(struct proxy *p, pid_t pid, int pidfd, int signal_fd, struct nxc_error *err)
{
        struct pollfd pf[4] = { { .fd = pidfd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN },
                { .fd = p->master, .events = POLLIN }, { .events = POLLIN } };

        while (!pf[0].revents) {
                pf[3].fd = p->has_input ? STDIN_FILENO : -1;
                if (poll(pf, 4, -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return nxc_fail(err, errno, "wait for process %d", (int)pid);
                }
                if (pf[1].revents)
                        pass_signals(signal_fd, pidfd, p);
                if (pf[2].revents && !pass_output(p))
                        pf[2].fd = -1;
                if (pf[3].fd >= 0 && pf[3].revents)
                        pass_input(p);
        }
        drain(p);
        return 0;
}

int lxc_foreground(pid_t pid, int master, int *ret_code, struct nxc_error *err)
{
        static const int ours[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP,
                SIGTTIN, SIGTTOU, SIGTSTP, SIGCHLD, SIGURG };
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), signal_fd = -EBADF;
        struct proxy proxy;
        sigset_t set, old;
        int status = 0, r;

        sigfillset(&set);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(ours); i++)
                sigdelset(&set, ours[i]);
        sigprocmask(SIG_BLOCK, &set, &old);
        signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (pidfd < 0 || signal_fd < 0)
                return nxc_fail(err, errno, "watch process %d", (int)pid);
        proxy_init(&proxy, master);
        pass_size(&proxy);
        r = loop(&proxy, pid, pidfd, signal_fd, err);
        proxy_done(&proxy);
        sigprocmask(SIG_SETMASK, &old, NULL);
        if (r < 0)
                return r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return nxc_fail(err, errno, "wait for process %d", (int)pid);
        *ret_code = nxc_process_exit_code(status);
        return 0;
}
