/* One digest over a tree: SHA-256 of one line per path, in byte order of the paths' components. A line has
 * the path, type, mode, owner, and by type size and content, link target, device number; the second and
 * later names of an inode have the first one instead. Extended attributes follow, sorted. Only for this
 * folder, its tests and tools. */
#pragma once

#include "core/digest.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define NXC_CONTENT_TEXT_MAX NXC_DIGEST_MAX

struct nxc_treehash_opts {
        bool mtimes;        /* of files, links and devices, not of directories */
        bool overlay_marks; /* also the *.overlay.* attributes: for a layer, not for a composed root */
        bool no_xattrs;     /* there are known to be none */
        /* Puts something that stands for a file's content into ret (NXC_CONTENT_TEXT_MAX). 0, or -errno
         * without err. */
        int (*content)(void *arg, int dir_fd, const char *name, const struct stat *st, char *ret);
        /* Sees each line, without newline; or NULL. */
        void (*line)(void *arg, const char *text, size_t len);
        void *arg;
};

struct nxc_treehash {
        struct nxc_digest digest;
        uint64_t entries, disk_bytes; /* disk_bytes: each inode once */
};

int nxc_treehash(
        int root_fd, const struct nxc_treehash_opts *opts, struct nxc_treehash *ret, struct nxc_error *err);

/* The two contents there are: "sha256:..." and "crc64:...", both of the file as read. */
int nxc_treehash_sha256(void *arg, int dir_fd, const char *name, const struct stat *st, char *ret);
int nxc_treehash_crc64(void *arg, int dir_fd, const char *name, const struct stat *st, char *ret);
