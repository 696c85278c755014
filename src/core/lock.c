/* See lock.h. */
#include "core/lock.h"

#include "core/cleanup.h"
#include "core/fs.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

int nxc_lock_at(int dirfd, const char *name, enum nxc_lock_mode mode, int timeout_ms, int *ret_fd,
        struct nxc_error *err)
{
        _cleanup_close_ int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        int op = mode == NXC_LOCK_EXCLUSIVE ? LOCK_EX : LOCK_SH;
        int waited_ms = 0, step_ms = 1;
        char shown[NXC_SHOWN_MAX];

        if (fd < 0)
                return nxc_fail(err, errno, "open lock '%s'", nxc_show_at(dirfd, name, shown));
        while (flock(fd, timeout_ms < 0 ? op : op | LOCK_NB) < 0) {
                struct timespec ts = { .tv_nsec = step_ms * 1000000L };

                if (errno == EINTR)
                        continue;
                if (errno != EWOULDBLOCK)
                        return nxc_fail(err, errno, "lock '%s'", nxc_show_at(dirfd, name, shown));
                if (waited_ms >= timeout_ms)
                        return nxc_fail_kind(err, NXC_ERR_BUSY, EBUSY, "lock '%s', held by another process",
                                nxc_show_at(dirfd, name, shown));
                nanosleep(&ts, NULL);
                waited_ms += step_ms;
                step_ms = step_ms < 50 ? 2 * step_ms : 50;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}
