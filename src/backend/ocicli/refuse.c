/* Properties of the runtime-spec that a runtime would silently ignore: refused by name.
 *
 * A row is a place in config.json and the first version of each runtime that honours it (NEVER: none does;
 * ALWAYS: from before what we support). Only when such a property is there is the program asked for its
 * version, so a spec without them costs a walk through this table. Checked against crun 1.8.1 and
 * runc 1.1.5, and their change logs for what came later; docs/backends.md has the same list. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/json.h"

#define NEVER            \
        {                \
                -1, 0, 0 \
        }
#define ALWAYS          \
        {               \
                0, 0, 0 \
        }

static const struct rule {
        const char *path, *match; /* of nxc_json_has */
        struct ocicli_version crun, runc;
} rules[] = {
        { "vm", NULL, NEVER, NEVER },
        { "solaris", NULL, NEVER, NEVER },
        { "windows", NULL, NEVER, NEVER },
        { "zos", NULL, NEVER, NEVER },
        { "freebsd", NULL, NEVER, NEVER },
        { "domainname", NULL, { 1, 7, 0 }, { 1, 2, 0 } },
        { "process.ioPriority", NULL, { 1, 8, 6 }, { 1, 2, 0 } },
        { "process.scheduler", NULL, { 1, 8, 5 }, { 1, 2, 0 } },
        { "process.execCPUAffinity", NULL, { 1, 21, 0 }, { 1, 3, 0 } },
        { "linux.namespaces[].type", "=time", { 1, 8, 4 }, { 1, 2, 0 } },
        { "linux.timeOffsets", NULL, { 1, 8, 4 }, { 1, 2, 0 } },
        { "linux.personality", NULL, ALWAYS, { 1, 2, 0 } },
        { "linux.netDevices", NULL, { 1, 24, 0 }, { 1, 4, 0 } },
        { "linux.memoryPolicy", NULL, { 1, 26, 0 }, { 1, 4, 0 } },
        { "linux.intelRdt", NULL, { 1, 10, 0 }, ALWAYS },
        { "linux.intelRdt.schemata", NULL, { 1, 26, 0 }, { 1, 4, 0 } },
        { "linux.intelRdt.enableMonitoring", NULL, { 1, 26, 0 }, { 1, 4, 0 } },
        { "linux.resources.cpu.idle", NULL, { 1, 5, 0 }, { 1, 2, 0 } },
        { "linux.resources.cpu.burst", NULL, { 1, 11, 0 }, { 1, 2, 0 } },
        { "mounts[].uidMappings", NULL, { 1, 8, 1 }, { 1, 2, 0 } },
        { "mounts[].gidMappings", NULL, { 1, 8, 1 }, { 1, 2, 0 } },
        { "mounts[].options[]", "^idmap", ALWAYS, { 1, 2, 0 } },
        { "mounts[].options[]", "^ridmap", { 1, 9, 0 }, { 1, 2, 0 } },
};

static int refuse(const struct ocicli *rt, const struct rule *rule, const struct ocicli_version *has,
        struct ocicli_version wants, struct nxc_error *err)
{
        const char *value = rule->match ? rule->match + 1 : "";
        char shown[128];
        int r;

        snprintf(shown, sizeof(shown), "%s%s%s", rule->path, *value ? " " : "", value);
        if (wants.major < 0)
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "config.json: runtime '%s' cannot honour %s", rt->name, shown);
        r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0, "config.json: %s %d.%d.%d ignores %s", rt->name,
                has->major, has->minor, has->patch, shown);
        nxc_error_hint(
                err, "%s honours it from %d.%d.%d on", rt->name, wants.major, wants.minor, wants.patch);
        return r;
}

int ocicli_refuse(const struct ocicli *rt, const json_t *doc, const struct ocicli_version *version,
        struct nxc_error *err)
{
        struct ocicli_version has;
        int r;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rules); i++) {
                const struct rule *rule = &rules[i];
                struct ocicli_version wants = rt == &ocicli_crun ? rule->crun : rule->runc;

                if (wants.major == 0 || !nxc_json_has(doc, rule->path, rule->match))
                        continue;
                if (!version && wants.major > 0) {
                        r = ocicli_version(rt, &has, NULL, err);
                        if (r < 0)
                                return r;
                        version = &has;
                }
                if (wants.major < 0 || ocicli_version_compare(*version, wants) < 0)
                        return refuse(rt, rule, version, wants, err);
        }
        return 0;
}

int ocicli_check_spec(const struct ocicli *rt, const struct nxc_spec *spec, struct nxc_error *err)
{
        return ocicli_refuse(rt, nxc_spec_json(spec), NULL, err);
}
