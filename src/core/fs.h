/* Files and directories, by directory fd.
 *
 * Two worlds: paths that the user or we chose (plain *at calls), and paths inside an untrusted root, which
 * are only ever resolved by openat2 beneath the root's fd (`nxc_root_*`). Linux >= 5.6. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The path of name below dirfd for a message: whole where /proc tells it. Returns ret, keeps errno. */
#define NXC_SHOWN_MAX 512
const char *nxc_show_at(int dirfd, const char *name, char ret[NXC_SHOWN_MAX]);

/* Whether a name still means the file that fd is of; never through a link. */
bool nxc_has_name_at(int dirfd, const char *name, int fd);

/* Reads a whole regular file of at most limit bytes (more: -EFBIG). NUL terminated, malloc'ed. */
int nxc_read_file_at(
        int dirfd, const char *path, size_t limit, char **ret, size_t *ret_len, struct nxc_error *err);
/* Reads fd to its end, at most limit bytes. */
int nxc_read_fd(int fd, size_t limit, char **ret, size_t *ret_len, struct nxc_error *err, const char *what);
/* All of it, or an error; retries EINTR and short writes. Returns 0 or -errno without err. */
int nxc_write_all(int fd, const void *data, size_t len);

/* mkdir -p of a path of our own; existing directories are fine. */
int nxc_mkdir_p(const char *path, mode_t mode, struct nxc_error *err);
/* mkdir -p, and a readable O_DIRECTORY fd of it. */
int nxc_open_dir_p(const char *path, mode_t mode, int *ret_fd, struct nxc_error *err);
/* Removes a tree of any depth by fd, never following a link and never entering a mount, not even where name
 * itself is one (-EBUSY, -EXDEV); absent is success. */
int nxc_remove_tree_at(int dirfd, const char *name, struct nxc_error *err);

/* openat2 with RESOLVE_IN_ROOT: links are followed as a process chrooted there would. Raw: returns fd or
 * -errno. */
int nxc_root_open(int root_fd, const char *path, int flags, mode_t mode);
/* openat2 with RESOLVE_BENEATH: links are followed while they stay beneath; one that leaves is -EXDEV, and
 * so is any absolute one. Returns fd or -errno. */
int nxc_within_open(int dir_fd, const char *path, int flags, mode_t mode);
/* openat2 with RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS: any link on the way is -ELOOP. Returns fd or
 * -errno. */
int nxc_beneath_open(int root_fd, const char *path, int flags, mode_t mode);
/* mkdir -p inside the root without going through any link; returns an O_PATH directory fd or -errno. A
 * component that is a link or not a directory: -ELOOP, -ENOTDIR. ret_made (may be NULL): whether the last
 * one was made. */
int nxc_root_mkdir_p(int root_fd, const char *path, mode_t mode, bool *ret_made);
