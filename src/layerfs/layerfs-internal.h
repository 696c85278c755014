/* What the two halves of LayerFS share: the store's directory, names, staged directories. On disk:
 *
 *   <store>/layers/                  0700: set-user-ID files and devices in layers are out of anybody's
 * reach sha256-<hex>/                  one layer, named by its diff_id; appears whole, by rename root/ the
 * unpacked tree, a lower directory of overlays. Holders keep a shared flock on it meta.json see intake.c
 *       implicit-root                (empty file) the layer says nothing about "/" itself; its mode is made
 * up whiteouts                    (empty file) there are whiteouts: never shown without an overlay
 *     .root-<mode>-<uid>-<gid>/      empty; stands for "/" where the top layer says nothing about it
 *     .staging-<pid>-<n>/            being unpacked or removed; its maker holds an exclusive flock on it
 *
 * A layer is unpacked by itself and does not depend on those below it (it is shared by its diff_id, in
 * whatever chain it is). So a path through a symlink follows links of the same layer only, as in podman; see
 * untar.c. */
#pragma once

#include "layerfs/layerfs.h"

#define NXC_LAYER_ROOT "root"
#define NXC_LAYER_META "meta.json"
#define NXC_LAYER_IMPLICIT_ROOT "implicit-root"
#define NXC_LAYER_WHITEOUTS "whiteouts"
#define NXC_STAGING_NAME_MAX 64
#define NXC_LAYER_META_MAX_BYTES (64u << 10) /* ours; some hundred bytes */

struct nxc_layerfs {
        int fd; /* <store>/layers; negative: there is none */
};

/* "sha256-<hex>" into a buffer of NXC_DIGEST_MAX. */
void nxc_layer_dir_name(const struct nxc_digest *diff_id, char *ret);

/* Makes a staged directory, 0700, and returns an fd of it that holds its lock. name: NXC_STAGING_NAME_MAX.
 */
int nxc_layerfs_stage(struct nxc_layerfs *lfs, char *name, int *ret_fd, struct nxc_error *err);
