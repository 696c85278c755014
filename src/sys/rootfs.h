/* The description of a prepared root: what storage makes, what a backend takes. A driver names the kinds in
 * which it can give its root, best first, a backend those that it takes; the lifecycle chooses the first
 * that fits before the root is attached. */
#pragma once

#include <stdbool.h>

enum nxc_rootfs_kind {
        NXC_ROOTFS_DIR, /* a directory: a mount point for as long as the container exists, or just one */
        NXC_ROOTFS_IMAGE_FILE, /* a regular file with a file system in it, mounted nowhere */
        NXC_ROOTFS_BLOCK,      /* a block device with a file system on it, mounted nowhere */
        NXC_ROOTFS_DATASET,    /* a ZFS dataset, mounted nowhere */
        _NXC_ROOTFS_MAX,
};
const char *nxc_rootfs_kind_name(enum nxc_rootfs_kind kind); /* "directory", "image file", ... */

struct nxc_rootfs {
        enum nxc_rootfs_kind kind;
        char *path;   /* DIR, IMAGE_FILE, BLOCK: absolute; DATASET: "POOL/..." . Owned. */
        char *source; /* DIR: the image file, device or dataset that is mounted there, for messages and for a
                         backend that shows it; or NULL. Owned. */
        char *fs_type; /* IMAGE_FILE, BLOCK: "ext4"; else NULL. Owned. */
};

/* Frees what it owns; the description only, not the root itself. May run twice. */
void nxc_rootfs_done(struct nxc_rootfs *rootfs);
