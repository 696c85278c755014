/* Sizes for roots that are directories: a project quota each (sys/quota.h). The number of the project is
 * nowhere but on the directories; so the limit is set when the container has its name, and goes before they
 * do. */
#include "storage/common-internal.h"

#include "core/cleanup.h"
#include "core/path.h"
#include "sys/quota.h"

#include <fcntl.h>

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int nxc_storage_check_quota(const char *driver, int dir_fd, struct nxc_error *err)
{
        int r = nxc_quota_probe(dir_fd);

        if (r == 0)
                return 0;
        if (r != -ENOTSUP)
                return nxc_fail(err, -r, "look for project quotas on the store's file system");
        r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                "a size (--storage-size) with storage driver '%s': the store's file system has no project "
                "quotas",
                driver);
        nxc_error_hint(err, "mount it with prjquota (ext4, XFS), or use --storage raw");
        return r;
}

int nxc_storage_limit(int dir_fd, const char *const *names, uint64_t bytes, struct nxc_error *err)
{
        uint32_t project;
        int r = nxc_quota_find_project(dir_fd, &project);

        if (r < 0)
                return nxc_fail(err, -r, "find a free project on the store's file system");
        for (; *names; names++) {
                _cleanup_close_ int fd = openat(dir_fd, *names, DIR_FLAGS);

                r = fd < 0 ? -errno : nxc_quota_assign(fd, project);
                if (r < 0)
                        return nxc_fail(err, -r, "make the container's '%s' directory a project", *names);
        }
        r = nxc_quota_set_limit(dir_fd, project, bytes);
        return r < 0 ? nxc_fail(err, -r, "set the quota of project %u", project) : 0;
}

/* 0 and *ret 0: it has none. */
static int find_project(const struct nxc_storage_container *c, const char *const *names, int *ret_fd,
        uint32_t *ret, struct nxc_error *err)
{
        _cleanup_close_ int dir = open(c->dir, DIR_FLAGS), fd = -EBADF;
        uint32_t project = 0;
        int r = 0;

        if (dir < 0 && errno != ENOENT)
                return nxc_fail(err, errno, "open the container's directory '%s'", c->dir);
        for (; dir >= 0 && *names && fd < 0; names++)
                fd = openat(dir, *names, DIR_FLAGS);
        if (fd >= 0)
                r = nxc_quota_project_of(fd, &project);
        if (r < 0)
                return nxc_fail(err, -r, "look for the project of container '%s'", c->id);
        *ret = project;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int nxc_storage_unlimit(
        const struct nxc_storage_container *c, const char *const *names, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        uint32_t project;
        int r = find_project(c, names, &fd, &project, err);

        if (r < 0 || !project)
                return r;
        r = nxc_quota_set_limit(fd, project, 0);
        return r < 0 ? nxc_fail(err, -r, "take the quota of project %u away", project) : 0;
}

int nxc_storage_quota_usage(const struct nxc_storage_container *c, const char *const *names,
        struct nxc_storage_usage *ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        struct nxc_storage_usage u = { 0 };
        struct nxc_quota quota;
        uint32_t project;
        int r = find_project(c, names, &fd, &project, err);

        if (r == 0 && !project)
                r = nxc_storage_disk_usage(c->dir, names[0], &u.bytes, err);
        if (r == 0 && project) {
                r = nxc_quota_get(fd, project, &quota);
                if (r < 0)
                        return nxc_fail(err, -r, "ask for the quota of project %u", project);
                u = (struct nxc_storage_usage){ quota.used_bytes, quota.limit_bytes };
        }
        if (r == 0)
                *ret = u;
        return r;
}

int nxc_storage_relimit(const struct nxc_storage_container *c, const char *const *names, uint64_t bytes,
        struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        struct nxc_quota quota;
        uint32_t project;
        int r = find_project(c, names, &fd, &project, err);

        if (r < 0)
                return r;
        if (!project) {
                r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "a size for container '%s', which was made without one", c->id);
                nxc_error_hint(err, "give --storage-size when it is made");
                return r;
        }
        r = nxc_quota_get(fd, project, &quota);
        if (r == 0 && quota.used_bytes > bytes)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0,
                        "give container '%s' %llu bytes, it has %llu already", c->id,
                        (unsigned long long)bytes, (unsigned long long)quota.used_bytes);
        if (r == 0)
                r = nxc_quota_set_limit(fd, project, bytes);
        return r < 0 ? nxc_fail(err, -r, "set the quota of project %u", project) : 0;
}
