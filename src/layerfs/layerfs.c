/* See layerfs.h; layerfs-internal.h has what is on disk. */
#include "layerfs/layerfs-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/str.h"
#include "sys/mount.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define STAGING_PREFIX ".staging-"
#define STAGING_TRIES 100 /* names taken by a killed process of the same pid, or swept meanwhile */

int nxc_layerfs_open(int store_fd, bool create, struct nxc_layerfs **ret, struct nxc_error *err)
{
        struct nxc_layerfs *lfs = malloc(sizeof(*lfs));

        if (!lfs)
                return nxc_oom(err);
        if (create && mkdirat(store_fd, "layers", 0700) < 0 && errno != EEXIST) {
                free(lfs);
                return nxc_fail(err, errno, "create the store's directory 'layers'");
        }
        nxc_layerfs_set_format(lfs, NXC_LAYER_AUTO);
        lfs->fd = store_fd < 0 ? -EBADF : openat(store_fd, "layers", NXC_LAYER_DIR_FLAGS);
        if (lfs->fd < 0 && (create || (store_fd >= 0 && errno != ENOENT))) {
                int saved = errno;

                free(lfs);
                return nxc_fail(err, saved, "open the store's directory 'layers'");
        }
        *ret = lfs;
        return 0;
}

void nxc_layerfs_close(struct nxc_layerfs *lfs)
{
        if (!lfs)
                return;
        nxc_closep(&lfs->fd);
        free(lfs);
}

void nxc_layerfs_set_format(struct nxc_layerfs *lfs, enum nxc_layer_format format)
{
        lfs->format = format;
        lfs->is_auto = format == NXC_LAYER_AUTO;
}

/* --- names --- */

void nxc_layer_dir_name(const struct nxc_digest *diff_id, char *ret)
{
        const char *hex = nxc_digest_hex(diff_id);

        snprintf(ret, NXC_DIGEST_MAX, "%.*s-%s", (int)(hex - 1 - diff_id->text), diff_id->text, hex);
}

static void layer_path(
        const struct nxc_digest *diff_id, const char *file, char ret[static NXC_LAYER_PATH_MAX])
{
        char name[NXC_DIGEST_MAX];

        nxc_layer_dir_name(diff_id, name);
        snprintf(ret, NXC_LAYER_PATH_MAX, "%s/%s", name, file);
}

bool nxc_layer_has_mark(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, const char *mark)
{
        char path[NXC_LAYER_PATH_MAX];

        layer_path(diff_id, mark, path);
        return faccessat(lfs->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void nxc_layer_image_name(const struct nxc_digest *diff_id, char *ret)
{
        nxc_layer_dir_name(diff_id, ret);
        strcat(ret, NXC_LAYER_IMAGE_SUFFIX);
}

static bool has_image(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id)
{
        char name[NXC_LAYER_IMAGE_NAME_MAX];

        nxc_layer_image_name(diff_id, name);
        return faccessat(lfs->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool nxc_layerfs_has(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id)
{
        return lfs->fd >= 0 && (has_image(lfs, diff_id) || nxc_layer_has_mark(lfs, diff_id, NXC_LAYER_ROOT));
}

int nxc_layer_image_open(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, int *ret, struct nxc_error *err)
{
        char name[NXC_LAYER_IMAGE_NAME_MAX];
        int fd = -ENOENT;

        nxc_layer_image_name(diff_id, name);
        if (lfs->fd >= 0)
                fd = openat(lfs->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && lfs->fd >= 0 && errno != ENOENT)
                return nxc_fail(err, errno, "open layer '%s'", diff_id->text);
        if (fd < 0)
                return -ENOENT;
        *ret = fd;
        return 0;
}

int nxc_layer_record_read(
        int fd, const struct nxc_digest *diff_id, struct nxc_layer_record *ret, struct nxc_error *err)
{
        struct nxc_layer_record record;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "stat layer '%s'", diff_id->text);
        if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(record) ||
                pread(fd, &record, sizeof(record), st.st_size - (off_t)sizeof(record)) !=
                        (ssize_t)sizeof(record) ||
                memcmp(record.magic, NXC_LAYER_RECORD_MAGIC, sizeof(record.magic)) != 0 ||
                le32toh(record.version) != NXC_LAYER_RECORD_VERSION) {
                nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "read layer '%s': its image has no record that this version understands",
                        diff_id->text);
                nxc_error_hint(err, "nexcage verify --repair makes it again");
                return -EINVAL;
        }
        *ret = record;
        return 0;
}

/* --- locks and staged directories --- */

int nxc_layerfs_lock_named(int dir_fd, const char *name, int fd, int op)
{
        if (flock(fd, op | LOCK_NB) < 0)
                return -errno;
        return nxc_has_name_at(dir_fd, name, fd) ? 0 : -ENOENT;
}

int nxc_layerfs_stage(struct nxc_layerfs *lfs, char *name, int *ret_fd, struct nxc_error *err)
{
        static unsigned counter;

        for (int i = 0; i < STAGING_TRIES; i++) {
                _cleanup_close_ int fd = -EBADF;

                snprintf(name, NXC_STAGING_NAME_MAX, STAGING_PREFIX "%d-%u", (int)getpid(),
                        __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED));
                if (mkdirat(lfs->fd, name, 0700) < 0) {
                        if (errno == EEXIST)
                                continue;
                        return nxc_fail(err, errno, "create 'layers/%s'", name);
                }
                fd = openat(lfs->fd, name, NXC_LAYER_DIR_FLAGS);
                if (fd < 0 || nxc_layerfs_lock_named(lfs->fd, name, fd, LOCK_EX) < 0)
                        continue; /* a sweeper was faster; it removes what it has locked */
                *ret_fd = TAKE_FD(fd);
                return 0;
        }
        return nxc_fail(err, EEXIST, "create 'layers/%s', all names tried are taken", name);
}

/* A link to where a mount was, which the host sees no more. */
static void sweep_link(struct nxc_layerfs *lfs, const char *name)
{
        char path[PATH_MAX];
        ssize_t n = readlinkat(lfs->fd, name, path, sizeof(path));

        if (n < 0 || n >= (ssize_t)sizeof(path))
                return;
        path[n] = '\0';
        if (!nxc_is_mount_point(path))
                unlinkat(lfs->fd, name, 0);
}

/* Leaves *ret NULL where there are no layers. */
static int open_listing(struct nxc_layerfs *lfs, DIR **ret, struct nxc_error *err)
{
        int fd, r;

        if (lfs->fd < 0)
                return 0;
        fd = openat(lfs->fd, ".", NXC_LAYER_DIR_FLAGS);
        *ret = fd < 0 ? NULL : fdopendir(fd);
        if (*ret)
                return 0;
        r = nxc_fail(err, errno, "list the store's directory 'layers'");
        nxc_closep(&fd);
        return r;
}

int nxc_layerfs_sweep(struct nxc_layerfs *lfs, struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int opened = open_listing(lfs, &dir, err);

        if (opened < 0 || !dir)
                return opened;
        nxc_lock_sweep(lfs->fd, NXC_TURN_PREFIX);
        while ((de = readdir(dir))) {
                _cleanup_close_ int staged = -EBADF;
                struct nxc_error e = { 0 };

                if (nxc_starts_with(de->d_name, NXC_SHARED_PREFIX))
                        sweep_link(lfs, de->d_name);
                if (!nxc_starts_with(de->d_name, STAGING_PREFIX))
                        continue;
                staged = openat(lfs->fd, de->d_name, NXC_LAYER_DIR_FLAGS);
                if (staged < 0 || nxc_layerfs_lock_named(lfs->fd, de->d_name, staged, LOCK_EX) < 0)
                        continue; /* in use, or gone */
                if (nxc_remove_tree_at(lfs->fd, de->d_name, &e) < 0)
                        nxc_warn("%s, ignoring", e.message);
                else
                        nxc_debug("removed 'layers/%s', left by a killed process", de->d_name);
        }
        return 0;
}

/* --- indexes --- */

static int by_text(const void *a, const void *b)
{
        return strcmp(a, b);
}

int nxc_layerfs_prune_indexes(struct nxc_layerfs *lfs, const struct nxc_chain_ids *wanted, size_t n_wanted,
        uint64_t *bytes, struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        _cleanup_free_ char(*names)[NXC_INDEX_NAME_MAX] = calloc(n_wanted + 1, sizeof(*names));
        struct dirent *de;
        int r = names ? open_listing(lfs, &dir, err) : nxc_oom(err);

        for (size_t i = 0; r == 0 && i < n_wanted; i++)
                nxc_index_name(wanted[i].diff_ids, wanted[i].n, names[i]);
        if (r == 0)
                qsort(names, n_wanted, sizeof(*names), by_text);
        while (r == 0 && dir && (de = readdir(dir))) {
                struct stat st;

                if (!nxc_starts_with(de->d_name, NXC_INDEX_PREFIX) ||
                        bsearch(de->d_name, names, n_wanted, sizeof(*names), by_text) ||
                        fstatat(lfs->fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (unlinkat(lfs->fd, de->d_name, 0) < 0 && errno != ENOENT)
                        r = nxc_fail(err, errno, "remove 'layers/%s'", de->d_name);
                else
                        *bytes += (uint64_t)st.st_blocks * 512;
        }
        return r;
}

/* --- the rest of the facade --- */

int nxc_layer_open(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id,
        char path[static NXC_LAYER_PATH_MAX], int *ret, bool *ret_image, struct nxc_error *err)
{
        int r;

        nxc_layer_image_name(diff_id, path);
        r = nxc_layer_image_open(lfs, diff_id, ret, err);
        *ret_image = r == 0;
        if (r != -ENOENT)
                return r;
        layer_path(diff_id, NXC_LAYER_ROOT, path);
        *ret = lfs->fd < 0 ? -EBADF : openat(lfs->fd, path, NXC_LAYER_DIR_FLAGS);
        if (*ret >= 0)
                return 0;
        if (lfs->fd < 0 || errno == ENOENT)
                return -ENOENT;
        return nxc_fail(err, errno, "open layer '%s'", diff_id->text);
}

static int directory_size(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, uint64_t *ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *meta = NULL;
        char path[NXC_LAYER_PATH_MAX];
        json_t *size;
        int r;

        layer_path(diff_id, NXC_LAYER_META, path);
        r = nxc_json_load_at(lfs->fd, path, NXC_LAYER_META_MAX_BYTES, &meta, err);
        if (r < 0)
                return nxc_error_wrap(err, "layer '%s'", diff_id->text);
        size = nxc_json_get(meta, "diskBytes");
        if (!json_is_integer(size))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_JSON, 0, "read 'diskBytes' of layer '%s'", diff_id->text);
        *ret = (uint64_t)json_integer_value(size);
        return 0;
}

int nxc_layerfs_size(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, uint64_t *ret, struct nxc_error *err)
{
        char path[NXC_LAYER_PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        bool image;
        struct stat st;
        int r = nxc_layer_open(lfs, diff_id, path, &fd, &image, err);

        if (r == -ENOENT)
                return nxc_fail_kind(
                        err, NXC_ERR_IMAGE_NOT_FOUND, ENOENT, "find layer '%s' in the store", diff_id->text);
        if (r < 0)
                return r;
        if (!image)
                return directory_size(lfs, diff_id, ret, err);
        if (fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "stat layer '%s'", diff_id->text);
        *ret = (uint64_t)st.st_blocks * 512;
        return 0;
}

int nxc_layerfs_each(struct nxc_layerfs *lfs, int (*fn)(void *arg, const struct nxc_digest *diff_id),
        void *arg, struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int opened = open_listing(lfs, &dir, err);

        if (opened < 0 || !dir)
                return opened;
        while ((de = readdir(dir))) {
                char *dash = strchr(de->d_name, '-');
                size_t len = strlen(de->d_name);
                bool image = nxc_ends_with(de->d_name, NXC_LAYER_IMAGE_SUFFIX);
                struct nxc_digest diff_id;
                int r;

                if (de->d_name[0] == '.' || !dash)
                        continue;
                *dash = ':';
                if (image)
                        de->d_name[len - strlen(NXC_LAYER_IMAGE_SUFFIX)] = '\0';
                if (nxc_digest_parse(de->d_name, &diff_id, NULL) < 0)
                        continue;
                if (!image && has_image(lfs, &diff_id))
                        continue; /* both forms, made side by side: said once */
                r = fn(arg, &diff_id);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Taken out of its name first, so that nobody ever sees half of it. */
static int remove_form(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, const char *name,
        const char *locked, int fd, struct nxc_error *err)
{
        char staged[NXC_STAGING_NAME_MAX];
        _cleanup_close_ int stage_fd = -EBADF;
        int r = nxc_layerfs_lock_named(lfs->fd, locked, fd, LOCK_EX);

        if (r == -ENOENT)
                return 0;
        if (r == -EWOULDBLOCK)
                return nxc_fail_kind(
                        err, NXC_ERR_BUSY, EBUSY, "remove layer '%s', it is in use", diff_id->text);
        if (r < 0)
                return nxc_fail(err, -r, "lock layer '%s'", diff_id->text);
        r = nxc_layerfs_stage(lfs, staged, &stage_fd, err);
        if (r < 0)
                return r;
        if (renameat(lfs->fd, name, stage_fd, "layer") < 0)
                r = nxc_fail(err, errno, "remove layer '%s'", diff_id->text);
        if (nxc_remove_tree_at(lfs->fd, staged, r == 0 ? err : NULL) < 0 && r == 0)
                r = nxc_error_wrap(err, "layer '%s'", diff_id->text);
        return r;
}

/* Of two forms, made side by side, the image is seen first; so both go in turn. */
int nxc_layerfs_remove(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct nxc_error *err)
{
        int r = 0;

        for (int form = 0; r == 0 && form < 2; form++) {
                char name[NXC_DIGEST_MAX], path[NXC_LAYER_PATH_MAX];
                _cleanup_close_ int fd = -EBADF;
                bool image;

                r = nxc_layer_open(lfs, diff_id, path, &fd, &image, err);
                if (r == -ENOENT)
                        return 0;
                if (r < 0)
                        return r;
                nxc_layer_dir_name(diff_id, name);
                r = remove_form(lfs, diff_id, image ? path : name, path, fd, err);
        }
        return r;
}
