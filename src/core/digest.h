/* Content digests: "sha256:<64 lower-case hex>" (image-spec, descriptor.md). Strictly parsed before any use,
 * since they become file names (CVE-2024-3727). Computing them needs libcrypto and is in core/hash.h. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NXC_DIGEST_MAX 136 /* "sha512:" + 128 + NUL, rounded up */

struct nxc_digest {
        char text[NXC_DIGEST_MAX]; /* algorithm:hex; "" is no digest */
};

/* sha256 and sha512 only; anything else: InvalidImage. */
int nxc_digest_parse(const char *text, struct nxc_digest *ret, struct nxc_error *err);
bool nxc_digest_is_valid(const char *text);
bool nxc_digest_equal(const struct nxc_digest *a, const struct nxc_digest *b);
/* The hex after the colon, and the algorithm's length before it. */
const char *nxc_digest_hex(const struct nxc_digest *d);
/* The first n bytes of the hash, of which there are at least 32. */
void nxc_digest_bytes(const struct nxc_digest *d, uint8_t *ret, size_t n);
/* "blobs/sha256/<hex>" into a buffer of NXC_DIGEST_MAX + 8. */
void nxc_digest_blob_path(const struct nxc_digest *d, char *ret, size_t size);
