/* See intake.h.
 *
 * Theory of operation. The staging area holds one file per blob, named by its digest; a blob being written
 * has a number for a name until its digest was computed and found right. A blob that the store has already
 * is hard-linked into the staging area: whoever collects the store meanwhile takes only the other link. So
 * is one that another process has got whole and not published yet. A blob of known digest is written under
 * that name with PART_SUFFIX; what a killed process has left of them, whole or not, the next intake takes
 * over into its own area, checks, and goes on with. Commit moves the files of the image (what was asked for
 * by descriptor) to blobs/ and the rest of the area is removed with it. */
#include "image/intake.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/str.h"
#include "image/store-internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#define PART_SUFFIX ".part"
#define PART_NAME_MAX (NXC_DIGEST_MAX + 8)
#define READ_CHUNK (256u << 10)
#define WRITEBACK_CHUNK (8u << 20) /* the disk starts on a big blob while the rest of it is on its way */

struct staged_blob {
        struct nxc_digest digest;
        uint64_t size;
        bool wanted;    /* part of the image */
        bool published; /* made by this commit */
};

struct nxc_intake {
        struct nxc_image_store *store;
        int dir_fd; /* the staging area; holds its lock */
        char name[64];
        pthread_mutex_t mutex; /* of what follows */
        struct staged_blob *blobs;
        size_t n, cap;
        unsigned counter;
        atomic_bool cancelled;
        bool synced;
};

struct nxc_blob_writer {
        struct nxc_intake *in;
        struct nxc_hash *hash;
        const char *algorithm;
        struct nxc_digest want; /* "" : not known */
        uint64_t want_size, size, flushed;
        uint64_t salvaged; /* bytes that were there already */
        int fd;
        char temp[PART_NAME_MAX];
};

int nxc_image_blob_drop(struct nxc_image_store *s, const struct nxc_digest *digest, struct nxc_error *err)
{
        char path[NXC_DIGEST_MAX + 8];

        nxc_digest_blob_path(digest, path, sizeof(path));
        if (unlinkat(s->dir_fd, path, 0) < 0 && errno != ENOENT)
                return nxc_fail(err, errno, "remove blob '%s'", digest->text);
        return 0;
}

/* Another process' sweep may find the directory between its birth and its lock; then it is gone, and we try
 * again. */
static int make_staging(struct nxc_intake *in, bool *ret_again)
{
        unsigned long long random;
        struct stat a, b;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return -errno;
        snprintf(in->name, sizeof(in->name), NXC_STAGING_PREFIX "%016llx", random);
        if (mkdirat(in->store->dir_fd, in->name, 0700) < 0)
                return -errno;
        in->dir_fd = openat(in->store->dir_fd, in->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (in->dir_fd < 0) {
                *ret_again = errno == ENOENT;
                return -errno;
        }
        *ret_again = flock(in->dir_fd, LOCK_EX | LOCK_NB) < 0 || fstat(in->dir_fd, &a) < 0 ||
                     fstatat(in->store->dir_fd, in->name, &b, AT_SYMLINK_NOFOLLOW) < 0 ||
                     a.st_ino != b.st_ino;
        if (!*ret_again)
                return 0;
        nxc_closep(&in->dir_fd);
        return -EAGAIN;
}

/* The name of a blob, whole or in part. */
static bool is_blob_name(const char *name, char part[static PART_NAME_MAX])
{
        size_t n = strlen(name);

        if (n + sizeof(PART_SUFFIX) > PART_NAME_MAX)
                return false;
        if (nxc_ends_with(name, PART_SUFFIX))
                n -= strlen(PART_SUFFIX);
        snprintf(part, PART_NAME_MAX, "%.*s", (int)n, name);
        if (!nxc_digest_is_valid(part))
                return false;
        strcat(part, PART_SUFFIX);
        return true;
}

/* Takes over what a dead process had of blobs, and removes the rest. */
static int adopt(void *arg, const char *name, int dead_fd, bool is_dead, struct nxc_error *err)
{
        struct nxc_intake *in = arg;
        int fd = is_dead ? openat(dead_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        while (dir && (de = readdir(dir))) {
                char part[PART_NAME_MAX];
                struct stat st;

                /* One that has another name is in the store, or in another area. */
                if (is_blob_name(de->d_name, part) &&
                        fstatat(dead_fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                        st.st_nlink == 1 &&
                        renameat2(dead_fd, de->d_name, in->dir_fd, part, RENAME_NOREPLACE) == 0)
                        nxc_debug("image store: going on with '%s', which '%s' left", part, name);
        }
        return is_dead ? nxc_remove_tree_at(in->store->dir_fd, name, err) : 0;
}

int nxc_intake_begin(struct nxc_image_store *s, struct nxc_intake **ret, struct nxc_error *err)
{
        struct nxc_intake *in;
        bool again = true;
        int r = -EAGAIN;

        if (s->dir_fd < 0)
                return nxc_fail(err, ENOENT, "open the image store for writing");
        in = calloc(1, sizeof(*in));
        if (!in)
                return nxc_oom(err);
        in->store = s;
        in->dir_fd = -EBADF;
        for (int i = 0; i < 10 && again && r < 0; i++) {
                again = false;
                r = make_staging(in, &again);
        }
        if (r < 0) {
                free(in);
                return nxc_fail(err, -r, "create a staging area in the image store");
        }
        pthread_mutex_init(&in->mutex, NULL);
        nxc_image_each_staging(s, adopt, in, NULL); /* what cannot be removed now may be later */
        *ret = in;
        return 0;
}

/* Removed before the lock is let go, so that nobody else finds it. */
static void intake_free(struct nxc_intake *in)
{
        struct nxc_error e = { 0 };

        if (nxc_remove_tree_at(in->store->dir_fd, in->name, &e) < 0)
                nxc_warn("image store: %s, ignoring", e.message);
        nxc_closep(&in->dir_fd);
        pthread_mutex_destroy(&in->mutex);
        free(in->blobs);
        free(in);
}

void nxc_intake_abandon(struct nxc_intake *in)
{
        if (in)
                intake_free(in);
}

void nxc_intake_cancel(struct nxc_intake *in)
{
        atomic_store(&in->cancelled, true);
}

/* With the mutex held. */
static struct staged_blob *find_staged(struct nxc_intake *in, const struct nxc_digest *digest)
{
        for (size_t i = 0; i < in->n; i++) {
                if (nxc_digest_equal(&in->blobs[i].digest, digest))
                        return &in->blobs[i];
        }
        return NULL;
}

static int remember(struct nxc_intake *in, const struct nxc_digest *digest, uint64_t size, bool wanted)
{
        struct staged_blob *b;
        int r = 0;

        pthread_mutex_lock(&in->mutex);
        b = find_staged(in, digest);
        if (!b && in->n == in->cap) {
                size_t cap = in->cap ? 2 * in->cap : 16;
                struct staged_blob *p = reallocarray(in->blobs, cap, sizeof(*p));

                if (p) {
                        in->blobs = p;
                        in->cap = cap;
                }
        }
        if (b)
                b->wanted = b->wanted || wanted;
        else if (in->n < in->cap)
                in->blobs[in->n++] = (struct staged_blob){
                        .digest = *digest, .size = size, .wanted = wanted
                };
        else
                r = -ENOMEM;
        pthread_mutex_unlock(&in->mutex);
        return r;
}

static int want_staged(
        struct nxc_intake *in, const struct nxc_descriptor *desc, bool *ret_there, struct nxc_error *err)
{
        struct staged_blob *b;
        uint64_t size = 0;

        pthread_mutex_lock(&in->mutex);
        b = find_staged(in, &desc->digest);
        if (b) {
                b->wanted = true;
                size = b->size;
        }
        pthread_mutex_unlock(&in->mutex);
        *ret_there = b != NULL;
        if (b && size != desc->size)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "blob '%s' has %llu bytes instead of %llu", desc->digest.text,
                        (unsigned long long)size, (unsigned long long)desc->size);
        return 0;
}

/* One of another size is none: what a power cut made of a store without syncs is replaced. */
static int link_from_store(struct nxc_intake *in, const struct nxc_descriptor *desc, bool *ret_there)
{
        char path[NXC_DIGEST_MAX + 8];
        struct stat st;

        nxc_digest_blob_path(&desc->digest, path, sizeof(path));
        *ret_there = false;
        if (fstatat(in->store->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
                (uint64_t)st.st_size != desc->size)
                return 0;
        if (linkat(in->store->dir_fd, path, in->dir_fd, desc->digest.text, 0) < 0 && errno != EEXIST)
                return errno == ENOENT ? 0 : -errno;
        *ret_there = true;
        return remember(in, &desc->digest, desc->size, true);
}

struct lookup {
        struct nxc_intake *in;
        const struct nxc_descriptor *desc;
        bool found;
};

static int link_one(void *arg, const char *name, int fd, bool is_dead, struct nxc_error *err)
{
        struct lookup *l = arg;
        struct stat st;

        if (l->found || is_dead || fstatat(fd, l->desc->digest.text, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                !S_ISREG(st.st_mode) || (uint64_t)st.st_size != l->desc->size)
                return 0;
        l->found = linkat(fd, l->desc->digest.text, l->in->dir_fd, l->desc->digest.text, 0) == 0;
        return 0;
}

/* Of another process, which has it whole and checked, and has not published it yet. */
static int link_from_others(struct nxc_intake *in, const struct nxc_descriptor *desc, bool *ret_there)
{
        struct lookup l = { in, desc, false };

        nxc_image_each_staging(in->store, link_one, &l, NULL);
        *ret_there = l.found;
        return l.found ? remember(in, &desc->digest, desc->size, true) : 0;
}

/* Of what is there already the digest is computed again. */
static int salvage(struct nxc_blob_writer *w)
{
        _cleanup_free_ uint8_t *buf = malloc(READ_CHUNK);
        ssize_t n = 1;

        if (!buf)
                return -ENOMEM;
        while (w->size < w->want_size && (n = pread(w->fd, buf, READ_CHUNK, (off_t)w->size)) > 0) {
                if ((uint64_t)n > w->want_size - w->size)
                        n = (ssize_t)(w->want_size - w->size);
                nxc_hash_update(w->hash, buf, (size_t)n);
                w->size += (uint64_t)n;
        }
        if (n < 0)
                return -errno;
        w->salvaged = w->flushed = w->size;
        if (ftruncate(w->fd, (off_t)w->size) < 0 || lseek(w->fd, (off_t)w->size, SEEK_SET) < 0)
                return -errno;
        return 0;
}

/* Under the name that a killed process would have used for the same blob; another writer may have it, in
 * this process. */
static int open_part(struct nxc_blob_writer *w)
{
        int r;

        snprintf(w->temp, sizeof(w->temp), "%s" PART_SUFFIX, w->want.text);
        w->fd = openat(w->in->dir_fd, w->temp, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (w->fd < 0)
                return -errno;
        r = flock(w->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : salvage(w);
        if (r < 0)
                nxc_closep(&w->fd);
        return r;
}

static int open_numbered(struct nxc_blob_writer *w)
{
        pthread_mutex_lock(&w->in->mutex);
        snprintf(w->temp, sizeof(w->temp), "%u", w->in->counter++);
        pthread_mutex_unlock(&w->in->mutex);
        w->fd = openat(w->in->dir_fd, w->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        return w->fd < 0 ? -errno : 0;
}

/* want: NULL, or its digest. */
static int writer_new(struct nxc_intake *in, const char *algorithm, uint64_t size,
        const struct nxc_digest *want, struct nxc_blob_writer **ret, struct nxc_error *err)
{
        int r = -EWOULDBLOCK;
        struct nxc_blob_writer *w = calloc(1, sizeof(*w));

        if (!w)
                return nxc_oom(err);
        w->in = in;
        w->fd = -EBADF;
        w->want_size = size;
        w->algorithm = strcmp(algorithm, "sha512") == 0 ? "sha512" : "sha256";
        w->hash = nxc_hash_new(w->algorithm);
        if (!w->hash) {
                free(w);
                return nxc_oom(err);
        }
        if (want) {
                w->want = *want;
                r = open_part(w);
        }
        if (r == -EWOULDBLOCK)
                r = open_numbered(w);
        if (r < 0) {
                nxc_hash_free(w->hash);
                free(w);
                return nxc_fail(err, -r, "create a blob in the image store");
        }
        *ret = w;
        return 0;
}

int nxc_blob_writer_open(struct nxc_intake *in, const struct nxc_descriptor *desc,
        struct nxc_blob_writer **ret, struct nxc_error *err)
{
        char algorithm[8];
        bool there = false;
        int r = want_staged(in, desc, &there, err);

        if (r < 0)
                return r;
        if (!there) {
                r = link_from_store(in, desc, &there);
                if (r == 0 && !there)
                        r = link_from_others(in, desc, &there);
                if (r == 0 && !there) /* it may have been published between the two */
                        r = link_from_store(in, desc, &there);
                if (r < 0)
                        return nxc_fail(err, -r, "stage blob '%s'", desc->digest.text);
        }
        if (there) {
                *ret = NULL;
                return 0;
        }
        snprintf(algorithm, sizeof(algorithm), "%.6s", desc->digest.text);
        return writer_new(in, algorithm, desc->size, &desc->digest, ret, err);
}

int nxc_blob_writer_open_unnamed(struct nxc_intake *in, const char *algorithm, uint64_t max_size,
        struct nxc_blob_writer **ret, struct nxc_error *err)
{
        return writer_new(in, algorithm, max_size, NULL, ret, err);
}

static const char *writer_name(const struct nxc_blob_writer *w)
{
        return w->want.text[0] ? w->want.text : "an archive's entry";
}

int nxc_blob_writer_fd(const struct nxc_blob_writer *w)
{
        return w->fd;
}

int nxc_blob_writer_write(struct nxc_blob_writer *w, const void *data, size_t len, struct nxc_error *err)
{
        int r;

        if (atomic_load_explicit(&w->in->cancelled, memory_order_relaxed))
                return nxc_fail_kind(err, NXC_ERR_INTERRUPTED, ECANCELED, "write blob '%s'", writer_name(w));
        if (len > w->want_size - w->size)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "blob '%s' has more than %llu bytes",
                        writer_name(w), (unsigned long long)w->want_size);
        r = nxc_write_all(w->fd, data, len);
        if (r < 0)
                return nxc_fail(err, -r, "write blob '%s'", writer_name(w));
        nxc_hash_update(w->hash, data, len);
        w->size += len;
        if (w->size - w->flushed >= WRITEBACK_CHUNK) {
                sync_file_range(
                        w->fd, (off_t)w->flushed, (off_t)(w->size - w->flushed), SYNC_FILE_RANGE_WRITE);
                w->flushed = w->size;
        }
        return 0;
}

int nxc_blob_writer_rewind(struct nxc_blob_writer *w, struct nxc_error *err)
{
        struct nxc_hash *hash = nxc_hash_new(w->algorithm);

        if (!hash)
                return nxc_oom(err);
        if (ftruncate(w->fd, 0) < 0 || lseek(w->fd, 0, SEEK_SET) < 0) {
                int r = nxc_fail(err, errno, "rewind blob '%s'", writer_name(w));

                nxc_hash_free(hash);
                return r;
        }
        nxc_hash_free(w->hash);
        w->hash = hash;
        w->size = w->flushed = w->salvaged = 0;
        return 0;
}

uint64_t nxc_blob_writer_size(const struct nxc_blob_writer *w)
{
        return w->size;
}

void nxc_blob_writer_discard(struct nxc_blob_writer *w)
{
        if (!w)
                return;
        if (w->temp[0])
                unlinkat(w->in->dir_fd, w->temp, 0);
        nxc_closep(&w->fd);
        nxc_hash_free(w->hash);
        free(w);
}

/* Gives the staged file its digest for a name. */
static int writer_settle(struct nxc_blob_writer *w, const struct nxc_digest *digest, struct nxc_error *err)
{
        if (renameat(w->in->dir_fd, w->temp, w->in->dir_fd, digest->text) < 0)
                return nxc_fail(err, errno, "stage blob '%s'", digest->text);
        w->temp[0] = '\0';
        if (remember(w->in, digest, w->size, w->want.text[0] != '\0') < 0)
                return nxc_oom(err);
        return 0;
}

int nxc_blob_writer_close(struct nxc_blob_writer *w, struct nxc_error *err)
{
        struct nxc_digest got;
        int r = 0;

        if (w->size != w->want_size)
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "blob '%s' has %llu bytes instead of %llu",
                        w->want.text, (unsigned long long)w->size, (unsigned long long)w->want_size);
        if (r == 0) {
                nxc_hash_finish(w->hash, &got);
                if (!nxc_digest_equal(&got, &w->want))
                        r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, w->salvaged ? EAGAIN : 0,
                                "blob '%s' has digest '%s'", w->want.text, got.text);
        }
        if (r == 0)
                r = writer_settle(w, &w->want, err);
        nxc_blob_writer_discard(w);
        return r;
}

int nxc_blob_writer_close_unnamed(
        struct nxc_blob_writer *w, struct nxc_descriptor *ret, struct nxc_error *err)
{
        struct nxc_descriptor d = { .size = w->size };
        int r;

        nxc_hash_finish(w->hash, &d.digest);
        r = writer_settle(w, &d.digest, err);
        nxc_blob_writer_discard(w);
        if (r == 0)
                *ret = d;
        return r;
}

int nxc_intake_add_blob(struct nxc_intake *in, const struct nxc_descriptor *desc, const void *data,
        size_t len, struct nxc_error *err)
{
        struct nxc_blob_writer *w = NULL;
        int r = nxc_blob_writer_open(in, desc, &w, err);

        if (r < 0 || !w)
                return r;
        r = nxc_blob_writer_rewind(w, err);
        if (r == 0)
                r = nxc_blob_writer_write(w, data, len, err);
        if (r < 0) {
                nxc_blob_writer_discard(w);
                return r;
        }
        return nxc_blob_writer_close(w, err);
}

int nxc_intake_blob_open(
        struct nxc_intake *in, const struct nxc_digest *digest, int *ret_fd, struct nxc_error *err)
{
        int fd = openat(in->dir_fd, digest->text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT)
                return nxc_image_blob_open(in->store, digest, 0, ret_fd, err);
        if (fd < 0)
                return nxc_fail(err, errno, "open staged blob '%s'", digest->text);
        *ret_fd = fd;
        return 0;
}

int nxc_intake_sync(struct nxc_intake *in, struct nxc_error *err)
{
        if (!in->synced && syncfs(in->dir_fd) < 0)
                return nxc_fail(err, errno, "flush the image store");
        in->synced = true;
        return 0;
}

static int sync_dir(int dirfd, const char *path, struct nxc_error *err)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return nxc_fail(err, errno, "flush '%s' of the image store", path);
        return 0;
}

static int publish_blob(struct nxc_intake *in, struct staged_blob *b, struct nxc_error *err)
{
        char path[NXC_DIGEST_MAX + 8];
        bool is_new;

        nxc_digest_blob_path(&b->digest, path, sizeof(path));
        is_new = faccessat(in->store->dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
        if (renameat(in->dir_fd, b->digest.text, in->store->dir_fd, path) < 0)
                return nxc_fail(err, errno, "publish blob '%s'", b->digest.text);
        b->published = is_new;
        return 0;
}

/* What is not published now goes with the staging area. */
static int publish_blobs(struct nxc_intake *in, struct nxc_error *err)
{
        bool is_512 = false;
        int r = 0;

        for (size_t i = 0; r == 0 && i < in->n; i++) {
                if (!in->blobs[i].wanted)
                        continue;
                if (!is_512 && nxc_starts_with(in->blobs[i].digest.text, "sha512:")) {
                        is_512 = true;
                        if (mkdirat(in->store->dir_fd, "blobs/sha512", 0755) < 0 && errno != EEXIST)
                                return nxc_fail(err, errno, "create 'blobs/sha512' in the image store");
                }
                r = publish_blob(in, &in->blobs[i], err);
        }
        if (r == 0)
                r = sync_dir(in->store->dir_fd, "blobs/sha256", err);
        if (r == 0 && is_512)
                r = sync_dir(in->store->dir_fd, "blobs/sha512", err);
        return r;
}

static void take_back_blobs(struct nxc_intake *in)
{
        char path[NXC_DIGEST_MAX + 8];

        for (size_t i = 0; i < in->n; i++) {
                if (!in->blobs[i].published)
                        continue;
                nxc_digest_blob_path(&in->blobs[i].digest, path, sizeof(path));
                unlinkat(in->store->dir_fd, path, 0);
        }
}

static int enter(
        struct nxc_intake *in, const struct nxc_layout_image *image, const char *name, struct nxc_error *err)
{
        struct nxc_layout l = { 0 };
        int r = nxc_layout_load(in->store, &l, err);

        if (r == 0)
                r = nxc_layout_enter(&l, image, name, err);
        if (r == 0)
                r = nxc_layout_publish(in->store, &l, err);
        nxc_layout_done(&l);
        return r;
}

int nxc_intake_commit(struct nxc_intake *in, const struct nxc_descriptor *manifest,
        const struct nxc_digest *index_digest, const struct nxc_digest *config_digest,
        const struct nxc_reference *name, struct nxc_error *err)
{
        _cleanup_free_ char *text = name ? nxc_reference_format(name) : NULL;
        _cleanup_close_ int lock = -EBADF;
        struct nxc_layout_image image = {
                .digest = manifest->digest.text,
                .size = manifest->size,
                .media_type = manifest->media_type,
                .platform = &manifest->platform,
                .index_digest = index_digest ? index_digest->text : NULL,
                .config_digest = config_digest ? config_digest->text : NULL,
        };
        int r;

        if (name && !text)
                return nxc_oom(err);
        r = nxc_intake_sync(in, err);
        if (r == 0)
                r = nxc_layout_lock(in->store, &lock, err);
        if (r < 0)
                return r;
        r = publish_blobs(in, err);
        if (r == 0)
                r = enter(in, &image, text, err);
        if (r < 0) {
                take_back_blobs(in);
                return nxc_error_wrap(err, "enter image '%s'", text ? text : manifest->digest.text);
        }
        intake_free(in);
        return 0;
}
