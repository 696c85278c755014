/* create and run. See the theory of operation in lxc-internal.h. */
#include "backend/lxc/monitor-internal.h"

#include "backend/alive-internal.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "core/process.h"
#include "core/publish.h"
#include "oci/compose.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define MONITOR_CGROUP "/nexcage.monitor/"
#define LOG_TAIL_BYTES (256u << 10)

struct creation {
        const struct nxc_backend_target *t;
        const struct nxc_backend_create *c;
        const json_t *spec;
        char *cgroup, *monitor_cgroup, *rt, *lxcpath, *log, *config, *rootfs_mount;
        struct lxc_items items;
        struct lxc_mounts *mounts;
        struct lxc_record rec;
        struct lxc_monitor monitor;
        int sync[2], report[2], pids[2], listener, console, init_fd, plan_fd, null, held;
        int keep_fds;
        pid_t init;
};

static void creation_done(struct creation *k)
{
        free(k->cgroup);
        free(k->monitor_cgroup);
        free(k->rt);
        free(k->lxcpath);
        free(k->log);
        free(k->config);
        free(k->rootfs_mount);
        lxc_items_done(&k->items);
        lxc_mounts_free(k->mounts);
        lxc_record_done(&k->rec);
        for (size_t i = 0; i < k->monitor.n_paths; i++)
                nxc_closep(&k->monitor.paths[i].fd);
        for (int i = 0; i < 2; i++) {
                nxc_closep(&k->sync[i]);
                nxc_closep(&k->report[i]);
                nxc_closep(&k->pids[i]);
        }
        nxc_closep(&k->listener);
        nxc_closep(&k->console);
        nxc_closep(&k->init_fd);
        nxc_closep(&k->plan_fd);
        nxc_closep(&k->null);
        nxc_closep(&k->held);
}
#define _cleanup_creation_ __attribute__((cleanup(creation_done)))
#define CREATION_INIT                                                                                 \
        {                                                                                             \
                .sync = { -EBADF, -EBADF }, .report = { -EBADF, -EBADF }, .pids = { -EBADF, -EBADF }, \
                .listener = -EBADF, .console = -EBADF, .init_fd = -EBADF, .plan_fd = -EBADF,          \
                .null = -EBADF, .held = -EBADF                                                        \
        }

/* ---- what can be prepared before anything exists */

static int make_paths(struct creation *k, struct nxc_error *err)
{
        const char *state = k->t->state_dir;

        k->rt = nxc_path_join(state, "rt");
        k->log = nxc_path_join(state, "rt/lxc.log");
        k->config = nxc_path_join(state, "config"); /* where lxc-ls and lxc-info look for it */
        k->rootfs_mount = nxc_path_join(state, "rt/rootfs");
        k->lxcpath = strndup(state, (size_t)(strrchr(state, '/') - state));
        k->rec.lock = k->lxcpath ? nxc_strf("/run/lxc/lock/%s/.%s", k->lxcpath, k->t->id) : NULL;
        if (!k->rt || !k->log || !k->config || !k->rootfs_mount || !k->lxcpath || !k->rec.lock)
                return nxc_oom(err);
        return nxc_mkdir_p(k->rootfs_mount, 0700, err);
}

static int open_namespaces(struct creation *k, struct nxc_error *err)
{
        const json_t *ns;
        size_t i;

        json_array_foreach (nxc_json_get(k->spec, "linux.namespaces"), i, ns) {
                const char *path = nxc_json_str(ns, "path"), *type = nxc_json_str(ns, "type");
                struct lxc_ns_path *p = &k->monitor.paths[k->monitor.n_paths];

                if (!path)
                        continue;
                p->fd = open(path, O_RDONLY | O_CLOEXEC);
                if (p->fd < 0)
                        return nxc_fail_kind(
                                err, NXC_ERR_LXC, errno, "open the %s namespace '%s'", type, path);
                p->kind = lxc_ns_kind_find(type);
                k->monitor.n_paths++;
                if (!p->kind || ioctl(p->fd, _IO(0xb7, 0x3)) != p->kind->flag) /* NS_GET_NSTYPE */
                        return nxc_fail_kind(
                                err, NXC_ERR_INVALID_SPEC, 0, "'%s' is no %s namespace", path, type);
        }
        return 0;
}

static int make_channels(struct creation *k, struct nxc_error *err)
{
        _cleanup_close_ int dir = open(k->rt, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct sockaddr_un addr = { .sun_family = AF_UNIX };

        if (dir < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, k->sync) < 0 ||
                pipe2(k->report, O_CLOEXEC) < 0 || pipe2(k->pids, O_CLOEXEC) < 0)
                return nxc_fail(err, errno, "make the channels to the container's init");
        k->null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (k->null < 0)
                return nxc_fail(err, errno, "open /dev/null");
        k->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/start", dir);
        if (k->listener < 0 || bind(k->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
                listen(k->listener, 1) < 0)
                return nxc_fail(err, errno, "make the socket '%s/start'", k->rt);
        return 0;
}

static int make_plan(struct creation *k, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf plan = { 0 };
        struct lxc_plan_opts o = { .process = json_object_get(k->spec, "process"),
                .spec = k->spec,
                .listen_fd = lxc_monitor_number(&k->monitor, LXC_FD_LISTEN),
                .console_fd = lxc_monitor_number(&k->monitor, LXC_FD_CONSOLE),
                .stdio_fd = lxc_monitor_number(&k->monitor, LXC_FD_STDIN),
                .keep_fds = k->keep_fds,
                .listen_fds = nxc_process_listen_fds(),
                .listen_names = getenv("LISTEN_FDNAMES"),
                .available_caps = nxc_caps_bounding() };
        int r = lxc_plan_seccomp(k->spec, &o, err);

        if (r == 0)
                r = lxc_plan(&o, &plan, err);
        return r < 0 ? r : lxc_seal_plan(&plan, &k->plan_fd, err);
}

/* Cgroups are the machine's, and the same id may be in another state root: FNV-1a of where this one is. */
static int name_monitor_cgroup(struct creation *k, struct nxc_error *err)
{
        uint32_t hash = 2166136261u;

        for (const char *p = k->t->state_dir; *p; p++)
                hash = (hash ^ (unsigned char)*p) * 16777619u;
        k->monitor_cgroup = nxc_strf("%s%s-%08x", &MONITOR_CGROUP[1], k->t->id, hash);
        return k->monitor_cgroup ? 0 : nxc_oom(err);
}

static int translate(struct creation *k, struct nxc_error *err)
{
        struct lxc_config_opts o = { .state_dir = k->t->state_dir,
                .rootfs = k->c->rootfs->path,
                .hook_fd = lxc_monitor_number(&k->monitor, LXC_FD_INIT),
                .sync_fd = lxc_monitor_number(&k->monitor, LXC_FD_SYNC),
                .v2 = nxc_cgroup_mode() == NXC_CGROUP_V2,
                .no_new_keyring = k->c->no_new_keyring };
        int r = lxc_cgroup_path(k->spec, k->t->id, &k->cgroup, err);

        if (r == 0)
                r = name_monitor_cgroup(k, err);
        o.cgroup = k->cgroup;
        o.monitor_cgroup = k->monitor_cgroup;
        return r == 0 ? lxc_config(k->spec, &o, &k->items, err) : r;
}

/* start, exec and delete need it: seccomp, and the hooks that are left. */
static int save_spec(struct creation *k, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(k->rt, "config.json"),
                            *text = nxc_json_format(k->spec, false);

        return path && text ? nxc_publish_at(AT_FDCWD, path, text, strlen(text), 0600, 0, err)
                            : nxc_oom(err);
}

/* ---- the monitor */

/* In every hierarchy: the container's, then the monitor's two. */
static int note_cgroups(struct creation *k, struct nxc_error *err)
{
        const char *names[] = { k->cgroup, k->monitor_cgroup, k->monitor_cgroup };
        int r = 0;

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *path = nxc_strf("/%s%s", names[i], i == 2 ? ".end" : "");

                r = path ? lxc_cgroups_at(path, &k->rec.cgroups, err) : nxc_oom(err);
        }
        /* What a killed liblxc left: it takes none that is there already. One in use is not empty. */
        for (size_t i = 0; r == 0 && i < k->rec.cgroups.n; i++)
                rmdir(k->rec.cgroups.v[i]);
        return r;
}

static int start_monitor(struct creation *k, struct nxc_error *err)
{
        struct lxc_monitor *m = &k->monitor;
        char state;
        int r;

        m->id = k->t->id;
        m->lxcpath = k->lxcpath;
        m->log = k->log;
        m->config = k->config;
        m->items = &k->items;
        m->debug = k->t->debug;
        m->userns = lxc_ns_find(k->spec, "user") != NULL;
        m->fds[LXC_FD_PID] = k->pids[1];
        m->fds[LXC_FD_INIT] = k->init_fd;
        m->fds[LXC_FD_PLAN] = k->plan_fd;
        m->fds[LXC_FD_REPORT] = k->report[1];
        m->fds[LXC_FD_SYNC] = k->sync[1];
        m->fds[LXC_FD_LISTEN] = k->listener;
        m->fds[LXC_FD_CONSOLE] = k->console;
        for (int i = 0; i < 3; i++)
                m->fds[LXC_FD_STDIN + i] = k->c->stdio[i] >= 0 ? k->c->stdio[i] : k->null;
        k->held = lxc_hold_monitor_cgroups();
        k->rec.monitor = fork();
        if (k->rec.monitor < 0)
                return nxc_fail(err, errno, "start liblxc's monitor");
        if (k->rec.monitor == 0)
                lxc_monitor_run(m);
        nxc_closep(&k->pids[1]);
        nxc_closep(&k->report[1]);
        nxc_closep(&k->sync[1]);
        nxc_closep(&k->listener);
        r = nxc_stat_read(k->rec.monitor, &state, &k->rec.monitor_start);
        if (r < 0)
                return nxc_fail(err, -r, "look at liblxc's monitor");
        return lxc_record_save(k->t, &k->rec, err);
}

/* liblxc's own reason: the first error of its log, "prefix name date ERROR module - file:function:line -
 * text". */
static int explain(struct creation *k, const char *doing, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        char *line, *rest;

        if (nxc_read_file_at(AT_FDCWD, k->log, LOG_TAIL_BYTES, &text, NULL, NULL) == 0) {
                for (rest = text; (line = strsep(&rest, "\n"));) {
                        char *at = strstr(line, " ERROR "), *words = at ? strstr(at, " - ") : NULL;

                        words = words ? strstr(words + 3, " - ") : NULL;
                        if (!words)
                                continue;
                        for (char *p = words; *p; p++)
                                if ((unsigned char)*p < 0x20)
                                        *p = ' ';
                        return nxc_fail_kind(
                                err, NXC_ERR_LXC, 0, "%s '%s': liblxc: %s", doing, k->t->id, words + 3);
                }
        }
        return nxc_fail_kind(err, NXC_ERR_LXC, 0, "%s '%s': liblxc ended without a reason", doing, k->t->id);
}

/* A PID, or the setting that liblxc did not take. */
static int await_init(struct creation *k, struct nxc_error *err)
{
        char text[256];
        ssize_t n;

        do
                n = read(k->pids[0], text, sizeof(text) - 1);
        while (n < 0 && errno == EINTR);
        if (n == sizeof(k->init)) {
                memcpy(&k->init, text, sizeof(k->init));
                return 0;
        }
        if (n <= 0)
                return explain(k, "start container", err);
        text[n] = '\0';
        return nxc_fail_kind(err, NXC_ERR_LXC, 0, "liblxc does not take the setting %s", text);
}

/* The hook stands before the container's root changes; liblxc's monitor must live. */
static int await_hook(struct creation *k, struct nxc_error *err)
{
        char word;
        ssize_t n;

        do
                n = read(k->sync[0], &word, 1);
        while (n < 0 && errno == EINTR);
        nxc_closep(&k->held);
        return n == 1 ? 0 : explain(k, "start container", err);
}

/* ---- inside */

static int setup_root(void *arg, int report_fd, struct nxc_error *err)
{
        struct creation *k = arg;
        _cleanup_close_ int root = open(k->rootfs_mount, O_PATH | O_DIRECTORY | O_CLOEXEC), cwd = -EBADF;
        const char *dir = nxc_json_str(k->spec, "process.cwd");
        const char *propagation = nxc_json_str(k->spec, "linux.rootfsPropagation");
        struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
        struct mount_attr hidden = {
                .propagation = propagation && strstr(propagation, "slave") ? MS_SLAVE : MS_PRIVATE
        };
        int r;

        umask(0022);
        if (root < 0)
                return nxc_fail_kind(
                        err, NXC_ERR_LXC, errno, "open the container's root '%s'", k->rootfs_mount);
        /* Until here the host's: it may pass the state directory. */
        r = lxc_ns_find(k->spec, "user") ? lxc_become_root(err) : 0;
        if (r < 0)
                return r;
        /* Nothing that is mounted in it may show on the host. */
        if (syscall(SYS_mount_setattr, root, "", AT_EMPTY_PATH | AT_RECURSIVE, &hidden, sizeof(hidden)) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "set the propagation of the container's root");
        r = lxc_mounts_make(k->mounts, root, err);
        if (r == 0)
                r = lxc_devices_make(k->spec, root, err);
        if (r == 0)
                r = lxc_sysctls_set(k->spec, err);
        if (r == 0 && dir)
                lxc_make_target(root, dir, true, &cwd); /* when it cannot be made, start says so */
        if (r == 0)
                r = lxc_paths_cover(k->spec, root, err);
        if (r == 0 && json_is_true(nxc_json_get(k->spec, "root.readonly")) &&
                syscall(SYS_mount_setattr, root, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0)
                r = nxc_fail_kind(err, NXC_ERR_LXC, errno, "make the container's root read-only");
        return r;
}

static int run_hooks(const struct creation *k, enum nxc_hook_point point, struct nxc_error *err)
{
        return lxc_run_hooks(k->t, k->spec, point, "creating", k->init, err);
}

static int run_container_hooks(void *arg, int report_fd, struct nxc_error *err)
{
        struct creation *k = arg;
        int r = lxc_ns_find(k->spec, "user") ? lxc_become_root(err) : 0;

        return r < 0 ? r : run_hooks(k, NXC_HOOK_CREATE_CONTAINER, err);
}

static int inside(struct creation *k, int (*fn)(void *, int, struct nxc_error *), struct nxc_error *err)
{
        return kill(k->init, 0) < 0 ? explain(k, "enter container", err)
                                    : lxc_run_inside(k->init, fn, k, err);
}

static int let_go(struct creation *k, struct nxc_error *err)
{
        int r;

        if (write(k->sync[0], "g", 1) != 1)
                return explain(k, "start container", err);
        nxc_closep(&k->sync[0]);
        r = lxc_report_read(k->report[0], err);
        if (r == 0)
                return explain(k, "start container", err);
        return r < 0 ? r : 0;
}

static pid_t parent_of(pid_t pid)
{
        char path[64];
        _cleanup_free_ char *text = NULL;
        char *line;

        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        if (nxc_read_file_at(AT_FDCWD, path, 65536, &text, NULL, NULL) < 0)
                return 0;
        line = strstr(text, "\nPPid:");
        return line ? (pid_t)strtol(line + 6, NULL, 10) : 0;
}

static int finish(struct creation *k, struct nxc_error *err)
{
        char state;
        int r = nxc_stat_read(k->init, &state, &k->rec.start);

        if (r < 0)
                return explain(k, "start container", err);
        if (parent_of(k->init) != getpid())
                return nxc_fail_kind(err, NXC_ERR_LXC, 0,
                        "the init of container '%s' is liblxc's child, not ours: its exit status would be "
                        "lost",
                        k->t->id);
        r = lxc_apply_outside(k->init, json_object_get(k->spec, "process"), false, err);
        k->rec.pid = k->init;
        return r < 0 ? r : lxc_record_save(k->t, &k->rec, err);
}

static int create_steps(struct creation *k, struct nxc_error *err)
{
        int r = make_paths(k, err);

        if (r == 0)
                r = translate(k, err);
        if (r == 0)
                r = open_namespaces(k, err);
        if (r == 0)
                r = make_plan(k, err);
        if (r == 0)
                r = lxc_mounts_prepare(k->spec, k->t->bundle, &k->rec.cgroups, &k->mounts, err);
        if (r == 0)
                r = lxc_open_init(&k->init_fd, err);
        if (r == 0 && k->c->console_socket && json_is_true(nxc_json_get(k->spec, "process.terminal")))
                r = lxc_connect(k->c->console_socket, &k->console, err);
        if (r == 0)
                r = make_channels(k, err);
        if (r == 0)
                r = save_spec(k, err);
        if (r == 0)
                r = note_cgroups(k, err);
        if (r == 0)
                r = start_monitor(k, err);
        if (r == 0)
                r = await_init(k, err);
        if (r == 0)
                r = await_hook(k, err);
        if (r == 0)
                r = inside(k, setup_root, err);
        if (r == 0)
                r = run_hooks(k, NXC_HOOK_PRESTART, err);
        if (r == 0)
                r = run_hooks(k, NXC_HOOK_CREATE_RUNTIME, err);
        if (r == 0 && nxc_hooks_exist(json_object_get(k->spec, "hooks"), NXC_HOOK_CREATE_CONTAINER))
                r = inside(k, run_container_hooks, err);
        if (r == 0)
                r = let_go(k, err);
        return r == 0 ? finish(k, err) : r;
}

/* One that waits for us in the midst of its start waits for ever. */
#define ABANDONED_MONITOR_PATIENCE_MS 200

/* What failed leaves an init and a monitor that may not be in the record yet; and a monitor that lives
 * writes its files anew. */
static void abandon(struct creation *k)
{
        if (k->init > 0 && k->rec.pid == 0) {
                kill(k->init, SIGKILL);
                lxc_reap(k->init);
        }
        nxc_closep(&k->sync[0]);
        lxc_end_monitor(&k->rec, ABANDONED_MONITOR_PATIENCE_MS);
        lxc_remove(k->t, true, NULL);
}

/* console: a socket of ours in place of one that is given by its path; or negative. */
static int create(const struct nxc_backend_target *t, const struct nxc_backend_create *c, int console,
        pid_t *ret_init, struct nxc_error *err)
{
        _cleanup_creation_ struct creation k = CREATION_INIT;
        int r;

        k.t = t;
        k.c = c;
        k.spec = nxc_spec_json(c->spec);
        k.keep_fds = k.monitor.keep_fds = c->preserve_fds + nxc_process_listen_fds();
        if (k.keep_fds > 0 && !nxc_process_may_preserve(k.keep_fds))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "pass on %d file descriptors: 3 to %d are not all open", k.keep_fds, 2 + k.keep_fds);
        if (t->systemd_cgroup && access("/run/systemd/system", F_OK) < 0)
                return nxc_fail_kind(
                        err, NXC_ERR_LXC, 0, "make a systemd cgroup: systemd does not run here");
        if (c->console_socket && !nxc_spec_terminal(c->spec))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "a --console-socket is given, but process.terminal is not set");
        if (console >= 0) {
                k.console = fcntl(console, F_DUPFD_CLOEXEC, 3);
                if (k.console < 0)
                        return nxc_fail(err, errno, "pass on the console");
        } else if (json_is_true(nxc_json_get(k.spec, "process.terminal")) && !c->console_socket) {
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "process.terminal is set: a --console-socket has to be given");
        }
        r = create_steps(&k, err);
        if (r < 0)
                abandon(&k);
        else
                *ret_init = k.init;
        return r;
}

int lxc_create(const struct nxc_backend_target *t, const struct nxc_backend_create *c, struct nxc_error *err)
{
        pid_t init;

        return create(t, c, -EBADF, &init, err);
}

/* ---- run */

static int start_and_wait(const struct nxc_backend_target *t, const struct nxc_backend_create *c, pid_t init,
        int master, int *ret_code, struct nxc_error *err)
{
        int r = c->pid_file ? lxc_publish_pid(c->pid_file, init, err) : 0;

        if (r == 0)
                r = lxc_start_init(t, nxc_spec_json(c->spec), init, err);
        if (r == 0 && !c->detach)
                r = lxc_foreground(init, master, ret_code, err);
        return r;
}

int lxc_run(const struct nxc_backend_target *t, const struct nxc_backend_create *c, int *ret_code,
        struct nxc_error *err)
{
        bool terminal = nxc_spec_terminal(c->spec) && !c->console_socket;
        int console[2] = { -EBADF, -EBADF }, master = -EBADF, r = 0;
        pid_t init = 0;

        if (terminal && c->detach)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "a terminal for a detached container needs a --console-socket");
        if (!c->detach && !c->no_subreaper)
                prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        if (terminal && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) < 0)
                r = nxc_fail(err, errno, "make a channel for the terminal");
        if (r == 0)
                r = create(t, c, console[1], &init, err);
        nxc_closep(&console[1]);
        if (r == 0 && terminal)
                r = lxc_receive_master(console[0], &master, err);
        nxc_closep(&console[0]);
        if (r == 0) {
                *ret_code = 0;
                r = start_and_wait(t, c, init, master, ret_code, err);
                if (r < 0 || (!c->detach && !c->keep))
                        lxc_remove(t, true, r < 0 ? NULL : err);
        }
        nxc_closep(&master);
        return r;
}
