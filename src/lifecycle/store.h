/* The store's own stories: images seen as directories, and what is taken away when nothing uses it any
 * more. */
#pragma once

#include "image/image.h"
#include "layerfs/graph.h"
#include "lifecycle/lifecycle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* mount IMAGE DIR: the image's root, read-only, until umount; images and layers in use so are kept by
 * prune. */
int nxc_image_mount(struct nxc_host *h, const char *image, const char *dir, struct nxc_error *err);
int nxc_image_umount(struct nxc_host *h, const char *dir, struct nxc_error *err);
/* rmi: takes a name away, or with the last one the image; InvalidState naming the container or mount that
 * uses it, unless force (which takes the name away only). */
int nxc_image_remove(struct nxc_host *h, const char *image, bool force, struct nxc_error *err);

/* What a list shows of all images. Free it with nxc_image_summaries_free. */
int nxc_store_images(
        struct nxc_host *h, struct nxc_image_summary **ret, size_t *ret_n, struct nxc_error *err);

/* All layers there are, whether somebody uses them, and the images that are made of them; in the graph each
 * digest once. */
struct nxc_store_layers {
        struct nxc_image_summary *images;
        size_t n_images;
        struct nxc_graph *graph;
};
int nxc_store_layers(struct nxc_host *h, struct nxc_store_layers *ret, struct nxc_error *err);
void nxc_store_layers_done(struct nxc_store_layers *v);

struct nxc_prune_report {
        size_t images, layers, containers; /* removed */
        uint64_t bytes;
};
/* Removes what nothing uses: leftovers of killed commands, blobs and layers that no image, container or
 * mount reaches; all: also images that no container uses. */
int nxc_prune(struct nxc_host *h, bool all, struct nxc_prune_report *ret, struct nxc_error *err);
