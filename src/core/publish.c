/* See publish.h. */
#include "core/publish.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"
#include "core/str.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int write_temp(
        int dirfd, const char *temp, const void *data, size_t len, mode_t mode, int flags, bool *ret_made)
{
        _cleanup_close_ int fd = openat(
                dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        int r;

        if (fd < 0)
                return -errno;
        *ret_made = true;
        r = nxc_write_all(fd, data, len);
        if (r < 0)
                return r;
        if (fchmod(fd, mode) < 0)
                return -errno;
        if ((flags & NXC_PUBLISH_SYNC) && fsync(fd) < 0)
                return -errno;
        return 0;
}

static int sync_parent(int dirfd, const char *name)
{
        const char *base = nxc_path_basename(name);
        _cleanup_free_ char *parent = base == name ? strdup(".") : strndup(name, (size_t)(base - name));
        _cleanup_close_ int fd = -EBADF;

        if (!parent)
                return -ENOMEM;
        fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

/* Where the file system has no RENAME_NOREPLACE (EINVAL), a hard link does not replace either. */
static int put_in_place(int dirfd, const char *temp, const char *name, int flags)
{
        if (renameat2(dirfd, temp, dirfd, name, (flags & NXC_PUBLISH_EXCLUSIVE) ? RENAME_NOREPLACE : 0) == 0)
                return 0;
        if (errno != EINVAL || !(flags & NXC_PUBLISH_EXCLUSIVE))
                return -errno;
        if (linkat(dirfd, temp, dirfd, name, 0) < 0)
                return -errno;
        unlinkat(dirfd, temp, 0);
        return 0;
}

/* The pid alone does not make a name unique: other pid namespaces have the same ones, and so had a process
 * that was killed between writing and renaming. A taken name is somebody's, and left alone. */
static int publish(int dirfd, const char *name, const void *data, size_t len, mode_t mode, int flags)
{
        static unsigned counter;

        for (;;) {
                _cleanup_free_ char *temp = nxc_strf("%s.tmp-%d-%u", name, (int)getpid(),
                        __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED));
                bool made = false;
                int r;

                if (!temp)
                        return -ENOMEM;
                r = write_temp(dirfd, temp, data, len, mode, flags, &made);
                if (r == -EEXIST && !made)
                        continue;
                if (r == 0)
                        r = put_in_place(dirfd, temp, name, flags);
                if (r < 0 && made)
                        unlinkat(dirfd, temp, 0);
                return r;
        }
}

int nxc_publish_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode, int flags,
        struct nxc_error *err)
{
        int r = publish(dirfd, name, data, len, mode, flags);
        char shown[NXC_SHOWN_MAX];

        if (r < 0)
                return nxc_fail(err, -r, "write '%s'", nxc_show_at(dirfd, name, shown));
        if (flags & NXC_PUBLISH_SYNC) {
                r = sync_parent(dirfd, name);
                if (r < 0)
                        return nxc_fail(
                                err, -r, "flush the directory of '%s'", nxc_show_at(dirfd, name, shown));
        }
        return 0;
}
