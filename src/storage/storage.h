/* Storage drivers, the facade. */
#pragma once

#include "storage/storage-ops.h"

const struct nxc_storage_ops *const *nxc_storage_drivers(void); /* NULL terminated */
/* Exactly by name; "zfs", "raw" and "dir" are known and NotImplemented, another name is Usage with the list.
 */
int nxc_storage_find(const char *name, const struct nxc_storage_ops **ret, struct nxc_error *err);

/* Beside "rootfs" in a container's directory: where it shares the mount of its layers
 * (nxc_layer_chain_share). A driver's detach unmounts it, too. */
#define NXC_STORAGE_LOWER "lower"
