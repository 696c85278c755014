/* What the two halves of LayerFS share: the store's directory, names, staged directories. On disk:
 *
 *   <store>/layers/                  0700: set-user-ID files and devices in layers are out of anybody's reach
 *     sha256-<hex>.erofs             one layer, named by its diff_id; appears whole, by rename. An EROFS image,
 *                                    behind it checksums and a struct nxc_layer_record; holders have a shared
 *                                    flock on it
 *     sha256-<hex>/                  the same as a directory, where there is no EROFS
 *       root/                        the unpacked tree, a lower directory of overlays; locked likewise
 *       meta.json                    see intake.c
 *       implicit-root                (empty file) the layer says nothing about "/" itself: its mode is made up
 *       whiteouts                    (empty file) there are whiteouts: never shown without an overlay
 *     index-<hash>.erofs             what a chain of images makes together; may be made again (erofs-merge.c)
 *     .shared-<uuid>                 a link to a container's mount of an image (lower.c)
 *     .turn-sha256-<hex>             the lock of a layer that is being made
 *     .root-<mode>-<uid>-<gid>/      empty; stands for "/" where the top layer says nothing about it
 *     .staging-<pid>-<n>/            being made or removed; its maker holds an exclusive flock on it
 *
 * A layer is unpacked by itself and does not depend on those below it (it is shared by its diff_id, in
 * whatever chain it is). So a path through a symlink follows links of the same layer only, as in podman; see
 * tar.c. */
#pragma once

#include "layerfs/layerfs.h"

#define NXC_LAYER_ROOT "root"
#define NXC_LAYER_META "meta.json"
#define NXC_LAYER_IMPLICIT_ROOT "implicit-root"
#define NXC_LAYER_WHITEOUTS "whiteouts"
#define NXC_LAYER_IMAGE_SUFFIX ".erofs"
#define NXC_LAYER_STAGED_IMAGE "image" /* in a staged directory */
#define NXC_STAGING_NAME_MAX 64
#define NXC_LAYER_META_MAX_BYTES (64u << 10) /* ours; some hundred bytes */

struct nxc_layerfs {
        int fd; /* <store>/layers; negative: there is none */
        enum nxc_layer_format format;
        bool is_auto; /* the format was not asked for: the other one will do, too */
};

/* The end of an image file: what is known of the layer. Little endian. Before it, padded, lie the extents
 * (struct nxc_erofs_extent), at blocks * 4096. */
#define NXC_LAYER_RECORD_MAGIC "nxclayer"
#define NXC_LAYER_RECORD_VERSION 1
enum nxc_layer_record_flags {
        NXC_LAYER_HAS_IMPLICIT_ROOT = 1 << 0, /* it says nothing about "/"; the mode is made up */
        NXC_LAYER_HAS_WHITEOUTS = 1 << 1,     /* never shown without an overlay */
        NXC_LAYER_HAS_OPAQUE_ROOT = 1 << 2,   /* it hides all layers below */
};
struct nxc_layer_record {
        char magic[8];
        uint32_t version, flags;
        uint32_t blocks, n_extents;
        uint64_t index_crc;   /* CRC-64 of the extents */
        uint64_t diff_id_crc; /* CRC-64 of the diff_id's text */
        uint64_t plain_bytes; /* of the tar stream */
        uint64_t entries;     /* of the tar */
        uint64_t inodes;
        uint32_t root_mode, root_uid, root_gid;
        uint32_t n_layers;   /* of an index: how many struct nxc_index_layer lie before the record */
        uint64_t layers_crc; /* CRC-64 of those */
        uint8_t blob[32];    /* SHA-256 of the blob that it was made of; zeros: not known */
        uint64_t crc;        /* CRC-64 of all before it */
};

/* <store>/layers/index-<hash of the chain's diff_ids>.erofs: what a chain of images makes together
 * (erofs-merge.c), with the images as its devices. It can be made again at any time, and is of use for these
 * very images only: theirs are the checksums. Its record is one of its own kind. */
#define NXC_INDEX_PREFIX "index-"
#define NXC_INDEX_NAME_MAX 32
#define NXC_INDEX_RECORD_MAGIC "nxcindex"
struct nxc_index_layer {
        char diff_id[NXC_DIGEST_MAX];
        uint64_t record_crc; /* the crc of its record */
};
void nxc_index_name(const struct nxc_digest *diff_ids, size_t n, char ret[static NXC_INDEX_NAME_MAX]);

/* What is known of a layer that is held open. */
struct nxc_held_layer {
        int fd; /* its image, or its root as a directory; with a shared lock */
        bool image;
        bool above;     /* the same layer comes again further up: this one adds nothing */
        uint32_t flags; /* nxc_layer_record_flags */
        mode_t mode;    /* of its "/" */
        uid_t uid;
        gid_t gid;
        uint32_t blocks; /* of an image, and the crc of its record */
        uint64_t record_crc;
};

struct nxc_layer_chain {
        struct nxc_layerfs *lfs; /* borrowed */
        size_t n;
        size_t bottom; /* the lowest that can be seen: one whose "/" is opaque hides all below */
        int index_fd;  /* of an index over all from bottom up; negative: there is none */
        int lower_fd;  /* once composed, the mount of the index or of the only layer; negative: none */
        bool lower_is_joined;              /* it is another container's, too */
        const struct nxc_held_layer *root; /* has the owner and mode of "/" */
        bool root_is_top;                  /* the top layer says so itself */
        const struct nxc_idmap *ids;       /* borrowed: of the user namespace it is composed for, or NULL */
        int userns_fd;                     /* borrowed: that namespace */
        struct nxc_held_layer layers[];    /* base first */
};

/* Reads the record at the end of an image; the kinds of failure are InvalidImage and FileError. crc and
 * index_crc are not looked at: that is verify's. */
int nxc_layer_record_read(
        int fd, const struct nxc_digest *diff_id, struct nxc_layer_record *ret, struct nxc_error *err);

/* Mounts what of a chain can be one mount (lower.c), unless it is. False: there is no such thing. */
bool nxc_layer_chain_mount_lower(struct nxc_layer_chain *chain);
#define NXC_SHARED_PREFIX ".shared-" /* and a uuid: a link to where it is mounted */
#define NXC_LOWER_ATTRS \
        (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) /* of it where the host sees it */

/* Locks of layers that are being made (core/lock.h). */
#define NXC_TURN_PREFIX ".turn-"

/* "sha256-<hex>" into a buffer of NXC_DIGEST_MAX. */
void nxc_layer_dir_name(const struct nxc_digest *diff_id, char *ret);
#define NXC_LAYER_IMAGE_NAME_MAX (NXC_DIGEST_MAX + 8)
/* "sha256-<hex>.erofs". */
void nxc_layer_image_name(const struct nxc_digest *diff_id, char *ret);
/* Opens the image of a layer, -ENOENT without err when there is none. */
int nxc_layer_image_open(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, int *ret, struct nxc_error *err);

#define NXC_LAYER_PATH_MAX (NXC_DIGEST_MAX + 24)
#define NXC_LAYER_DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* Opens what a layer is, image or root directory, and says the name by which it is locked. -ENOENT without
 * err. */
int nxc_layer_open(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id,
        char path[static NXC_LAYER_PATH_MAX], int *ret, bool *ret_image, struct nxc_error *err);
/* Whether an (empty) file of that name lies beside the root of a layer that is a directory. */
bool nxc_layer_has_mark(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, const char *mark);
/* Locks what was opened by name, if the name still means it: it may have been renamed or removed before the
 * lock. */
int nxc_layerfs_lock_named(int dir_fd, const char *name, int fd, int op);

/* Makes a staged directory, 0700, and returns an fd of it that holds its lock. name:
 * NXC_STAGING_NAME_MAX. */
int nxc_layerfs_stage(struct nxc_layerfs *lfs, char *name, int *ret_fd, struct nxc_error *err);
