/* A tar stream into a directory, by file descriptor. Only for this folder and its tests. */
#pragma once

#include "core/error.h"
#include "layerfs/content-internal.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The largest layers in public registries hold about one million files; each costs 16 bytes of memory here.
 */
#define NXC_UNTAR_MAX_ENTRIES 2000000
/* Directories below each other. Distributions and node_modules stay below 40; few enough that a walk which
 * holds one descriptor per level stays within the usual limit of 1024. */
#define NXC_UNTAR_MAX_DEPTH 256

struct nxc_untar_source {
        /* The next block, valid until the next call. Returns its length, 0 at the end, or -errno with err.
         */
        ssize_t (*next)(void *arg, const void **ret, struct nxc_error *err);
        void *arg;
};

struct nxc_untar_result {
        uint64_t entries, file_bytes; /* file_bytes: the sum of the files' sizes, holes included */
        bool explicit_root;           /* there was an entry for "/" */
        bool whiteouts, xattrs;       /* some were made; overlay marks count as xattrs */
};

/* Unpacks into the empty directory root_fd, reading the source to its end. max_entries, max_bytes (of file
 * sizes): nonzero. Checksums of regular files go to content. */
int nxc_untar(int root_fd, const struct nxc_untar_source *source, uint64_t max_entries, uint64_t max_bytes,
        struct nxc_content_index *content, struct nxc_untar_result *ret, struct nxc_error *err);
