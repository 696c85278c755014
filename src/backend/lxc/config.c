/* From config.json to liblxc's settings. Pure: nothing is looked up on the host.
 *
 * Every value goes to liblxc through its API, one key at a time, and may hold no control character: an image
 * or a bundle can set the value of a key that we name, never a key. */
#include "backend/lxc/lxc-internal.h"

#include "core/json.h"
#include "core/str.h"

#include <sched.h>
#include <stdarg.h>
#include <string.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

const struct lxc_ns_kind lxc_ns_kinds[LXC_NS_KINDS] = {
        { "pid", "pid", CLONE_NEWPID },
        { "network", "net", CLONE_NEWNET },
        { "ipc", "ipc", CLONE_NEWIPC },
        { "uts", "uts", CLONE_NEWUTS },
        { "cgroup", "cgroup", CLONE_NEWCGROUP },
        { "mount", "mnt", CLONE_NEWNS },
        { "user", "user", CLONE_NEWUSER },
        { "time", "time", CLONE_NEWTIME },
};

const struct lxc_ns_kind *lxc_ns_kind_find(const char *type)
{
        for (size_t i = 0; i < LXC_NS_KINDS; i++)
                if (nxc_streq(lxc_ns_kinds[i].type, type))
                        return &lxc_ns_kinds[i];
        return NULL;
}

const json_t *lxc_ns_find(const json_t *spec, const char *type)
{
        const json_t *ns;
        size_t i;

        json_array_foreach (nxc_json_get(spec, "linux.namespaces"), i, ns)
                if (nxc_streq(nxc_json_str(ns, "type"), type))
                        return ns;
        return NULL;
}

void lxc_items_done(struct lxc_items *items)
{
        for (size_t i = 0; i < items->n; i++) {
                free(items->v[i].key);
                free(items->v[i].value);
        }
        free(items->v);
        *items = (struct lxc_items){ 0 };
}

int lxc_items_add(struct lxc_items *items, struct nxc_error *err, const char *key, const char *fmt, ...)
{
        _cleanup_free_ char *value = NULL, *copy = strdup(key);
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vasprintf(&value, fmt, ap);
        va_end(ap);
        if (n < 0 || !copy) {
                if (n < 0)
                        value = NULL;
                return nxc_oom(err);
        }
        if (nxc_has_control(key) || nxc_has_control(value))
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                        "the value for liblxc's '%.64s' holds a control character",
                        nxc_has_control(key) ? "?" : key);
        if (items->n == items->cap) {
                size_t cap = items->cap ? 2 * items->cap : 32;
                struct lxc_item *v = reallocarray(items->v, cap, sizeof(*v));

                if (!v)
                        return nxc_oom(err);
                items->v = v;
                items->cap = cap;
        }
        items->v[items->n++] = (struct lxc_item){ TAKE_PTR(copy), TAKE_PTR(value) };
        return 0;
}

/* As systemd would name the unit's cgroup; without systemd to make it, liblxc does. */
static char *systemd_path(const char *text)
{
        const char *prefix = strchr(text, ':'), *name = prefix ? strchr(prefix + 1, ':') : NULL;
        int slice = prefix ? (int)(prefix - text) : 0;

        if (!name || strchr(name + 1, ':') || strchr(text, '/'))
                return NULL;
        return nxc_strf("%.*s/%.*s%s%s.scope", slice ? slice : 12, slice ? text : "system.slice",
                (int)(name - prefix - 1), prefix + 1, name > prefix + 1 ? "-" : "", name + 1);
}

int lxc_cgroup_path(const json_t *spec, const char *id, char **ret, struct nxc_error *err)
{
        const char *path = nxc_json_str(spec, "linux.cgroupsPath");
        _cleanup_free_ char *made = NULL;

        while (path && *path == '/')
                path++;
        if (!path || !*path)
                made = nxc_strf("nexcage/%s", id);
        else if (strchr(path, ':') && !strchr(path, '/'))
                made = systemd_path(path);
        else
                made = strdup(path);
        if (!made && path && strchr(path, ':') && !systemd_path(path))
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                        "linux.cgroupsPath '%s' is not slice:prefix:name", path);
        if (!made)
                return nxc_oom(err);
        if (nxc_has_control(made) || strstr(made, "..") || strlen(made) > 1024)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_SPEC, 0, "linux.cgroupsPath: not a path of cgroups");
        *ret = TAKE_PTR(made);
        return 0;
}

static int add_namespaces(const json_t *spec, struct lxc_items *ret, struct nxc_error *err)
{
        char keep[64] = "";
        const json_t *net = lxc_ns_find(spec, "network");
        int r;

        for (size_t i = 0; i < LXC_NS_KINDS; i++) {
                const json_t *ns = lxc_ns_find(spec, lxc_ns_kinds[i].type);

                /* That of mounts is always a new one. */
                if (lxc_ns_kinds[i].flag != CLONE_NEWNS && (!ns || nxc_json_str(ns, "path"))) {
                        strcat(keep, keep[0] ? " " : "");
                        strcat(keep, lxc_ns_kinds[i].file);
                }
        }
        r = keep[0] ? lxc_items_add(ret, err, "lxc.namespace.keep", "%s", keep) : 0;
        if (r == 0)
                r = lxc_items_add(ret, err, "lxc.net.0.type", "%s",
                        net && !nxc_json_str(net, "path") ? "empty" : "none");
        return r;
}

static int add_mappings(
        const json_t *spec, const char *key, char kind, struct lxc_items *ret, struct nxc_error *err)
{
        const json_t *map;
        size_t i;
        int r = 0;

        json_array_foreach (nxc_json_get(spec, key), i, map)
                if (r == 0)
                        r = lxc_items_add(ret, err, "lxc.idmap", "%c %lld %lld %lld", kind,
                                (long long)json_integer_value(json_object_get(map, "containerID")),
                                (long long)json_integer_value(json_object_get(map, "hostID")),
                                (long long)json_integer_value(json_object_get(map, "size")));
        return r;
}

static int add_time_offsets(const json_t *spec, struct lxc_items *ret, struct nxc_error *err)
{
        static const struct {
                const char *clock, *key;
        } clocks[] = { { "boottime", "lxc.time.offset.boot" },
                { "monotonic", "lxc.time.offset.monotonic" } };
        int r = 0;

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(clocks); i++) {
                const json_t *o = json_object_get(nxc_json_get(spec, "linux.timeOffsets"), clocks[i].clock);
                long long secs = json_integer_value(json_object_get(o, "secs"));
                long long nanosecs = json_integer_value(json_object_get(o, "nanosecs"));

                /* liblxc passes on what it is given in the field of its unit; one field is all it has. */
                if (secs && nanosecs)
                        return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                                "config.json: runtime 'lxc' cannot honour linux.timeOffsets of seconds and "
                                "nanoseconds together");
                if (o)
                        r = lxc_items_add(ret, err, clocks[i].key, "%lld%s", secs ? secs : nanosecs,
                                secs ? "s" : "ns");
        }
        return r;
}

static int add_resources(
        const json_t *spec, const struct lxc_config_opts *o, struct lxc_items *ret, struct nxc_error *err)
{
        _cleanup_lxc_items_ struct lxc_items files = { 0 };
        const json_t *resources = nxc_json_get(spec, "linux.resources");
        int r = resources ? lxc_resources(resources, o->v2, &files, err) : 0;

        for (size_t i = 0; r == 0 && i < files.n; i++) {
                _cleanup_free_ char *key = nxc_strf("lxc.cgroup%s.%s", o->v2 ? "2" : "", files.v[i].key);

                r = key ? lxc_items_add(ret, err, key, "%s", files.v[i].value) : nxc_oom(err);
        }
        return r;
}

int lxc_config(
        const json_t *spec, const struct lxc_config_opts *o, struct lxc_items *ret, struct nxc_error *err)
{
        const char *hostname = nxc_json_str(spec, "hostname");
        const json_t *uts = lxc_ns_find(spec, "uts");
        /* What we want liblxc to leave alone. */
        static const struct {
                const char *key, *value;
        } fixed[] = {
                { "lxc.console.path", "none" },
                { "lxc.tty.max", "0" },
                { "lxc.pty.max", "0" },
                { "lxc.autodev", "0" },
                { "lxc.apparmor.profile", "unconfined" }, /* the spec's is set by nexcage-init */
                { "lxc.cgroup.relative", "1" },           /* else it begins at the cgroup of process 1 */
                { "lxc.signal.halt", "SIGTERM" },
                { "lxc.signal.stop", "SIGKILL" },
        };
        int r = lxc_items_add(ret, err, "lxc.rootfs.path", "dir:%s", o->rootfs);

        if (r == 0)
                r = lxc_items_add(ret, err, "lxc.rootfs.mount", "%s/rt/rootfs", o->state_dir);
        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(fixed); i++)
                r = lxc_items_add(ret, err, fixed[i].key, "%s", fixed[i].value);
        if (r == 0)
                r = lxc_items_add(
                        ret, err, "lxc.hook.mount", "/proc/self/fd/%d hook %d", o->hook_fd, o->sync_fd);
        if (r == 0 && hostname && uts && !nxc_json_str(uts, "path"))
                r = lxc_items_add(ret, err, "lxc.uts.name", "%s", hostname);
        if (r == 0 && o->no_new_keyring)
                r = lxc_items_add(ret, err, "lxc.keyring.session", "0");
        if (r == 0)
                r = add_namespaces(spec, ret, err);
        if (r == 0)
                r = add_mappings(spec, "linux.uidMappings", 'u', ret, err);
        if (r == 0)
                r = add_mappings(spec, "linux.gidMappings", 'g', ret, err);
        if (r == 0)
                r = add_time_offsets(spec, ret, err);
        if (r == 0)
                r = lxc_items_add(ret, err, "lxc.cgroup.dir.container", "%s", o->cgroup);
        if (r == 0)
                r = lxc_items_add(ret, err, "lxc.cgroup.dir.monitor", "%s", o->monitor_cgroup);
        if (r == 0)
                r = lxc_items_add(ret, err, "lxc.cgroup.dir.monitor.pivot", "%s.end", o->monitor_cgroup);
        return r == 0 ? add_resources(spec, o, ret, err) : r;
}
