/* LayerFS, the facade: layers by diff_id, verified once when they come in, composed into roots.
 *
 * What stands behind it (EROFS images, or directories where the kernel has none) nobody else sees. The half
 * that composes is linked into the program; the half that takes layers in (layerfs/intake.h) lives in the
 * engine module. */
#pragma once

#include "core/digest.h"
#include "core/error.h"
#include "sys/idmap.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nxc_layerfs; /* an open <store>/layers */

/* What new layers become; those that are there are used whatever they are. AUTO: EROFS images where the
 * kernel mounts them from the store's file system, else directories. */
enum nxc_layer_format { NXC_LAYER_AUTO, NXC_LAYER_EROFS, NXC_LAYER_DIR };
void nxc_layerfs_set_format(struct nxc_layerfs *lfs, enum nxc_layer_format format);

/* Opens <store>/layers, creating it (0700) when create is set. Absent otherwise: an empty LayerFS. */
int nxc_layerfs_open(int store_fd, bool create, struct nxc_layerfs **ret, struct nxc_error *err);
void nxc_layerfs_close(struct nxc_layerfs *lfs);

/* Whether a whole, verified layer is there. */
bool nxc_layerfs_has(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id);

/* The layers of one image, held open (and locked shared against removal) until it is released. */
struct nxc_layer_chain;

/* Opens all layers, base first, in one batch. A missing one: ImageNotFound naming it. */
int nxc_layerfs_hold(struct nxc_layerfs *lfs, const struct nxc_digest *diff_ids, size_t n,
        struct nxc_layer_chain **ret, struct nxc_error *err);
void nxc_layer_chain_release(struct nxc_layer_chain *chain);

/* One overlay over the chain as a detached mount. Negative upper and work: read-only. */
int nxc_layer_chain_compose(struct nxc_layer_chain *chain, int upper_fd, int work_fd, bool volatile_upper,
        int *ret_mount_fd, struct nxc_error *err);

/* From now on the chain is composed for a user namespace: its files look there as the image says, and the
 * upper directory's owner is shifted. userns_fd is borrowed. A file system that cannot show them so:
 * NotImplemented. */
void nxc_layer_chain_map(struct nxc_layer_chain *chain, const struct nxc_idmap *ids, int userns_fd);

struct nxc_flatten_opts {
        const struct nxc_idmap *ids;               /* owners are those of this user namespace; or NULL */
        void (*copied)(void *arg, uint64_t bytes); /* so much content more; or NULL */
        void *arg;
        int image_fd; /* 0, or the file that a layer is mounted from, to clone content from (core/copy.h) */
};
/* The chain's tree without an overlay: a copy of each layer over the one below, and of upper_fd (negative:
 * none), a directory that was the upper of its overlay, over them, into the empty directory to_fd. With
 * reflinks where the file system has them. Hard links stay links. */
int nxc_layer_chain_flatten(struct nxc_layer_chain *chain, int upper_fd, int to_fd,
        const struct nxc_flatten_opts *opts, struct nxc_error *err);
/* Lets later containers of the same layers have the mount of them that this one was composed of, and with it
 * its page cache: attaches it at path, a place of the container's own, to be unmounted with its root. Where
 * layers are directories there is nothing to share. */
bool nxc_layer_chain_can_share(const struct nxc_layer_chain *chain);
int nxc_layer_chain_share(struct nxc_layer_chain *chain, const char *path, struct nxc_error *err);
/* Before it is unmounted: nobody is led there any more. */
void nxc_layerfs_unshare(struct nxc_layerfs *lfs, const char *path);

/* One layer, or the upper directory of an overlay, over what lies in to_fd: whiteouts and opaque directories
 * take away, all else is copied (apply.c). */
int nxc_layer_apply(int layer_fd, int to_fd, const struct nxc_flatten_opts *opts, struct nxc_error *err);

/* Bytes on disk of one layer. */
int nxc_layerfs_size(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, uint64_t *ret, struct nxc_error *err);

/* Calls fn for every layer there is; a negative return ends it and is returned. */
int nxc_layerfs_each(struct nxc_layerfs *lfs, int (*fn)(void *arg, const struct nxc_digest *diff_id),
        void *arg, struct nxc_error *err);

/* Removes a layer that nobody holds; Busy when somebody does, success when absent. */
int nxc_layerfs_remove(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct nxc_error *err);

/* Removes the indexes of chains (layerfs/intake.h) but those that are wanted. An index in use stays whole
 * for its users. */
struct nxc_chain_ids {
        const struct nxc_digest *diff_ids; /* base first */
        size_t n;
};
int nxc_layerfs_prune_indexes(struct nxc_layerfs *lfs, const struct nxc_chain_ids *wanted, size_t n_wanted,
        uint64_t *bytes, struct nxc_error *err);

/* Removes what killed processes left half made. */
int nxc_layerfs_sweep(struct nxc_layerfs *lfs, struct nxc_error *err);
