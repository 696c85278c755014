/* state, kill and delete: from the record, /proc and the cgroups. */
#include "backend/lxc/lxc-record-internal.h"

#include "backend/alive-internal.h"
#include "backend/cgroups-internal.h"
#include "backend/kill-internal.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CONFIGURATION_MAX_BYTES (32u << 20) /* of a spec of 16 MiB */
#define DEATH_PATIENCE_MS 5000   /* for a killed init; its address space and its namespaces are torn down */
#define MONITOR_PATIENCE_MS 3000 /* for liblxc to tidy up after it */

static bool is_there(const struct nxc_backend_target *t, const char *name)
{
        char path[PATH_MAX]; /* not malloc'ed: want of memory must not look like absence */
        int n = snprintf(path, sizeof(path), "%s/%s", t->state_dir, name);

        return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

int lxc_status(const struct nxc_backend_target *t, struct nxc_backend_status *ret, struct nxc_error *err)
{
        _cleanup_lxc_record_ struct lxc_record rec = { 0 };
        bool frozen;
        int r = lxc_record_load(t, &rec, err);

        if (r < 0 && r != -ENOENT)
                return r;
        if (r == -ENOENT || !nxc_is_alive(rec.pid, rec.start)) {
                *ret = (struct nxc_backend_status){ .status = NXC_STATUS_STOPPED };
                return 0;
        }
        r = nxc_cgroup_is_frozen(rec.pid, &frozen, NULL);
        if (r == -ENOMEM)
                return nxc_oom(err);
        ret->pid = rec.pid;
        if (r == 0 && frozen)
                ret->status = NXC_STATUS_PAUSED;
        else
                ret->status = is_there(t, LXC_START) ? NXC_STATUS_CREATED : NXC_STATUS_RUNNING;
        return 0;
}

int lxc_configuration(const struct nxc_backend_target *t, char **ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, "config");

        return path ? nxc_read_file_at(AT_FDCWD, path, CONFIGURATION_MAX_BYTES, ret, NULL, err)
                    : nxc_oom(err);
}

/* A record has the directories of the container and those of its monitor, see create.c. */
static bool is_containers(const char *dir)
{
        return !strstr(dir, "/nexcage.monitor/");
}

int lxc_kill(const struct nxc_backend_target *t, int signal, bool all, struct nxc_error *err)
{
        _cleanup_lxc_record_ struct lxc_record rec = { 0 };
        _cleanup_strv_ struct nxc_strv dirs = { 0 };
        _cleanup_close_ int pidfd = -EBADF;
        int r = lxc_record_load(t, &rec, err);

        if (r == -ENOENT)
                return nxc_kill_not_running(t->id, err);
        if (r < 0)
                return r;
        for (size_t i = 0; all && i < rec.cgroups.n; i++)
                if (is_containers(rec.cgroups.v[i]) && nxc_strv_add(&dirs, rec.cgroups.v[i]) < 0)
                        return nxc_oom(err);
        if (all && nxc_cgroups_signal(&dirs, signal) > 0)
                return 0;
        pidfd = rec.pid > 0 ? (int)syscall(SYS_pidfd_open, rec.pid, 0) : -ESRCH;
        if (pidfd < 0 || !nxc_is_alive(rec.pid, rec.start))
                return nxc_kill_not_running(t->id, err);
        return nxc_kill_process(t->id, pidfd, rec.pid, signal, err);
}

/* Whether it ended in time. A child of ours is still to be reaped. */
static bool await_end(int pidfd, int timeout_ms)
{
        struct pollfd pf = { .fd = pidfd, .events = POLLIN };

        return poll(&pf, 1, timeout_ms) > 0;
}

void lxc_end_monitor(const struct lxc_record *rec, int patience_ms)
{
        _cleanup_close_ int pidfd = rec->monitor > 0 ? (int)syscall(SYS_pidfd_open, rec->monitor, 0)
                                                     : -EBADF;

        if (pidfd >= 0 && nxc_is_alive(rec->monitor, rec->monitor_start) && !await_end(pidfd, patience_ms)) {
                syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
                await_end(pidfd, DEATH_PATIENCE_MS);
        }
        if (rec->monitor > 0)
                waitpid(rec->monitor, NULL, WNOHANG); /* of a `run` it is a child */
}

static int end_init(const struct nxc_backend_target *t, const struct lxc_record *rec, struct nxc_error *err)
{
        _cleanup_close_ int pidfd = rec->pid > 0 ? (int)syscall(SYS_pidfd_open, rec->pid, 0) : -EBADF;

        if (pidfd < 0 || !nxc_is_alive(rec->pid, rec->start))
                return 0;
        nxc_kill_process(t->id, pidfd, rec->pid, SIGKILL, NULL);
        if (await_end(pidfd, DEATH_PATIENCE_MS))
                return 0;
        return nxc_fail_kind(err, NXC_ERR_BUSY, 0, "remove container '%s': its process %d does not die",
                t->id, (int)rec->pid);
}

static int remove_files(const struct nxc_backend_target *t, struct nxc_error *err)
{
        static const char *const ours[] = { "config", "rt" };
        _cleanup_close_ int dir = open(t->state_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = 0;

        for (size_t i = 0; dir >= 0 && r == 0 && i < NXC_ARRAY_SIZE(ours); i++)
                r = nxc_remove_tree_at(dir, ours[i], err);
        return r;
}

/* And the directories above that are empty then, below liblxc's own. */
static void remove_lock(char *path)
{
        char *slash;

        unlink(path);
        while ((slash = strrchr(path, '/'))) {
                *slash = '\0';
                if (!nxc_starts_with(path, "/run/lxc/lock/") || rmdir(path) < 0)
                        return;
        }
}

int lxc_hold_monitor_cgroups(void)
{
        int fd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0)
                flock(fd, LOCK_SH);
        return fd;
}

/* The directory of all monitors, when this was the last. Whoever makes one meanwhile holds it. */
static void remove_monitor_parents(const struct lxc_record *rec)
{
        _cleanup_close_ int fd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return; /* then it is in use */
        for (size_t i = 0; i < rec->cgroups.n; i++) {
                _cleanup_free_ char *dir = is_containers(rec->cgroups.v[i]) ? NULL
                                                                            : strdup(rec->cgroups.v[i]);

                if (!dir)
                        continue;
                *strrchr(dir, '/') = '\0';
                rmdir(dir);
        }
}

int lxc_run_hooks(const struct nxc_backend_target *t, const json_t *spec, enum nxc_hook_point point,
        const char *status, pid_t pid, struct nxc_error *err)
{
        struct nxc_hook_context ctx = { .on_failure_continue = point == NXC_HOOK_POSTSTOP };
        const json_t *hooks = json_object_get(spec, "hooks");
        _cleanup_json_ json_t *state = NULL;

        if (!nxc_hooks_exist(hooks, point))
                return 0;
        ctx.state = state = json_pack("{s:s?, s:s, s:s, s:i, s:s?, s:O*}", "ociVersion",
                nxc_json_str(spec, "ociVersion"), "id", t->id, "status", status, "pid", (int)pid, "bundle",
                t->bundle, "annotations", json_object_get(spec, "annotations"));
        return state ? nxc_hooks_run(hooks, point, &ctx, err) : nxc_oom(err);
}

static void run_poststop(const struct nxc_backend_target *t)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, "rt/config.json");
        _cleanup_json_ json_t *spec = NULL;

        if (path && nxc_json_load_at(AT_FDCWD, path, NXC_SPEC_MAX_BYTES, &spec, NULL) == 0)
                lxc_run_hooks(t, spec, NXC_HOOK_POSTSTOP, "stopped", 0, NULL);
}

int lxc_remove(const struct nxc_backend_target *t, bool force, struct nxc_error *err)
{
        _cleanup_lxc_record_ struct lxc_record rec = { 0 };
        struct nxc_error why = { 0 };
        int r;

        if (!is_there(t, LXC_RECORD))
                return is_there(t, "rt/lxc.log") ? remove_files(t, err) : 0;
        r = lxc_record_load(t, &rec, &why); /* one that cannot be read: its files go all the same */
        if (r == -ENOMEM)
                return nxc_oom(err);
        if (r == 0)
                r = end_init(t, &rec, err);
        if (r == -EBUSY)
                return r;
        lxc_end_monitor(&rec, MONITOR_PATIENCE_MS);
        run_poststop(t);
        nxc_cgroups_clear(&rec.cgroups);
        remove_monitor_parents(&rec);
        if (rec.lock)
                remove_lock(rec.lock);
        return remove_files(t, err);
}
