/* The plain stream of a layer blob, pulled block by block: decompressed, counted against limits and hashed
 * (SHA-256, the diff_id) on the way. Only for this folder and its tests. */
#pragma once

#include "core/digest.h"
#include "core/error.h"
#include "oci/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that a layer may come to. The largest in public registries (machine learning models) have some 60
 * GiB. */
#define NXC_PLAIN_MAX_BYTES (256ull << 30)
/* Deflate cannot exceed 1032:1 and zstd can by far. Real layers beyond the slack reach 20:1; what is small
 * is harmless whatever its ratio. */
#define NXC_PLAIN_MAX_RATIO 250
#define NXC_PLAIN_RATIO_SLACK (256ull << 20)
/* log2 of the largest zstd window, which has to be in memory: 16 MiB. RFC 8878 asks for 8 at most; zstd
 * beyond level 19 makes larger ones. */
#define NXC_ZSTD_WINDOW_LOG_MAX 24

/* How much comes at a time: fewer, larger writes to large files, and still in the second-level cache. */
#define NXC_PLAIN_BLOCK (1024 * 1024)

struct nxc_plain;
struct nxc_blob_feed; /* layerfs/intake.h */

/* Reads blob_fd with pread from 0 to its end; borrows it. feed: of one that is still being written, or NULL.
 * The first bytes have to agree with compression: InvalidImage. algorithm: of the digest ("sha256").
 * max_bytes 0: the default. */
int nxc_plain_open(int blob_fd, const struct nxc_blob_feed *feed, enum nxc_compression compression,
        const char *algorithm, uint64_t max_bytes, struct nxc_plain **ret, struct nxc_error *err);
/* The next block into buf (NXC_PLAIN_BLOCK), full but for the last one. Returns its length, 0 at the end
 * (which came only if the compressed data was whole), or -errno. Damaged or truncated data, and more than
 * the limits: InvalidImage. */
ssize_t nxc_plain_read(struct nxc_plain *p, void *buf, struct nxc_error *err);
/* After the end: the digest of it all, and how much it was. */
void nxc_plain_finish(struct nxc_plain *p, struct nxc_digest *ret_diff_id, uint64_t *ret_bytes);
void nxc_plain_close(struct nxc_plain *p); /* NULL is fine */

/* Whether the first bytes agree with compression. */
bool nxc_plain_begins_as(int blob_fd, enum nxc_compression compression);

/* All of the above: only the digest. */
int nxc_plain_digest(int blob_fd, const struct nxc_blob_feed *feed, enum nxc_compression compression,
        const char *algorithm, uint64_t max_bytes, struct nxc_digest *ret, struct nxc_error *err);
