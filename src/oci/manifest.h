/* Image documents (OCI image-spec 1.1, docker schema 2): descriptor, index, manifest, configuration. Strict: the
 * mediaType must match, a document with both `manifests` and `layers`/`config` is refused (CVE-2021-41190), digests are
 * parsed before use, counts and sizes are capped. Errors: InvalidImage naming the field. */
#pragma once

#include "core/digest.h"
#include "core/error.h"
#include "core/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NXC_MANIFEST_MAX_BYTES (4u << 20) /* what registries accept (distribution-spec) */
#define NXC_IMAGE_CONFIG_MAX_BYTES (8u << 20)
#define NXC_MAX_LAYERS 500 /* overlayfs takes 500 lower layers */

#define NXC_MT_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define NXC_MT_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define NXC_MT_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define NXC_MT_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define NXC_MT_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define NXC_MT_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"

enum nxc_compression { NXC_COMPRESSION_NONE, NXC_COMPRESSION_GZIP, NXC_COMPRESSION_ZSTD };

struct nxc_platform {
        char os[32], arch[32], variant[32]; /* GOOS, GOARCH; variant may be "" */
};

struct nxc_descriptor {
        struct nxc_digest digest;
        uint64_t size;
        char media_type[160];
        enum nxc_compression compression; /* of a layer */
        struct nxc_platform platform;     /* of an index entry; os "" when absent */
        char ref_name[320];               /* annotation org.opencontainers.image.ref.name, or "" */
};

enum nxc_document_kind { NXC_DOC_INDEX, NXC_DOC_MANIFEST };

/* media_type: what the transport said, or NULL; has to agree with the document. */
int nxc_document_kind(const json_t *doc, const char *media_type, enum nxc_document_kind *ret, struct nxc_error *err);

struct nxc_manifest {
        struct nxc_descriptor config;
        struct nxc_descriptor *layers; /* base first */
        size_t n_layers;
};
int nxc_manifest_parse(const json_t *doc, struct nxc_manifest *ret, struct nxc_error *err);
void nxc_manifest_done(struct nxc_manifest *m);

struct nxc_index {
        struct nxc_descriptor *manifests;
        size_t n_manifests;
};
int nxc_index_parse(const json_t *doc, struct nxc_index *ret, struct nxc_error *err);
void nxc_index_done(struct nxc_index *ix);

/* "linux/amd64", "linux/arm64/v8", "arm64"; Usage when malformed. The host's when text is NULL. */
int nxc_platform_parse(const char *text, struct nxc_platform *ret, struct nxc_error *err);
/* The best entry for a platform (exact variant, then compatible ones; unknown/unknown skipped), or ImageNotFound that
 * lists what there is. Borrowed from ix. */
int nxc_index_select(const struct nxc_index *ix, const struct nxc_platform *want, const struct nxc_descriptor **ret,
        struct nxc_error *err);

/* The image configuration: what composes a container. Strings are never with control characters. */
struct nxc_image_config {
        struct nxc_platform platform;
        char *created, *author; /* or NULL */
        char *user, *working_dir, *stop_signal; /* or NULL */
        struct nxc_strv env, entrypoint, cmd, volumes, exposed_ports;
        json_t *labels; /* object of strings; owned; or NULL */
        struct nxc_digest *diff_ids; /* base first */
        size_t n_diff_ids;
};
int nxc_image_config_parse(const json_t *doc, struct nxc_image_config *ret, struct nxc_error *err);
void nxc_image_config_done(struct nxc_image_config *c);
