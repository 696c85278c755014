/* See kill-internal.h. */
#include "backend/kill-internal.h"

#include "core/cleanup.h"
#include "core/path.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

int nxc_kill_not_running(const char *id, struct nxc_error *err)
{
        return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "container not running: %s", id);
}

/* cgroup v2 kills frozen tasks, and has no such file. */
static int thaw(pid_t pid)
{
        _cleanup_free_ char *dir = NULL, *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r = nxc_cgroup_dir_of(pid, "freezer", &dir, NULL);

        if (r < 0)
                return r;
        path = nxc_path_join(dir, "freezer.state");
        if (!path)
                return -ENOMEM;
        fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 || write(fd, "THAWED", 6) < 0 ? -errno : 0;
}

/* Other failures the container's own state will show. */
static int thaw_if_frozen(pid_t pid, struct nxc_error *err)
{
        bool frozen;
        int r = nxc_cgroup_is_frozen(pid, &frozen, NULL);

        if (r == 0 && frozen)
                r = thaw(pid);
        return r == -ENOMEM ? nxc_oom(err) : 0;
}

int nxc_kill_process(const char *id, int pidfd, pid_t pid, int signal, struct nxc_error *err)
{
        if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0) {
                if (errno == ESRCH)
                        return nxc_kill_not_running(id, err);
                return nxc_fail(err, errno, "send signal %d to container '%s'", signal, id);
        }
        return signal == SIGKILL ? thaw_if_frozen(pid, err) : 0;
}

static bool is_in(pid_t pid, const pid_t *pids, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (pids[i] == pid)
                        return true;
        return false;
}

/* A PID is only signalled when it still is in the cgroup after a pidfd of it was opened. */
static int kill_all(const char *id, pid_t init, int signal, struct nxc_error *err)
{
        _cleanup_free_ pid_t *before = NULL, *after = NULL;
        _cleanup_free_ int *fds = NULL;
        size_t n_before = 0, n_after = 0, sent = 0;
        int r = nxc_cgroup_pids(init, &before, &n_before, err);

        if (r < 0)
                return r;
        fds = calloc(n_before ? n_before : 1, sizeof(*fds));
        if (!fds)
                return nxc_oom(err);
        for (size_t i = 0; i < n_before; i++)
                fds[i] = (int)syscall(SYS_pidfd_open, before[i], 0);
        r = nxc_cgroup_pids(init, &after, &n_after, err);
        for (size_t i = 0; i < n_before; i++) {
                if (r == 0 && fds[i] >= 0 && is_in(before[i], after, n_after))
                        sent += syscall(SYS_pidfd_send_signal, fds[i], signal, NULL, 0) == 0;
                nxc_closep(&fds[i]);
        }
        if (r == 0 && signal == SIGKILL)
                r = thaw_if_frozen(init, err);
        return r == 0 && sent == 0 ? nxc_kill_not_running(id, err) : r;
}

int nxc_kill_default(const struct nxc_backend_ops *b, const struct nxc_backend_target *t, int signal,
        bool all, struct nxc_error *err)
{
        _cleanup_close_ int pidfd = -EBADF;
        struct nxc_backend_status first, again;
        int r = b->status(t, &first, err);

        if (r < 0)
                return r;
        if (first.status == NXC_STATUS_STOPPED)
                return nxc_kill_not_running(t->id, err);
        pidfd = (int)syscall(SYS_pidfd_open, first.pid, 0);
        r = b->status(t, &again, err);
        if (r < 0)
                return r;
        if (pidfd < 0 || again.pid != first.pid || again.status == NXC_STATUS_STOPPED)
                return nxc_kill_not_running(t->id, err);
        return all ? kill_all(t->id, first.pid, signal, err)
                   : nxc_kill_process(t->id, pidfd, first.pid, signal, err);
}
