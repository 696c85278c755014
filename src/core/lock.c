/* See lock.h. */
#include "core/lock.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/str.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
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

int nxc_lock_passing_at(int dirfd, const char *name, int timeout_ms, int *ret_fd, struct nxc_error *err)
{
        for (;;) {
                _cleanup_close_ int fd = -EBADF;
                int r = nxc_lock_at(dirfd, name, NXC_LOCK_EXCLUSIVE, timeout_ms, &fd, err);

                if (r < 0)
                        return r;
                if (nxc_has_name_at(dirfd, name, fd)) {
                        *ret_fd = TAKE_FD(fd);
                        return 0;
                }
        }
}

void nxc_unlock_passing(int dirfd, const char *name, int *fd)
{
        if (*fd < 0)
                return;
        unlinkat(dirfd, name, 0);
        nxc_closep(fd);
}

void nxc_lock_sweep(int dirfd, const char *prefix)
{
        int dir_fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
        struct dirent *de;

        while (dir && (de = readdir(dir))) {
                _cleanup_close_ int fd = -EBADF;

                if (!nxc_starts_with(de->d_name, prefix))
                        continue;
                fd = openat(dirfd, de->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
                if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && nxc_has_name_at(dirfd, de->d_name, fd))
                        unlinkat(dirfd, de->d_name, 0);
        }
}
