/* exec: one more process. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "core/publish.h"

#include <fcntl.h>
#include <string.h>

static int check_state(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_exec *e, struct nxc_error *err)
{
        struct nxc_backend_status st;
        int r = ocicli_status(rt, t, &st, err);

        if (r < 0)
                return r;
        if (st.status == NXC_STATUS_STOPPED)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "container not running: %s", t->id);
        if (st.status != NXC_STATUS_PAUSED || (e->ignore_paused && rt->has_ignore_paused))
                return 0;
        if (e->ignore_paused)
                return nxc_fail_kind(
                        err, NXC_ERR_NOT_IMPLEMENTED, 0, "%s cannot exec in a paused container", rt->name);
        return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "container paused: %s", t->id);
}

/* Runtimes write the PID file piece by piece, or to a place of their own first; ours appears whole. */
static int publish_pid(const char *from, const char *to, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r = nxc_read_file_at(AT_FDCWD, from, 64, &text, &len, err);

        return r < 0 ? r : nxc_publish_at(AT_FDCWD, to, text, len, 0644, 0, err);
}

static int add_options(struct ocicli_call *call, const struct nxc_backend_exec *e, const char *process,
        const char *pid_file, struct nxc_error *err)
{
        _cleanup_free_ char *socket = e->console_socket ? nxc_path_absolute(e->console_socket) : NULL;
        int r = ocicli_arg(call, "--process", process, err);

        if (e->console_socket && !socket)
                return nxc_oom(err);
        if (r == 0)
                r = ocicli_arg(call, "--pid-file", pid_file, err);
        if (r == 0 && e->detach)
                r = ocicli_arg(call, "--detach", NULL, err);
        if (r == 0 && socket)
                r = ocicli_arg(call, "--console-socket", socket, err);
        if (r == 0 && e->cgroup)
                r = ocicli_arg(call, "--cgroup", e->cgroup, err);
        if (r == 0 && e->ignore_paused && call->rt->has_ignore_paused)
                r = ocicli_arg(call, "--ignore-paused", NULL, err);
        return r == 0 ? ocicli_pass_fds(call, e->stdio, e->preserve_fds, err) : r;
}

static int check_process(const struct ocicli *rt, json_t *process, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = json_pack("{s:O}", "process", process);

        return doc ? ocicli_refuse(rt, doc, NULL, err) : nxc_oom(err);
}

/* Where the runtime puts the PID: of a program that is waited for at once where it was asked for, since it
 * is of use while that runs. */
static char *runtimes_pid_file(const struct nxc_backend_target *t, const struct nxc_backend_exec *e)
{
        static unsigned counter;

        if (!e->detach && e->pid_file) {
                unlink(e->pid_file); /* an old one would look like the new */
                return nxc_path_absolute(e->pid_file);
        }
        return nxc_strf("%s/exec-%d-%u.tmp", t->state_dir, (int)getpid(), counter++);
}

int ocicli_exec(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_exec *e, int *ret_code, struct nxc_error *err)
{
        _cleanup_ocicli_call_ struct ocicli_call call = OCICLI_CALL_INIT;
        _cleanup_free_ char *pid_file = NULL;
        _cleanup_close_ int document = -EBADF;
        char process[64];
        int r = check_state(rt, t, e, err);

        if (r == 0 && !(pid_file = runtimes_pid_file(t, e)))
                r = nxc_oom(err);
        if (r == 0)
                r = check_process(rt, e->process, err);
        if (r == 0)
                r = ocicli_document(e->process, &document, process, err);
        if (r == 0)
                r = ocicli_call_init(&call, rt, t, "exec", err);
        if (r == 0)
                r = add_options(&call, e, process, pid_file, err);
        if (r == 0)
                r = ocicli_arg_id(&call, err);
        if (r < 0)
                return r;
        if (e->detach)
                r = ocicli_call_run(&call, err);
        else
                r = ocicli_call_wait(&call, pid_file, ret_code, err);
        if (r == 0 && e->detach && e->pid_file)
                r = publish_pid(pid_file, e->pid_file, err);
        if (r == 0 && e->detach)
                *ret_code = 0;
        if (e->detach || !e->pid_file)
                unlink(pid_file);
        return r;
}
