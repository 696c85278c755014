/* kill, stop, pause, resume: verbs that act on the container's processes. */
#include "lifecycle/host-internal.h"

#include "oci/compose.h"

#include <signal.h>
#include <time.h>

#define POLL_MS 10

int nxc_kill(struct nxc_host *h, const char *id, int signal, bool all, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        struct nxc_backend_status st;
        struct nxc_error why = { 0 };
        int r = nxc_subject_load(h, id, &s, err);

        if (r == 0)
                r = nxc_backend_status(s.backend, &s.target, &st, err);
        if (r < 0)
                return r;
        if (st.status != NXC_STATUS_STOPPED)
                return nxc_backend_kill(s.backend, &s.target, signal, all, err);
        if (!all)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "container not running: %s", id);
        /* --all also reaches what an ended init has left behind (a shared PID namespace); that there is
         * nothing is no error, as runc has it. */
        r = nxc_backend_kill(s.backend, &s.target, signal, true, &why);
        if (r < 0 && why.kind != NXC_ERR_INVALID_STATE) {
                if (err)
                        *err = why;
                return r;
        }
        return 0;
}

/* Whether it stopped within the time. */
static int await_stop(struct nxc_subject *s, int timeout_ms, bool *ret, struct nxc_error *err)
{
        struct timespec nap = { .tv_nsec = POLL_MS * 1000000L };
        struct nxc_backend_status st;

        for (int waited_ms = 0;; waited_ms += POLL_MS) {
                int r = nxc_backend_status(s->backend, &s->target, &st, err);

                if (r < 0)
                        return r;
                *ret = st.status == NXC_STATUS_STOPPED;
                if (*ret || waited_ms >= timeout_ms)
                        return 0;
                nanosleep(&nap, NULL);
        }
}

int nxc_stop(struct nxc_host *h, const char *id, int timeout_ms, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        int signal = SIGTERM, r = nxc_subject_load(h, id, &s, err);
        struct nxc_backend_status st;
        bool stopped = false;

        if (r == 0 && s.record->stop_signal)
                r = nxc_signal_parse(s.record->stop_signal, &signal, err);
        if (r == 0)
                r = nxc_backend_status(s.backend, &s.target, &st, err);
        if (r < 0 || st.status == NXC_STATUS_STOPPED)
                return r;
        if (st.status == NXC_STATUS_RUNNING)
                r = nxc_backend_kill(s.backend, &s.target, signal, false, err);
        if (r == 0 && st.status == NXC_STATUS_RUNNING)
                r = await_stop(&s, timeout_ms, &stopped, err);
        if (r < 0 || stopped)
                return r;
        r = nxc_backend_kill(s.backend, &s.target, SIGKILL, false, err);
        if (r == 0)
                r = await_stop(&s, 10000, &stopped, err);
        if (r == 0 && !stopped)
                r = nxc_fail_kind(err, NXC_ERR_BUSY, EBUSY, "end container '%s' by SIGKILL", id);
        return r;
}

/* pause and resume want one state and lead to another. */
static int change_frozen(struct nxc_host *h, const char *id, enum nxc_status wanted,
        int (*change)(const struct nxc_backend_ops *, const struct nxc_backend_target *, struct nxc_error *),
        struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        struct nxc_backend_status st;
        int r = nxc_subject_lock(h, id, &s, err);

        if (r == 0)
                r = nxc_backend_status(s.backend, &s.target, &st, err);
        if (r < 0)
                return r;
        if (st.status != wanted && !(wanted == NXC_STATUS_RUNNING && st.status == NXC_STATUS_CREATED))
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "container not %s: %s is %s",
                        nxc_status_name(wanted), id, nxc_status_name(st.status));
        return change(s.backend, &s.target, err);
}

int nxc_pause(struct nxc_host *h, const char *id, struct nxc_error *err)
{
        return change_frozen(h, id, NXC_STATUS_RUNNING, nxc_backend_pause, err);
}

int nxc_resume(struct nxc_host *h, const char *id, struct nxc_error *err)
{
        return change_frozen(h, id, NXC_STATUS_PAUSED, nxc_backend_resume, err);
}

int nxc_update(struct nxc_host *h, const char *id, json_t *resources, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        pid_t pid;
        int r = nxc_spec_check_part("linux.resources", resources, err);

        if (r == 0)
                r = nxc_subject_lock(h, id, &s, err);
        if (r == 0)
                r = nxc_subject_need_process(&s, &pid, err);
        return r < 0 ? r : nxc_backend_update(s.backend, &s.target, resources, err);
}
