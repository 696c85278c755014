/* See loop.h. */
#include "sys/loop.h"

#include "core/cleanup.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define TRIES 64 /* others take free devices, too */
#define BLOCK_SIZE 4096

/* LOOP_CONFIGURE, Linux >= 5.8: all at once, so that nobody sees a half-made device. */
static int configure(int loop_fd, int file_fd, bool read_only)
{
        struct loop_config config = {
                .fd = (uint32_t)file_fd,
                .block_size = BLOCK_SIZE,
                .info.lo_flags = (read_only ? LO_FLAGS_READ_ONLY : 0) | LO_FLAGS_AUTOCLEAR |
                                 LO_FLAGS_DIRECT_IO,
        };

        if (ioctl(loop_fd, LOOP_CONFIGURE, &config) == 0)
                return 0;
        if (errno != EINVAL)
                return -errno;
        config.info.lo_flags &= ~(uint32_t)LO_FLAGS_DIRECT_IO; /* a file system without it */
        return ioctl(loop_fd, LOOP_CONFIGURE, &config) < 0 ? -errno : 0;
}

int nxc_loop_attach(int file_fd, bool read_only, char *path, int *ret_fd, struct nxc_error *err)
{
        _cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

        if (control < 0)
                return nxc_fail(err, errno, "open '/dev/loop-control'");
        for (int i = 0; i < TRIES; i++) {
                _cleanup_close_ int fd = -EBADF;
                int n = ioctl(control, LOOP_CTL_GET_FREE), r;

                if (n < 0)
                        return nxc_fail(err, errno, "find a free loop device");
                snprintf(path, NXC_LOOP_PATH_MAX, "/dev/loop%d", n);
                fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
                if (fd < 0)
                        return nxc_fail(err, errno, "open '%s'", path);
                r = configure(fd, file_fd, read_only);
                if (r == 0) {
                        *ret_fd = TAKE_FD(fd);
                        return 0;
                }
                if (r != -EBUSY)
                        return nxc_fail(err, -r, "attach a file to '%s'", path);
        }
        return nxc_fail(err, EBUSY, "find a free loop device");
}

int nxc_loop_grow(dev_t dev, int file_fd)
{
        _cleanup_close_ int fd = -EBADF;
        struct loop_info64 info;
        char path[64];
        struct stat st;

        if (fstat(file_fd, &st) < 0)
                return -errno;
        snprintf(path, sizeof(path), "/dev/block/%u:%u", major(dev), minor(dev));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) { /* no udev */
                snprintf(path, sizeof(path), "/dev/loop%u", minor(dev));
                fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
                return errno == ENOTTY ? -ENOTBLK : -errno;
        if (info.lo_device != st.st_dev || info.lo_inode != st.st_ino)
                return -ENOTBLK;
        return ioctl(fd, LOOP_SET_CAPACITY, 0) < 0 ? -errno : 0;
}
