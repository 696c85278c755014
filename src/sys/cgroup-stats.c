/* What a cgroup used, in the shape of runc's `events --stats` (runc, types/events.go): members that runc
 * leaves out when they are zero may be there, which its readers take. Times are nanoseconds, sizes bytes. */
#include "sys/cgroup-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/str.h"

#include <dirent.h>
#include <string.h>

#define MAX_CPUS 8192u /* the most a Linux kernel can be built for */
#define NSEC_PER_USEC 1000u
#define NSEC_PER_TICK (1000000000u / (unsigned)sysconf(_SC_CLK_TCK))

/* jansson has no unsigned 64 bit integers; what is beyond means "no limit". */
static void set_u64(json_t *obj, const char *key, uint64_t value)
{
        json_object_set_new(obj, key, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

/* Every figure is read by one of these three. One that is absent is left out; one that finds no memory makes
 * all of it fail. */
static bool read_number(const char *dir, const char *file, uint64_t *ret)
{
        int r = nxc_cgroup_read_number(dir, file, ret);

        if (r == -ENOMEM)
                nxc_json_starve();
        return r == 0;
}

static bool read_key(const char *dir, const char *file, const char *key, uint64_t *ret)
{
        int r = nxc_cgroup_read_key(dir, file, key, ret);

        if (r == -ENOMEM)
                nxc_json_starve();
        return r == 0;
}

static char *read_text(const char *dir, const char *file)
{
        char *text = nxc_cgroup_read_text(dir, file);

        if (!text && errno == ENOMEM)
                nxc_json_starve();
        return text;
}

static void copy_number(json_t *obj, const char *key, const char *dir, const char *file)
{
        uint64_t value;

        if (read_number(dir, file, &value))
                set_u64(obj, key, value);
}

static void copy_key(
        json_t *obj, const char *to, const char *dir, const char *file, const char *key, uint64_t unit)
{
        uint64_t value;

        if (read_key(dir, file, key, &value))
                set_u64(obj, to, value * unit);
}

/* A member object of obj, borrowed. */
static json_t *member(json_t *obj, const char *key)
{
        json_t *m = json_object();

        json_object_set_new(obj, key, m);
        return m;
}

/* A flat-keyed file as an object. */
static void copy_flat(json_t *obj, const char *dir, const char *file)
{
        _cleanup_free_ char *text = read_text(dir, file);
        char *save = NULL;

        for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
                line = strtok_r(NULL, "\n", &save)) {
                char *blank = strchr(line, ' ');
                uint64_t value;

                if (!blank)
                        continue;
                *blank = '\0';
                if (nxc_parse_u64(blank + 1, &value) == 0)
                        set_u64(obj, line, value);
        }
}

static void copy_json(json_t *obj, const char *to, const json_t *from, const char *key)
{
        json_t *value = json_object_get(from, key);

        if (value)
                json_object_set(obj, to, value);
}

static void add_blkio_entry(json_t *list, unsigned major, unsigned minor, const char *op, uint64_t value)
{
        json_t *e = json_pack("{s:i, s:i, s:s}", "major", (int)major, "minor", (int)minor, "op", op);

        if (!e)
                return;
        set_u64(e, "value", value);
        json_array_append_new(list, e);
}

/* --- v2 --- */

static void v2_cpu(json_t *data, const char *dir)
{
        json_t *cpu = member(data, "cpu"), *usage = member(cpu, "usage"),
               *throttling = member(cpu, "throttling");

        copy_key(usage, "total", dir, "cpu.stat", "usage_usec", NSEC_PER_USEC);
        copy_key(usage, "kernel", dir, "cpu.stat", "system_usec", NSEC_PER_USEC);
        copy_key(usage, "user", dir, "cpu.stat", "user_usec", NSEC_PER_USEC);
        copy_key(throttling, "periods", dir, "cpu.stat", "nr_periods", 1);
        copy_key(throttling, "throttledPeriods", dir, "cpu.stat", "nr_throttled", 1);
        copy_key(throttling, "throttledTime", dir, "cpu.stat", "throttled_usec", NSEC_PER_USEC);
}

static void v2_memory(json_t *data, const char *dir)
{
        json_t *memory = member(data, "memory"), *usage = member(memory, "usage"),
               *swap = member(memory, "swap");
        json_t *raw = member(memory, "raw");
        uint64_t mem, swp;

        copy_number(usage, "limit", dir, "memory.max");
        copy_number(usage, "usage", dir, "memory.current");
        copy_number(usage, "max", dir, "memory.peak");
        copy_key(usage, "failcnt", dir, "memory.events", "max", 1);
        /* runc's swap is memory plus swap, as v1's memsw. */
        if (read_number(dir, "memory.current", &mem) && read_number(dir, "memory.swap.current", &swp))
                set_u64(swap, "usage", mem + swp);
        if (read_number(dir, "memory.max", &mem) && read_number(dir, "memory.swap.max", &swp))
                set_u64(swap, "limit", mem == UINT64_MAX || swp == UINT64_MAX ? UINT64_MAX : mem + swp);
        copy_flat(raw, dir, "memory.stat");
        copy_json(memory, "cache", raw, "file");
        copy_json(member(memory, "kernel"), "usage", raw, "kernel");
        member(memory, "kernelTCP");
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void v2_blkio(json_t *data, const char *dir)
{
        static const struct {
                const char *key, *list, *op;
        } map[] = {
                { "rbytes", "ioServiceBytesRecursive", "Read" },
                { "wbytes", "ioServiceBytesRecursive", "Write" },
                { "dbytes", "ioServiceBytesRecursive", "Discard" },
                { "rios", "ioServicedRecursive", "Read" },
                { "wios", "ioServicedRecursive", "Write" },
                { "dios", "ioServicedRecursive", "Discard" },
        };
        json_t *blkio = member(data, "blkio");
        _cleanup_free_ char *text = read_text(dir, "io.stat");
        char *save = NULL, *save_word;

        json_object_set_new(blkio, "ioServiceBytesRecursive", json_array());
        json_object_set_new(blkio, "ioServicedRecursive", json_array());
        for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
                line = strtok_r(NULL, "\n", &save)) {
                unsigned major, minor;
                char *word = strtok_r(line, " ", &save_word);

                if (!word || sscanf(word, "%u:%u", &major, &minor) != 2)
                        continue;
                while ((word = strtok_r(NULL, " ", &save_word))) {
                        char *equals = strchr(word, '=');
                        uint64_t value;

                        if (!equals || nxc_parse_u64(equals + 1, &value) < 0)
                                continue;
                        *equals = '\0';
                        for (size_t i = 0; i < NXC_ARRAY_SIZE(map); i++)
                                if (nxc_streq(word, map[i].key))
                                        add_blkio_entry(json_object_get(blkio, map[i].list), major, minor,
                                                map[i].op, value);
                }
        }
}

/* --- v1 --- */

/* "cpu user system", and a line of three numbers for each processor. */
static void v1_percpu(json_t *usage, const char *cpuacct_dir)
{
        _cleanup_free_ char *text = read_text(cpuacct_dir, "cpuacct.usage_all");
        json_t *kernel = json_array(), *user = json_array();
        char *save = NULL;

        for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
                line = strtok_r(NULL, "\n", &save)) {
                unsigned long long in_user, in_kernel;

                if (sscanf(line, "%*u %llu %llu", &in_user, &in_kernel) != 2)
                        continue;
                json_array_append_new(user, json_integer((json_int_t)in_user));
                json_array_append_new(kernel, json_integer((json_int_t)in_kernel));
        }
        json_object_set_new(usage, "percpu_kernel", kernel);
        json_object_set_new(usage, "percpu_user", user);
}

static void v1_cpu(json_t *data, const char *cpuacct_dir, const char *cpu_dir)
{
        json_t *cpu = member(data, "cpu"), *usage = member(cpu, "usage"),
               *throttling = member(cpu, "throttling");

        if (cpuacct_dir) {
                _cleanup_free_ char *percpu = read_text(cpuacct_dir, "cpuacct.usage_percpu");
                json_t *list = json_array();
                char *save = NULL;

                copy_number(usage, "total", cpuacct_dir, "cpuacct.usage");
                copy_key(usage, "kernel", cpuacct_dir, "cpuacct.stat", "system", NSEC_PER_TICK);
                copy_key(usage, "user", cpuacct_dir, "cpuacct.stat", "user", NSEC_PER_TICK);
                for (char *w = percpu ? strtok_r(percpu, " \n", &save) : NULL; w;
                        w = strtok_r(NULL, " \n", &save)) {
                        uint64_t value;

                        if (nxc_parse_u64(w, &value) == 0)
                                json_array_append_new(list, json_integer((json_int_t)value));
                }
                json_object_set_new(usage, "percpu", list);
                v1_percpu(usage, cpuacct_dir);
        }
        if (cpu_dir) {
                copy_key(throttling, "periods", cpu_dir, "cpu.stat", "nr_periods", 1);
                copy_key(throttling, "throttledPeriods", cpu_dir, "cpu.stat", "nr_throttled", 1);
                copy_key(throttling, "throttledTime", cpu_dir, "cpu.stat", "throttled_time", 1);
        }
}

static void v1_memory_entry(json_t *memory, const char *key, const char *dir, const char *prefix)
{
        static const struct {
                const char *key, *file;
        } map[] = {
                { "limit", "limit_in_bytes" },
                { "usage", "usage_in_bytes" },
                { "max", "max_usage_in_bytes" },
                { "failcnt", "failcnt" },
        };
        json_t *entry = member(memory, key);

        for (size_t i = 0; i < NXC_ARRAY_SIZE(map); i++) {
                char file[64];

                snprintf(file, sizeof(file), "%s.%s", prefix, map[i].file);
                copy_number(entry, map[i].key, dir, file);
        }
}

static void v1_memory(json_t *data, const char *dir)
{
        json_t *memory = member(data, "memory"), *raw;

        v1_memory_entry(memory, "usage", dir, "memory");
        v1_memory_entry(memory, "swap", dir, "memory.memsw");
        v1_memory_entry(memory, "kernel", dir, "memory.kmem");
        v1_memory_entry(memory, "kernelTCP", dir, "memory.kmem.tcp");
        raw = member(memory, "raw");
        copy_flat(raw, dir, "memory.stat");
        copy_json(memory, "cache", raw, "total_cache");
}

/* "8:0 Read 4096", and a line "Total 4096" that has no device. */
static void v1_blkio_list(json_t *blkio, const char *key, const char *dir, const char *file)
{
        _cleanup_free_ char *text = read_text(dir, file);
        json_t *list = json_array();
        char *save = NULL;

        for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
                line = strtok_r(NULL, "\n", &save)) {
                unsigned long long value;
                unsigned major, minor;
                char op[16];

                if (sscanf(line, "%u:%u %15s %llu", &major, &minor, op, &value) == 4)
                        add_blkio_entry(list, major, minor, op, value);
        }
        json_object_set_new(blkio, key, list);
}

static void v1_blkio(json_t *data, const char *dir)
{
        json_t *blkio = member(data, "blkio");

        v1_blkio_list(blkio, "ioServiceBytesRecursive", dir, "blkio.throttle.io_service_bytes_recursive");
        v1_blkio_list(blkio, "ioServicedRecursive", dir, "blkio.throttle.io_serviced_recursive");
}

/* --- both --- */

static void add_pids(json_t *data, const char *dir)
{
        json_t *pids = member(data, "pids");
        uint64_t limit;

        copy_number(pids, "current", dir, "pids.current");
        /* runc: no limit is 0 */
        if (read_number(dir, "pids.max", &limit))
                set_u64(pids, "limit", limit == UINT64_MAX ? 0 : limit);
}

/* hugetlb.2MB.current and so on, one member per page size. */
static void add_hugetlb(json_t *data, const char *dir, bool v2)
{
        static const char v2_usage[] = ".current", v1_usage[] = ".usage_in_bytes";
        const char *suffix = v2 ? v2_usage : v1_usage;
        json_t *hugetlb = member(data, "hugetlb");
        _cleanup_closedir_ DIR *d = opendir(dir);
        struct dirent *de;

        if (!d && errno == ENOMEM)
                nxc_json_starve();
        while (d && (de = readdir(d))) {
                char size[32], file[64];
                size_t n = strlen(de->d_name), k = strlen("hugetlb."), tail = strlen(suffix);
                json_t *entry;

                if (n < k + tail || n - k - tail >= sizeof(size) ||
                        !nxc_starts_with(de->d_name, "hugetlb.") || !nxc_ends_with(de->d_name, suffix))
                        continue;
                memcpy(size, de->d_name + k, n - k - tail);
                size[n - k - tail] = '\0';
                if (strchr(size, '.')) /* hugetlb.2MB.rsvd.current */
                        continue;
                entry = member(hugetlb, size);
                copy_number(entry, "usage", dir, de->d_name);
                snprintf(file, sizeof(file), "hugetlb.%s.%s", size, v2 ? "events" : "failcnt");
                if (v2)
                        copy_key(entry, "failcnt", dir, file, "max", 1);
                else
                        copy_number(entry, "failcnt", dir, file);
                snprintf(file, sizeof(file), "hugetlb.%s.max_usage_in_bytes", size);
                if (!v2)
                        copy_number(entry, "max", dir, file);
        }
}

/* "0-3,5" as a list of its numbers. */
static void add_cpu_list(json_t *obj, const char *key, const char *dir, const char *file)
{
        _cleanup_free_ char *text = read_text(dir, file);
        json_t *list = json_array();
        char *save = NULL;

        for (char *w = text ? strtok_r(text, ",\n", &save) : NULL; w; w = strtok_r(NULL, ",\n", &save)) {
                unsigned first, last;
                int n = sscanf(w, "%u-%u", &first, &last);

                for (unsigned i = first; n > 0 && i <= (n > 1 ? last : first) && i < MAX_CPUS; i++)
                        json_array_append_new(list, json_integer(i));
        }
        json_object_set_new(obj, key, list);
}

static void v1_cpuset(json_t *data, const char *dir)
{
        static const char *const numbers[] = { "cpu_exclusive", "mem_hardwall", "mem_exclusive",
                "memory_migrate", "memory_spread_page", "memory_spread_slab", "memory_pressure",
                "sched_load_balance", "sched_relax_domain_level" };
        json_t *cpuset = member(data, "cpuset");

        if (!dir)
                return;
        add_cpu_list(cpuset, "cpus", dir, "cpuset.cpus");
        add_cpu_list(cpuset, "mems", dir, "cpuset.mems");
        for (size_t i = 0; i < NXC_ARRAY_SIZE(numbers); i++) {
                char file[64];
                _cleanup_free_ char *text = NULL;
                int64_t value;

                snprintf(file, sizeof(file), "cpuset.%s", numbers[i]);
                text = read_text(dir, file);
                if (!text)
                        continue;
                text[strcspn(text, "\n")] = '\0';
                if (nxc_parse_i64(text, &value) == 0)
                        json_object_set_new(cpuset, numbers[i], json_integer(value));
        }
}

/* Members that runc has, and that are of no use without a resctrl or an interface of runc's own making. */
static void add_rest(json_t *data)
{
        member(data, "intel_rdt");
        json_object_set_new(data, "network_interfaces", json_null());
}

static void v2_stats(json_t *data, const char *dir)
{
        v2_cpu(data, dir);
        v2_memory(data, dir);
        add_pids(data, dir);
        v2_blkio(data, dir);
        add_hugetlb(data, dir, true);
        member(data, "cpuset");
        add_rest(data);
}

/* A v1 process whose controller is not mounted, or which is not in a cgroup of its own there, has an empty
 * member. */
static void v1_stats(const struct nxc_cgroup_host *host, pid_t init, json_t *data)
{
        static const char *const controllers[] = { "cpuacct", "cpu", "memory", "pids", "blkio", "hugetlb",
                "cpuset" };
        char *dirs[NXC_ARRAY_SIZE(controllers)] = { NULL };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(controllers); i++)
                if (nxc_cgroup_host_dir(host, init, controllers[i], &dirs[i], NULL) == -ENOMEM)
                        nxc_json_starve();
        v1_cpu(data, dirs[0], dirs[1]);
        if (dirs[2])
                v1_memory(data, dirs[2]);
        else
                member(data, "memory");
        if (dirs[3])
                add_pids(data, dirs[3]);
        else
                member(data, "pids");
        if (dirs[4])
                v1_blkio(data, dirs[4]);
        else
                member(data, "blkio");
        if (dirs[5])
                add_hugetlb(data, dirs[5], false);
        else
                member(data, "hugetlb");
        v1_cpuset(data, dirs[6]);
        add_rest(data);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(controllers); i++)
                free(dirs[i]);
}

int nxc_cgroup_host_stats(
        const struct nxc_cgroup_host *host, pid_t init, json_t **ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *data = json_object();
        _cleanup_free_ char *dir = NULL;
        int r;

        if (!data)
                return nxc_oom(err);
        if (host->mode == NXC_CGROUP_V2) {
                r = nxc_cgroup_host_dir(host, init, "", &dir, err);
                if (r < 0)
                        return r;
                v2_stats(data, dir);
        } else {
                /* Fails as a whole only when the process is not there. */
                r = nxc_cgroup_host_dir(host, init, "memory", &dir, err);
                if (r < 0)
                        return r;
                v1_stats(host, init, data);
        }
        if (nxc_json_starved())
                return nxc_oom(err);
        *ret = TAKE_PTR(data);
        return 0;
}
