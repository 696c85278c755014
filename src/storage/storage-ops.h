/* The contract of a storage driver: where a container's writable root lives. It receives the image's layers
 * as a LayerFS chain and gives back one struct nxc_rootfs.
 *
 * Checklist for a new one: a file here that ends in one `const struct nxc_storage_ops`; a row in storage.c;
 * the acquisitions it makes are announced through `announce` before they happen, so that the journal can
 * undo them. */
#pragma once

#include "core/error.h"
#include "layerfs/layerfs.h"
#include "sys/rootfs.h"

#include <stdbool.h>

struct nxc_storage_prepare {
        struct nxc_layer_chain *chain; /* the image's layers */
        int dir_fd;     /* the container's staging directory: upper/, work/, rootfs/ are made in it */
        bool read_only; /* the container never writes: no upper */
        bool ephemeral; /* run --rm: nothing needs to survive a crash */
};

struct nxc_storage_ops {
        const char *name; /* "overlay" */
        const char *summary;
        /* Whether this host can. RuntimeNotAvailable naming what is missing. */
        int (*probe)(struct nxc_error *err);
        /* Makes what the root needs inside dir_fd and a detached mount of it. */
        int (*prepare)(const struct nxc_storage_prepare *p, int *ret_mount_fd, struct nxc_error *err);
        /* Attaches it at <container_dir>/rootfs, once the id is claimed. */
        int (*attach)(
                int mount_fd, const char *container_dir, struct nxc_rootfs *ret, struct nxc_error *err);
        /* Takes it away; absent is success. */
        int (*detach)(const char *container_dir, struct nxc_error *err);
};

extern const struct nxc_storage_ops nxc_storage_overlay;
