/* What drivers share. Only for this folder and its tests. */
#pragma once

#include "storage/storage-ops.h"

/* prepare, as most have it: "upper", "work" and "rootfs" in the container's directory, and an overlay of
 * them over the layers. */
int nxc_storage_compose(const struct nxc_storage_request *q, int *ret_mount_fd, struct nxc_error *err);

/* What compose made, once it was copied; absent is success. */
int nxc_storage_remove_overlay(int dir_fd, struct nxc_error *err);

/* Sizes by project quotas, of what lies in directories of the container: `names`, NULL terminated, of which
 * the first that exists is looked at. */
/* prepare: whether the file system of the container's directory has them; by name if not. */
int nxc_storage_check_quota(const char *driver, int dir_fd, struct nxc_error *err);
/* make: all of them become one project with a limit. */
int nxc_storage_limit(int dir_fd, const char *const *names, uint64_t bytes, struct nxc_error *err);
/* release: the limit goes, while the directories are still there. */
int nxc_storage_unlimit(
        const struct nxc_storage_container *c, const char *const *names, struct nxc_error *err);
/* usage: by the quota, or else by counting names[0]. */
int nxc_storage_quota_usage(const struct nxc_storage_container *c, const char *const *names,
        struct nxc_storage_usage *ret, struct nxc_error *err);
/* resize */
int nxc_storage_relimit(const struct nxc_storage_container *c, const char *const *names, uint64_t bytes,
        struct nxc_error *err);

/* A directory of the container's, which must not exist; *ret_fd may be NULL. */
int nxc_storage_make_dir(int dir_fd, const char *name, mode_t mode, int *ret_fd, struct nxc_error *err);
/* One that exists; never through a link. */
int nxc_storage_open_dir(int dir_fd, const char *name, int *ret_fd, struct nxc_error *err);

/* The image's layers, and `upper` above them unless it is negative, copied into a directory with the owners that
 * ids gives (or NULL); the request's progress is told. */
int nxc_storage_copy(const struct nxc_storage_request *q, int upper, const struct nxc_idmap *ids, int root,
        struct nxc_error *err);

/* probe: whether the kernel has a file system; RuntimeNotAvailable naming it, with the hint, if not. */
int nxc_storage_need_kernel(const char *file_system, const char *hint, struct nxc_error *err);

/* attach, of a mount at <dir>/rootfs (mount_fd negative: it is a directory already). source may be NULL. */
int nxc_storage_attach_dir(const struct nxc_storage_container *c, int mount_fd, const char *source,
        struct nxc_rootfs *ret, struct nxc_error *err);
/* Its end. */
int nxc_storage_unmount(const struct nxc_storage_container *c, struct nxc_error *err);

struct nxc_tree_count {
        uint64_t bytes;  /* on disk, each inode once */
        uint64_t inodes; /* a hard link counts again */
};
/* Of one file system, to a depth that is more than enough for people. What goes away while it is counted is
 * not counted. fd stays the caller's. 0 or -errno. */
int nxc_storage_count(int fd, struct nxc_tree_count *ret);
/* Bytes on disk of a container's directory <dir>/<name>. Absent: 0. */
int nxc_storage_disk_usage(const char *dir, const char *name, uint64_t *ret, struct nxc_error *err);

/* space, of the store's file system; the nearest directory above where there is no store yet. */
int nxc_storage_store_space(
        const struct nxc_storage_env *env, struct nxc_storage_space *ret, struct nxc_error *err);
