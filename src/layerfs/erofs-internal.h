/* Writing EROFS images: erofs-write.c has the theory of operation. Only for this folder and its tests. */
#pragma once

#include "core/error.h"
#include "layerfs/tar-internal.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* --- the format, as the kernel's Documentation/filesystems/erofs.rst describes it; little endian --- */

#define NXC_EROFS_BLOCK_BITS 12
#define NXC_EROFS_BLOCK 4096u
#define NXC_EROFS_SLOT \
        32u /* inodes lie at multiples of it; an inode's number (nid) is its offset in slots */
#define NXC_EROFS_SUPER_OFFSET 1024u
#define NXC_EROFS_MAGIC 0xE0F5E1E2u
#define NXC_EROFS_NO_BLOCK 0xFFFFFFFFu

enum nxc_erofs_compat { NXC_EROFS_COMPAT_CHECKSUM = 1, NXC_EROFS_COMPAT_MTIME = 2 };

struct nxc_erofs_super {
        uint32_t magic, checksum, compat;
        uint8_t block_bits, ext_slots;
        uint16_t root_nid;
        uint64_t inodes, build_time;
        uint32_t build_time_nsec, blocks, meta_block, xattr_block;
        uint8_t uuid[16], volume[16];
        uint32_t incompat;
        uint16_t algorithms, devices, device_slot;
        uint8_t rest[38];
};

enum nxc_erofs_incompat { NXC_EROFS_INCOMPAT_CHUNKS = 4, NXC_EROFS_INCOMPAT_DEVICES = 8 };

struct nxc_erofs_device { /* another file that holds blocks; at device_slot, in units of its size */
        char tag[64];
        uint32_t blocks, mapped;
        uint8_t rest[56];
};

#define NXC_EROFS_EXTENDED 1u /* format: bit 0, a 64 byte inode; then where its data are */
#define NXC_EROFS_PLAIN (NXC_EROFS_EXTENDED | 0u << 1)
#define NXC_EROFS_INLINE (NXC_EROFS_EXTENDED | 2u << 1) /* the last, partial block follows the inode */
#define NXC_EROFS_CHUNKS (NXC_EROFS_EXTENDED | 4u << 1) /* chunks of blocks, listed behind the inode */
#define NXC_EROFS_CHUNK_INDEXES 0x20u                   /* in start: the list is of struct nxc_erofs_chunk */
#define NXC_EROFS_CHUNK_BITS_MAX 31u                    /* in start, too: the size of a chunk, in blocks */

struct nxc_erofs_chunk {
        uint16_t advise, device;
        uint32_t block;
};

struct nxc_erofs_inode {
        uint16_t format, xattr_count, mode, reserved;
        uint64_t size;
        uint32_t start; /* first block, or the device number */
        uint32_t ino, uid, gid;
        uint64_t mtime;
        uint32_t mtime_nsec, nlink;
        uint8_t rest[16];
};

struct nxc_erofs_dirent { /* at the start of a block; their names follow, in the same order */
        uint64_t nid;
        uint16_t name_offset;
        uint8_t type, reserved;
} __attribute__((packed));

struct nxc_erofs_xattr_header { /* after the inode; then the shared ones' ids, then entries */
        uint32_t filter;
        uint8_t n_shared, rest[7];
};

struct nxc_erofs_xattr_entry { /* then name and value, padded to 4 bytes */
        uint8_t name_len, prefix;
        uint16_t value_len;
};

/* --- the file (erofs-out.c) --- */

/* What lies in the file, for verify; the rest are holes. */
struct nxc_erofs_extent {
        uint32_t start, blocks;
        uint64_t crc; /* CRC-64 of it */
};

/* A stream of blocks with places left open, which are filled later. Nothing is written twice but by
 * patch. */
struct nxc_erofs_out {
        int fd; /* borrowed */
        bool direct;
        uint8_t *buf;  /* of NXC_EROFS_OUT_BUF */
        uint64_t base; /* where buf goes; a multiple of a block */
        size_t len;
        struct nxc_erofs_extent *extents;
        size_t n_extents, cap_extents;
        struct nxc_error *err;
};

/* fd: readable and writable, an empty file. Uses O_DIRECT where the file system has it. */
int nxc_erofs_out_open(struct nxc_erofs_out *o, int fd, struct nxc_error *err);
void nxc_erofs_out_done(struct nxc_erofs_out *o);
static inline uint64_t nxc_erofs_out_pos(const struct nxc_erofs_out *o)
{
        return o->base + o->len;
}
int nxc_erofs_out_add(struct nxc_erofs_out *o, const void *data, size_t len); /* data NULL: zeros */
int nxc_erofs_out_align(struct nxc_erofs_out *o);                             /* zeros up to a block */
/* Leaves blocks open, being at the start of one. */
int nxc_erofs_out_skip(struct nxc_erofs_out *o, uint64_t blocks);
/* What was added since the last block began, taken back; valid until the next call. */
const uint8_t *nxc_erofs_out_take_tail(struct nxc_erofs_out *o, size_t *ret_len);
/* Blocks, from aligned memory, into a place left open. */
int nxc_erofs_out_put(struct nxc_erofs_out *o, uint64_t pos, const uint8_t *data, uint32_t blocks);
int nxc_erofs_out_flush(struct nxc_erofs_out *o);
/* Reads back what was added or put. */
int nxc_erofs_out_read(struct nxc_erofs_out *o, uint64_t pos, void *buf, size_t len);
/* Overwrites 32 bit words, in ascending order of place. */
struct nxc_erofs_patch {
        uint64_t pos;
        uint32_t value;
};
int nxc_erofs_out_patch(struct nxc_erofs_out *o, const struct nxc_erofs_patch *v, size_t n);

/* --- inodes (erofs-write.c) --- */

enum nxc_erofs_prefix {
        NXC_EROFS_XATTR_USER = 1,
        NXC_EROFS_XATTR_ACL_ACCESS = 2,
        NXC_EROFS_XATTR_ACL_DEFAULT = 3,
        NXC_EROFS_XATTR_TRUSTED = 4,
        NXC_EROFS_XATTR_SECURITY = 6,
};

struct nxc_erofs_xattr {
        uint8_t prefix, name_len;
        uint16_t value_len;
        const char *name; /* what follows the prefix */
        const void *value;
};

struct nxc_erofs_attrs {
        mode_t mode; /* with the type */
        uid_t uid;
        gid_t gid;
        struct timespec mtime;
        uint64_t size;
        dev_t device;
        uint32_t nlink;
        const struct nxc_erofs_xattr *xattrs;
        size_t n_xattrs;
};

#define NXC_EROFS_XATTR_BODY_MAX 1032 /* in an inode: the header and 255 shared ids */

struct nxc_erofs_writer; /* one image */

/* fd: as for nxc_erofs_out_open; borrowed, as err is (not NULL). */
int nxc_erofs_open(int fd, struct nxc_erofs_writer **ret, struct nxc_error *err);
void nxc_erofs_close(struct nxc_erofs_writer *w);

/* Before all else, the devices, numbered from 1. */
int nxc_erofs_add_device(struct nxc_erofs_writer *w, const char *tag, uint32_t blocks);
int nxc_erofs_end_devices(struct nxc_erofs_writer *w);

/* The content of the next file or symlink, in ascending order; then its inode, which has the size. */
int nxc_erofs_add_data(struct nxc_erofs_writer *w, uint64_t offset, const void *data, size_t len);
int nxc_erofs_add_inode(struct nxc_erofs_writer *w, const struct nxc_erofs_attrs *a, uint64_t *ret_nid);
/* The inode of a file whose blocks lie one after the other on a device. */
int nxc_erofs_add_remote_inode(struct nxc_erofs_writer *w, const struct nxc_erofs_attrs *a, uint16_t device,
        uint32_t start, uint64_t *ret_nid);
/* The start of a symlink's target, back from the image; NUL terminated. */
int nxc_erofs_read_symlink(struct nxc_erofs_writer *w, uint64_t nid, char *buf, size_t size);
/* Encodes attributes for a directory's inode; shared ones are written. ret: NXC_EROFS_XATTR_BODY_MAX. */
int nxc_erofs_encode_xattrs(struct nxc_erofs_writer *w, const struct nxc_erofs_xattr *v, size_t n,
        uint8_t *ret, size_t *ret_len);
/* Sets nlink of inodes, ascending. */
int nxc_erofs_set_links(struct nxc_erofs_writer *w, struct nxc_erofs_patch *nids, size_t n);

/* Directories come last: all are placed, then their blocks written, then their inodes, each time in the same
 * order, the root first. */
struct nxc_erofs_name {
        const char *name;
        uint8_t len;
        uint64_t nid;
        mode_t type;
};
struct nxc_erofs_place {
        uint64_t nid;
        uint64_t size;
        uint32_t start; /* of its blocks */
        uint16_t tail;  /* bytes that follow the inode */
        bool is_root;
};
/* v: with "." and "..", which this sorts. */
void nxc_erofs_sort_names(struct nxc_erofs_name *v, size_t n);
int nxc_erofs_begin_directories(struct nxc_erofs_writer *w);
int nxc_erofs_place_directory(struct nxc_erofs_writer *w, const struct nxc_erofs_name *v, size_t n,
        size_t xattr_len, struct nxc_erofs_place *ret);
int nxc_erofs_end_placing(struct nxc_erofs_writer *w);
/* Then each: makes it absolute. */
void nxc_erofs_settle(const struct nxc_erofs_writer *w, struct nxc_erofs_place *p);
int nxc_erofs_add_directory_blocks(struct nxc_erofs_writer *w, const struct nxc_erofs_place *p,
        const struct nxc_erofs_name *v, size_t n);
/* a: its xattrs are those encoded before. */
int nxc_erofs_add_directory_inode(struct nxc_erofs_writer *w, const struct nxc_erofs_place *p,
        const struct nxc_erofs_attrs *a, const uint8_t *xattrs, size_t xattr_len,
        const struct nxc_erofs_name *v, size_t n);
/* The superblock. The image is whole then, though not synced. */
int nxc_erofs_finish(struct nxc_erofs_writer *w, const uint8_t uuid[16], uint64_t *ret_inodes);
/* Behind the image: its extents, something more, and the record (struct nxc_layer_record), which gets magic
 * and what is known here. */
struct nxc_layer_record;
int nxc_erofs_seal(struct nxc_erofs_writer *w, const char *magic, const void *more, size_t more_len,
        struct nxc_layer_record *record);

/* --- a tar stream into an image (erofs-tree.c) --- */

/* What is held in memory of names, of all images that are being written in this process together: of some
 * 400,000 files. More is InvalidImage with E2BIG. */
#define NXC_EROFS_TREES_MAX_BYTES (32u << 20)
extern size_t nxc_erofs_trees_max_bytes; /* the same, for tests to change */
#define NXC_EROFS_DIR_XATTRS_MAX_BYTES (16u << 20)

struct nxc_erofs_image {
        mode_t root_mode; /* of "/" */
        uid_t root_uid;
        gid_t root_gid;
        bool opaque_root; /* it hides all layers below */
        uint64_t inodes;
};

/* The same for the same stream and uuid, byte by byte. err: that of the writer. */
int nxc_erofs_from_tar(struct nxc_erofs_writer *w, const struct nxc_tar_source *source,
        const struct nxc_tar_limits *limits, const uint8_t uuid[16], struct nxc_tar_result *ret,
        struct nxc_erofs_image *ret_image, struct nxc_error *err);

/* --- an index over a chain of images (erofs-merge.c) --- */

struct nxc_erofs_chain_layer {
        int fd;           /* of its image; borrowed, as all here */
        const char *name; /* its diff_id */
        uint32_t blocks;
        bool implicit_root; /* what it says of "/" is made up */
};

/* base first, from the lowest that shows; the devices of the image, in this order. The same for the same
 * images, byte by byte. err: that of the writer. */
int nxc_erofs_merge(struct nxc_erofs_writer *w, const struct nxc_erofs_chain_layer *layers, size_t n,
        const uint8_t uuid[16], struct nxc_erofs_image *ret_image, struct nxc_error *err);
