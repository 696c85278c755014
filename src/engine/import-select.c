/* See import-internal.h. */
#include "engine/import-internal.h"

#include "core/cleanup.h"
#include "core/json.h"

#include <string.h>
#include <unistd.h>

#define MAX_LISTED 20 /* names in a message */

static const char containerd_name[] = "io.containerd.image.name"; /* buildx and docker save: the full name */
static const char ref_name[] = "org.opencontainers.image.ref.name";

static struct nxc_candidate *find_digest(struct nxc_candidates *c, const struct nxc_digest *digest)
{
        for (size_t i = 0; i < c->n; i++) {
                if (nxc_digest_equal(&c->v[i].desc.digest, digest))
                        return &c->v[i];
        }
        return NULL;
}

/* The full name first: it is the one that the image gets. */
static int add_names(struct nxc_candidate *c, const json_t *entry)
{
        json_t *a = json_object_get(entry, "annotations");
        const char *full = json_string_value(json_object_get(a, containerd_name));
        const char *ref = json_string_value(json_object_get(a, ref_name));
        int r = full && *full ? nxc_strv_add(&c->names, full) : 0;

        if (r == 0 && ref && *ref)
                r = nxc_strv_add(&c->names, ref);
        return r;
}

int nxc_candidates_of_index(const json_t *index, struct nxc_candidates *ret, struct nxc_error *err)
{
        json_t *manifests = json_object_get(index, "manifests");
        struct nxc_candidates c = { .is_platform_list = true };
        struct nxc_index ix = { 0 };
        int r = nxc_index_parse(index, &ix, err);

        if (r < 0)
                return nxc_error_wrap(err, "index.json");
        c.v = calloc(ix.n_manifests + 1, sizeof(*c.v));
        if (!c.v)
                r = nxc_oom(err);
        for (size_t i = 0; r == 0 && i < ix.n_manifests; i++) {
                struct nxc_candidate *known = find_digest(&c, &ix.manifests[i].digest);

                if (!known) {
                        known = &c.v[c.n++];
                        known->desc = ix.manifests[i];
                }
                if (add_names(known, json_array_get(manifests, i)) < 0)
                        r = nxc_oom(err);
                if (known->names.n || !known->desc.platform.os[0])
                        c.is_platform_list = false;
        }
        nxc_index_done(&ix);
        if (r < 0) {
                nxc_candidates_done(&c);
                return r;
        }
        c.is_platform_list = c.is_platform_list && c.n > 1;
        *ret = c;
        return 0;
}

int nxc_candidates_of_docker(
        const struct nxc_docker_archive *docker, struct nxc_candidates *ret, struct nxc_error *err)
{
        struct nxc_candidates c = { 0 };
        int r = 0;

        c.v = calloc(docker->n_images + 1, sizeof(*c.v));
        if (!c.v)
                return nxc_oom(err);
        for (size_t i = 0; i < docker->n_images; i++) {
                struct nxc_candidate *k = &c.v[c.n++];

                k->docker = i;
                for (size_t t = 0; r == 0 && t < docker->images[i].repo_tags.n; t++)
                        r = nxc_strv_add(&k->names, docker->images[i].repo_tags.v[t]);
        }
        if (r < 0) {
                nxc_candidates_done(&c);
                return nxc_oom(err);
        }
        *ret = c;
        return 0;
}

void nxc_candidates_done(struct nxc_candidates *c)
{
        for (size_t i = 0; i < c->n; i++)
                nxc_strv_done(&c->v[i].names);
        free(c->v);
        *c = (struct nxc_candidates){ 0 };
}

static bool same_reference(const char *a, const char *b)
{
        struct nxc_reference x, y;

        return nxc_reference_parse(a, &x, NULL) == 0 && nxc_reference_parse(b, &y, NULL) == 0 &&
               nxc_streq(x.host, y.host) && nxc_streq(x.path, y.path) && nxc_streq(x.tag, y.tag) &&
               nxc_streq(x.digest.text, y.digest.text);
}

static bool is_selected(const struct nxc_candidate *c, const char *selector)
{
        if (nxc_streq(c->desc.digest.text, selector))
                return true;
        for (size_t i = 0; i < c->names.n; i++) {
                if (nxc_streq(c->names.v[i], selector) || same_reference(c->names.v[i], selector))
                        return true;
        }
        return false;
}

static int list_names(const struct nxc_candidates *c, struct nxc_buf *out)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < c->n && i < MAX_LISTED; i++) {
                const struct nxc_candidate *k = &c->v[i];
                const char *name = k->names.n ? k->names.v[0] : k->desc.digest.text;

                r = nxc_buf_printf(out, "%s%s", i ? ", " : "", *name ? name : "one without a name");
        }
        if (r == 0 && c->n > MAX_LISTED)
                r = nxc_buf_puts(out, ", ...");
        return r;
}

int nxc_candidates_select(const struct nxc_candidates *c, const char *selector, const char *what,
        const struct nxc_candidate **ret, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf names = { 0 };

        if (c->n == 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "'%s' holds no image", what);
        for (size_t i = 0; selector && i < c->n; i++) {
                if (is_selected(&c->v[i], selector)) {
                        *ret = &c->v[i];
                        return 0;
                }
        }
        if (!selector && c->n == 1) {
                *ret = &c->v[0];
                return 0;
        }
        if (list_names(c, &names) < 0)
                return nxc_oom(err);
        if (selector)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "'%s' holds no image '%s'; it holds: %s", what,
                        selector, names.data);
        nxc_fail_kind(err, NXC_ERR_USAGE, 0, "'%s' holds several images: %s", what, names.data);
        nxc_error_hint(err, "choose one: %s:NAME", what);
        return -EINVAL;
}

int nxc_candidate_reference(const char *name, bool is_docker, struct nxc_reference *ret)
{
        _cleanup_free_ char *local = NULL;
        struct nxc_reference ref;
        int r = nxc_reference_parse(name, &ref, NULL);

        if (r == 0 && !is_docker && nxc_streq(ref.host, "docker.io") &&
                !nxc_starts_with(name, "docker.io/") && !nxc_starts_with(name, "index.docker.io/")) {
                local = nxc_strf("localhost/%s", name);
                r = local ? nxc_reference_parse(local, &ref, NULL) : -ENOMEM;
        }
        if (r == 0)
                *ret = ref;
        return r;
}

int nxc_import_parse_source(const char *text, enum nxc_import_kind *ret_kind, char **ret_path,
        char **ret_selector, struct nxc_error *err)
{
        static const struct {
                const char *prefix;
                enum nxc_import_kind kind;
        } prefixes[] = {
                { "oci:", NXC_IMPORT_OCI_DIR },
                { "oci-archive:", NXC_IMPORT_OCI_ARCHIVE },
                { "docker-archive:", NXC_IMPORT_DOCKER_ARCHIVE },
        };
        _cleanup_free_ char *path = NULL, *selector = NULL;
        enum nxc_import_kind kind = NXC_IMPORT_ANY;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(prefixes); i++) {
                if (nxc_starts_with(text, prefixes[i].prefix)) {
                        kind = prefixes[i].kind;
                        text += strlen(prefixes[i].prefix);
                        break;
                }
        }
        for (const char *colon = strchr(text, ':'); access(text, F_OK) < 0 && colon && !selector;
                colon = strchr(colon + 1, ':')) {
                path = strndup(text, (size_t)(colon - text));
                if (!path)
                        return nxc_oom(err);
                if (access(path, F_OK) == 0 || nxc_streq(path, "-")) {
                        selector = strdup(colon + 1);
                        if (!selector)
                                return nxc_oom(err);
                } else {
                        nxc_freep(&path);
                }
        }
        if (!path && !(path = strdup(text)))
                return nxc_oom(err);
        if (!*path || (selector && !*selector))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "'%s' names no image source: a directory or an archive, "
                        "with :NAME after it to choose an image",
                        text);
        *ret_kind = kind;
        *ret_path = TAKE_PTR(path);
        *ret_selector = TAKE_PTR(selector);
        return 0;
}
