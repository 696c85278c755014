/* The mount API (fsopen, fsconfig, fsmount, move_mount; Linux >= 5.2) and its older ways, for what nexcage
 * mounts.
 *
 * A root is first made detached: it is reachable by its fd only, and is gone when the fd is closed before it
 * is attached. So a step that fails, or a kill -9, leaves no mount behind. */
#pragma once

#include "core/error.h"

#include_next <sys/mount.h> /* libc's, which this file hides from <sys/mount.h> by its own name */

#include <stdbool.h>
#include <stddef.h>

struct nxc_overlay_opts {
        /* Directories or detached mounts, top layer first; at least one, and two without an upper. */
        const int *lower_fds;
        size_t n_lower;
        int upper_fd, work_fd; /* negative: a read-only overlay */
        bool read_only;
        bool volatile_upper; /* no sync of the upper at unmount: a --rm container */
};

#define NXC_OVERLAY_MAX_LOWER 500 /* OVL_MAX_STACK, fs/overlayfs/params.h */

/* An overlay as a detached mount. More than the kernel's limit of layers, or an unusable upper:
 * InvalidRootfs with the kernel's reason. Layers are passed by fd (FSCONFIG_SET_FD on lowerdir+, Linux
 * >= 6.13), else as "lowerdir+" paths
 * (>= 6.8), else by mount(2) in a child's private mount namespace, from which the mount is cloned.
 * NXC_FEATURE_LOWERDIR_FD=0 and NXC_FEATURE_LOWERDIR_PLUS=0 force the older ways. Returns 0 and
 * *ret_mount_fd. */
int nxc_mount_overlay(const struct nxc_overlay_opts *opts, int *ret_mount_fd, struct nxc_error *err);

/* The xattr by which a directory hides what lies below it in an overlay. In a user namespace, where trusted.*
 * cannot be seen, it is of user.*: what unpacks layers writes the one that nxc_mount_overlay then asks for. */
const char *nxc_overlay_opaque_xattr(void);

/* A detached (recursive) bind mount of a directory, e.g. for an image of one layer, or of a file.
 * Private. */
int nxc_mount_clone(int fd, bool read_only, int *ret_mount_fd, struct nxc_error *err);

/* An EROFS image in a regular file as a detached, read-only mount of its root: by the file itself (Linux >=
 * 6.12), else over a loop device that goes with the mount. devices: the files that are the image's devices,
 * in the order of its table. All are borrowed, and not needed after. A kernel without EROFS, or an image
 * that it refuses: InvalidRootfs. NXC_FEATURE_EROFS=0 and NXC_FEATURE_EROFS_FILE=0 force what an older
 * kernel would say. */
int nxc_mount_erofs(
        int image_fd, const int *devices, size_t n_devices, int *ret_mount_fd, struct nxc_error *err);

/* The file system in a regular file as a detached, writable mount, over a loop device that goes with it.
 * flags: options without a value, NULL terminated. file_fd: open for writing; borrowed, and not needed
 * after. */
int nxc_mount_image(int file_fd, const char *fs_type, const char *const *flags, int *ret_mount_fd,
        struct nxc_error *err);

/* A ZFS dataset whose mountpoint is "legacy" as a detached mount. ZFSError. */
int nxc_mount_dataset(const char *dataset, int *ret_mount_fd, struct nxc_error *err);

/* Adds nosuid and nodev to a detached mount: for one that people on the host get to see. */
int nxc_mount_harden(int mount_fd, struct nxc_error *err);

/* Attaches a detached mount on an existing directory beneath dirfd (never through a link). */
int nxc_mount_attach(int mount_fd, int dirfd, const char *path, struct nxc_error *err);

/* umount2(MNT_DETACH | UMOUNT_NOFOLLOW), all mounts stacked there. Not a mount point, or absent: success. */
int nxc_umount(const char *path, struct nxc_error *err);

bool nxc_is_mount_point(const char *path);
