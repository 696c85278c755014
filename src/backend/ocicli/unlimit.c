/* Limits that say "none" (-1), which crun 1.8 writes into files that do not take that: as an unsigned number
 * into cpu.cfs_quota_us, as it stands into pids.max. A new cgroup has no limits, so they can be left out of
 * a config.json; an update takes them away here. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/path.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <string.h>

static const struct limit {
        const char *controller, *key;
        const char *v1_file, *v1_value, *v2_file; /* v2's value is "max" */
} limits[] = {
        { "cpu", "quota", "cpu.cfs_quota_us", "-1", "cpu.max" },
        { "pids", "limit", "pids.max", "max", "pids.max" },
};

static bool is_unlimited(const json_t *resources, const char *controller, const char *key)
{
        const json_t *value = json_object_get(json_object_get(resources, controller), key);

        return json_is_integer(value) && json_integer_value(value) < 0;
}

/* runc: memory without a limit, and no word about swap, is swap without one, too. Else the kernel
 * refuses. */
static bool lacks_swap(const json_t *resources)
{
        return is_unlimited(resources, "memory", "limit") &&
               !json_object_get(json_object_get(resources, "memory"), "swap");
}

bool ocicli_has_unlimited(const json_t *resources)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(limits); i++)
                if (is_unlimited(resources, limits[i].controller, limits[i].key))
                        return true;
        return lacks_swap(resources);
}

static void drop(json_t *resources, const struct limit *l)
{
        json_object_del(json_object_get(resources, l->controller), l->key);
}

void ocicli_drop_unlimited(json_t *resources)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(limits); i++)
                if (is_unlimited(resources, limits[i].controller, limits[i].key))
                        drop(resources, &limits[i]);
}

/* In each of the directories that has the file: with v1 it is one. */
static int write_to_all(
        const struct nxc_strv *dirs, const char *file, const char *value, struct nxc_error *err)
{
        for (size_t i = 0; i < dirs->n; i++) {
                _cleanup_free_ char *path = nxc_path_join(dirs->v[i], file);
                _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -EBADF;

                if (!path)
                        return nxc_oom(err);
                if (fd < 0 && errno == ENOENT)
                        continue;
                if (fd < 0 || write(fd, value, strlen(value)) < 0)
                        return nxc_fail(err, errno, "write '%s' to '%s'", value, path);
        }
        return 0;
}

int ocicli_unlimit(const struct nxc_strv *cgroups, json_t *resources, struct nxc_error *err)
{
        bool v2 = nxc_cgroup_mode() == NXC_CGROUP_V2;

        if (lacks_swap(resources) &&
                json_object_set_new(json_object_get(resources, "memory"), "swap", json_integer(-1)) < 0)
                return nxc_oom(err);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(limits); i++) {
                const struct limit *l = &limits[i];
                int r;

                if (!is_unlimited(resources, l->controller, l->key))
                        continue;
                r = write_to_all(cgroups, v2 ? l->v2_file : l->v1_file, v2 ? "max" : l->v1_value, err);
                if (r < 0)
                        return r;
                drop(resources, l);
        }
        return 0;
}
