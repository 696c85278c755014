/* A container that a verb is about: its record, its backend, its lock; and what it owns outside the
 * backend. */
#include "lifecycle/host-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"
#include "storage/storage.h"

#include <fcntl.h>

#define LOCK_TIMEOUT_MS \
        30000 /* longer than any verb takes; a hung one must not hang its successors for ever */

int nxc_subject_init(
        struct nxc_host *h, struct nxc_record *record, struct nxc_subject *s, struct nxc_error *err)
{
        int r;

        s->record = record;
        r = nxc_backend_find(record->backend, &s->backend, err);
        if (r < 0)
                return r;
        s->state_dir = nxc_path_join(h->root, record->id);
        if (!s->state_dir)
                return nxc_oom(err);
        s->target = (struct nxc_backend_target){
                .id = record->id,
                .state_dir = s->state_dir,
                .bundle = record->rt_bundle ? record->rt_bundle : record->bundle,
                .rootless = h->rootless,
                .systemd_cgroup = record->systemd_cgroup,
                .debug = h->debug,
        };
        return 0;
}

void nxc_subject_done(struct nxc_subject *s)
{
        nxc_record_free(s->record);
        nxc_freep(&s->state_dir);
        nxc_closep(&s->lock_fd);
        *s = (struct nxc_subject)NXC_SUBJECT_INIT;
}

int nxc_subject_load(struct nxc_host *h, const char *id, struct nxc_subject *ret, struct nxc_error *err)
{
        struct nxc_record *record = NULL;
        int r = nxc_host_root_fd(h, false, err);

        if (r == 0)
                r = nxc_state_load(h->root_fd, id, &record, err);
        if (r < 0)
                return r;
        r = nxc_subject_init(h, record, ret, err);
        if (r < 0)
                nxc_subject_done(ret);
        return r;
}

int nxc_subject_lock(struct nxc_host *h, const char *id, struct nxc_subject *ret, struct nxc_error *err)
{
        _cleanup_close_ int lock = -EBADF;
        int r = nxc_host_root_fd(h, false, err);

        if (r == 0)
                r = nxc_state_lock(h->root_fd, id, LOCK_TIMEOUT_MS, &lock, err);
        if (r == 0)
                r = nxc_subject_load(h, id, ret, err);
        if (r < 0)
                return r;
        ret->lock_fd = TAKE_FD(lock);
        return 0;
}

int nxc_subject_need_process(struct nxc_subject *s, pid_t *ret_pid, struct nxc_error *err)
{
        struct nxc_backend_status st;
        int r = nxc_backend_status(s->backend, &s->target, &st, err);

        if (r < 0)
                return r;
        if (st.pid <= 0 || st.status == NXC_STATUS_STOPPED)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_STATE, 0, "container not running: %s", s->record->id);
        *ret_pid = st.pid;
        return 0;
}

static void unshare_layers(struct nxc_host *h, const struct nxc_record *rec)
{
        _cleanup_free_ char *path = nxc_path_join(rec->container_dir, NXC_STORAGE_LOWER);

        if (path && nxc_streq(rec->store, h->store))
                nxc_host_unshare_layers(h, path);
}

int nxc_container_erase(struct nxc_host *h, const struct nxc_record *rec, struct nxc_error *err)
{
        struct nxc_storage_env env = nxc_host_storage_env(h);
        struct nxc_storage_container c = { &env, rec->id, rec->container_dir };
        const struct nxc_storage_ops *storage;
        struct nxc_error first = { 0 };

        if (rec->container_dir) {
                unshare_layers(h, rec);
                if (rec->storage && nxc_storage_find(rec->storage, &storage, &first) == 0)
                        nxc_storage_release(storage, &c, &first);
                if (!nxc_error_is_set(&first))
                        nxc_remove_tree_at(AT_FDCWD, rec->container_dir, &first);
        }
        if (!nxc_error_is_set(&first))
                nxc_state_remove(h->root_fd, rec->id, &first);
        if (!nxc_error_is_set(&first))
                return 0;
        if (err && !nxc_error_is_set(err))
                *err = first;
        return -first.errnum;
}
