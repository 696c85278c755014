/* Capabilities: names, and which ones a container's process gets. */
#include "oci/compose-internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

/* By number (capabilities(7)); the index is the kernel's. */
static const char *const cap_names[] = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
};

/* podman 4.3's default set. */
static const char *const default_names[] = {
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
};

int nxc_cap_parse(const char *name)
{
        if (strncasecmp(name, "CAP_", 4) == 0)
                name += 4;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(cap_names); i++)
                if (strcasecmp(name, cap_names[i] + 4) == 0)
                        return (int)i;
        return -EINVAL;
}

const char *nxc_cap_name(unsigned cap)
{
        return cap < NXC_ARRAY_SIZE(cap_names) ? cap_names[cap] : NULL;
}

uint64_t nxc_caps_default(void)
{
        uint64_t set = 0;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(default_names); i++)
                set |= 1ull << nxc_cap_parse(default_names[i]);
        return set;
}

uint64_t nxc_caps_bounding(void)
{
        uint64_t set = 0;

        for (unsigned cap = 0; nxc_cap_name(cap); cap++)
                if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
                        set |= 1ull << cap;
        return set;
}

/* Reads --cap-add or --cap-drop; "A,B" is a list as podman takes it. */
static int parse_list(
        const struct nxc_strv *list, const char *option, uint64_t *ret, bool *ret_all, struct nxc_error *err)
{
        for (size_t i = 0; i < list->n; i++) {
                _cleanup_free_ char *copy = strdup(list->v[i]);
                char *rest = copy;

                if (!copy)
                        return nxc_oom(err);
                for (char *name; (name = strsep(&rest, ","));) {
                        int cap = nxc_cap_parse(name);

                        if (strcasecmp(name, "ALL") == 0 || strcasecmp(name, "CAP_ALL") == 0)
                                *ret_all = true;
                        else if (cap < 0)
                                return nxc_usage(err, "%s '%.64s': unknown capability", option, name);
                        else
                                *ret |= 1ull << cap;
                }
        }
        return 0;
}

static const char *first_name(uint64_t set)
{
        return nxc_cap_name((unsigned)__builtin_ctzll(set));
}

static json_t *cap_array(uint64_t set)
{
        json_t *array = json_array();

        for (unsigned i = 0; array && i < NXC_ARRAY_SIZE(cap_names); i++) {
                if ((set & (1ull << i)) && json_array_append_new(array, json_string(cap_names[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array;
}

static int put_sets(struct nxc_compose *c, json_t *caps, struct nxc_error *err)
{
        int r = nxc_put(caps, "bounding", cap_array(c->bounding), err);

        if (r == 0)
                r = nxc_put(caps, "effective", cap_array(c->effective), err);
        if (r == 0)
                r = nxc_put(caps, "permitted", cap_array(c->effective), err);
        if (r == 0 && c->ambient)
                r = nxc_put(caps, "inheritable", cap_array(c->ambient), err);
        if (r == 0 && c->ambient)
                r = nxc_put(caps, "ambient", cap_array(c->ambient), err);
        return r;
}

/* The inheritable set is empty (CVE-2022-29162) but for one case: a process that is not root would lose
 * what --cap-add gave it at execve, so exactly those go into the inheritable and ambient sets, as podman
 * has it. */
int nxc_compose_capabilities(struct nxc_compose *c, struct nxc_error *err)
{
        bool add_all = false, drop_all = false;
        uint64_t add = 0, drop = 0, base;
        int r = parse_list(&c->opts->cap_add, "--cap-add", &add, &add_all, err);

        if (r == 0)
                r = parse_list(&c->opts->cap_drop, "--cap-drop", &drop, &drop_all, err);
        if (r < 0)
                return r;
        if (add_all && drop_all)
                return nxc_usage(err, "--cap-add ALL and --cap-drop ALL exclude each other");
        if (add & drop)
                return nxc_usage(err, "capability %s cannot be dropped and added", first_name(add & drop));
        if (add & ~c->host->bounding)
                return nxc_usage(err, "--cap-add: %s is not in the bounding set of this process",
                        first_name(add & ~c->host->bounding));
        base = drop_all                         ? 0
               : add_all || c->opts->privileged ? c->host->bounding
                                                : nxc_caps_default() & c->host->bounding;
        c->bounding = (base | add) & ~drop;
        if (c->user.uid == 0) {
                c->effective = c->bounding;
        } else {
                c->ambient = (add_all ? c->bounding : add) & ~drop;
                c->effective = c->ambient;
        }
        return 0;
}

int nxc_compose_put_capabilities(struct nxc_compose *c, struct nxc_error *err)
{
        json_t *caps = json_object();
        int r = nxc_put(c->process, "capabilities", caps, err);

        return r < 0 ? r : put_sets(c, caps, err);
}
