/* start, kill, pause, resume, update: what changes a container that exists. */
#include "backend/ocicli/ocicli-internal.h"

#include "backend/kill-internal.h"
#include "core/json.h"

#include <sys/syscall.h>

static int verb(
        const struct ocicli *rt, const struct nxc_backend_target *t, const char *name, struct nxc_error *err)
{
        _cleanup_ocicli_call_ struct ocicli_call call = OCICLI_CALL_INIT;
        int r = ocicli_call_init(&call, rt, t, name, err);

        if (r == 0)
                r = ocicli_arg_id(&call, err);
        return r == 0 ? ocicli_call_run(&call, err) : r;
}

int ocicli_start(const struct ocicli *rt, const struct nxc_backend_target *t, struct nxc_error *err)
{
        return verb(rt, t, "start", err);
}

int ocicli_pause(const struct ocicli *rt, const struct nxc_backend_target *t, struct nxc_error *err)
{
        return verb(rt, t, "pause", err);
}

int ocicli_resume(const struct ocicli *rt, const struct nxc_backend_target *t, struct nxc_error *err)
{
        return verb(rt, t, "resume", err);
}

/* What the runtime cannot take away, we do. */
static int unlimit(const struct ocicli *rt, const struct nxc_backend_target *t, json_t *resources,
        struct nxc_error *err)
{
        _cleanup_ocicli_record_ struct ocicli_record rec = { 0 };
        int r;

        if (!rt->cannot_unlimit || !ocicli_has_unlimited(resources))
                return 0;
        r = ocicli_record_load(rt, t, &rec, err);
        if (r == -ENOENT)
                return nxc_kill_not_running(t->id, err);
        return r < 0 ? r : ocicli_unlimit(&rec.cgroups, resources, err);
}

int ocicli_update(const struct ocicli *rt, const struct nxc_backend_target *t, json_t *resources,
        struct nxc_error *err)
{
        _cleanup_ocicli_call_ struct ocicli_call call = OCICLI_CALL_INIT;
        _cleanup_close_ int document = -EBADF;
        char path[64];
        json_t *wanted = json_deep_copy(resources);
        _cleanup_json_ json_t *doc = json_pack("{s:{s:o}}", "linux", "resources", wanted);
        int r = doc ? ocicli_refuse(rt, doc, NULL, err) : nxc_oom(err);

        if (r == 0)
                r = unlimit(rt, t, wanted, err);
        if (r == 0)
                r = ocicli_document(wanted, &document, path, err);
        if (r == 0)
                r = ocicli_call_init(&call, rt, t, "update", err);
        if (r == 0)
                r = ocicli_arg(&call, "--resources", path, err);
        if (r == 0)
                r = ocicli_arg_id(&call, err);
        return r == 0 ? ocicli_call_run(&call, err) : r;
}

/* all: by the cgroup that the runtime recorded, not by the one that the init is in now: a zombie is in the
 * root of each cgroup v1 hierarchy (proc_cgroup_show), together with the host. */
int ocicli_kill(const struct ocicli *rt, const struct nxc_backend_target *t, int signal, bool all,
        struct nxc_error *err)
{
        _cleanup_ocicli_record_ struct ocicli_record rec = { 0 };
        _cleanup_close_ int pidfd = -EBADF;
        int r = ocicli_record_load(rt, t, &rec, err);

        if (r == -ENOENT)
                return nxc_kill_not_running(t->id, err);
        if (r < 0)
                return r;
        if (all && nxc_cgroups_signal(&rec.cgroups, signal) > 0)
                return 0;
        pidfd = rec.pid > 0 ? (int)syscall(SYS_pidfd_open, rec.pid, 0) : -ESRCH;
        if (pidfd < 0 ||
                !ocicli_record_is_alive(&rec)) /* in this order: now it cannot be another one's PID */
                return nxc_kill_not_running(t->id, err);
        return nxc_kill_process(t->id, pidfd, rec.pid, signal, err);
}
