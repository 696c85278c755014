/* manifest.json of a docker-archive (`docker save`): an array of images that name members of the tar
 * archive. */
#include "oci/manifest.h"

#include "oci/image-doc-internal.h"

#include <stdio.h>
#include <string.h>

/* Names lead to members that we look up, never to files: still nothing that climbs or starts at the root. */
static bool is_member_name(const char *name)
{
        const char *p = name;

        if (!*name || *name == '/' || strlen(name) > 4096)
                return false;
        while (*p) {
                size_t n = strcspn(p, "/");

                if (n == 2 && p[0] == '.' && p[1] == '.')
                        return false;
                p += n + (p[n] == '/');
        }
        return true;
}

static int parse_image(
        const json_t *o, const char *where, struct nxc_docker_archive_image *ret, struct nxc_error *err)
{
        int r;

        if (!json_is_object(o))
                return nxc_doc_fail(err, where, "is not an object");
        r = nxc_doc_dup(o, where, "Config", NXC_DOC_REQUIRED, &ret->config, err);
        if (r == 0)
                r = nxc_doc_strv(o, where, "RepoTags", 0, &ret->repo_tags, err);
        if (r == 0)
                r = nxc_doc_strv(o, where, "Layers", NXC_DOC_REQUIRED, &ret->layers, err);
        if (r < 0)
                return r;
        if (!ret->config || !is_member_name(ret->config))
                return nxc_doc_fail(err, where, "'Config' is not the name of a member");
        if (ret->layers.n == 0 || ret->layers.n > NXC_MAX_LAYERS)
                return nxc_doc_fail(err, where, "has %zu layers (1 to %d)", ret->layers.n, NXC_MAX_LAYERS);
        for (size_t i = 0; i < ret->layers.n; i++)
                if (!is_member_name(ret->layers.v[i]))
                        return nxc_doc_fail(err, where, "'Layers[%zu]' is not the name of a member", i);
        return 0;
}

int nxc_docker_archive_parse(const json_t *doc, struct nxc_docker_archive *ret, struct nxc_error *err)
{
        struct nxc_docker_archive a = { 0 };
        char where[NXC_DOC_WHERE_MAX];
        int r = 0;

        if (!json_is_array(doc))
                return nxc_doc_fail(err, "manifest.json", "is not an array");
        if (json_array_size(doc) == 0 || json_array_size(doc) > NXC_ARCHIVE_MAX_IMAGES)
                return nxc_doc_fail(err, "manifest.json", "has %zu images (1 to %d)", json_array_size(doc),
                        NXC_ARCHIVE_MAX_IMAGES);
        a.images = calloc(json_array_size(doc), sizeof(*a.images));
        if (!a.images)
                return nxc_oom(err);
        while (r == 0 && a.n_images < json_array_size(doc)) {
                snprintf(where, sizeof(where), "manifest.json[%zu]", a.n_images);
                r = parse_image(json_array_get(doc, a.n_images), where, &a.images[a.n_images], err);
                a.n_images++;
        }
        if (r < 0) {
                nxc_docker_archive_done(&a);
                return r;
        }
        *ret = a;
        return 0;
}

void nxc_docker_archive_done(struct nxc_docker_archive *a)
{
        for (size_t i = 0; i < a->n_images; i++) {
                free(a->images[i].config);
                nxc_strv_done(&a->images[i].repo_tags);
                nxc_strv_done(&a->images[i].layers);
        }
        free(a->images);
        *a = (struct nxc_docker_archive){ 0 };
}
