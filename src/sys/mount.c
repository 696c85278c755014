/* See mount.h.
 *
 * Options of an overlay, chosen so that an upper directory means the same on every kernel and can be put
 * over a rebuilt lower: metacopy, redirect_dir and index are off whatever the kernel's build says. Layers
 * cannot bring metacopy or redirect marks of their own either: intake drops overlay's xattrs. With
 * xino all files of a root have one device number and lasting inode numbers, though layers are file systems
 * of their own ("auto": where the numbers have the bits for it). */
#include "sys/mount.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/str.h"
#include "sys/feature.h"
#include "sys/loop.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FD_PATH_MAX 32 /* "/proc/self/fd/" and an int */
#define CHILD_STACK (64 * 1024)
#define UMOUNT_STACK_MAX 64 /* mounts on one place; more is somebody playing */

/* An option of an overlay that is the same in all three ways. */
struct overlay_option {
        const char *key, *value; /* value NULL: a flag */
};

static const struct overlay_option trusted_options[] = {
        { "redirect_dir", "off" },
        { "metacopy", "off" },
        { "index", "off" },
        { "xino", "auto" },
};
/* In a user namespace redirect_dir and metacopy are off by themselves, and naming them is a conflict. */
static const struct overlay_option user_options[] = {
        { "userxattr", NULL },
        { "index", "off" },
};
static const struct overlay_option volatile_option = { "volatile", NULL };

/* Whether overlays keep their marks in user.overlay.*: where trusted.overlay.* cannot be seen. */
static bool uses_userxattr(void)
{
        _cleanup_fclose_ FILE *f = NULL;
        unsigned inside = 1, outside = 1, count = 0;

        if (geteuid() != 0)
                return true;
        f = fopen("/proc/self/uid_map", "re");
        if (!f)
                return false;
        return fscanf(f, "%u %u %u", &inside, &outside, &count) == 3 &&
               (outside != 0 || count != 4294967295u);
}

static size_t collect_options(const struct nxc_overlay_opts *opts, struct overlay_option *ret, size_t max)
{
        bool user = uses_userxattr();
        const struct overlay_option *base = user ? user_options : trusted_options;
        size_t n = user ? NXC_ARRAY_SIZE(user_options) : NXC_ARRAY_SIZE(trusted_options), k = 0;

        for (size_t i = 0; i < n && k < max; i++)
                ret[k++] = base[i];
        if (opts->upper_fd >= 0 && opts->volatile_upper && k < max)
                ret[k++] = volatile_option;
        return k;
}

const char *nxc_overlay_opaque_xattr(void)
{
        return uses_userxattr() ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

/* What the kernel says about a failed configuration ("e overlay: ..."), in one line; "" when it says
 * nothing. */
static void read_kernel_log(int fs_fd, char *ret, size_t size)
{
        char line[256];
        size_t used = 0;
        ssize_t n;

        ret[0] = '\0';
        while ((n = read(fs_fd, line, sizeof(line) - 1)) > 0) {
                line[n] = '\0';
                if (n < 2 || line[0] != 'e' || used + (size_t)n + 3 >= size)
                        continue;
                used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? "; " : ": ", line + 2);
                while (used > 0 && ret[used - 1] == '\n')
                        ret[--used] = '\0';
        }
}

static int fail_overlay(
        struct nxc_error *err, int errnum, int fs_fd, const struct nxc_overlay_opts *opts, const char *what)
{
        char said[384] = "";
        int r;

        if (fs_fd >= 0)
                read_kernel_log(fs_fd, said, sizeof(said));
        r = nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errnum, "%s an overlay of %zu layers%s", what,
                opts->n_lower, said);
        if (errnum == ENODEV)
                nxc_error_hint(err, "this kernel has no overlayfs: use --storage dir");
        else if (errnum == EINVAL && opts->upper_fd >= 0)
                nxc_error_hint(err,
                        "the file system of the store may not be fit for an upper directory (it needs "
                        "xattrs and d_type, and must not be an overlay itself)");
        else if (errnum == EPERM)
                nxc_error_hint(err, "mounting needs CAP_SYS_ADMIN in the namespace of the mount");
        return r;
}

static const char *fd_path(int fd, char *buf)
{
        snprintf(buf, FD_PATH_MAX, "/proc/self/fd/%d", fd);
        return buf;
}

static int set_dir(int fs_fd, const char *key, int fd, bool by_fd)
{
        char path[FD_PATH_MAX];

        if (by_fd)
                return fsconfig(fs_fd, FSCONFIG_SET_FD, key, NULL, fd) < 0 ? -errno : 0;
        return fsconfig(fs_fd, FSCONFIG_SET_STRING, key, fd_path(fd, path), 0) < 0 ? -errno : 0;
}

/* Before 6.5 overlayfs takes nothing but the data of mount(2), and says so of a descriptor only: a string it
 * does not know is noticed when it is too late. */
static bool knows_data_only(int fs_fd)
{
        return fsconfig(fs_fd, FSCONFIG_SET_FD, "lowerdir+", NULL, fs_fd) < 0 && errno == EOPNOTSUPP;
}

/* Returns -EOPNOTSUPP without err when this kernel does not know this way of passing a layer. */
static int overlay_by_context(
        const struct nxc_overlay_opts *opts, bool by_fd, int *ret, struct nxc_error *err)
{
        _cleanup_close_ int fs_fd = fsopen("overlay", FSOPEN_CLOEXEC), mount_fd = -EBADF;
        struct overlay_option options[8];
        size_t n = collect_options(opts, options, NXC_ARRAY_SIZE(options));
        int r;

        if (fs_fd < 0)
                return errno == ENOSYS ? -EOPNOTSUPP : fail_overlay(err, errno, -1, opts, "open");
        if (!by_fd && knows_data_only(fs_fd))
                return -EOPNOTSUPP;
        for (size_t i = 0; i < opts->n_lower; i++) {
                r = set_dir(fs_fd, "lowerdir+", opts->lower_fds[i], by_fd);
                if ((r == -EINVAL || r == -EOPNOTSUPP) && i == 0)
                        return -EOPNOTSUPP;
                if (r < 0)
                        return fail_overlay(err, -r, fs_fd, opts, "add a layer to");
        }
        if (opts->upper_fd >= 0) {
                r = set_dir(fs_fd, "upperdir", opts->upper_fd, by_fd);
                if (r == 0)
                        r = set_dir(fs_fd, "workdir", opts->work_fd, by_fd);
                if (r < 0)
                        return fail_overlay(err, -r, fs_fd, opts, "add the upper directory to");
        }
        for (size_t i = 0; i < n; i++) {
                const struct overlay_option *o = &options[i];

                if (fsconfig(fs_fd, o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, o->key, o->value,
                            0) < 0)
                        return fail_overlay(err, errno, fs_fd, opts, "set the options of");
        }
        if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return fail_overlay(err, errno, fs_fd, opts, "make");
        mount_fd = fsmount(
                fs_fd, FSMOUNT_CLOEXEC, opts->read_only || opts->upper_fd < 0 ? MOUNT_ATTR_RDONLY : 0);
        if (mount_fd < 0)
                return fail_overlay(err, errno, fs_fd, opts, "mount");
        *ret = TAKE_FD(mount_fd);
        return 0;
}

/* The old way, mount(2): in a child with a mount namespace of its own, so that the mount is seen by nobody
 * and goes with the child, whatever happens. What stays is the clone of it, by descriptor. */
struct mount_child {
        const struct nxc_overlay_opts *opts;
        int *fds; /* the layers, upper and work as the child's namespace sees them */
        size_t n_fds;
        struct nxc_buf data;
        const char *doing; /* for the message */
        int errnum, mount_fd;
};

/* Overlayfs takes directories of its mounter's namespace only. The working directory is /proc/self/fd. */
static int reopen_here(int fd)
{
        char name[FD_PATH_MAX], path[PATH_MAX];
        struct stat was, is;
        ssize_t n;
        int here;

        snprintf(name, sizeof(name), "%d", fd);
        n = readlink(name, path, sizeof(path));
        if (n < 0 || n >= (ssize_t)sizeof(path))
                return n < 0 ? -errno : -ENAMETOOLONG;
        path[n] = '\0';
        here = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (here < 0)
                return -errno;
        if (fstat(fd, &was) < 0 || fstat(here, &is) < 0 || was.st_dev != is.st_dev ||
                was.st_ino != is.st_ino) {
                close(here);
                return -ESTALE;
        }
        return here;
}

/* A detached mount has no path and is in no namespace: it becomes one of this namespace, under the mount
 * that is to come, and goes with it; what overlayfs clones of it stays. Its descriptor then names it. */
static int adopt_mount(int fd)
{
        int same;

        if (move_mount(fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return -errno;
        same = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return same < 0 ? -errno : same;
}

static int reopen_all(struct mount_child *c)
{
        const struct nxc_overlay_opts *opts = c->opts;
        size_t n = opts->n_lower + (opts->upper_fd >= 0 ? 2 : 0);

        for (; c->n_fds < n; c->n_fds++) {
                size_t i = c->n_fds;
                int given = i < opts->n_lower    ? opts->lower_fds[i]
                            : i == opts->n_lower ? opts->upper_fd
                                                 : opts->work_fd;
                int fd = reopen_here(given);

                if (fd == -ESTALE || fd == -ENOENT)
                        fd = adopt_mount(given);
                if (fd < 0)
                        return fd;
                c->fds[i] = fd;
        }
        return 0;
}

/* Directories are named relative to /proc/self/fd, so that 500 of them fit the one page that mount(2)
 * takes. */
static int format_mount_data(struct mount_child *c)
{
        const struct nxc_overlay_opts *opts = c->opts;
        struct overlay_option options[8];
        size_t n = collect_options(opts, options, NXC_ARRAY_SIZE(options));
        int r = nxc_buf_puts(&c->data, "lowerdir=");

        for (size_t i = 0; i < opts->n_lower && r == 0; i++)
                r = nxc_buf_printf(&c->data, "%s%d", i ? ":" : "", c->fds[i]);
        if (r == 0 && opts->upper_fd >= 0)
                r = nxc_buf_printf(&c->data, ",upperdir=%d,workdir=%d", c->fds[opts->n_lower],
                        c->fds[opts->n_lower + 1]);
        for (size_t i = 0; i < n && r == 0; i++)
                r = nxc_buf_printf(&c->data, ",%s%s%s", options[i].key, options[i].value ? "=" : "",
                        options[i].value ? options[i].value : "");
        return r;
}

/* It shares our memory and descriptors. It mounts over its own /proc, of all places one that surely exists
 * and that it needs no longer, once it stands in /proc/self/fd. */
static int mount_in_child(void *arg)
{
        struct mount_child *c = arg;
        unsigned long flags = c->opts->read_only || c->opts->upper_fd < 0 ? MS_RDONLY : 0;
        int r;

        c->doing = "unshare to make";
        r = unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
        if (r == 0) {
                c->doing = "name the layers of";
                r = chdir("/proc/self/fd") < 0 ? -errno : reopen_all(c);
                if (r == 0)
                        r = format_mount_data(c);
        }
        if (r == 0) {
                c->doing = "make";
                r = mount("overlay", "/proc", "overlay", flags, c->data.data) < 0 ? -errno : 0;
        }
        if (r == 0) {
                c->doing = "clone";
                c->mount_fd = open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
                r = c->mount_fd < 0 ? -errno : 0;
        }
        for (size_t i = 0; i < c->n_fds; i++)
                close(c->fds[i]);
        c->errnum = -r;
        return 0;
}

static int overlay_by_mount(const struct nxc_overlay_opts *opts, int *ret, struct nxc_error *err)
{
        _cleanup_free_ char *stack = malloc(CHILD_STACK);
        _cleanup_free_ int *fds = calloc(opts->n_lower + 2, sizeof(*fds));
        struct mount_child c = {
                .opts = opts, .fds = fds, .data = { .limit = 4095 }, .errnum = ECHILD, .mount_fd = -1
        };
        pid_t pid;

        if (!stack || !fds)
                return nxc_oom(err);
        /* As vfork(2), but with shared descriptors, so that the clone made there is ours. */
        pid = clone(mount_in_child, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &c);
        if (pid < 0)
                return fail_overlay(err, errno, -1, opts, "fork to make");
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        nxc_buf_done(&c.data);
        if (c.errnum)
                return fail_overlay(err, c.errnum, -1, opts, c.doing ? c.doing : "make");
        *ret = c.mount_fd;
        return 0;
}

int nxc_mount_overlay(const struct nxc_overlay_opts *opts, int *ret_mount_fd, struct nxc_error *err)
{
        int r = -EOPNOTSUPP;

        if (opts->n_lower > NXC_OVERLAY_MAX_LOWER)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, E2BIG,
                        "make an overlay of %zu layers, the kernel takes %d", opts->n_lower,
                        NXC_OVERLAY_MAX_LOWER);
        if (opts->n_lower == 0 || (opts->upper_fd >= 0) != (opts->work_fd >= 0))
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, 0, "make an overlay of %zu layers %s",
                        opts->n_lower, opts->n_lower ? "with only one of upper and work" : "");
        if (nxc_feature_enabled("LOWERDIR_FD"))
                r = overlay_by_context(opts, true, ret_mount_fd, err);
        if (r == -EOPNOTSUPP && nxc_feature_enabled("LOWERDIR_PLUS"))
                r = overlay_by_context(opts, false, ret_mount_fd, err);
        if (r == -EOPNOTSUPP)
                r = overlay_by_mount(opts, ret_mount_fd, err);
        return r;
}

static int fail_erofs(struct nxc_error *err, int errnum, int fs_fd, const char *what)
{
        char said[384] = "";
        int r;

        if (fs_fd >= 0)
                read_kernel_log(fs_fd, said, sizeof(said));
        r = nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errnum, "%s an EROFS image%s", what, said);
        if (errnum == ENODEV)
                nxc_error_hint(err, "this kernel has no EROFS: set format = dir in [layerfs] of the "
                                    "configuration, remove the image and pull it again");
        else if (errnum == EPERM)
                nxc_error_hint(err, "mounting an image needs CAP_SYS_ADMIN in the initial user namespace");
        return r;
}

/* By the files themselves, or by loop devices over them, whose descriptors the loops get. */
static int set_erofs_file(int fs_fd, const char *key, int fd, int *loop_fd, struct nxc_error *err)
{
        char path[NXC_LOOP_PATH_MAX > FD_PATH_MAX ? NXC_LOOP_PATH_MAX : FD_PATH_MAX];
        int r = loop_fd ? nxc_loop_attach(fd, true, path, loop_fd, err) : 0;

        if (r < 0)
                return r;
        if (!loop_fd)
                fd_path(fd, path);
        return fsconfig(fs_fd, FSCONFIG_SET_STRING, key, path, 0) < 0 ? fail_erofs(err, errno, fs_fd, "open")
                                                                      : 0;
}

static int mount_erofs_from(
        int image_fd, const int *devices, size_t n, int *loops, int *ret, struct nxc_error *err)
{
        _cleanup_close_ int fs_fd = fsopen("erofs", FSOPEN_CLOEXEC), mount_fd = -EBADF;
        int r;

        if (fs_fd < 0)
                return fail_erofs(err, errno, -1, "open");
        r = set_erofs_file(fs_fd, "source", image_fd, loops, err);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = set_erofs_file(fs_fd, "device", devices[i], loops ? loops + 1 + i : NULL, err);
        if (r < 0)
                return r;
        if (fsconfig(fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
                fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return fail_erofs(err, errno, fs_fd, "open");
        mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
        if (mount_fd < 0)
                return fail_erofs(err, errno, fs_fd, "mount");
        *ret = TAKE_FD(mount_fd);
        return 0;
}

/* The loop devices go with their last user, which is the mount. */
static int mount_erofs_over_loops(
        int image_fd, const int *devices, size_t n, int *ret, struct nxc_error *err)
{
        _cleanup_free_ int *loops = malloc((n + 1) * sizeof(*loops));
        int r;

        if (!loops)
                return nxc_oom(err);
        for (size_t i = 0; i <= n; i++)
                loops[i] = -EBADF;
        r = mount_erofs_from(image_fd, devices, n, loops, ret, err);
        for (size_t i = 0; i <= n; i++)
                nxc_closep(&loops[i]);
        return r;
}

int nxc_mount_erofs(
        int image_fd, const int *devices, size_t n_devices, int *ret_mount_fd, struct nxc_error *err)
{
        struct nxc_error first = { 0 };
        int r = -ENOTBLK, loop;

        if (!nxc_feature_enabled("EROFS"))
                return fail_erofs(err, ENODEV, -1, "open");
        if (nxc_feature_enabled("EROFS_FILE"))
                r = mount_erofs_from(image_fd, devices, n_devices, NULL, ret_mount_fd, &first);
        if (r == 0)
                return 0;
        /* Before 6.12 the source has to be a block device; and not every file system's files will do. */
        if (r != -ENODEV && r != -EPERM) {
                loop = mount_erofs_over_loops(
                        image_fd, devices, n_devices, ret_mount_fd, nxc_error_is_set(&first) ? NULL : err);
                if (loop == 0 || !nxc_error_is_set(&first))
                        return loop;
        }
        if (err && !nxc_error_is_set(err))
                *err = first;
        return r;
}

int nxc_mount_image(
        int file_fd, const char *fs_type, const char *const *flags, int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_close_ int loop_fd = -EBADF, fs_fd = -EBADF, mount_fd = -EBADF;
        char device[NXC_LOOP_PATH_MAX], said[384];
        int r = nxc_loop_attach(file_fd, false, device, &loop_fd, err);

        if (r < 0)
                return r;
        fs_fd = fsopen(fs_type, FSOPEN_CLOEXEC);
        if (fs_fd < 0)
                return nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, errno,
                        "open the kernel's file system '%s'", fs_type);
        r = fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", device, 0);
        for (; r == 0 && *flags; flags++)
                r = fsconfig(fs_fd, FSCONFIG_SET_FLAG, *flags, NULL, 0);
        if (r == 0)
                r = fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
        if (r == 0)
                r = mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
        if (r < 0) {
                int saved = errno;

                read_kernel_log(fs_fd, said, sizeof(said));
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, saved,
                        "mount '%s' (%s) of an image file%s", device, fs_type, said);
        }
        *ret_mount_fd = TAKE_FD(mount_fd);
        return 0;
}

int nxc_mount_dataset(const char *dataset, int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_close_ int fs_fd = fsopen("zfs", FSOPEN_CLOEXEC), mount_fd = -EBADF;

        if (fs_fd < 0)
                return nxc_fail_kind(err, NXC_ERR_ZFS, errno, "open the kernel's file system 'zfs'");
        if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", dataset, 0) < 0 ||
                fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return nxc_fail_kind(err, NXC_ERR_ZFS, errno, "open dataset '%s' to mount it", dataset);
        mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
        if (mount_fd < 0)
                return nxc_fail_kind(err, NXC_ERR_ZFS, errno, "mount dataset '%s'", dataset);
        *ret_mount_fd = TAKE_FD(mount_fd);
        return 0;
}

int nxc_mount_clone(int fd, bool read_only, int *ret_mount_fd, struct nxc_error *err)
{
        _cleanup_close_ int mount_fd = open_tree(
                fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
        struct mount_attr attr = {
                .attr_set = read_only ? MOUNT_ATTR_RDONLY : 0,
                .propagation = MS_PRIVATE,
        };

        if (mount_fd < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errno, "clone a mount");
        if (mount_setattr(mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errno, "make a cloned mount %sprivate",
                        read_only ? "read-only and " : "");
        *ret_mount_fd = TAKE_FD(mount_fd);
        return 0;
}

int nxc_mount_harden(int mount_fd, struct nxc_error *err)
{
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };

        if (mount_setattr(mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errno, "make a mount nosuid and nodev");
        return 0;
}

int nxc_mount_attach(int mount_fd, int dirfd, const char *path, struct nxc_error *err)
{
        _cleanup_close_ int target = nxc_beneath_open(dirfd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

        if (target < 0)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_ROOTFS, -target, "open the mount point '%s'", path);
        if (move_mount(mount_fd, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, errno, "attach a mount at '%s'", path);
        return 0;
}

int nxc_umount(const char *path, struct nxc_error *err)
{
        for (int i = 0; i < UMOUNT_STACK_MAX; i++) {
                if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
                        continue;
                if (errno == ENOENT || errno == ENOTDIR)
                        return 0;
                if (errno == EINVAL && !nxc_is_mount_point(path))
                        return 0;
                return nxc_fail(err, errno, "unmount '%s'", path);
        }
        return nxc_fail(
                err, ELOOP, "unmount '%s', more than %d mounts are stacked there", path, UMOUNT_STACK_MAX);
}

bool nxc_is_mount_point(const char *path)
{
        struct statx stx;

        if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &stx) < 0)
                return false;
        return (stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
               (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}
