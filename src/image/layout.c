/* See image.h and store-internal.h: the layout's directory, and index.json as a document. */
#include "image/store-internal.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/lru.h"
#include "core/publish.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LAYOUT_VERSION "1.0.0"

static const char oci_layout[] = "{\"imageLayoutVersion\":\"" LAYOUT_VERSION "\"}";
static const char empty_index[] = "{\"schemaVersion\":2,\"mediaType\":\"" NXC_MT_OCI_INDEX
                                  "\",\"manifests\":[]}";

static int make_dir(int dirfd, const char *name, mode_t mode, struct nxc_error *err)
{
        if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST) {
                struct stat st;
                int saved = errno;

                if (fstatat(dirfd, name, &st, 0) == 0 && S_ISDIR(st.st_mode))
                        return 0; /* a read-only file system says EROFS first */
                return nxc_fail(err, saved, "create directory '%s' of the image store", name);
        }
        return 0;
}

static int make_file(int dirfd, const char *name, const char *text, struct nxc_error *err)
{
        struct nxc_error e = { 0 };
        int r;

        if (faccessat(dirfd, name, F_OK, 0) == 0)
                return 0;
        r = nxc_publish_at(dirfd, name, text, strlen(text), 0644, NXC_PUBLISH_EXCLUSIVE, &e);
        if (r < 0 && r != -EEXIST)
                return nxc_fail_kind(err, e.kind, e.errnum, "create '%s' of the image store", name);
        return 0;
}

static int check_version(int dirfd, struct nxc_error *err)
{
        _cleanup_json_ json_t *j = NULL;
        const char *version;
        int r = nxc_json_load_at(dirfd, "oci-layout", 4096, &j, err);

        if (r < 0)
                return nxc_error_wrap(err, "image store");
        version = nxc_json_str(j, "imageLayoutVersion");
        if (!nxc_streq(version, LAYOUT_VERSION))
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "image store: layout version '%.32s' is not %s", version ? version : "",
                        LAYOUT_VERSION);
        return 0;
}

static int make_layout(int dirfd, struct nxc_error *err)
{
        int r = make_file(dirfd, "oci-layout", oci_layout, err);

        if (r == 0)
                r = check_version(dirfd, err);
        if (r == 0)
                r = make_dir(dirfd, "blobs", 0755, err);
        if (r == 0)
                r = make_dir(dirfd, "blobs/sha256", 0755, err);
        if (r == 0)
                r = make_file(dirfd, "index.json", empty_index, err);
        return r;
}

int nxc_image_store_open(int store_fd, bool create, struct nxc_image_store **ret, struct nxc_error *err)
{
        struct nxc_image_store *s;
        int r = create ? make_dir(store_fd, "images", 0700, err) : 0;

        if (r < 0)
                return r;
        s = calloc(1, sizeof(*s));
        if (!s)
                return nxc_oom(err);
        s->dir_fd = store_fd < 0 ? -EBADF : openat(store_fd, "images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->dir_fd < 0 && (create || (store_fd >= 0 && errno != ENOENT)))
                r = nxc_fail(err, errno, "open the image store");
        else if (create)
                r = make_layout(s->dir_fd, err);
        if (r < 0) {
                nxc_image_store_close(s);
                return r;
        }
        *ret = s;
        return 0;
}

void nxc_image_store_close(struct nxc_image_store *s)
{
        if (!s)
                return;
        nxc_closep(&s->dir_fd);
        nxc_lru_free(s->documents);
        free(s);
}

static bool read_entry(json_t *j, struct nxc_layout_entry *ret)
{
        json_t *annotations = json_object_get(j, "annotations");
        const char *digest = json_string_value(json_object_get(j, "digest"));
        json_int_t size = json_integer_value(json_object_get(j, "size"));
        const char *index = json_string_value(json_object_get(annotations, NXC_ANNOTATION_INDEX));
        const char *config = json_string_value(json_object_get(annotations, NXC_ANNOTATION_CONFIG));

        if (!digest || !nxc_digest_is_valid(digest) || size <= 0)
                return false;
        *ret = (struct nxc_layout_entry){
                .name = json_string_value(json_object_get(annotations, NXC_ANNOTATION_NAME)),
                .digest = digest,
                .media_type = json_string_value(json_object_get(j, "mediaType")),
                .index_digest = index && nxc_digest_is_valid(index) ? index : NULL,
                .config_digest = config && nxc_digest_is_valid(config) ? config : NULL,
                .size = (uint64_t)size,
                .json = j,
        };
        return true;
}

static int layout_from_json(json_t *doc, struct nxc_layout *ret, struct nxc_error *err)
{
        json_t *manifests = json_object_get(doc, "manifests"), *j;
        struct nxc_layout l = { .doc = doc };
        size_t i;

        if (json_integer_value(json_object_get(doc, "schemaVersion")) != 2 || !json_is_array(manifests))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_IMAGE, 0, "index.json is not an image index of version 2");
        l.entries = calloc(json_array_size(manifests) + 1, sizeof(*l.entries));
        if (!l.entries)
                return nxc_oom(err);
        json_array_foreach (manifests, i, j) {
                if (read_entry(j, &l.entries[l.n]))
                        l.n++;
                else
                        nxc_debug("index.json: entry %zu has no valid digest and size, ignoring", i);
        }
        json_incref(doc);
        *ret = l;
        return 0;
}

int nxc_layout_parse(const char *text, size_t len, struct nxc_layout *ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = NULL;
        int r = nxc_json_parse(text, len, "index.json", &doc, err);

        if (r < 0) {
                if (r != -ENOMEM)
                        nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
                return r;
        }
        return layout_from_json(doc, ret, err);
}

int nxc_layout_load(struct nxc_image_store *s, struct nxc_layout *ret, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        struct nxc_error e = { 0 };
        size_t len;
        int r;

        if (s->dir_fd < 0)
                return nxc_layout_parse(empty_index, strlen(empty_index), ret, err);
        r = nxc_read_file_at(s->dir_fd, "index.json", NXC_INDEX_MAX_BYTES, &text, &len, &e);
        if (r == -ENOENT)
                return nxc_layout_parse(empty_index, strlen(empty_index), ret, err);
        if (r < 0)
                return nxc_fail_kind(err, e.kind, e.errnum, "read index.json of the image store");
        r = nxc_layout_parse(text, len, ret, err);
        return r < 0 ? nxc_error_wrap(err, "image store") : 0;
}

int nxc_layout_publish(struct nxc_image_store *s, const struct nxc_layout *l, struct nxc_error *err)
{
        _cleanup_free_ char *text = nxc_json_format(l->doc, false);

        if (!text)
                return nxc_oom(err);
        return nxc_publish_at(s->dir_fd, "index.json", text, strlen(text), 0644, NXC_PUBLISH_SYNC, err);
}

void nxc_layout_done(struct nxc_layout *l)
{
        json_decref(l->doc);
        free(l->entries);
        *l = (struct nxc_layout){ 0 };
}

int nxc_layout_lock(struct nxc_image_store *s, int *ret_fd, struct nxc_error *err)
{
        if (s->dir_fd < 0)
                return nxc_fail(err, ENOENT, "lock the image store");
        return nxc_lock_at(s->dir_fd, ".lock", NXC_LOCK_EXCLUSIVE, -1, ret_fd, err);
}

static bool same_text(json_t *object, const char *key, const char *text)
{
        const char *s = json_string_value(json_object_get(object, key));

        return text ? nxc_streq(s, text) : s == NULL;
}

/* Whether another entry than skip leads to the same digest. */
static bool has_other_entry(json_t *manifests, json_t *skip, const char *digest)
{
        json_t *j;
        size_t i;

        json_array_foreach (manifests, i, j) {
                if (j != skip && same_text(j, "digest", digest))
                        return true;
        }
        return false;
}

/* Removes entry i, or takes its name away where it is the image's only one and the image is to stay. */
static void drop_entry(json_t *manifests, size_t i, bool keep_untagged)
{
        json_t *j = json_array_get(manifests, i);
        const char *digest = json_string_value(json_object_get(j, "digest"));

        if (keep_untagged && !has_other_entry(manifests, j, digest))
                json_object_del(json_object_get(j, "annotations"), NXC_ANNOTATION_NAME);
        else
                json_array_remove(manifests, i);
}

static json_t *make_entry(const struct nxc_layout_image *im, const char *name)
{
        json_t *annotations = json_object(), *j = NULL;
        const char *media_type = im->media_type && *im->media_type ? im->media_type : NXC_MT_OCI_MANIFEST;
        int r = 0;

        if (name)
                r |= json_object_set_new(annotations, NXC_ANNOTATION_NAME, json_string(name));
        if (im->index_digest && *im->index_digest)
                r |= json_object_set_new(annotations, NXC_ANNOTATION_INDEX, json_string(im->index_digest));
        if (im->config_digest && *im->config_digest)
                r |= json_object_set_new(annotations, NXC_ANNOTATION_CONFIG, json_string(im->config_digest));
        if (r == 0)
                j = json_pack("{s:s, s:s, s:I, s:O}", "mediaType", media_type, "digest", im->digest, "size",
                        (json_int_t)im->size, "annotations", annotations);
        if (j && im->platform && im->platform->os[0]) {
                json_t *p = json_pack("{s:s, s:s, s:s*}", "architecture", im->platform->arch, "os",
                        im->platform->os, "variant",
                        im->platform->variant[0] ? im->platform->variant : NULL);

                if (!p || json_object_set_new(j, "platform", p) < 0) {
                        json_decref(j);
                        j = NULL;
                }
        }
        json_decref(annotations);
        return j;
}

int nxc_layout_enter(
        struct nxc_layout *l, const struct nxc_layout_image *image, const char *name, struct nxc_error *err)
{
        json_t *manifests = json_object_get(l->doc, "manifests");
        _cleanup_json_ json_t *entry = make_entry(image, name);
        bool entered = false;

        if (!entry)
                return nxc_oom(err);
        for (size_t i = json_array_size(manifests); i-- > 0;) {
                json_t *j = json_array_get(manifests, i), *a = json_object_get(j, "annotations");
                bool same_image = same_text(j, "digest", image->digest);
                bool same_name = same_text(a, NXC_ANNOTATION_NAME, name);

                if (same_image && same_name && !entered) {
                        if (json_array_set(manifests, i, entry) < 0)
                                return nxc_oom(err);
                        entered = true;
                } else if (!name) {
                        entered = entered || same_image; /* it has a name: nothing to enter */
                } else if (same_name) {
                        drop_entry(manifests, i, !same_image);
                } else if (same_image && same_text(a, NXC_ANNOTATION_NAME, NULL)) {
                        json_array_remove(manifests, i); /* untagged until now */
                }
        }
        if (!entered && json_array_append(manifests, entry) < 0)
                return nxc_oom(err);
        return 0;
}

int nxc_layout_remove(
        struct nxc_layout *l, const struct nxc_layout_entry *e, bool keep_untagged, struct nxc_error *err)
{
        json_t *manifests = json_object_get(l->doc, "manifests"), *j;
        size_t i;

        json_array_foreach (manifests, i, j) {
                if (j == e->json) {
                        drop_entry(manifests, i, keep_untagged);
                        return 0;
                }
        }
        return nxc_fail(err, ENOENT, "remove an entry of index.json");
}

int nxc_image_store_lock(struct nxc_image_store *s, int *ret_fd, struct nxc_error *err)
{
        return s->dir_fd < 0 ? 0 : nxc_layout_lock(s, ret_fd, err);
}
