/* See graph.h. Numbers in arrays, and hashes from names to numbers; strings lie in an arena. */
#include "layerfs/graph.h"

#include "core/arena.h"
#include "core/cleanup.h"
#include "core/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->lost = true)
#include <uthash.h>

struct name { /* of a layer or an image */
        const char *text;
        uint32_t number;
        bool lost; /* uthash could not enter it */
        UT_hash_handle hh;
};

struct step_key {
        uint32_t below, layer;
};
struct step_name {
        struct step_key key;
        uint32_t number;
        bool lost;
        UT_hash_handle hh;
};

struct nxc_graph {
        struct nxc_arena arena;
        struct nxc_graph_layer *layers;
        struct nxc_graph_step *steps;
        struct nxc_graph_image *images;
        size_t n_layers, cap_layers, n_steps, cap_steps, n_images, cap_images;
        struct name *layer_names, *image_names;
        struct step_name *step_names;
};

struct nxc_graph *nxc_graph_new(void)
{
        return calloc(1, sizeof(struct nxc_graph));
}

void nxc_graph_free(struct nxc_graph *g)
{
        if (!g)
                return;
        HASH_CLEAR(hh, g->layer_names);
        HASH_CLEAR(hh, g->image_names);
        HASH_CLEAR(hh, g->step_names);
        nxc_arena_done(&g->arena);
        free(g->layers);
        free(g->steps);
        free(g->images);
        free(g);
}

static const struct name *find_name(const struct name *names, const char *text)
{
        const struct name *n;

        HASH_FIND_STR(names, text, n);
        return n;
}

static const char *add_name(struct nxc_graph *g, struct name **names, const char *text, size_t number)
{
        struct name *n = nxc_arena_take(&g->arena, sizeof(*n));

        if (!n || !(n->text = nxc_arena_strdup(&g->arena, text)))
                return NULL;
        n->number = (uint32_t)number;
        HASH_ADD_KEYPTR(hh, *names, n->text, strlen(n->text), n);
        return n->lost ? NULL : n->text;
}

struct nxc_graph_layer *nxc_graph_layer_of(struct nxc_graph *g, const char *diff_id, bool add)
{
        const struct name *there = find_name(g->layer_names, diff_id);
        const char *text;

        if (there)
                return &g->layers[there->number];
        if (!add || nxc_grow(&g->layers, g->n_layers, &g->cap_layers, sizeof(*g->layers)) < 0)
                return NULL;
        text = add_name(g, &g->layer_names, diff_id, g->n_layers);
        if (!text)
                return NULL;
        g->layers[g->n_layers] = (struct nxc_graph_layer){ .diff_id = text, .last_image = NXC_GRAPH_NONE };
        return &g->layers[g->n_layers++];
}

static int take_step(struct nxc_graph *g, uint32_t below, uint32_t layer, uint32_t *ret)
{
        struct step_key key = { below, layer };
        struct step_name *n;

        HASH_FIND(hh, g->step_names, &key, sizeof(key), n);
        if (n) {
                *ret = n->number;
                return 0;
        }
        n = nxc_arena_take(&g->arena, sizeof(*n));
        if (!n || nxc_grow(&g->steps, g->n_steps, &g->cap_steps, sizeof(*g->steps)) < 0)
                return -ENOMEM;
        n->key = key;
        n->number = (uint32_t)g->n_steps;
        HASH_ADD(hh, g->step_names, key, sizeof(key), n);
        if (n->lost)
                return -ENOMEM;
        g->steps[g->n_steps] = (struct nxc_graph_step){ .layer = layer, .below = below };
        *ret = (uint32_t)g->n_steps++;
        return 0;
}

static int add_layers(struct nxc_graph *g, const struct nxc_digest *diff_ids, size_t n, uint32_t *ret_layers,
        uint32_t *ret_top)
{
        uint32_t step = NXC_GRAPH_NONE, number = (uint32_t)g->n_images;

        for (size_t i = 0; i < n; i++) {
                struct nxc_graph_layer *l = nxc_graph_layer_of(g, diff_ids[i].text, true);

                if (!l)
                        return -ENOMEM;
                ret_layers[i] = (uint32_t)(l - g->layers);
                if (take_step(g, step, ret_layers[i], &step) < 0)
                        return -ENOMEM;
                l->n_images += l->last_image != number;
                l->last_image = number;
        }
        g->steps[step].n_images++;
        *ret_top = step;
        return 0;
}

int nxc_graph_add_image(
        struct nxc_graph *g, const char *digest, const struct nxc_digest *diff_ids, size_t n, uint32_t *ret)
{
        const struct name *there = find_name(g->image_names, digest);
        uint32_t *layers, top;
        const char *text;

        if (ret)
                *ret = there ? there->number : (uint32_t)g->n_images;
        if (there)
                return 0;
        layers = nxc_arena_take(&g->arena, n * sizeof(*layers));
        if (!layers || nxc_grow(&g->images, g->n_images, &g->cap_images, sizeof(*g->images)) < 0 ||
                add_layers(g, diff_ids, n, layers, &top) < 0)
                return -ENOMEM;
        text = add_name(g, &g->image_names, digest, g->n_images);
        if (!text)
                return -ENOMEM;
        g->images[g->n_images++] = (struct nxc_graph_image){ text, top, layers, n };
        return 0;
}

size_t nxc_graph_n_layers(const struct nxc_graph *g)
{
        return g->n_layers;
}

size_t nxc_graph_n_steps(const struct nxc_graph *g)
{
        return g->n_steps;
}

size_t nxc_graph_n_images(const struct nxc_graph *g)
{
        return g->n_images;
}

struct nxc_graph_layer *nxc_graph_layer(const struct nxc_graph *g, uint32_t i)
{
        return &g->layers[i];
}

const struct nxc_graph_step *nxc_graph_step(const struct nxc_graph *g, uint32_t i)
{
        return &g->steps[i];
}

const struct nxc_graph_image *nxc_graph_image(const struct nxc_graph *g, uint32_t i)
{
        return &g->images[i];
}

void nxc_graph_sizes(const struct nxc_graph *g, uint32_t image, uint64_t *ret_own, uint64_t *ret_shared)
{
        const struct nxc_graph_image *im = &g->images[image];

        *ret_own = *ret_shared = 0;
        for (size_t i = 0; i < im->n_layers; i++) {
                const struct nxc_graph_layer *l = &g->layers[im->layers[i]];
                bool again = false;

                for (size_t k = 0; k < i && !again; k++) /* few: an image has some hundred layers at most */
                        again = im->layers[k] == im->layers[i];
                if (!again)
                        *(l->n_images > 1 ? ret_shared : ret_own) += l->bytes;
        }
}
