/* The checksum of a file's content that a layer's record holds: CRC-64 (ECMA-182, reflected; ISA-L computes
 * it faster than memory is read). It finds damage; what is authentic was decided by the diff_id when the
 * layer came in. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t nxc_crc64(uint64_t crc, const void *data, size_t len); /* starts with 0 */
/* The same over len zero bytes, in constant time: holes may be of any size. */
uint64_t nxc_crc64_zeros(uint64_t crc, uint64_t len);
/* Of a whole file, holes being skipped. Returns 0 or -errno. */
int nxc_crc64_fd(int fd, uint64_t size, uint64_t *ret);

/* Checksums that were computed while files were written, by inode number, so that nothing is read back. */
struct nxc_content_index {
        struct nxc_content_record *v;
        size_t n, cap;
        bool sorted;
        bool stale; /* a file was replaced, and its inode number may have come again: nothing is found */
};
int nxc_content_index_add(struct nxc_content_index *ix, ino_t ino, uint64_t crc); /* 0 or -ENOMEM */
bool nxc_content_index_find(struct nxc_content_index *ix, ino_t ino, uint64_t *ret);
void nxc_content_index_done(struct nxc_content_index *ix);
