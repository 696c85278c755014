/* See rootfs.h. */
#include "sys/rootfs.h"

#include "core/cleanup.h"

#include <assert.h>

static const char *const kind_names[] = {
        [NXC_ROOTFS_DIR] = "directory",
        [NXC_ROOTFS_IMAGE_FILE] = "image file",
        [NXC_ROOTFS_BLOCK] = "block device",
        [NXC_ROOTFS_DATASET] = "dataset",
};
static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == _NXC_ROOTFS_MAX, "every kind has a name");

const char *nxc_rootfs_kind_name(enum nxc_rootfs_kind kind)
{
        return kind_names[kind];
}

void nxc_rootfs_done(struct nxc_rootfs *rootfs)
{
        nxc_freep(&rootfs->path);
        nxc_freep(&rootfs->source);
        nxc_freep(&rootfs->fs_type);
}
