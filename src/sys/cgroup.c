/* See cgroup.h.
 *
 * Hierarchies are looked for where systemd, runc and crun have them: v2 on /sys/fs/cgroup, v1 controllers in
 * directories of their names below it (co-mounted ones have a symlink each), v2 of a hybrid host in
 * "unified". */
#include "sys/cgroup-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/str.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#define FILE_MAX \
        (1u << 20) /* memory.stat of a NUMA machine has some ten KiB; procs of 100,000 tasks 700 KiB */
#define PROCS_MAX (64u << 20) /* pid_max is 4 million: at most 8 bytes each, and some cgroups */
#define MAX_DEPTH 64          /* nested cgroups below a container; systemd inside makes about six */

enum nxc_cgroup_mode nxc_cgroup_mode(void)
{
        static enum nxc_cgroup_mode cached;
        static bool known;
        struct statfs st;

        if (known)
                return cached;
        if (statfs("/sys/fs/cgroup", &st) < 0)
                cached = NXC_CGROUP_NONE;
        else if (st.f_type == CGROUP2_SUPER_MAGIC)
                cached = NXC_CGROUP_V2;
        else if (statfs("/sys/fs/cgroup/unified", &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC)
                cached = NXC_CGROUP_HYBRID;
        else if (access("/sys/fs/cgroup/memory", F_OK) == 0 || access("/sys/fs/cgroup/systemd", F_OK) == 0)
                cached = NXC_CGROUP_V1;
        known = true;
        return cached;
}

const char *nxc_cgroup_mode_name(enum nxc_cgroup_mode mode)
{
        static const char *const names[] = { "none", "v1", "hybrid", "v2" };

        return names[mode];
}

struct nxc_cgroup_host nxc_cgroup_this_host(void)
{
        return (struct nxc_cgroup_host){ "/proc", "/sys/fs/cgroup", nxc_cgroup_mode() };
}

char *nxc_cgroup_read_text(const char *dir, const char *file)
{
        _cleanup_free_ char *path = nxc_strf("%s/%s", dir, file);
        char *text = NULL;
        int r = path ? nxc_read_file_at(AT_FDCWD, path, FILE_MAX, &text, NULL, NULL) : -ENOMEM;

        errno = -r;
        return text;
}

static int parse_number(const char *text, uint64_t *ret)
{
        char number[24];
        size_t n = strcspn(text, " \n");

        if (n >= sizeof(number))
                return -ERANGE;
        memcpy(number, text, n);
        number[n] = '\0';
        if (nxc_streq(number, "max")) {
                *ret = UINT64_MAX;
                return 0;
        }
        return nxc_parse_u64(number, ret);
}

int nxc_cgroup_read_number(const char *dir, const char *file, uint64_t *ret)
{
        _cleanup_free_ char *text = nxc_cgroup_read_text(dir, file);

        return text ? parse_number(text, ret) : -errno;
}

int nxc_cgroup_read_key(const char *dir, const char *file, const char *key, uint64_t *ret)
{
        _cleanup_free_ char *text = nxc_cgroup_read_text(dir, file);
        size_t n = strlen(key);

        if (!text)
                return -errno;
        for (const char *line = text; line && *line;
                line = strchr(line, '\n'), line = line ? line + 1 : NULL)
                if (strncmp(line, key, n) == 0 && line[n] == ' ')
                        return parse_number(line + n + 1, ret);
        return -ENOENT;
}

/* Whether one of a comma separated list is name. */
static bool list_has(const char *list, size_t len, const char *name)
{
        size_t n = strlen(name);

        for (const char *p = list, *end = list + len; p < end;) {
                const char *comma = memchr(p, ',', (size_t)(end - p));
                size_t k = comma ? (size_t)(comma - p) : (size_t)(end - p);

                if (k == n && memcmp(p, name, n) == 0)
                        return true;
                p += k + 1;
        }
        return false;
}

/* The path in the line "N:controllers:path" of /proc/PID/cgroup, in text; NULL when there is none. */
static char *find_path(char *text, const char *controller)
{
        char *next;

        for (char *line = text; line && *line; line = next) {
                char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                if (!path)
                        continue;
                if (controller[0] ? list_has(list + 1, (size_t)(path - list - 1), controller)
                                  : path == list + 1)
                        return path + 1;
        }
        return NULL;
}

int nxc_cgroup_host_dir(const struct nxc_cgroup_host *host, pid_t pid, const char *controller, char **ret,
        struct nxc_error *err)
{
        bool unified = host->mode == NXC_CGROUP_V2 || !controller[0] || nxc_streq(controller, "unified");
        _cleanup_free_ char *file = nxc_strf("%s/%d/cgroup", host->proc_root, (int)pid), *text = NULL,
                            *dir = NULL;
        const char *path, *deleted;
        int r;

        if (!file)
                return nxc_oom(err);
        if (host->mode == NXC_CGROUP_NONE)
                return nxc_fail(
                        err, ENOENT, "find the cgroup of process %d on a host without cgroups", (int)pid);
        r = nxc_read_file_at(AT_FDCWD, file, FILE_MAX, &text, NULL, err);
        if (r < 0)
                return nxc_error_wrap(err, "cgroup of process %d", (int)pid);
        path = find_path(text, unified ? "" : controller);
        if (!path || path[0] != '/')
                return nxc_fail(err, ENOENT, "find the %s cgroup of process %d",
                        unified ? "unified" : controller, (int)pid);
        deleted = strstr(path, " (deleted)"); /* the process is a zombie and its cgroup gone */
        dir = nxc_strf("%s%s%s%.*s", host->cgroup_root, host->mode == NXC_CGROUP_V2 ? "" : "/",
                host->mode == NXC_CGROUP_V2            ? ""
                : unified                              ? "unified"
                : strncmp(controller, "name=", 5) == 0 ? controller + 5
                                                       : controller,
                path[1] ? (int)(deleted ? deleted - path : (long)strlen(path)) : 0, path);
        if (!dir)
                return nxc_oom(err);
        if (deleted || access(dir, F_OK) < 0)
                return nxc_fail(err, ENOENT, "open the cgroup '%s' of process %d", dir, (int)pid);
        *ret = TAKE_PTR(dir);
        return 0;
}

/* The v1 controllers by which a container's processes are found, the most exclusive first. */
static const char *const v1_process_controllers[] = { "pids", "devices", "freezer", "memory",
        "name=systemd" };

/* The root of a hierarchy, where v1 also shows every zombie to be (proc_cgroup_show). */
static bool is_root(const struct nxc_cgroup_host *host, const char *dir)
{
        const char *below = nxc_starts_with(dir, host->cgroup_root) ? dir + strlen(host->cgroup_root) : dir;

        return host->mode == NXC_CGROUP_V2 ? !below[0] : below[0] == '/' && !strchr(below + 1, '/');
}

/* A directory that holds the container's processes and no others. The root of a hierarchy is none: a runtime
 * without a cgroup manager leaves its containers there, with everybody else. */
static int find_own_dir(const struct nxc_cgroup_host *host, pid_t init, char **ret, struct nxc_error *err)
{
        size_t n = host->mode == NXC_CGROUP_V2 ? 1 : NXC_ARRAY_SIZE(v1_process_controllers);

        for (size_t i = 0; i < n; i++) {
                const char *controller = host->mode == NXC_CGROUP_V2 ? "" : v1_process_controllers[i];
                _cleanup_free_ char *dir = NULL, *self = NULL;
                int r = nxc_cgroup_host_dir(host, init, controller, &dir, NULL);

                if (r == -ENOMEM)
                        return nxc_oom(err);
                if (r < 0)
                        continue;
                r = nxc_cgroup_host_dir(host, getpid(), controller, &self, NULL);
                if (r == -ENOMEM)
                        return nxc_oom(err);
                if (is_root(host, dir) || (r == 0 && nxc_streq(dir, self)))
                        continue;
                *ret = TAKE_PTR(dir);
                return 0;
        }
        return nxc_fail(err, ENOENT, "find a cgroup of its own of process %d", (int)init);
}

struct pid_list {
        pid_t *v;
        size_t n, cap;
};

static int add_pid(struct pid_list *list, pid_t pid)
{
        if (list->n == list->cap) {
                size_t cap = list->cap ? 2 * list->cap : 32;
                pid_t *v = realloc(list->v, cap * sizeof(*v));

                if (!v)
                        return -ENOMEM;
                list->v = v;
                list->cap = cap;
        }
        list->v[list->n++] = pid;
        return 0;
}

static int collect_procs(int dir_fd, struct pid_list *list)
{
        _cleanup_free_ char *text = NULL;
        int r = nxc_read_file_at(dir_fd, "cgroup.procs", PROCS_MAX, &text, NULL, NULL);

        if (r == -EOPNOTSUPP) /* a threaded cgroup; its processes are listed by the one above */
                return 0;
        if (r < 0)
                return r;
        for (char *line = text, *end; *line; line = end + 1) {
                long pid = strtol(line, &end, 10);

                if (end == line || *end != '\n')
                        break;
                if (pid > 0 && add_pid(list, (pid_t)pid) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* A cgroup that goes away meanwhile is empty. */
static int collect_tree(int dir_fd, int depth, struct pid_list *list)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int r = collect_procs(dir_fd, list);

        if (r < 0) {
                close(dir_fd);
                return r == -ENOENT || r == -ENODEV ? 0 : r;
        }
        dir = fdopendir(dir_fd);
        if (!dir) {
                close(dir_fd);
                return -errno;
        }
        while ((de = readdir(dir))) {
                int fd;

                if (de->d_type != DT_DIR || de->d_name[0] == '.')
                        continue;
                if (depth >= MAX_DEPTH)
                        return -ELOOP;
                fd = openat(dirfd(dir), de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 && errno == ENOENT)
                        continue;
                if (fd < 0)
                        return -errno;
                r = collect_tree(fd, depth + 1, list);
                if (r < 0)
                        return r;
        }
        return 0;
}

int nxc_cgroup_host_pids(
        const struct nxc_cgroup_host *host, pid_t init, pid_t **ret, size_t *ret_n, struct nxc_error *err)
{
        _cleanup_free_ char *dir = NULL;
        struct pid_list list = { NULL };
        int fd, r = find_own_dir(host, init, &dir, err);

        if (r == -ENOENT) { /* no cgroup of its own: the init is all that surely belongs to the container */
                nxc_error_reset(err);
                r = add_pid(&list, init);
                if (r < 0)
                        return nxc_oom(err);
                goto done;
        }
        if (r < 0)
                return r;
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return nxc_fail(err, errno, "open cgroup '%s'", dir);
        r = collect_tree(fd, 0, &list);
        if (r < 0) {
                free(list.v);
                return nxc_fail(err, -r, "list the processes of cgroup '%s'", dir);
        }
done:
        *ret = list.v;
        *ret_n = list.n;
        return 0;
}

int nxc_cgroup_host_is_frozen(
        const struct nxc_cgroup_host *host, pid_t init, bool *ret, struct nxc_error *err)
{
        _cleanup_free_ char *dir = NULL, *text = NULL;
        uint64_t frozen = 0;
        int r;

        if (host->mode == NXC_CGROUP_NONE) {
                *ret = false;
                return 0;
        }
        r = nxc_cgroup_host_dir(host, init, host->mode == NXC_CGROUP_V2 ? "" : "freezer", &dir, err);
        if (r < 0)
                return r;
        if (host->mode == NXC_CGROUP_V2) {
                /* Absent in the root cgroup, which cannot be frozen. */
                r = nxc_cgroup_read_key(dir, "cgroup.events", "frozen", &frozen);
                if (r == -ENOMEM)
                        return nxc_oom(err);
                *ret = r == 0 && frozen == 1;
                return 0;
        }
        text = nxc_cgroup_read_text(dir, "freezer.state");
        if (!text && errno == ENOMEM)
                return nxc_oom(err);
        *ret = text && (nxc_starts_with(text, "FROZEN") || nxc_starts_with(text, "FREEZING"));
        return 0;
}

int nxc_cgroup_host_oom_count(
        const struct nxc_cgroup_host *host, pid_t init, unsigned long long *ret, struct nxc_error *err)
{
        bool v2 = host->mode == NXC_CGROUP_V2;
        const char *file = v2 ? "memory.events" : "memory.oom_control";
        _cleanup_free_ char *dir = NULL;
        uint64_t count;
        int r = nxc_cgroup_host_dir(host, init, v2 ? "" : "memory", &dir, err);

        if (r < 0)
                return r;
        r = nxc_cgroup_read_key(dir, file, "oom_kill", &count);
        if (r < 0)
                return nxc_fail(err, -r, "read '%s/%s'", dir, file);
        *ret = count;
        return 0;
}

int nxc_cgroup_dir_of(pid_t pid, const char *controller, char **ret, struct nxc_error *err)
{
        struct nxc_cgroup_host host = nxc_cgroup_this_host();

        return nxc_cgroup_host_dir(&host, pid, controller, ret, err);
}

int nxc_cgroup_pids(pid_t init, pid_t **ret, size_t *ret_n, struct nxc_error *err)
{
        struct nxc_cgroup_host host = nxc_cgroup_this_host();

        return nxc_cgroup_host_pids(&host, init, ret, ret_n, err);
}

int nxc_cgroup_is_frozen(pid_t init, bool *ret, struct nxc_error *err)
{
        struct nxc_cgroup_host host = nxc_cgroup_this_host();

        return nxc_cgroup_host_is_frozen(&host, init, ret, err);
}

int nxc_cgroup_stats(pid_t init, json_t **ret, struct nxc_error *err)
{
        struct nxc_cgroup_host host = nxc_cgroup_this_host();

        return nxc_cgroup_host_stats(&host, init, ret, err);
}

int nxc_cgroup_oom_count(pid_t init, unsigned long long *ret, struct nxc_error *err)
{
        struct nxc_cgroup_host host = nxc_cgroup_this_host();

        return nxc_cgroup_host_oom_count(&host, init, ret, err);
}
