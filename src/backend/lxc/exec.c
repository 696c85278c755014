/* exec: one more process. It joins the container by a pidfd, gets a terminal of its own, and is made by
 * nexcage-init as the container's first was. Nothing of the container's files is read for it. */
#include "backend/lxc/lxc-internal.h"

#include "core/json.h"
#include "core/path.h"
#include "core/process.h"
#include "oci/compose.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { FD_INIT, FD_PLAN, FD_REPORT, FD_CONSOLE, N_FDS };

struct execution {
        const struct nxc_backend_exec *e;
        int fds[N_FDS];
        bool userns;
};

static int number_of(const struct nxc_backend_exec *e, int which)
{
        return 3 + e->preserve_fds + which;
}

/* In the container: descriptors on their numbers, then nexcage-init. */
static int become_init(void *arg, int report_fd, struct nxc_error *err)
{
        struct execution *x = arg;
        char plan[16], report[16];
        char *argv[] = { (char[]){ "nexcage-init" }, (char[]){ "run" }, plan, report, NULL },
             *none[] = { NULL };
        int moved[N_FDS], stdio[3];

        x->fds[FD_REPORT] = report_fd;
        for (int i = 0; i < N_FDS; i++)
                moved[i] = x->fds[i] < 0 ? -EBADF
                                         : fcntl(x->fds[i], F_DUPFD_CLOEXEC, number_of(x->e, N_FDS));
        for (int i = 0; i < 3; i++)
                stdio[i] = fcntl(x->e->stdio[i], F_DUPFD_CLOEXEC, number_of(x->e, N_FDS));
        for (int i = 0; i < 3; i++)
                if (stdio[i] < 0 || dup2(stdio[i], i) < 0)
                        return nxc_fail(err, errno, "pass on standard file descriptors");
        for (int i = 0; i < N_FDS; i++)
                if (moved[i] >= 0 && dup2(moved[i], number_of(x->e, i)) < 0)
                        return nxc_fail(err, errno, "pass on file descriptors");
        for (int fd = 3; fd < 3 + x->e->preserve_fds; fd++)
                fcntl(fd, F_SETFD, 0);
        snprintf(plan, sizeof(plan), "%d", number_of(x->e, FD_PLAN));
        snprintf(report, sizeof(report), "%d", number_of(x->e, FD_REPORT));
        if (x->userns && lxc_become_root(err) < 0)
                return -EPERM;
        syscall(SYS_execveat, number_of(x->e, FD_INIT), "", argv, none, AT_EMPTY_PATH);
        return nxc_fail_kind(err, NXC_ERR_LXC, errno, "execute nexcage-init");
}

static int make_plan(const struct nxc_backend_target *t, const struct nxc_backend_exec *e, int *ret_fd,
        struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, "rt/config.json"),
                            *keyring = nxc_strf("_ses.%s", t->id);
        _cleanup_buf_ struct nxc_buf plan = { 0 };
        _cleanup_json_ json_t *spec = NULL;
        struct lxc_plan_opts o = { .process = e->process,
                .listen_fd = -EBADF,
                .stdio_fd = -EBADF,
                .console_fd = number_of(e, FD_CONSOLE),
                .keep_fds = e->preserve_fds,
                .available_caps = nxc_caps_bounding() };
        int r = path && keyring ? nxc_json_load_at(AT_FDCWD, path, NXC_SPEC_MAX_BYTES, &spec, err)
                                : nxc_oom(err);

        if (r < 0)
                return r;
        o.keyring = keyring;
        r = lxc_plan_seccomp(spec, &o, err);
        if (r == 0)
                r = lxc_plan(&o, &plan, err);
        return r < 0 ? r : lxc_seal_plan(&plan, ret_fd, err);
}

static void end(pid_t pid)
{
        kill(pid, SIGKILL); /* a child of ours: its PID is its own until it is waited for */
        lxc_reap(pid);
}

struct terminal {
        int ours, theirs, master; /* a console socket, or one end of a pair of ours */
};

static int open_terminal(const struct nxc_backend_exec *e, struct terminal *ret, struct nxc_error *err)
{
        int pair[2];

        if (!json_is_true(json_object_get(e->process, "terminal")))
                return 0;
        if (e->console_socket)
                return lxc_connect(e->console_socket, &ret->theirs, err);
        if (e->detach)
                return nxc_fail_kind(
                        err, NXC_ERR_USAGE, 0, "a terminal for a detached process needs a --console-socket");
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return nxc_fail(err, errno, "make a channel for the terminal");
        ret->ours = pair[0];
        ret->theirs = pair[1];
        return 0;
}

static int check(const struct nxc_backend_target *t, const struct nxc_backend_exec *e, pid_t *ret_init,
        struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = json_pack("{s:O}", "process", e->process);
        struct nxc_backend_status st;
        int r = doc ? lxc_check_document(doc, err) : nxc_oom(err);

        if (r == 0)
                r = lxc_status(t, &st, err);
        if (r < 0)
                return r;
        if (st.status == NXC_STATUS_STOPPED)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "container not running: %s", t->id);
        if (st.status == NXC_STATUS_PAUSED && !e->ignore_paused)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "container paused: %s", t->id);
        if (e->preserve_fds > 0 && !nxc_process_may_preserve(e->preserve_fds))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "pass on %d file descriptors: 3 to %d are not all open", e->preserve_fds,
                        2 + e->preserve_fds);
        *ret_init = st.pid;
        return 0;
}

/* The container's, or one below it (--cgroup). */
static int find_cgroups(pid_t init, const char *below, struct nxc_strv *ret, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv own = { 0 };
        int r = lxc_cgroups_of(init, &own, err);

        for (size_t i = 0; r == 0 && i < own.n; i++)
                if (nxc_strv_addf(ret, "%s%s%s", own.v[i], below ? "/" : "", below ? below : "") < 0)
                        r = nxc_oom(err);
        return r;
}

static int start_process(const struct nxc_backend_exec *e, pid_t init, const struct nxc_strv *cgroups,
        struct execution *x, struct lxc_entered *child, struct nxc_error *err)
{
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, init, 0);
        struct lxc_enter enter = { .pidfd = pidfd, .flags = lxc_ns_of(init), .cgroups = cgroups };
        int r;

        if (pidfd < 0)
                return nxc_fail(err, errno, "open process %d", (int)init);
        x->userns = enter.flags & CLONE_NEWUSER;
        r = lxc_enter(&enter, become_init, x, child, err);
        if (r < 0)
                return r;
        return lxc_apply_outside(child->pid, e->process, true, err);
}

int lxc_exec(const struct nxc_backend_target *t, const struct nxc_backend_exec *e, int *ret_code,
        struct nxc_error *err)
{
        struct execution x = { .e = e, .fds = { -EBADF, -EBADF, -EBADF, -EBADF } };
        struct terminal term = { -EBADF, -EBADF, -EBADF };
        struct lxc_entered child = LXC_ENTERED_INIT;
        _cleanup_strv_ struct nxc_strv cgroups = { 0 };
        pid_t init = 0;
        int r = check(t, e, &init, err);

        if (r == 0)
                r = open_terminal(e, &term, err);
        x.fds[FD_CONSOLE] = term.theirs;
        if (r == 0)
                r = make_plan(t, e, &x.fds[FD_PLAN], err);
        if (r == 0)
                r = lxc_open_init(&x.fds[FD_INIT], err);
        if (r == 0)
                r = find_cgroups(init, e->cgroup, &cgroups, err);
        if (r == 0)
                r = start_process(e, init, &cgroups, &x, &child, err);
        nxc_closep(&term.theirs);
        nxc_closep(&x.fds[FD_PLAN]);
        nxc_closep(&x.fds[FD_INIT]);
        if (r == 0)
                r = lxc_entered_go(&child, err);
        /* Whoever reads it finds the program there, not what is to become it. */
        if (r == 0 && e->pid_file)
                r = lxc_publish_pid(e->pid_file, child.pid, err);
        if (r == 0 && term.ours >= 0)
                r = lxc_receive_master(term.ours, &term.master, err);
        if (r < 0 && child.pid > 0)
                end(child.pid);
        nxc_closep(&term.ours);
        nxc_closep(&child.go_fd);
        nxc_closep(&child.report_fd);
        if (r == 0 && e->detach)
                *ret_code = 0;
        else if (r == 0)
                r = lxc_foreground(child.pid, term.master, ret_code, err);
        nxc_closep(&term.master);
        return r;
}
