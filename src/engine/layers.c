/* See engine-internal.h: the layers of an image, several at a time, the largest first.
 *
 * Theory of operation. Each worker takes the next layer and brings it all the way. A thread of its own
 * downloads the blob into the staging area and computes its digest; the worker reads what is there already,
 * of which a second thread (layerfs/pump.c) makes the plain stream and its digest, and the worker itself the
 * layer. So a layer is done when its last byte has come. It gets its name then, not with the image: a pull
 * that is killed has not worked in vain. Of many processes that want a layer one makes it, and the others
 * wait for their turn. A layer that is there is held until the image is in the store, so that nobody prunes
 * it. */
#include "engine/engine-internal.h"

#include "core/cleanup.h"
#include "core/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define READ_AHEAD (256u << 10)        /* threads wake each other for that much */
#define FINISH_MAX_BYTES (64ull << 20) /* as much is downloaded only to know whether a blob is right */

struct layer {
        const struct nxc_descriptor *desc;
        const struct nxc_digest *diff_id;
        size_t number;                /* in the image */
        struct nxc_layer_chain *held; /* ours until the batch is freed */
        bool committed;               /* made by us */
};

struct nxc_layer_batch {
        struct nxc_engine_ctx *ctx;
        struct nxc_source *source;
        struct nxc_intake *intake;
        struct layer *layers;
        size_t n;
        atomic_size_t next; /* layer that nobody has taken */
        atomic_bool stop;
        pthread_mutex_t mutex;  /* of error */
        struct nxc_error error; /* the first one */
};

struct download {
        struct nxc_layer_batch *batch;
        struct layer *layer;
        struct nxc_blob_writer *writer;
        bool is_threaded;
        pthread_t thread;
        pthread_mutex_t mutex; /* of what follows */
        pthread_cond_t moved;
        uint64_t available; /* bytes of the blob that may be read */
        bool is_waited_for, has_ended;
        int result;
        struct nxc_error error;
};

/* --- a blob on its way --- */

static void report_bytes(void *arg, uint64_t bytes)
{
        struct download *d = arg;

        pthread_mutex_lock(&d->mutex);
        d->available = bytes;
        if (d->is_waited_for)
                pthread_cond_signal(&d->moved);
        pthread_mutex_unlock(&d->mutex);
        nxc_report(d->batch->ctx, NXC_PROGRESS_BYTES, "layer", d->layer->desc, bytes);
}

static void *download(void *arg)
{
        struct download *d = arg;
        struct nxc_source *src = d->batch->source;
        int r = src->get_blob(src, d->layer->desc, d->writer, report_bytes, d, &d->error);

        if (r < 0)
                nxc_blob_writer_discard(d->writer);
        else
                r = nxc_blob_writer_close(d->writer, &d->error);
        pthread_mutex_lock(&d->mutex);
        d->available = d->layer->desc->size;
        d->result = r;
        d->has_ended = true;
        pthread_cond_signal(&d->moved);
        pthread_mutex_unlock(&d->mutex);
        return NULL;
}

/* See struct nxc_blob_feed. */
static int wait_for_more(void *arg, uint64_t pos)
{
        struct download *d = arg;
        int r;

        pthread_mutex_lock(&d->mutex);
        d->is_waited_for = true;
        while (!d->has_ended && d->available < pos + READ_AHEAD && d->available < d->layer->desc->size)
                pthread_cond_wait(&d->moved, &d->mutex);
        while (!d->has_ended && d->available <= pos)
                pthread_cond_wait(&d->moved, &d->mutex);
        d->is_waited_for = false;
        r = d->has_ended && d->result < 0 ? -ECANCELED : d->available > pos;
        pthread_mutex_unlock(&d->mutex);
        return r;
}

/* A blob that is whole before it is unpacked, where there is no thread to be had. */
static void begin_download(struct download *d)
{
        pthread_mutex_init(&d->mutex, NULL);
        pthread_cond_init(&d->moved, NULL);
        nxc_report(d->batch->ctx, NXC_PROGRESS_START, "layer", d->layer->desc, 0);
        d->available = nxc_blob_writer_size(d->writer);
        d->is_threaded = pthread_create(&d->thread, NULL, download, d) == 0;
        if (!d->is_threaded)
                download(d);
}

/* failed: what was made of it so far is wrong. Whether the blob is, too, is to be known, unless much of it
 * is still to come. */
static int end_download(struct download *d, bool failed, struct nxc_error *err)
{
        pthread_mutex_lock(&d->mutex);
        if (failed && !d->has_ended && d->layer->desc->size - d->available > FINISH_MAX_BYTES)
                nxc_intake_cancel(d->batch->intake);
        pthread_mutex_unlock(&d->mutex);
        if (d->is_threaded)
                pthread_join(d->thread, NULL);
        pthread_cond_destroy(&d->moved);
        pthread_mutex_destroy(&d->mutex);
        if (d->result < 0 && err)
                *err = d->error;
        return d->result;
}

/* --- a layer --- */

static int unpack(struct nxc_layer_batch *b, struct layer *l, int fd, const struct nxc_blob_feed *feed,
        struct nxc_staged_layer **ret, struct nxc_error *err)
{
        struct nxc_intake_limits limits = { .stop = &b->stop, .feed = feed, .blob = &l->desc->digest };

        return nxc_layerfs_unpack(b->ctx->layers, fd, l->desc->compression, l->diff_id, &limits, ret, err);
}

/* Unpacks while it downloads. Of two errors that of the blob says more: a wrong blob does not unpack
 * either. */
static int stream_layer(struct nxc_layer_batch *b, struct layer *l, struct nxc_blob_writer *w,
        struct nxc_staged_layer **ret, struct nxc_error *err)
{
        struct download d = { .batch = b, .layer = l, .writer = w };
        struct nxc_blob_feed feed = { wait_for_more, &d };
        _cleanup_close_ int fd = fcntl(nxc_blob_writer_fd(w), F_DUPFD_CLOEXEC, 3);
        struct nxc_staged_layer *staged = NULL;
        struct nxc_error of_layer = { 0 }, of_blob = { 0 };
        int r, blob;

        if (fd < 0) {
                r = nxc_fail(err, errno, "open the blob of a layer twice");
                nxc_blob_writer_discard(w);
                return r;
        }
        begin_download(&d);
        r = unpack(b, l, fd, &feed, &staged, &of_layer);
        blob = end_download(&d, r < 0, &of_blob);
        if (r == 0 && blob == 0) {
                *ret = staged;
                return 0;
        }
        nxc_staged_layer_abandon(staged);
        if (blob < 0 &&
                (r == 0 || of_blob.kind != NXC_ERR_INTERRUPTED || of_layer.kind == NXC_ERR_INTERRUPTED)) {
                r = blob;
                of_layer = of_blob;
        }
        if (err)
                *err = of_layer;
        return r;
}

/* A blob that is there already, here or at the source. */
static int unpack_cached(
        struct nxc_layer_batch *b, struct layer *l, struct nxc_staged_layer **ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        int r = nxc_source_check_blob(b->source, l->desc, err);

        if (r == 0)
                r = nxc_intake_blob_open(b->intake, &l->desc->digest, &fd, err);
        if (r < 0)
                return r;
        if (l->held && nxc_layerfs_is_made_of(
                               b->ctx->layers, l->diff_id, &l->desc->digest, fd, l->desc->compression))
                return 0;
        return unpack(b, l, fd, NULL, ret, err);
}

static void hold(struct nxc_layer_batch *b, struct layer *l)
{
        if (nxc_layerfs_has(b->ctx->layers, l->diff_id) &&
                nxc_layerfs_hold(b->ctx->layers, l->diff_id, 1, &l->held, NULL) < 0)
                l->held = NULL; /* taken away just now: unpacked like a new one */
}

/* -EAGAIN: see nxc_blob_writer_close. */
static int bring_layer(struct nxc_layer_batch *b, struct layer *l, struct nxc_error *err)
{
        struct nxc_staged_layer *staged = NULL;
        struct nxc_blob_writer *w = NULL;
        bool cached;
        int r;

        hold(b, l);
        r = nxc_blob_writer_open(b->intake, l->desc, &w, err);
        if (r < 0)
                return r;
        cached = w == NULL;
        r = cached ? unpack_cached(b, l, &staged, err) : stream_layer(b, l, w, &staged, err);
        if (r == 0 && staged) {
                r = nxc_staged_layer_commit(staged, err);
                l->committed = r == 0;
                if (r == 0)
                        hold(b, l);
        }
        if (r == 0)
                nxc_report(b->ctx, cached ? NXC_PROGRESS_CACHED : NXC_PROGRESS_DONE, "layer", l->desc,
                        l->desc->size);
        return r;
}

/* Whoever else wants the layer waits, and finds it then, with its blob. */
static int take_layer(struct nxc_layer_batch *b, struct layer *l, struct nxc_error *err)
{
        struct nxc_layer_turn turn;
        int r = nxc_layerfs_take_turn(b->ctx->layers, l->diff_id, &b->stop, &turn, err);

        if (r < 0)
                return r;
        r = bring_layer(b, l, err);
        if (r == -EAGAIN) {
                nxc_error_reset(err);
                nxc_layer_chain_release(TAKE_PTR(l->held));
                r = bring_layer(b, l, err);
        }
        nxc_layerfs_end_turn(b->ctx->layers, &turn);
        return r;
}

/* --- all of them --- */

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
                struct layer *l;

                if (i >= b->n)
                        break;
                l = &b->layers[i];
                if (take_layer(b, l, &e) < 0) {
                        nxc_error_wrap(&e, "layer %zu, '%s'", l->number, l->desc->digest.text);
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
        b->layers[b->n++] = (struct layer){ .desc = desc, .diff_id = diff_id, .number = i + 1 };
        return 0;
}

/* The largest first: begun last, it would be worked on alone in the end. */
static int by_size(const void *a, const void *b)
{
        const struct layer *x = a, *y = b;

        return x->desc->size > y->desc->size ? -1 : x->desc->size < y->desc->size;
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
        b->layers = calloc(image->manifest.n_layers + 1, sizeof(*b->layers));
        if (!b->layers)
                r = nxc_oom(err);
        for (size_t i = 0; r == 0 && i < image->manifest.n_layers; i++)
                r = add_layer(b, image, i, err);
        if (r < 0) {
                nxc_layers_free(b);
                return r;
        }
        qsort(b->layers, b->n, sizeof(b->layers[0]), by_size);
        *ret = b;
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
        run(b);
        if (nxc_error_is_set(&b->error)) {
                r = -b->error.errnum;
                if (err && !nxc_error_is_set(err))
                        *err = b->error;
                nxc_layers_take_back(b);
                nxc_layers_free(b);
                return r;
        }
        *ret = b;
        return 0;
}

void nxc_layers_take_back(struct nxc_layer_batch *b)
{
        for (size_t i = 0; i < b->n; i++) {
                struct nxc_error e = { 0 };

                nxc_layer_chain_release(TAKE_PTR(b->layers[i].held));
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
        for (size_t i = 0; i < b->n; i++)
                nxc_layer_chain_release(b->layers[i].held);
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
