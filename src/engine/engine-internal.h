/* The engine from inside. This folder only, and its tests.
 *
 * Theory of operation. Every image, wherever it comes from, goes one way (take-in.c): a source hands out
 * documents and blobs; nxc_validate_image (validate.c) asks for them in the order of the Image Validation
 * diagram; what arrives is staged (image/intake.h, layerfs/intake.h). A layer gets its name when it is whole
 * and right, and is taken away again when the image does not come to be; blobs and the entry of index.json
 * get theirs at the very end. */
#pragma once

#include "engine/engine.h"
#include "image/intake.h"
#include "layerfs/intake.h"

#define NXC_LAYER_THREADS \
        4 /* more connections gain nothing against one registry, and inflating wants a core each */

typedef void (*nxc_bytes_fn)(void *arg, uint64_t bytes);

/* A manifest or an index as its source gave it. */
struct nxc_document {
        struct nxc_descriptor desc; /* digest and size are of the data; media_type may be "" */
        char *data;                 /* owned */
};
void nxc_document_done(struct nxc_document *d);

/* Where an image comes from. */
struct nxc_source {
        const char *what; /* for messages */
        /* A manifest or index that an index names, of at most NXC_MANIFEST_MAX_BYTES; its digest is
         * right. */
        int (*get_document)(struct nxc_source *src, const struct nxc_descriptor *desc,
                struct nxc_document *ret, struct nxc_error *err);
        /* Writes all of a blob. Thread safe. fn is called from the calling thread with the bytes so far. */
        int (*get_blob)(struct nxc_source *src, const struct nxc_descriptor *desc, struct nxc_blob_writer *w,
                nxc_bytes_fn fn, void *arg, struct nxc_error *err);
        /* Checks a blob that the store has already, and that is therefore not asked for: what lies at hand
         * has to be right all the same. NULL: not at hand. */
        int (*check_blob)(struct nxc_source *src, const struct nxc_descriptor *desc, struct nxc_error *err);
};
int nxc_source_check_blob(struct nxc_source *src, const struct nxc_descriptor *desc, struct nxc_error *err);

/* Progress, one call at a time: the layers report from several threads. */
void nxc_report(struct nxc_engine_ctx *ctx, enum nxc_progress_kind kind, const char *what,
        const struct nxc_descriptor *desc, uint64_t done_bytes);

/* Taking one image in. The intake is the caller's until it succeeds: then it is gone. */
struct nxc_take_in {
        struct nxc_source *source;
        struct nxc_intake *intake;
        struct nxc_document *root;        /* the manifest, or the index to choose from */
        const char *platform;             /* NULL: the host's */
        const struct nxc_reference *name; /* NULL: untagged */
};
int nxc_take_in(
        struct nxc_engine_ctx *ctx, struct nxc_take_in *t, struct nxc_image **ret, struct nxc_error *err);

/* The boxes of the Image Validation diagram that differ from path to path; validate.c has their order, and
 * the rest. */
struct nxc_validation {
        void *arg;
        /* Check Image Exists: its manifest, of the wanted platform. ImageNotFound. */
        int (*find_manifest)(void *arg, struct nxc_document *ret, struct nxc_error *err);
        /* Fetches or opens the configuration, of the right digest and size. */
        int (*read_config)(void *arg, const struct nxc_descriptor *desc, char **ret, size_t *ret_len,
                struct nxc_error *err);
        /* Check Layer Files: digest, size and diff_id of every one. */
        int (*check_layers)(void *arg, const struct nxc_image *image, struct nxc_error *err);
};
/* Fills image: everything but the name and the index digest. */
int nxc_validate_image(const struct nxc_validation *v, struct nxc_image *image, struct nxc_error *err);

/* The layers of an image on their way in. */
struct nxc_layer_batch;
/* Brings all layers in, several at a time: their blobs into the staging area; and they are unpacked and
 * named while they come. The first error ends the others, and nothing stays. All layers are held until the
 * batch is freed. */
int nxc_layers_fetch(struct nxc_engine_ctx *ctx, struct nxc_source *src, struct nxc_intake *in,
        const struct nxc_image *image, struct nxc_layer_batch **ret, struct nxc_error *err);
/* Takes the layers away again that the batch made. */
void nxc_layers_take_back(struct nxc_layer_batch *b);
void nxc_layers_free(struct nxc_layer_batch *b); /* NULL is fine */
/* Unpacks again, from the blobs in the store, the layers of an image that are missing. */
int nxc_layers_restore(struct nxc_engine_ctx *ctx, const struct nxc_image *image, struct nxc_error *err);
/* Unpacks one layer from its blob and gives it its name. */
int nxc_layer_restore(struct nxc_engine_ctx *ctx, const struct nxc_descriptor *desc,
        const struct nxc_digest *diff_id, struct nxc_error *err);

/* An archive, read once: its files are staged under their digests, and found again by their names. */
struct nxc_archive_file {
        char *path;                 /* cleaned, with a leading slash */
        char *link;                 /* the member it is a link to, cleaned; or NULL */
        struct nxc_descriptor desc; /* digest and size, when it is no link */
};
struct nxc_archive {
        struct nxc_archive_file *files; /* sorted by path */
        size_t n, cap;
        json_t *index, *docker; /* index.json, manifest.json; or NULL */
};
/* path "-": stdin. */
int nxc_archive_read(
        const char *path, struct nxc_intake *in, struct nxc_archive *ret, struct nxc_error *err);
/* Through links; NULL when there is none. */
const struct nxc_archive_file *nxc_archive_find(const struct nxc_archive *a, const char *path);
void nxc_archive_done(struct nxc_archive *a);

/* The operations of the module. */
int nxc_engine_pull(struct nxc_engine_ctx *ctx, const struct nxc_pull_opts *opts, struct nxc_image **ret,
        struct nxc_error *err);
int nxc_engine_resolve(const struct nxc_pull_opts *opts, struct nxc_digest *ret, struct nxc_error *err);
int nxc_engine_import(struct nxc_engine_ctx *ctx, const char *source, const struct nxc_reference *name,
        const char *platform, struct nxc_image **ret, struct nxc_error *err);
int nxc_engine_save(struct nxc_engine_ctx *ctx, const struct nxc_image *image, const char *format,
        const char *target, struct nxc_error *err);
int nxc_engine_list(
        struct nxc_engine_ctx *ctx, struct nxc_image_summary **ret, size_t *ret_n, struct nxc_error *err);
int nxc_engine_verify_rest(
        struct nxc_engine_ctx *ctx, const char *const *known, size_t n, bool repair, struct nxc_error *err);
int nxc_engine_verify(
        struct nxc_engine_ctx *ctx, const struct nxc_image *image, bool repair, struct nxc_error *err);
