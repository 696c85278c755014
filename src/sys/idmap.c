/* See idmap.h. */
#include "sys/idmap.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/str.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static int parse_number(const json_t *entry, const char *key, uint32_t *ret)
{
        const json_t *n = json_object_get(entry, key);

        if (!json_is_integer(n) || json_integer_value(n) < 0 || json_integer_value(n) > UINT32_MAX)
                return -EINVAL;
        *ret = (uint32_t)json_integer_value(n);
        return 0;
}

static int parse_ranges(const json_t *list, const char *what, struct nxc_id_range **ret, size_t *ret_n,
        struct nxc_error *err)
{
        size_t n = json_array_size(list), i;
        struct nxc_id_range *v;
        const json_t *entry;

        if (n == 0 || n > NXC_IDMAP_MAX)
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                        "config.json: linux.%s has %zu entries, 1 to %d it has to be", what, n,
                        NXC_IDMAP_MAX);
        v = calloc(n, sizeof(*v));
        if (!v)
                return nxc_oom(err);
        json_array_foreach ((json_t *)list, i, entry) {
                if (parse_number(entry, "containerID", &v[i].inside) == 0 &&
                        parse_number(entry, "hostID", &v[i].outside) == 0 &&
                        parse_number(entry, "size", &v[i].count) == 0 && v[i].count > 0)
                        continue;
                free(v);
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_SPEC, 0, "config.json: linux.%s[%zu] is no mapping", what, i);
        }
        *ret = v;
        *ret_n = n;
        return 0;
}

int nxc_idmap_parse(const json_t *uids, const json_t *gids, struct nxc_idmap **ret, struct nxc_error *err)
{
        _cleanup_(nxc_idmap_freep) struct nxc_idmap *m = NULL;
        int r;

        if (json_array_size(uids) == 0 && json_array_size(gids) == 0) {
                *ret = NULL;
                return 0;
        }
        m = calloc(1, sizeof(*m));
        if (!m)
                return nxc_oom(err);
        r = parse_ranges(uids, "uidMappings", &m->uids, &m->n_uids, err);
        if (r == 0)
                r = parse_ranges(gids, "gidMappings", &m->gids, &m->n_gids, err);
        if (r == 0)
                *ret = TAKE_PTR(m);
        return r;
}

void nxc_idmap_free(struct nxc_idmap *m)
{
        if (!m)
                return;
        free(m->uids);
        free(m->gids);
        free(m);
}

int nxc_idmap_shift(const struct nxc_id_range *ranges, size_t n, uint32_t inside, uint32_t *ret)
{
        for (size_t i = 0; i < n; i++) {
                if (inside < ranges[i].inside || inside - ranges[i].inside >= ranges[i].count)
                        continue;
                *ret = ranges[i].outside + (inside - ranges[i].inside);
                return 0;
        }
        return -EOVERFLOW;
}

int nxc_idmap_owner(const struct nxc_idmap *m, uid_t *uid, gid_t *gid)
{
        uint32_t u = *uid, g = *gid;

        if (m && (nxc_idmap_shift(m->uids, m->n_uids, *uid, &u) < 0 ||
                         nxc_idmap_shift(m->gids, m->n_gids, *gid, &g) < 0))
                return -EOVERFLOW;
        *uid = u;
        *gid = g;
        return 0;
}

static int write_map(
        pid_t pid, const char *file, const struct nxc_id_range *ranges, size_t n, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf text = { 0 };
        _cleanup_close_ int fd = -EBADF;
        char path[64];

        for (size_t i = 0; i < n; i++)
                if (nxc_buf_printf(
                            &text, "%u %u %u\n", ranges[i].inside, ranges[i].outside, ranges[i].count) < 0)
                        return nxc_oom(err);
        snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        /* one write(2): the kernel takes the map as a whole */
        if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len)
                return nxc_fail(err, errno, "write the id mappings of a user namespace");
        return 0;
}

/* It lives while it can still read from its pipe: it ends with us, however we end. */
static pid_t fork_into_namespace(int ready_fd, int stay_fd, int close_fd)
{
        pid_t pid = fork();
        char c;

        if (pid != 0)
                return pid;
        close(close_fd);
        if (unshare(CLONE_NEWUSER) < 0 || write(ready_fd, "r", 1) != 1)
                _exit(1);
        while (read(stay_fd, &c, 1) < 0 && errno == EINTR)
                ;
        _exit(0);
}

int nxc_idmap_open(const struct nxc_idmap *m, int *ret_userns_fd, struct nxc_error *err)
{
        int ready[2], stay[2], r = 0, fd = -EBADF;
        char path[64], c;
        pid_t pid;

        if (pipe2(ready, O_CLOEXEC) < 0)
                return nxc_fail(err, errno, "make a pipe");
        if (pipe2(stay, O_CLOEXEC) < 0) {
                r = nxc_fail(err, errno, "make a pipe");
                close(ready[0]);
                close(ready[1]);
                return r;
        }
        pid = fork_into_namespace(ready[1], stay[0], stay[1]);
        close(ready[1]);
        close(stay[0]);
        if (pid < 0 || read(ready[0], &c, 1) != 1)
                r = nxc_fail(err, pid < 0 ? errno : EPERM, "make a user namespace for id mappings");
        close(ready[0]);
        if (r == 0)
                r = write_map(pid, "uid_map", m->uids, m->n_uids, err);
        if (r == 0)
                r = write_map(pid, "gid_map", m->gids, m->n_gids, err);
        if (r == 0) {
                snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        r = nxc_fail(err, errno, "open the user namespace of id mappings");
        }
        close(stay[1]);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        if (r == 0)
                *ret_userns_fd = fd;
        return r;
}

int nxc_idmap_mount(int mount_fd, int userns_fd, const char *what, struct nxc_error *err)
{
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd };

        if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
                return 0;
        if (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)
                return nxc_fail_kind(
                        err, NXC_ERR_NOT_IMPLEMENTED, errno, "show %s in a user namespace", what);
        return nxc_fail(err, errno, "show %s in a user namespace", what);
}
