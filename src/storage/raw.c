/* A sparse ext4 image for each container, of a size of its own.
 *
 * It is filled by mke2fs itself, from the composed tree as its working directory: nothing is mounted for
 * that, and the kernel parses no image but one that we made. Then it is mounted over a loop device, past the
 * page cache of its file, which goes with the mount (auto-clear): a command that dies leaves a file in the
 * container's directory, and nothing else. A backend that mounts for itself takes the file.
 *
 * It stays sparse: inode tables and journal are not written, and the kernel's thread that would write them
 * later is told not to.
 *
 * The file is <dir>/root.raw. */
#include "storage/common-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"
#include "core/process.h"
#include "sys/loop.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define FILE_NAME "root.raw"
#define DEFAULT_SIZE (10ull << 30) /* sparse: what it says is a limit, not a price */
#define MAX_SIZE (16ull << 40)     /* the most that ext4 makes of blocks of 4 KiB without asking further */
#define INODE_RATIO 16384          /* mke2fs's own: a file for so many bytes */
#define SPARE_INODES 1024
#define MKE2FS_SAYS_MAX 4096
#define EXT4_RESIZE_FS _IOW('f', 16, uint64_t) /* EXT4_IOC_RESIZE_FS, which no header of Debian's has */
#define RAW_BLOCK 4096

static int probe_kernel(struct nxc_error *err)
{
        int r = nxc_storage_need_kernel("ext4", "modprobe ext4", err);

        if (r == 0 && access("/dev/loop-control", R_OK | W_OK) < 0) {
                r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, errno,
                        "there are no loop devices ('/dev/loop-control')");
                nxc_error_hint(err, "modprobe loop, or give the container that this runs in its devices");
        }
        return r;
}

static int probe(const struct nxc_storage_env *env, struct nxc_error *err)
{
        _cleanup_free_ char *path = NULL;
        int r = nxc_process_find("mke2fs", &path);

        if (r == -ENOMEM)
                return nxc_oom(err);
        if (r == 0)
                return probe_kernel(err);
        r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "the program 'mke2fs' is not installed");
        nxc_error_hint(err, "apt install e2fsprogs");
        return r;
}

/* --- the file --- */

static char *file_path(const struct nxc_storage_container *c)
{
        return nxc_path_join(c->dir, FILE_NAME);
}

static int create_file(const char *path, uint64_t size, int *ret_fd, struct nxc_error *err)
{
        _cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
                return nxc_fail(err, errno, "create the image '%s'", path);
        if (ftruncate(fd, (off_t)size) < 0) {
                int r = nxc_fail(
                        err, errno, "make the image '%s' of %llu bytes", path, (unsigned long long)size);

                if (r == -EFBIG)
                        nxc_error_hint(err, "the store's file system takes no file of that size");
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* The last line that mke2fs says, which tells why. */
static void last_line(char *text, char *ret, size_t size)
{
        char *nl;
        size_t n = strlen(text);

        while (n && text[n - 1] == '\n')
                text[--n] = '\0';
        nl = strrchr(text, '\n');
        snprintf(ret, size, "%s", nl ? nl + 1 : text);
        for (char *p = ret; *p; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        *p = '?';
}

static int fail_fill(const struct nxc_storage_request *q, const char *path, uint64_t size, char *said,
        const struct nxc_tree_count *count, struct nxc_error *err)
{
        char why[300];
        struct statvfs sv;
        bool too_small = strstr(said, "Could not allocate") || strstr(said, "not enough space") ||
                         strstr(said, "too small");
        int r;

        last_line(said, why, sizeof(why));
        if (too_small && !strstr(said, "No space left on device")) {
                r = nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, ENOSPC,
                        "fit the image's %llu bytes in %llu files into a root of %llu bytes (mke2fs: %s)",
                        (unsigned long long)count->bytes, (unsigned long long)count->inodes,
                        (unsigned long long)size, why);
                nxc_error_hint(err, "--storage-size with more than that; an image file is sparse");
                return r;
        }
        if (fstatvfs(q->dir_fd, &sv) == 0 && (uint64_t)sv.f_bavail * sv.f_frsize < RAW_BLOCK)
                return nxc_fail(err, ENOSPC, "fill the image '%s' (mke2fs: %s)", path, why);
        return nxc_fail(err, EIO, "fill the image '%s' (mke2fs: %s)", path, why);
}

/* A command that is killed takes its mke2fs along: the next one removes the file. */
static int end_with_parent(void *arg)
{
        return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
}

/* mke2fs writes what it finds in its working directory, which is the composed tree. */
static int fill(const struct nxc_storage_request *q, const char *path, uint64_t size, int tree_fd,
        struct nxc_error *err)
{
        char cwd[32], inodes[24];
        struct nxc_buf said = { .limit = MKE2FS_SAYS_MAX };
        const char *const argv[] = { "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m",
                "0", "-N", inodes, "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", "-O",
                q->ephemeral ? "^has_journal" : "has_journal", path, q->ids ? NULL : "-d", ".", NULL };
        const char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
        struct nxc_process_opts opts = NXC_PROCESS_OPTS_INIT;
        struct nxc_tree_count count;
        int status, r = nxc_storage_count(tree_fd, &count);

        if (r < 0)
                return nxc_fail(err, -r, "count the files of the image");
        snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", tree_fd);
        snprintf(inodes, sizeof(inodes), "%llu",
                (unsigned long long)(count.inodes + SPARE_INODES + size / INODE_RATIO));
        opts.argv = argv;
        opts.envp = envp;
        opts.cwd = cwd;
        opts.capture_stderr = &said;
        opts.in_child = end_with_parent;
        r = nxc_process_run(&opts, &status, err);
        if (r == 0 && nxc_process_exit_code(status) != 0)
                r = fail_fill(q, path, size, said.data, &count, err);
        nxc_buf_done(&said);
        return r;
}

/* --- the mount --- */

/* The file system's own directory, which no image asked for; fsck makes it again when it needs it. */
static int remove_lost_found(int mount_fd, int tree_fd, struct nxc_error *err)
{
        struct stat st;

        if (fstatat(tree_fd, "lost+found", &st, AT_SYMLINK_NOFOLLOW) == 0)
                return 0;
        if (unlinkat(mount_fd, "lost+found", AT_REMOVEDIR) < 0 && errno != ENOENT)
                return nxc_fail(err, errno, "remove '/lost+found' of an image file");
        return 0;
}

/* Adding and removing names has touched it. */
static int keep_root_times(int mount_fd, int tree_fd, struct nxc_error *err)
{
        struct timespec times[2];
        struct stat st;

        if (fstat(tree_fd, &st) < 0)
                return nxc_fail(err, errno, "stat the image's root");
        times[0] = st.st_atim;
        times[1] = st.st_mtim;
        return utimensat(mount_fd, ".", times, 0) < 0
                       ? nxc_fail(err, errno, "set the times of '/' in an image file")
                       : 0;
}

static int mount_file(int file_fd, int tree_fd, int *ret_mount_fd, struct nxc_error *err)
{
        static const char *const flags[] = { "noinit_itable", NULL };
        _cleanup_close_ int mount_fd = -EBADF;
        int r = nxc_mount_image(file_fd, "ext4", flags, &mount_fd, err);

        if (r == 0)
                r = remove_lost_found(mount_fd, tree_fd, err);
        if (r == 0)
                r = keep_root_times(mount_fd, tree_fd, err);
        if (r == 0)
                *ret_mount_fd = TAKE_FD(mount_fd);
        return r;
}

/* For a user namespace the files have other owners, which mke2fs cannot give; and a mount that shows them with
 * other owners is one in which the host's root, as which liblxc sets it up, can make nothing. */
static int fill_mapped(const struct nxc_storage_request *q, int mount_fd, struct nxc_error *err)
{
        const struct nxc_flatten_opts opts = { .ids = q->ids };
        _cleanup_close_ int root = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int upper = openat(
                q->dir_fd, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (root < 0 || upper < 0)
                return nxc_fail(err, errno, "open the root of an image file");
        return nxc_layer_chain_flatten(q->chain, upper, root, &opts, err);
}

/* --- the operations --- */

static int prepare(const struct nxc_storage_request *q, int *ret_mount_fd, struct nxc_error *err)
{
        if (q->size_bytes > MAX_SIZE)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "a root of %llu bytes; the most is 16 TiB (16t)",
                        (unsigned long long)q->size_bytes);
        return nxc_storage_compose(q, ret_mount_fd, err);
}

static int make(const struct nxc_storage_container *c, const struct nxc_storage_request *q, int *mount_fd,
        struct nxc_error *err)
{
        uint64_t size = (q->size_bytes ? q->size_bytes : DEFAULT_SIZE) / RAW_BLOCK * RAW_BLOCK;
        _cleanup_free_ char *path = file_path(c);
        _cleanup_close_ int file = -EBADF, mounted = -EBADF;
        int r = path ? create_file(path, size, &file, err) : nxc_oom(err);

        if (r == 0)
                r = fill(q, path, size, *mount_fd, err);
        if (r == 0)
                r = mount_file(file, *mount_fd, &mounted, err);
        if (r == 0 && q->ids)
                r = fill_mapped(q, mounted, err);
        if (r < 0)
                return r;
        nxc_closep(mount_fd);
        *mount_fd = TAKE_FD(mounted);
        return nxc_storage_remove_overlay(q->dir_fd, err);
}

static int attach(const struct nxc_storage_container *c, enum nxc_rootfs_kind kind, int mount_fd,
        struct nxc_rootfs *ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = file_path(c), *type = strdup("ext4");

        if (!path || !type)
                return nxc_oom(err);
        if (kind == NXC_ROOTFS_DIR)
                return nxc_storage_attach_dir(c, mount_fd, path, ret, err);
        ret->kind = NXC_ROOTFS_IMAGE_FILE;
        ret->path = TAKE_PTR(path);
        ret->fs_type = TAKE_PTR(type);
        return 0;
}

static int open_file(const struct nxc_storage_container *c, int flags, int *ret, struct stat *ret_st,
        struct nxc_error *err)
{
        _cleanup_free_ char *path = file_path(c);
        _cleanup_close_ int fd = path ? open(path, flags | O_NOFOLLOW | O_CLOEXEC) : -EBADF;

        if (!path)
                return nxc_oom(err);
        if (fd < 0 || fstat(fd, ret_st) < 0)
                return nxc_fail(err, errno, "open the image '%s'", path);
        *ret = TAKE_FD(fd);
        return 0;
}

static int usage(const struct nxc_storage_container *c, struct nxc_storage_usage *ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r = open_file(c, O_RDONLY, &fd, &st, err);

        if (r == 0)
                *ret = (struct nxc_storage_usage){ (uint64_t)st.st_blocks * 512, (uint64_t)st.st_size };
        return r;
}

/* The file, then the device, then the file system, which grows while it is in use. Each may have been done
 * by a command that died: a larger file or device alone changes nothing. */
static int grow(const struct nxc_storage_container *c, int file, uint64_t size, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(c->dir, "rootfs");
        _cleanup_close_ int root = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        uint64_t blocks = size / RAW_BLOCK;
        struct stat st;
        int r;

        if (!path)
                return nxc_oom(err);
        if (root < 0 || fstat(root, &st) < 0)
                return nxc_fail(err, errno, "open '%s'", path);
        if (ftruncate(file, (off_t)size) < 0)
                return nxc_fail(err, errno, "make the image of container '%s' larger", c->id);
        r = nxc_loop_grow(st.st_dev, file);
        if (r == -ENOTBLK)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_STATE, 0, "the image of container '%s' is not mounted", c->id);
        if (r < 0)
                return nxc_fail(err, -r, "make the loop device of container '%s' larger", c->id);
        if (ioctl(root, EXT4_RESIZE_FS, &blocks) == 0)
                return 0;
        r = nxc_fail(err, errno, "make the file system of container '%s' larger", c->id);
        if (r == -EPERM)
                nxc_error_hint(err, "growing ext4 needs CAP_SYS_RESOURCE");
        return r;
}

static int resize(const struct nxc_storage_container *c, uint64_t size, struct nxc_error *err)
{
        _cleanup_close_ int file = -EBADF;
        struct stat st;
        int r = open_file(c, O_RDWR, &file, &st, err);

        if (r < 0)
                return r;
        size = size / RAW_BLOCK * RAW_BLOCK;
        if (size < (uint64_t)st.st_size) {
                r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "make the image of container '%s' smaller, it has %llu bytes", c->id,
                        (unsigned long long)st.st_size);
                nxc_error_hint(err, "ext4 only grows while it is in use");
                return r;
        }
        if (size > MAX_SIZE)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "a root of %llu bytes; the most is 16 TiB (16t)",
                        (unsigned long long)size);
        return grow(c, file, size, err);
}

const struct nxc_storage_ops nxc_storage_raw = {
        .name = "raw",
        .summary = "a sparse ext4 image file of a size of its own",
        .makes = NXC_STORAGE_MAKES_FILE,
        .offers = { NXC_ROOTFS_DIR, NXC_ROOTFS_IMAGE_FILE },
        .n_offers = 2,
        .probe = probe,
        .prepare = prepare,
        .make = make,
        .attach = attach,
        .release = nxc_storage_unmount,
        .usage = usage,
        .resize = resize,
};
