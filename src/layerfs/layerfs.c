/* See layerfs.h; layerfs-internal.h has what is on disk. */
#include "layerfs/layerfs-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/str.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define STAGING_PREFIX ".staging-"
#define STAGING_TRIES                                                                       \
        100 /* names taken by a killed process of the same pid, or swept while we made them \
             */
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define ROOT_PATH_MAX (NXC_DIGEST_MAX + 24)

int nxc_layerfs_open(int store_fd, bool create, struct nxc_layerfs **ret, struct nxc_error *err)
{
        struct nxc_layerfs *lfs = malloc(sizeof(*lfs));

        if (!lfs)
                return nxc_oom(err);
        if (create && mkdirat(store_fd, "layers", 0700) < 0 && errno != EEXIST) {
                free(lfs);
                return nxc_fail(err, errno, "create the store's directory 'layers'");
        }
        lfs->fd = store_fd < 0 ? -EBADF : openat(store_fd, "layers", DIR_FLAGS);
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

void nxc_layer_dir_name(const struct nxc_digest *diff_id, char *ret)
{
        const char *hex = nxc_digest_hex(diff_id);

        snprintf(ret, NXC_DIGEST_MAX, "%.*s-%s", (int)(hex - 1 - diff_id->text), diff_id->text, hex);
}

static void layer_path(const struct nxc_digest *diff_id, const char *file, char ret[static ROOT_PATH_MAX])
{
        char name[NXC_DIGEST_MAX];

        nxc_layer_dir_name(diff_id, name);
        snprintf(ret, ROOT_PATH_MAX, "%s/%s", name, file);
}

static bool layer_has_mark(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, const char *mark)
{
        char path[ROOT_PATH_MAX];

        layer_path(diff_id, mark, path);
        return faccessat(lfs->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool nxc_layerfs_has(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id)
{
        return lfs->fd >= 0 && layer_has_mark(lfs, diff_id, NXC_LAYER_ROOT);
}

/* --- locks and staged directories --- */

/* Locks what was opened by name, if the name still means it: it may have been renamed or removed before the
 * lock. */
static int lock_named(int dir_fd, const char *name, int fd, int op)
{
        struct stat held, named;

        if (flock(fd, op | LOCK_NB) < 0)
                return -errno;
        if (fstat(fd, &held) < 0 || fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return held.st_ino == named.st_ino && held.st_dev == named.st_dev ? 0 : -ENOENT;
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
                fd = openat(lfs->fd, name, DIR_FLAGS);
                if (fd < 0 || lock_named(lfs->fd, name, fd, LOCK_EX) < 0)
                        continue; /* a sweeper was faster; it removes what it has locked */
                *ret_fd = TAKE_FD(fd);
                return 0;
        }
        return nxc_fail(err, EEXIST, "create 'layers/%s', all names tried are taken", name);
}

int nxc_layerfs_sweep(struct nxc_layerfs *lfs, struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int fd;

        if (lfs->fd < 0)
                return 0;
        fd = openat(lfs->fd, ".", DIR_FLAGS);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return nxc_fail(err, errno, "list the store's directory 'layers'");
        while ((de = readdir(dir))) {
                _cleanup_close_ int staged = -EBADF;
                struct nxc_error e = { 0 };

                if (!nxc_starts_with(de->d_name, STAGING_PREFIX))
                        continue;
                staged = openat(lfs->fd, de->d_name, DIR_FLAGS);
                if (staged < 0 || lock_named(lfs->fd, de->d_name, staged, LOCK_EX) < 0)
                        continue; /* in use, or gone */
                if (nxc_remove_tree_at(lfs->fd, de->d_name, &e) < 0)
                        nxc_warn("%s, ignoring", e.message);
                else
                        nxc_debug("removed 'layers/%s', left by a killed process", de->d_name);
        }
        return 0;
}

/* --- chains --- */

struct held_layer {
        int fd;     /* its root, with a shared lock */
        bool above; /* the same layer comes again further up: this one adds nothing */
};

struct nxc_layer_chain {
        struct nxc_layerfs *lfs; /* borrowed */
        size_t n;
        size_t bottom;     /* the lowest that can be seen: one whose "/" is opaque hides all below */
        struct stat root;  /* the owner and mode of "/" */
        bool root_is_top;  /* the top layer says so itself */
        bool single_plain; /* one layer without whiteouts */
        struct held_layer layers[]; /* base first */
};

static const char *opaque_xattr(void)
{
        return nxc_overlay_uses_userxattr() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

static int hold_layer(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, int *ret, struct nxc_error *err)
{
        char path[ROOT_PATH_MAX];
        _cleanup_close_ int fd = -EBADF;

        layer_path(diff_id, NXC_LAYER_ROOT, path);
        fd = lfs->fd < 0 ? -1 : openat(lfs->fd, path, DIR_FLAGS);
        if (fd < 0 && lfs->fd >= 0 && errno != ENOENT)
                return nxc_fail(err, errno, "open layer '%s'", diff_id->text);
        /* Locked by another, or renamed: somebody is removing it. */
        if (fd < 0 || lock_named(lfs->fd, path, fd, LOCK_SH) < 0) {
                nxc_fail_kind(
                        err, NXC_ERR_IMAGE_NOT_FOUND, ENOENT, "find layer '%s' in the store", diff_id->text);
                nxc_error_hint(err, "pull the image again");
                return -ENOENT;
        }
        *ret = TAKE_FD(fd);
        return 0;
}

/* "/" is what the topmost layer says that says anything. */
static int find_root(struct nxc_layer_chain *chain, const struct nxc_digest *diff_ids, struct nxc_error *err)
{
        size_t i = chain->n;

        while (i > chain->bottom + 1 &&
                layer_has_mark(chain->lfs, &diff_ids[i - 1], NXC_LAYER_IMPLICIT_ROOT))
                i--;
        chain->root_is_top = i == chain->n;
        if (fstat(chain->layers[i - 1].fd, &chain->root) < 0)
                return nxc_fail(err, errno, "stat the root of layer '%s'", diff_ids[i - 1].text);
        return 0;
}

int nxc_layerfs_hold(struct nxc_layerfs *lfs, const struct nxc_digest *diff_ids, size_t n,
        struct nxc_layer_chain **ret, struct nxc_error *err)
{
        struct nxc_layer_chain *chain;
        const char *opaque = opaque_xattr();
        int r = 0;

        if (n == 0 || n > NXC_OVERLAY_MAX_LOWER)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "compose %zu layers, at least 1 and at most %d can be", n, NXC_OVERLAY_MAX_LOWER);
        chain = calloc(1, sizeof(*chain) + n * sizeof(chain->layers[0]));
        if (!chain)
                return nxc_oom(err);
        chain->lfs = lfs;
        for (size_t i = 0; i < n; i++) {
                char y;

                r = hold_layer(lfs, &diff_ids[i], &chain->layers[i].fd, err);
                if (r < 0)
                        break;
                chain->n = i + 1;
                if (fgetxattr(chain->layers[i].fd, opaque, &y, 1) == 1 && y == 'y')
                        chain->bottom = i; /* overlayfs does not look at the mark on a layer's own root */
                for (size_t k = i + 1; k < n && !chain->layers[i].above; k++)
                        chain->layers[i].above = nxc_digest_equal(&diff_ids[i], &diff_ids[k]);
        }
        if (r == 0)
                r = find_root(chain, diff_ids, err);
        if (r < 0) {
                nxc_layer_chain_release(chain);
                return r;
        }
        chain->single_plain = n == 1 && !layer_has_mark(lfs, &diff_ids[0], NXC_LAYER_WHITEOUTS);
        *ret = chain;
        return 0;
}

void nxc_layer_chain_release(struct nxc_layer_chain *chain)
{
        if (!chain)
                return;
        for (size_t i = 0; i < chain->n; i++)
                nxc_closep(&chain->layers[i].fd);
        free(chain);
}

/* An upper directory that was never part of an overlay gets the owner and mode of "/": it is what shows.
 * Later it is the container's, which may have changed them. overlayfs makes "work" in the work directory at
 * the first mount. */
static int prepare_upper(
        const struct nxc_layer_chain *chain, int upper_fd, int work_fd, struct nxc_error *err)
{
        if (faccessat(work_fd, "work", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        if (fchown(upper_fd, chain->root.st_uid, chain->root.st_gid) < 0 ||
                fchmod(upper_fd, chain->root.st_mode & 07777) < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errno,
                        "give the upper directory the owner and mode of '/'");
        return 0;
}

/* An empty directory with the owner and mode of "/", to lie above or below layers. */
static int open_root_dir(const struct nxc_layer_chain *chain, int *ret, struct nxc_error *err)
{
        struct nxc_layerfs *lfs = chain->lfs;
        const struct stat *st = &chain->root;
        char name[64], staged[NXC_STAGING_NAME_MAX];
        _cleanup_close_ int fd = -EBADF, stage_fd = -EBADF;
        int r = 0;

        snprintf(name, sizeof(name), ".root-%04o-%u-%u", st->st_mode & 07777, st->st_uid, st->st_gid);
        fd = openat(lfs->fd, name, DIR_FLAGS);
        if (fd >= 0) {
                *ret = TAKE_FD(fd);
                return 0;
        }
        r = nxc_layerfs_stage(lfs, staged, &stage_fd, err);
        if (r < 0)
                return r;
        if (fchown(stage_fd, st->st_uid, st->st_gid) < 0 || fchmod(stage_fd, st->st_mode & 07777) < 0 ||
                (renameat2(lfs->fd, staged, lfs->fd, name, RENAME_NOREPLACE) < 0 && errno != EEXIST))
                r = nxc_fail(err, errno, "create 'layers/%s'", name);
        if (r == 0) {
                fd = openat(lfs->fd, name, DIR_FLAGS);
                if (fd < 0)
                        r = nxc_fail(err, errno, "open 'layers/%s'", name);
        }
        unlinkat(lfs->fd, staged, AT_REMOVEDIR); /* still there on failure, or when another was faster */
        if (r < 0)
                return r;
        *ret = TAKE_FD(fd);
        return 0;
}

int nxc_layer_chain_compose(struct nxc_layer_chain *chain, int upper_fd, int work_fd, bool volatile_upper,
        int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_free_ int *lower = calloc(chain->n + 2, sizeof(*lower));
        _cleanup_close_ int root_dir = -EBADF;
        struct nxc_overlay_opts opts = {
                .lower_fds = lower,
                .upper_fd = upper_fd,
                .work_fd = work_fd,
                .read_only = upper_fd < 0,
                .volatile_upper = volatile_upper,
        };
        int r;

        if (!lower)
                return nxc_oom(err);
        if (upper_fd < 0 && chain->single_plain)
                return nxc_mount_clone(chain->layers[0].fd, true, ret_mount_fd, err);
        if (upper_fd >= 0) {
                r = prepare_upper(chain, upper_fd, work_fd, err);
                if (r < 0)
                        return r;
        }
        for (size_t i = chain->n; i-- > chain->bottom;)
                if (!chain->layers[i].above)
                        lower[opts.n_lower++] = chain->layers[i].fd;
        if (upper_fd < 0 && (!chain->root_is_top || opts.n_lower == 1)) {
                r = open_root_dir(chain, &root_dir, err);
                if (r < 0)
                        return r;
                memmove(lower + 1, lower, opts.n_lower++ * sizeof(*lower));
                lower[0] = root_dir;
        }
        return nxc_mount_overlay(&opts, ret_mount_fd, err);
}

/* --- the rest of the facade --- */

int nxc_layerfs_size(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, uint64_t *ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *meta = NULL;
        char path[ROOT_PATH_MAX];
        json_t *size;
        int r;

        if (!nxc_layerfs_has(lfs, diff_id))
                return nxc_fail_kind(
                        err, NXC_ERR_IMAGE_NOT_FOUND, ENOENT, "find layer '%s' in the store", diff_id->text);
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

int nxc_layerfs_each(struct nxc_layerfs *lfs, int (*fn)(void *arg, const struct nxc_digest *diff_id),
        void *arg, struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int fd;

        if (lfs->fd < 0)
                return 0;
        fd = openat(lfs->fd, ".", DIR_FLAGS);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return nxc_fail(err, errno, "list the store's directory 'layers'");
        while ((de = readdir(dir))) {
                char *dash = strchr(de->d_name, '-');
                struct nxc_digest diff_id;
                int r;

                if (de->d_name[0] == '.' || !dash)
                        continue;
                *dash = ':';
                if (nxc_digest_parse(de->d_name, &diff_id, NULL) < 0)
                        continue;
                r = fn(arg, &diff_id);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Taken out of its name first, so that nobody ever sees half of it. */
int nxc_layerfs_remove(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct nxc_error *err)
{
        char name[NXC_DIGEST_MAX], path[ROOT_PATH_MAX], staged[NXC_STAGING_NAME_MAX];
        _cleanup_close_ int root_fd = -EBADF, stage_fd = -EBADF;
        int r;

        if (lfs->fd < 0)
                return 0;
        nxc_layer_dir_name(diff_id, name);
        layer_path(diff_id, NXC_LAYER_ROOT, path);
        root_fd = openat(lfs->fd, path, DIR_FLAGS);
        if (root_fd < 0)
                return errno == ENOENT ? 0 : nxc_fail(err, errno, "open layer '%s'", diff_id->text);
        r = lock_named(lfs->fd, path, root_fd, LOCK_EX);
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
