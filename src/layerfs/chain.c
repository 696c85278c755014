/* See layerfs.h: the layers of one image, held and composed. */
#include "layerfs/layerfs-internal.h"

#include "core/cleanup.h"
#include "core/copy.h"
#include "core/str.h"
#include "sys/feature.h"
#include "sys/mount.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static int describe_image(struct nxc_held_layer *l, const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct nxc_layer_record record;
        int r = nxc_layer_record_read(l->fd, diff_id, &record, err);

        if (r < 0)
                return r;
        l->flags = le32toh(record.flags);
        l->mode = le32toh(record.root_mode);
        l->uid = le32toh(record.root_uid);
        l->gid = le32toh(record.root_gid);
        l->blocks = le32toh(record.blocks);
        l->record_crc = le64toh(record.crc);
        return 0;
}

static int describe_directory(struct nxc_layerfs *lfs, struct nxc_held_layer *l,
        const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct stat st;
        char y;

        if (fstat(l->fd, &st) < 0)
                return nxc_fail(err, errno, "stat the root of layer '%s'", diff_id->text);
        l->mode = st.st_mode;
        l->uid = st.st_uid;
        l->gid = st.st_gid;
        if (fgetxattr(l->fd, nxc_overlay_opaque_xattr(), &y, 1) == 1 && y == 'y')
                l->flags |= NXC_LAYER_HAS_OPAQUE_ROOT;
        if (nxc_layer_has_mark(lfs, diff_id, NXC_LAYER_IMPLICIT_ROOT))
                l->flags |= NXC_LAYER_HAS_IMPLICIT_ROOT;
        if (nxc_layer_has_mark(lfs, diff_id, NXC_LAYER_WHITEOUTS))
                l->flags |= NXC_LAYER_HAS_WHITEOUTS;
        return 0;
}

static int hold_layer(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct nxc_held_layer *ret,
        struct nxc_error *err)
{
        char path[NXC_LAYER_PATH_MAX];
        struct nxc_held_layer l = { 0 };
        _cleanup_close_ int fd = -EBADF;
        int r = nxc_layer_open(lfs, diff_id, path, &fd, &l.image, err);

        if (r < 0 && r != -ENOENT)
                return r;
        /* Locked by another, or renamed: somebody is removing it. */
        if (r < 0 || nxc_layerfs_lock_named(lfs->fd, path, fd, LOCK_SH) < 0) {
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

/* --- the index --- */

/* FNV-1a: names need not be secret, and what has one is compared before it is used. */
void nxc_index_name(const struct nxc_digest *diff_ids, size_t n, char ret[static NXC_INDEX_NAME_MAX])
{
        uint64_t h = 0xcbf29ce484222325u;

        for (size_t i = 0; i < n; i++)
                for (const char *p = diff_ids[i].text;; p++) {
                        h = (h ^ (uint8_t)*p) * 0x100000001b3u;
                        if (!*p)
                                break;
                }
        snprintf(ret, NXC_INDEX_NAME_MAX, NXC_INDEX_PREFIX "%016" PRIx64 NXC_LAYER_IMAGE_SUFFIX, h);
}

/* Whether an index was made of these very images. */
static bool index_fits(const struct nxc_layer_chain *chain, const struct nxc_digest *diff_ids, int fd)
{
        size_t len = chain->n * sizeof(struct nxc_index_layer);
        _cleanup_free_ uint8_t *end = malloc(len + sizeof(struct nxc_layer_record));
        const struct nxc_index_layer *layers = (const void *)end;
        struct nxc_layer_record record;
        struct stat st;

        if (!end || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
                st.st_size < (off_t)(len + sizeof(record)) ||
                pread(fd, end, len + sizeof(record), st.st_size - (off_t)(len + sizeof(record))) !=
                        (ssize_t)(len + sizeof(record)))
                return false;
        memcpy(&record, end + len, sizeof(record));
        if (memcmp(record.magic, NXC_INDEX_RECORD_MAGIC, sizeof(record.magic)) != 0 ||
                le32toh(record.version) != NXC_LAYER_RECORD_VERSION || le32toh(record.n_layers) != chain->n)
                return false;
        for (size_t i = 0; i < chain->n; i++) {
                const struct nxc_held_layer *l = &chain->layers[i];

                if (!l->image || le64toh(layers[i].record_crc) != l->record_crc ||
                        strncmp(layers[i].diff_id, diff_ids[i].text, sizeof(layers[i].diff_id)) != 0)
                        return false;
        }
        return true;
}

static void find_index(struct nxc_layer_chain *chain, const struct nxc_digest *diff_ids)
{
        char name[NXC_INDEX_NAME_MAX];
        _cleanup_close_ int fd = -EBADF;

        if (chain->n - chain->bottom < 2 || !nxc_feature_enabled("EROFS_INDEX"))
                return;
        nxc_index_name(diff_ids, chain->n, name);
        fd = openat(chain->lfs->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && index_fits(chain, diff_ids, fd))
                chain->index_fd = TAKE_FD(fd);
}

/* --- holding --- */

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
        chain->index_fd = chain->lower_fd = -EBADF;
        for (size_t i = 0; i < n; i++) {
                struct nxc_held_layer *l = &chain->layers[i];
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
        find_index(chain, diff_ids);
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
        nxc_closep(&chain->index_fd);
        nxc_closep(&chain->lower_fd);
        free(chain);
}

static int give_root_owner(const struct nxc_layer_chain *chain, const struct nxc_idmap *ids, int fd,
        const char *what, struct nxc_error *err)
{
        uid_t uid = chain->root->uid;
        gid_t gid = chain->root->gid;
        int r = nxc_idmap_owner(ids, &uid, &gid);

        if (r < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, -r,
                        "'/' of the image is owned by %u:%u, which the user namespace does not map", uid,
                        gid);
        if (fchown(fd, uid, gid) < 0 || fchmod(fd, chain->root->mode & 07777) < 0)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_ROOTFS, errno, "give %s the owner and mode of '/'", what);
        return 0;
}

/* An upper directory that was never part of an overlay gets the owner and mode of "/": it is what shows.
 * Later it is the container's, which may have changed them. overlayfs makes "work" in the work directory at
 * the first mount. */
static int prepare_upper(
        const struct nxc_layer_chain *chain, int upper_fd, int work_fd, struct nxc_error *err)
{
        if (faccessat(work_fd, "work", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        return give_root_owner(chain, chain->ids, upper_fd, "the upper directory", err);
}

/* An empty directory with the owner and mode of "/", to lie above or below layers. */
static int open_root_dir(const struct nxc_layer_chain *chain, int *ret, struct nxc_error *err)
{
        struct nxc_layerfs *lfs = chain->lfs;
        const struct nxc_held_layer *root = chain->root;
        char name[64], staged[NXC_STAGING_NAME_MAX];
        _cleanup_close_ int fd = -EBADF, stage_fd = -EBADF;
        int r = 0;

        snprintf(name, sizeof(name), ".root-%04o-%u-%u", root->mode & 07777, root->uid, root->gid);
        fd = openat(lfs->fd, name, NXC_LAYER_DIR_FLAGS);
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
                fd = openat(lfs->fd, name, NXC_LAYER_DIR_FLAGS);
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
static int open_lower(const struct nxc_layer_chain *chain, const struct nxc_held_layer *l, int *ret,
        bool *ret_mounted, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        int r = 0;

        if (l->image)
                r = nxc_mount_erofs(l->fd, NULL, 0, &fd, err);
        else if (chain->ids)
                r = nxc_mount_clone(l->fd, true, &fd, err);
        if (r == 0 && chain->ids)
                r = nxc_idmap_mount(fd, chain->userns_fd, "the layers", err);
        if (r < 0)
                return r;
        *ret_mounted = fd >= 0;
        *ret = fd >= 0 ? TAKE_FD(fd) : l->fd;
        return 0;
}

/* What others share cannot be shown with other owners: a user namespace's layers are mounted for it,
 * each. */
static int collect_lowers(struct nxc_layer_chain *chain, struct lowers *lowers, struct nxc_error *err)
{
        if (!chain->ids && nxc_layer_chain_mount_lower(chain)) {
                lowers->fds[lowers->n++] = chain->lower_fd;
                return 0;
        }
        for (size_t i = chain->n; i-- > chain->bottom;) {
                bool mounted;
                int fd, r;

                if (chain->layers[i].above)
                        continue;
                r = open_lower(chain, &chain->layers[i], &fd, &mounted, err);
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

/* Whether all layers together are one directory, without marks that only an overlay understands. */
static bool is_plain(const struct nxc_layer_chain *chain)
{
        return chain->index_fd >= 0 ||
               (chain->n == 1 && !(chain->layers[0].flags & NXC_LAYER_HAS_WHITEOUTS));
}

/* A clone, so that it can be shared too; before Linux 6.15 a detached mount has none, and goes itself. */
static int hand_out_lower(struct nxc_layer_chain *chain, int *ret_mount_fd, struct nxc_error *err)
{
        struct nxc_error why = { 0 };
        int r = nxc_mount_clone(chain->lower_fd, true, ret_mount_fd, &why);

        if (r == -EINVAL) {
                *ret_mount_fd = TAKE_FD(chain->lower_fd);
                return 0;
        }
        if (r < 0 && err)
                *err = why;
        return r;
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
        if (upper_fd < 0 && is_plain(chain)) {
                if (nxc_layer_chain_mount_lower(chain))
                        return hand_out_lower(chain, ret_mount_fd, err);
                if (!chain->layers[0].image && chain->n == 1)
                        return nxc_mount_clone(chain->layers[0].fd, true, ret_mount_fd, err);
        }
        if (upper_fd >= 0) {
                r = prepare_upper(chain, upper_fd, work_fd, err);
                if (r < 0)
                        return r;
        }
        r = collect_lowers(chain, lowers, err);
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

/* Each layer over the one below, from the files that they are in: where their blocks can be cloned, all of
 * an image costs its names. */
static int clone_layers(const struct nxc_layer_chain *chain, int to_fd, const struct nxc_flatten_opts *opts,
        struct nxc_error *err)
{
        struct nxc_flatten_opts with_image = *opts;
        int r = 0;

        for (size_t i = chain->bottom; r == 0 && i < chain->n; i++) {
                const struct nxc_held_layer *l = &chain->layers[i];
                _cleanup_close_ int mount_fd = -EBADF;

                if (l->above)
                        continue;
                if (l->image)
                        r = nxc_mount_erofs(l->fd, NULL, 0, &mount_fd, err);
                with_image.image_fd = l->image ? l->fd : 0;
                if (r == 0)
                        r = nxc_layer_apply(l->image ? mount_fd : l->fd, to_fd, &with_image, err);
        }
        return r;
}

/* The layers are walked from below; what an upper one says comes last. With an index they are one
 * already. */
static int copy_layers(
        struct nxc_layer_chain *chain, int to_fd, const struct nxc_flatten_opts *opts, struct nxc_error *err)
{
        _cleanup_(free_lowers) struct lowers *lowers = new_lowers(chain);
        int r = lowers ? collect_lowers(chain, lowers, err) : nxc_oom(err);

        for (size_t i = lowers ? lowers->n : 0; r == 0 && i-- > 0;)
                r = nxc_layer_apply(lowers->fds[i], to_fd, opts, err);
        return r;
}

int nxc_layer_chain_flatten(struct nxc_layer_chain *chain, int upper_fd, int to_fd,
        const struct nxc_flatten_opts *opts, struct nxc_error *err)
{
        const struct nxc_held_layer *top = &chain->layers[chain->n - 1];
        int r = top->image && nxc_copy_can_clone(top->fd, to_fd) ? clone_layers(chain, to_fd, opts, err)
                                                                 : copy_layers(chain, to_fd, opts, err);

        if (r < 0)
                return nxc_error_wrap(err, "copy the layers of the image");
        if (upper_fd >= 0)
                return nxc_layer_apply(upper_fd, to_fd, opts, err);
        return give_root_owner(chain, opts->ids, to_fd, "the copied root", err);
}
