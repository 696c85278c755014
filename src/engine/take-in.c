/* See engine-internal.h: taking one image in. The validation asks, this fetches from the source and stages;
 * when all was found right: everything to disk, then the names: layers, blobs, and the entry of index.json
 * last. */
#include "engine/engine-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"

#include <pthread.h>
#include <string.h>

#define MAX_INDEX_DEPTH 3

struct taking {
        struct nxc_engine_ctx *ctx;
        struct nxc_take_in *t;
        struct nxc_platform platform;
        struct nxc_digest index_digest;
        struct nxc_descriptor manifest;
        struct nxc_layer_batch *layers;
};

void nxc_report(struct nxc_engine_ctx *ctx, enum nxc_progress_kind kind, const char *what,
        const struct nxc_descriptor *desc, uint64_t done_bytes)
{
        static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
        struct nxc_progress_event ev = {
                .kind = kind,
                .what = what,
                .digest = desc ? &desc->digest : NULL,
                .done_bytes = done_bytes,
                .total_bytes = desc ? desc->size : 0,
        };

        if (!ctx->progress)
                return;
        pthread_mutex_lock(&one_at_a_time);
        ctx->progress(ctx->progress_arg, &ev);
        pthread_mutex_unlock(&one_at_a_time);
}

int nxc_source_check_blob(struct nxc_source *src, const struct nxc_descriptor *desc, struct nxc_error *err)
{
        return src->check_blob ? src->check_blob(src, desc, err) : 0;
}

/* The document that an index names for our platform; doc becomes it. */
static int choose_from_index(
        struct taking *k, const json_t *json, struct nxc_document *doc, struct nxc_error *err)
{
        struct nxc_document next = { 0 };
        const struct nxc_descriptor *chosen;
        struct nxc_index ix = { 0 };
        int r = nxc_index_parse(json, &ix, err);

        if (r < 0)
                return nxc_error_wrap(err, "index '%s'", doc->desc.digest.text);
        r = nxc_index_select(&ix, &k->platform, &chosen, err);
        if (r == 0)
                r = k->t->source->get_document(k->t->source, chosen, &next, err);
        if (r == 0 && next.desc.size != chosen->size)
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "manifest '%s' has %llu bytes instead of %llu", chosen->digest.text,
                        (unsigned long long)next.desc.size, (unsigned long long)chosen->size);
        if (r == 0) {
                if (chosen->media_type[0])
                        memcpy(next.desc.media_type, chosen->media_type, sizeof(next.desc.media_type));
                next.desc.platform = chosen->platform;
                nxc_document_done(doc);
                *doc = next;
                next.data = NULL;
        }
        nxc_document_done(&next);
        nxc_index_done(&ix);
        return r;
}

static int stage_manifest(
        struct taking *k, struct nxc_document *doc, const json_t *json, struct nxc_error *err)
{
        const char *type = nxc_json_str(json, "mediaType");

        if (!doc->desc.media_type[0])
                snprintf(doc->desc.media_type, sizeof(doc->desc.media_type), "%s",
                        type ? type : NXC_MT_OCI_MANIFEST);
        k->manifest = doc->desc;
        return nxc_intake_add_blob(k->t->intake, &doc->desc, doc->data, doc->desc.size, err);
}

static int find_manifest(void *arg, struct nxc_document *ret, struct nxc_error *err)
{
        struct taking *k = arg;
        struct nxc_document doc = { .desc = k->t->root->desc, .data = TAKE_PTR(k->t->root->data) };
        enum nxc_document_kind kind = NXC_DOC_MANIFEST;
        int r = 0;

        nxc_report(k->ctx, NXC_PROGRESS_START, "manifest", &doc.desc, 0);
        for (int depth = 0; r == 0; depth++) {
                _cleanup_json_ json_t *json = NULL;

                r = nxc_json_parse(doc.data, doc.desc.size, "manifest.json", &json, err);
                if (r == 0)
                        r = nxc_document_kind(
                                json, doc.desc.media_type[0] ? doc.desc.media_type : NULL, &kind, err);
                if (r < 0) {
                        if (err && err->kind == NXC_ERR_INVALID_JSON)
                                nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
                        nxc_error_wrap(err, "manifest '%s'", doc.desc.digest.text);
                        break;
                }
                if (kind == NXC_DOC_MANIFEST) {
                        r = stage_manifest(k, &doc, json, err);
                        break;
                }
                if (depth == 0)
                        k->index_digest = doc.desc.digest;
                if (depth == MAX_INDEX_DEPTH)
                        r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                                "index '%s' is nested deeper than %d", doc.desc.digest.text,
                                MAX_INDEX_DEPTH);
                else
                        r = choose_from_index(k, json, &doc, err);
        }
        if (r < 0) {
                nxc_document_done(&doc);
                return r;
        }
        nxc_report(k->ctx, NXC_PROGRESS_DONE, "manifest", &doc.desc, doc.desc.size);
        *ret = doc;
        return 0;
}

static int try_config(struct taking *k, const struct nxc_descriptor *desc, struct nxc_error *err)
{
        struct nxc_blob_writer *w = NULL;
        int r = nxc_blob_writer_open(k->t->intake, desc, &w, err);

        if (r < 0)
                return r;
        if (!w) {
                nxc_report(k->ctx, NXC_PROGRESS_CACHED, "config", desc, desc->size);
                return nxc_source_check_blob(k->t->source, desc, err);
        }
        nxc_report(k->ctx, NXC_PROGRESS_START, "config", desc, 0);
        r = k->t->source->get_blob(k->t->source, desc, w, NULL, NULL, err);
        if (r < 0) {
                nxc_blob_writer_discard(w);
                return r;
        }
        r = nxc_blob_writer_close(w, err);
        if (r == 0)
                nxc_report(k->ctx, NXC_PROGRESS_DONE, "config", desc, desc->size);
        return r;
}

static int fetch_config(struct taking *k, const struct nxc_descriptor *desc, struct nxc_error *err)
{
        int r = try_config(k, desc, err);

        if (r != -EAGAIN)
                return r;
        nxc_error_reset(err);
        return try_config(k, desc, err);
}

static int read_config(
        void *arg, const struct nxc_descriptor *desc, char **ret, size_t *ret_len, struct nxc_error *err)
{
        struct taking *k = arg;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (desc->size > NXC_IMAGE_CONFIG_MAX_BYTES)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "it says it has %llu bytes; at most %u are taken", (unsigned long long)desc->size,
                        NXC_IMAGE_CONFIG_MAX_BYTES);
        r = fetch_config(k, desc, err);
        if (r == 0)
                r = nxc_intake_blob_open(k->t->intake, &desc->digest, &fd, err);
        if (r == 0)
                r = nxc_read_fd(fd, NXC_IMAGE_CONFIG_MAX_BYTES, ret, ret_len, err, "config.json");
        return r;
}

/* podman, too, takes a single image of another platform and says so, unless one was asked for. */
static int check_platform(struct taking *k, const struct nxc_image *image, struct nxc_error *err)
{
        const struct nxc_platform *have = &image->config.platform, *want = &k->platform;

        if (nxc_streq(have->os, want->os) && nxc_streq(have->arch, want->arch))
                return 0;
        if (k->t->platform)
                return nxc_fail_kind(err, NXC_ERR_IMAGE_NOT_FOUND, 0, "%s is for %s/%s, not for %s/%s",
                        k->t->source->what, have->os, have->arch, want->os, want->arch);
        nxc_warn("%s is for %s/%s, and this is %s/%s", k->t->source->what, have->os, have->arch, want->os,
                want->arch);
        return 0;
}

static int check_layers(void *arg, const struct nxc_image *image, struct nxc_error *err)
{
        struct taking *k = arg;
        int r = check_platform(k, image, err);

        if (r == 0)
                r = nxc_layers_fetch(k->ctx, k->t->source, k->t->intake, image, &k->layers, err);
        return r;
}

static int commit(struct taking *k, struct nxc_image *image, struct nxc_error *err)
{
        int r;

        if (!k->manifest.platform.os[0])
                k->manifest.platform = image->config.platform;
        if (k->t->name) {
                image->name = nxc_reference_format(k->t->name);
                if (!image->name)
                        return nxc_oom(err);
        }
        image->index_digest = k->index_digest;
        r = nxc_intake_sync(k->t->intake, err);
        if (r == 0)
                r = nxc_intake_commit(
                        k->t->intake, &k->manifest, &k->index_digest, &image->id, k->t->name, err);
        if (r < 0)
                nxc_layers_take_back(k->layers);
        return r;
}

int nxc_take_in(
        struct nxc_engine_ctx *ctx, struct nxc_take_in *t, struct nxc_image **ret, struct nxc_error *err)
{
        struct taking k = { .ctx = ctx, .t = t };
        struct nxc_validation v = {
                .arg = &k,
                .find_manifest = find_manifest,
                .read_config = read_config,
                .check_layers = check_layers,
        };
        struct nxc_image *image = calloc(1, sizeof(*image));
        int r = image ? nxc_platform_parse(t->platform, &k.platform, err) : nxc_oom(err);

        if (r == 0)
                r = nxc_validate_image(&v, image, err);
        if (r == 0)
                r = commit(&k, image, err);
        nxc_layers_free(k.layers);
        if (r < 0) {
                nxc_image_free(image);
                return r;
        }
        t->intake = NULL;
        r = nxc_layers_restore(
                ctx, image, err); /* what a prune took between the layers' names and the image's */
        if (r < 0) {
                nxc_image_free(image);
                return r;
        }
        nxc_report(ctx, NXC_PROGRESS_DONE, "image", NULL, image->size_bytes);
        *ret = image;
        return 0;
}
