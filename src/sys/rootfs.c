/* See rootfs.h. */
#include "sys/rootfs.h"

#include "core/cleanup.h"

void nxc_rootfs_done(struct nxc_rootfs *rootfs)
{
        nxc_freep(&rootfs->path);
}
