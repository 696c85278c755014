/* Reading the images that we write, and no others: what erofs-merge.c makes an index of. They lie on a disk,
 * which may have damaged them: everything is checked to lie where it can, and what does not is InvalidImage.
 * Only for this folder and its tests. */
#pragma once

#include "layerfs/erofs-internal.h"

#include "core/str.h"

struct nxc_erofs_reader {
        int fd;           /* borrowed */
        const char *name; /* borrowed; for messages */
        uint64_t size;    /* of the image in bytes */
        uint64_t root_nid, inodes;
        uint64_t xattr_pos;               /* of the shared attributes */
        struct nxc_erofs_window *windows; /* what was read, to read it again */
        struct nxc_buf xattrs;            /* of the inode read last */
        struct nxc_error *err;
};

struct nxc_erofs_stat {
        struct nxc_erofs_attrs attrs; /* the attributes' memory is the reader's, until the next inode */
        uint16_t format;
        uint32_t start;    /* of PLAIN data, a block */
        uint64_t data_pos; /* of INLINE data */
        struct nxc_erofs_xattr xattrs[NXC_TAR_MAX_XATTRS];
};

/* blocks: of the image, as its record has them. */
int nxc_erofs_reader_open(
        struct nxc_erofs_reader *rd, int fd, const char *name, uint32_t blocks, struct nxc_error *err);
void nxc_erofs_reader_done(struct nxc_erofs_reader *rd);
int nxc_erofs_read_inode(struct nxc_erofs_reader *rd, uint64_t nid, struct nxc_erofs_stat *ret);
/* All of a file of less than a block, or of a symlink: up to NXC_EROFS_BLOCK. */
int nxc_erofs_read_small(struct nxc_erofs_reader *rd, const struct nxc_erofs_stat *st, uint8_t *buf);
/* Calls fn for each entry of a directory but "." and ".."; name is NUL terminated. */
typedef int (*nxc_erofs_entry_fn)(void *arg, const char *name, uint64_t nid, mode_t type);
int nxc_erofs_read_directory(
        struct nxc_erofs_reader *rd, const struct nxc_erofs_stat *st, nxc_erofs_entry_fn fn, void *arg);
