/* The image store from inside: the open layout and its index.json. This folder only, and its tests.
 *
 * Theory of operation. Readers take no lock: index.json is replaced whole by rename, and blobs never change.
 * Writers (tag, untag, commit, collect) hold ".lock" exclusively from reading index.json to publishing it. A
 * blob that a reader found in index.json may be collected under its hands; it then finds index.json changed
 * and looks again. */
#pragma once

#include "image/image.h"

#define NXC_INDEX_MAX_BYTES (64u << 20) /* a hundred thousand images */
#define NXC_INDEX_MAX_DEPTH 3           /* of an index in an index; nobody is known to go beyond two */
#define NXC_STAGING_PREFIX ".staging-"

#define NXC_ANNOTATION_NAME "org.opencontainers.image.ref.name"
#define NXC_ANNOTATION_INDEX \
        "org.nexcage.image.index.digest" /* of the index that the manifest was chosen from */
#define NXC_ANNOTATION_CONFIG \
        "org.nexcage.image.config.digest" /* the image id, so that looking by id reads one file */

struct nxc_image_store {
        int dir_fd; /* <store>/images; negative: there is none, an empty store */
        struct nxc_lru
                *documents; /* manifests and configurations as read, by digest; NULL until there are */
};
#define NXC_DOCUMENTS_MAX_BYTES (4u << 20) /* of their text: of some hundred images */

/* An entry of index.json; everything is borrowed from the document. */
struct nxc_layout_entry {
        const char *name;          /* NULL: untagged */
        const char *digest;        /* valid */
        const char *media_type;    /* or NULL */
        const char *index_digest;  /* or NULL */
        const char *config_digest; /* or NULL */
        uint64_t size;
        json_t *json;
};

struct nxc_layout {
        json_t *doc; /* index.json, owned */
        struct nxc_layout_entry *entries;
        size_t n;
};

/* Entries that make no sense are left out; a document that is no index is InvalidImage. */
int nxc_layout_parse(const char *text, size_t len, struct nxc_layout *ret, struct nxc_error *err);
/* Reads index.json; an absent store or file is an empty layout. */
int nxc_layout_load(struct nxc_image_store *s, struct nxc_layout *ret, struct nxc_error *err);
/* Synced: after it returns, a power cut does not take it back. The lock must be held. */
int nxc_layout_publish(struct nxc_image_store *s, const struct nxc_layout *l, struct nxc_error *err);
void nxc_layout_done(struct nxc_layout *l);
int nxc_layout_lock(struct nxc_image_store *s, int *ret_fd, struct nxc_error *err);

/* What an entry says of an image. */
struct nxc_layout_image {
        const char *digest, *media_type, *index_digest, *config_digest; /* the last two may be "" or NULL */
        const struct nxc_platform *platform;                            /* or NULL */
        uint64_t size;
};
/* Enters the image under name (NULL: untagged, unless it has an entry already). An older holder of the name
 * loses it and stays untagged when that was its only one. The entries of l are stale afterwards; only its
 * document is current. */
int nxc_layout_enter(
        struct nxc_layout *l, const struct nxc_layout_image *image, const char *name, struct nxc_error *err);
/* Takes an entry away; keep_untagged: leaves the image untagged when it has no other. */
int nxc_layout_remove(
        struct nxc_layout *l, const struct nxc_layout_entry *e, bool keep_untagged, struct nxc_error *err);

/* The entry that a name, digest or id means: see nxc_image_find. */
int nxc_layout_find(struct nxc_image_store *s, const struct nxc_layout *l, const char *name,
        const struct nxc_layout_entry **ret, struct nxc_error *err);
/* Reads the image that an entry leads to: through indexes, the host's platform. */
int nxc_image_load(struct nxc_image_store *s, const struct nxc_layout_entry *e, struct nxc_image **ret,
        struct nxc_error *err);
/* Reads a JSON blob of at most limit bytes; once in this process, as long as it is remembered. The
 * document is not to be changed. */
int nxc_image_read_document(struct nxc_image_store *s, const struct nxc_digest *digest, uint64_t size,
        size_t limit, json_t **ret, struct nxc_error *err);

/* Calls fn for every staging area: its directory, and whether its owner is gone; then it is locked until fn
 * returns. */
typedef int (*nxc_staging_fn)(void *arg, const char *name, int fd, bool is_dead, struct nxc_error *err);
int nxc_image_each_staging(struct nxc_image_store *s, nxc_staging_fn fn, void *arg, struct nxc_error *err);
