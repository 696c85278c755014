/* checkpoint and restore, by criu below the runtime. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/path.h"
#include "core/process.h"

#include <string.h>

/* crun has it when it was built with criu's library; Debian's is not. runc calls the program. */
static int check_usable(const struct ocicli *rt, const char *operation, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL, *criu = NULL;
        struct ocicli_version v;
        int r;

        if (!rt->has_checkpoint) {
                r = ocicli_version(rt, &v, &text, err);
                if (r < 0)
                        return r;
                if (strstr(text, "+CRIU"))
                        return 0;
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "%s cannot %s: this %s %d.%d.%d was built without criu", rt->name, operation,
                        rt->name, v.major, v.minor, v.patch);
        }
        r = nxc_process_find("criu", &criu);
        if (r == 0)
                return 0;
        r = nxc_fail_kind(
                err, NXC_ERR_RUNTIME_NOT_AVAILABLE, ENOENT, "%s: find the program 'criu'", operation);
        nxc_error_hint(err, "apt install criu");
        return r;
}

static int add_criu_options(struct ocicli_call *call, const struct nxc_backend_checkpoint *k, bool restores,
        struct nxc_error *err)
{
        const struct {
                const char *option, *value;
        } values[] = {
                { "--image-path", k->image_path },
                { "--work-path", k->work_path },
                { "--parent-path", restores ? NULL : k->parent_path },
                { "--page-server", restores ? NULL : k->page_server },
                { "--manage-cgroups-mode", k->manage_cgroups_mode },
        };
        const struct {
                const char *option;
                bool given;
        } flags[] = {
                { "--leave-running", k->leave_running && !restores },
                { "--tcp-established", k->tcp_established },
                { "--ext-unix-sk", k->ext_unix_sk },
                { "--shell-job", k->shell_job },
                { "--file-locks", k->file_locks },
                { "--pre-dump", k->pre_dump && !restores },
                { "--lazy-pages", k->lazy_pages },
                { "--auto-dedup", k->auto_dedup },
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(values); i++)
                if (values[i].value)
                        r = ocicli_arg(call, values[i].option, values[i].value, err);
        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(flags); i++)
                if (flags[i].given)
                        r = ocicli_arg(call, flags[i].option, NULL, err);
        for (size_t i = 0; r == 0 && i < k->empty_ns.n; i++)
                r = ocicli_arg(call, "--empty-ns", k->empty_ns.v[i], err);
        return r;
}

static void point_to_criu_log(const struct nxc_backend_checkpoint *k, const char *log, struct nxc_error *err)
{
        const char *dir = k->work_path ? k->work_path : k->image_path;

        if (dir && err && !err->hint[0])
                nxc_error_hint(err, "criu's own log: %.300s/%s", dir, log);
}

int ocicli_checkpoint(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_checkpoint *k, struct nxc_error *err)
{
        static const int none[3] = { -1, -1, -1 };
        _cleanup_ocicli_call_ struct ocicli_call call = OCICLI_CALL_INIT;
        int r = check_usable(rt, "checkpoint", err);

        if (r == 0)
                r = ocicli_call_init(&call, rt, t, "checkpoint", err);
        if (r == 0)
                r = add_criu_options(&call, k, false, err);
        if (r == 0 && k->status_fd >= 0) /* the runtime gets it under the number that we were given it */
                r = ocicli_argf(&call, err, "--status-fd=%d", k->status_fd);
        if (r == 0)
                r = ocicli_arg_id(&call, err);
        if (r < 0)
                return r;
        if (k->status_fd >= 3) {
                r = ocicli_pass_fds(&call, none, 0, err);
                call.preserve_fds = k->status_fd - 2;
        }
        if (r == 0)
                r = ocicli_call_run(&call, err);
        if (r < 0)
                point_to_criu_log(k, "dump.log", err);
        return r;
}

int ocicli_restore(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, const struct nxc_backend_checkpoint *k, int *ret_code,
        struct nxc_error *err)
{
        _cleanup_ocicli_call_ struct ocicli_call call = OCICLI_CALL_INIT;
        _cleanup_ocicli_copy_ struct ocicli_copy copy = OCICLI_COPY_INIT;
        _cleanup_free_ char *pid_file = c->pid_file ? nxc_path_absolute(c->pid_file)
                                                    : nxc_path_join(t->state_dir, "init.pid");
        int r = check_usable(rt, "restore", err);

        if (r == 0 && !pid_file)
                r = nxc_oom(err);
        if (r == 0)
                r = ocicli_copy_make(rt, t, c, &copy, err);
        if (r == 0)
                r = ocicli_call_init(&call, rt, t, "restore", err);
        if (r == 0)
                r = ocicli_arg(&call, "--bundle", copy.bundle, err);
        if (r == 0)
                r = ocicli_arg(&call, "--pid-file", pid_file, err);
        if (r == 0)
                r = add_criu_options(&call, k, true, err);
        if (r == 0 && c->detach)
                r = ocicli_arg(&call, "--detach", NULL, err);
        if (r == 0 && c->no_subreaper)
                r = ocicli_arg(&call, "--no-subreaper", NULL, err);
        if (r == 0 && c->no_pivot)
                r = ocicli_arg(&call, "--no-pivot", NULL, err);
        if (r == 0 && c->console_socket)
                r = ocicli_arg(&call, "--console-socket", c->console_socket, err);
        if (r == 0)
                r = ocicli_pass_fds(&call, c->stdio, 0, err);
        if (r == 0)
                r = ocicli_arg_id(&call, err);
        if (r < 0)
                return r;
        call.makes = true;
        unlink(pid_file);
        r = c->detach ? ocicli_call_run(&call, err) : ocicli_call_wait(&call, pid_file, ret_code, err);
        if (r == 0 && c->detach)
                *ret_code = 0;
        if (r < 0)
                point_to_criu_log(k, "restore.log", err);
        if (r < 0 && (!err || err->kind != NXC_ERR_CONTAINER_EXISTS))
                ocicli_remove(rt, t, true, NULL);
        return r;
}
