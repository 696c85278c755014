/* The parts of the zfs driver: names, the tool, and the driver. Only for this folder and its tests. */
#pragma once

#include "core/str.h"
#include "storage/storage-ops.h"

/* --- names (zfs-names.c): PARENT/images/CHAIN and PARENT/containers/ID --- */

#define NXC_ZFS_NAME_MAX 256    /* ZFS_MAX_DATASET_NAME_LEN, with the NUL; "@SNAPSHOT" counts */
#define NXC_ZFS_SNAPSHOT_MAX 64 /* of which so much is kept for the name of a snapshot */

#define NXC_ZFS_READY "ready" /* the snapshot of an image that containers are cloned from */

/* [storage] zfs.parent: InvalidConfig when it is no name of a dataset, or leaves no room below it. */
int nxc_zfs_check_parent(const char *parent, struct nxc_error *err);

/* The container's dataset. What zfs does not allow in a name is replaced by what nexcage does not allow in
 * an id, and an id that is too long by its digest; two ids never have the same name. */
int nxc_zfs_container_name(
        const struct nxc_storage_container *c, char ret[NXC_ZFS_NAME_MAX], struct nxc_error *err);

/* The image's dataset: by its chain of layers (the image-spec's ChainID). */
int nxc_zfs_image_name(const char *parent, const struct nxc_strv *diff_ids, char ret[NXC_ZFS_NAME_MAX],
        struct nxc_error *err);

/* What is filled for this container, until it is the image's: nobody else uses the name. */
int nxc_zfs_filling_name(
        const struct nxc_storage_container *c, char ret[NXC_ZFS_NAME_MAX], struct nxc_error *err);

/* Letters, digits and _ - . : ; first none of "-.", at most NXC_ZFS_SNAPSHOT_MAX - 2. Usage otherwise. */
int nxc_zfs_check_snapshot(const char *name, struct nxc_error *err);

/* --- the tool (zfs-tool.c) --- */

/* Runs `zfs ARGS`, a NULL terminated list without the "zfs". A failure is a ZFSError with zfs's own words
 * and the arguments, its errno is what the words mean: ENOENT, EEXIST, EBUSY, ENOSPC, EDQUOT, EMLINK (there
 * are clones), else EIO. ret_out, or NULL, is what it printed: strings, never NULL. */
int nxc_zfs_run(const char *const *args, struct nxc_buf *ret_out, struct nxc_error *err);

/* The errno that zfs's words mean. For tests. */
int nxc_zfs_errno_of(const char *words);

/* Destroys a dataset with its snapshots. Absent: success. One that is in use for a moment is tried again;
 * then Busy, naming the process that holds it. One with clones hands them its snapshots first. */
int nxc_zfs_destroy(const char *dataset, struct nxc_error *err);

/* Properties by which everything of ours is found again. */
#define NXC_ZFS_PROP_STORE "org.nexcage:store" /* absolute path */
#define NXC_ZFS_PROP_DIR "org.nexcage:dir"     /* the container's directory; also of what it fills */
#define NXC_ZFS_PROP_ID "org.nexcage:id"
#define NXC_ZFS_PROP_TOP "org.nexcage:top-layer" /* of an image: the diff_id of its last layer */
