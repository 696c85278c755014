/* Images and layers as a graph: which image is made of which layers, lying on which, and what nobody else
 * uses. Built in one pass over the images, in time and memory linear in the edges; every question is
 * answered by a look, without recursion.
 *
 * A *layer* is known by its diff_id. A *step* is a layer upon certain others, what the image-spec calls a
 * chain id: images that begin with the same layers share these steps, so the steps are a forest with the
 * bases for roots. */
#pragma once

#include "core/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NXC_GRAPH_NONE UINT32_MAX

struct nxc_graph;

struct nxc_graph_layer {
        const char *diff_id;
        uint32_t n_images;   /* that have it */
        uint32_t last_image; /* one of them */
        uint64_t bytes;      /* the caller's to set, as the next are */
        bool is_there, is_used;
};
struct nxc_graph_step {
        uint32_t layer;
        uint32_t below;    /* the step it lies on, always an earlier one; NXC_GRAPH_NONE for a base */
        uint32_t n_images; /* of which it is the top */
};
struct nxc_graph_image {
        const char *digest;
        uint32_t top;           /* its last step */
        const uint32_t *layers; /* base first; the same may come twice */
        size_t n_layers;
};

struct nxc_graph *nxc_graph_new(void); /* NULL: out of memory */
void nxc_graph_free(struct nxc_graph *g);

/* An image that is there already (another name of it) is not added again. *ret, which may be NULL, is its
 * number. 0 or -ENOMEM; layers: at least one. */
int nxc_graph_add_image(
        struct nxc_graph *g, const char *digest, const struct nxc_digest *diff_ids, size_t n, uint32_t *ret);
/* The layer of a diff_id; add: making it, used by no image, else NULL when there is none. NULL when out of
 * memory, too. */
struct nxc_graph_layer *nxc_graph_layer_of(struct nxc_graph *g, const char *diff_id, bool add);

size_t nxc_graph_n_layers(const struct nxc_graph *g);
size_t nxc_graph_n_steps(const struct nxc_graph *g);
size_t nxc_graph_n_images(const struct nxc_graph *g);
/* By number; valid until something is added. */
struct nxc_graph_layer *nxc_graph_layer(const struct nxc_graph *g, uint32_t i);
const struct nxc_graph_step *nxc_graph_step(const struct nxc_graph *g, uint32_t i);
const struct nxc_graph_image *nxc_graph_image(const struct nxc_graph *g, uint32_t i);

/* Of the bytes of an image's layers those that no other image has, and those that others have as well. */
void nxc_graph_sizes(const struct nxc_graph *g, uint32_t image, uint64_t *ret_own, uint64_t *ret_shared);
