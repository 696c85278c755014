/* state, list, inspect, ps, stats, events: what containers are and do. Nothing here takes a lock. */
#include "lifecycle/host-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/log.h"
#include "core/path.h"
#include "storage/storage.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

static int state_of(struct nxc_subject *s, json_t **ret, struct nxc_error *err)
{
        struct nxc_backend_status st;
        int r = nxc_backend_status(s->backend, &s->target, &st, err);

        if (r < 0)
                return r;
        *ret = nxc_state_document(s->record, st.status, (int)st.pid);
        return *ret ? 0 : nxc_oom(err);
}

int nxc_state(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        int r = nxc_subject_load(h, id, &s, err);

        return r < 0 ? r : state_of(&s, ret, err);
}

int nxc_list(struct nxc_host *h, json_t **ret, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv ids = { 0 };
        _cleanup_json_ json_t *all = json_array();
        int r = nxc_host_root_fd(h, false, err);

        if (r == 0 && h->root_fd >= 0)
                r = nxc_state_list(h->root_fd, &ids, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ids.n; i++) {
                struct nxc_error why = { 0 };
                json_t *one;

                if (nxc_state(h, ids.v[i], &one, &why) == 0) {
                        if (json_array_append_new(all, one) < 0)
                                return nxc_oom(err);
                } else if (why.kind == NXC_ERR_OUT_OF_MEMORY) {
                        return nxc_oom(err);
                } else if (why.kind != NXC_ERR_CONTAINER_NOT_FOUND) {
                        nxc_warn("list container '%s': %s, ignoring", ids.v[i], why.message);
                }
        }
        if (!all)
                return nxc_oom(err);
        *ret = TAKE_PTR(all);
        return 0;
}

static int storage_of(struct nxc_host *h, const struct nxc_record *rec, json_t **ret, struct nxc_error *err)
{
        struct nxc_storage_env env = nxc_host_storage_env(h);
        struct nxc_storage_container c = { &env, rec->id, rec->container_dir };
        const struct nxc_storage_ops *storage;
        struct nxc_storage_usage usage;
        int r;

        if (!rec->storage) {
                *ret = json_null();
                return 0;
        }
        r = nxc_storage_find(rec->storage, &storage, err);
        if (r == 0)
                r = nxc_storage_usage(storage, &c, &usage, err);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:I, s:o}", "driver", rec->storage, "bytes", (json_int_t)usage.bytes,
                "limit", usage.limit ? json_integer((json_int_t)usage.limit) : json_null());
        return *ret ? 0 : nxc_oom(err);
}

int nxc_container_storage(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        int r = nxc_subject_load(h, id, &s, err);

        return r < 0 ? r : storage_of(h, s.record, ret, err);
}

int nxc_inspect_container(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        _cleanup_json_ json_t *state = NULL, *record = NULL, *config = NULL, *storage = NULL;
        _cleanup_free_ char *path = NULL;
        int r = nxc_subject_load(h, id, &s, err);

        if (r == 0)
                r = state_of(&s, &state, err);
        if (r == 0)
                r = storage_of(h, s.record, &storage, err);
        if (r < 0)
                return r;
        path = nxc_path_join(s.record->bundle, "config.json");
        record = nxc_record_to_json(s.record);
        if (!path || !record)
                return nxc_oom(err);
        r = nxc_json_load_at(AT_FDCWD, path, NXC_SPEC_MAX_BYTES, &config, NULL);
        if (r == -ENOMEM)
                return nxc_oom(err);
        if (r < 0)
                config = json_null(); /* the bundle may be gone; the container lives on without it */
        *ret = json_pack("{s:O, s:O, s:O, s:O}", "state", state, "record", record, "config", config,
                "storage", storage);
        return *ret ? 0 : nxc_oom(err);
}

int nxc_inspect_configuration(struct nxc_host *h, const char *id, char **ret, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        int r = nxc_subject_load(h, id, &s, err);

        return r < 0 ? r : nxc_backend_configuration(s.backend, &s.target, ret, err);
}

int nxc_ps(struct nxc_host *h, const char *id, pid_t **ret, size_t *ret_n, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        struct nxc_backend_status st;
        int r = nxc_subject_load(h, id, &s, err);

        if (r == 0)
                r = nxc_backend_status(s.backend, &s.target, &st, err);
        if (r < 0)
                return r;
        if (st.status == NXC_STATUS_STOPPED) { /* no processes, as runc has it */
                *ret = NULL;
                *ret_n = 0;
                return 0;
        }
        return nxc_cgroup_pids(st.pid, ret, ret_n, err);
}

static int stats_of(const char *id, pid_t pid, json_t **ret, struct nxc_error *err)
{
        json_t *data;
        int r = nxc_cgroup_stats(pid, &data, err);

        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:s, s:o}", "type", "stats", "id", id, "data", data);
        return *ret ? 0 : nxc_oom(err);
}

int nxc_stats(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        pid_t pid;
        int r = nxc_subject_load(h, id, &s, err);

        if (r == 0)
                r = nxc_subject_need_process(&s, &pid, err);
        return r < 0 ? r : stats_of(id, pid, ret, err);
}

static int emit_stats(
        const char *id, pid_t pid, int (*emit)(void *, json_t *), void *arg, struct nxc_error *err)
{
        _cleanup_json_ json_t *event = NULL;
        int r = stats_of(id, pid, &event, err);

        return r < 0 ? r : emit(arg, event);
}

static int emit_oom(const char *id, pid_t pid, unsigned long long *seen, int (*emit)(void *, json_t *),
        void *arg, struct nxc_error *err)
{
        _cleanup_json_ json_t *event = NULL;
        unsigned long long now;
        int r = nxc_cgroup_oom_count(pid, &now, NULL);

        if (r < 0 || now <= *seen)
                return 0;
        *seen = now;
        event = json_pack("{s:s, s:s}", "type", "oom", "id", id);
        return event ? emit(arg, event) : nxc_oom(err);
}

#define OOM_POLL_MS \
        500 /* the kernel's own notification differs between v1 and v2; a look is the same everywhere */

int nxc_events(struct nxc_host *h, const char *id, int interval_ms, int (*emit)(void *arg, json_t *event),
        void *arg, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        _cleanup_close_ int pidfd = -EBADF;
        unsigned long long ooms = 0;
        int left_ms = interval_ms, r;
        pid_t pid;

        r = nxc_subject_load(h, id, &s, err);
        if (r == 0)
                r = nxc_subject_need_process(&s, &pid, err);
        if (r < 0)
                return r;
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return nxc_fail(err, errno, "watch process %d", (int)pid);
        nxc_cgroup_oom_count(pid, &ooms, NULL);
        for (;;) {
                struct pollfd pf = { .fd = pidfd, .events = POLLIN };
                int nap_ms = left_ms < OOM_POLL_MS ? left_ms : OOM_POLL_MS;

                if (poll(&pf, 1, nap_ms) > 0)
                        return 0; /* it ended */
                r = emit_oom(id, pid, &ooms, emit, arg, err);
                left_ms -= nap_ms;
                if (r == 0 && left_ms <= 0) {
                        r = emit_stats(id, pid, emit, arg, err);
                        left_ms = interval_ms;
                }
                if (r < 0)
                        return poll(&pf, 1, 0) > 0 ? 0 : r;
        }
}
