/* Storage drivers, the facade: find one, and the checked calls. Include storage-ops.h for the structs. */
#pragma once

#include "storage/storage-ops.h"

const struct nxc_storage_ops *const *nxc_storage_drivers(void); /* NULL terminated */
/* Exactly by name; another name is Usage with the list. */
int nxc_storage_find(const char *name, const struct nxc_storage_ops **ret, struct nxc_error *err);

/* The first kind of those the driver offers that is in the mask (1 << enum nxc_rootfs_kind). -ENOENT without
 * err: none. */
int nxc_storage_choose_kind(const struct nxc_storage_ops *s, unsigned accepts, enum nxc_rootfs_kind *ret);

/* The operations of storage-ops.h, in the order in which they come. */
int nxc_storage_probe(
        const struct nxc_storage_ops *s, const struct nxc_storage_env *env, struct nxc_error *err);
/* Also leaves the driver's name in the container's directory. */
int nxc_storage_prepare(const struct nxc_storage_ops *s, const struct nxc_storage_request *q,
        int *ret_mount_fd, struct nxc_error *err);
int nxc_storage_make(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        const struct nxc_storage_request *q, int *mount_fd, struct nxc_error *err);
int nxc_storage_attach(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        enum nxc_rootfs_kind kind, int mount_fd, struct nxc_rootfs *ret, struct nxc_error *err);
int nxc_storage_release(
        const struct nxc_storage_ops *s, const struct nxc_storage_container *c, struct nxc_error *err);
int nxc_storage_usage(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        struct nxc_storage_usage *ret, struct nxc_error *err);
int nxc_storage_resize(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        uint64_t size_bytes, struct nxc_error *err);
int nxc_storage_snapshot(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        const char *name, struct nxc_error *err);
int nxc_storage_rollback(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        const char *name, struct nxc_error *err);
int nxc_storage_forget(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        const char *name, struct nxc_error *err);
int nxc_storage_snapshots(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        struct nxc_storage_snapshot **ret, size_t *ret_n, struct nxc_error *err);
void nxc_storage_snapshots_done(struct nxc_storage_snapshot *snapshots, size_t n);
int nxc_storage_space(const struct nxc_storage_ops *s, const struct nxc_storage_env *env,
        struct nxc_storage_space *ret, struct nxc_error *err);
void nxc_storage_space_done(struct nxc_storage_space *space);
int nxc_storage_sweep(const struct nxc_storage_ops *s, const struct nxc_storage_env *env,
        const struct nxc_strv *diff_ids, uint64_t *bytes, struct nxc_error *err);

/* Whom the directory of a container belongs to, whatever became of its record. A directory that was made
 * before a driver was chosen, or by a version that did not say: overlay. */
int nxc_storage_of_dir(const char *dir, const struct nxc_storage_ops **ret, struct nxc_error *err);
