/* Children of ours in a container's namespaces, and what they report.
 *
 * Two forks: the first process joins (the PID namespace is joined for children only), the second, made with
 * CLONE_PARENT, is our child and lives in all of them. Nothing of the container is opened by a path for it:
 * the namespaces come from a pidfd. */
#include "backend/lxc/lxc-internal.h"

#include "core/json.h"
#include "core/path.h"
#include "init/plan.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/ioprio.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

int lxc_ns_of(pid_t pid)
{
        int flags = 0;

        for (size_t i = 0; i < LXC_NS_KINDS; i++) {
                char theirs[64], ours[64];
                struct stat a, b;

                snprintf(theirs, sizeof(theirs), "/proc/%d/ns/%s", (int)pid, lxc_ns_kinds[i].file);
                snprintf(ours, sizeof(ours), "/proc/self/ns/%s", lxc_ns_kinds[i].file);
                if (stat(theirs, &a) == 0 && stat(ours, &b) == 0 && a.st_ino != b.st_ino)
                        flags |= lxc_ns_kinds[i].flag;
        }
        return flags;
}

void lxc_report_write(int fd, const struct nxc_error *err)
{
        struct nxc_report report = { .kind = err->kind, .errnum = err->errnum ? err->errnum : EINVAL };

        snprintf(report.text, sizeof(report.text), "%.1000s", err->message);
        if (write(fd, &report, sizeof(report)) < 0)
                return;
}

int lxc_report_read(int fd, struct nxc_error *err)
{
        struct nxc_report report;
        size_t n = 0;
        ssize_t k;

        while (n < sizeof(report)) {
                k = read(fd, (char *)&report + n, sizeof(report) - n);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0 && errno != ECONNRESET)
                        return nxc_fail(err, errno, "read what nexcage-init reports");
                if (k <= 0)
                        break;
                n += (size_t)k;
        }
        if (n == 0)
                return 0;
        if (n < sizeof(report))
                return nxc_fail_kind(err, NXC_ERR_LXC, 0, "nexcage-init reports %zu bytes only", n);
        report.text[sizeof(report.text) - 1] = '\0';
        if (report.errnum == 0)
                return 1;
        for (char *p = report.text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = ' ';
        nxc_fail_kind(err,
                report.kind > 0 && report.kind < _NXC_ERR_MAX ? (enum nxc_error_kind)report.kind
                                                              : NXC_ERR_LXC,
                0, "%s", report.text);
        if (err && report.errnum > 0)
                err->errnum = report.errnum; /* the text has its words */
        return report.errnum > 0 ? -report.errnum : -EINVAL;
}

/* One that is not mounted, or covered by something else, has no directories. */
static bool is_hierarchy(const char *root)
{
        struct statfs fs;

        return statfs(root, &fs) == 0 &&
               (fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);
}

/* below: "/x/y"; or NULL: where the process is in each. */
static int list_cgroups(pid_t pid, const char *below, struct nxc_strv *ret, struct nxc_error *err)
{
        char path[64], line[4096];
        _cleanup_fclose_ FILE *f = NULL;

        snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f)) {
                char *list = strchr(line, ':'), *dir = list ? strchr(list + 1, ':') : NULL;
                _cleanup_free_ char *root = NULL;
                const char *rest;

                if (!dir)
                        continue;
                *dir++ = '\0';
                dir[strcspn(dir, "\n")] = '\0';
                list++;
                rest = nxc_starts_with(list, "name=") ? list + 5 : list;
                if (!*rest && nxc_cgroup_mode() != NXC_CGROUP_V2)
                        rest = "unified";
                root = nxc_strf("/sys/fs/cgroup%s%s", *rest ? "/" : "", rest);
                if (!root)
                        return nxc_oom(err);
                if (is_hierarchy(root) && nxc_strv_addf(ret, "%s%s", root, below ? below : dir) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

int lxc_cgroups_of(pid_t pid, struct nxc_strv *ret, struct nxc_error *err)
{
        return list_cgroups(pid, NULL, ret, err);
}

int lxc_cgroups_at(const char *path, struct nxc_strv *ret, struct nxc_error *err)
{
        return list_cgroups(getpid(), path, ret, err);
}

int lxc_join_cgroup(const char *dir, pid_t pid)
{
        _cleanup_free_ char *path = nxc_path_join(dir, "cgroup.procs");
        _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -EBADF;
        char text[16];
        int n = snprintf(text, sizeof(text), "%d", (int)pid);

        return fd >= 0 && write(fd, text, (size_t)n) == n ? 0 : -errno;
}

static int join(const struct lxc_enter *e, struct nxc_error *err)
{
        for (size_t i = 0; e->cgroups && i < e->cgroups->n; i++) {
                int r = lxc_join_cgroup(e->cgroups->v[i], getpid());

                if (r < 0 && r != -ENOENT)
                        return nxc_fail(err, -r, "join the cgroup '%s'", e->cgroups->v[i]);
        }
        if (e->flags && setns(e->pidfd, e->flags) < 0)
                return nxc_fail(err, errno, "join the container's namespaces");
        return 0;
}

int lxc_become_root(struct nxc_error *err)
{
        if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return nxc_fail(err, errno, "become root of the container's user namespace");
        return 0;
}

struct child {
        const struct lxc_enter *e;
        int (*fn)(void *arg, int report_fd, struct nxc_error *err);
        void *arg;
        int go_fd, report_fd, pid_fd;
};

__attribute__((noreturn)) static void second(const struct child *c)
{
        struct nxc_error err = { 0 };
        char go;

        while (read(c->go_fd, &go, 1) < 0)
                if (errno != EINTR)
                        _exit(126);
        close(c->go_fd);
        if (c->fn(c->arg, c->report_fd, &err) < 0) {
                lxc_report_write(c->report_fd, &err);
                _exit(126);
        }
        _exit(0);
}

__attribute__((noreturn)) static void first(const struct child *c)
{
        struct nxc_error err = { 0 };
        long pid;

        if (join(c->e, &err) < 0) {
                lxc_report_write(c->report_fd, &err);
                _exit(126);
        }
        pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
        if (pid == 0)
                second(c);
        if (pid < 0) {
                nxc_fail(&err, errno, "start a process in the container");
                lxc_report_write(c->report_fd, &err);
                _exit(126);
        }
        if (write(c->pid_fd, &pid, sizeof(pid)) != sizeof(pid))
                _exit(126);
        _exit(0);
}

void lxc_reap(pid_t pid)
{
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

int lxc_enter(const struct lxc_enter *e, int (*fn)(void *arg, int report_fd, struct nxc_error *err),
        void *arg, struct lxc_entered *ret, struct nxc_error *err)
{
        int go[2] = { -EBADF, -EBADF }, report[2] = { -EBADF, -EBADF }, pids[2] = { -EBADF, -EBADF };
        struct child c = { .e = e, .fn = fn, .arg = arg };
        long pid = 0;
        pid_t helper;
        int r = 0;

        if (pipe2(go, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0 || pipe2(pids, O_CLOEXEC) < 0) {
                r = nxc_fail(err, errno, "make a pipe");
                goto out;
        }
        c.go_fd = go[0];
        c.report_fd = report[1];
        c.pid_fd = pids[1];
        helper = fork();
        if (helper < 0) {
                r = nxc_fail(err, errno, "start a process");
                goto out;
        }
        if (helper == 0) {
                close(go[1]);
                close(report[0]);
                close(pids[0]);
                first(&c);
        }
        nxc_closep(&report[1]);
        nxc_closep(&pids[1]);
        lxc_reap(helper);
        if (read(pids[0], &pid, sizeof(pid)) != sizeof(pid)) {
                r = lxc_report_read(report[0], err);
                if (r >= 0)
                        r = nxc_fail_kind(
                                err, NXC_ERR_LXC, 0, "join the container: the helper process ended");
                goto out;
        }
        ret->pid = (pid_t)pid;
        ret->go_fd = TAKE_FD(go[1]);
        ret->report_fd = TAKE_FD(report[0]);
out:
        for (int i = 0; i < 2; i++) {
                nxc_closep(&go[i]);
                nxc_closep(&report[i]);
                nxc_closep(&pids[i]);
        }
        return r;
}

int lxc_entered_go(struct lxc_entered *e, struct nxc_error *err)
{
        int r;

        if (write(e->go_fd, "g", 1) != 1)
                r = nxc_fail(err, errno, "start the process in the container");
        else
                r = lxc_report_read(e->report_fd, err);
        nxc_closep(&e->go_fd);
        nxc_closep(&e->report_fd);
        return r < 0 ? r : 0;
}

int lxc_run_inside(pid_t init, int (*fn)(void *arg, int report_fd, struct nxc_error *err), void *arg,
        struct nxc_error *err)
{
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, init, 0);
        struct lxc_enter e = { .pidfd = pidfd, .flags = lxc_ns_of(init) };
        struct lxc_entered child = LXC_ENTERED_INIT;
        int r;

        if (pidfd < 0)
                return nxc_fail(err, errno, "open process %d", (int)init);
        r = lxc_enter(&e, fn, arg, &child, err);
        if (r < 0)
                return r;
        r = lxc_entered_go(&child, err);
        lxc_reap(child.pid);
        return r;
}

/* ---- from outside */

static const struct {
        const char *name;
        int resource;
} rlimits[] = {
        { "RLIMIT_AS", RLIMIT_AS },
        { "RLIMIT_CORE", RLIMIT_CORE },
        { "RLIMIT_CPU", RLIMIT_CPU },
        { "RLIMIT_DATA", RLIMIT_DATA },
        { "RLIMIT_FSIZE", RLIMIT_FSIZE },
        { "RLIMIT_LOCKS", RLIMIT_LOCKS },
        { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
        { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
        { "RLIMIT_NICE", RLIMIT_NICE },
        { "RLIMIT_NOFILE", RLIMIT_NOFILE },
        { "RLIMIT_NPROC", RLIMIT_NPROC },
        { "RLIMIT_RSS", RLIMIT_RSS },
        { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
        { "RLIMIT_RTTIME", RLIMIT_RTTIME },
        { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
        { "RLIMIT_STACK", RLIMIT_STACK },
};

static int set_rlimit(pid_t pid, const json_t *limit, struct nxc_error *err)
{
        const char *type = nxc_json_str(limit, "type");
        uint64_t soft, hard;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rlimits); i++) {
                struct rlimit rl;

                if (!nxc_streq(rlimits[i].name, type))
                        continue;
                if (nxc_json_u64(json_object_get(limit, "soft"), &soft) < 0 ||
                        nxc_json_u64(json_object_get(limit, "hard"), &hard) < 0)
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "process.rlimits: %s", type);
                rl = (struct rlimit){ .rlim_cur = soft, .rlim_max = hard };
                if (prlimit(pid, (enum __rlimit_resource)rlimits[i].resource, &rl, NULL) < 0)
                        return nxc_fail(err, errno, "set %s", type);
                return 0;
        }
        return nxc_fail_kind(
                err, NXC_ERR_INVALID_SPEC, 0, "process.rlimits: unknown '%s'", type ? type : "");
}

static int set_oom_score(pid_t pid, const json_t *value, struct nxc_error *err)
{
        char path[64], text[16];
        _cleanup_close_ int fd = -EBADF;
        int n = snprintf(text, sizeof(text), "%d", (int)json_integer_value(value));

        snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, text, (size_t)n) != n)
                return nxc_fail(err, errno, "set process.oomScoreAdj to %s", text);
        return 0;
}

static int value_in(const char *const *names, const char *name)
{
        for (int i = 0; names[i]; i++)
                if (nxc_streq(names[i], name))
                        return i;
        return -1;
}

/* The kernel's struct sched_attr, version 0: its header and libc's exclude each other. */
struct scheduling {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
};

static int set_scheduler(pid_t pid, const json_t *s, struct nxc_error *err)
{
        static const char *const policies[] = { "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH",
                "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE", NULL };
        static const char *const flags[] = { "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",
                "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS",
                "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX", NULL };
        struct scheduling attr = { .size = sizeof(attr) };
        const json_t *flag;
        size_t i;

        attr.policy = (unsigned)value_in(policies, nxc_json_str(s, "policy"));
        attr.nice = (int)json_integer_value(json_object_get(s, "nice"));
        attr.priority = (unsigned)json_integer_value(json_object_get(s, "priority"));
        attr.runtime = (uint64_t)json_integer_value(json_object_get(s, "runtime"));
        attr.deadline = (uint64_t)json_integer_value(json_object_get(s, "deadline"));
        attr.period = (uint64_t)json_integer_value(json_object_get(s, "period"));
        json_array_foreach (json_object_get(s, "flags"), i, flag) {
                int n = value_in(flags, json_string_value(flag));

                attr.flags |= n < 0 ? 0 : 1ull << n;
        }
        if (syscall(SYS_sched_setattr, pid, &attr, 0) < 0)
                return nxc_fail(err, errno, "set process.scheduler");
        return 0;
}

static int set_io_priority(pid_t pid, const json_t *p, struct nxc_error *err)
{
        static const char *const classes[] = { "", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE",
                NULL };
        int class = value_in(classes, nxc_json_str(p, "class"));
        int level = (int)json_integer_value(json_object_get(p, "priority"));

        if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, IOPRIO_PRIO_VALUE(class, level)) < 0)
                return nxc_fail(err, errno, "set process.ioPriority");
        return 0;
}

/* "0-3,7", checked by the spec's table. */
static int set_affinity(pid_t pid, const char *list, struct nxc_error *err)
{
        cpu_set_t set;

        CPU_ZERO(&set);
        for (const char *p = list; *p;) {
                char *end;
                unsigned long from = strtoul(p, &end, 10),
                              to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

                for (; from <= to && from < CPU_SETSIZE; from++)
                        CPU_SET(from, &set);
                if (end == p)
                        break;
                p = *end == ',' ? end + 1 : end;
        }
        if (sched_setaffinity(pid, sizeof(set), &set) < 0)
                return nxc_fail(err, errno, "set process.execCPUAffinity to %s", list);
        return 0;
}

int lxc_apply_outside(pid_t pid, const json_t *process, bool is_exec, struct nxc_error *err)
{
        const json_t *oom = json_object_get(process, "oomScoreAdj"), *limit;
        const json_t *scheduler = json_object_get(process, "scheduler");
        const json_t *io = json_object_get(process, "ioPriority");
        const char *cpus = nxc_json_str(process, "execCPUAffinity.final");
        size_t i;
        int r = 0;

        if (!cpus)
                cpus = nxc_json_str(process, "execCPUAffinity.initial");
        if (json_is_integer(oom))
                r = set_oom_score(pid, oom, err);
        json_array_foreach (json_object_get(process, "rlimits"), i, limit)
                if (r == 0)
                        r = set_rlimit(pid, limit, err);
        if (r == 0 && json_is_object(scheduler))
                r = set_scheduler(pid, scheduler, err);
        if (r == 0 && json_is_object(io))
                r = set_io_priority(pid, io, err);
        if (r == 0 && is_exec && cpus && *cpus)
                r = set_affinity(pid, cpus, err);
        return r;
}
