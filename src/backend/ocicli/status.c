/* The state of a container without a child: the runtime's status file, /proc and the freezer. */
#include "backend/ocicli/ocicli-internal.h"

#include "backend/alive-internal.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/process.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <string.h>

#define STATUS_MAX_BYTES (16u << 20) /* runc's holds the whole configuration */

void ocicli_record_done(struct ocicli_record *r)
{
        nxc_strv_done(&r->cgroups);
}

bool ocicli_record_is_alive(const struct ocicli_record *r)
{
        return nxc_is_alive(r->pid, r->start_time);
}

/* The status file is not what we know: another version's. The runtime itself can still say. */
static int ask_runtime(const struct ocicli *rt, const struct nxc_backend_target *t,
        struct ocicli_record *ret, struct nxc_error *err)
{
        _cleanup_ocicli_call_ struct ocicli_call c = OCICLI_CALL_INIT;
        _cleanup_buf_ struct nxc_buf out = { 0 };
        struct nxc_process_opts o = NXC_PROCESS_OPTS_INIT;
        _cleanup_json_ json_t *j = NULL;
        int status, r;

        r = ocicli_call_init(&c, rt, t, "state", err);
        if (r == 0)
                r = ocicli_arg_id(&c, err);
        if (r < 0)
                return r;
        o.argv = (const char *const *)c.argv.v;
        o.capture_stdout = &out;
        r = nxc_process_run(&o, &status, err);
        if (r < 0)
                return r;
        if (status != 0)
                return -ENOENT;
        r = nxc_json_parse(out.data ? out.data : "", out.len, "the runtime's answer", &j, err);
        if (r < 0)
                return r;
        ret->pid = (pid_t)json_integer_value(json_object_get(j, "pid"));
        return 0;
}

int ocicli_record_load(const struct ocicli *rt, const struct nxc_backend_target *t,
        struct ocicli_record *ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_strf("%s/rt/%s/%s", t->state_dir, t->id, rt->status_file);
        _cleanup_json_ json_t *j = NULL;
        struct nxc_error why = { 0 };
        int r;

        *ret = (struct ocicli_record){ 0 };
        if (!path)
                return nxc_oom(err);
        r = nxc_json_load_at(AT_FDCWD, path, STATUS_MAX_BYTES, &j, &why);
        if (r == -ENOENT)
                return r;
        if (r == 0)
                r = rt->parse_record(j, ret);
        if (r == -ENOMEM)
                return nxc_oom(err);
        if (r == 0)
                return 0;
        ocicli_record_done(ret);
        *ret = (struct ocicli_record){ 0 };
        return ask_runtime(rt, t, ret, err);
}

static int waits_for_start(const struct nxc_backend_target *t)
{
        _cleanup_free_ char *fifo = nxc_strf("%s/rt/%s/exec.fifo", t->state_dir, t->id);

        return fifo ? access(fifo, F_OK) == 0 : -ENOMEM;
}

int ocicli_status(const struct ocicli *rt, const struct nxc_backend_target *t,
        struct nxc_backend_status *ret, struct nxc_error *err)
{
        _cleanup_ocicli_record_ struct ocicli_record rec = { 0 };
        bool frozen = false;
        int r = ocicli_record_load(rt, t, &rec, err), waits;

        if (r < 0 && r != -ENOENT)
                return r;
        if (r == -ENOENT || !ocicli_record_is_alive(&rec)) {
                *ret = (struct nxc_backend_status){ .status = NXC_STATUS_STOPPED };
                return 0;
        }
        r = nxc_cgroup_is_frozen(rec.pid, &frozen, NULL);
        waits = r == 0 && frozen ? 0 : waits_for_start(t);
        if (r == -ENOMEM || waits < 0)
                return nxc_oom(err);
        ret->pid = rec.pid;
        ret->status = r == 0 && frozen ? NXC_STATUS_PAUSED : waits ? NXC_STATUS_CREATED : NXC_STATUS_RUNNING;
        return 0;
}
