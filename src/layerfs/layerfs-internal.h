/* What the two halves of LayerFS share: the store's directory, names, staged directories. On disk:
 *
 *   <store>/layers/                  0700: set-user-ID files and devices in layers are out of anybody's
 * reach sha256-<hex>.erofs             one layer, named by its diff_id; appears whole, by rename. An EROFS
 * image and behind it checksums and a struct nxc_layer_record. Holders keep a shared flock on it
 *     sha256-<hex>/                  the same as a directory, where there is no EROFS
 *       root/                        the unpacked tree, a lower directory of overlays; locked likewise
 *       meta.json                    see intake.c
 *       implicit-root                (empty file) the layer says nothing about "/" itself; its mode is made
 * up whiteouts                    (empty file) there are whiteouts: never shown without an overlay
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
        uint32_t root_mode, root_uid, root_gid, reserved;
        uint8_t rest[40];
        uint64_t crc; /* CRC-64 of all before it */
};

/* Reads the record at the end of an image; the kinds of failure are InvalidImage and FileError. crc and
 * index_crc are not looked at: that is verify's. */
int nxc_layer_record_read(
        int fd, const struct nxc_digest *diff_id, struct nxc_layer_record *ret, struct nxc_error *err);

/* "sha256-<hex>" into a buffer of NXC_DIGEST_MAX. */
void nxc_layer_dir_name(const struct nxc_digest *diff_id, char *ret);
#define NXC_LAYER_IMAGE_NAME_MAX (NXC_DIGEST_MAX + 8)
/* "sha256-<hex>.erofs". */
void nxc_layer_image_name(const struct nxc_digest *diff_id, char *ret);
/* Opens the image of a layer, -ENOENT without err when there is none. */
int nxc_layer_image_open(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, int *ret, struct nxc_error *err);

/* Makes a staged directory, 0700, and returns an fd of it that holds its lock. name: NXC_STAGING_NAME_MAX.
 */
int nxc_layerfs_stage(struct nxc_layerfs *lfs, char *name, int *ret_fd, struct nxc_error *err);
