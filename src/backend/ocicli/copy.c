/* What of the bundle a runtime is given: the bundle as it is, or a copy of its config.json, where the
 * lifecycle changed it or the runtime would not take it as it is. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "core/process.h"
#include "core/publish.h"
#include "sys/feature.h"

#include <string.h>

#define LOWERED_VERSION "1.0.2"
#define HOOKS_STDERR "run.oci.hooks.stderr"

void ocicli_copy_done(struct ocicli_copy *c)
{
        nxc_freep(&c->bundle);
        nxc_closep(&c->config_fd);
}

static bool is_bind(const json_t *mount)
{
        const json_t *option;
        size_t i;

        if (nxc_streq(nxc_json_str(mount, "type"), "bind"))
                return true;
        json_array_foreach (json_object_get(mount, "options"), i, option)
                if (nxc_streq(json_string_value(option), "bind") ||
                        nxc_streq(json_string_value(option), "rbind"))
                        return true;
        return false;
}

static int make_absolute(json_t *object, const char *key, const char *dir)
{
        const char *path = nxc_json_str(object, key);
        _cleanup_free_ char *joined = NULL;

        if (!path || path[0] == '/')
                return 0;
        joined = nxc_path_join(dir, path);
        return joined && json_object_set_new(object, key, json_string(joined)) == 0 ? 0 : -ENOMEM;
}

/* Paths in a bundle are relative to it; in a copy that lies elsewhere they would not be. */
static int absolute_paths(json_t *doc, const char *bundle)
{
        json_t *mount;
        size_t i;

        if (make_absolute(json_object_get(doc, "root"), "path", bundle) < 0)
                return -ENOMEM;
        json_array_foreach (json_object_get(doc, "mounts"), i, mount)
                if (is_bind(mount) && make_absolute(mount, "source", bundle) < 0)
                        return -ENOMEM;
        return 0;
}

static bool has_hooks(const json_t *doc)
{
        const char *point;
        json_t *list;

        json_object_foreach (json_object_get(doc, "hooks"), point, list)
                if (json_array_size(list) > 0)
                        return true;
        return false;
}

/* The user's own annotation stays. The object is a new one: the document may be a shallow copy. */
static int annotate(json_t *doc, const char *key, const char *value)
{
        const json_t *before = json_object_get(doc, "annotations");
        json_t *annotations = json_is_object(before) ? json_copy((json_t *)before) : json_object();

        if (json_object_set_new(doc, "annotations", annotations) < 0)
                return -ENOMEM;
        if (json_object_get(annotations, key))
                return 0;
        return json_object_set_new(annotations, key, json_string(value)) < 0 ? -ENOMEM : 0;
}

/* A hook's last words are worth more than its exit status. */
static int send_hooks_stderr(json_t *doc, const char *state_dir)
{
        _cleanup_free_ char *path = nxc_path_join(state_dir, "hooks.err");

        return path ? annotate(doc, HOOKS_STDERR, path) : -ENOMEM;
}

static const char *annotation_of(const json_t *doc, const char *key)
{
        return nxc_json_str(json_object_get(doc, "annotations"), key);
}

/* Compiling the default profile is a fifth of what crun has to do. The rules stay in the copy: one that does
 * not know the annotation compiles them as ever. */
static bool has_filter(const struct ocicli *rt, const struct nxc_backend_create *c)
{
        return c->seccomp_is_default && rt->filter_annotation && ocicli_default_filter[0] &&
               nxc_feature_enabled("SECCOMP_BUILT") &&
               !annotation_of(nxc_spec_json(c->spec), rt->filter_annotation);
}

static int add_listen_fds(json_t *doc, int n)
{
        json_t *process = json_object_get(doc, "process"), *env = json_object_get(process, "env");

        if (!json_is_array(env)) {
                env = json_array();
                if (json_object_set_new(process, "env", env) < 0)
                        return -ENOMEM;
        }
        return json_array_append_new(env, json_sprintf("LISTEN_FDS=%d", n));
}

static json_t *resources_of(const json_t *doc)
{
        return json_object_get(json_object_get(doc, "linux"), "resources");
}

int ocicli_adapt_spec(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, json_t **ret, struct nxc_error *err)
{
        const json_t *doc = nxc_spec_json(c->spec);
        const char *version = nxc_spec_version(c->spec);
        bool lower = rt->wants_1_0 && version && !strstr(version, "1.0");
        bool hooks = rt->hooks_to_file && has_hooks(doc);
        bool unlimited = rt->cannot_unlimit && ocicli_has_unlimited(resources_of(doc));
        int listen_fds = rt->forgets_listen_fds ? nxc_process_listen_fds() : 0;
        bool changes = c->spec_changed || lower || hooks || unlimited || listen_fds;
        bool filter = has_filter(rt, c);
        _cleanup_json_ json_t *copy = NULL;
        int k = 0;

        *ret = NULL;
        if (!changes && !filter)
                return 0;
        copy = changes ? json_deep_copy(doc) : json_copy((json_t *)doc);
        if (!copy)
                return nxc_oom(err);
        if (changes && c->rootfs && c->rootfs->kind == NXC_ROOTFS_DIR &&
                json_is_object(json_object_get(copy, "root")))
                k |= json_object_set_new(
                        json_object_get(copy, "root"), "path", json_string(c->rootfs->path));
        if (lower)
                k |= json_object_set_new(copy, "ociVersion", json_string(LOWERED_VERSION));
        if (hooks)
                k |= send_hooks_stderr(copy, t->state_dir);
        if (filter)
                k |= annotate(copy, rt->filter_annotation, ocicli_default_filter);
        if (listen_fds)
                k |= add_listen_fds(copy, listen_fds);
        if (unlimited)
                ocicli_drop_unlimited(resources_of(copy));
        if (changes)
                k |= absolute_paths(copy, t->bundle); /* in what was composed here they are */
        if (k)
                return nxc_oom(err);
        *ret = TAKE_PTR(copy);
        return 0;
}

/* A directory beside the runtime's state, for a runtime that takes a config.json from a bundle only. */
static int make_bundle(const json_t *doc, const char *state_dir, char **ret, struct nxc_error *err)
{
        _cleanup_free_ char *dir = nxc_path_join(state_dir, "bundle"), *text = nxc_json_format(doc, false);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!dir || !text)
                return nxc_oom(err);
        r = nxc_open_dir_p(dir, 0700, &fd, err);
        if (r == 0)
                r = nxc_publish_at(fd, "config.json", text, strlen(text), 0600, 0, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(dir);
        return 0;
}

int ocicli_copy_make(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, struct ocicli_copy *ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = NULL;
        int r = ocicli_adapt_spec(rt, t, c, &doc, err);

        *ret = (struct ocicli_copy)OCICLI_COPY_INIT;
        if (r < 0)
                return r;
        if (doc && !rt->takes_config)
                return make_bundle(doc, t->state_dir, &ret->bundle, err);
        ret->bundle = strdup(t->bundle);
        if (!ret->bundle)
                return nxc_oom(err);
        return doc ? ocicli_document(doc, &ret->config_fd, ret->config_path, err) : 0;
}
