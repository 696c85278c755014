/* LayerFS, the half that takes layers in: decompress, check the diff_id, unpack. Linked into the engine
 * module only.
 *
 * A layer is unpacked into a staged directory that nobody else sees; commit gives it its name (the diff_id
 * that was computed here, never one that was only claimed), abandon removes it. A kill -9 leaves a staged
 * directory whose lock is free: nxc_layerfs_sweep takes it away. */
#pragma once

#include "layerfs/layerfs.h"
#include "oci/manifest.h"

#include <stdatomic.h>

struct nxc_staged_layer;

/* A blob that is still being written while it is read. wait comes back when more than pos bytes are there
 * (1), or it is whole and has no more (0), or it never will be whole (-ECANCELED). */
struct nxc_blob_feed {
        int (*wait)(void *arg, uint64_t pos);
        void *arg;
};

struct nxc_intake_limits {
        uint64_t max_bytes;      /* of the plain tar stream; 0: default */
        uint64_t max_entries;    /* 0: default */
        const atomic_bool *stop; /* NULL, or: when another thread sets it, unpacking ends with Interrupted */
        const struct nxc_blob_feed *feed; /* NULL: the blob is whole */
        const struct nxc_digest *blob;    /* of the blob, to be recorded (nxc_layerfs_is_made_of); or NULL */
};

/* Reads a layer blob from blob_fd (offset 0 to its end; a regular file), unpacks it, and compares the plain
 * stream's digest with diff_id. compression comes from the media type and has to agree with the first bytes.
 * InvalidImage, with the entry's name, for all that SECURITY refuses; the staged directory is gone then.
 * ret_staged of a layer that is already there is NULL with success, nothing having been unpacked but the
 * digest having been compared. Thread safe. */
int nxc_layerfs_unpack(struct nxc_layerfs *lfs, int blob_fd, enum nxc_compression compression,
        const struct nxc_digest *diff_id, const struct nxc_intake_limits *limits,
        struct nxc_staged_layer **ret_staged, struct nxc_error *err);
/* Gives it its name; when another process was faster ours is dropped. Frees staged, also on failure. NULL is
 * fine. */
int nxc_staged_layer_commit(struct nxc_staged_layer *staged, struct nxc_error *err);
void nxc_staged_layer_abandon(struct nxc_staged_layer *staged);

/* Makes the index of a chain (base first) whose layers are images, unless it is there: what lets containers
 * start from many layers as from one. It may be done without. Nothing is done for directories, nor for one
 * layer. */
int nxc_layerfs_index(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_ids, size_t n, struct nxc_error *err);

/* Whether a layer that is there was made of this very blob, and blob_fd begins as compression says: then the
 * diff_id needs not be computed again. */
bool nxc_layerfs_is_made_of(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id,
        const struct nxc_digest *blob, int blob_fd, enum nxc_compression compression);

/* Only one process at a time makes a layer; the others wait for it. -ECANCELED when stop is set
 * meanwhile. */
struct nxc_layer_turn {
        int fd; /* negative: not ours */
        char name[NXC_DIGEST_MAX + 16];
};
int nxc_layerfs_take_turn(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, const atomic_bool *stop,
        struct nxc_layer_turn *ret, struct nxc_error *err);
void nxc_layerfs_end_turn(struct nxc_layerfs *lfs, struct nxc_layer_turn *turn);

/* Only decompresses and hashes: for verify. */
int nxc_layer_diff_id(int blob_fd, enum nxc_compression compression, const struct nxc_intake_limits *limits,
        struct nxc_digest *ret, struct nxc_error *err);
/* Rechecks a layer that is there against what its intake recorded (an image's checksums, a directory's
 * tree digest). InvalidImage when it differs. */
int nxc_layerfs_verify(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct nxc_error *err);
/* The same for the index of a chain, where there is one; with repair it is made again, also where there was
 * none. */
int nxc_layerfs_verify_index(struct nxc_layerfs *lfs, const struct nxc_digest *diff_ids, size_t n,
        bool repair, struct nxc_error *err);
