/* Manifests and indexes. A manifest decides which bytes become a root filesystem, and it comes from
 * outside: nothing in it is believed before it was checked here, and what we do not know is refused by
 * name. */
#include "oci/manifest.h"

#include "oci/image-doc-internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define JSON_INT_MAX \
        (1ll << 53) /* the largest size that every JSON implementation reads alike (RFC 8259, section 6) */

struct layer_type {
        const char *media_type;
        enum nxc_compression compression;
        bool foreign; /* its bytes lie behind `urls` */
};
static const struct layer_type layer_types[] = {
        { "application/vnd.oci.image.layer.v1.tar", NXC_COMPRESSION_NONE },
        { "application/vnd.oci.image.layer.v1.tar+gzip", NXC_COMPRESSION_GZIP },
        { "application/vnd.oci.image.layer.v1.tar+zstd", NXC_COMPRESSION_ZSTD },
        { "application/vnd.oci.image.layer.nondistributable.v1.tar", NXC_COMPRESSION_NONE, true },
        { "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", NXC_COMPRESSION_GZIP, true },
        { "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", NXC_COMPRESSION_ZSTD, true },
        { "application/vnd.docker.image.rootfs.diff.tar", NXC_COMPRESSION_NONE },
        { "application/vnd.docker.image.rootfs.diff.tar.gzip", NXC_COMPRESSION_GZIP },
        { "application/vnd.docker.image.rootfs.diff.tar.zstd", NXC_COMPRESSION_ZSTD },
        { "application/vnd.docker.image.rootfs.foreign.diff.tar", NXC_COMPRESSION_NONE, true },
        { "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", NXC_COMPRESSION_GZIP, true },
};

static const struct {
        const char *media_type;
        enum nxc_document_kind kind;
} document_types[] = {
        { NXC_MT_OCI_INDEX, NXC_DOC_INDEX },
        { NXC_MT_DOCKER_LIST, NXC_DOC_INDEX },
        { NXC_MT_OCI_MANIFEST, NXC_DOC_MANIFEST },
        { NXC_MT_DOCKER_MANIFEST, NXC_DOC_MANIFEST },
};

/* A Content-Type without its parameters; false when it says nothing about the document. */
static bool said_type(const char *content_type, char *ret, size_t size)
{
        static const char *const generic[] = { "", "application/json", "application/octet-stream",
                "text/plain" };
        size_t n = content_type ? strcspn(content_type, "; \t") : 0;

        snprintf(ret, size, "%.*s", (int)(n < size ? n : size - 1), content_type ? content_type : "");
        for (size_t i = 0; i < NXC_ARRAY_SIZE(generic); i++)
                if (strcasecmp(ret, generic[i]) == 0)
                        return false;
        return true;
}

static int known_document(const char *media_type, enum nxc_document_kind *ret, struct nxc_error *err)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(document_types); i++) {
                if (nxc_streq(media_type, document_types[i].media_type)) {
                        *ret = document_types[i].kind;
                        return 0;
                }
        }
        if (nxc_starts_with(media_type, "application/vnd.docker.distribution.manifest.v1+"))
                return nxc_doc_fail(
                        err, "manifest", "docker image manifest version 2, schema 1 is not supported");
        return nxc_doc_fail(err, "manifest", "media type '%.160s' is neither an image manifest nor an index",
                media_type);
}

/* What the members say; both kinds at once is the confusion of CVE-2021-41190. */
static int kind_by_members(const json_t *doc, enum nxc_document_kind *ret, struct nxc_error *err)
{
        bool index = json_object_get(doc, "manifests");
        bool manifest = json_object_get(doc, "layers") || json_object_get(doc, "config");

        if (index && manifest)
                return nxc_doc_fail(err, "manifest", "has both 'manifests' and 'layers' or 'config'");
        if (!index && !manifest)
                return nxc_doc_fail(err, "manifest", "has neither 'manifests' nor 'layers' and 'config'");
        *ret = index ? NXC_DOC_INDEX : NXC_DOC_MANIFEST;
        return 0;
}

static int check_schema_version(const json_t *doc, struct nxc_error *err)
{
        const json_t *version = json_object_get(doc, "schemaVersion");

        if (!version)
                return nxc_doc_fail(err, "manifest", "'schemaVersion' is missing");
        if (json_is_integer(version) && json_integer_value(version) == 1)
                return nxc_doc_fail(
                        err, "manifest", "docker image manifest version 2, schema 1 is not supported");
        if (!json_is_integer(version) || json_integer_value(version) != 2)
                return nxc_doc_fail(err, "manifest", "'schemaVersion' is not 2");
        return 0;
}

int nxc_document_kind(
        const json_t *doc, const char *media_type, enum nxc_document_kind *ret, struct nxc_error *err)
{
        enum nxc_document_kind by_members = NXC_DOC_MANIFEST, by_type = NXC_DOC_MANIFEST;
        const char *own = NULL, *type;
        char said[160];
        bool is_said = said_type(media_type, said, sizeof(said));
        int r;

        if (!json_is_object(doc))
                return nxc_doc_fail(err, "manifest", "is not a JSON object");
        r = check_schema_version(doc, err);
        if (r == 0)
                r = nxc_doc_string(doc, "manifest", "mediaType", 0, &own, err);
        if (r == 0)
                r = kind_by_members(doc, &by_members, err);
        if (r < 0)
                return r;
        if (is_said && own && strcasecmp(said, own) != 0)
                return nxc_doc_fail(
                        err, "manifest", "was sent as '%s' but says 'mediaType' '%.160s'", said, own);
        type = own ? own : is_said ? said : NULL;
        if (type) {
                r = known_document(type, &by_type, err);
                if (r < 0)
                        return r;
                if (by_type != by_members)
                        return nxc_doc_fail(
                                err, "manifest", "its members are not those of media type '%s'", type);
        }
        *ret = by_members;
        return 0;
}

static int copy_text(const json_t *o, const char *where, const char *key, int flags, char *ret, size_t size,
        struct nxc_error *err)
{
        const char *s;
        int r = nxc_doc_string(o, where, key, flags, &s, err);

        if (r < 0)
                return r;
        if (s && strlen(s) >= size)
                return nxc_doc_fail(err, where, "'%s' is longer than %zu characters", key, size - 1);
        snprintf(ret, size, "%s", s ? s : "");
        return 0;
}

static int parse_size(const json_t *o, const char *where, uint64_t *ret, struct nxc_error *err)
{
        const json_t *size = json_object_get(o, "size");

        if (!json_is_integer(size))
                return nxc_doc_fail(err, where, size ? "'size' is not an integer" : "'size' is missing");
        if (json_integer_value(size) < 0 || json_integer_value(size) > JSON_INT_MAX)
                return nxc_doc_fail(
                        err, where, "'size' %lld is out of range", (long long)json_integer_value(size));
        *ret = (uint64_t)json_integer_value(size);
        return 0;
}

static int parse_platform(
        const json_t *o, const char *where, struct nxc_platform *ret, struct nxc_error *err)
{
        char sub[NXC_DOC_WHERE_MAX];
        json_t *platform;
        int r = nxc_doc_object(o, where, "platform", 0, &platform, err);

        if (r < 0 || !platform)
                return r;
        snprintf(sub, sizeof(sub), "%s.platform", where);
        r = copy_text(platform, sub, "os", NXC_DOC_REQUIRED, ret->os, sizeof(ret->os), err);
        if (r == 0)
                r = copy_text(
                        platform, sub, "architecture", NXC_DOC_REQUIRED, ret->arch, sizeof(ret->arch), err);
        if (r == 0)
                r = copy_text(platform, sub, "variant", 0, ret->variant, sizeof(ret->variant), err);
        return r;
}

/* An embedded `data` is not looked at: the bytes are fetched and verified like any other. */
static int parse_descriptor(
        const json_t *o, const char *where, struct nxc_descriptor *ret, struct nxc_error *err)
{
        struct nxc_descriptor d = { 0 };
        json_t *annotations;
        const char *digest;
        int r;

        if (!json_is_object(o))
                return nxc_doc_fail(err, where, "is not a descriptor object");
        r = copy_text(o, where, "mediaType", NXC_DOC_REQUIRED, d.media_type, sizeof(d.media_type), err);
        if (r == 0)
                r = nxc_doc_string(o, where, "digest", NXC_DOC_REQUIRED, &digest, err);
        if (r < 0)
                return r;
        if (nxc_digest_parse(digest, &d.digest, err) < 0)
                return nxc_error_wrap(err, "%s", where);
        r = parse_size(o, where, &d.size, err);
        if (r == 0)
                r = parse_platform(o, where, &d.platform, err);
        if (r == 0)
                r = nxc_doc_object(o, where, "annotations", 0, &annotations, err);
        if (r == 0 && annotations)
                r = copy_text(annotations, where, "org.opencontainers.image.ref.name", 0, d.ref_name,
                        sizeof(d.ref_name), err);
        if (r == 0)
                *ret = d;
        return r;
}

static int check_config(const struct nxc_descriptor *config, struct nxc_error *err)
{
        if (!nxc_streq(config->media_type, NXC_MT_OCI_CONFIG) &&
                !nxc_streq(config->media_type, NXC_MT_DOCKER_CONFIG))
                return nxc_doc_fail(err, "manifest.config", "is an artifact of type '%s', not an image",
                        config->media_type);
        if (config->size > NXC_IMAGE_CONFIG_MAX_BYTES)
                return nxc_doc_fail(err, "manifest.config", "has %llu bytes (at most %u)",
                        (unsigned long long)config->size, NXC_IMAGE_CONFIG_MAX_BYTES);
        return 0;
}

static int check_layer(
        const json_t *o, const char *where, struct nxc_descriptor *layer, struct nxc_error *err)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(layer_types); i++) {
                if (!nxc_streq(layer->media_type, layer_types[i].media_type))
                        continue;
                /* Fetching from where a manifest points sends requests, and formerly credentials, to a
                 * host that the user never named (CVE-2020-15157). */
                if (layer_types[i].foreign && json_array_size(json_object_get(o, "urls")) > 0)
                        return nxc_doc_fail(err, where,
                                "is a foreign layer ('%s' with 'urls'), which are refused",
                                layer->media_type);
                layer->compression = layer_types[i].compression;
                return 0;
        }
        return nxc_doc_fail(err, where, "media type '%s' of a layer is not supported", layer->media_type);
}

static int parse_layers(const json_t *layers, struct nxc_manifest *m, struct nxc_error *err)
{
        char where[NXC_DOC_WHERE_MAX];
        uint64_t sum = 0;
        json_t *item;
        size_t i;
        int r;

        if (json_array_size(layers) == 0)
                return nxc_doc_fail(err, "manifest", "has no layers");
        if (json_array_size(layers) > NXC_MAX_LAYERS)
                return nxc_doc_fail(err, "manifest", "has %zu layers (at most %d)", json_array_size(layers),
                        NXC_MAX_LAYERS);
        m->layers = calloc(json_array_size(layers), sizeof(*m->layers));
        if (!m->layers)
                return nxc_oom(err);
        json_array_foreach (layers, i, item) {
                snprintf(where, sizeof(where), "manifest.layers[%zu]", i);
                r = parse_descriptor(item, where, &m->layers[i], err);
                if (r == 0)
                        r = check_layer(item, where, &m->layers[i], err);
                if (r < 0)
                        return r;
                m->n_layers++;
                sum += m->layers[i].size;
                if (sum > NXC_IMAGE_MAX_BYTES)
                        return nxc_doc_fail(err, "manifest", "its layers have more than %llu bytes",
                                NXC_IMAGE_MAX_BYTES);
        }
        return 0;
}

int nxc_manifest_parse(const json_t *doc, struct nxc_manifest *ret, struct nxc_error *err)
{
        struct nxc_manifest m = { 0 };
        enum nxc_document_kind kind;
        json_t *config, *layers;
        int r = nxc_document_kind(doc, NULL, &kind, err);

        if (r < 0)
                return r;
        if (kind != NXC_DOC_MANIFEST)
                return nxc_doc_fail(err, "manifest", "is an index");
        r = nxc_doc_object(doc, "manifest", "config", NXC_DOC_REQUIRED, &config, err);
        if (r == 0)
                r = nxc_doc_array(doc, "manifest", "layers", NXC_DOC_REQUIRED, &layers, err);
        if (r == 0)
                r = parse_descriptor(config, "manifest.config", &m.config, err);
        if (r == 0)
                r = check_config(&m.config, err);
        if (r == 0)
                r = parse_layers(layers, &m, err);
        if (r < 0) {
                nxc_manifest_done(&m);
                return r;
        }
        *ret = m;
        return 0;
}

void nxc_manifest_done(struct nxc_manifest *m)
{
        free(m->layers);
        *m = (struct nxc_manifest){ 0 };
}

static int parse_entries(const json_t *manifests, struct nxc_index *ix, struct nxc_error *err)
{
        char where[NXC_DOC_WHERE_MAX];
        json_t *item;
        size_t i;
        int r;

        if (json_array_size(manifests) > NXC_INDEX_MAX_MANIFESTS)
                return nxc_doc_fail(err, "index", "has %zu entries (at most %d)", json_array_size(manifests),
                        NXC_INDEX_MAX_MANIFESTS);
        ix->manifests = calloc(json_array_size(manifests) + 1, sizeof(*ix->manifests));
        if (!ix->manifests)
                return nxc_oom(err);
        json_array_foreach (manifests, i, item) {
                snprintf(where, sizeof(where), "index.manifests[%zu]", i);
                r = parse_descriptor(item, where, &ix->manifests[i], err);
                if (r < 0)
                        return r;
                if (ix->manifests[i].size > NXC_MANIFEST_MAX_BYTES)
                        return nxc_doc_fail(err, where, "has %llu bytes (at most %u)",
                                (unsigned long long)ix->manifests[i].size, NXC_MANIFEST_MAX_BYTES);
                ix->n_manifests++;
        }
        return 0;
}

int nxc_index_parse(const json_t *doc, struct nxc_index *ret, struct nxc_error *err)
{
        struct nxc_index ix = { 0 };
        enum nxc_document_kind kind;
        json_t *manifests;
        int r = nxc_document_kind(doc, NULL, &kind, err);

        if (r < 0)
                return r;
        if (kind != NXC_DOC_INDEX)
                return nxc_doc_fail(err, "index", "is a manifest");
        r = nxc_doc_array(doc, "index", "manifests", NXC_DOC_REQUIRED, &manifests, err);
        if (r == 0)
                r = parse_entries(manifests, &ix, err);
        if (r < 0) {
                nxc_index_done(&ix);
                return r;
        }
        *ret = ix;
        return 0;
}

void nxc_index_done(struct nxc_index *ix)
{
        free(ix->manifests);
        *ix = (struct nxc_index){ 0 };
}

int nxc_image_check_consistent(
        const struct nxc_manifest *m, const struct nxc_image_config *c, struct nxc_error *err)
{
        if (m->n_layers != c->n_diff_ids)
                return nxc_doc_fail(err, "image",
                        "its manifest has %zu layers and its configuration %zu diff_ids", m->n_layers,
                        c->n_diff_ids);
        return 0;
}
