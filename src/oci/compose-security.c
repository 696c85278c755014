/* --security-opt, and the paths of /proc and /sys that are masked or read-only. */
#include "oci/compose-internal.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* podman 4.3's lists. */
static const char *const masked_paths[] = {
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/fs/selinux",
        "/sys/dev/block",
};
static const char *const readonly_paths[] = {
        "/proc/asound",
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/proc/sys",
        "/proc/sysrq-trigger",
};

static int set_no_new_privileges(struct nxc_compose *c, const char *value, struct nxc_error *err)
{
        c->no_new_privileges = true;
        if (value && nxc_parse_bool(value, &c->no_new_privileges) < 0)
                return nxc_usage(
                        err, "--security-opt: 'no-new-privileges=%.64s' is neither true nor false", value);
        return 0;
}

static int set_seccomp(struct nxc_compose *c, const char *value, struct nxc_error *err)
{
        if (!value || !*value)
                return nxc_usage(err, "--security-opt: 'seccomp' needs a profile file or 'unconfined'");
        c->seccomp_unconfined = nxc_streq(value, "unconfined");
        c->seccomp_file = c->seccomp_unconfined ? NULL : value;
        return 0;
}

static int set_apparmor(struct nxc_compose *c, const char *value, struct nxc_error *err)
{
        if (!value || !*value || nxc_has_control(value))
                return nxc_usage(err, "--security-opt: 'apparmor' needs a profile or 'unconfined'");
        c->apparmor = nxc_streq(value, "unconfined") ? NULL : value;
        return 0;
}

static int set_label(struct nxc_compose *c, const char *value, struct nxc_error *err)
{
        if (nxc_streq(value, "disable"))
                return 0; /* there is no labelling to disable */
        return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                "--security-opt 'label=%.64s' is not implemented", value ? value : "");
}

static int add_paths(struct nxc_strv *list, const char *name, const char *value, struct nxc_error *err)
{
        _cleanup_free_ char *copy = strdup(value ? value : "");
        char *rest = copy;

        if (!copy)
                return nxc_oom(err);
        for (char *path; (path = strsep(&rest, ":"));) {
                if (path[0] != '/')
                        return nxc_usage(err,
                                "--security-opt: '%s' of '%.100s', which is not an absolute path", name,
                                path);
                if (nxc_strv_add(list, path) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

static int set_mask(struct nxc_compose *c, const char *value, struct nxc_error *err)
{
        return add_paths(&c->mask, "mask", value, err);
}

static int set_unmask(struct nxc_compose *c, const char *value, struct nxc_error *err)
{
        if (nxc_streq(value, "ALL") || nxc_streq(value, "all")) {
                c->unmask_all = true;
                return 0;
        }
        return add_paths(&c->unmask, "unmask", value, err);
}

static int set_system_paths(struct nxc_compose *c, const char *value, struct nxc_error *err)
{
        if (!nxc_streq(value, "unconfined"))
                return nxc_usage(err, "--security-opt: 'systempaths' can only be 'unconfined'");
        c->unmask_all = true;
        return 0;
}

static int set_proc_opts(struct nxc_compose *c, const char *value, struct nxc_error *err)
{
        return nxc_fail_kind(
                err, NXC_ERR_NOT_IMPLEMENTED, 0, "--security-opt 'proc-opts' is not implemented");
}

/* NAME[=VALUE]; the older NAME:VALUE where docker had it. */
static const struct {
        const char *name;
        bool colon;
        int (*set)(struct nxc_compose *, const char *, struct nxc_error *);
} security_options[] = {
        { "no-new-privileges", true, set_no_new_privileges },
        { "seccomp", true, set_seccomp },
        { "apparmor", true, set_apparmor },
        { "label", true, set_label },
        { "mask", false, set_mask },
        { "unmask", false, set_unmask },
        { "systempaths", false, set_system_paths },
        { "proc-opts", false, set_proc_opts },
};

static int apply(struct nxc_compose *c, const char *text, struct nxc_error *err)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(security_options); i++) {
                size_t n = strlen(security_options[i].name);

                if (strncmp(text, security_options[i].name, n) != 0)
                        continue;
                if (text[n] == '=' || (text[n] == ':' && security_options[i].colon))
                        return security_options[i].set(c, text + n + 1, err);
                if (!text[n])
                        return security_options[i].set(c, NULL, err);
        }
        return nxc_usage(err, "invalid --security-opt: '%.100s'", text);
}

int nxc_compose_security(struct nxc_compose *c, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < c->opts->security_opt.n; i++)
                r = apply(c, c->opts->security_opt.v[i], err);
        return r;
}

/* unmask takes patterns, "/proc/" and a star for one. */
static bool is_unmasked(const struct nxc_compose *c, const char *path)
{
        for (size_t i = 0; i < c->unmask.n; i++)
                if (fnmatch(c->unmask.v[i], path, 0) == 0)
                        return true;
        return c->unmask_all;
}

static int put_paths(struct nxc_compose *c, const char *key, const char *const *paths, size_t n,
        const struct nxc_strv *more, struct nxc_error *err)
{
        json_t *array = json_array();
        int r = array ? 0 : nxc_oom(err);

        for (size_t i = 0; r == 0 && i < n; i++)
                if (!is_unmasked(c, paths[i]))
                        r = nxc_put_string(array, paths[i], err);
        for (size_t i = 0; r == 0 && more && i < more->n; i++)
                r = nxc_put_string(array, more->v[i], err);
        if (r == 0 && json_array_size(array) > 0)
                return nxc_put(c->linux_, key, array, err);
        json_decref(array);
        return r;
}

int nxc_compose_paths(struct nxc_compose *c, struct nxc_error *err)
{
        size_t n_masked = c->opts->privileged ? 0 : NXC_ARRAY_SIZE(masked_paths);
        size_t n_readonly = c->opts->privileged ? 0 : NXC_ARRAY_SIZE(readonly_paths);
        int r = put_paths(c, "maskedPaths", masked_paths, n_masked, &c->mask, err);

        return r < 0 ? r : put_paths(c, "readonlyPaths", readonly_paths, n_readonly, NULL, err);
}

int nxc_compose_seccomp(struct nxc_compose *c, struct nxc_error *err)
{
        json_t *profile;
        int r;

        if (c->seccomp_unconfined || (c->opts->privileged && !c->seccomp_file))
                return 0;
        if (c->seccomp_file)
                r = nxc_seccomp_load(c->seccomp_file, c->host, c->bounding, &profile, err);
        else
                r = nxc_seccomp_default(c->host->arch, c->bounding, &profile, err);
        c->res->seccomp_is_default = !c->seccomp_file && c->bounding == nxc_caps_default();
        return r < 0 ? r : nxc_put(c->linux_, "seccomp", profile, err);
}
