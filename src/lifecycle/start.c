/* start: the user's program runs. */
#include "lifecycle/host-internal.h"
#include "lifecycle/own-hooks-internal.h"

int nxc_start(struct nxc_host *h, const char *id, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        struct nxc_backend_status st;
        int r = nxc_subject_lock(h, id, &s, err);

        if (r == 0)
                r = nxc_backend_status(s.backend, &s.target, &st, err);
        if (r < 0)
                return r;
        if (st.status == NXC_STATUS_STOPPED)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_STATE, 0, "cannot start a container that has stopped: %s", id);
        if (st.status == NXC_STATUS_PAUSED)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0,
                        "cannot start a container in the paused state: %s", id);
        if (st.status != NXC_STATUS_CREATED)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_STATE, 0, "cannot start an already running container: %s", id);
        r = nxc_backend_start(s.backend, &s.target, err);
        return r < 0 ? r : nxc_own_hooks_run(&s, NXC_HOOK_POSTSTART, NXC_STATUS_RUNNING, st.pid, err);
}
