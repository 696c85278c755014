/* Image Validation, as its diagram in the create flow has it: the one sequence by which an image is found
 * right, on every path by which one comes in (pull, import) and when it is rechecked (verify).
 *
 *   Check Image Exists -> Validate Image Manifest (parse manifest.json) -> Check Image Configuration (parse
 * config.json)
 *   -> Verify Layer Integrity (check layer files) -> Image Validation Complete */
#include "engine/engine-internal.h"

#include "core/cleanup.h"
#include "core/json.h"

static void document_donep(struct nxc_document *d)
{
        nxc_document_done(d);
}

void nxc_document_done(struct nxc_document *d)
{
        free(d->data);
        d->data = NULL;
}

/* Broken JSON in an image is the image's fault. */
static int invalid_image(struct nxc_error *err, int r, const char *what, const struct nxc_digest *digest)
{
        if (r == -ENOMEM)
                return r;
        if (err && err->kind == NXC_ERR_INVALID_JSON)
                nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
        nxc_error_wrap(err, "%s '%s'", what, digest->text);
        return r;
}

static int parse_manifest(const struct nxc_document *doc, struct nxc_image *image, struct nxc_error *err)
{
        enum nxc_document_kind kind;
        int r = nxc_json_parse(doc->data, doc->desc.size, "manifest.json", &image->manifest_json, err);

        if (r == 0)
                r = nxc_document_kind(image->manifest_json,
                        doc->desc.media_type[0] ? doc->desc.media_type : NULL, &kind, err);
        if (r == 0 && kind != NXC_DOC_MANIFEST)
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "it is an index, not a manifest");
        if (r == 0)
                r = nxc_manifest_parse(image->manifest_json, &image->manifest, err);
        return r;
}

static int check_image_exists(
        const struct nxc_validation *v, struct nxc_document *ret, struct nxc_error *err)
{
        return v->find_manifest(v->arg, ret, err);
}

static int validate_image_manifest(
        const struct nxc_document *doc, struct nxc_image *image, struct nxc_error *err)
{
        int r = parse_manifest(doc, image, err);

        if (r < 0)
                return invalid_image(err, r, "manifest", &doc->desc.digest);
        image->digest = doc->desc.digest;
        image->size_bytes = doc->desc.size;
        return 0;
}

static int parse_config(const char *text, size_t len, struct nxc_image *image, struct nxc_error *err)
{
        int r = nxc_json_parse(text, len, "config.json", &image->config_json, err);

        if (r == 0)
                r = nxc_image_config_parse(image->config_json, &image->config, err);
        return r;
}

static int check_image_configuration(
        const struct nxc_validation *v, struct nxc_image *image, struct nxc_error *err)
{
        const struct nxc_descriptor *d = &image->manifest.config;
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r = v->read_config(v->arg, d, &text, &len, err);

        if (r == 0)
                r = parse_config(text, len, image, err);
        if (r == 0)
                r = nxc_image_check_consistent(&image->manifest, &image->config, err);
        if (r < 0)
                return invalid_image(err, r, "configuration", &d->digest);
        image->id = d->digest;
        image->size_bytes += d->size;
        return 0;
}

static int verify_layer_integrity(
        const struct nxc_validation *v, struct nxc_image *image, struct nxc_error *err)
{
        int r = v->check_layers(v->arg, image, err);

        for (size_t i = 0; r == 0 && i < image->manifest.n_layers; i++)
                image->size_bytes += image->manifest.layers[i].size;
        return r;
}

int nxc_validate_image(const struct nxc_validation *v, struct nxc_image *image, struct nxc_error *err)
{
        _cleanup_(document_donep) struct nxc_document doc = { 0 };
        int r = check_image_exists(v, &doc, err);

        if (r == 0)
                r = validate_image_manifest(&doc, image, err);
        if (r == 0)
                r = check_image_configuration(v, image, err);
        if (r == 0)
                r = verify_layer_integrity(v, image, err);
        return r;
}
