/* The engine: taking images in and out of the store, with the libraries that only this needs (libcurl,
 * libarchive, libcrypto, libzstd, ISA-L). It is a module, opened when first used, so that create, start,
 * state and kill do not load them: NXC_ENGINE_MODULE in the environment, beside the program, or
 * LIBDIR/nexcage/engine.so. */
#pragma once

#include "core/error.h"
#include "image/image.h"
#include "image/registry-opts.h"
#include "layerfs/layerfs.h"

#include <stdbool.h>
#include <stdint.h>

#define NXC_ENGINE_ABI 2

enum nxc_pull_policy { NXC_PULL_MISSING, NXC_PULL_ALWAYS, NXC_PULL_NEVER, NXC_PULL_NEWER };

enum nxc_progress_kind { NXC_PROGRESS_START, NXC_PROGRESS_BYTES, NXC_PROGRESS_DONE, NXC_PROGRESS_CACHED };
struct nxc_progress_event {
        enum nxc_progress_kind kind;
        const char *what;                /* "manifest", "config", "layer" */
        const struct nxc_digest *digest; /* of the blob; NULL for the whole image */
        uint64_t done_bytes, total_bytes;
};
/* Called under a lock, one call at a time. */
typedef void (*nxc_progress_fn)(void *arg, const struct nxc_progress_event *ev);

struct nxc_engine_ctx {
        int store_fd; /* <store>, a directory */
        struct nxc_image_store *images;
        struct nxc_layerfs *layers;
        nxc_progress_fn progress; /* or NULL */
        void *progress_arg;
};

struct nxc_pull_opts {
        const char *reference;
        const char *platform; /* or NULL: the host's */
        enum nxc_pull_policy policy;
        struct nxc_registry_opts registry;
};

struct nxc_engine_ops {
        int abi; /* NXC_ENGINE_ABI */
        /* Brings an image into the store (or finds it there, as the policy has it), every layer unpacked and
         * verified. Single-flight across processes, for the image and for each layer. All or nothing: on
         * failure no blob, layer or name of it is left; when it is killed the next goes on with what there
         * is. */
        int (*pull)(struct nxc_engine_ctx *ctx, const struct nxc_pull_opts *opts, struct nxc_image **ret,
                struct nxc_error *err);
        /* What the registry has under a name now, for a dry run: nothing is written, no store is needed. The
         * digest is the index's where there is one. */
        int (*resolve)(const struct nxc_pull_opts *opts, struct nxc_digest *ret, struct nxc_error *err);
        /* source: [oci:]DIR, [oci-archive:]FILE, [docker-archive:]FILE, told apart by looking when there is
         * no prefix;
         * ":TAG" after it chooses among several. name may be NULL: the source's own ref.name or RepoTags. */
        int (*import)(struct nxc_engine_ctx *ctx, const char *source, const struct nxc_reference *name,
                const char *platform, struct nxc_image **ret, struct nxc_error *err);
        /* format: "oci-archive", "oci-dir", "docker-archive". target "-": stdout. A partly written file is
         * removed. */
        int (*save)(struct nxc_engine_ctx *ctx, const struct nxc_image *image, const char *format,
                const char *target, struct nxc_error *err);
        /* The summaries of all images, from <store>/meta.db; who cannot have that reads the images. Of the
         * context it needs the store and its images. */
        int (*list)(struct nxc_engine_ctx *ctx, struct nxc_image_summary **ret, size_t *ret_n,
                struct nxc_error *err);
        /* Rechecks meta.db, and the layers that are in none of the images: `known`, sorted, has their
         * diff_ids. repair: what is wrong is removed. */
        int (*verify_rest)(struct nxc_engine_ctx *ctx, const char *const *known, size_t n, bool repair,
                struct nxc_error *err);
        /* Rechecks every blob of an image and its layers. InvalidImage naming the first that is wrong; with
         * repair, layers are unpacked again from right blobs first. */
        int (*verify)(struct nxc_engine_ctx *ctx, const struct nxc_image *image, bool repair,
                struct nxc_error *err);
};

/* Opens the module once per process. RuntimeNotAvailable with the path that was tried. */
int nxc_engine_load(const struct nxc_engine_ops **ret, struct nxc_error *err);
