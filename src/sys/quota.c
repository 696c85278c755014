/* See quota.h. */
#include "sys/quota.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <linux/quota.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNIT 1024        /* QIF_DQBLKSIZE: of limits */
#define PROJECT_TRIES 16 /* of two billion numbers */
#define PROJECT_MIN 1000 /* lower ones are people's, in /etc/projects */

static int control(int fd, int command, uint32_t id, void *arg)
{
        return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, arg) < 0 ? -errno : 0;
}

int nxc_quota_probe(int fd)
{
        struct fs_quota_statv st = { .qs_version = FS_QSTATV_VERSION1 };
        int r = control(fd, Q_XGETQSTATV, 0, &st);

        if (r == -EPERM || r == -EACCES)
                return r;
        return r == 0 && (st.qs_flags & FS_QUOTA_PDQ_ENFD) ? 0 : -ENOTSUP;
}

int nxc_quota_get(int fd, uint32_t project, struct nxc_quota *ret)
{
        struct if_dqblk q = { 0 };
        int r = control(fd, Q_GETQUOTA, project, &q);

        if (r == -ENOENT || r == -ESRCH) /* XFS: nothing is known of it */
                r = 0;
        if (r == 0)
                *ret = (struct nxc_quota){ q.dqb_curspace, q.dqb_bhardlimit * UNIT };
        return r;
}

int nxc_quota_find_project(int fd, uint32_t *ret)
{
        for (int i = 0; i < PROJECT_TRIES; i++) {
                struct nxc_quota q;
                uint32_t id;
                int r;

                if (getrandom(&id, sizeof(id), 0) != sizeof(id))
                        return -errno;
                id = PROJECT_MIN + id % (INT32_MAX - PROJECT_MIN);
                r = nxc_quota_get(fd, id, &q);
                if (r < 0)
                        return r;
                if (q.used_bytes == 0 && q.limit_bytes == 0) {
                        *ret = id;
                        return 0;
                }
        }
        return -EBUSY;
}

int nxc_quota_set_limit(int fd, uint32_t project, uint64_t bytes)
{
        struct if_dqblk q = {
                .dqb_bhardlimit = bytes / UNIT, .dqb_bsoftlimit = bytes / UNIT, .dqb_valid = QIF_BLIMITS
        };

        return control(fd, Q_SETQUOTA, project, &q);
}

static int assign_one(int fd, uint32_t project, unsigned flags)
{
        struct fsxattr x;

        if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
                return -errno;
        x.fsx_projid = project;
        x.fsx_xflags |= flags;
        return ioctl(fd, FS_IOC_FSSETXATTR, &x) < 0 ? -errno : 0;
}

static int assign_child(int dir_fd, const char *name, uint32_t project)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return 0;
        fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? nxc_quota_assign(fd, project) : assign_one(fd, project, 0);
}

int nxc_quota_assign(int dir_fd, uint32_t project)
{
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!dir)
                return -errno;
        r = assign_one(fd, project, FS_XFLAG_PROJINHERIT);
        while (r == 0 && (errno = 0, de = readdir(dir)))
                if (!nxc_streq(de->d_name, ".") && !nxc_streq(de->d_name, ".."))
                        r = assign_child(fd, de->d_name, project);
        return r < 0 ? r : -errno;
}

int nxc_quota_project_of(int dir_fd, uint32_t *ret)
{
        struct fsxattr x = { 0 };

        if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &x) < 0 && errno != ENOTTY && errno != EOPNOTSUPP)
                return -errno;
        *ret = x.fsx_projid;
        return 0;
}
