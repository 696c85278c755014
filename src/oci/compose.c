/* See compose.h. Theory of operation: the spec starts as a skeleton, and the parts in compose-*.c fill
 * it, each from one group of options. What podman writes for the same options (podman 4.3, looked at in
 * its config.json) is the reference; where we differ on purpose, the place says why. */
#include "oci/compose-internal.h"

#include "core/cleanup.h"
#include "core/json.h"

#include <assert.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#define HOSTNAME_MAX 64 /* __NEW_UTS_LEN */

int nxc_usage(struct nxc_error *err, const char *fmt, ...)
{
        char what[sizeof(err->message)];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(what, sizeof(what), fmt, ap);
        va_end(ap);
        return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s", what);
}

int nxc_put(json_t *o, const char *key, json_t *value, struct nxc_error *err)
{
        /* jansson holds UTF-8 only, and so does a config.json */
        if (json_object_set_new(o, key, value) < 0)
                return nxc_json_starved() ? nxc_oom(err) : nxc_usage(err, "%s is not UTF-8", key);
        return 0;
}

int nxc_put_string(json_t *array, const char *text, struct nxc_error *err)
{
        json_t *s = json_string(text);

        if (!s)
                return nxc_json_starved() ? nxc_oom(err) : nxc_usage(err, "'%.100s' is not UTF-8", text);
        return json_array_append_new(array, s) < 0 ? nxc_oom(err) : 0;
}

json_t *nxc_json_strv(const struct nxc_strv *s)
{
        json_t *array = json_array();

        for (size_t i = 0; array && i < s->n; i++) {
                if (json_array_append_new(array, json_string(s->v[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array;
}

json_t *nxc_json_words(const char *text)
{
        json_t *array = json_array();

        while (array && *text) {
                size_t n = strcspn(text, " ");

                if (json_array_append_new(array, json_stringn(text, n)) < 0) {
                        json_decref(array);
                        return NULL;
                }
                text += n;
                text += strspn(text, " ");
        }
        return array;
}

int nxc_parse_bool(const char *s, bool *ret)
{
        static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
        static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(yes); i++) {
                if (nxc_streq(s, yes[i]) || nxc_streq(s, no[i])) {
                        *ret = nxc_streq(s, yes[i]);
                        return 0;
                }
        }
        return -EINVAL;
}

void nxc_compose_host_get(struct nxc_compose_host *ret)
{
        static struct nxc_platform platform; /* arch is borrowed from here; the same at every call */
        struct nxc_compose_host h = { .dev_dir = "/dev", .env = (const char *const *)environ };
        struct utsname u = { 0 };
        struct statfs fs;

        uname(&u);
        nxc_platform_from_machine(u.machine, &platform);
        h.arch = platform.arch;
        snprintf(h.hostname, sizeof(h.hostname), "%s", u.nodename);
        if (sscanf(u.release, "%d.%d", &h.kernel_major, &h.kernel_minor) != 2)
                h.kernel_major = h.kernel_minor = 0;
        h.bounding = nxc_caps_bounding();
        h.cgroup_namespace = access("/proc/self/ns/cgroup", F_OK) == 0 &&
                             statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
        *ret = h;
}

/* A config.json is UTF-8; found out here, so that a failing json_string() later on only means out of
 * memory. */
static int check_utf8(struct nxc_compose *c, struct nxc_error *err)
{
        const struct nxc_compose_opts *o = c->opts;
        const struct nxc_strv *const lists[] = { &o->args, &o->volumes, &o->mounts, &o->tmpfs,
                &o->security_opt, &o->labels, &o->annotations };
        const char *const words[] = { o->rootfs, o->volumes_dir, o->etc_dir, o->cgroups_path, o->entrypoint,
                o->workdir, o->hostname };
        _cleanup_json_ json_t *sink = json_array();
        int r = sink ? 0 : nxc_oom(err);

        for (size_t i = 0; i < NXC_ARRAY_SIZE(lists); i++)
                for (size_t k = 0; r == 0 && k < lists[i]->n; k++)
                        r = nxc_put_string(sink, lists[i]->v[k], err);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(words); i++)
                if (r == 0 && words[i])
                        r = nxc_put_string(sink, words[i], err);
        return r;
}

static int check_network(const char *network, struct nxc_error *err)
{
        if (!network || nxc_streq(network, "none") || nxc_streq(network, "host"))
                return 0;
        if (!*network)
                return nxc_usage(err, "--network: the network mode is empty");
        nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0, "network mode '%.64s' is not implemented", network);
        nxc_error_hint(err, "use --network none or --network host");
        return -EINVAL;
}

static int choose_hostname(struct nxc_compose *c, struct nxc_error *err)
{
        const char *name = c->opts->hostname;

        if (name && (!*name || strlen(name) > HOSTNAME_MAX || nxc_has_control(name) || strpbrk(name, "/ ")))
                return nxc_usage(
                        err, "invalid hostname (1 to %d characters, no blanks, no '/')", HOSTNAME_MAX);
        if (name)
                c->res->hostname = strdup(name);
        else if (nxc_streq(c->opts->network, "host"))
                c->res->hostname = strdup(c->host->hostname);
        else
                c->res->hostname = nxc_strf("%.12s", c->opts->id);
        return c->res->hostname ? 0 : nxc_oom(err);
}

static int lookup_user(struct nxc_compose *c, struct nxc_error *err)
{
        bool given = c->opts->user && *c->opts->user;
        int r = nxc_user_lookup(c->root_fd, given ? c->opts->user : c->image->user, &c->user, err);

        if (r < 0 && !given && c->image->user) {
                nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
                return nxc_error_wrap(err, "image config.config: 'User'");
        }
        return r;
}

static int choose_stop_signal(struct nxc_compose *c, struct nxc_error *err)
{
        const char *text = c->opts->stop_signal ? c->opts->stop_signal : c->image->stop_signal;
        int r = nxc_signal_parse(text ? text : "TERM", &c->res->stop_signal, err);

        if (r == 0 && c->res->stop_signal == 0)
                r = nxc_usage(err, "invalid signal: %s", text);
        if (r < 0 && !c->opts->stop_signal) {
                nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
                return nxc_error_wrap(err, "image config.config: 'StopSignal'");
        }
        return r;
}

/* K or K=V: the later one of the same key wins. */
static int set_label(struct nxc_strv *labels, const char *label, struct nxc_error *err)
{
        size_t n = strcspn(label, "=");
        char *copy = nxc_strf("%s%s", label, label[n] ? "" : "=");

        if (!copy)
                return nxc_oom(err);
        for (size_t i = 0; i < labels->n; i++) {
                if (strncmp(labels->v[i], copy, n + 1) == 0) {
                        free(labels->v[i]);
                        labels->v[i] = copy;
                        return 0;
                }
        }
        return nxc_strv_take(labels, copy) < 0 ? nxc_oom(err) : 0;
}

static int collect_labels(struct nxc_compose *c, struct nxc_error *err)
{
        json_t *value;
        const char *key;
        int r = 0;

        json_object_foreach (c->image->labels, key, value)
                if (nxc_strv_addf(&c->res->labels, "%s=%s", key, json_string_value(value)) < 0)
                        return nxc_oom(err);
        for (size_t i = 0; r == 0 && i < c->opts->labels.n; i++) {
                const char *label = c->opts->labels.v[i];

                if (label[0] == '=' || !label[0])
                        return nxc_usage(err, "invalid label format: '%.100s'", label);
                r = set_label(&c->res->labels, label, err);
        }
        return r;
}

static int compose_annotations(struct nxc_compose *c, json_t *annotations, struct nxc_error *err)
{
        char number[16];
        int r;

        snprintf(number, sizeof(number), "%d", c->res->stop_signal);
        r = nxc_put(annotations, "org.opencontainers.image.stopSignal", json_string(number), err);
        for (size_t i = 0; r == 0 && i < c->opts->annotations.n; i++) {
                const char *text = c->opts->annotations.v[i], *eq = strchr(text, '=');
                _cleanup_free_ char *key = NULL;

                if (!eq || eq == text)
                        return nxc_usage(
                                err, "--annotation '%.100s': annotations must be formatted KEY=VALUE", text);
                key = strndup(text, (size_t)(eq - text));
                r = key ? nxc_put(annotations, key, json_string(eq + 1), err) : nxc_oom(err);
        }
        return r;
}

static int start_spec(struct nxc_compose *c, struct nxc_error *err)
{
        /* 1.0.2: all that is used here is in it, and crun 1.8 takes no later version */
        json_t *spec = json_pack("{s:s, s:{s:b}, s:{s:s}, s:s, s:[], s:{}, s:{}}", "ociVersion", "1.0.2",
                "process", "terminal", c->opts->terminal, "root", "path", c->opts->rootfs, "hostname",
                c->res->hostname, "mounts", "annotations", "linux");

        c->res->spec = spec;
        if (!spec)
                return nxc_oom(err);
        c->process = json_object_get(spec, "process");
        c->mounts = json_object_get(spec, "mounts");
        c->linux_ = json_object_get(spec, "linux");
        if (c->opts->read_only)
                return nxc_put(json_object_get(spec, "root"), "readonly", json_true(), err);
        return 0;
}

static int compose(struct nxc_compose *c, struct nxc_error *err)
{
        static int (*const parts[])(struct nxc_compose *, struct nxc_error *) = {
                check_utf8,
                choose_hostname,
                choose_stop_signal,
                collect_labels,
                lookup_user,
                nxc_compose_security,
                nxc_compose_capabilities,
                start_spec,
                nxc_compose_env,
                nxc_compose_process,
                nxc_compose_mounts,
                nxc_compose_workdir,
                nxc_compose_linux,
                nxc_compose_paths,
                nxc_compose_devices,
                nxc_compose_seccomp,
        };
        int r = check_network(c->opts->network, err);

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(parts); i++)
                r = parts[i](c, err);
        if (r == 0)
                r = compose_annotations(c, json_object_get(c->res->spec, "annotations"), err);
        return r;
}

int nxc_compose_spec(const struct nxc_image_config *image, const struct nxc_compose_opts *opts, int root_fd,
        struct nxc_compose_result *ret, struct nxc_error *err)
{
        struct nxc_compose_result res = { 0 };
        struct nxc_compose_host host;
        struct nxc_compose c = {
                .image = image,
                .opts = opts,
                .host = opts->host ? opts->host : &host,
                .root_fd = root_fd,
                .res = &res,
        };
        int r;

        assert(opts->id && opts->rootfs);
        if (!opts->host)
                nxc_compose_host_get(&host);
        r = compose(&c, err);
        nxc_user_done(&c.user);
        nxc_strv_done(&c.mask);
        nxc_strv_done(&c.unmask);
        if (r < 0) {
                nxc_compose_result_done(&res);
                return r;
        }
        *ret = res;
        return 0;
}

void nxc_compose_result_done(struct nxc_compose_result *r)
{
        json_decref(r->spec);
        nxc_strv_done(&r->anonymous_volumes);
        nxc_strv_done(&r->etc_files);
        nxc_strv_done(&r->labels);
        free(r->hostname);
        free(r->make_workdir);
        *r = (struct nxc_compose_result){ 0 };
}
