/* See usage-internal.h and store.h: what the store has, as a graph (layerfs/graph.h). */
#include "lifecycle/usage-internal.h"

#include "core/cleanup.h"
#include "core/log.h"
#include "engine/engine.h"

/* Of more than some hundred images the engine has a list; of few it takes longer to load. */
#define MANY_IMAGES_BYTES (96u << 10)

static int list_by_engine(struct nxc_host *h, struct nxc_image_store *images, struct nxc_image_summary **ret,
        size_t *ret_n, struct nxc_error *err)
{
        struct nxc_engine_ctx ctx = { .store_fd = h->store_fd, .images = images };
        const struct nxc_engine_ops *engine;
        int r = nxc_engine_load(&engine, err);

        return r < 0 ? r : engine->list(&ctx, ret, ret_n, err);
}

int nxc_store_images(
        struct nxc_host *h, struct nxc_image_summary **ret, size_t *ret_n, struct nxc_error *err)
{
        struct nxc_image_store *images;
        struct nxc_error why = { 0 };
        int r = nxc_host_images(h, false, &images, err);

        if (r < 0)
                return r;
        if (nxc_image_index_bytes(images) < MANY_IMAGES_BYTES)
                return nxc_image_summaries(images, ret, ret_n, err);
        r = list_by_engine(h, images, ret, ret_n, &why);
        if (r == 0)
                return 0;
        nxc_debug("%s; reading the images one by one", why.message);
        return nxc_image_summaries(images, ret, ret_n, err);
}

struct adding {
        struct nxc_graph *graph;
        struct nxc_layerfs *layers;
};

static int add_layer(void *arg, const struct nxc_digest *diff_id)
{
        struct adding *a = arg;
        struct nxc_graph_layer *l = nxc_graph_layer_of(a->graph, diff_id->text, true);

        if (!l)
                return -ENOMEM;
        l->is_there = true;
        nxc_layerfs_size(a->layers, diff_id, &l->bytes, NULL); /* 0 of one that goes just now */
        return 0;
}

int nxc_store_graph(struct nxc_host *h, const struct nxc_image_summary *images, size_t n,
        struct nxc_graph **ret, struct nxc_error *err)
{
        struct nxc_layerfs *layers;
        struct adding adding = { nxc_graph_new(), NULL };
        int r = adding.graph ? nxc_host_layers(h, false, &layers, err) : nxc_oom(err);

        for (size_t i = 0; r == 0 && i < n; i++)
                if (images[i].n_diff_ids > 0 && nxc_graph_add_image(adding.graph, images[i].digest.text,
                                                        images[i].diff_ids, images[i].n_diff_ids, NULL) < 0)
                        r = nxc_oom(err);
        if (r == 0) {
                adding.layers = layers;
                r = nxc_layerfs_each(layers, add_layer, &adding, err);
                if (r == -ENOMEM)
                        r = nxc_oom(err);
        }
        if (r < 0) {
                nxc_graph_free(adding.graph);
                return r;
        }
        *ret = adding.graph;
        return 0;
}

int nxc_store_graph_use(struct nxc_graph *g, const struct nxc_usage *u)
{
        for (size_t i = 0; i < u->n; i++)
                for (size_t k = 0; k < u->users[i].diff_ids.n; k++) {
                        struct nxc_graph_layer *l = nxc_graph_layer_of(g, u->users[i].diff_ids.v[k], true);

                        if (!l)
                                return -ENOMEM;
                        l->is_used = true;
                }
        return 0;
}

int nxc_store_layers(struct nxc_host *h, struct nxc_store_layers *ret, struct nxc_error *err)
{
        _cleanup_(nxc_usage_done) struct nxc_usage u = { 0 };
        struct nxc_store_layers v = { 0 };
        int r = nxc_host_store_fd(h, false, err);

        if (r == 0 && h->store_fd >= 0)
                r = nxc_usage_gather(h, &u, NULL, err);
        if (r == 0)
                r = nxc_store_images(h, &v.images, &v.n_images, err);
        if (r == 0)
                r = nxc_store_graph(h, v.images, v.n_images, &v.graph, err);
        if (r == 0 && nxc_store_graph_use(v.graph, &u) < 0)
                r = nxc_oom(err);
        if (r < 0) {
                nxc_store_layers_done(&v);
                return r;
        }
        *ret = v;
        return 0;
}

void nxc_store_layers_done(struct nxc_store_layers *v)
{
        nxc_graph_free(v->graph);
        nxc_image_summaries_free(v->images, v->n_images);
        *v = (struct nxc_store_layers){ 0 };
}
