/* delete, and seeing to it that nothing is left: processes, cgroups, the runtime's state. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/fs.h"
#include "core/log.h"
#include "core/path.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define MAKER_PATIENCE_MS 3000 /* a runtime makes or gives up a container in far less */
#define DEATH_PATIENCE_MS 10000

/* Whether a process' command line names our state directory as the runtime's root: a runtime at work, or the
 * init that it forked and that has not executed its program. */
static bool is_maker(const char *pid, const char *root)
{
        char path[32], text[4096];
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        if (snprintf(path, sizeof(path), "/proc/%.10s/cmdline", pid) >= (int)sizeof(path))
                return false;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = '\0';
        for (const char *p = text; p < text + n; p += strlen(p) + 1)
                if (nxc_streq(p, "--root"))
                        return p + strlen(p) + 1 < text + n && nxc_streq(p + strlen(p) + 1, root);
        return false;
}

/* 0: there is none; negative: -errno. */
static pid_t find_maker(const char *root)
{
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        struct dirent *de;
        uint64_t pid;

        if (!proc)
                return -errno;
        while ((de = readdir(proc)))
                if (nxc_parse_u64(de->d_name, &pid) == 0 && (pid_t)pid != getpid() &&
                        is_maker(de->d_name, root))
                        return (pid_t)pid;
        return 0;
}

/* Nothing of the container is there, but its maker may outlive the nexcage that started it (kill -9 of a
 * create). It is given the time to end; then it is ended. Returns when there is none, or when it has made
 * the container. */
static int settle(const struct ocicli *rt, const struct nxc_backend_target *t, struct nxc_error *err)
{
        _cleanup_free_ char *root = nxc_path_join(t->state_dir, "rt");
        _cleanup_free_ char *status = nxc_strf("%s/rt/%s/%s", t->state_dir, t->id, rt->status_file);
        const struct timespec pause = { .tv_nsec = 2000000 };
        pid_t pid;

        if (!root || !status)
                return nxc_oom(err);
        for (int ms = 0; (pid = find_maker(root)) > 0; ms += 2) {
                if (ms >= MAKER_PATIENCE_MS)
                        kill(pid, SIGKILL);
                else if (access(status, F_OK) == 0)
                        return 0;
                nanosleep(&pause, NULL);
        }
        return pid < 0 ? nxc_fail(err, -pid, "look for a runtime at work for container '%s'", t->id) : 0;
}

static int runtime_delete(
        const struct ocicli *rt, const struct nxc_backend_target *t, bool force, struct nxc_error *err)
{
        _cleanup_ocicli_call_ struct ocicli_call call = OCICLI_CALL_INIT;
        int r = ocicli_call_init(&call, rt, t, "delete", err);

        if (r == 0 && force)
                r = ocicli_arg(&call, "--force", NULL, err);
        if (r == 0)
                r = ocicli_arg_id(&call, err);
        return r == 0 ? ocicli_call_run(&call, err) : r;
}

/* The init is dead when this returns 0. */
static int make_sure_it_is_dead(const struct ocicli_record *rec, const char *id, struct nxc_error *err)
{
        _cleanup_close_ int pidfd = rec->pid > 0 ? (int)syscall(SYS_pidfd_open, rec->pid, 0) : -EBADF;
        struct pollfd pf = { .fd = pidfd, .events = POLLIN };

        if (pidfd < 0 || !ocicli_record_is_alive(rec))
                return 0;
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        nxc_cgroups_clear(&rec->cgroups); /* thaws it, too */
        if (poll(&pf, 1, DEATH_PATIENCE_MS) > 0)
                return 0;
        return nxc_fail_kind(err, NXC_ERR_BUSY, 0, "remove container '%s': its process %d does not die", id,
                (int)rec->pid);
}

static int remove_files(const struct nxc_backend_target *t, struct nxc_error *err)
{
        static const char *const ours[] = { "rt", "bundle", "hooks.err", "init.pid" };
        _cleanup_close_ int dir = open(t->state_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = 0;

        for (size_t i = 0; dir >= 0 && r == 0 && i < NXC_ARRAY_SIZE(ours); i++)
                r = nxc_remove_tree_at(dir, ours[i], err);
        return r;
}

/* Another runtime's state under the same directory (a record that cannot be read any more) is not ours to
 * remove. */
static int is_foreign(const struct ocicli *rt, const struct nxc_backend_target *t)
{
        const struct ocicli *other = rt == &ocicli_crun ? &ocicli_runc : &ocicli_crun;
        _cleanup_free_ char *path = nxc_strf("%s/rt/%s/%s", t->state_dir, t->id, other->status_file);

        return path ? access(path, F_OK) == 0 : -ENOMEM;
}

int ocicli_remove(
        const struct ocicli *rt, const struct nxc_backend_target *t, bool force, struct nxc_error *err)
{
        _cleanup_ocicli_record_ struct ocicli_record rec = { 0 };
        _cleanup_free_ char *dir = nxc_strf("%s/rt/%s", t->state_dir, t->id);
        _cleanup_free_ char *root = nxc_path_join(t->state_dir, "rt");
        struct nxc_error why = { 0 };
        int r;

        r = dir && root ? is_foreign(rt, t) : -ENOMEM;
        if (r != 0)
                return r < 0 ? nxc_oom(err) : 0;
        if (access(root, F_OK) < 0) /* none was at work here, or `run` ended as it should */
                return remove_files(t, err);
        r = ocicli_record_load(rt, t, &rec, &why);
        if (r == -ENOENT) {
                r = settle(rt, t, err);
                if (r < 0)
                        return r;
                r = ocicli_record_load(rt, t, &rec, &why);
        }
        if (r == -ENOMEM)
                return nxc_oom(err);
        nxc_error_reset(&why);
        if (access(dir, F_OK) == 0) {
                r = runtime_delete(rt, t, force, &why);
                if (r < 0 && why.kind != NXC_ERR_CONTAINER_NOT_FOUND &&
                        (!force || why.kind == NXC_ERR_OUT_OF_MEMORY)) {
                        if (err)
                                *err = why;
                        return r;
                }
                if (r < 0 && why.kind != NXC_ERR_CONTAINER_NOT_FOUND)
                        nxc_debug("%s, removing it without", why.message);
        }
        r = make_sure_it_is_dead(&rec, t->id, err);
        if (r < 0)
                return r;
        nxc_cgroups_clear(&rec.cgroups);
        return remove_files(t, err);
}
