/* See layerfs.h; layerfs-internal.h has what is on disk. */
#include "layerfs/layerfs-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/str.h"
#include "sys/mount.h"

#include <endian.h>
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
        lfs->format = NXC_LAYER_AUTO;
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

void nxc_layerfs_set_format(struct nxc_layerfs *lfs, enum nxc_layer_format format)
{
        lfs->format = format;
}

/* --- names --- */

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
        return lfs->fd >= 0 && (has_image(lfs, diff_id) || layer_has_mark(lfs, diff_id, NXC_LAYER_ROOT));
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
        int fd; /* its image, or its root as a directory; with a shared lock */
        bool image;
        bool above;     /* the same layer comes again further up: this one adds nothing */
        uint32_t flags; /* nxc_layer_record_flags */
        mode_t mode;    /* of its "/" */
        uid_t uid;
        gid_t gid;
};

struct nxc_layer_chain {
        struct nxc_layerfs *lfs; /* borrowed */
        size_t n;
        size_t bottom; /* the lowest that can be seen: one whose "/" is opaque hides all below */
        const struct held_layer *root; /* has the owner and mode of "/" */
        bool root_is_top;              /* the top layer says so itself */
        const struct nxc_idmap *ids;   /* borrowed: of the user namespace it is composed for, or NULL */
        int userns_fd;                 /* borrowed: that namespace */
        struct held_layer layers[];    /* base first */
};

static const char *opaque_xattr(void)
{
        return nxc_overlay_uses_userxattr() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

static int describe_image(struct held_layer *l, const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct nxc_layer_record record;
        int r = nxc_layer_record_read(l->fd, diff_id, &record, err);

        if (r < 0)
                return r;
        l->flags = le32toh(record.flags);
        l->mode = le32toh(record.root_mode);
        l->uid = le32toh(record.root_uid);
        l->gid = le32toh(record.root_gid);
        return 0;
}

static int describe_directory(struct nxc_layerfs *lfs, struct held_layer *l,
        const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct stat st;
        char y;

        if (fstat(l->fd, &st) < 0)
                return nxc_fail(err, errno, "stat the root of layer '%s'", diff_id->text);
        l->mode = st.st_mode;
        l->uid = st.st_uid;
        l->gid = st.st_gid;
        if (fgetxattr(l->fd, opaque_xattr(), &y, 1) == 1 && y == 'y')
                l->flags |= NXC_LAYER_HAS_OPAQUE_ROOT;
        if (layer_has_mark(lfs, diff_id, NXC_LAYER_IMPLICIT_ROOT))
                l->flags |= NXC_LAYER_HAS_IMPLICIT_ROOT;
        if (layer_has_mark(lfs, diff_id, NXC_LAYER_WHITEOUTS))
                l->flags |= NXC_LAYER_HAS_WHITEOUTS;
        return 0;
}

/* Opens what a layer is, and the name by which it is locked. -ENOENT without err. */
static int open_layer(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id,
        char path[static ROOT_PATH_MAX], int *ret, bool *ret_image, struct nxc_error *err)
{
        int r;

        nxc_layer_image_name(diff_id, path);
        r = nxc_layer_image_open(lfs, diff_id, ret, err);
        *ret_image = r == 0;
        if (r != -ENOENT)
                return r;
        layer_path(diff_id, NXC_LAYER_ROOT, path);
        *ret = lfs->fd < 0 ? -EBADF : openat(lfs->fd, path, DIR_FLAGS);
        if (*ret >= 0)
                return 0;
        if (lfs->fd < 0 || errno == ENOENT)
                return -ENOENT;
        return nxc_fail(err, errno, "open layer '%s'", diff_id->text);
}

static int hold_layer(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct held_layer *ret,
        struct nxc_error *err)
{
        char path[ROOT_PATH_MAX];
        struct held_layer l = { 0 };
        _cleanup_close_ int fd = -EBADF;
        int r = open_layer(lfs, diff_id, path, &fd, &l.image, err);

        if (r < 0 && r != -ENOENT)
                return r;
        /* Locked by another, or renamed: somebody is removing it. */
        if (r < 0 || lock_named(lfs->fd, path, fd, LOCK_SH) < 0) {
                nxc_fail_kind(
                        err, NXC_ERR_IMAGE_NOT_FOUND, ENOENT, "find layer '%s' in the store", diff_id->text);
                nxc_error_hint(err, "pull the image again");
                return -ENOENT;
        }
        l.fd = fd;
        r = l.image ? describe_image(&l, diff_id, err) : describe_directory(lfs, &l, diff_id, err);
        if (r < 0)
                return r;
        l.fd = TAKE_FD(fd);
        *ret = l;
        return 0;
}

/* "/" is what the topmost layer says that says anything. */
static void find_root(struct nxc_layer_chain *chain)
{
        size_t i = chain->n;

        while (i > chain->bottom + 1 && (chain->layers[i - 1].flags & NXC_LAYER_HAS_IMPLICIT_ROOT))
                i--;
        chain->root_is_top = i == chain->n;
        chain->root = &chain->layers[i - 1];
}

int nxc_layerfs_hold(struct nxc_layerfs *lfs, const struct nxc_digest *diff_ids, size_t n,
        struct nxc_layer_chain **ret, struct nxc_error *err)
{
        struct nxc_layer_chain *chain;

        if (n == 0 || n > NXC_OVERLAY_MAX_LOWER)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "compose %zu layers, at least 1 and at most %d can be", n, NXC_OVERLAY_MAX_LOWER);
        chain = calloc(1, sizeof(*chain) + n * sizeof(chain->layers[0]));
        if (!chain)
                return nxc_oom(err);
        chain->lfs = lfs;
        for (size_t i = 0; i < n; i++) {
                struct held_layer *l = &chain->layers[i];
                int r = hold_layer(lfs, &diff_ids[i], l, err);

                if (r < 0) {
                        nxc_layer_chain_release(chain);
                        return r;
                }
                chain->n = i + 1;
                if (l->flags & NXC_LAYER_HAS_OPAQUE_ROOT)
                        chain->bottom = i; /* overlayfs does not look at the mark on a layer's own root */
                for (size_t k = i + 1; k < n && !l->above; k++)
                        l->above = nxc_digest_equal(&diff_ids[i], &diff_ids[k]);
        }
        find_root(chain);
        *ret = chain;
        return 0;
}

void nxc_layer_chain_map(struct nxc_layer_chain *chain, const struct nxc_idmap *ids, int userns_fd)
{
        chain->ids = ids;
        chain->userns_fd = userns_fd;
}

void nxc_layer_chain_release(struct nxc_layer_chain *chain)
{
        if (!chain)
                return;
        for (size_t i = 0; i < chain->n; i++)
                nxc_closep(&chain->layers[i].fd);
        free(chain);
}

static int shift_owner(const struct nxc_idmap *ids, uid_t *uid, gid_t *gid)
{
        uint32_t u = *uid, g = *gid;
        int r = ids ? nxc_idmap_shift(ids->uids, ids->n_uids, *uid, &u) : 0;

        if (r == 0 && ids)
                r = nxc_idmap_shift(ids->gids, ids->n_gids, *gid, &g);
        if (r == 0) {
                *uid = u;
                *gid = g;
        }
        return r;
}

/* An upper directory that was never part of an overlay gets the owner and mode of "/": it is what shows.
 * Later it is the container's, which may have changed them. overlayfs makes "work" in the work directory at
 * the first mount. */
static int prepare_upper(
        const struct nxc_layer_chain *chain, int upper_fd, int work_fd, struct nxc_error *err)
{
        uid_t uid = chain->root->uid;
        gid_t gid = chain->root->gid;
        int r;

        if (faccessat(work_fd, "work", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        r = shift_owner(chain->ids, &uid, &gid);
        if (r < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, -r,
                        "'/' of the image is owned by %u:%u, which the user namespace does not map", uid,
                        gid);
        if (fchown(upper_fd, uid, gid) < 0 || fchmod(upper_fd, chain->root->mode & 07777) < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errno,
                        "give the upper directory the owner and mode of '/'");
        return 0;
}

/* An empty directory with the owner and mode of "/", to lie above or below layers. */
static int open_root_dir(const struct nxc_layer_chain *chain, int *ret, struct nxc_error *err)
{
        struct nxc_layerfs *lfs = chain->lfs;
        const struct held_layer *root = chain->root;
        char name[64], staged[NXC_STAGING_NAME_MAX];
        _cleanup_close_ int fd = -EBADF, stage_fd = -EBADF;
        int r = 0;

        snprintf(name, sizeof(name), ".root-%04o-%u-%u", root->mode & 07777, root->uid, root->gid);
        fd = openat(lfs->fd, name, DIR_FLAGS);
        if (fd >= 0) {
                *ret = TAKE_FD(fd);
                return 0;
        }
        r = nxc_layerfs_stage(lfs, staged, &stage_fd, err);
        if (r < 0)
                return r;
        if (fchown(stage_fd, root->uid, root->gid) < 0 || fchmod(stage_fd, root->mode & 07777) < 0 ||
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

/* The lower directories of an overlay, top first: detached mounts of images, which are ours to close (from
 * the end of fds on), and directories, which are not. */
struct lowers {
        size_t n, n_mounts, size;
        int fds[];
};

static void free_lowers(struct lowers **lp)
{
        struct lowers *l = *lp;

        for (size_t i = 0; l && i < l->n_mounts; i++)
                close(l->fds[l->size - 1 - i]);
        nxc_freep(lp);
}

/* A layer as an overlay takes it: its directory, or *ret_mounted a mount of it. */
static int open_lower(const struct nxc_layer_chain *chain, const struct held_layer *l, bool mapped, int *ret,
        bool *ret_mounted, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        int r = 0;

        if (l->image)
                r = nxc_mount_erofs(l->fd, &fd, err);
        else if (mapped)
                r = nxc_mount_clone(l->fd, true, &fd, err);
        if (r == 0 && mapped)
                r = nxc_idmap_mount(fd, chain->userns_fd, "the layers", err);
        if (r < 0)
                return r;
        *ret_mounted = fd >= 0;
        *ret = fd >= 0 ? TAKE_FD(fd) : l->fd;
        return 0;
}

static int collect_lowers(
        const struct nxc_layer_chain *chain, bool mapped, struct lowers *lowers, struct nxc_error *err)
{
        for (size_t i = chain->n; i-- > chain->bottom;) {
                bool mounted;
                int fd, r;

                if (chain->layers[i].above)
                        continue;
                r = open_lower(chain, &chain->layers[i], mapped, &fd, &mounted, err);
                if (r < 0)
                        return nxc_error_wrap(err, "layer %zu", i + 1);
                if (mounted)
                        lowers->fds[lowers->size - ++lowers->n_mounts] = fd;
                lowers->fds[lowers->n++] = fd;
        }
        return 0;
}

static struct lowers *new_lowers(const struct nxc_layer_chain *chain)
{
        size_t size = 2 * chain->n + 1;
        struct lowers *l = calloc(1, sizeof(*l) + size * sizeof(l->fds[0]));

        if (l)
                l->size = size;
        return l;
}

/* One layer, read-only, without whiteouts: no overlay is needed. */
static int compose_single(const struct held_layer *l, int *ret_mount_fd, struct nxc_error *err)
{
        return l->image ? nxc_mount_erofs(l->fd, ret_mount_fd, err)
                        : nxc_mount_clone(l->fd, true, ret_mount_fd, err);
}

int nxc_layer_chain_compose(struct nxc_layer_chain *chain, int upper_fd, int work_fd, bool volatile_upper,
        int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_(free_lowers) struct lowers *lowers = new_lowers(chain);
        _cleanup_close_ int root_dir = -EBADF;
        struct nxc_overlay_opts opts = {
                .upper_fd = upper_fd,
                .work_fd = work_fd,
                .read_only = upper_fd < 0,
                .volatile_upper = volatile_upper,
        };
        int r;

        if (!lowers)
                return nxc_oom(err);
        if (upper_fd < 0 && chain->n == 1 && !(chain->layers[0].flags & NXC_LAYER_HAS_WHITEOUTS))
                return compose_single(&chain->layers[0], ret_mount_fd, err);
        if (upper_fd >= 0) {
                r = prepare_upper(chain, upper_fd, work_fd, err);
                if (r < 0)
                        return r;
        }
        r = collect_lowers(chain, chain->ids != NULL, lowers, err);
        if (r < 0)
                return r;
        if (upper_fd < 0 && (!chain->root_is_top || lowers->n == 1)) {
                r = open_root_dir(chain, &root_dir, err);
                if (r < 0)
                        return r;
                memmove(lowers->fds + 1, lowers->fds, lowers->n++ * sizeof(lowers->fds[0]));
                lowers->fds[0] = root_dir;
        }
        opts.lower_fds = lowers->fds;
        opts.n_lower = lowers->n;
        return nxc_mount_overlay(&opts, ret_mount_fd, err);
}

/* The layers are walked from below; what an upper one says comes last. */
int nxc_layer_chain_flatten(struct nxc_layer_chain *chain, int upper_fd, int to_fd,
        const struct nxc_flatten_opts *opts, struct nxc_error *err)
{
        _cleanup_(free_lowers) struct lowers *lowers = new_lowers(chain);
        struct stat root = {
                .st_mode = chain->root->mode, .st_uid = chain->root->uid, .st_gid = chain->root->gid
        };
        int r = lowers ? collect_lowers(chain, false, lowers, err) : nxc_oom(err);

        for (size_t i = lowers ? lowers->n : 0; r == 0 && i-- > 0;) {
                r = nxc_layer_apply(lowers->fds[i], to_fd, opts, err);
                if (r < 0)
                        nxc_error_wrap(err, "copy the layers of the image");
        }
        if (r == 0 && upper_fd >= 0)
                return nxc_layer_apply(upper_fd, to_fd, opts, err);
        if (r == 0 && (shift_owner(opts->ids, &root.st_uid, &root.st_gid) < 0 ||
                              fchown(to_fd, root.st_uid, root.st_gid) < 0 ||
                              fchmod(to_fd, root.st_mode & 07777) < 0))
                r = nxc_fail(err, errno, "give the copied root the owner and mode of '/'");
        return r;
}

/* --- the rest of the facade --- */

static int directory_size(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, uint64_t *ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *meta = NULL;
        char path[ROOT_PATH_MAX];
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
        char path[ROOT_PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        bool image;
        struct stat st;
        int r = open_layer(lfs, diff_id, path, &fd, &image, err);

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
        int fd;

        if (lfs->fd < 0)
                return 0;
        fd = openat(lfs->fd, ".", DIR_FLAGS);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return nxc_fail(err, errno, "list the store's directory 'layers'");
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
        int r = lock_named(lfs->fd, locked, fd, LOCK_EX);

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
                char name[NXC_DIGEST_MAX], path[ROOT_PATH_MAX];
                _cleanup_close_ int fd = -EBADF;
                bool image;

                r = open_layer(lfs, diff_id, path, &fd, &image, err);
                if (r == -ENOENT)
                        return 0;
                if (r < 0)
                        return r;
                nxc_layer_dir_name(diff_id, name);
                r = remove_form(lfs, diff_id, image ? path : name, path, fd, err);
        }
        return r;
}
