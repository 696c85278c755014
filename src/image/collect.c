/* See image.h: removing what no entry of index.json reaches. Mark (documents are walked without the strict
 * parsers, so that an artifact of another kind keeps its blobs), then sweep, all under the index lock. */
#include "image/store-internal.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* The digests to keep, and the documents still to be walked: level by level (index, manifest), each one
 * once, so that an index that names the same thing a thousand times costs nothing. */
struct marks {
        struct nxc_image_store *store;
        struct nxc_strv digests; /* sorted whenever it is looked up */
        struct nxc_strv todo;
};

static int mark_descriptor(struct marks *m, const json_t *d)
{
        const char *digest = json_string_value(json_object_get(d, "digest"));
        const char *type = json_string_value(json_object_get(d, "mediaType"));
        bool document = !type || strstr(type, "manifest") || strstr(type, "index");

        if (!digest || !nxc_digest_is_valid(digest))
                return 0;
        return nxc_strv_add(document ? &m->todo : &m->digests, digest);
}

static int mark_list(struct marks *m, const json_t *list)
{
        json_t *j;
        size_t i;
        int r = 0;

        json_array_foreach (list, i, j) {
                r = mark_descriptor(m, j);
                if (r < 0)
                        return r;
        }
        return r;
}

static int mark_document(struct marks *m, const char *digest, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = NULL;
        struct nxc_error e = { 0 };
        struct nxc_digest d;
        int r = nxc_digest_parse(digest, &d, err);

        if (r < 0)
                return r;
        r = nxc_image_read_document(m->store, &d, 0, NXC_MANIFEST_MAX_BYTES, &doc, &e);
        if (r < 0 && e.kind == NXC_ERR_INVALID_IMAGE)
                return 0; /* absent, or no document: it leads nowhere */
        if (r < 0)
                return nxc_fail_kind(err, e.kind, e.errnum, "collect: read '%s'", digest);
        r = mark_list(m, json_object_get(doc, "manifests"));
        if (r == 0)
                r = mark_list(m, json_object_get(doc, "layers"));
        if (r == 0 && json_object_get(doc, "config"))
                r = nxc_strv_add(&m->digests, nxc_json_str(doc, "config.digest") ?: "");
        return r < 0 ? nxc_oom(err) : 0;
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct nxc_strv *s)
{
        if (s->n)
                qsort(s->v, s->n, sizeof(char *), compare);
}

static bool is_marked(const struct marks *m, const char *digest)
{
        return m->digests.n && bsearch(&digest, m->digests.v, m->digests.n, sizeof(char *), compare);
}

/* Takes the level's documents out of m->todo, which then collects the next level's. */
static int mark_level(struct marks *m, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv level = m->todo;
        size_t n_walked = 0;
        int r = 0;

        m->todo = (struct nxc_strv){ 0 };
        sort(&level);
        sort(&m->digests);
        for (size_t i = 0; i < level.n; i++) {
                char *digest = level.v[i];

                if ((n_walked && nxc_streq(digest, level.v[n_walked - 1])) || is_marked(m, digest))
                        continue;
                level.v[i] = level.v[n_walked];
                level.v[n_walked++] = digest;
        }
        for (size_t i = 0; r == 0 && i < n_walked; i++)
                r = mark_document(m, level.v[i], err);
        for (size_t i = 0; r == 0 && i < n_walked; i++) {
                if (nxc_strv_add(&m->digests, level.v[i]) < 0)
                        r = nxc_oom(err);
        }
        return r;
}

static int mark_all(struct marks *m, const struct nxc_layout *l, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; i < l->n; i++) {
                if (nxc_strv_add(&m->todo, l->entries[i].digest) < 0)
                        return nxc_oom(err);
        }
        while (r == 0 && m->todo.n > 0)
                r = mark_level(m, err);
        sort(&m->digests);
        return r;
}

static int sweep_blobs(struct marks *m, const char *algorithm, uint64_t *bytes, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_strf("blobs/%s", algorithm);
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int fd;

        if (!path)
                return nxc_oom(err);
        fd = openat(m->store->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : nxc_fail(err, errno, "open '%s' of the image store", path);
        dir = fdopendir(fd);
        if (!dir) {
                close(fd);
                return nxc_oom(err);
        }
        while ((de = readdir(dir))) {
                char digest[NXC_DIGEST_MAX + 128];
                struct stat st;

                snprintf(digest, sizeof(digest), "%s:%s", algorithm, de->d_name);
                if (!nxc_digest_is_valid(digest) || is_marked(m, digest))
                        continue;
                if (fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                        unlinkat(dirfd(dir), de->d_name, 0) < 0)
                        return nxc_fail(err, errno, "remove blob '%s'", digest);
                nxc_debug("blob %s is not used by any image: removed", digest);
                *bytes += S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
        }
        return 0;
}

/* Everybody who publishes holds the lock that we hold: what lies about under a temporary name is dead. */
static void sweep_temporary(struct nxc_image_store *s)
{
        int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        while (dir && (de = readdir(dir))) {
                if (nxc_starts_with(de->d_name, "index.json.tmp-"))
                        unlinkat(fd, de->d_name, 0);
        }
}

static int sweep_one(void *arg, const char *name, int fd, bool is_dead, struct nxc_error *err)
{
        struct nxc_image_store *s = arg;

        if (!is_dead)
                return 0;
        nxc_debug("image store: removing '%s', whose owner is gone", name);
        return nxc_remove_tree_at(s->dir_fd, name, err);
}

/* A staging area is locked by its owner for as long as that lives. */
static int visit_staging(
        struct nxc_image_store *s, const char *name, nxc_staging_fn fn, void *arg, struct nxc_error *err)
{
        _cleanup_close_ int fd = openat(s->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return 0;
        return fn(arg, name, fd, flock(fd, LOCK_EX | LOCK_NB) == 0, err);
}

int nxc_image_each_staging(struct nxc_image_store *s, nxc_staging_fn fn, void *arg, struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int fd, r = 0;

        if (s->dir_fd < 0)
                return 0;
        fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return nxc_fail(err, errno, "read the image store");
        while (r == 0 && (de = readdir(dir))) {
                if (nxc_starts_with(de->d_name, NXC_STAGING_PREFIX))
                        r = visit_staging(s, de->d_name, fn, arg, err);
        }
        return r;
}

int nxc_image_collect(struct nxc_image_store *s, uint64_t *ret_bytes, struct nxc_error *err)
{
        struct marks m = { .store = s };
        struct nxc_layout l = { 0 };
        _cleanup_close_ int lock = -EBADF;
        uint64_t bytes = 0;
        int r;

        if (s->dir_fd < 0)
                return 0;
        r = nxc_layout_lock(s, &lock, err);
        if (r == 0)
                r = nxc_image_each_staging(s, sweep_one, s, err); /* of processes that are gone */
        if (r == 0)
                r = nxc_layout_load(s, &l, err);
        if (r == 0) {
                sweep_temporary(s);
                r = mark_all(&m, &l, err);
        }
        if (r == 0)
                r = sweep_blobs(&m, "sha256", &bytes, err);
        if (r == 0)
                r = sweep_blobs(&m, "sha512", &bytes, err);
        nxc_strv_done(&m.digests);
        nxc_strv_done(&m.todo);
        nxc_layout_done(&l);
        if (r == 0 && ret_bytes)
                *ret_bytes += bytes;
        return r;
}
