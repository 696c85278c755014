/* Computing digests, with libcrypto (SHA-NI): only in code that the engine module links. */
#pragma once

#include "core/digest.h"

#include <stddef.h>
#include <stdint.h>

struct nxc_hash; /* a running SHA-256 or SHA-512 */

/* algorithm: "sha256" or "sha512". NULL: out of memory or unknown. */
struct nxc_hash *nxc_hash_new(const char *algorithm);
void nxc_hash_update(struct nxc_hash *h, const void *data, size_t len);
/* Ends it; may be called once. */
void nxc_hash_finish(struct nxc_hash *h, struct nxc_digest *ret);
void nxc_hash_free(struct nxc_hash *h);

/* The digest of a buffer, and of all of an fd from its start (ret_size may be NULL). */
int nxc_hash_buffer(
        const char *algorithm, const void *data, size_t len, struct nxc_digest *ret, struct nxc_error *err);
int nxc_hash_fd(
        const char *algorithm, int fd, struct nxc_digest *ret, uint64_t *ret_size, struct nxc_error *err);
