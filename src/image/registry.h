/* A registry (distribution-spec 1.1) as a client sees it: manifests and blobs of one repository, with
 * authentication, redirects, retries and TLS as CONTRACT.md section 2 and SECURITY.md section 3 have them.
 * Engine module only. */
#pragma once

#include "image/intake.h"
#include "image/reference.h"
#include "image/registry-opts.h"

struct nxc_registry; /* one repository on one host */

/* Talks to nobody yet. What opts points to has to stay until close. */
int nxc_registry_open(const struct nxc_reference *ref, const struct nxc_registry_opts *opts,
        struct nxc_registry **ret, struct nxc_error *err);
void nxc_registry_close(struct nxc_registry *r);

/* A manifest or index by tag or digest: at most NXC_MANIFEST_MAX_BYTES, its digest computed here and
 * compared with the one asked for. ImageNotFound (404), Unauthorized (401, 403), RegistryError otherwise.
 * ret_data is malloc'ed. ret_desc gets digest, size and media type. */
int nxc_registry_get_manifest(struct nxc_registry *r, const char *tag_or_digest, char **ret_data,
        struct nxc_descriptor *ret_desc, struct nxc_error *err);
/* The digest that a tag has now, by HEAD, for --pull=newer. */
int nxc_registry_head_manifest(
        struct nxc_registry *r, const char *tag_or_digest, struct nxc_digest *ret, struct nxc_error *err);
/* Writes a blob into w, going on with Range after a break. progress (may be NULL) is called from the calling
 * thread with the bytes of this blob so far. The digest is compared when w is closed; a short or long blob
 * never gets there. Thread safe: each call uses a connection of its own, kept alive for the next call of
 * that thread. */
int nxc_registry_get_blob(struct nxc_registry *r, const struct nxc_descriptor *desc,
        struct nxc_blob_writer *w, void (*progress)(void *arg, uint64_t bytes), void *arg,
        struct nxc_error *err);
