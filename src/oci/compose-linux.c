/* The linux section: namespaces, resources, and the host's devices for --privileged. */
#include "oci/compose-internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DEFAULT_PIDS_LIMIT 2048 /* podman's */
#define CPU_PERIOD_US 100000
#define CPU_QUOTA_MIN_US 1000 /* the kernel's least */
#define DEVICES_MAX 4096    /* a host with more nodes than that has other troubles; bounds the config.json */
#define DEVICES_MAX_DEPTH 4 /* /dev/bus/usb/001/001, /dev/cpu/0/msr */

static int add_namespaces(struct nxc_compose *c, struct nxc_error *err)
{
        const struct {
                const char *type;
                bool wanted;
        } rows[] = {
                { "pid", true },
                { "network", !nxc_streq(c->opts->network, "host") },
                { "ipc", true },
                { "uts", true },
                { "mount", true },
                { "cgroup", c->host->cgroup_namespace },
                { "user", c->opts->uid_mappings != NULL },
        };
        json_t *array = json_array();
        int r = nxc_put(c->linux_, "namespaces", array, err);

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(rows); i++)
                if (rows[i].wanted &&
                        json_array_append_new(array, json_pack("{s:s}", "type", rows[i].type)) < 0)
                        r = nxc_oom(err);
        return r;
}

/* With a network namespace of its own every group may ping, as podman's containers.conf has it. */
static int add_sysctls(struct nxc_compose *c, struct nxc_error *err)
{
        if (nxc_streq(c->opts->network, "host"))
                return 0;
        return nxc_put(c->linux_, "sysctl", json_pack("{s:s}", "net.ipv4.ping_group_range", "0 0"), err);
}

static int add_memory(struct nxc_compose *c, json_t *resources, struct nxc_error *err)
{
        uint64_t limit = c->opts->memory_bytes;

        if (limit == 0)
                return 0;
        if (limit > INT64_MAX / 2)
                return nxc_usage(
                        err, "--memory: %llu bytes are more than there can be", (unsigned long long)limit);
        return nxc_put(resources, "memory",
                json_pack("{s:I, s:I}", "limit", (json_int_t)limit, "swap", (json_int_t)(2 * limit)), err);
}

static int add_cpus(struct nxc_compose *c, json_t *resources, struct nxc_error *err)
{
        double quota = c->opts->cpus * CPU_PERIOD_US;

        if (c->opts->cpus == 0)
                return 0;
        if (!isfinite(quota) || quota < CPU_QUOTA_MIN_US || quota > 1e12)
                return nxc_usage(
                        err, "--cpus %g: CPU cfs quota cannot be less than 1ms (0.01 cpus)", c->opts->cpus);
        return nxc_put(resources, "cpu",
                json_pack("{s:I, s:I}", "quota", (json_int_t)quota, "period", (json_int_t)CPU_PERIOD_US),
                err);
}

static int add_pids(struct nxc_compose *c, json_t *resources, struct nxc_error *err)
{
        int64_t limit = c->opts->pids_limit ? c->opts->pids_limit : DEFAULT_PIDS_LIMIT;

        if (limit < -1)
                return nxc_usage(err, "--pids-limit %lld is neither positive nor -1", (long long)limit);
        return nxc_put(resources, "pids", json_pack("{s:I}", "limit", (json_int_t)limit), err);
}

static int add_resources(struct nxc_compose *c, struct nxc_error *err)
{
        json_t *resources = json_pack(
                "{s:[{s:b, s:s}]}", "devices", "allow", c->opts->privileged, "access", "rwm");
        int r = nxc_put(c->linux_, "resources", resources, err);

        if (r == 0)
                r = add_memory(c, resources, err);
        if (r == 0)
                r = add_cpus(c, resources, err);
        if (r == 0)
                r = add_pids(c, resources, err);
        return r;
}

static int add_mappings(struct nxc_compose *c, struct nxc_error *err)
{
        int r = c->opts->uid_mappings
                        ? nxc_put(c->linux_, "uidMappings", json_deep_copy(c->opts->uid_mappings), err)
                        : 0;

        return r == 0 && c->opts->gid_mappings
                       ? nxc_put(c->linux_, "gidMappings", json_deep_copy(c->opts->gid_mappings), err)
                       : r;
}

int nxc_compose_linux(struct nxc_compose *c, struct nxc_error *err)
{
        int r = add_namespaces(c, err);

        if (r == 0)
                r = add_mappings(c, err);

        if (r == 0)
                r = add_sysctls(c, err);
        if (r == 0)
                r = add_resources(c, err);
        if (r == 0 && c->opts->cgroups_path)
                r = nxc_put(c->linux_, "cgroupsPath", json_string(c->opts->cgroups_path), err);
        return r;
}

/* What the runtime makes by itself, or mounts over. */
static bool is_own_device(const char *path)
{
        static const char *const own[] = { "/dev/console", "/dev/ptmx", "/dev/null", "/dev/zero",
                "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts", "/dev/shm",
                "/dev/mqueue", "/dev/fd", "/dev/.lxc", "/dev/.lxd-mounts", "/dev/.udev" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(own); i++)
                if (nxc_streq(path, own[i]))
                        return true;
        return false;
}

static int add_device(json_t *devices, const char *path, const struct stat *st, struct nxc_error *err)
{
        json_t *d = json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:I}", "path", path, "type",
                S_ISBLK(st->st_mode) ? "b" : "c", "major", (int)major(st->st_rdev), "minor",
                (int)minor(st->st_rdev), "fileMode", (int)(st->st_mode & 07777), "uid",
                (json_int_t)st->st_uid, "gid", (json_int_t)st->st_gid);

        return json_array_append_new(devices, d) < 0 ? nxc_oom(err) : 0;
}

/* dir is where the nodes are; path is what it is called in the container. What vanishes or is a link is
 * left out. */
static int add_devices_of(json_t *devices, int parent_fd, const char *name, const char *path, int levels,
        struct nxc_error *err)
{
        _cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;
        int r = 0;

        if (!dir)
                return levels == DEVICES_MAX_DEPTH ? nxc_fail(err, errno, "open '%s'", name) : 0;
        TAKE_FD(fd);
        while (r == 0 && json_array_size(devices) < DEVICES_MAX && (de = readdir(dir))) {
                _cleanup_free_ char *child = nxc_strf("%s/%s", path, de->d_name);
                struct stat st;

                if (!child)
                        return nxc_oom(err);
                if (nxc_streq(de->d_name, ".") || nxc_streq(de->d_name, "..") || is_own_device(child))
                        continue;
                if (fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                if (S_ISDIR(st.st_mode) && levels > 1)
                        r = add_devices_of(devices, dirfd(dir), de->d_name, child, levels - 1, err);
                else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
                        r = add_device(devices, child, &st, err);
        }
        return r;
}

int nxc_compose_devices(struct nxc_compose *c, struct nxc_error *err)
{
        json_t *devices;
        int r;

        if (!c->opts->privileged || !c->host->dev_dir)
                return 0;
        devices = json_array();
        r = nxc_put(c->linux_, "devices", devices, err);
        return r < 0 ? r
                     : add_devices_of(devices, AT_FDCWD, c->host->dev_dir, "/dev", DEVICES_MAX_DEPTH, err);
}
