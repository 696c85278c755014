/* What the field table cannot say, since it takes more than one field. Runs after it, so types are as
 * expected. */
#include "oci/spec-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/str.h"

#include <string.h>

static json_t *array_at(const json_t *doc, const char *dotted)
{
        json_t *j = nxc_json_get(doc, dotted);

        return json_is_array(j) ? j : NULL;
}

static bool has_namespace(const json_t *doc, const char *type)
{
        json_t *item;
        size_t i;

        json_array_foreach (array_at(doc, "linux.namespaces"), i, item)
                if (nxc_streq(nxc_json_str(item, "type"), type))
                        return true;
        return false;
}

/* The types come from a closed list, so a duplicate shows before this becomes slow. */
static int check_duplicates(const json_t *doc, const char *dotted, struct nxc_error *err)
{
        json_t *list = array_at(doc, dotted);

        for (size_t i = 1; i < json_array_size(list); i++)
                for (size_t k = 0; k < i; k++) {
                        const char *type = nxc_json_str(json_array_get(list, i), "type");

                        if (nxc_streq(type, nxc_json_str(json_array_get(list, k), "type")))
                                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                        "config field %s[%zu].type is '%s', as %s[%zu].type is already",
                                        dotted, i, type, dotted, k);
                }
        return 0;
}

static int check_rlimits(const json_t *doc, struct nxc_error *err)
{
        json_t *item;
        size_t i;

        json_array_foreach (array_at(doc, "process.rlimits"), i, item) {
                uint64_t soft, hard;

                if (nxc_json_u64(nxc_json_get(item, "soft"), &soft) == 0 &&
                        nxc_json_u64(nxc_json_get(item, "hard"), &hard) == 0 && soft > hard)
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                "config field process.rlimits[%zu].soft is above its hard limit", i);
        }
        return 0;
}

static int check_names(const json_t *doc, struct nxc_error *err)
{
        static const char *const names[] = { "hostname", "domainname" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(names); i++) {
                const char *value = nxc_json_str(doc, names[i]);

                if (value && value[0] && !has_namespace(doc, "uts"))
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                "config field %s needs a uts namespace in linux.namespaces", names[i]);
        }
        return 0;
}

static int check_devices(const json_t *doc, struct nxc_error *err)
{
        static const char *const numbers[] = { "major", "minor" };
        json_t *item;
        size_t i;

        json_array_foreach (array_at(doc, "linux.devices"), i, item)
                for (size_t k = 0; k < 2; k++)
                        if (!nxc_streq(nxc_json_str(item, "type"), "p") &&
                                !json_is_integer(json_object_get(item, numbers[k])))
                                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                        "config field linux.devices[%zu].%s is required, and missing", i,
                                        numbers[k]);
        return 0;
}

static int check_mount_mappings(const json_t *doc, struct nxc_error *err)
{
        json_t *item;
        size_t i;

        json_array_foreach (array_at(doc, "mounts"), i, item) {
                bool uids = json_array_size(json_object_get(item, "uidMappings")) > 0;
                bool gids = json_array_size(json_object_get(item, "gidMappings")) > 0;

                if (uids != gids)
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                "config field mounts[%zu].%s is required with the other mapping, and "
                                "missing",
                                i, uids ? "gidMappings" : "uidMappings");
        }
        return 0;
}

static int check_seccomp(const json_t *doc, struct nxc_error *err)
{
        const char *path = nxc_json_str(doc, "linux.seccomp.listenerPath");
        const char *metadata = nxc_json_str(doc, "linux.seccomp.listenerMetadata");

        if (metadata && metadata[0] && !path)
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                        "config field linux.seccomp.listenerMetadata needs linux.seccomp.listenerPath");
        return 0;
}

/* Sysctls that belong to a namespace; all others would change the host. "*" ends a prefix. */
static const struct {
        const char *name, *namespace;
} namespaced[] = {
        { "net.*", "network" },
        { "fs.mqueue.*", "ipc" },
        { "kernel.msgmax", "ipc" },
        { "kernel.msgmnb", "ipc" },
        { "kernel.msgmni", "ipc" },
        { "kernel.msg_next_id", "ipc" },
        { "kernel.sem", "ipc" },
        { "kernel.sem_next_id", "ipc" },
        { "kernel.shmall", "ipc" },
        { "kernel.shmmax", "ipc" },
        { "kernel.shmmni", "ipc" },
        { "kernel.shm_next_id", "ipc" },
        { "kernel.shm_rmid_forced", "ipc" },
        { "kernel.domainname", "uts" },
        { "kernel.hostname", "uts" },
        { "user.*", "user" },
};

/* Where "/" comes first in a key, "/" separates and "." is part of a name; else the other way round
 * (sysctl(8)). */
static bool matches(const char *pattern, const char *key)
{
        bool slashes = key[strcspn(key, "./")] == '/';

        for (; *pattern && *pattern != '*'; pattern++, key++) {
                char c = slashes && *key == '/' ? '.' : slashes && *key == '.' ? '/' : *key;

                if (c != *pattern)
                        return false;
        }
        return *pattern == '*' || !*key;
}

static const char *namespace_of(const char *key)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(namespaced); i++)
                if (matches(namespaced[i].name, key))
                        return namespaced[i].namespace;
        return NULL;
}

static int check_sysctls(const json_t *doc, struct nxc_error *err)
{
        const char *key;
        json_t *item;

        json_object_foreach (nxc_json_get(doc, "linux.sysctl"), key, item) {
                const char *type = namespace_of(key);

                if (!type)
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                "config field linux.sysctl[\"%.100s\"] is not namespaced, it would change "
                                "the host",
                                key);
                if (!has_namespace(doc, type))
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                "config field linux.sysctl[\"%.100s\"] needs a %s namespace in "
                                "linux.namespaces",
                                key, type);
        }
        return 0;
}

int nxc_spec_check_relations(const json_t *doc, struct nxc_error *err)
{
        static int (*const checks[])(const json_t *, struct nxc_error *) = {
                check_rlimits,
                check_names,
                check_devices,
                check_mount_mappings,
                check_seccomp,
                check_sysctls,
        };
        int r = check_duplicates(doc, "linux.namespaces", err);

        if (r == 0)
                r = check_duplicates(doc, "process.rlimits", err);
        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(checks); i++)
                r = checks[i](doc, err);
        return r;
}
