/* delete: takes away what a container has, from the inside out: its processes, the backend's state, the
 * mount, its directory in the store, and last the record, so that a delete that was interrupted can be
 * repeated. */
#include "lifecycle/host-internal.h"
#include "lifecycle/own-hooks-internal.h"

#include "core/cleanup.h"
#include "core/log.h"
#include "core/path.h"

/* A record that cannot be read: whatever backend it was, its processes must go too. */
static int delete_damaged(struct nxc_host *h, const char *id, struct nxc_error *err)
{
        _cleanup_free_ char *dir = nxc_path_join(h->root, id);
        struct nxc_backend_target target = { .id = id, .state_dir = dir, .bundle = dir };

        if (!dir)
                return nxc_oom(err);
        if (h->root_fd < 0)
                return 0;
        for (size_t i = 0; nxc_backends()[i]; i++)
                nxc_backend_remove(nxc_backends()[i], &target, true, NULL);
        return nxc_state_remove(h->root_fd, id, err);
}

static int check_stopped(struct nxc_subject *s, struct nxc_error *err)
{
        struct nxc_backend_status st;
        int r = nxc_backend_status(s->backend, &s->target, &st, err);

        /* One that was never started is ended without asking, as runc has it. */
        if (r < 0 || st.status == NXC_STATUS_STOPPED || st.status == NXC_STATUS_CREATED)
                return r;
        r = nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0,
                "cannot delete container %s that is not stopped: %s", s->record->id,
                nxc_status_name(st.status));
        nxc_error_hint(err, "nexcage delete --force %s", s->record->id);
        return r;
}

int nxc_delete(struct nxc_host *h, const char *id, bool force, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        struct nxc_error why = { 0 };
        int r = nxc_id_check(id, err);

        if (r < 0)
                return r;
        r = nxc_subject_lock(h, id, &s, &why);
        if (r < 0 && force && why.kind != NXC_ERR_BUSY && why.kind != NXC_ERR_OUT_OF_MEMORY)
                return delete_damaged(h, id, err);
        if (r < 0) {
                *err = why;
                return r;
        }
        if (!force && (r = check_stopped(&s, err)) < 0)
                return r;
        r = nxc_backend_remove(s.backend, &s.target, true, err);
        if (r < 0)
                return r;
        s.record->hooks_continue =
                true; /* the container is gone already: its poststop hooks can only warn */
        nxc_own_hooks_run(&s, NXC_HOOK_POSTSTOP, NXC_STATUS_STOPPED, 0, &why);
        if (nxc_error_is_set(&why))
                nxc_warn("run the poststop hooks: %s, ignoring", why.message);
        return nxc_container_erase(h, s.record, err);
}
