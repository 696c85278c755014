/* See lxc-record-internal.h. */
#include "backend/lxc/lxc-record-internal.h"

#include "core/json.h"
#include "core/path.h"
#include "core/publish.h"

#include <fcntl.h>
#include <string.h>

#define RECORD_MAX_BYTES (1u << 20)

void lxc_record_done(struct lxc_record *r)
{
        nxc_strv_done(&r->cgroups);
        nxc_freep(&r->lock);
}

static pid_t pid_of(const json_t *j, const char *key)
{
        json_int_t n = json_integer_value(json_object_get(j, key));

        return n > 0 && n <= INT32_MAX ? (pid_t)n : 0;
}

int lxc_record_load(const struct nxc_backend_target *t, struct lxc_record *ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, LXC_RECORD);
        _cleanup_lxc_record_ struct lxc_record rec = { 0 };
        _cleanup_json_ json_t *j = NULL;
        const json_t *item;
        const char *lock;
        size_t i;
        int r;

        if (!path)
                return nxc_oom(err);
        if (access(path, F_OK) < 0)
                return -ENOENT;
        r = nxc_json_load_at(AT_FDCWD, path, RECORD_MAX_BYTES, &j, err);
        if (r < 0)
                return r;
        rec.pid = pid_of(j, "pid");
        rec.monitor = pid_of(j, "monitor");
        rec.start = (uint64_t)json_integer_value(json_object_get(j, "start"));
        rec.monitor_start = (uint64_t)json_integer_value(json_object_get(j, "monitorStart"));
        json_array_foreach (json_object_get(j, "cgroups"), i, item)
                if (json_is_string(item) && nxc_strv_add(&rec.cgroups, json_string_value(item)) < 0)
                        return nxc_oom(err);
        lock = nxc_json_str(j, "lock");
        rec.lock = lock ? strdup(lock) : NULL;
        if (lock && !rec.lock)
                return nxc_oom(err);
        *ret = rec;
        rec = (struct lxc_record){ 0 };
        return 0;
}

int lxc_record_save(const struct nxc_backend_target *t, const struct lxc_record *rec, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, LXC_RECORD), *text = NULL;
        json_t *cgroups = json_array();
        _cleanup_json_ json_t *j = NULL;

        for (size_t i = 0; i < rec->cgroups.n; i++)
                json_array_append_new(cgroups, json_string(rec->cgroups.v[i]));
        j = json_pack("{s:i, s:I, s:i, s:I, s:o, s:s?}", "pid", (int)rec->pid, "start",
                (json_int_t)rec->start, "monitor", (int)rec->monitor, "monitorStart",
                (json_int_t)rec->monitor_start, "cgroups", cgroups, "lock", rec->lock);
        text = j ? nxc_json_format(j, false) : NULL;
        if (!text || !path)
                return nxc_oom(err);
        return nxc_publish_at(AT_FDCWD, path, text, strlen(text), 0600, 0, err);
}
