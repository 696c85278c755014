/* The monitor: a child of create that is liblxc's from here on. */
#include "backend/lxc/monitor-internal.h"

#include "core/str.h"

#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Puts the descriptors on their numbers, and closes all others: a lock or a pipe of the caller's must not
 * live as long as the container. The numbers follow those that the container keeps. */
static int arrange(struct lxc_monitor *m)
{
        int base = 3 + m->keep_fds, n = LXC_MONITOR_FDS + (int)m->n_paths;
        int moved[LXC_MONITOR_FDS + LXC_NS_KINDS];

        for (int i = 0; i < n; i++) {
                int fd = i < LXC_MONITOR_FDS ? m->fds[i] : m->paths[i - LXC_MONITOR_FDS].fd;

                moved[i] = fd < 0 ? -EBADF : fcntl(fd, F_DUPFD_CLOEXEC, base + n);
                if (fd >= 0 && moved[i] < 0)
                        return -errno;
        }
        for (int i = 0; i < n; i++)
                if (moved[i] < 0)
                        close(base + i);
                else if (dup2(moved[i], base + i) < 0)
                        return -errno;
        for (int fd = 3; fd < base; fd++) /* nxc_process_guard has closed them for children in general */
                fcntl(fd, F_SETFD, 0);
        return syscall(SYS_close_range, base + n, ~0u, 0) < 0 ? -errno : 0;
}

int lxc_monitor_number(const struct lxc_monitor *m, int which)
{
        return 3 + m->keep_fds + which;
}

/* liblxc writes errors to stderr, which must not be the container's. */
static int set_stdio(void)
{
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        for (int i = 0; i < 3; i++)
                if (null < 0 || dup2(null, i) < 0)
                        return -errno;
        return null > 2 ? close(null) : 0;
}

static struct lxc_container *configure(const struct lxc_monitor *m)
{
        struct lxc_log log = { .name = m->id,
                .lxcpath = m->lxcpath,
                .file = m->log,
                .level = m->debug ? "TRACE" : "ERROR",
                .prefix = "nexcage",
                .quiet = true };
        struct lxc_container *c;

        unlink(m->log);
        lxc_log_init(&log);
        c = lxc_container_new(m->id, m->lxcpath);
        if (!c)
                return NULL;
        c->clear_config(c);
        for (size_t i = 0; i < m->items->n; i++) {
                const struct lxc_item *item = &m->items->v[i];

                if (c->set_config_item(c, item->key, item->value))
                        continue;
                dprintf(lxc_monitor_number(m, LXC_FD_PID), "%s = %s", item->key, item->value);
                return NULL;
        }
        c->want_daemonize(c, false);
        c->want_close_all_fds(c, false);
        return c->save_config(c, m->config) ? c : NULL;
}

/* liblxc makes cgroups below its own. Paths of cgroups in a config.json begin at the roots. A move waits for
 * RCU, so only what is not there is moved. */
static int join_root_cgroups(void)
{
        _cleanup_strv_ struct nxc_strv roots = { 0 }, own = { 0 };
        int r = lxc_cgroups_at("", &roots, NULL);

        if (r == 0)
                r = lxc_cgroups_of(getpid(), &own, NULL);
        for (size_t i = 0; r == 0 && i < roots.n; i++)
                if (own.n != roots.n || strlen(own.v[i]) > strlen(roots.v[i]) + 1) /* "/" */
                        r = lxc_join_cgroup(roots.v[i], getpid());
        return r;
}

void lxc_monitor_run(struct lxc_monitor *m)
{
        char plan[16], report[16];
        char *argv[] = { (char[]){ LXC_INIT_NAME }, (char[]){ "run" }, plan, report, NULL };
        struct lxc_lever lever = { .init_fd = lxc_monitor_number(m, LXC_FD_INIT),
                .pid_fd = lxc_monitor_number(m, LXC_FD_PID) };
        struct lxc_container *c;
        size_t n = 0;

        setsid();
        /* As root it writes the mappings itself; of newuidmap, which it would find there, /etc/subuid would
         * decide. */
        unsetenv("PATH");
        prctl(PR_SET_NAME, "lxc-monitor", 0, 0, 0);
        if (join_root_cgroups() < 0 || arrange(m) < 0 || set_stdio() < 0)
                _exit(1);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(lever.close_fds); i++)
                lever.close_fds[i] = -EBADF;
        for (int i = 0; i < LXC_MONITOR_FDS; i++)
                if (i != LXC_FD_PID && m->fds[i] >= 0) /* a number that is free is liblxc's by then */
                        lever.close_fds[n++] = lxc_monitor_number(m, i);
        lever.keep_fds = m->keep_fds;
        lever.userns = m->userns;
        lever.n_paths = m->n_paths;
        for (size_t i = 0; i < m->n_paths; i++) {
                lever.paths[i] = m->paths[i];
                lever.paths[i].fd = lxc_monitor_number(m, LXC_MONITOR_FDS + (int)i);
        }
        fcntl(lever.pid_fd, F_SETFD, FD_CLOEXEC);
        snprintf(plan, sizeof(plan), "%d", lxc_monitor_number(m, LXC_FD_PLAN));
        snprintf(report, sizeof(report), "%d", lxc_monitor_number(m, LXC_FD_REPORT));
        lxc_lever_set(&lever);
        c = configure(m);
        if (!c || chdir("/") < 0)
                _exit(1);
        _exit(c->start(c, 0, argv) ? 0 : 1);
}
