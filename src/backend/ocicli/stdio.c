/* crun gives the nodes of its stdio to the container's user (fchown), which is right for a pipe and wrong
 * for the host's /dev/null. So it gets a null device that nobody else has: a node on a tmpfs that is mounted
 * nowhere, and is gone with the last fd to it. */
#include "backend/ocicli/ocicli-internal.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

int ocicli_private_null(int *ret_fd)
{
        _cleanup_close_ int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), mnt = -EBADF;
        int fd;

        if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
        if (mnt < 0 || mknodat(mnt, "null", S_IFCHR | 0600, makedev(1, 3)) < 0 ||
                fchmodat(mnt, "null", 0666, 0) < 0)
                return -errno;
        fd = openat(mnt, "null", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}
