/* Who uses what in the store: containers (of every state root that left its name in their directory) and
 * mounts. */
#pragma once

#include "lifecycle/host-internal.h"
#include "lifecycle/store.h"

struct nxc_user_of_image {
        char *what;         /* "container ID", "mount at DIR" */
        char *image_digest; /* or NULL */
        struct nxc_strv diff_ids;
};

struct nxc_usage {
        struct nxc_user_of_image *users;
        size_t n, cap;
};

/* orphans (may be NULL) gets the names below <store>/containers that no record stands for. */
int nxc_usage_gather(
        struct nxc_host *h, struct nxc_usage *ret, struct nxc_strv *orphans, struct nxc_error *err);
void nxc_usage_done(struct nxc_usage *u);
/* The first that uses the image, or NULL. */
const struct nxc_user_of_image *nxc_usage_find(const struct nxc_usage *u, const struct nxc_digest *image);

/* Takes ownership of the strings in user, also on failure. */
int nxc_usage_add(struct nxc_usage *u, struct nxc_user_of_image *user);
/* Mounts made by `mount IMAGE DIR`; records of those that are gone are removed on the way. */
int nxc_usage_add_mounts(struct nxc_host *h, struct nxc_usage *u, struct nxc_error *err);

/* The layers there are, and those of the images. */
int nxc_store_graph(struct nxc_host *h, const struct nxc_image_summary *images, size_t n,
        struct nxc_graph **ret, struct nxc_error *err);
/* Marks what containers and mounts use. 0 or -ENOMEM. */
int nxc_store_graph_use(struct nxc_graph *g, const struct nxc_usage *u);

/* Removes blobs and layers that neither an image nor a user reaches. */
int nxc_store_collect(struct nxc_host *h, const struct nxc_usage *u, struct nxc_prune_report *report,
        struct nxc_error *err);

/* In <store>/containers/<id>: the state root under which its record lies. */
#define NXC_ROOT_FILE ".root"
