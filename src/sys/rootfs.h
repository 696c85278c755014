/* The description of a prepared root: what storage makes, what a backend takes. */
#pragma once

enum nxc_rootfs_kind { NXC_ROOTFS_DIR, NXC_ROOTFS_IMAGE_FILE, NXC_ROOTFS_BLOCK };

struct nxc_rootfs {
        enum nxc_rootfs_kind kind;
        char *path; /* absolute; a directory (for overlay: the mount point), an image file, or a block
                       device. Owned. */
};

/* Frees what it owns; the description only, not the root itself. May run twice. */
void nxc_rootfs_done(struct nxc_rootfs *rootfs);
