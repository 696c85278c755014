/* See engine-internal.h: the layers of an image, several at a time.
 *
 * Each thread takes the next layer and brings it all the way: blob (downloaded, or there already), then
 * unpacked and its diff_id compared. A layer that is there already is held until the image is in the store,
 * so that nobody prunes it. */
#include "engine/engine-internal.h"

#include "core/cleanup.h"
#include "core/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct layer {
        const struct nxc_descriptor *desc;
        const struct nxc_digest *diff_id;
        struct nxc_layer_chain *held;    /* it was there: ours until the batch is freed */
        struct nxc_staged_layer *staged; /* unpacked by us */
        bool committed;
};

struct nxc_layer_batch {
        struct nxc_engine_ctx *ctx;
        struct nxc_source *source;
        struct nxc_intake *intake;
        struct nxc_intake_limits limits;
        struct nxc_image **known; /* what the store has: listed once, when a layer is there already */
        size_t n_known;
        struct layer *layers;
        size_t n;
        atomic_size_t next; /* layer that nobody has taken */
        atomic_bool stop;
        pthread_mutex_t mutex;  /* of error */
        struct nxc_error error; /* the first one */
};

struct progress {
        struct nxc_layer_batch *batch;
        const struct nxc_descriptor *desc;
};

static void report_bytes(void *arg, uint64_t bytes)
{
        struct progress *p = arg;

        nxc_report(p->batch->ctx, NXC_PROGRESS_BYTES, "layer", p->desc, bytes);
}

static int fetch_blob(struct nxc_layer_batch *b, struct layer *l, bool *ret_cached, struct nxc_error *err)
{
        struct progress p = { .batch = b, .desc = l->desc };
        struct nxc_blob_writer *w = NULL;
        int r = nxc_blob_writer_open(b->intake, l->desc, &w, err);

        if (r < 0)
                return r;
        *ret_cached = w == NULL;
        if (!w)
                return nxc_source_check_blob(b->source, l->desc, err);
        nxc_report(b->ctx, NXC_PROGRESS_START, "layer", l->desc, 0);
        r = b->source->get_blob(b->source, l->desc, w, report_bytes, &p, err);
        if (r < 0) {
                nxc_blob_writer_discard(w);
                return r;
        }
        return nxc_blob_writer_close(w, err);
}

/* Whether an image in the store joins this blob and this diff_id: then the two were compared when it came
 * in. */
static bool pair_is_known(const struct nxc_layer_batch *b, const struct layer *l)
{
        for (size_t i = 0; i < b->n_known; i++) {
                const struct nxc_image *im = b->known[i];

                for (size_t k = 0; k < im->manifest.n_layers && k < im->config.n_diff_ids; k++) {
                        if (nxc_digest_equal(&im->manifest.layers[k].digest, &l->desc->digest) &&
                                im->manifest.layers[k].compression == l->desc->compression &&
                                nxc_digest_equal(&im->config.diff_ids[k], l->diff_id))
                                return true;
                }
        }
        return false;
}

static int unpack(struct nxc_layer_batch *b, struct layer *l, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        int r = nxc_intake_blob_open(b->intake, &l->desc->digest, &fd, err);

        if (r < 0)
                return r;
        return nxc_layerfs_unpack(
                b->ctx->layers, fd, l->desc->compression, l->diff_id, &b->limits, &l->staged, err);
}

static int take_layer(struct nxc_layer_batch *b, struct layer *l, struct nxc_error *err)
{
        bool cached = false;
        int r = fetch_blob(b, l, &cached, err);

        if (r < 0)
                return r;
        if (nxc_layerfs_has(b->ctx->layers, l->diff_id) &&
                nxc_layerfs_hold(b->ctx->layers, l->diff_id, 1, &l->held, NULL) < 0)
                l->held = NULL; /* taken away just now: unpacked like a new one */
        if (cached && l->held && pair_is_known(b, l)) {
                nxc_report(b->ctx, NXC_PROGRESS_CACHED, "layer", l->desc, l->desc->size);
                return 0;
        }
        r = unpack(b, l, err);
        if (r == 0)
                nxc_report(b->ctx, cached ? NXC_PROGRESS_CACHED : NXC_PROGRESS_DONE, "layer", l->desc,
                        l->desc->size);
        return r;
}

static void remember_error(struct nxc_layer_batch *b, const struct nxc_error *e)
{
        pthread_mutex_lock(&b->mutex);
        if (!nxc_error_is_set(&b->error))
                b->error = *e;
        pthread_mutex_unlock(&b->mutex);
        atomic_store(&b->stop, true);
        nxc_intake_cancel(b->intake);
}

static void *work(void *arg)
{
        struct nxc_layer_batch *b = arg;

        while (!atomic_load(&b->stop)) {
                size_t i = atomic_fetch_add(&b->next, 1);
                struct nxc_error e = { 0 };

                if (i >= b->n)
                        break;
                if (take_layer(b, &b->layers[i], &e) < 0) {
                        nxc_error_wrap(&e, "layer %zu, '%s'", i + 1, b->layers[i].desc->digest.text);
                        remember_error(b, &e);
                }
        }
        return NULL;
}

static void run(struct nxc_layer_batch *b)
{
        pthread_t threads[NXC_LAYER_THREADS - 1];
        size_t n = 0;

        while (n + 1 < b->n && n < NXC_ARRAY_SIZE(threads) &&
                pthread_create(&threads[n], NULL, work, b) == 0)
                n++;
        work(b); /* this one is a worker, too: with no threads to be had it does all of it */
        for (size_t i = 0; i < n; i++)
                pthread_join(threads[i], NULL);
}

/* The same blob may be there twice (empty layers are); it is worked on once. */
static int add_layer(
        struct nxc_layer_batch *b, const struct nxc_image *image, size_t i, struct nxc_error *err)
{
        const struct nxc_descriptor *desc = &image->manifest.layers[i];
        const struct nxc_digest *diff_id = &image->config.diff_ids[i];

        for (size_t k = 0; k < b->n; k++) {
                if (!nxc_digest_equal(&b->layers[k].desc->digest, &desc->digest))
                        continue;
                if (nxc_digest_equal(b->layers[k].diff_id, diff_id) && b->layers[k].desc->size == desc->size)
                        return 0;
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "layer '%s' is named twice, with another diff_id or size", desc->digest.text);
        }
        b->layers[b->n++] = (struct layer){ .desc = desc, .diff_id = diff_id };
        return 0;
}

static int batch_new(struct nxc_engine_ctx *ctx, const struct nxc_image *image, struct nxc_layer_batch **ret,
        struct nxc_error *err)
{
        struct nxc_layer_batch *b = calloc(1, sizeof(*b));
        int r = 0;

        if (!b)
                return nxc_oom(err);
        pthread_mutex_init(&b->mutex, NULL);
        b->ctx = ctx;
        b->limits.stop = &b->stop;
        b->layers = calloc(image->manifest.n_layers + 1, sizeof(*b->layers));
        if (!b->layers)
                r = nxc_oom(err);
        for (size_t i = 0; r == 0 && i < image->manifest.n_layers; i++)
                r = add_layer(b, image, i, err);
        if (r < 0) {
                nxc_layers_free(b);
                return r;
        }
        *ret = b;
        return 0;
}

static int list_known(struct nxc_layer_batch *b, struct nxc_error *err)
{
        for (size_t i = 0; i < b->n; i++) {
                if (nxc_layerfs_has(b->ctx->layers, b->layers[i].diff_id))
                        return nxc_image_list(b->ctx->images, &b->known, &b->n_known, err);
        }
        return 0;
}

int nxc_layers_fetch(struct nxc_engine_ctx *ctx, struct nxc_source *src, struct nxc_intake *in,
        const struct nxc_image *image, struct nxc_layer_batch **ret, struct nxc_error *err)
{
        struct nxc_layer_batch *b = NULL;
        int r = batch_new(ctx, image, &b, err);

        if (r < 0)
                return r;
        b->source = src;
        b->intake = in;
        nxc_layerfs_sweep(ctx->layers, NULL); /* what cannot be removed now may be later */
        r = list_known(b, err);
        if (r == 0) {
                run(b);
                if (nxc_error_is_set(&b->error)) {
                        r = -b->error.errnum;
                        if (err && !nxc_error_is_set(err))
                                *err = b->error;
                }
        }
        if (r < 0) {
                nxc_layers_free(b);
                return r;
        }
        *ret = b;
        return 0;
}

int nxc_layers_commit(struct nxc_layer_batch *b, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < b->n; i++) {
                struct layer *l = &b->layers[i];

                if (!l->staged)
                        continue;
                r = nxc_staged_layer_commit(TAKE_PTR(l->staged), err);
                l->committed = r == 0;
        }
        return r;
}

void nxc_layers_take_back(struct nxc_layer_batch *b)
{
        for (size_t i = 0; i < b->n; i++) {
                struct nxc_error e = { 0 };

                if (b->layers[i].committed &&
                        nxc_layerfs_remove(b->ctx->layers, b->layers[i].diff_id, &e) < 0)
                        nxc_debug("take back layer: %s, ignoring",
                                e.message); /* Busy: another image uses it */
                b->layers[i].committed = false;
        }
}

void nxc_layers_free(struct nxc_layer_batch *b)
{
        if (!b)
                return;
        for (size_t i = 0; i < b->n; i++) {
                nxc_staged_layer_abandon(b->layers[i].staged);
                nxc_layer_chain_release(b->layers[i].held);
        }
        for (size_t i = 0; i < b->n_known; i++)
                nxc_image_free(b->known[i]);
        free(b->known);
        free(b->layers);
        pthread_mutex_destroy(&b->mutex);
        free(b);
}

int nxc_layer_restore(struct nxc_engine_ctx *ctx, const struct nxc_descriptor *desc,
        const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct nxc_intake_limits limits = { 0 };
        struct nxc_staged_layer *staged = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r = nxc_image_blob_open(ctx->images, &desc->digest, desc->size, &fd, err);

        if (r == 0)
                r = nxc_layerfs_unpack(ctx->layers, fd, desc->compression, diff_id, &limits, &staged, err);
        if (r == 0 && staged && syncfs(ctx->store_fd) < 0)
                r = nxc_fail(err, errno, "flush the store");
        if (r == 0 && staged)
                return nxc_staged_layer_commit(staged, err);
        nxc_staged_layer_abandon(staged);
        return r;
}

/* The image is whole without it. */
static void make_index(struct nxc_engine_ctx *ctx, const struct nxc_image *image)
{
        struct nxc_error why = { 0 };

        if (nxc_layerfs_index(ctx->layers, image->config.diff_ids, image->config.n_diff_ids, &why) < 0)
                nxc_warn("make the index of the layers: %s, ignoring", why.message);
}

int nxc_layers_restore(struct nxc_engine_ctx *ctx, const struct nxc_image *image, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < image->manifest.n_layers; i++) {
                if (nxc_layerfs_has(ctx->layers, &image->config.diff_ids[i]))
                        continue;
                nxc_debug("layer %s is not unpacked: doing it now", image->config.diff_ids[i].text);
                r = nxc_layer_restore(ctx, &image->manifest.layers[i], &image->config.diff_ids[i], err);
                if (r < 0)
                        nxc_error_wrap(err, "layer %zu, '%s'", i + 1, image->manifest.layers[i].digest.text);
        }
        if (r == 0)
                make_index(ctx, image);
        return r;
}
