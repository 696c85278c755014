/* The root of a container once it is made: its size, and what it was. */
#include "lifecycle/snapshot.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "lifecycle/host-internal.h"
#include "storage/storage.h"

#include <time.h>

#define SNAPSHOTS "snapshots of it are not ours to keep"

/* A container, locked, with the driver that keeps its root. */
struct kept {
        struct nxc_subject s;
        struct nxc_storage_env env;
        struct nxc_storage_container c;
        const struct nxc_storage_ops *storage;
};
#define _cleanup_kept_ _cleanup_(kept_done)

static void kept_done(struct kept *k)
{
        nxc_subject_done(&k->s);
}

/* what: is not for us to do with the root of a bundle. */
static int open_kept(
        struct nxc_host *h, const char *id, const char *what, struct kept *k, struct nxc_error *err)
{
        int r = nxc_subject_lock(h, id, &k->s, err);

        if (r < 0)
                return r;
        if (!k->s.record->storage)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0,
                        "the root of container '%s' is its bundle's, %s", id, what);
        k->env = nxc_host_storage_env(h);
        k->c = (struct nxc_storage_container){ &k->env, k->s.record->id, k->s.record->container_dir };
        return nxc_storage_find(k->s.record->storage, &k->storage, err);
}

int nxc_resize(struct nxc_host *h, const char *id, uint64_t size_bytes, struct nxc_error *err)
{
        _cleanup_kept_ struct kept k = { .s = NXC_SUBJECT_INIT };
        int r = open_kept(h, id, "its size is not ours to change", &k, err);

        return r < 0 ? r : nxc_storage_resize(k.storage, &k.c, size_bytes, err);
}

int nxc_snapshot(struct nxc_host *h, const char *id, const char *name, struct nxc_error *err)
{
        _cleanup_kept_ struct kept k = { .s = NXC_SUBJECT_INIT };
        int r = open_kept(h, id, SNAPSHOTS, &k, err);

        return r < 0 ? r : nxc_storage_snapshot(k.storage, &k.c, name, err);
}

int nxc_snapshot_forget(struct nxc_host *h, const char *id, const char *name, struct nxc_error *err)
{
        _cleanup_kept_ struct kept k = { .s = NXC_SUBJECT_INIT };
        int r = open_kept(h, id, SNAPSHOTS, &k, err);

        return r < 0 ? r : nxc_storage_forget(k.storage, &k.c, name, err);
}

/* What a program has open would be gone from under it. */
static int check_nothing_runs(struct kept *k, struct nxc_error *err)
{
        struct nxc_backend_status st;
        int r = nxc_backend_status(k->s.backend, &k->s.target, &st, err);

        if (r < 0 || st.status == NXC_STATUS_STOPPED || st.status == NXC_STATUS_CREATED)
                return r;
        r = nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0, "roll back container '%s', which is %s",
                k->s.record->id, nxc_status_name(st.status));
        nxc_error_hint(err, "nexcage stop %s", k->s.record->id);
        return r;
}

int nxc_rollback(struct nxc_host *h, const char *id, const char *name, struct nxc_error *err)
{
        _cleanup_kept_ struct kept k = { .s = NXC_SUBJECT_INIT };
        int r = open_kept(h, id, SNAPSHOTS, &k, err);

        if (r == 0)
                r = check_nothing_runs(&k, err);
        return r < 0 ? r : nxc_storage_rollback(k.storage, &k.c, name, err);
}

static json_t *describe(const struct nxc_storage_snapshot *s)
{
        time_t created = s->created;
        char text[32];
        struct tm tm;

        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&created, &tm));
        return json_pack("{s:s, s:I, s:s}", "name", s->name, "bytes", (json_int_t)s->bytes, "created", text);
}

int nxc_snapshot_list(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err)
{
        _cleanup_kept_ struct kept k = { .s = NXC_SUBJECT_INIT };
        _cleanup_json_ json_t *list = json_array();
        struct nxc_storage_snapshot *found;
        size_t n;
        int r = open_kept(h, id, SNAPSHOTS, &k, err);

        if (r == 0)
                r = nxc_storage_snapshots(k.storage, &k.c, &found, &n, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, describe(&found[i]));
        nxc_storage_snapshots_done(found, n);
        if (!list || nxc_json_starved())
                return nxc_oom(err);
        *ret = TAKE_PTR(list);
        return 0;
}
