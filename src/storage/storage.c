/* The table of storage drivers, and the checked calls. */
#include "storage/storage.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"
#include "core/publish.h"
#include "storage/common-internal.h"

#include <fcntl.h>
#include <string.h>

#define DRIVER_FILE ".storage"
#define DRIVER_NAME_MAX 64

static const struct nxc_storage_ops *const drivers[] = { &nxc_storage_overlay, &nxc_storage_dir,
        &nxc_storage_raw, &nxc_storage_zfs, NULL };

const struct nxc_storage_ops *const *nxc_storage_drivers(void)
{
        return drivers;
}

static void hint_drivers(struct nxc_error *err)
{
        char names[200] = "";

        for (size_t i = 0; drivers[i]; i++)
                snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ", " : "",
                        drivers[i]->name);
        nxc_error_hint(err, "known drivers: %s", names);
}

int nxc_storage_find(const char *name, const struct nxc_storage_ops **ret, struct nxc_error *err)
{
        int r;

        for (size_t i = 0; drivers[i]; i++) {
                if (nxc_streq(drivers[i]->name, name)) {
                        *ret = drivers[i];
                        return 0;
                }
        }
        r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "unknown storage driver '%s'", name);
        hint_drivers(err);
        return r;
}

int nxc_storage_choose_kind(const struct nxc_storage_ops *s, unsigned accepts, enum nxc_rootfs_kind *ret)
{
        for (size_t i = 0; i < s->n_offers; i++) {
                if (accepts & (1u << s->offers[i])) {
                        *ret = s->offers[i];
                        return 0;
                }
        }
        return -ENOENT;
}

int nxc_storage_probe(
        const struct nxc_storage_ops *s, const struct nxc_storage_env *env, struct nxc_error *err)
{
        return s->probe(env, err);
}

int nxc_storage_prepare(const struct nxc_storage_ops *s, const struct nxc_storage_request *q,
        int *ret_mount_fd, struct nxc_error *err)
{
        int r;

        if (q->clone_dir && !s->clones)
                return nxc_fail_kind(
                        err, NXC_ERR_NOT_IMPLEMENTED, 0, "a clone with storage driver '%s'", s->name);
        r = nxc_publish_at(q->dir_fd, DRIVER_FILE, s->name, strlen(s->name), 0600, 0, err);
        return r < 0 ? r : s->prepare(q, ret_mount_fd, err);
}

int nxc_storage_make(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        const struct nxc_storage_request *q, int *mount_fd, struct nxc_error *err)
{
        return s->make ? s->make(c, q, mount_fd, err) : 0;
}

int nxc_storage_attach(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        enum nxc_rootfs_kind kind, int mount_fd, struct nxc_rootfs *ret, struct nxc_error *err)
{
        return s->attach(c, kind, mount_fd, ret, err);
}

int nxc_storage_release(
        const struct nxc_storage_ops *s, const struct nxc_storage_container *c, struct nxc_error *err)
{
        return s->release(c, err);
}

int nxc_storage_usage(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        struct nxc_storage_usage *ret, struct nxc_error *err)
{
        return s->usage(c, ret, err);
}

int nxc_storage_resize(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        uint64_t size_bytes, struct nxc_error *err)
{
        if (!s->resize)
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "storage driver '%s' cannot change the size of a container", s->name);
        return s->resize(c, size_bytes, err);
}

static int need_snapshots(const struct nxc_storage_ops *s, struct nxc_error *err)
{
        int r;

        if (s->snapshot)
                return 0;
        r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0, "snapshots with storage driver '%s'", s->name);
        nxc_error_hint(err, "create the container with --storage zfs");
        return r;
}

int nxc_storage_snapshot(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        const char *name, struct nxc_error *err)
{
        int r = need_snapshots(s, err);

        return r < 0 ? r : s->snapshot(c, name, err);
}

int nxc_storage_rollback(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        const char *name, struct nxc_error *err)
{
        int r = need_snapshots(s, err);

        return r < 0 ? r : s->rollback(c, name, err);
}

int nxc_storage_forget(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        const char *name, struct nxc_error *err)
{
        int r = need_snapshots(s, err);

        return r < 0 ? r : s->forget(c, name, err);
}

int nxc_storage_snapshots(const struct nxc_storage_ops *s, const struct nxc_storage_container *c,
        struct nxc_storage_snapshot **ret, size_t *ret_n, struct nxc_error *err)
{
        int r = need_snapshots(s, err);

        return r < 0 ? r : s->snapshots(c, ret, ret_n, err);
}

void nxc_storage_snapshots_done(struct nxc_storage_snapshot *snapshots, size_t n)
{
        for (size_t i = 0; i < n; i++)
                free(snapshots[i].name);
        free(snapshots);
}

int nxc_storage_space(const struct nxc_storage_ops *s, const struct nxc_storage_env *env,
        struct nxc_storage_space *ret, struct nxc_error *err)
{
        return s->space ? s->space(env, ret, err) : nxc_storage_store_space(env, ret, err);
}

void nxc_storage_space_done(struct nxc_storage_space *space)
{
        nxc_freep(&space->where);
}

int nxc_storage_sweep(const struct nxc_storage_ops *s, const struct nxc_storage_env *env,
        const struct nxc_strv *diff_ids, uint64_t *bytes, struct nxc_error *err)
{
        return s->sweep ? s->sweep(env, diff_ids, bytes, err) : 0;
}

int nxc_storage_of_dir(const char *dir, const struct nxc_storage_ops **ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(dir, DRIVER_FILE), *name = NULL;
        int r = path ? nxc_read_file_at(AT_FDCWD, path, DRIVER_NAME_MAX, &name, NULL, NULL) : -ENOMEM;

        if (r == -ENOMEM)
                return nxc_oom(err);
        return nxc_storage_find(r < 0 ? "overlay" : name, ret, err);
}
