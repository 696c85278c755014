/* See engine.h: rechecking an image that is in the store, with the same validation as when it came in; here
 * the blobs are there already, and the unpacked layers are compared with what their intake recorded. */
#include "engine/save-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/str.h"
#include "image/catalog.h"

#include <stdio.h>
#include <string.h>

struct verifying {
        struct nxc_engine_ctx *ctx;
        const struct nxc_image *image;
        bool repair;
};

/* Nothing here can make it right; but what is gone the next pull or import brings again. */
static void blob_is_wrong(struct verifying *v, const struct nxc_digest *digest, struct nxc_error *err)
{
        if (!err || err->kind != NXC_ERR_INVALID_IMAGE)
                return;
        if (!v->repair)
                nxc_error_hint(err, "nexcage verify --repair takes it away, and pulling or importing the "
                                    "image brings it again");
        else if (nxc_image_blob_drop(v->ctx->images, digest, NULL) == 0)
                nxc_error_hint(err, "it was taken away: pull or import the image again");
}

static int check_blob(struct verifying *v, const char *what, const struct nxc_digest *digest, uint64_t size,
        int *ret_fd, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        char algorithm[8];
        struct nxc_digest got;
        int r = nxc_image_blob_open(v->ctx->images, digest, size, &fd, err);

        snprintf(algorithm, sizeof(algorithm), "%.6s", digest->text);
        if (r == 0)
                r = nxc_hash_fd(algorithm, fd, &got, NULL, err);
        if (r == 0 && !nxc_digest_equal(&got, digest))
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "%s '%s' has digest '%s'", what,
                        digest->text, got.text);
        if (r < 0) {
                blob_is_wrong(v, digest, err);
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int find_manifest(void *arg, struct nxc_document *ret, struct nxc_error *err)
{
        struct verifying *v = arg;
        struct nxc_document doc = { .desc.digest = v->image->digest };
        _cleanup_close_ int fd = -EBADF;
        size_t len = 0;
        int r = check_blob(v, "manifest", &v->image->digest, 0, &fd, err);

        if (r == 0)
                r = nxc_read_fd(fd, NXC_MANIFEST_MAX_BYTES, &doc.data, &len, err, v->image->digest.text);
        if (r < 0)
                return r;
        doc.desc.size = len;
        *ret = doc;
        return 0;
}

static int read_config(
        void *arg, const struct nxc_descriptor *desc, char **ret, size_t *ret_len, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        int r = check_blob(arg, "configuration", &desc->digest, desc->size, &fd, err);

        return r < 0 ? r : nxc_read_fd(fd, NXC_IMAGE_CONFIG_MAX_BYTES, ret, ret_len, err, desc->digest.text);
}

static int check_layer_blob(struct verifying *v, const struct nxc_descriptor *desc,
        const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct nxc_intake_limits limits = { 0 };
        _cleanup_close_ int fd = -EBADF;
        struct nxc_digest got;
        uint64_t size;
        int r = check_blob(v, "blob", &desc->digest, desc->size, &fd, err);

        if (r < 0)
                return r;
        if (nxc_starts_with(diff_id->text, "sha512:")) /* nxc_layer_diff_id computes the usual ones */
                return nxc_save_plain_size(v->ctx, desc, diff_id, &size, err);
        r = nxc_layer_diff_id(fd, desc->compression, &limits, &got, err);
        if (r == 0 && !nxc_digest_equal(&got, diff_id))
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "its diff_id is '%s' instead of '%s'",
                        got.text, diff_id->text);
        return r;
}

/* Its blob was found right just now. */
static int repair_layer(struct verifying *v, const struct nxc_descriptor *desc,
        const struct nxc_digest *diff_id, struct nxc_error *err)
{
        int r = nxc_layerfs_remove(v->ctx->layers, diff_id, err);

        return r < 0 ? r : nxc_layer_restore(v->ctx, desc, diff_id, err);
}

static int check_unpacked_layer(struct verifying *v, const struct nxc_descriptor *desc,
        const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct nxc_error e = { 0 };
        int r;

        if (nxc_layerfs_has(v->ctx->layers, diff_id))
                r = nxc_layerfs_verify(v->ctx->layers, diff_id, &e);
        else
                r = nxc_fail_kind(&e, NXC_ERR_INVALID_IMAGE, 0, "it is not unpacked");
        if (r == 0)
                return 0;
        if (v->repair && e.kind == NXC_ERR_INVALID_IMAGE) {
                nxc_info("layer '%s': %s; unpacking it again", diff_id->text, e.message);
                return repair_layer(v, desc, diff_id, err);
        }
        nxc_error_hint(&e, "nexcage verify --repair unpacks it again");
        if (err && !nxc_error_is_set(err))
                *err = e;
        return r;
}

static int check_layers(void *arg, const struct nxc_image *image, struct nxc_error *err)
{
        struct verifying *v = arg;
        int r = 0;

        for (size_t i = 0; r == 0 && i < image->manifest.n_layers; i++) {
                const struct nxc_descriptor *desc = &image->manifest.layers[i];

                nxc_report(v->ctx, NXC_PROGRESS_START, "layer", desc, 0);
                r = check_layer_blob(v, desc, &image->config.diff_ids[i], err);
                if (r == 0)
                        r = check_unpacked_layer(v, desc, &image->config.diff_ids[i], err);
                if (r < 0)
                        nxc_error_wrap(err, "layer %zu, '%s'", i + 1, desc->digest.text);
                else
                        nxc_report(v->ctx, NXC_PROGRESS_DONE, "layer", desc, desc->size);
        }
        if (r == 0)
                r = nxc_layerfs_verify_index(
                        v->ctx->layers, image->config.diff_ids, image->config.n_diff_ids, v->repair, err);
        return r;
}

int nxc_engine_verify(
        struct nxc_engine_ctx *ctx, const struct nxc_image *image, bool repair, struct nxc_error *err)
{
        struct verifying v = { .ctx = ctx, .image = image, .repair = repair };
        struct nxc_validation steps = { .arg = &v,
                .find_manifest = find_manifest,
                .read_config = read_config,
                .check_layers = check_layers };
        struct nxc_image *again = calloc(1, sizeof(*again));
        int r = again ? nxc_validate_image(&steps, again, err) : nxc_oom(err);

        nxc_image_free(again);
        return r < 0 ? nxc_error_wrap(err, "image '%s'", image->name ? image->name : image->id.text) : 0;
}

/* --- what belongs to no image --- */

struct rest {
        struct nxc_engine_ctx *ctx;
        const char *const *known;
        size_t n;
        bool repair;
        struct nxc_error *err;
};

static int by_text(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int verify_unknown(void *arg, const struct nxc_digest *diff_id)
{
        struct rest *rest = arg;
        const char *text = diff_id->text;
        struct nxc_error why = { 0 };
        int r;

        if (bsearch(&text, rest->known, rest->n, sizeof(*rest->known), by_text))
                return 0;
        r = nxc_layerfs_verify(rest->ctx->layers, diff_id, &why);
        if (r < 0 && why.kind == NXC_ERR_INVALID_IMAGE && rest->repair) {
                nxc_info("%s; no image has it: removing it", why.message);
                return nxc_layerfs_remove(rest->ctx->layers, diff_id, rest->err);
        }
        if (r < 0 && rest->err)
                *rest->err = why;
        return r;
}

int nxc_engine_verify_rest(
        struct nxc_engine_ctx *ctx, const char *const *known, size_t n, bool repair, struct nxc_error *err)
{
        struct rest rest = { ctx, known, n, repair, err };

        if (nxc_catalog_check(ctx->store_fd) < 0) {
                if (!repair) {
                        nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "verify 'meta.db': it is damaged");
                        nxc_error_hint(err,
                                "nexcage verify --repair takes it away; it is made again when it is needed");
                        return -EINVAL;
                }
                nxc_info("'meta.db' is damaged: removing it");
                nxc_catalog_drop(ctx->store_fd);
        }
        return nxc_layerfs_each(ctx->layers, verify_unknown, &rest, err);
}
