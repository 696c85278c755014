/* A dataset for each container: a clone of its image's, in constant time, whatever the image holds.
 *
 *   PARENT/images/CHAIN@ready     the image's layers, copied once, when the first container wants them. It is
 *                                 filled under another name (images/.new-...) and renamed when it is whole, so
 *                                 one under its own name is complete
 *   PARENT/containers/ID          a clone of it; quota: refquota; its mount is ours (mountpoint=legacy), first
 *                                 detached as all roots are
 *
 * Two creates of a new image: one fills, the other waits for its lock and finds the image. What a create
 * makes is written into the container's directory before it is made, DATASET_FILE and FILLING_FILE, so that
 * release finds it whatever the configuration says by then. All datasets carry org.nexcage:* properties, by
 * which sweep finds those whose container's directory is gone. */
#include "storage/zfs-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/path.h"
#include "core/process.h"
#include "core/publish.h"
#include "storage/common-internal.h"
#include "storage/storage.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <string.h>

#define DATASET_FILE ".dataset"
#define FILLING_FILE ".filling"
#define POOLS "/proc/spl/kstat/zfs" /* a directory for each pool that is imported */
#define FILL_TRIES 3                /* somebody may prune an image that nobody has cloned yet */

/* --- the host --- */

static void pool_of(const char *dataset, char *ret, size_t size)
{
        snprintf(ret, size, "%.*s", (int)strcspn(dataset, "/"), dataset);
}

static bool is_imported(const char *dataset)
{
        char pool[NXC_ZFS_NAME_MAX], path[sizeof(POOLS) + NXC_ZFS_NAME_MAX];

        pool_of(dataset, pool, sizeof(pool));
        snprintf(path, sizeof(path), POOLS "/%s", pool);
        return access(path, F_OK) == 0;
}

static int missing(struct nxc_error *err, const char *what, const char *hint)
{
        int r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "storage driver 'zfs': %s", what);

        nxc_error_hint(err, "%s", hint);
        return r;
}

static int check_pool(const char *parent, struct nxc_error *err)
{
        char pool[NXC_ZFS_NAME_MAX], path[sizeof(POOLS) + NXC_ZFS_NAME_MAX + 8];
        _cleanup_free_ char *state = NULL;
        int r;

        pool_of(parent, pool, sizeof(pool));
        if (!is_imported(parent)) {
                r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0,
                        "storage driver 'zfs': no pool '%s' is imported", pool);
                nxc_error_hint(err, "zpool import %s, or name another in zfs.parent of [storage]", pool);
                return r;
        }
        snprintf(path, sizeof(path), POOLS "/%s/state", pool);
        r = nxc_read_file_at(AT_FDCWD, path, 64, &state, NULL, NULL);
        if (r == -ENOMEM)
                return nxc_oom(err);
        /* Whoever asks such a pool for something waits for ever. */
        if (r < 0 || !nxc_starts_with(state, "SUSPENDED"))
                return 0;
        r = nxc_fail_kind(
                err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "storage driver 'zfs': pool '%s' is suspended", pool);
        nxc_error_hint(err, "zpool status %s; zpool clear %s", pool, pool);
        return r;
}

static int probe(const struct nxc_storage_env *env, struct nxc_error *err)
{
        _cleanup_free_ char *tool = NULL;
        int r;

        if (access("/dev/zfs", R_OK | W_OK) < 0)
                return missing(err,
                        errno == ENOENT ? "this kernel has no ZFS (/dev/zfs)" : "/dev/zfs is not for us",
                        errno == ENOENT ? "install zfs-dkms or a kernel with ZFS, and modprobe zfs"
                                        : "run as root");
        r = nxc_process_find("zfs", &tool);
        if (r == -ENOMEM)
                return nxc_oom(err);
        if (r < 0)
                return missing(err, "the program 'zfs' is not installed", "install zfsutils-linux");
        if (!env->zfs_parent)
                return missing(err, "no dataset is named for containers to live below",
                        "set zfs.parent = POOL/nexcage in [storage] of the configuration");
        r = nxc_zfs_check_parent(env->zfs_parent, err);
        return r < 0 ? r : check_pool(env->zfs_parent, err);
}

/* Its root, open for more than to be a mount's descriptor. */
static int open_root(int mount_fd, const char *dataset, int *ret, struct nxc_error *err)
{
        *ret = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret < 0 ? nxc_fail_kind(err, NXC_ERR_ZFS, errno, "open the root of dataset '%s'", dataset)
                        : 0;
}

/* --- the image's dataset --- */

static int create_group(const char *name, const char *mountpoint, struct nxc_error *err)
{
        /* What files of an image need, and what suits many small ones; the administrator may change it. */
        const char *args[] = { "create", "-u", "-o", "canmount=off", "-o", mountpoint, "-o", "xattr=sa",
                "-o", "acltype=posix", "-o", "atime=off", "-o", "compression=lz4", name, NULL };
        struct nxc_error why = { 0 };
        int r = nxc_zfs_run(args, NULL, &why);

        if (r == 0 || r == -EEXIST)
                return 0;
        if (err)
                *err = why;
        return r;
}

static int create_groups(const char *parent, struct nxc_error *err)
{
        char name[NXC_ZFS_NAME_MAX];
        int r = create_group(parent, "mountpoint=none", err);

        snprintf(name, sizeof(name), "%s/images", parent);
        if (r == 0)
                r = create_group(name, "mountpoint=legacy", err);
        snprintf(name, sizeof(name), "%s/containers", parent);
        return r < 0 ? r : create_group(name, "mountpoint=legacy", err);
}

static int has_image(const char *image, bool *ret, struct nxc_error *err)
{
        _cleanup_free_ char *snapshot = nxc_strf("%s@" NXC_ZFS_READY, image);
        struct nxc_error why = { 0 };
        int r = snapshot ? nxc_zfs_run((const char *const[]){ "list", "-H", "-o", "name", snapshot, NULL },
                                   NULL, &why)
                         : nxc_oom(&why);

        *ret = r == 0;
        if (r == 0 || r == -ENOENT)
                return 0;
        if (err)
                *err = why;
        return r;
}

/* As long as the descriptor is open nobody else fills this image for a container of this store. */
static int lock_image(
        const struct nxc_storage_env *env, const char *image, int *ret_fd, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(env->store, "locks");
        _cleanup_close_ int dir = -EBADF;
        char name[64];
        int r = path ? nxc_open_dir_p(path, 0700, &dir, err) : nxc_oom(err);

        snprintf(name, sizeof(name), "zfs-%.32s", strrchr(image, '/') + 1);
        return r < 0 ? r : nxc_lock_at(dir, name, NXC_LOCK_EXCLUSIVE, -1, ret_fd, err);
}

static int copy_layers(const struct nxc_storage_request *q, const char *dataset, struct nxc_error *err)
{
        _cleanup_close_ int mount_fd = -EBADF, root = -EBADF;
        int r = nxc_mount_dataset(dataset, &mount_fd, err);

        if (r == 0)
                r = open_root(mount_fd, dataset, &root, err);
        if (r == 0)
                r = nxc_storage_copy(q, -EBADF, NULL, root, err);
        return r < 0 ? nxc_error_wrap(err, "fill dataset '%s'", dataset) : 0;
}

static int create_filling(const struct nxc_storage_container *c, const struct nxc_storage_request *q,
        const char *filling, struct nxc_error *err)
{
        _cleanup_free_ char *store = nxc_strf(NXC_ZFS_PROP_STORE "=%s", c->env->store);
        _cleanup_free_ char *dir = nxc_strf(NXC_ZFS_PROP_DIR "=%s", c->dir);
        _cleanup_free_ char *top = nxc_strf(NXC_ZFS_PROP_TOP "=%s", q->diff_ids->v[q->diff_ids->n - 1]);
        const char *args[] = { "create", "-u", "-o", "canmount=noauto", "-o", store, "-o", dir, "-o", top,
                filling, NULL };
        struct nxc_error why = { 0 };
        int r = store && dir && top ? nxc_zfs_run(args, NULL, &why) : nxc_oom(&why);

        if (r == -ENOENT) { /* the first image of this parent */
                r = create_groups(c->env->zfs_parent, err);
                return r < 0 ? r : nxc_zfs_run(args, NULL, err);
        }
        if (r < 0 && err)
                *err = why;
        return r;
}

/* Whole, and under its own name. Another store's create may have been first. */
static int publish_image(const char *filling, const char *image, struct nxc_error *err)
{
        _cleanup_free_ char *snapshot = nxc_strf("%s@" NXC_ZFS_READY, filling);
        struct nxc_error why = { 0 };
        int r = snapshot ? nxc_zfs_run((const char *const[]){ "snapshot", snapshot, NULL }, NULL, err)
                         : nxc_oom(err);

        if (r < 0)
                return r;
        r = nxc_zfs_run((const char *const[]){ "rename", filling, image, NULL }, NULL, &why);
        if (r == -EEXIST)
                return nxc_zfs_destroy(filling, err);
        if (r < 0 && err)
                *err = why;
        return r;
}

static int fill(const struct nxc_storage_container *c, const struct nxc_storage_request *q,
        const char *image, struct nxc_error *err)
{
        char filling[NXC_ZFS_NAME_MAX];
        int r = nxc_zfs_filling_name(c, filling, err);

        if (r == 0)
                r = nxc_publish_at(q->dir_fd, FILLING_FILE, filling, strlen(filling), 0600, 0, err);
        if (r == 0)
                r = create_filling(c, q, filling, err);
        if (r < 0)
                return r;
        r = copy_layers(q, filling, err);
        if (r == 0)
                r = publish_image(filling, image, err);
        if (r < 0)
                nxc_zfs_destroy(
                        filling, NULL); /* now rather than by release: on a full pool others wait for it */
        else if (unlinkat(q->dir_fd, FILLING_FILE, 0) < 0)
                r = nxc_fail(err, errno, "remove '%s/" FILLING_FILE "'", c->dir);
        return r;
}

static int ensure_image(const struct nxc_storage_container *c, const struct nxc_storage_request *q,
        const char *image, struct nxc_error *err)
{
        _cleanup_close_ int lock = -EBADF;
        bool there = false;
        int r = lock_image(c->env, image, &lock, err);

        if (r == 0)
                r = has_image(image, &there, err);
        if (r < 0)
                return r;
        /* An image that cannot be cloned although it is there: for want of a place for containers. */
        return there ? create_groups(c->env->zfs_parent, err) : fill(c, q, image, err);
}

/* --- the container's dataset --- */

/* The names that make left in the container's directory; NULL without one. */
static int read_name(
        const struct nxc_storage_container *c, const char *file, char **ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(c->dir, file);
        struct nxc_error why = { 0 };
        int r = path ? nxc_read_file_at(AT_FDCWD, path, NXC_ZFS_NAME_MAX, ret, NULL, &why) : nxc_oom(&why);

        if (r == -ENOENT)
                *ret = NULL;
        if (r == 0 || r == -ENOENT)
                return 0;
        if (err)
                *err = why;
        return r;
}

static int need_dataset(const struct nxc_storage_container *c, char **ret, struct nxc_error *err)
{
        int r = read_name(c, DATASET_FILE, ret, err);

        if (r < 0 || *ret)
                return r;
        return nxc_fail_kind(err, NXC_ERR_ZFS, ENOENT, "container '%s' has no dataset", c->id);
}

/* refquota: what the root may hold, the image's files with it, as with an image file. */
static char *format_quota(uint64_t size_bytes)
{
        return size_bytes ? nxc_strf("refquota=%llu", (unsigned long long)size_bytes)
                          : strdup("refquota=none");
}

static int clone_snapshot(const struct nxc_storage_container *c, const struct nxc_storage_request *q,
        const char *origin, const char *dataset, struct nxc_error *err)
{
        _cleanup_free_ char *quota = format_quota(q->size_bytes);
        _cleanup_free_ char *store = nxc_strf(NXC_ZFS_PROP_STORE "=%s", c->env->store);
        _cleanup_free_ char *dir = nxc_strf(NXC_ZFS_PROP_DIR "=%s", c->dir);
        _cleanup_free_ char *id = nxc_strf(NXC_ZFS_PROP_ID "=%s", c->id);
        const char *args[] = { "clone", "-o", "canmount=noauto", "-o", quota, "-o", store, "-o", dir, "-o",
                id, origin, dataset, NULL };

        int r = quota && store && dir && id ? nxc_zfs_run(args, NULL, err) : nxc_oom(err);

        if (r == -ENOSPC && q->size_bytes)
                nxc_error_hint(err, "the image takes more than --storage-size, or the pool is full");
        return r;
}

static int read_property(const char *dataset, const char *name, char **ret, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        int r = nxc_zfs_run(
                (const char *const[]){ "get", "-H", "-o", "value", name, dataset, NULL }, &out, err);

        if (r < 0)
                return r;
        out.data[strcspn(out.data, "\n")] = '\0';
        *ret = TAKE_PTR(out.data);
        return 0;
}

/* A dataset of our name: what an earlier container of this directory could not destroy, or another
 * store's. */
static int clear_name(const struct nxc_storage_container *c, const char *dataset, struct nxc_error *err)
{
        _cleanup_free_ char *dir = NULL;
        int r = read_property(dataset, NXC_ZFS_PROP_DIR, &dir, err);

        if (r < 0)
                return r;
        if (nxc_streq(dir, c->dir))
                return nxc_zfs_destroy(dataset, err);
        r = nxc_fail_kind(err, NXC_ERR_CONTAINER_EXISTS, EEXIST,
                "dataset '%s' is that of a container with this ID in another store (%s)", dataset, dir);
        nxc_error_hint(err, "choose another id, or another zfs.parent for this store");
        return r;
}

static int clone_image(const struct nxc_storage_container *c, const struct nxc_storage_request *q,
        const char *dataset, struct nxc_error *err)
{
        char image[NXC_ZFS_NAME_MAX], origin[NXC_ZFS_NAME_MAX + sizeof("@" NXC_ZFS_READY)];
        int r = nxc_zfs_image_name(c->env->zfs_parent, q->diff_ids, image, err);

        snprintf(origin, sizeof(origin), "%s@" NXC_ZFS_READY, image);
        for (int i = 0; r == 0; i++) {
                struct nxc_error why = { 0 };
                int k = clone_snapshot(c, q, origin, dataset, &why);

                if (k == 0)
                        return 0;
                if (i == FILL_TRIES || (k != -ENOENT && k != -EEXIST)) {
                        if (err)
                                *err = why;
                        return k;
                }
                r = k == -EEXIST ? clear_name(c, dataset, err) : ensure_image(c, q, image, err);
        }
        return r;
}

/* Where no snapshot is named, one is made for this clone alone: marked to be destroyed when the clone is, or
 * by release, which finds its name. */
static int clone_now(const struct nxc_storage_container *c, const struct nxc_storage_request *q,
        const char *source, const char *dataset, struct nxc_error *err)
{
        char filling[NXC_ZFS_NAME_MAX];
        _cleanup_free_ char *origin = NULL;
        int r = nxc_zfs_filling_name(c, filling, err);

        if (r < 0)
                return r;
        origin = nxc_strf("%s@clone-%s", source, strrchr(filling, '-') + 1);
        if (!origin)
                return nxc_oom(err);
        r = nxc_publish_at(q->dir_fd, FILLING_FILE, origin, strlen(origin), 0600, 0, err);
        if (r == 0)
                r = nxc_zfs_run((const char *const[]){ "snapshot", origin, NULL }, NULL, err);
        if (r == 0)
                r = clone_snapshot(c, q, origin, dataset, err);
        if (r == 0)
                r = nxc_zfs_run((const char *const[]){ "destroy", "-d", origin, NULL }, NULL, err);
        if (r == 0 && unlinkat(q->dir_fd, FILLING_FILE, 0) < 0)
                r = nxc_fail(err, errno, "remove '%s/" FILLING_FILE "'", c->dir);
        return r;
}

static int clone_container(const struct nxc_storage_container *c, const struct nxc_storage_request *q,
        const char *dataset, struct nxc_error *err)
{
        struct nxc_storage_container from = { c->env, nxc_path_basename(q->clone_dir), q->clone_dir };
        _cleanup_free_ char *source = NULL, *origin = NULL;
        int r = need_dataset(&from, &source, err);

        if (r == 0 && q->clone_snapshot)
                r = nxc_zfs_check_snapshot(q->clone_snapshot, err);
        if (r < 0)
                return r;
        if (!q->clone_snapshot)
                return clone_now(c, q, source, dataset, err);
        origin = nxc_strf("%s@%s", source, q->clone_snapshot);
        return origin ? clone_snapshot(c, q, origin, dataset, err) : nxc_oom(err);
}

/* What the flow wrote into the overlay of prepare; what is cloned from a container has its like. */
static int take_over(
        const struct nxc_storage_request *q, int mount_fd, const char *dataset, struct nxc_error *err)
{
        struct nxc_flatten_opts opts = { 0 };
        _cleanup_close_ int root = -EBADF, upper = -EBADF;
        int r;

        if (q->clone_dir)
                return nxc_storage_remove_overlay(q->dir_fd, err);
        r = nxc_storage_open_dir(q->dir_fd, "upper", &upper, err);
        if (r == 0)
                r = open_root(mount_fd, dataset, &root, err);
        if (r == 0)
                r = nxc_layer_apply(upper, root, &opts, err);
        return r < 0 ? r : nxc_storage_remove_overlay(q->dir_fd, err);
}

static int map_owners(const struct nxc_storage_request *q, int mount_fd, struct nxc_error *err)
{
        _cleanup_close_ int userns = -EBADF;
        int r = q->ids ? nxc_idmap_open(q->ids, &userns, err) : 0;

        return r < 0 || !q->ids
                       ? r
                       : nxc_idmap_mount(mount_fd, userns,
                                 "a user namespace with storage driver 'zfs' (ZFS before 2.2)", err);
}

static int make(const struct nxc_storage_container *c, const struct nxc_storage_request *q, int *mount_fd,
        struct nxc_error *err)
{
        _cleanup_close_ int root = -EBADF;
        char dataset[NXC_ZFS_NAME_MAX];
        int r = nxc_zfs_container_name(c, dataset, err);

        nxc_closep(mount_fd);
        if (r == 0)
                r = nxc_publish_at(q->dir_fd, DATASET_FILE, dataset, strlen(dataset), 0600, 0, err);
        if (r == 0)
                r = q->clone_dir ? clone_container(c, q, dataset, err) : clone_image(c, q, dataset, err);
        if (r == 0)
                r = nxc_mount_dataset(dataset, &root, err);
        if (r == 0)
                r = take_over(q, root, dataset, err);
        if (r == 0)
                r = map_owners(q, root, err);
        if (r == 0)
                *mount_fd = TAKE_FD(root);
        return r;
}

static int attach(const struct nxc_storage_container *c, enum nxc_rootfs_kind kind, int mount_fd,
        struct nxc_rootfs *ret, struct nxc_error *err)
{
        _cleanup_free_ char *dataset = NULL;
        int r = need_dataset(c, &dataset, err);

        return r < 0 ? r : nxc_storage_attach_dir(c, mount_fd, dataset, ret, err);
}

static int destroy_named(const struct nxc_storage_container *c, const char *file, struct nxc_error *err)
{
        _cleanup_free_ char *name = NULL;
        int r = read_name(c, file, &name, err);

        if (r < 0 || !name)
                return r;
        if (is_imported(name))
                return nxc_zfs_destroy(name, err);
        nxc_warn("dataset '%s' stays until its pool is imported and `nexcage prune` finds it", name);
        return 0;
}

static int release(const struct nxc_storage_container *c, struct nxc_error *err)
{
        int r = nxc_storage_unmount(c, err);

        if (r == 0)
                r = destroy_named(c, DATASET_FILE, err);
        return r < 0 ? r : destroy_named(c, FILLING_FILE, err);
}

/* --- figures --- */

/* `zfs list -Hp -o A,B DATASET`: two numbers, 0 for "-" and "none". */
static int read_two(const char *columns, const char *dataset, uint64_t ret[2], struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        const char *args[] = { "list", "-H", "-p", "-o", columns, dataset, NULL };
        int r = nxc_zfs_run(args, &out, err);
        char *tab;

        if (r < 0)
                return r;
        tab = strchr(out.data, '\t');
        if (!tab)
                return nxc_fail_kind(
                        err, NXC_ERR_ZFS, 0, "zfs list %s: '%.200s' is not understood", dataset, out.data);
        *tab++ = '\0';
        tab[strcspn(tab, "\n")] = '\0';
        ret[0] = ret[1] = 0;
        nxc_parse_u64(out.data, &ret[0]);
        nxc_parse_u64(tab, &ret[1]);
        return 0;
}

static int usage(const struct nxc_storage_container *c, struct nxc_storage_usage *ret, struct nxc_error *err)
{
        _cleanup_free_ char *dataset = NULL;
        uint64_t figures[2];
        int r = need_dataset(c, &dataset, err);

        if (r == 0)
                r = read_two("used,refquota", dataset, figures, err);
        if (r == 0)
                *ret = (struct nxc_storage_usage){ figures[0], figures[1] };
        return r;
}

static int resize(const struct nxc_storage_container *c, uint64_t size_bytes, struct nxc_error *err)
{
        _cleanup_free_ char *dataset = NULL, *quota = format_quota(size_bytes);
        int r = quota ? need_dataset(c, &dataset, err) : nxc_oom(err);

        return r < 0 ? r : nxc_zfs_run((const char *const[]){ "set", quota, dataset, NULL }, NULL, err);
}

/* Of the parent, or the nearest dataset above that is there. */
static int space(const struct nxc_storage_env *env, struct nxc_storage_space *ret, struct nxc_error *err)
{
        _cleanup_free_ char *name = strdup(env->zfs_parent);
        uint64_t figures[2];
        int r = name ? -ENOENT : nxc_oom(err);

        while (r == -ENOENT) {
                struct nxc_error why = { 0 };
                char *slash = strrchr(name, '/');

                r = read_two("used,available", name, figures, &why);
                if (r == -ENOENT && slash)
                        *slash = '\0';
                else if (r < 0) {
                        if (err)
                                *err = why;
                        return r;
                }
        }
        if (r == 0)
                *ret = (struct nxc_storage_space){ figures[0] + figures[1], figures[1], TAKE_PTR(name) };
        return r;
}

/* --- snapshots --- */

/* `zfs VERB [FLAG] DATASET@NAME` */
static int run_on_snapshot(const struct nxc_storage_container *c, const char *verb, const char *flag,
        const char *name, struct nxc_error *err)
{
        _cleanup_free_ char *dataset = NULL, *snapshot = NULL;
        const char *args[] = { verb, flag, NULL, NULL };
        int r = nxc_zfs_check_snapshot(name, err);

        if (r == 0)
                r = need_dataset(c, &dataset, err);
        if (r < 0)
                return r;
        snapshot = nxc_strf("%s@%s", dataset, name);
        if (!snapshot)
                return nxc_oom(err);
        args[flag ? 2 : 1] = snapshot;
        return nxc_zfs_run(args, NULL, err);
}

static int snapshot(const struct nxc_storage_container *c, const char *name, struct nxc_error *err)
{
        return run_on_snapshot(c, "snapshot", NULL, name, err);
}

static int rollback(const struct nxc_storage_container *c, const char *name, struct nxc_error *err)
{
        return run_on_snapshot(c, "rollback", "-r", name, err);
}

static int forget(const struct nxc_storage_container *c, const char *name, struct nxc_error *err)
{
        return run_on_snapshot(c, "destroy", NULL, name, err);
}

/* A line "DATASET@NAME\tBYTES\tSECONDS"; -EINVAL when it is none. */
static int parse_snapshot(char *line, struct nxc_storage_snapshot *ret)
{
        char *name = strchr(line, '@'), *bytes = strchr(line, '\t'),
             *created = bytes ? strchr(bytes + 1, '\t') : NULL;

        if (!name || !created)
                return -EINVAL;
        *bytes++ = *created++ = '\0';
        if (nxc_parse_u64(bytes, &ret->bytes) < 0 || nxc_parse_i64(created, &ret->created) < 0)
                return -EINVAL;
        ret->name = strdup(name + 1);
        return ret->name ? 0 : -ENOMEM;
}

static int snapshots(const struct nxc_storage_container *c, struct nxc_storage_snapshot **ret, size_t *ret_n,
        struct nxc_error *err)
{
        _cleanup_free_ char *dataset = NULL;
        _cleanup_buf_ struct nxc_buf out = { .limit = 16u << 20 };
        struct nxc_storage_snapshot *list = NULL;
        char *line, *rest;
        size_t n = 0;
        int r = need_dataset(c, &dataset, err);

        if (r == 0)
                r = nxc_zfs_run((const char *const[]){ "list", "-H", "-p", "-d", "1", "-t", "snapshot", "-s",
                                        "createtxg", "-o", "name,used,creation", dataset, NULL },
                        &out, err);
        if (r < 0)
                return r;
        for (line = strtok_r(out.data, "\n", &rest); r == 0 && line; line = strtok_r(NULL, "\n", &rest)) {
                struct nxc_storage_snapshot *v = reallocarray(list, n + 1, sizeof(*v));

                list = v ? v : list;
                r = v ? parse_snapshot(line, &list[n]) : -ENOMEM;
                n += r == 0;
        }
        if (r < 0) {
                nxc_storage_snapshots_done(list, n);
                return r == -ENOMEM
                               ? nxc_oom(err)
                               : nxc_fail_kind(err, NXC_ERR_ZFS, 0, "zfs list %s: not understood", dataset);
        }
        *ret = list;
        *ret_n = n;
        return 0;
}

/* --- prune --- */

struct found {
        char *name, *used, *store, *dir, *top;
};

static bool is_in(const struct nxc_strv *set, const char *text)
{
        for (size_t i = 0; i < set->n; i++)
                if (nxc_streq(set->v[i], text))
                        return true;
        return false;
}

static bool is_image(const struct nxc_storage_env *env, const char *name)
{
        size_t n = strlen(env->zfs_parent);

        return nxc_starts_with(name + n, "/images/") && !nxc_starts_with(name + n, "/images/.new-");
}

/* Whether nothing needs it any more. An image belongs to its layers, all else to a container's directory. */
static bool is_left_over(
        const struct nxc_storage_env *env, const struct nxc_strv *diff_ids, const struct found *f)
{
        if (!nxc_streq(f->store, env->store))
                return false;
        if (is_image(env, f->name))
                return diff_ids && !is_in(diff_ids, f->top);
        return access(f->dir, F_OK) < 0 && errno == ENOENT;
}

/* An image that a container still hangs on stays; so does what is in use. */
static int sweep_one(
        const struct nxc_storage_env *env, const struct found *f, uint64_t *bytes, struct nxc_error *err)
{
        struct nxc_error why = { 0 };
        uint64_t used = 0;
        int r;

        nxc_parse_u64(f->used, &used);
        r = is_image(env, f->name)
                    ? nxc_zfs_run((const char *const[]){ "destroy", "-r", f->name, NULL }, NULL, &why)
                    : nxc_zfs_destroy(f->name, &why);
        if (r == 0)
                *bytes += used;
        else if (r == -EBUSY)
                nxc_warn("%s, ignoring", why.message);
        else if (r != -EMLINK && r != -ENOENT) {
                if (err)
                        *err = why;
                return r;
        }
        return 0;
}

static int sweep_below(const struct nxc_storage_env *env, const char *group, const struct nxc_strv *diff_ids,
        uint64_t *bytes, struct nxc_error *err)
{
        _cleanup_free_ char *name = nxc_strf("%s/%s", env->zfs_parent, group);
        const char *args[] = { "list", "-H", "-p", "-r", "-d", "1", "-t", "filesystem", "-o",
                "name,used," NXC_ZFS_PROP_STORE "," NXC_ZFS_PROP_DIR "," NXC_ZFS_PROP_TOP, name, NULL };
        _cleanup_buf_ struct nxc_buf out = { .limit = 64u << 20 };
        struct nxc_error why = { 0 };
        char *line, *rest;
        int r = name ? nxc_zfs_run(args, &out, &why) : nxc_oom(&why);

        if (r < 0 && r != -ENOENT && err)
                *err = why;
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        for (line = strtok_r(out.data, "\n", &rest); r == 0 && line; line = strtok_r(NULL, "\n", &rest)) {
                struct found f = { 0 };
                char **fields[] = { &f.name, &f.used, &f.store, &f.dir, &f.top };
                size_t n = 0;

                for (char *field = line; field && n < NXC_ARRAY_SIZE(fields); n++) {
                        *fields[n] = strsep(&field, "\t");
                }
                if (n == NXC_ARRAY_SIZE(fields) && is_left_over(env, diff_ids, &f))
                        r = sweep_one(env, &f, bytes, err);
        }
        return r;
}

static int sweep(const struct nxc_storage_env *env, const struct nxc_strv *diff_ids, uint64_t *bytes,
        struct nxc_error *err)
{
        int r = sweep_below(env, "containers", diff_ids, bytes, err);

        return r < 0 ? r : sweep_below(env, "images", diff_ids, bytes, err);
}

const struct nxc_storage_ops nxc_storage_zfs = {
        .name = "zfs",
        .summary = "a ZFS dataset, cloned from the image's",
        .makes = NXC_STORAGE_MAKES_DATASET,
        .offers = { NXC_ROOTFS_DIR },
        .n_offers = 1,
        .clones = true,
        .probe = probe,
        .prepare = nxc_storage_compose,
        .make = make,
        .attach = attach,
        .release = release,
        .usage = usage,
        .resize = resize,
        .snapshot = snapshot,
        .rollback = rollback,
        .forget = forget,
        .snapshots = snapshots,
        .space = space,
        .sweep = sweep,
};
