/* The properties of the runtime-spec for Linux, and who honours each in a container on LXC: a setting of
 * liblxc, the caller of create (on the host or from inside the container's mount namespace), nexcage-init,
 * or nobody: then it is refused by name before anything is made. Data: the walk below refuses with it, and
 * the documentation is made from it. */
#include "backend/lxc/lxc-internal.h"

#include "core/json.h"
#include "core/str.h"

#define SETTING(path, key)                       \
        {                                        \
                path, NULL, "liblxc: " key, NULL \
        }
#define INIT(path)                               \
        {                                        \
                path, NULL, "nexcage-init", NULL \
        }
#define SETUP(path)                                                             \
        {                                                                       \
                path, NULL, "nexcage, in the container's mount namespace", NULL \
        }
#define HOST(path)                                       \
        {                                                \
                path, NULL, "nexcage, on the host", NULL \
        }
#define REFUSED(path, match, why)      \
        {                              \
                path, match, NULL, why \
        }

/* clang-format off */
static const struct property {
        const char *path, *match; /* of nxc_json_has; or what is_there knows of namespaces */
        const char *how;          /* "lxc.uts.name", "nexcage-init", ...; NULL: refused */
        const char *why;          /* of a refusal */
} properties[] = {
        INIT("process.terminal"),
        INIT("process.consoleSize"),
        INIT("process.user.uid"),
        INIT("process.user.gid"),
        INIT("process.user.umask"),
        INIT("process.user.additionalGids"),
        INIT("process.args"),
        INIT("process.env"),
        INIT("process.cwd"),
        INIT("process.capabilities.bounding"),
        INIT("process.capabilities.effective"),
        INIT("process.capabilities.inheritable"),
        INIT("process.capabilities.permitted"),
        INIT("process.capabilities.ambient"),
        HOST("process.rlimits"),
        INIT("process.noNewPrivileges"),
        INIT("process.apparmorProfile"),
        INIT("process.selinuxLabel"),
        HOST("process.oomScoreAdj"),
        HOST("process.scheduler"),
        HOST("process.ioPriority"),
        HOST("process.execCPUAffinity"),
        SETTING("root.path", "lxc.rootfs.path"),
        SETUP("root.readonly"),
        SETTING("hostname", "lxc.uts.name"),
        INIT("domainname"),
        SETUP("mounts[].destination"),
        SETUP("mounts[].source"),
        SETUP("mounts[].type"),
        SETUP("mounts[].options"),
        SETUP("mounts[].uidMappings"),
        SETUP("mounts[].gidMappings"),
        HOST("hooks.prestart"),
        HOST("hooks.createRuntime"),
        SETUP("hooks.createContainer"),
        SETUP("hooks.startContainer"),
        HOST("hooks.poststart"),
        HOST("hooks.poststop"),
        HOST("annotations"),
        SETTING("linux.namespaces[].type", "lxc.namespace.keep, lxc.net.0.type"),
        { "linux.namespaces[].path", NULL, "nexcage, around liblxc's clone of the init", NULL },
        SETTING("linux.uidMappings", "lxc.idmap"),
        SETTING("linux.gidMappings", "lxc.idmap"),
        SETTING("linux.timeOffsets", "lxc.time.offset.boot, lxc.time.offset.monotonic"),
        SETUP("linux.devices"),
        SETTING("linux.cgroupsPath", "lxc.cgroup.dir.container"),
        SETTING("linux.resources.devices", "lxc.cgroup.devices.*, lxc.cgroup2.devices.*"),
        SETTING("linux.resources.memory", "lxc.cgroup.memory.*, lxc.cgroup2.memory.*"),
        SETTING("linux.resources.cpu", "lxc.cgroup.cpu.*, lxc.cgroup.cpuset.*, lxc.cgroup2.cpu.*, lxc.cgroup2.cpuset.*"),
        SETTING("linux.resources.blockIO", "lxc.cgroup.blkio.*, lxc.cgroup2.io.*"),
        SETTING("linux.resources.hugepageLimits", "lxc.cgroup.hugetlb.*, lxc.cgroup2.hugetlb.*"),
        SETTING("linux.resources.network", "lxc.cgroup.net_cls.classid, lxc.cgroup.net_prio.ifpriomap"),
        SETTING("linux.resources.pids", "lxc.cgroup.pids.max, lxc.cgroup2.pids.max"),
        SETTING("linux.resources.rdma", "lxc.cgroup.rdma.max, lxc.cgroup2.rdma.max"),
        SETTING("linux.resources.unified", "lxc.cgroup2.* (on a host with cgroup v2)"),
        SETUP("linux.sysctl"),
        INIT("linux.seccomp"),
        INIT("linux.rootfsPropagation"),
        SETUP("linux.maskedPaths"),
        SETUP("linux.readonlyPaths"),
        INIT("linux.personality"),
        REFUSED("vm", NULL, "a container is no virtual machine"),
        REFUSED("solaris", NULL, "another operating system"),
        REFUSED("windows", NULL, "another operating system"),
        REFUSED("zos", NULL, "another operating system"),
        REFUSED("freebsd", NULL, "another operating system"),
        REFUSED("linux.namespaces[]", "user-path", "liblxc makes the user namespace itself"),
        REFUSED("linux.namespaces[]", "mount-path", "liblxc makes the mount namespace itself"),
        REFUSED("linux.namespaces[]", "no-mount", "liblxc always makes a mount namespace, so the spec has to ask for one"),
        REFUSED("linux.mountLabel", NULL, "mounts get no SELinux context"),
        REFUSED("linux.intelRdt", NULL, "liblxc knows no resctrl"),
        REFUSED("linux.memoryPolicy", NULL, "no NUMA policy is set"),
        REFUSED("linux.netDevices", NULL, "no device of the host is moved"),
        REFUSED("linux.seccomp.listenerPath", NULL, "the notify socket is not passed on"),
        REFUSED("linux.seccomp.syscalls[].action", "=SCMP_ACT_NOTIFY", "the notify socket is not passed on"),
        REFUSED("linux.seccomp.flags[]", "=SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "it is about the notify socket"),
        REFUSED("linux.personality.flags", NULL, "the spec defines none"),
};
/* clang-format on */

int lxc_properties_json(json_t **ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *list = json_array();

        for (size_t i = 0; i < NXC_ARRAY_SIZE(properties); i++) {
                const struct property *p = &properties[i];

                json_array_append_new(
                        list, json_pack("{s:s, s:s*, s:s*, s:s*}", "property", p->path, "value",
                                      p->match && p->match[0] == '=' ? p->match + 1 : p->match, "by", p->how,
                                      "refused", p->why));
        }
        if (json_array_size(list) < NXC_ARRAY_SIZE(properties))
                return nxc_oom(err);
        *ret = TAKE_PTR(list);
        return 0;
}

int lxc_properties_document(struct nxc_buf *out)
{
        int r = nxc_buf_puts(out,
                "# Properties of config.json on LXC\n\n"
                "Generated from the table in `src/backend/lxc/properties.c`, which `nexcage features "
                "--runtime lxc` prints, too; do\n"
                "not edit. What is refused is NotImplemented, by name, before anything is made.\n\n"
                "| Property | Honoured by, or why it is refused |\n|---|---|\n");

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(properties); i++) {
                const struct property *p = &properties[i];

                r = nxc_buf_printf(out, "| `%s`%s%s | %s%s |\n", p->path, p->match ? " " : "",
                        p->match ? p->match + (p->match[0] == '=') : "",
                        p->how ? "" : "refused: ", p->how ? p->how : p->why);
        }
        return r;
}

/* What is refused of namespaces is no value at one place: "TYPE-path" is one of that type that is to be joined,
 * "no-mount" the lack of that one. */
static bool is_there(const json_t *doc, const struct property *p)
{
        if (!nxc_streq(p->path, "linux.namespaces[]"))
                return nxc_json_has(doc, p->path, p->match);
        if (nxc_streq(p->match, "no-mount"))
                return json_object_get(doc, "root") && !lxc_ns_find(doc, "mount");
        return json_object_get(
                lxc_ns_find(doc, nxc_streq(p->match, "user-path") ? "user" : "mount"), "path");
}

static bool maps_root(const json_t *mappings)
{
        const json_t *map;
        size_t i;

        json_array_foreach ((json_t *)mappings, i, map)
                if (json_integer_value(json_object_get(map, "containerID")) == 0)
                        return true;
        return false;
}

static int check_mappings(const json_t *doc, struct nxc_error *err)
{
        static const char *const keys[] = { "linux.uidMappings", "linux.gidMappings" };
        const json_t *ns = lxc_ns_find(doc, "user");

        for (size_t i = 0; ns && !json_object_get(ns, "path") && i < NXC_ARRAY_SIZE(keys); i++)
                if (!maps_root(nxc_json_get(doc, keys[i])))
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                "config.json: %s: a user namespace has to map id 0", keys[i]);
        return 0;
}

int lxc_check_document(const json_t *doc, struct nxc_error *err)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(properties); i++) {
                const struct property *p = &properties[i];
                const char *match = p->match && p->match[0] == '=' ? p->match + 1 : p->match;

                if (p->how || !is_there(doc, p))
                        continue;
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "config.json: runtime 'lxc' cannot honour %s%s%s: %s", p->path, match ? " " : "",
                        match ? match : "", p->why);
        }
        return check_mappings(doc, err);
}
