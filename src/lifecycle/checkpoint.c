/* checkpoint and restore, where the backend can (criu through runc). */
#include "lifecycle/flow-internal.h"

#include "core/cleanup.h"

int nxc_checkpoint(
        struct nxc_host *h, const char *id, const struct nxc_backend_checkpoint *c, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        pid_t pid;
        int r = nxc_subject_lock(h, id, &s, err);

        if (r == 0)
                r = nxc_subject_need_process(&s, &pid, err);
        if (r == 0)
                r = nxc_backend_checkpoint(s.backend, &s.target, c, err);
        if (r < 0 || c->leave_running || c->pre_dump)
                return r;
        r = nxc_backend_remove(s.backend, &s.target, true, err);
        return r < 0 ? r : nxc_container_erase(h, s.record, err);
}
