/* The two ways through the create flow: `create`, which leaves a container that waits, and `run`, which goes
 * on to the program's end. Both are the same table of steps; this file opens and closes what the steps
 * share. */
#include "lifecycle/flow-internal.h"

#include "core/cleanup.h"
#include "core/log.h"
#include "hooks/hooks.h"
#include "lifecycle/wait-internal.h"
#include "sys/cgroup.h"

#include <string.h>

static void flow_init(struct nxc_flow *f, struct nxc_host *h, const struct nxc_create_opts *o, bool is_run)
{
        *f = (struct nxc_flow){ .host = h, .o = o, .is_run = is_run };
        f->bundle_fd = f->staging_fd = f->mount_fd = f->log_fd = f->lock_fd = -EBADF;
        /* runc's run removes its container unless --keep; podman's keeps it unless --rm. */
        f->erase_at_exit = is_run && (o->bundle ? !o->keep : o->auto_remove);
}

static void flow_done(struct nxc_flow *f)
{
        nxc_closep(&f->bundle_fd);
        nxc_closep(&f->staging_fd);
        nxc_closep(&f->mount_fd);
        nxc_closep(&f->log_fd);
        nxc_closep(&f->lock_fd);
        nxc_layer_chain_release(f->chain);
        nxc_image_free(f->image);
        nxc_spec_free(f->spec);
        nxc_compose_result_done(&f->composed);
        nxc_record_free(f->record);
        json_decref(f->hooks);
        free(f->config_text);
        free(f->bundle);
        free(f->staging);
        free(f->container_dir);
        nxc_rootfs_done(&f->rootfs);
        nxc_idmap_free(f->ids);
        free(f->zfs_parent);
        nxc_record_free(f->source);
        free(f->state_dir);
}
#define _cleanup_flow_ _cleanup_(flow_done)

static int run_steps(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_free_ struct nxc_step_time *times = calloc(nxc_create_n_steps, sizeof(*times));
        struct nxc_step_runner runner = { nxc_create_steps, nxc_create_n_steps, times, f->o->dry_run };
        int r;

        if (!times)
                return nxc_oom(err);
        if (!f->o->dry_run)
                nxc_cgroup_expect_move();
        r = nxc_steps_run(&runner, f, err);
        if (f->o->timings)
                nxc_flow_print_timings(f, times, err);
        if (r == 0 && f->o->dry_run)
                r = nxc_flow_print_plan(f, err);
        return r;
}

static void fill_result(const struct nxc_flow *f, struct nxc_create_result *ret)
{
        snprintf(ret->id, sizeof(ret->id), "%s", f->id);
        ret->pid = f->pid;
}

int nxc_create(struct nxc_host *h, const struct nxc_create_opts *o, struct nxc_create_result *ret,
        struct nxc_error *err)
{
        _cleanup_flow_ struct nxc_flow f;
        int r;

        flow_init(&f, h, o, false);
        r = run_steps(&f, err);
        if (r < 0) {
                nxc_journal_unwind(h, f.journal);
                return r;
        }
        nxc_journal_commit(f.journal);
        fill_result(&f, ret);
        return 0;
}

/* The backend has no `run` of its own, or the hooks are ours: start, then wait for the init, which is our
 * child since we are its subreaper. */
static int start_and_wait(struct nxc_flow *f, struct nxc_error *err)
{
        struct nxc_backend_target target = nxc_flow_target(f);
        struct nxc_hook_context ctx = { .on_failure_continue = f->hooks_continue };
        struct nxc_waiter waiter;
        int r = nxc_waiter_init(&waiter, f->pid, err);

        if (r < 0)
                return r;
        nxc_closep(&f->lock_fd);
        r = nxc_backend_start(f->backend, &target, err);
        if (r == 0 && f->own_hooks) {
                ctx.state = nxc_state_document(f->record, NXC_STATUS_RUNNING, f->pid);
                r = nxc_hooks_run(f->hooks, NXC_HOOK_POSTSTART, &ctx, err);
                json_decref(ctx.state);
        }
        if (r < 0) {
                if (err && !err->stage)
                        err->stage = "start-container";
        } else if (!f->o->detach) {
                r = nxc_waiter_wait(&waiter, &f->exit_code, err);
                f->has_exited = r == 0;
        }
        nxc_waiter_done(&waiter);
        return r;
}

static void run_poststop(struct nxc_flow *f)
{
        struct nxc_hook_context ctx = { .on_failure_continue = true };
        struct nxc_error why = { 0 };

        if (!f->own_hooks)
                return;
        ctx.state = nxc_state_document(f->record, NXC_STATUS_STOPPED, 0);
        if (nxc_hooks_run(f->hooks, NXC_HOOK_POSTSTOP, &ctx, &why) < 0)
                nxc_warn("run the poststop hooks: %s, ignoring", why.message);
        json_decref(ctx.state);
}

/* What is kept of the journal once the program was started. */
static void close_journal(struct nxc_flow *f)
{
        if (!f->erase_at_exit)
                nxc_journal_commit(f->journal);
        else if (f->has_exited)
                nxc_journal_unwind(f->host, f->journal);
        else
                nxc_journal_release(f->journal);
}

int nxc_run(struct nxc_host *h, const struct nxc_create_opts *o, struct nxc_create_result *ret,
        int *ret_code, struct nxc_error *err)
{
        _cleanup_flow_ struct nxc_flow f;
        int r;

        flow_init(&f, h, o, true);
        r = run_steps(&f, err);
        if (r == 0 && !f.fused && !o->dry_run)
                r = start_and_wait(&f, err);
        if (r < 0) {
                nxc_journal_unwind(h, f.journal);
                return r;
        }
        if (f.has_exited)
                run_poststop(&f);
        nxc_layer_chain_release(TAKE_PTR(f.chain));
        close_journal(&f);
        fill_result(&f, ret);
        *ret_code = f.exit_code;
        return 0;
}

int nxc_restore(struct nxc_host *h, const struct nxc_create_opts *o, const struct nxc_backend_checkpoint *c,
        int *ret_code, struct nxc_error *err)
{
        _cleanup_flow_ struct nxc_flow f;
        int r;

        flow_init(&f, h, o, !o->detach);
        f.restore = c;
        r = run_steps(&f, err);
        if (r < 0) {
                nxc_journal_unwind(h, f.journal);
                return r;
        }
        if (f.has_exited)
                close_journal(&f);
        else
                nxc_journal_commit(f.journal);
        *ret_code = f.exit_code;
        return 0;
}
