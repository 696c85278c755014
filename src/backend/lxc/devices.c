/* Devices, the usual links, what is masked and made read-only, and sysctls: done in the container's mount
 * namespace before its root changes. */
#include "backend/lxc/lxc-internal.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

static const struct {
        const char *name;
        unsigned major, minor;
} defaults[] = {
        { "null", 1, 3 },
        { "zero", 1, 5 },
        { "full", 1, 7 },
        { "random", 1, 8 },
        { "urandom", 1, 9 },
        { "tty", 5, 0 },
};

static const struct {
        const char *name, *target;
} links[] = {
        { "fd", "/proc/self/fd" },
        { "stdin", "/proc/self/fd/0" },
        { "stdout", "/proc/self/fd/1" },
        { "stderr", "/proc/self/fd/2" },
        { "ptmx", "pts/ptmx" },
};

/* In a user namespace nodes cannot be made: the host's are bound. */
static int bind_node(int dir, const char *name, const char *host, struct nxc_error *err)
{
        _cleanup_close_ int tree = -EBADF, target = -EBADF;
        int r;

        tree = (int)syscall(SYS_open_tree, AT_FDCWD, host, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree >= 0 && mknodat(dir, name, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "make the device '%s'", host);
        target = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        r = tree < 0 || target < 0 ? -errno : lxc_attach_mount(tree, target);
        return r < 0 ? nxc_fail_kind(err, NXC_ERR_LXC, -r, "bind the device '%s'", host) : 0;
}

/* What is in the way is the image's, and goes: a link, a file, a node of another number (CVE-2026-41579). */
static int make_node(int dir, const char *name, mode_t mode, dev_t dev, uid_t uid, gid_t gid,
        const char *host, struct nxc_error *err)
{
        struct stat st;

        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                if ((st.st_mode & S_IFMT) == (mode & S_IFMT) && (S_ISFIFO(mode) || st.st_rdev == dev))
                        return 0;
                if (unlinkat(dir, name, 0) < 0)
                        return nxc_fail_kind(
                                err, NXC_ERR_LXC, errno, "replace '%s' in the container's root", host);
        }
        if (mknodat(dir, name, mode, dev) < 0) {
                if (errno == EPERM)
                        return bind_node(dir, name, host, err);
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "make the device '%s'", host);
        }
        if (fchmodat(dir, name, mode & 07777, 0) < 0 ||
                fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "make the device '%s'", host);
        return 0;
}

static int open_dev(int root_fd, int *ret_fd, struct nxc_error *err)
{
        int fd = nxc_beneath_open(root_fd, "dev", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

        if (fd == -ENOENT && mkdirat(root_fd, "dev", 0755) == 0)
                fd = nxc_beneath_open(root_fd, "dev", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        if (fd < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, -fd,
                        "open /dev in the container's root, which may be no link");
        *ret_fd = fd;
        return 0;
}

static int make_defaults(const json_t *spec, int dev, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(defaults); i++) {
                char host[32];

                snprintf(host, sizeof(host), "/dev/%s", defaults[i].name);
                r = make_node(dev, defaults[i].name, S_IFCHR | 0666,
                        makedev(defaults[i].major, defaults[i].minor), 0, 0, host, err);
        }
        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(links); i++) {
                if (symlinkat(links[i].target, dev, links[i].name) == 0 || errno == EEXIST)
                        continue;
                r = nxc_fail_kind(err, NXC_ERR_LXC, errno, "make the link /dev/%s", links[i].name);
        }
        if (r == 0 && json_is_true(nxc_json_get(spec, "process.terminal")) &&
                mknodat(dev, "console", S_IFREG | 0620, 0) < 0 && errno != EEXIST)
                r = nxc_fail_kind(err, NXC_ERR_LXC, errno, "make /dev/console");
        return r;
}

static int make_device(const json_t *d, int root_fd, struct nxc_error *err)
{
        const char *path = nxc_json_str(d, "path"), *type = nxc_json_str(d, "type");
        const json_t *mode = json_object_get(d, "fileMode");
        _cleanup_free_ char *clean = nxc_path_normalize(path), *parent_path = NULL;
        _cleanup_close_ int parent = -EBADF, dir = -EBADF;
        mode_t kind = *type == 'b' ? S_IFBLK : *type == 'p' ? S_IFIFO : S_IFCHR;
        int r;

        if (!clean || !(parent_path = strdup(clean)))
                return nxc_oom(err);
        *strrchr(parent_path, '/') = '\0';
        r = lxc_make_target(root_fd, *parent_path ? parent_path : "/", true, &parent);
        if (r == 0 && (dir = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
                r = -errno;
        if (r < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, -r, "open the directory of the device '%s'", path);
        return make_node(dir, nxc_path_basename(clean),
                kind | (mode_t)(mode ? json_integer_value(mode) & 07777 : 0666),
                makedev((unsigned)json_integer_value(json_object_get(d, "major")),
                        (unsigned)json_integer_value(json_object_get(d, "minor"))),
                (uid_t)json_integer_value(json_object_get(d, "uid")),
                (gid_t)json_integer_value(json_object_get(d, "gid")), clean, err);
}

/* A /dev that is bound from the host is left as it is (as runc has it). */
static bool has_own_dev(const json_t *spec)
{
        const json_t *m, *option;
        bool bound = false;
        size_t i, k;

        json_array_foreach (json_object_get(spec, "mounts"), i, m) {
                _cleanup_free_ char *clean = nxc_path_normalize(nxc_json_str(m, "destination"));

                if (!nxc_streq(clean, "/dev"))
                        continue;
                bound |= nxc_streq(nxc_json_str(m, "type"), "bind");
                json_array_foreach (json_object_get(m, "options"), k, option)
                        bound |= nxc_streq(json_string_value(option), "bind") ||
                                 nxc_streq(json_string_value(option), "rbind");
        }
        return !bound;
}

int lxc_devices_make(const json_t *spec, int root_fd, struct nxc_error *err)
{
        _cleanup_close_ int dev = -EBADF;
        const json_t *d;
        mode_t old;
        size_t i;
        int r;

        if (!has_own_dev(spec))
                return 0;
        old = umask(0);
        r = open_dev(root_fd, &dev, err);
        if (r == 0)
                r = make_defaults(spec, dev, err);
        json_array_foreach (nxc_json_get(spec, "linux.devices"), i, d)
                if (r == 0)
                        r = make_device(d, root_fd, err);
        umask(old);
        return r;
}

/* ---- masked and read-only paths */

static int cover(int tree, int target, const char *path, struct nxc_error *err)
{
        int r = lxc_attach_mount(tree, target);

        return r < 0 ? nxc_fail_kind(err, NXC_ERR_LXC, -r, "cover '%s'", path) : 0;
}

/* The host's null device, by a path of the host that no container can change; and still looked at
 * (CVE-2025-31133). */
static int clone_null(int *ret_fd, struct nxc_error *err)
{
        int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
                return nxc_fail_kind(err, NXC_ERR_LXC, fd < 0 ? errno : ENODEV, "open the host's /dev/null");
        *ret_fd = fd;
        return 0;
}

static int empty_directory(int *ret_fd, struct nxc_error *err)
{
        _cleanup_close_ int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

        if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "make an empty file system");
        *ret_fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        return *ret_fd < 0 ? nxc_fail_kind(err, NXC_ERR_LXC, errno, "mount an empty file system") : 0;
}

static int mask(int root_fd, const char *path, struct nxc_error *err)
{
        _cleanup_close_ int target = nxc_root_open(root_fd, path, O_PATH | O_CLOEXEC, 0), tree = -EBADF;
        struct stat st;
        int r;

        if (target == -ENOENT || target == -ENOTDIR)
                return 0;
        if (target < 0 || fstat(target, &st) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, target < 0 ? -target : errno, "mask '%s'", path);
        r = S_ISDIR(st.st_mode) ? empty_directory(&tree, err) : clone_null(&tree, err);
        return r < 0 ? r : cover(tree, target, path, err);
}

static int make_read_only(int root_fd, const char *path, struct nxc_error *err)
{
        _cleanup_close_ int target = nxc_root_open(root_fd, path, O_PATH | O_CLOEXEC, 0), tree = -EBADF;
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

        if (target == -ENOENT || target == -ENOTDIR)
                return 0;
        if (target >= 0)
                tree = (int)syscall(SYS_open_tree, target, "",
                        AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0 ||
                syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "make '%s' read-only", path);
        return cover(tree, target, path, err);
}

int lxc_paths_cover(const json_t *spec, int root_fd, struct nxc_error *err)
{
        const json_t *path;
        size_t i;
        int r = 0;

        json_array_foreach (nxc_json_get(spec, "linux.readonlyPaths"), i, path)
                if (r == 0)
                        r = make_read_only(root_fd, json_string_value(path), err);
        json_array_foreach (nxc_json_get(spec, "linux.maskedPaths"), i, path)
                if (r == 0)
                        r = mask(root_fd, json_string_value(path), err);
        return r;
}

/* ---- sysctls: in a procfs of our own, whose keys are those of our namespaces (the spec's table knows which
 * may be set) */

static int set_sysctl(int proc, const char *key, const char *value, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_strf("sys/%s", key);
        _cleanup_close_ int fd = -EBADF;

        if (!path)
                return nxc_oom(err);
        if (!strchr(key, '/'))
                for (char *p = path; *p; p++)
                        *p = *p == '.' ? '/' : *p;
        fd = nxc_beneath_open(proc, path, O_WRONLY | O_CLOEXEC, 0);
        if (fd < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, -fd, "set linux.sysctl '%s'", key);
        if (write(fd, value, strlen(value)) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "set linux.sysctl '%s' to '%s'", key, value);
        return 0;
}

int lxc_sysctls_set(const json_t *spec, struct nxc_error *err)
{
        json_t *table = nxc_json_get(spec, "linux.sysctl"), *value;
        _cleanup_close_ int fs = -EBADF, proc = -EBADF;
        const char *key;
        int r = 0;

        if (json_object_size(table) == 0)
                return 0;
        fs = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);
        if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
                (proc = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0)) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "mount a procfs to set linux.sysctl");
        json_object_foreach (table, key, value)
                if (r == 0)
                        r = set_sysctl(proc, key, json_string_value(value), err);
        return r;
}
