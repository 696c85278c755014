/* See image.h: from what the user typed to one image, reading index.json, the manifest and the
 * configuration. */
#include "image/store-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/lru.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MIN_ID_PREFIX 6    /* shorter ones look like names */
#define MAX_RACE_RETRIES 3 /* of a reader whose blob was collected while it read */

int nxc_image_blob_open(struct nxc_image_store *s, const struct nxc_digest *digest, uint64_t size,
        int *ret_fd, struct nxc_error *err)
{
        char path[NXC_DIGEST_MAX + 8];
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        nxc_digest_blob_path(digest, path, sizeof(path));
        if (s->dir_fd < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, ENOENT, "open blob '%s'", digest->text);
        fd = openat(s->dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ELOOP))
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, errno, "open blob '%s'", digest->text);
        if (fd < 0 || fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "open blob '%s'", digest->text);
        if (!S_ISREG(st.st_mode))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_IMAGE, 0, "blob '%s' is not a regular file", digest->text);
        if (size && (uint64_t)st.st_size != size)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "blob '%s' has %llu bytes instead of %llu", digest->text,
                        (unsigned long long)st.st_size, (unsigned long long)size);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static void forget_document(void *document)
{
        json_decref(document);
}

/* It is a help only: without memory for it there is none. */
static void remember_document(
        struct nxc_image_store *s, const struct nxc_digest *digest, json_t *document, size_t len)
{
        if (!s->documents)
                s->documents = nxc_lru_new(NXC_DOCUMENTS_MAX_BYTES, forget_document);
        if (s->documents)
                nxc_lru_put(s->documents, digest->text, json_incref(document), len);
}

int nxc_image_read_document(struct nxc_image_store *s, const struct nxc_digest *digest, uint64_t size,
        size_t limit, json_t **ret, struct nxc_error *err)
{
        json_t *known = s->documents ? nxc_lru_get(s->documents, digest->text) : NULL;
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r = nxc_image_blob_open(s, digest, size, &fd, err); /* it has to be there still */

        if (r < 0)
                return r;
        if (known) {
                *ret = json_incref(known);
                return 0;
        }
        r = nxc_read_fd(fd, limit, &text, &len, err, digest->text);
        if (r == 0)
                r = nxc_json_parse(text, len, digest->text, ret, err);
        if (r == 0)
                remember_document(s, digest, *ret, len);
        if (r == -EFBIG ||
                r == -EINVAL) /* too large, or no JSON: the image's fault; the rest is the machine's */
                nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
        return r;
}

void nxc_image_free(struct nxc_image *image)
{
        if (!image)
                return;
        free(image->name);
        nxc_manifest_done(&image->manifest);
        nxc_image_config_done(&image->config);
        json_decref(image->config_json);
        json_decref(image->manifest_json);
        free(image);
}

static void nxc_image_freep(struct nxc_image **image)
{
        nxc_image_free(*image);
}

static void index_donep(struct nxc_index *ix)
{
        nxc_index_done(ix);
}

/* Goes down from the entry's document to a manifest; *size is the document's on both sides. */
static int find_manifest(struct nxc_image_store *s, struct nxc_image *image, const char *media_type,
        uint64_t *size, struct nxc_error *err)
{
        struct nxc_descriptor next = { 0 };
        struct nxc_platform host;
        int r = 0;

        for (int depth = 0; r == 0; depth++) {
                _cleanup_(index_donep) struct nxc_index ix = { 0 };
                _cleanup_json_ json_t *doc = NULL;
                const struct nxc_descriptor *chosen;
                enum nxc_document_kind kind;

                r = nxc_image_read_document(s, &image->digest, *size, NXC_MANIFEST_MAX_BYTES, &doc, err);
                if (r == 0)
                        r = nxc_document_kind(doc, media_type, &kind, err);
                if (r < 0)
                        return r;
                if (kind == NXC_DOC_MANIFEST) {
                        image->manifest_json = TAKE_PTR(doc);
                        return nxc_manifest_parse(image->manifest_json, &image->manifest, err);
                }
                if (depth == NXC_INDEX_MAX_DEPTH)
                        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                                "index '%s' is nested deeper than %d", image->digest.text,
                                NXC_INDEX_MAX_DEPTH);
                r = nxc_index_parse(doc, &ix, err);
                if (r == 0)
                        r = nxc_platform_parse(NULL, &host, err);
                if (r == 0)
                        r = nxc_index_select(&ix, &host, &chosen, err);
                if (r < 0)
                        return r;
                if (depth == 0)
                        image->index_digest = image->digest;
                next = *chosen;
                image->digest = next.digest;
                media_type = next.media_type;
                *size = next.size;
        }
        return r;
}

static int load_config(struct nxc_image_store *s, struct nxc_image *image, struct nxc_error *err)
{
        const struct nxc_descriptor *d = &image->manifest.config;
        int r = nxc_image_read_document(
                s, &d->digest, d->size, NXC_IMAGE_CONFIG_MAX_BYTES, &image->config_json, err);

        if (r == 0)
                r = nxc_image_config_parse(image->config_json, &image->config, err);
        if (r == 0)
                r = nxc_image_check_consistent(&image->manifest, &image->config, err);
        return r < 0 ? nxc_error_wrap(err, "configuration") : 0;
}

int nxc_image_load(struct nxc_image_store *s, const struct nxc_layout_entry *e, struct nxc_image **ret,
        struct nxc_error *err)
{
        _cleanup_(nxc_image_freep) struct nxc_image *image = calloc(1, sizeof(*image));
        const char *what = e->name ? e->name : e->digest;
        uint64_t size = e->size;
        int r;

        if (!image || (e->name && !(image->name = strdup(e->name))))
                return nxc_oom(err);
        snprintf(image->digest.text, sizeof(image->digest.text), "%s", e->digest);
        r = find_manifest(s, image, e->media_type, &size, err);
        if (r < 0) {
                nxc_error_wrap(err, "image '%s': manifest", what);
                return r;
        }
        r = load_config(s, image, err);
        if (r < 0) {
                nxc_error_wrap(err, "image '%s'", what);
                return r;
        }
        if (!image->index_digest.text[0] && e->index_digest)
                snprintf(image->index_digest.text, sizeof(image->index_digest.text), "%s", e->index_digest);
        image->id = image->manifest.config.digest;
        image->size_bytes = size + image->manifest.config.size;
        for (size_t i = 0; i < image->manifest.n_layers; i++)
                image->size_bytes += image->manifest.layers[i].size;
        *ret = TAKE_PTR(image);
        return 0;
}

/* "host/path" of a name, without tag and digest. */
static size_t repository_len(const char *name)
{
        size_t n = strcspn(name, "@");
        const char *slash = memrchr(name, '/', n);
        const char *colon = memrchr(slash ? slash : name, ':', n - (size_t)(slash ? slash - name : 0));

        return colon ? (size_t)(colon - name) : n;
}

static const struct nxc_layout_entry *find_name(const struct nxc_layout *l, const char *name)
{
        for (size_t i = 0; i < l->n; i++) {
                if (l->entries[i].name && strcmp(l->entries[i].name, name) == 0)
                        return &l->entries[i];
        }
        return NULL;
}

static bool entry_has_digest(const struct nxc_layout_entry *e, const char *digest)
{
        return strcmp(e->digest, digest) == 0 || nxc_streq(e->index_digest, digest);
}

/* repository: "host/path", or NULL for any. */
static const struct nxc_layout_entry *find_digest(
        const struct nxc_layout *l, const char *repository, const char *digest)
{
        for (size_t i = 0; i < l->n; i++) {
                const struct nxc_layout_entry *e = &l->entries[i];

                if (!entry_has_digest(e, digest))
                        continue;
                if (!repository)
                        return e;
                if (e->name && strlen(repository) == repository_len(e->name) &&
                        strncmp(e->name, repository, repository_len(e->name)) == 0)
                        return e;
        }
        return NULL;
}

/* A name that says no registry: one word, or a first component that can be no host. */
static bool is_short_name(const char *name)
{
        size_t n = strcspn(name, "/");

        if (name[n] != '/')
                return true;
        return !memchr(name, '.', n) && !memchr(name, ':', n) &&
               !(n == 9 && memcmp(name, "localhost", 9) == 0);
}

static int find_reference(const struct nxc_layout *l, const char *name, const struct nxc_layout_entry **ret,
        struct nxc_error *err)
{
        struct nxc_reference ref;
        _cleanup_free_ char *canonical = NULL;
        int r = nxc_reference_parse(name, &ref, err);

        if (r < 0)
                return r;
        canonical = nxc_reference_format(&ref);
        if (!canonical)
                return nxc_oom(err);
        *ret = find_name(l, canonical);
        if (!*ret && ref.digest.text[0]) {
                canonical[repository_len(canonical)] = '\0';
                *ret = find_digest(l, canonical, ref.digest.text);
        }
        return 0;
}

/* Ids: of the configuration. Entries that say none need their manifest read. */
static int config_digest_of(
        struct nxc_image_store *s, const struct nxc_layout_entry *e, struct nxc_digest *ret)
{
        struct nxc_image *image = NULL;
        int r;

        if (e->config_digest) {
                snprintf(ret->text, sizeof(ret->text), "%s", e->config_digest);
                return 0;
        }
        r = nxc_image_load(s, e, &image, NULL);
        if (r < 0)
                return r; /* an unreadable image has no id */
        *ret = image->id;
        nxc_image_free(image);
        return 0;
}

static bool is_id_prefix(const char *name)
{
        size_t n = strlen(name);

        return n >= MIN_ID_PREFIX && n <= 128 && strspn(name, "0123456789abcdef") == n;
}

static int find_id(struct nxc_image_store *s, const struct nxc_layout *l, const char *prefix,
        const struct nxc_layout_entry **ret, struct nxc_error *err)
{
        struct nxc_digest found = { 0 };

        for (size_t i = 0; i < l->n; i++) {
                struct nxc_digest id;

                int r = config_digest_of(s, &l->entries[i], &id);

                if (r == -ENOMEM)
                        return nxc_oom(err);
                if (r < 0)
                        continue;
                if (strncmp(nxc_digest_hex(&id), prefix, strlen(prefix)) != 0)
                        continue;
                if (*ret && !nxc_digest_equal(&id, &found))
                        return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                                "image id '%s' is ambiguous: %.12s and %.12s begin with it", prefix,
                                nxc_digest_hex(&found), nxc_digest_hex(&id));
                if (!*ret)
                        *ret = &l->entries[i];
                found = id;
        }
        return 0;
}

int nxc_layout_find(struct nxc_image_store *s, const struct nxc_layout *l, const char *name,
        const struct nxc_layout_entry **ret, struct nxc_error *err)
{
        const struct nxc_layout_entry *e = find_name(l, name);
        struct nxc_error grammar = { 0 };
        int r = 0, named = 0;

        if (!e && nxc_digest_is_valid(name)) {
                e = find_digest(l, NULL, name);
                if (!e)
                        r = find_id(s, l, strchr(name, ':') + 1, &e, err);
        } else if (!e) {
                if (is_short_name(name)) {
                        _cleanup_free_ char *local = nxc_strf("localhost/%s", name);

                        if (!local || find_reference(l, local, &e, NULL) == -ENOMEM)
                                return nxc_oom(err);
                }
                if (!e)
                        named = find_reference(l, name, &e, &grammar);
                if (!e && is_id_prefix(name))
                        r = find_id(s, l, name, &e, err);
                else if (!e && named < 0)
                        return nxc_fail_kind(err, grammar.kind, 0, "%s", grammar.message);
        }
        if (r == 0 && !e) {
                r = nxc_fail_kind(err, NXC_ERR_IMAGE_NOT_FOUND, 0, "image '%s' is not in the store", name);
                nxc_error_hint(err, "nexcage images lists what is there; nexcage pull fetches one");
        }
        if (r == 0)
                *ret = e;
        return r;
}

/* Whether index.json is another file than it was when *st was filled. */
static bool index_changed(struct nxc_image_store *s, struct stat *st)
{
        struct stat now;

        if (fstatat(s->dir_fd, "index.json", &now, 0) < 0)
                return false;
        if (now.st_ino == st->st_ino && now.st_mtim.tv_sec == st->st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == st->st_mtim.tv_nsec)
                return false;
        *st = now;
        return true;
}

int nxc_image_find(
        struct nxc_image_store *s, const char *name, struct nxc_image **ret, struct nxc_error *err)
{
        struct stat st = { 0 };
        int r;

        index_changed(s, &st);
        for (int tries = 0;; tries++) {
                const struct nxc_layout_entry *e = NULL;
                struct nxc_error e_load = { 0 };
                struct nxc_layout l;

                r = nxc_layout_load(s, &l, err);
                if (r < 0)
                        return r;
                r = nxc_layout_find(s, &l, name, &e, &e_load);
                if (r == 0)
                        r = nxc_image_load(s, e, ret, &e_load);
                nxc_layout_done(&l);
                if (r == -ENOENT && tries < MAX_RACE_RETRIES && index_changed(s, &st))
                        continue; /* collected or moved while we read */
                if (r < 0 && err && !nxc_error_is_set(err))
                        *err = e_load;
                return r;
        }
}
