/* In liblxc's monitor these functions stand in front of libc's (the module is opened with RTLD_DEEPBIND, so
 * its symbols come first for liblxc, and for nobody else in the process).
 *
 * - syscall: liblxc clones the init with clone3 (or clone). CLONE_PARENT makes the init a child of the
 *   process that called create, and so in the end of the engine, which alone gets its true exit status.
 *   Namespaces by path are joined for the time of the clone: the init is in them from its beginning, and the
 *   monitor stays where it is.
 * - waitid, waitpid: the monitor has no such child then. A pidfd answers in their place that it has ended; a
 *   thread queues the SIGCHLD that liblxc's loop waits for.
 * - setresuid, setresgid, setgroups, getuid, getgid: in a user namespace the init goes on as the host's
 *   root, who may pass the state directory, until it executes nexcage-init.
 * - fchown: liblxc would give the state directory to the container's root.
 * - execvp: the init is executed from a memory file, by descriptor: no path of the container is used or
 *   shown.
 *
 * Outside of the monitor they pass everything on. Where liblxc should not call one of them any more, create
 * sees that the init is not its child and fails. */
#include "backend/lxc/lxc-internal.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <grp.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

long syscall(long number, ...);

static struct lxc_lever lever;
static bool is_set;
static bool is_init; /* we are */
static pid_t init_pid;
static int init_pidfd = -EBADF;

typedef long (*syscall_fn)(long, ...);
typedef int (*waitid_fn)(idtype_t, id_t, siginfo_t *, int);
typedef pid_t (*waitpid_fn)(pid_t, int *, int);
typedef int (*execvp_fn)(const char *, char *const *);

static void *real(const char *name)
{
        void *fn = dlsym(RTLD_NEXT, name);

        if (!fn)
                abort();
        return fn;
}

static syscall_fn real_syscall(void)
{
        static syscall_fn fn;

        if (!fn)
                fn = (syscall_fn)real("syscall");
        return fn;
}

void lxc_lever_set(const struct lxc_lever *l)
{
        lever = *l;
        is_set = true;
}

static bool has_ended(int timeout_ms)
{
        struct pollfd pf = { .fd = init_pidfd, .events = POLLIN };
        int n;

        do
                n = poll(&pf, 1, timeout_ms);
        while (n < 0 && errno == EINTR);
        return n > 0;
}

/* A thread may queue only a negative code (rt_sigqueueinfo(2)); liblxc looks at the PID. */
static void *watch(void *arg)
{
        siginfo_t si = { .si_signo = SIGCHLD, .si_code = SI_QUEUE };

        has_ended(-1);
        si.si_pid = init_pid;
        real_syscall()(SYS_rt_sigqueueinfo, getpid(), SIGCHLD, &si);
        return NULL;
}

/* In the monitor, after the init was made. What belongs to the container alone is closed: whoever reads its
 * output must see the end of it. */
static void init_was_cloned(pid_t pid)
{
        int saved = errno;
        pthread_attr_t attr;
        pthread_t thread;

        init_pid = pid;
        init_pidfd = (int)real_syscall()(SYS_pidfd_open, pid, 0);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(lever.close_fds); i++)
                if (lever.close_fds[i] >= 0)
                        close(lever.close_fds[i]);
        for (size_t i = 0; i < lever.n_paths; i++)
                close(lever.paths[i].fd);
        for (int fd = 3; fd < 3 + lever.keep_fds; fd++)
                close(fd);
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 64 * 1024);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        if (init_pidfd < 0 || pthread_create(&thread, &attr, watch, NULL) != 0 ||
                write(lever.pid_fd, &pid, sizeof(pid)) != sizeof(pid))
                abort(); /* create sees its end */
        close(lever.pid_fd);
        errno = saved;
}

/* own: where to come back to. */
static int join_paths(int own[LXC_NS_KINDS])
{
        for (size_t i = 0; i < lever.n_paths; i++) {
                char path[64];

                snprintf(path, sizeof(path), "/proc/self/ns/%s", lever.paths[i].kind->file);
                own[i] = open(path, O_RDONLY | O_CLOEXEC);
        }
        for (size_t i = 0; i < lever.n_paths; i++)
                if (own[i] < 0 || setns(lever.paths[i].fd, lever.paths[i].kind->flag) < 0)
                        return -1;
        return 0;
}

static void leave_paths(const int own[LXC_NS_KINDS])
{
        for (size_t i = 0; i < lever.n_paths; i++) {
                if (setns(own[i], lever.paths[i].kind->flag) < 0)
                        abort(); /* create sees its end */
                close(own[i]);
        }
}

static long clone_init(long number, long a[6])
{
        struct clone_args args = { 0 };
        int own[LXC_NS_KINDS];
        long pid;

        if (join_paths(own) < 0)
                return -1;

        if (number == SYS_clone3) {
                size_t size = (size_t)a[1] < sizeof(args) ? (size_t)a[1] : sizeof(args);

                memcpy(&args, (void *)a[0], size);
                args.flags |= CLONE_PARENT;
                args.exit_signal = 0; /* ours is the monitor's own: SIGCHLD */
                pid = real_syscall()(number, &args, size);
        } else {
                pid = real_syscall()(number, a[0] | CLONE_PARENT, a[1], a[2], a[3], a[4]);
        }
        is_init = pid == 0;
        if (pid > 0) {
                leave_paths(own);
                init_was_cloned((pid_t)pid);
        }
        return pid;
}

static bool is_clone_of_init(long number, const long a[6])
{
        if (!is_set || init_pid > 0)
                return false;
        if (number == SYS_clone3)
                return ((const struct clone_args *)a[0])->flags & CLONE_NEWNS;
        return number == SYS_clone && (a[0] & CLONE_NEWNS);
}

long syscall(long number, ...)
{
        long a[6];
        va_list ap;

        va_start(ap, number);
        for (int i = 0; i < 6; i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (is_clone_of_init(number, a))
                return clone_init(number, a);
        return real_syscall()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* liblxc also tries whether the kernel can wait through a pidfd at all. */
int waitid(idtype_t type, id_t id, siginfo_t *si, int options)
{
        static waitid_fn fn;
        int r;

        if (!fn)
                fn = (waitid_fn)real("waitid");
        r = fn(type, id, si, options);
        if (r == 0 || errno != ECHILD || init_pid <= 0 ||
                !(type == (idtype_t)P_PIDFD || (type == P_PID && (pid_t)id == init_pid)))
                return r;
        if (si)
                memset(si, 0, sizeof(*si));
        if (has_ended(options & WNOHANG ? 0 : -1) && si) {
                si->si_signo = SIGCHLD;
                si->si_code = CLD_EXITED;
                si->si_pid = init_pid;
        }
        return 0;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
        static waitpid_fn fn;
        pid_t r;

        if (!fn)
                fn = (waitpid_fn)real("waitpid");
        r = fn(pid, status, options);
        if (r >= 0 || errno != ECHILD || init_pid <= 0)
                return r;
        /* "All children" is what liblxc waits for when it has killed the init. */
        if (pid == -1 && !(options & WNOHANG)) {
                has_ended(-1);
                errno = ECHILD;
                return -1;
        }
        if (pid != init_pid)
                return r;
        if (!has_ended(options & WNOHANG ? 0 : -1))
                return 0;
        if (status)
                *status = 0; /* the true one is for the parent */
        return pid;
}

/* Otherwise the kernel's own, for the calling thread: libc's would have all threads of the process do it, and
 * in a process that liblxc has cloned from the monitor wait for ever for our thread, which it has not. */
int setresuid(uid_t real_id, uid_t effective, uid_t saved)
{
        return is_init ? 0 : (int)real_syscall()(SYS_setresuid, real_id, effective, saved);
}

int setresgid(gid_t real_id, gid_t effective, gid_t saved)
{
        return is_init ? 0 : (int)real_syscall()(SYS_setresgid, real_id, effective, saved);
}

int setgroups(size_t n, const gid_t *list)
{
        return is_init ? 0 : (int)real_syscall()(SYS_setgroups, n, list);
}

/* liblxc sends them along with messages, and the kernel takes none that the namespace does not map. */
uid_t getuid(void)
{
        return is_init ? 0 : (uid_t)real_syscall()(SYS_getuid);
}

gid_t getgid(void)
{
        return is_init ? 0 : (gid_t)real_syscall()(SYS_getgid);
}

int fchown(int fd, uid_t owner, gid_t group)
{
        return is_set ? 0 : (int)real_syscall()(SYS_fchown, fd, owner, group);
}

int execvp(const char *file, char *const *argv)
{
        static execvp_fn fn;
        char *none[] = { NULL };

        /* Before the execution: who is not root then loses all capabilities. */
        if (is_set && lever.userns && strcmp(file, LXC_INIT_NAME) == 0) {
                is_init = false;
                if (lxc_become_root(NULL) < 0)
                        return -1;
        }
        if (is_set && strcmp(file, LXC_INIT_NAME) == 0)
                return (int)real_syscall()(SYS_execveat, lever.init_fd, "", argv, none, AT_EMPTY_PATH);
        if (!fn)
                fn = (execvp_fn)real("execvp");
        return fn(file, argv);
}
