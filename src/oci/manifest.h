/* Image documents (OCI image-spec 1.1, docker schema 2): descriptor, index, manifest, configuration.
 * Strict: the mediaType must match, a document with both `manifests` and `layers`/`config` is refused
 * (CVE-2021-41190), digests are parsed before use, counts and sizes are capped. Errors: InvalidImage
 * naming the field. */
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
#define NXC_MAX_LAYERS 500            /* overlayfs takes 500 lower layers */
#define NXC_INDEX_MAX_MANIFESTS 32768 /* what fits into NXC_MANIFEST_MAX_BYTES, rounded up */
#define NXC_IMAGE_MAX_BYTES \
        (1ull << 40) /* of all layers, compressed: far above what is made, far below overflow */
#define NXC_ARCHIVE_MAX_IMAGES 1024 /* of a docker-archive */

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
        char ref_name[400]; /* annotation org.opencontainers.image.ref.name, or ""; name 255, tag 128 */
};

enum nxc_document_kind { NXC_DOC_INDEX, NXC_DOC_MANIFEST };

/* media_type: what the transport said, or NULL; has to agree with the document. Types that say nothing
 * (JSON, text, octet-stream), as plain file servers send them, count as NULL. */
int nxc_document_kind(
        const json_t *doc, const char *media_type, enum nxc_document_kind *ret, struct nxc_error *err);

struct nxc_manifest {
        struct nxc_descriptor config;
        struct nxc_descriptor *layers; /* base first */
        size_t n_layers;
};
/* Layers with `urls` of a foreign type, and artifacts whose configuration is not an image's, are refused
 * by name. */
int nxc_manifest_parse(const json_t *doc, struct nxc_manifest *ret, struct nxc_error *err);
void nxc_manifest_done(struct nxc_manifest *m);

struct nxc_index {
        struct nxc_descriptor *manifests;
        size_t n_manifests;
};
int nxc_index_parse(const json_t *doc, struct nxc_index *ret, struct nxc_error *err);
void nxc_index_done(struct nxc_index *ix);

/* The GOARCH and variant of a uname machine ("x86_64" -> "amd64", ""); the machine itself when unknown. */
void nxc_platform_from_machine(const char *machine, struct nxc_platform *ret);
#define NXC_PLATFORM_TEXT_MAX 100
/* As nxc_platform_parse takes it. */
void nxc_platform_text(const struct nxc_platform *p, char ret[static NXC_PLATFORM_TEXT_MAX]);
/* "linux/amd64", "linux/arm64/v8", "arm64", "linux"; Usage when malformed. The host's when text is NULL. */
int nxc_platform_parse(const char *text, struct nxc_platform *ret, struct nxc_error *err);
/* The best entry for a platform, or ImageNotFound that lists what there is: the highest variant not
 * above the wanted one; unknown/unknown (attestations) and other documents than manifests and indexes
 * skipped; an only entry without a platform serves when nothing else does. Borrowed from ix. The entry
 * may be an index again. */
int nxc_index_select(const struct nxc_index *ix, const struct nxc_platform *want,
        const struct nxc_descriptor **ret, struct nxc_error *err);

/* The image configuration: what composes a container. What becomes a path, user, signal, port or
 * variable name is never with control characters; arguments, values and labels may hold any but NUL. */
struct nxc_image_config {
        struct nxc_platform platform;           /* os is "linux" */
        char *created, *author;                 /* or NULL */
        char *user, *working_dir, *stop_signal; /* or NULL, never "" */
        struct nxc_strv env, entrypoint, cmd, volumes, exposed_ports;
        json_t *labels;              /* object of strings; owned; or NULL */
        struct nxc_digest *diff_ids; /* base first */
        size_t n_diff_ids;
};
int nxc_image_config_parse(const json_t *doc, struct nxc_image_config *ret, struct nxc_error *err);
void nxc_image_config_done(struct nxc_image_config *c);

/* The manifest's layers are the configuration's diff_ids, one for one. */
int nxc_image_check_consistent(
        const struct nxc_manifest *m, const struct nxc_image_config *c, struct nxc_error *err);

/* The manifest.json of a docker-archive: one entry per image; names of members of the archive, beneath
 * its root. */
struct nxc_docker_archive_image {
        char *config;
        struct nxc_strv repo_tags, layers; /* layers base first */
};
struct nxc_docker_archive {
        struct nxc_docker_archive_image *images;
        size_t n_images;
};
int nxc_docker_archive_parse(const json_t *doc, struct nxc_docker_archive *ret, struct nxc_error *err);
void nxc_docker_archive_done(struct nxc_docker_archive *a);
