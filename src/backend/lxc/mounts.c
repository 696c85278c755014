/* Mounts. Sources are opened as detached copies on the host, by the caller of create; they are attached in
 * the container's mount namespace, before its root changes, each on a descriptor of its destination that was
 * resolved inside the root: a symlink that is swapped meanwhile leads nowhere (CVE-2021-30465,
 * CVE-2023-27561, CVE-2024-45310). */
#include "backend/lxc/lxc-internal.h"

#include "core/copy.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "sys/cgroup.h"
#include "sys/idmap.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum special { NOTHING, BIND, RBIND, TMPCOPYUP, IDMAP, RIDMAP, PROPAGATION, IGNORED };

static const struct option {
        const char *name;
        uint64_t set, clear;         /* of this mount */
        uint64_t rec_set, rec_clear; /* of all below it */
        const char *fs_flag;         /* of a new file system */
        enum special special;
        uint64_t propagation;
} options[] = {
        { "ro", .set = MOUNT_ATTR_RDONLY },
        { "rw", .clear = MOUNT_ATTR_RDONLY },
        { "nosuid", .set = MOUNT_ATTR_NOSUID },
        { "suid", .clear = MOUNT_ATTR_NOSUID },
        { "nodev", .set = MOUNT_ATTR_NODEV },
        { "dev", .clear = MOUNT_ATTR_NODEV },
        { "noexec", .set = MOUNT_ATTR_NOEXEC },
        { "exec", .clear = MOUNT_ATTR_NOEXEC },
        { "nodiratime", .set = MOUNT_ATTR_NODIRATIME },
        { "diratime", .clear = MOUNT_ATTR_NODIRATIME },
        { "noatime", .set = MOUNT_ATTR_NOATIME, .clear = MOUNT_ATTR__ATIME },
        { "atime", .clear = MOUNT_ATTR__ATIME },
        { "relatime", .set = MOUNT_ATTR_RELATIME, .clear = MOUNT_ATTR__ATIME },
        { "norelatime", .clear = MOUNT_ATTR__ATIME },
        { "strictatime", .set = MOUNT_ATTR_STRICTATIME, .clear = MOUNT_ATTR__ATIME },
        { "nostrictatime", .clear = MOUNT_ATTR__ATIME },
        { "nosymfollow", .set = MOUNT_ATTR_NOSYMFOLLOW },
        { "symfollow", .clear = MOUNT_ATTR_NOSYMFOLLOW },
        { "rro", .rec_set = MOUNT_ATTR_RDONLY },
        { "rrw", .rec_clear = MOUNT_ATTR_RDONLY },
        { "rnosuid", .rec_set = MOUNT_ATTR_NOSUID },
        { "rsuid", .rec_clear = MOUNT_ATTR_NOSUID },
        { "rnodev", .rec_set = MOUNT_ATTR_NODEV },
        { "rdev", .rec_clear = MOUNT_ATTR_NODEV },
        { "rnoexec", .rec_set = MOUNT_ATTR_NOEXEC },
        { "rexec", .rec_clear = MOUNT_ATTR_NOEXEC },
        { "rnodiratime", .rec_set = MOUNT_ATTR_NODIRATIME },
        { "rdiratime", .rec_clear = MOUNT_ATTR_NODIRATIME },
        { "rnoatime", .rec_set = MOUNT_ATTR_NOATIME, .rec_clear = MOUNT_ATTR__ATIME },
        { "ratime", .rec_clear = MOUNT_ATTR__ATIME },
        { "rrelatime", .rec_set = MOUNT_ATTR_RELATIME, .rec_clear = MOUNT_ATTR__ATIME },
        { "rnorelatime", .rec_clear = MOUNT_ATTR__ATIME },
        { "rstrictatime", .rec_set = MOUNT_ATTR_STRICTATIME, .rec_clear = MOUNT_ATTR__ATIME },
        { "rnostrictatime", .rec_clear = MOUNT_ATTR__ATIME },
        { "rnosymfollow", .rec_set = MOUNT_ATTR_NOSYMFOLLOW },
        { "rsymfollow", .rec_clear = MOUNT_ATTR_NOSYMFOLLOW },
        { "bind", .special = BIND },
        { "rbind", .special = RBIND },
        { "tmpcopyup", .special = TMPCOPYUP },
        { "idmap", .special = IDMAP },
        { "ridmap", .special = RIDMAP },
        { "private", .special = PROPAGATION, .propagation = MS_PRIVATE },
        { "rprivate", .special = PROPAGATION, .propagation = MS_PRIVATE | MS_REC },
        { "shared", .special = PROPAGATION, .propagation = MS_SHARED },
        { "rshared", .special = PROPAGATION, .propagation = MS_SHARED | MS_REC },
        { "slave", .special = PROPAGATION, .propagation = MS_SLAVE },
        { "rslave", .special = PROPAGATION, .propagation = MS_SLAVE | MS_REC },
        { "unbindable", .special = PROPAGATION, .propagation = MS_UNBINDABLE },
        { "runbindable", .special = PROPAGATION, .propagation = MS_UNBINDABLE | MS_REC },
        { "sync", .fs_flag = "sync" },
        { "dirsync", .fs_flag = "dirsync" },
        { "lazytime", .fs_flag = "lazytime" },
        { "mand", .fs_flag = "mand" },
        { "async", .special = IGNORED },
        { "nolazytime", .special = IGNORED },
        { "nomand", .special = IGNORED },
        { "defaults", .special = IGNORED },
        { "loud", .special = IGNORED },
        { "silent", .special = IGNORED },
        { "noiversion", .special = IGNORED },
        { "remount", .special = IGNORED },
        { "acl", .special = IGNORED },
        { "copy-symlink", .special = IGNORED },
};

struct one_mount {
        const char *destination, *type, *source;
        uint64_t set, clear, rec_set, rec_clear, propagation;
        struct nxc_strv data; /* options of the file system itself */
        int tree_fd;          /* of a bind: a detached copy */
        bool is_bind, is_recursive, is_file, copies_up;
};

struct cgroup_hierarchy {
        char *name;        /* the directory below /sys/fs/cgroup */
        char *controllers; /* as in /proc/self/cgroup; "" is v2 */
};

struct lxc_mounts {
        struct one_mount *v;
        size_t n;
        struct cgroup_hierarchy hierarchies[32];
        size_t n_hierarchies;
        const struct nxc_strv
                *cgroups; /* without a cgroup namespace: bound in place of whole hierarchies; else NULL */
};

void lxc_mounts_free(struct lxc_mounts *m)
{
        if (!m)
                return;
        for (size_t i = 0; i < m->n; i++) {
                nxc_strv_done(&m->v[i].data);
                nxc_closep(&m->v[i].tree_fd);
        }
        for (size_t i = 0; i < m->n_hierarchies; i++) {
                free(m->hierarchies[i].name);
                free(m->hierarchies[i].controllers);
        }
        free(m->v);
        free(m);
}

/* ---- on the host */

static int set_attributes(int fd, bool recursive, struct mount_attr attr)
{
        if (!attr.attr_set && !attr.attr_clr && !attr.propagation)
                return 0;
        return syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
                       sizeof(attr)) < 0
                       ? -errno
                       : 0;
}

static const struct option *find_option(const char *name)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(options); i++)
                if (nxc_streq(options[i].name, name))
                        return &options[i];
        return NULL;
}

static int parse_option(struct one_mount *m, const char *text, bool *idmap, bool *ridmap)
{
        const struct option *o = find_option(text);

        if (!o)
                return nxc_strv_add(&m->data, text);
        m->set = (m->set & ~(o->clear & ~o->set)) | o->set;
        m->clear = (m->clear & ~(o->set & ~MOUNT_ATTR__ATIME)) | o->clear;
        m->rec_set = (m->rec_set & ~(o->rec_clear & ~o->rec_set)) | o->rec_set;
        m->rec_clear = (m->rec_clear & ~(o->rec_set & ~MOUNT_ATTR__ATIME)) | o->rec_clear;
        m->is_bind |= o->special == BIND || o->special == RBIND;
        m->is_recursive |= o->special == RBIND;
        m->copies_up |= o->special == TMPCOPYUP;
        *idmap |= o->special == IDMAP || o->special == RIDMAP;
        *ridmap |= o->special == RIDMAP;
        if (o->special == PROPAGATION)
                m->propagation = o->propagation;
        return o->fs_flag ? nxc_strv_add(&m->data, o->fs_flag) : 0;
}

static int map_ids(
        struct one_mount *m, const json_t *spec, const json_t *j, bool recursive, struct nxc_error *err)
{
        const json_t *uids = json_object_get(j, "uidMappings"), *gids = json_object_get(j, "gidMappings");
        _cleanup_(nxc_idmap_freep) struct nxc_idmap *map = NULL;
        _cleanup_close_ int userns = -EBADF;
        int r;

        if (json_array_size(uids) == 0 && json_array_size(gids) == 0) {
                uids = nxc_json_get(spec, "linux.uidMappings");
                gids = nxc_json_get(spec, "linux.gidMappings");
        }
        if (json_array_size(uids) == 0 || json_array_size(gids) == 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                        "config.json: mount '%s' is to be mapped, but there are no mappings",
                        m->destination);
        r = nxc_idmap_parse(uids, gids, &map, err);
        if (r == 0)
                r = nxc_idmap_open(map, &userns, err);
        if (r < 0)
                return nxc_error_wrap(err, "mount '%s'", m->destination);
        r = set_attributes(m->tree_fd, recursive,
                (struct mount_attr){ .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns });
        return r < 0 ? nxc_fail_kind(err, NXC_ERR_LXC, -r, "map the ids of mount '%s'", m->destination) : 0;
}

static int open_source(struct one_mount *m, const char *bundle, struct nxc_error *err)
{
        _cleanup_free_ char *path = m->source[0] == '/' ? strdup(m->source)
                                                        : nxc_path_join(bundle, m->source);
        struct stat st;
        int r;

        if (!path)
                return nxc_oom(err);
        m->tree_fd = (int)syscall(SYS_open_tree, AT_FDCWD, path,
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (m->is_recursive ? AT_RECURSIVE : 0));
        if (m->tree_fd < 0 || fstat(m->tree_fd, &st) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "open the source '%s' of mount '%s'",
                        m->source, m->destination);
        m->is_file = !S_ISDIR(st.st_mode);
        /* What is shared with the host stays so only where it is asked for. */
        r = set_attributes(m->tree_fd, true,
                (struct mount_attr){ .propagation = m->propagation & MS_SHARED  ? 0
                                                    : m->propagation & MS_SLAVE ? MS_SLAVE
                                                                                : MS_PRIVATE });
        if (r == 0)
                r = set_attributes(
                        m->tree_fd, false, (struct mount_attr){ .attr_set = m->set, .attr_clr = m->clear });
        if (r == 0)
                r = set_attributes(m->tree_fd, true,
                        (struct mount_attr){ .attr_set = m->rec_set, .attr_clr = m->rec_clear });
        return r < 0 ? nxc_fail_kind(err, NXC_ERR_LXC, -r, "set the options of mount '%s'", m->destination)
                     : 0;
}

static int prepare_one(
        struct one_mount *m, const json_t *spec, const json_t *j, const char *bundle, struct nxc_error *err)
{
        bool idmap = json_array_size(json_object_get(j, "uidMappings")) > 0, ridmap = false;
        const json_t *option;
        size_t i;
        int r = 0;

        m->destination = nxc_json_str(j, "destination");
        m->type = nxc_json_str(j, "type") ? nxc_json_str(j, "type") : "none";
        m->source = nxc_json_str(j, "source") ? nxc_json_str(j, "source") : "none";
        m->is_bind = nxc_streq(m->type, "bind");
        m->is_recursive = nxc_streq(m->type, "rbind");
        json_array_foreach (json_object_get(j, "options"), i, option)
                if (r == 0)
                        r = parse_option(m, json_string_value(option), &idmap, &ridmap);
        if (r < 0)
                return nxc_oom(err);
        m->is_bind |= m->is_recursive;
        if (m->is_bind)
                r = open_source(m, bundle, err);
        if (r == 0 && m->is_bind && idmap)
                r = map_ids(m, spec, j, ridmap, err);
        return r;
}

/* "N:controllers:path" of our own; the directory has the name of the controllers, or of a named
 * hierarchy. */
static int find_hierarchies(struct lxc_mounts *m, struct nxc_error *err)
{
        _cleanup_fclose_ FILE *f = fopen("/proc/self/cgroup", "re");
        char line[512];

        while (f && fgets(line, sizeof(line), f) && m->n_hierarchies < NXC_ARRAY_SIZE(m->hierarchies)) {
                char *list = strchr(line, ':'), *end = list ? strchr(list + 1, ':') : NULL;
                struct cgroup_hierarchy *h = &m->hierarchies[m->n_hierarchies];
                const char *name;

                if (!end)
                        continue;
                *end = '\0';
                list++;
                name = nxc_starts_with(list, "name=") ? list + 5 : *list ? list : "unified";
                h->name = strdup(name);
                h->controllers = strdup(list);
                if (!h->name || !h->controllers)
                        return nxc_oom(err);
                m->n_hierarchies++;
        }
        return 0;
}

int lxc_mounts_prepare(const json_t *spec, const char *bundle, const struct nxc_strv *cgroups,
        struct lxc_mounts **ret, struct nxc_error *err)
{
        const json_t *list = json_object_get(spec, "mounts"), *j;
        struct lxc_mounts *m = calloc(1, sizeof(*m));
        size_t i;
        int r;

        if (m)
                m->v = calloc(json_array_size(list) + 1, sizeof(*m->v));
        if (!m || !m->v) {
                free(m);
                return nxc_oom(err);
        }
        m->n = json_array_size(list);
        m->cgroups = lxc_ns_find(spec, "cgroup") ? NULL : cgroups;
        for (i = 0; i < m->n; i++)
                m->v[i].tree_fd = -EBADF;
        r = find_hierarchies(m, err);
        json_array_foreach ((json_t *)list, i, j)
                if (r == 0)
                        r = prepare_one(&m->v[i], spec, j, bundle, err);
        if (r < 0) {
                lxc_mounts_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

/* ---- in the container's mount namespace */

/* One component after the other, each resolved from the root anew, so that links are followed as the
 * container would. */
int lxc_make_target(int root_fd, const char *path, bool is_dir, int *ret_fd)
{
        _cleanup_free_ char *clean = nxc_path_normalize(path);
        int fd = nxc_root_open(root_fd, path, O_PATH | O_CLOEXEC, 0);

        if (!clean)
                return -ENOMEM;
        for (char *p = clean; fd == -ENOENT && *p;) {
                char *slash = strchr(p + 1, '/'), *name = p + 1;
                _cleanup_close_ int parent = -EBADF;
                int r = 0;

                *p = '\0';
                parent = nxc_root_open(root_fd, *clean ? clean : "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
                if (slash)
                        *slash = '\0';
                if (parent < 0)
                        return parent;
                if (slash || is_dir)
                        r = mkdirat(parent, name, 0755);
                else
                        r = mknodat(parent, name, S_IFREG | 0644, 0);
                if (r < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
                if (!slash) {
                        fd = nxc_root_open(root_fd, clean, O_PATH | O_CLOEXEC, 0);
                        break;
                }
                *slash = '/';
                p = slash;
        }
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

int lxc_attach_mount(int mount_fd, int target_fd)
{
        return syscall(SYS_move_mount, mount_fd, "", target_fd, "",
                       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
                       ? -errno
                       : 0;
}

static int set_fs_option(int fs, const char *text)
{
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy;

        if (!copy)
                return -ENOMEM;
        for (char *item; (item = strsep(&rest, ","));) {
                char *equals = strchr(item, '=');

                if (!*item)
                        continue;
                if (equals)
                        *equals = '\0';
                if (syscall(SYS_fsconfig, fs, equals ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, item,
                            equals ? equals + 1 : NULL, 0) < 0)
                        return -errno;
        }
        return 0;
}

/* What the kernel says of a file system's options. */
static void read_fs_log(int fs, char *ret, size_t size)
{
        ssize_t n = read(fs, ret, size - 1);

        ret[n > 0 ? n : 0] = '\0';
        for (char *p = ret; *p; p++)
                if ((unsigned char)*p < 0x20)
                        *p = ' ';
}

static int new_fs(const char *type, const char *source, const struct nxc_strv *data, uint64_t attributes,
        int *ret_fd, struct nxc_error *err)
{
        _cleanup_close_ int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
        char words[256] = "";
        int r = 0;

        if (fs < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "make a file system of type '%.64s'", type);
        if (!nxc_streq(source, "none") &&
                syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
                r = -errno;
        for (size_t i = 0; r == 0 && i < data->n; i++)
                r = set_fs_option(fs, data->v[i]);
        if (r == 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                r = -errno;
        if (r < 0) {
                read_fs_log(fs, words, sizeof(words));
                return nxc_fail_kind(err, NXC_ERR_LXC, -r, "make a file system of type '%s'%s%s", type,
                        *words ? ": " : "", words);
        }
        *ret_fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
        return *ret_fd < 0 ? nxc_fail_kind(err, NXC_ERR_LXC, errno, "mount a file system of type '%s'", type)
                           : 0;
}

static const char *find_directory(const struct nxc_strv *cgroups, const char *name)
{
        size_t n = strlen(name);

        for (size_t i = 0; i < cgroups->n; i++) {
                const char *rest = cgroups->v[i] + strlen("/sys/fs/cgroup/");

                if (n == 0 || (strncmp(rest, name, n) == 0 && rest[n] == '/'))
                        return cgroups->v[i];
        }
        return NULL;
}

/* A hierarchy as the container may see it: from its cgroup namespace, or its own directory. */
static int open_hierarchy(const struct lxc_mounts *all, const struct cgroup_hierarchy *h,
        uint64_t attributes, int *ret_fd, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv data = { 0 };
        const char *path;
        struct mount_attr attr = { .attr_set = attributes,
                .attr_clr = attributes & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0 };
        int r;

        if (!all->cgroups) {
                if (h->controllers[0] && nxc_strv_add(&data, h->controllers) < 0)
                        return nxc_oom(err);
                if (nxc_starts_with(h->controllers, "name=") && nxc_strv_add(&data, "none") < 0)
                        return nxc_oom(err);
                return new_fs(
                        h->controllers[0] ? "cgroup" : "cgroup2", "cgroup", &data, attributes, ret_fd, err);
        }
        path = find_directory(all->cgroups, h->name);
        if (!path)
                return nxc_fail_kind(err, NXC_ERR_LXC, 0, "the container is in no cgroup of '%s'", h->name);
        *ret_fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (*ret_fd < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "open the container's cgroup '%s'", path);
        attr.propagation = MS_PRIVATE;
        r = set_attributes(*ret_fd, false, attr);
        return r < 0 ? nxc_fail_kind(err, NXC_ERR_LXC, -r, "set the options of cgroup '%s'", path) : 0;
}

static int mount_hierarchy(const struct lxc_mounts *all, const struct cgroup_hierarchy *h, int tmpfs,
        uint64_t attributes, struct nxc_error *err)
{
        _cleanup_close_ int mnt = -EBADF, dir = -EBADF;
        int r = open_hierarchy(all, h, attributes, &mnt, err);

        if (r < 0)
                return r;
        if (mkdirat(tmpfs, h->name, 0755) < 0 ||
                (dir = openat(tmpfs, h->name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
                return nxc_fail(err, errno, "make the directory of cgroup %s", h->name);
        r = lxc_attach_mount(mnt, dir);
        if (r < 0)
                return nxc_fail(err, -r, "mount cgroup %s", h->name);
        for (const char *p = h->name, *comma; (comma = strchr(p, ',')); p = comma + 1) {
                _cleanup_free_ char *link = strndup(p, (size_t)(comma - p));

                if (!link || (symlinkat(h->name, tmpfs, link) < 0 && errno != EEXIST))
                        return nxc_fail(err, errno, "link cgroup %s", p);
        }
        return 0;
}

/* v2: one file system. v1: a directory of all hierarchies, as on the host. */
static int mount_cgroups(
        const struct lxc_mounts *all, const struct one_mount *m, int target, struct nxc_error *err)
{
        static const struct cgroup_hierarchy v2 = { (char *)"", (char *)"" };
        _cleanup_strv_ struct nxc_strv mode = { 0 };
        _cleanup_close_ int tmpfs = -EBADF;
        int r;

        if (nxc_cgroup_mode() == NXC_CGROUP_V2) {
                r = open_hierarchy(all, &v2, m->set, &tmpfs, err);
                if (r == 0 && (r = lxc_attach_mount(tmpfs, target)) < 0)
                        r = nxc_fail(err, -r, "mount '%s'", m->destination);
                return r;
        }
        if (nxc_strv_add(&mode, "mode=755") < 0)
                return nxc_oom(err);
        r = new_fs("tmpfs", "tmpfs", &mode, m->set & ~(uint64_t)MOUNT_ATTR_RDONLY, &tmpfs, err);
        if (r == 0 && (r = lxc_attach_mount(tmpfs, target)) < 0)
                r = nxc_fail(err, -r, "mount '%s'", m->destination);
        for (size_t i = 0; r == 0 && i < all->n_hierarchies; i++)
                /* One that the host has not mounted has no directory to bind. */
                if (!all->cgroups || find_directory(all->cgroups, all->hierarchies[i].name))
                        r = mount_hierarchy(all, &all->hierarchies[i], tmpfs, m->set, err);
        if (r == 0 && (m->set & MOUNT_ATTR_RDONLY) &&
                (r = set_attributes(tmpfs, false, (struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY })) < 0)
                r = nxc_fail(err, -r, "make '%s' read-only", m->destination);
        return r;
}

/* tmpcopyup: what the root has there, first. Through readable descriptors of both. */
static int copy_up(int target, int mount_fd, const char *destination, struct nxc_error *err)
{
        _cleanup_close_ int from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int to = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (from < 0 || to < 0)
                return nxc_fail(err, errno, "copy '%s' into its tmpfs", destination);
        return nxc_copy_tree(from, to, err);
}

/* Where the type demands it, nothing but a real directory will do (CVE-2019-19921, CVE-2023-27561). */
static int check_target(int root_fd, const struct one_mount *m, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;

        if (!nxc_streq(m->type, "proc") && !nxc_streq(m->type, "sysfs"))
                return 0;
        fd = nxc_beneath_open(
                root_fd, m->destination + strspn(m->destination, "/"), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
        if (fd == -ELOOP || fd == -ENOTDIR)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, 0,
                        "'%s' has to be a directory for a mount of type %s, not a link", m->destination,
                        m->type);
        return 0;
}

static int make_one(
        const struct lxc_mounts *all, const struct one_mount *m, int root_fd, struct nxc_error *err)
{
        _cleanup_close_ int target = -EBADF, mnt = -EBADF;
        int r = check_target(root_fd, m, err);

        if (r < 0)
                return r;
        r = lxc_make_target(root_fd, m->destination, !m->is_file, &target);
        if (r < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, -r, "make the mount point '%s'", m->destination);
        if (m->is_bind) {
                r = lxc_attach_mount(m->tree_fd, target);
                return r < 0 ? nxc_fail_kind(
                                       err, NXC_ERR_LXC, -r, "mount '%s' on '%s'", m->source, m->destination)
                             : 0;
        }
        if (nxc_streq(m->type, "cgroup") || nxc_streq(m->type, "cgroup2"))
                return mount_cgroups(all, m, target, err);
        r = new_fs(m->type, m->source, &m->data, m->copies_up ? 0 : m->set, &mnt, err);
        if (r == 0 && m->copies_up)
                r = copy_up(target, mnt, m->destination, err);
        if (r == 0 && m->copies_up &&
                (r = set_attributes(mnt, false, (struct mount_attr){ .attr_set = m->set })) < 0)
                r = nxc_fail(err, -r, "set the options of mount '%s'", m->destination);
        if (r == 0 && m->propagation &&
                (r = set_attributes(mnt, m->propagation & MS_REC,
                         (struct mount_attr){ .propagation = m->propagation & ~(uint64_t)MS_REC })) < 0)
                r = nxc_fail(err, -r, "set the propagation of mount '%s'", m->destination);
        if (r < 0)
                return nxc_error_wrap(err, "mount '%s'", m->destination);
        r = lxc_attach_mount(mnt, target);
        return r < 0 ? nxc_fail_kind(err, NXC_ERR_LXC, -r, "mount '%s'", m->destination) : 0;
}

int lxc_mounts_make(const struct lxc_mounts *m, int root_fd, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < m->n; i++)
                r = make_one(m, &m->v[i], root_fd, err);
        return r;
}
