/* See save-internal.h: which files an image is, as an OCI layout and as a docker-archive. */
#include "engine/save-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/str.h"

#include <stdio.h>
#include <string.h>

static int add(struct nxc_save_files *f, struct nxc_save_file file, struct nxc_error *err)
{
        if (f->n == f->cap) {
                size_t cap = f->cap ? 2 * f->cap : 16;
                struct nxc_save_file *p = reallocarray(f->v, cap, sizeof(*p));

                if (p) {
                        f->v = p;
                        f->cap = cap;
                }
        }
        if (!file.path || f->n == f->cap) {
                free(file.path);
                free(file.text);
                return nxc_oom(err);
        }
        if (file.text)
                file.size = strlen(file.text);
        f->v[f->n++] = file;
        return 0;
}

static bool has_path(const struct nxc_save_files *f, const char *path)
{
        for (size_t i = 0; i < f->n; i++) {
                if (nxc_streq(f->v[i].path, path))
                        return true;
        }
        return false;
}

static int compare(const void *a, const void *b)
{
        const struct nxc_save_file *x = a, *y = b;

        return strcmp(x->path, y->path);
}

static void sort(struct nxc_save_files *f)
{
        qsort(f->v, f->n, sizeof(*f->v), compare);
}

void nxc_save_files_done(struct nxc_save_files *f)
{
        for (size_t i = 0; i < f->n; i++) {
                free(f->v[i].path);
                free(f->v[i].text);
        }
        free(f->v);
        *f = (struct nxc_save_files){ 0 };
}

/* The same blob may be named twice (an empty layer); it is one file. */
static int add_blob(struct nxc_save_files *f, const struct nxc_descriptor *d, struct nxc_error *err)
{
        char path[NXC_DIGEST_MAX + 8];

        nxc_digest_blob_path(&d->digest, path, sizeof(path));
        if (has_path(f, path))
                return 0;
        return add(f, (struct nxc_save_file){ .path = strdup(path), .blob = d, .size = d->size }, err);
}

static char *index_text(const struct nxc_image *image, uint64_t manifest_size)
{
        const char *type = nxc_json_str(image->manifest_json, "mediaType");
        const char *variant = image->config.platform.variant;
        json_t *name = image->name ? json_pack("{s:s}", "org.opencontainers.image.ref.name", image->name)
                                   : NULL;
        _cleanup_json_ json_t *j = json_pack("{s:i, s:s, s:[{s:s, s:s, s:I, s:{s:s, s:s, s:s*}, s:o*}]}",
                "schemaVersion", 2, "mediaType", NXC_MT_OCI_INDEX, "manifests", "mediaType",
                type ? type : NXC_MT_OCI_MANIFEST, "digest", image->digest.text, "size",
                (json_int_t)manifest_size, "platform", "architecture", image->config.platform.arch, "os",
                image->config.platform.os, "variant", *variant ? variant : NULL, "annotations", name);

        return j && (name || !image->name) ? nxc_json_format(j, false) : NULL;
}

int nxc_save_plan_oci(const struct nxc_image *image, const struct nxc_descriptor *manifest,
        struct nxc_save_files *ret, struct nxc_error *err)
{
        struct nxc_save_files f = { 0 };
        struct nxc_save_file index = { .path = strdup("index.json"),
                .text = index_text(image, manifest->size) };
        struct nxc_save_file version = { .path = strdup("oci-layout"),
                .text = strdup("{\"imageLayoutVersion\":\"1.0.0\"}") };
        int r = index.text && version.text ? 0 : nxc_oom(err), k;

        k = add(&f, index, err);
        r = r < 0 ? r : k;
        k = add(&f, version, err);
        r = r < 0 ? r : k;
        if (r == 0)
                r = add_blob(&f, manifest, err);
        if (r == 0)
                r = add_blob(&f, &image->manifest.config, err);
        for (size_t i = 0; r == 0 && i < image->manifest.n_layers; i++)
                r = add_blob(&f, &image->manifest.layers[i], err);
        if (r < 0) {
                nxc_save_files_done(&f);
                return r;
        }
        sort(&f);
        *ret = f;
        return 0;
}

/* What docker calls a tag: not a name with a digest. */
static bool is_tag(const char *name)
{
        return name && !strchr(name, '@');
}

static int add_docker_layer(struct nxc_engine_ctx *ctx, struct nxc_save_files *f,
        const struct nxc_image *image, size_t i, json_t *layers, struct nxc_error *err)
{
        struct nxc_save_file file = { .blob = &image->manifest.layers[i],
                .plain_digest = &image->config.diff_ids[i] };
        int r = 0;

        file.path = nxc_strf("%s.tar", nxc_digest_hex(file.plain_digest));
        if (!file.path || json_array_append_new(layers, json_string(file.path)) < 0)
                r = nxc_oom(err);
        else if (has_path(f, file.path))
                nxc_freep(&file.path);
        else
                r = nxc_save_plain_size(ctx, file.blob, file.plain_digest, &file.size, err);
        if (r < 0) {
                free(file.path);
                return r;
        }
        return file.path ? add(f, file, err) : 0;
}

int nxc_save_plan_docker(struct nxc_engine_ctx *ctx, const struct nxc_image *image,
        struct nxc_save_files *ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *layers = json_array(), *manifest = NULL;
        json_t *tags = is_tag(image->name) ? json_pack("[s]", image->name) : json_array();
        struct nxc_save_file config = { .blob = &image->manifest.config,
                .size = image->manifest.config.size };
        struct nxc_save_files f = { 0 };
        char *config_name = nxc_strf("%s.json", nxc_digest_hex(&image->id)), *text;
        int r = 0;

        for (size_t i = 0; r == 0 && i < image->manifest.n_layers; i++)
                r = add_docker_layer(ctx, &f, image, i, layers, err);
        manifest = json_pack(
                "[{s:s*, s:o, s:O}]", "Config", config_name, "RepoTags", tags, "Layers", layers);
        config.path = config_name;
        if (r == 0)
                r = add(&f, config, err);
        else
                free(config_name);
        text = r == 0 && manifest ? nxc_json_format(manifest, false) : NULL;
        if (r == 0 && !text)
                r = nxc_oom(err);
        if (r == 0)
                r = add(&f, (struct nxc_save_file){ .path = strdup("manifest.json"), .text = text }, err);
        if (r < 0) {
                nxc_save_files_done(&f);
                return r;
        }
        sort(&f);
        *ret = f;
        return 0;
}
