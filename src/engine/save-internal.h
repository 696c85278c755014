/* Saving from inside: the files of an image in another form, and where they go. This folder only. */
#pragma once

#include "engine/engine-internal.h"

/* One file to be written. Its bytes are text, or a blob (hashed on the way: what leaves the store is
 * right). */
struct nxc_save_file {
        char *path;
        char *text;                            /* owned, or NULL: the blob */
        const struct nxc_descriptor *blob;     /* borrowed */
        const struct nxc_digest *plain_digest; /* decompress it: then this is what comes out; or NULL */
        uint64_t size;                         /* of what is written */
};
struct nxc_save_files {
        struct nxc_save_file *v;
        size_t n, cap;
};
/* In the order in which they are written: by name. manifest and image outlive the plan. */
int nxc_save_plan_oci(const struct nxc_image *image, const struct nxc_descriptor *manifest,
        struct nxc_save_files *ret, struct nxc_error *err);
int nxc_save_plan_docker(struct nxc_engine_ctx *ctx, const struct nxc_image *image,
        struct nxc_save_files *ret, struct nxc_error *err);
void nxc_save_files_done(struct nxc_save_files *f);

/* Hands out a file's bytes and compares their digest at the end. */
typedef int (*nxc_save_write_fn)(void *arg, const void *data, size_t len, struct nxc_error *err);
int nxc_save_copy(struct nxc_engine_ctx *ctx, const struct nxc_save_file *f, nxc_save_write_fn fn, void *arg,
        struct nxc_error *err);
/* The size and digest of a blob's plain bytes. */
int nxc_save_plain_size(struct nxc_engine_ctx *ctx, const struct nxc_descriptor *blob,
        const struct nxc_digest *plain_digest, uint64_t *ret, struct nxc_error *err);
