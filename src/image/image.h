/* The image store, the facade: <store>/images is a standard OCI image layout (oci-layout, index.json,
 * blobs/) that skopeo, umoci and crane read as it is. This half needs JSON only and is linked into the
 * program; taking images in is the engine's (engine/engine.h).
 *
 * index.json names each image by annotation org.opencontainers.image.ref.name = its canonical reference. It
 * is changed under an exclusive lock and published whole. An untagged image has an entry without the
 * annotation. */
#pragma once

#include "core/digest.h"
#include "core/error.h"
#include "image/reference.h"
#include "oci/manifest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nxc_image_store;

/* Opens <store>/images; makes it when create is set. Absent otherwise: an empty store. */
int nxc_image_store_open(int store_fd, bool create, struct nxc_image_store **ret, struct nxc_error *err);
void nxc_image_store_close(struct nxc_image_store *s);

/* One image, read and structurally checked; its bytes were verified when it came in. */
struct nxc_image {
        char *name;                     /* canonical reference, or NULL: untagged */
        struct nxc_digest digest;       /* of the manifest: what `name@sha256:...` pins */
        struct nxc_digest index_digest; /* of the index it was chosen from, or "" */
        struct nxc_digest id;           /* of the configuration: podman's image id */
        struct nxc_manifest manifest;
        struct nxc_image_config config;
        json_t *config_json, *manifest_json; /* owned */
        uint64_t size_bytes;                 /* of all blobs, compressed */
};
void nxc_image_free(struct nxc_image *image);

/* By reference (short names tried as written, then with localhost/ and docker.io/library/), by digest, or by
 * an id or a prefix of at least 6 hex digits of it. ImageNotFound; an ambiguous prefix is Usage. */
int nxc_image_find(
        struct nxc_image_store *s, const char *name, struct nxc_image **ret, struct nxc_error *err);
/* All of them, in the order of index.json. *ret malloc'ed, free each. An unreadable one is left out with a
 * warning. */
int nxc_image_list(struct nxc_image_store *s, struct nxc_image ***ret, size_t *ret_n, struct nxc_error *err);

/* What a list shows of an image. */
struct nxc_image_summary {
        char *name; /* or NULL: untagged */
        struct nxc_digest digest, index_digest, id;
        char *created; /* or NULL */
        char platform[NXC_PLATFORM_TEXT_MAX];
        uint64_t size_bytes;
        struct nxc_digest *diff_ids; /* base first */
        size_t n_diff_ids;
};
/* The summaries of all images, read one by one; of many the engine knows them faster (image/catalog.h). */
int nxc_image_summaries(
        struct nxc_image_store *s, struct nxc_image_summary **ret, size_t *ret_n, struct nxc_error *err);
void nxc_image_summaries_free(struct nxc_image_summary *v, size_t n);
/* Bytes of index.json; 0: there is none. */
uint64_t nxc_image_index_bytes(struct nxc_image_store *s);

/* Adds a name for an image that is in the store; an older holder of the name loses it. */
int nxc_image_tag(struct nxc_image_store *s, const struct nxc_image *image, const struct nxc_reference *name,
        struct nxc_error *err);
/* Takes one name away (name given; the last one takes the image with it) or the whole image (name NULL).
 * Blobs are left to nxc_image_collect. */
int nxc_image_untag(
        struct nxc_image_store *s, const struct nxc_image *image, const char *name, struct nxc_error *err);
/* Takes away what name (as nxc_image_find takes it) leads to without reading the image: the way out of a
 * damaged one. */
int nxc_image_forget(struct nxc_image_store *s, const char *name, struct nxc_error *err);
/* Whoever holds it knows that no image comes or goes. Readers need no lock. */
int nxc_image_store_lock(struct nxc_image_store *s, int *ret_fd, struct nxc_error *err);
/* Removes blobs that no entry of index.json reaches, and what killed intakes left. Adds to *ret_bytes. */
int nxc_image_collect(struct nxc_image_store *s, uint64_t *ret_bytes, struct nxc_error *err);

/* Opens a blob read-only; checks that it is a regular file of the descriptor's size (when size is not 0). */
int nxc_image_blob_open(struct nxc_image_store *s, const struct nxc_digest *digest, uint64_t size,
        int *ret_fd, struct nxc_error *err);
