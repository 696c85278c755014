/* An image alone makes the bundle: a config.json composed from its configuration and the options, the files
 * that podman mounts into /etc, the anonymous volumes with their first content, and the standard directories
 * in the root.
 *
 * All of it is written by fd: into the staging directory, which is ours, and into the root, where everything
 * is untrusted and no link is ever followed. */
#include "lifecycle/console-internal.h"
#include "lifecycle/flow-internal.h"

#include "core/cleanup.h"
#include "core/copy.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "core/publish.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The "Filesystem Creation Flow" of the specification, in its order. An image may have a link of such a
 * name, but not where the runtime is going to make nodes and links: runc follows it, out of the root (as
 * of 1.1). */
static const struct {
        const char *name;
        mode_t mode;
        bool is_ours; /* of the runtime: never a link */
} standard_dirs[] = {
        { "dev", 0755, true },
        { "proc", 0555, true },
        { "sys", 0555, true },
        { "tmp", 01777, false },
        { "var", 0755, false },
        { "run", 0755, false },
};

int nxc_flow_check_directories(int root_fd, struct nxc_error *err)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(standard_dirs); i++) {
                const char *name = standard_dirs[i].name;
                struct stat st;

                if (!standard_dirs[i].is_ours || fstatat(root_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (!S_ISDIR(st.st_mode))
                        return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, ENOTDIR,
                                "'/%s' of the root is a %s", name,
                                S_ISLNK(st.st_mode) ? "symbolic link" : "file");
        }
        return 0;
}

int nxc_flow_make_directories(struct nxc_flow *f, struct nxc_error *err)
{
        int r = nxc_flow_check_directories(f->mount_fd, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(standard_dirs); i++) {
                const char *name = standard_dirs[i].name;

                if (mkdirat(f->mount_fd, name, standard_dirs[i].mode) < 0) {
                        if (errno == EEXIST)
                                continue;
                        return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errno,
                                "create directory '/%s' in the root", name);
                }
                /* the umask must not matter; nobody else reaches this mount yet */
                if (fchmodat(f->mount_fd, name, standard_dirs[i].mode, 0) < 0)
                        return nxc_fail(err, errno, "set the mode of '/%s' in the root", name);
        }
        return 0;
}

/* A dry run has no writable root; names of users are looked up in a read-only one, which nobody sees. */
static int open_root(struct nxc_flow *f, int *ret_fd, struct nxc_error *err)
{
        if (f->mount_fd < 0)
                return nxc_layer_chain_compose(f->chain, -1, -1, false, ret_fd, err);
        *ret_fd = fcntl(f->mount_fd, F_DUPFD_CLOEXEC, 3);
        return *ret_fd < 0 ? nxc_fail(err, errno, "duplicate the root's descriptor") : 0;
}

static int keep_labels(struct nxc_flow *f, struct nxc_error *err)
{
        json_t *labels = f->record->labels = json_object();

        for (size_t i = 0; labels && i < f->composed.labels.n; i++) {
                const char *label = f->composed.labels.v[i], *eq = strchr(label, '=');
                _cleanup_free_ char *key = strndup(label, eq ? (size_t)(eq - label) : strlen(label));

                if (!key || json_object_set_new(labels, key, json_string(eq ? eq + 1 : "")) < 0)
                        return nxc_oom(err);
        }
        return labels ? 0 : nxc_oom(err);
}

int nxc_flow_compose(struct nxc_flow *f, struct nxc_error *err)
{
        struct nxc_compose_opts opts = f->o->compose;
        _cleanup_free_ char *volumes = nxc_path_join(f->container_dir, "volumes");
        _cleanup_free_ char *etc = nxc_path_join(f->container_dir, "etc");
        _cleanup_free_ char *cgroup = nxc_strf("/nexcage/%s", f->id);
        _cleanup_json_ json_t *uids = NULL, *gids = NULL;
        _cleanup_close_ int root = -EBADF;
        int r = nxc_flow_choose_ids(f, err);

        if (r < 0)
                return r;
        if (f->ids) {
                opts.uid_mappings = uids = nxc_flow_id_mappings(f->ids->uids, f->ids->n_uids);
                opts.gid_mappings = gids = nxc_flow_id_mappings(f->ids->gids, f->ids->n_gids);
                if (!uids || !gids)
                        return nxc_oom(err);
        }
        f->bundle = nxc_path_join(f->container_dir, "bundle");
        if (!volumes || !etc || !cgroup || !f->bundle)
                return nxc_oom(err);
        opts.id = f->id;
        opts.rootfs = f->record->rootfs;
        opts.volumes_dir = volumes;
        opts.etc_dir = etc;
        opts.cgroups_path = f->host->systemd_cgroup ? NULL : cgroup;
        r = open_root(f, &root, err);
        if (r == 0)
                r = nxc_compose_spec(&f->image->config, &opts, root, &f->composed, err);
        if (r == 0 && opts.terminal)
                r = nxc_console_set_size(json_object_get(f->composed.spec, "process"), err);
        if (r == 0)
                r = nxc_spec_from_json(f->composed.spec, &f->spec, err);
        if (r == 0)
                r = nxc_spec_check_required(f->spec, err);
        if (r < 0)
                return r;
        f->record->stop_signal = nxc_strf("%d", f->composed.stop_signal);
        return f->record->stop_signal ? keep_labels(f, err) : nxc_oom(err);
}

static int make_subdir(struct nxc_flow *f, const char *name, mode_t mode, int *ret_fd, struct nxc_error *err)
{
        if (mkdirat(f->staging_fd, name, mode) < 0)
                return nxc_fail(err, errno, "create '%s/%s'", f->staging, name);
        *ret_fd = openat(f->staging_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret_fd < 0 ? nxc_fail(err, errno, "open '%s/%s'", f->staging, name) : 0;
}

/* An anonymous volume starts with what the image has at its place, as podman and Docker have it. */
static int fill_volume(
        struct nxc_flow *f, int volumes_fd, size_t n, const char *destination, struct nxc_error *err)
{
        _cleanup_close_ int from = nxc_root_open(f->mount_fd, destination, O_RDONLY | O_DIRECTORY, 0),
                            to = -EBADF;
        char name[24];
        int r;

        snprintf(name, sizeof(name), "%zu", n);
        if (mkdirat(volumes_fd, name, 0755) < 0)
                return nxc_fail(err, errno, "create the volume for '%s'", destination);
        if (from < 0)
                return 0; /* the image has nothing there: the runtime makes the mount point */
        to = openat(volumes_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to < 0)
                return nxc_fail(err, errno, "open the volume for '%s'", destination);
        r = nxc_copy_tree(from, to, err);
        return r < 0 ? nxc_error_wrap(err, "fill the volume for '%s'", destination) : 0;
}

static int make_volumes(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        mode_t mode = f->ids ? 0711 : 0700; /* the namespace's root has to pass; few can reach it */
        int r = f->composed.anonymous_volumes.n ? make_subdir(f, "volumes", mode, &fd, err) : 0;

        for (size_t i = 0; r == 0 && i < f->composed.anonymous_volumes.n; i++)
                r = fill_volume(f, fd, i, f->composed.anonymous_volumes.v[i], err);
        return r;
}

/* To the root of the user namespace. */
static int give_etc(const struct nxc_flow *f, int etc_fd, struct nxc_error *err)
{
        uid_t uid = 0;
        gid_t gid = 0;

        if (nxc_idmap_owner(f->ids, &uid, &gid) < 0)
                return 0; /* it has none */
        for (size_t i = 0; i < f->composed.etc_files.n; i++)
                if (fchownat(etc_fd, f->composed.etc_files.v[i], uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                        return nxc_fail(err, errno, "give 'etc/%s' to the container's root",
                                f->composed.etc_files.v[i]);
        return 0;
}

static int make_etc(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        int r = make_subdir(f, "etc", 0755, &fd, err);

        if (r == 0)
                r = nxc_compose_write_etc(&f->composed, fd, err);
        return r == 0 && f->ids ? give_etc(f, fd, err) : r;
}

static int make_workdir(struct nxc_flow *f, struct nxc_error *err)
{
        const char *path = f->composed.make_workdir;
        int fd = path ? nxc_root_mkdir_p(f->mount_fd, path, 0755, NULL) : -EBADF;

        if (path && fd < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, -fd,
                        "create the working directory '%s' in the root", path);
        nxc_closep(&fd);
        return 0;
}

static int write_config(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_free_ char *text = nxc_json_format(nxc_spec_json(f->spec), true);
        _cleanup_close_ int fd = -EBADF;
        int r = text ? make_subdir(f, "bundle", 0700, &fd, err) : nxc_oom(err);

        return r < 0 ? r : nxc_publish_at(fd, "config.json", text, strlen(text), 0600, 0, err);
}

/* What a detached container prints. */
static int open_log(struct nxc_flow *f, struct nxc_error *err)
{
        if (!f->record->log_path)
                return 0;
        f->log_fd = openat(f->staging_fd, "log", O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
        return f->log_fd < 0 ? nxc_fail(err, errno, "create '%s/log'", f->staging) : 0;
}

int nxc_flow_write_bundle(struct nxc_flow *f, struct nxc_error *err)
{
        int r = write_config(f, err);

        if (r == 0)
                r = open_log(f, err);
        if (r == 0)
                r = make_etc(f, err);
        if (r == 0)
                r = make_volumes(f, err);
        if (r == 0)
                r = make_workdir(f, err);
        return r;
}
