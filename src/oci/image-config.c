/* The image configuration (image-spec, config.md; docker's is the same where it matters): what it says
 * becomes paths, users and arguments of a process, so it is checked here once, and everything above may
 * believe it. */
#include "oci/manifest.h"

#include "oci/image-doc-internal.h"

#include <stdio.h>
#include <string.h>

static int parse_platform(const json_t *doc, struct nxc_platform *ret, struct nxc_error *err)
{
        static const struct {
                const char *key;
                size_t offset;
                int flags;
        } fields[] = {
                { "os", offsetof(struct nxc_platform, os), NXC_DOC_REQUIRED },
                { "architecture", offsetof(struct nxc_platform, arch), NXC_DOC_REQUIRED },
                { "variant", offsetof(struct nxc_platform, variant), 0 },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(fields); i++) {
                const char *s;
                int r = nxc_doc_string(doc, "image config", fields[i].key, fields[i].flags, &s, err);

                if (r < 0)
                        return r;
                if (s && strlen(s) >= sizeof(ret->os))
                        return nxc_doc_fail(err, "image config", "'%s' is longer than %zu characters",
                                fields[i].key, sizeof(ret->os) - 1);
                snprintf((char *)ret + fields[i].offset, sizeof(ret->os), "%s", s ? s : "");
        }
        if (!nxc_streq(ret->os, "linux"))
                return nxc_doc_fail(err, "image config", "'os' is '%s', not linux", ret->os);
        return 0;
}

static int check_env(const struct nxc_strv *env, struct nxc_error *err)
{
        for (size_t i = 0; i < env->n; i++) {
                const char *s = env->v[i], *eq = strchr(s, '=');

                if (!eq || eq == s)
                        return nxc_doc_fail(err, "image config", "'config.Env[%zu]' is not NAME=VALUE", i);
                for (; s < eq; s++)
                        if ((unsigned char)*s < 0x20 || *s == 0x7f)
                                return nxc_doc_fail(err, "image config",
                                        "the name of 'config.Env[%zu]' has a control character", i);
        }
        return 0;
}

static int parse_labels(const json_t *config, json_t **ret, struct nxc_error *err)
{
        json_t *labels, *value;
        const char *key;
        int r = nxc_doc_object(config, "image config", "Labels", 0, &labels, err);

        if (r < 0 || !labels)
                return r;
        json_object_foreach (labels, key, value)
                if (!json_is_string(value))
                        return nxc_doc_fail(
                                err, "image config", "a value of 'config.Labels' is not a string");
        *ret = json_incref(labels);
        return 0;
}

static int parse_execution(const json_t *doc, struct nxc_image_config *c, struct nxc_error *err)
{
        const struct {
                const char *key;
                int (*get)(const json_t *, const char *, const char *, int, struct nxc_strv *,
                        struct nxc_error *);
                int flags;
                struct nxc_strv *ret;
        } lists[] = {
                { "Env", nxc_doc_strv, NXC_DOC_TEXT, &c->env },
                { "Entrypoint", nxc_doc_strv, NXC_DOC_TEXT, &c->entrypoint },
                { "Cmd", nxc_doc_strv, NXC_DOC_TEXT, &c->cmd },
                { "Volumes", nxc_doc_keys, 0, &c->volumes },
                { "ExposedPorts", nxc_doc_keys, 0, &c->exposed_ports },
        };
        const char *where = "image config.config";
        json_t *config;
        int r = nxc_doc_object(doc, "image config", "config", 0, &config, err);

        if (r < 0 || !config)
                return r;
        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(lists); i++)
                r = lists[i].get(config, where, lists[i].key, lists[i].flags, lists[i].ret, err);
        if (r == 0)
                r = nxc_doc_dup(config, where, "User", 0, &c->user, err);
        if (r == 0)
                r = nxc_doc_dup(config, where, "WorkingDir", 0, &c->working_dir, err);
        if (r == 0)
                r = nxc_doc_dup(config, where, "StopSignal", 0, &c->stop_signal, err);
        if (r == 0)
                r = parse_labels(config, &c->labels, err);
        if (r == 0)
                r = check_env(&c->env, err);
        return r;
}

static int parse_rootfs(const json_t *doc, struct nxc_image_config *c, struct nxc_error *err)
{
        const char *where = "image config.rootfs", *type;
        json_t *rootfs, *diff_ids, *item;
        size_t i;
        int r = nxc_doc_object(doc, "image config", "rootfs", NXC_DOC_REQUIRED, &rootfs, err);

        if (r == 0)
                r = nxc_doc_string(rootfs, where, "type", NXC_DOC_REQUIRED, &type, err);
        if (r == 0)
                r = nxc_doc_array(rootfs, where, "diff_ids", NXC_DOC_REQUIRED, &diff_ids, err);
        if (r < 0)
                return r;
        if (!nxc_streq(type, "layers"))
                return nxc_doc_fail(err, where, "'type' is not 'layers'");
        if (json_array_size(diff_ids) > NXC_MAX_LAYERS)
                return nxc_doc_fail(err, where, "has %zu diff_ids (at most %d)", json_array_size(diff_ids),
                        NXC_MAX_LAYERS);
        c->diff_ids = calloc(json_array_size(diff_ids) + 1, sizeof(*c->diff_ids));
        if (!c->diff_ids)
                return nxc_oom(err);
        json_array_foreach (diff_ids, i, item) {
                if (nxc_digest_parse(json_string_value(item), &c->diff_ids[i], err) < 0)
                        return nxc_error_wrap(err, "%s: 'diff_ids[%zu]'", where, i);
                c->n_diff_ids++;
        }
        return 0;
}

/* Tools that drop or squash history exist, so fewer entries than layers are fine; more cannot be right. */
static int check_history(const json_t *doc, const struct nxc_image_config *c, struct nxc_error *err)
{
        json_t *history, *item;
        size_t i, n = 0;
        int r = nxc_doc_array(doc, "image config", "history", 0, &history, err);

        if (r < 0)
                return r;
        json_array_foreach (history, i, item) {
                if (!json_is_object(item))
                        return nxc_doc_fail(err, "image config", "'history[%zu]' is not an object", i);
                n += !json_is_true(json_object_get(item, "empty_layer"));
        }
        if (n > c->n_diff_ids)
                return nxc_doc_fail(err, "image config",
                        "'history' has %zu layers and 'rootfs.diff_ids' %zu", n, c->n_diff_ids);
        return 0;
}

int nxc_image_config_parse(const json_t *doc, struct nxc_image_config *ret, struct nxc_error *err)
{
        struct nxc_image_config c = { 0 };
        int r;

        if (!json_is_object(doc))
                return nxc_doc_fail(err, "image config", "is not a JSON object");
        r = parse_platform(doc, &c.platform, err);
        if (r == 0)
                r = nxc_doc_dup(doc, "image config", "created", 0, &c.created, err);
        if (r == 0)
                r = nxc_doc_dup(doc, "image config", "author", NXC_DOC_TEXT, &c.author, err);
        if (r == 0)
                r = parse_execution(doc, &c, err);
        if (r == 0)
                r = parse_rootfs(doc, &c, err);
        if (r == 0)
                r = check_history(doc, &c, err);
        if (r < 0) {
                nxc_image_config_done(&c);
                return r;
        }
        *ret = c;
        return 0;
}

void nxc_image_config_done(struct nxc_image_config *c)
{
        free(c->created);
        free(c->author);
        free(c->user);
        free(c->working_dir);
        free(c->stop_signal);
        nxc_strv_done(&c->env);
        nxc_strv_done(&c->entrypoint);
        nxc_strv_done(&c->cmd);
        nxc_strv_done(&c->volumes);
        nxc_strv_done(&c->exposed_ports);
        json_decref(c->labels);
        free(c->diff_ids);
        *c = (struct nxc_image_config){ 0 };
}
