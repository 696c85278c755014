/* See wait-internal.h. */
#include "lifecycle/wait-internal.h"

#include "core/cleanup.h"
#include "core/process.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void forwarded_signals(sigset_t *set)
{
        sigfillset(set);
        for (int i = 0; i < 9; i++) {
                static const int ours[] = { SIGKILL, SIGSTOP, SIGCHLD, SIGSEGV, SIGBUS, SIGILL, SIGFPE,
                        SIGABRT, SIGTRAP };

                sigdelset(set, ours[i]);
        }
}

int nxc_waiter_init(struct nxc_waiter *w, pid_t pid, struct nxc_error *err)
{
        sigset_t set;

        *w = (struct nxc_waiter){ .pid = pid, .pidfd = -EBADF, .signal_fd = -EBADF };
        forwarded_signals(&set);
        sigprocmask(SIG_BLOCK, &set, &w->old);
        w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        w->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (w->signal_fd < 0 || w->pidfd < 0) {
                int saved = errno;

                nxc_waiter_done(w);
                return nxc_fail(err, saved, "watch process %d", (int)pid);
        }
        return 0;
}

void nxc_waiter_done(struct nxc_waiter *w)
{
        nxc_closep(&w->signal_fd);
        nxc_closep(&w->pidfd);
        sigprocmask(SIG_SETMASK, &w->old, NULL);
}

int nxc_waiter_wait(struct nxc_waiter *w, int *ret_code, struct nxc_error *err)
{
        struct pollfd pf[2] = { { .fd = w->pidfd, .events = POLLIN },
                { .fd = w->signal_fd, .events = POLLIN } };
        struct signalfd_siginfo si;
        int status;

        while (!pf[0].revents) {
                if (poll(pf, 2, -1) < 0 && errno != EINTR)
                        return nxc_fail(err, errno, "wait for process %d", (int)w->pid);
                while (read(w->signal_fd, &si, sizeof(si)) == sizeof(si))
                        syscall(SYS_pidfd_send_signal, w->pidfd, (int)si.ssi_signo, NULL, 0);
        }
        while (waitpid(w->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return nxc_fail(err, errno, "wait for process %d", (int)w->pid);
        *ret_code = nxc_process_exit_code(status);
        return 0;
}
