/* A backend in the process, for tests of what lies above: NXC_DEBUG=fake-backend. Its container is a child
 * that does nothing and has no isolation at all; any operation fails with NXC_DEBUG=fake-fail=OPERATION. It
 * looks for nothing on the host, so that tests need no runtime and no root. */
#include "backend/backend-ops.h"

#include "backend/alive-internal.h"
#include "core/cleanup.h"
#include "core/debug.h"
#include "core/fs.h"
#include "core/path.h"
#include "core/publish.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int injected(const char *operation, struct nxc_error *err)
{
        const char *flag = nxc_debug_flag("fake-fail");

        if (!flag || !nxc_streq(flag, operation))
                return 0;
        return nxc_fail_kind(err, NXC_ERR_CRUN, EIO, "injected failure (NXC_DEBUG=fake-fail=%s)", operation);
}

static int probe(bool full, struct nxc_backend_info *ret, struct nxc_error *err)
{
        int r = injected("probe", err);

        if (r == 0 && ret)
                *ret = (struct nxc_backend_info){ .version = "0", .path = "" };
        return r;
}

static int check_spec(const struct nxc_spec *spec, struct nxc_error *err)
{
        return injected("check_spec", err);
}

struct fake {
        pid_t pid;
        uint64_t start_time;
};

/* rt/fake: "PID START". */
static int load(const struct nxc_backend_target *t, struct fake *ret)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, "rt/fake"), *text = NULL;
        unsigned long long start;
        int pid;

        if (!path || nxc_read_file_at(AT_FDCWD, path, 64, &text, NULL, NULL) < 0 ||
                sscanf(text, "%d %llu", &pid, &start) != 2)
                return -ENOENT;
        *ret = (struct fake){ .pid = pid, .start_time = start };
        return 0;
}

static bool is_alive(const struct fake *f)
{
        return nxc_is_alive(f->pid, f->start_time);
}

static void child(void) __attribute__((noreturn));
static void child(void)
{
        setsid();
        for (int s = 1; s < SIGRTMIN; s++)
                signal(s, SIG_DFL);
        syscall(SYS_close_range, 0U, ~0U, 0U);
        for (;;)
                pause();
}

static int create(
        const struct nxc_backend_target *t, const struct nxc_backend_create *c, struct nxc_error *err)
{
        _cleanup_free_ char *dir = nxc_path_join(t->state_dir, "rt");
        _cleanup_close_ int fd = -EBADF;
        uint64_t start;
        char text[64], state;
        pid_t pid;
        int r = injected("create", err);

        if (r < 0)
                return r;
        r = dir ? nxc_open_dir_p(dir, 0700, &fd, err) : nxc_oom(err);
        if (r < 0)
                return r;
        pid = fork();
        if (pid < 0)
                return nxc_fail(err, errno, "start the fake container '%s'", t->id);
        if (pid == 0)
                child();
        r = nxc_stat_read(pid, &state, &start);
        snprintf(text, sizeof(text), "%d %llu", (int)pid, (unsigned long long)start);
        r = r < 0 ? nxc_fail(err, -r, "find the fake container '%s'", t->id)
                  : nxc_publish_at(fd, "fake", text, strlen(text), 0600, 0, err);
        if (r < 0)
                kill(pid, SIGKILL);
        return r;
}

static int start(const struct nxc_backend_target *t, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, "rt/started");
        int r = injected("start", err);

        if (r < 0)
                return r;
        return path ? nxc_publish_at(AT_FDCWD, path, "", 0, 0600, 0, err) : nxc_oom(err);
}

static bool has_mark(const struct nxc_backend_target *t, const char *name)
{
        _cleanup_free_ char *path = nxc_strf("%s/rt/%s", t->state_dir, name);

        return path && access(path, F_OK) == 0;
}

static int status(const struct nxc_backend_target *t, struct nxc_backend_status *ret, struct nxc_error *err)
{
        struct fake rec;
        int r = injected("status", err);

        if (r < 0)
                return r;
        *ret = (struct nxc_backend_status){ .status = NXC_STATUS_STOPPED };
        if (load(t, &rec) < 0 || !is_alive(&rec))
                return 0;
        ret->pid = rec.pid;
        ret->status = has_mark(t, "paused")    ? NXC_STATUS_PAUSED
                      : has_mark(t, "started") ? NXC_STATUS_RUNNING
                                               : NXC_STATUS_CREATED;
        return 0;
}

static int kill_(const struct nxc_backend_target *t, int signal, bool all, struct nxc_error *err)
{
        struct fake rec;
        int r = injected("kill", err);

        if (r < 0)
                return r;
        if (load(t, &rec) < 0 || !is_alive(&rec) || kill(rec.pid, signal) < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "container not running: %s", t->id);
        return 0;
}

static int remove_(const struct nxc_backend_target *t, bool force, struct nxc_error *err)
{
        _cleanup_free_ char *dir = nxc_path_join(t->state_dir, "rt");
        _cleanup_close_ int pidfd = -EBADF;
        struct fake rec;
        struct pollfd pf;
        int r = injected("remove", err);

        if (r < 0)
                return r;
        if (!dir)
                return nxc_oom(err);
        if (load(t, &rec) == 0) {
                pidfd = (int)syscall(SYS_pidfd_open, rec.pid, 0);
                if (pidfd >= 0 && is_alive(&rec))
                        kill(rec.pid, SIGKILL);
                pf = (struct pollfd){ .fd = pidfd, .events = POLLIN };
                if (pidfd >= 0)
                        poll(&pf, 1, 1000);
        }
        return nxc_remove_tree_at(AT_FDCWD, dir, err);
}

static int exec(const struct nxc_backend_target *t, const struct nxc_backend_exec *e, int *ret_code,
        struct nxc_error *err)
{
        int r = injected("exec", err);

        if (r == 0)
                *ret_code = 0;
        return r;
}

static int set_mark(const struct nxc_backend_target *t, bool paused, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, "rt/paused");

        if (!path)
                return nxc_oom(err);
        if (paused)
                return nxc_publish_at(AT_FDCWD, path, "", 0, 0600, 0, err);
        unlink(path);
        return 0;
}

static int pause_(const struct nxc_backend_target *t, struct nxc_error *err)
{
        int r = injected("pause", err);

        return r < 0 ? r : set_mark(t, true, err);
}

static int resume(const struct nxc_backend_target *t, struct nxc_error *err)
{
        int r = injected("resume", err);

        return r < 0 ? r : set_mark(t, false, err);
}

static int update(const struct nxc_backend_target *t, json_t *resources, struct nxc_error *err)
{
        return injected("update", err);
}

extern const struct nxc_backend_ops nxc_backend_fake;
const struct nxc_backend_ops nxc_backend_fake = {
        .abi = NXC_BACKEND_ABI,
        .name = "fake",
        .summary = "no isolation, for tests",
        .install_hint = "NXC_DEBUG=fake-backend",
        .error_kind = NXC_ERR_CRUN,
        .accepts = 1u << NXC_ROOTFS_DIR | 1u << NXC_ROOTFS_IMAGE_FILE | 1u << NXC_ROOTFS_BLOCK,
        .probe = probe,
        .check_spec = check_spec,
        .create = create,
        .start = start,
        .status = status,
        .kill = kill_,
        .remove = remove_,
        .exec = exec,
        .pause = pause_,
        .resume = resume,
        .update = update,
};
