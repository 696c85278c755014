/* The size of a terminal: runc passes changes on to the container's, crun (as of 1.8) only their signal. */
#include "backend/ocicli/ocicli-internal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define PTMX makedev(5, 2) /* Documentation/admin-guide/devices.txt */

/* The runtime holds the master, so it is taken from there: nothing that the container could have put in its
 * place. */
static int take_master(pid_t runtime, int pidfd)
{
        _cleanup_free_ char *path = nxc_strf("/proc/%d/fd", (int)runtime);
        _cleanup_closedir_ DIR *d = path ? opendir(path) : NULL;
        struct dirent *de;

        while (d && (de = readdir(d))) {
                struct stat st;
                uint64_t n;

                if (nxc_parse_u64(de->d_name, &n) < 0 || fstatat(dirfd(d), de->d_name, &st, 0) < 0)
                        continue;
                if (S_ISCHR(st.st_mode) && st.st_rdev == PTMX)
                        return (int)syscall(SYS_pidfd_getfd, pidfd, (int)n, 0);
        }
        return -1;
}

void ocicli_pass_winsize(pid_t runtime, int pidfd)
{
        _cleanup_close_ int master = -EBADF;
        struct winsize ws;

        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) < 0)
                return;
        master = take_master(runtime, pidfd);
        if (master >= 0)
                (void)ioctl(master, TIOCSWINSZ, &ws);
}
