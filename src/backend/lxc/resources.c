/* linux.resources as files of cgroups, of version 1 or 2: for liblxc at create, and to be written at
 * update. */
#include "backend/lxc/lxc-internal.h"

#include "core/json.h"

#include <string.h>

/* How a number gets into a v2 file. */
enum conversion { PLAIN, MAX_IF_NEGATIVE, WEIGHT_OF_SHARES, WEIGHT_OF_BLKIO, BOOL };

static const struct resource {
        const char *path;    /* in linux.resources */
        const char *v1, *v2; /* NULL: there is no such file: refused by properties.c, or of no effect */
        enum conversion how_v1, how_v2;
} numbers[] = {
        { "memory.reservation", "memory.soft_limit_in_bytes", "memory.low", PLAIN, MAX_IF_NEGATIVE },
        { "memory.limit", "memory.limit_in_bytes", "memory.max", PLAIN, MAX_IF_NEGATIVE },
        { "memory.swap", "memory.memsw.limit_in_bytes", NULL, PLAIN, PLAIN },
        { "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", NULL, PLAIN, PLAIN },
        { "memory.swappiness", "memory.swappiness", NULL, PLAIN, PLAIN },
        { "memory.disableOOMKiller", "memory.oom_control", NULL, BOOL, PLAIN },
        { "cpu.shares", "cpu.shares", "cpu.weight", PLAIN, WEIGHT_OF_SHARES },
        { "cpu.period", "cpu.cfs_period_us", NULL, PLAIN, PLAIN },
        { "cpu.quota", "cpu.cfs_quota_us", NULL, PLAIN, PLAIN },
        { "cpu.burst", "cpu.cfs_burst_us", "cpu.max.burst", PLAIN, PLAIN },
        { "cpu.realtimePeriod", "cpu.rt_period_us", NULL, PLAIN, PLAIN },
        { "cpu.realtimeRuntime", "cpu.rt_runtime_us", NULL, PLAIN, PLAIN },
        { "cpu.idle", "cpu.idle", "cpu.idle", PLAIN, PLAIN },
        { "pids.limit", "pids.max", "pids.max", MAX_IF_NEGATIVE, MAX_IF_NEGATIVE },
        { "blockIO.weight", "blkio.weight", "io.weight", PLAIN, WEIGHT_OF_BLKIO },
        { "blockIO.leafWeight", "blkio.leaf_weight", NULL, PLAIN, PLAIN },
        { "network.classID", "net_cls.classid", NULL, PLAIN, PLAIN },
};

static int add_number(const struct resource *res, const json_t *value, bool v2, struct lxc_items *ret,
        struct nxc_error *err)
{
        const char *file = v2 ? res->v2 : res->v1;
        enum conversion how = v2 ? res->how_v2 : res->how_v1;
        json_int_t n = json_is_true(value) ? 1 : json_integer_value(value);
        double real = json_is_real(value) ? json_real_value(value) : 0; /* above 2^63: no limit */

        if (!file || json_is_null(value))
                return 0;
        if (real > 0)
                return lxc_items_add(ret, err, file, "%s", v2 ? "max" : "-1");
        switch (how) {
        case MAX_IF_NEGATIVE:
                if (n < 0 || (n == 0 && nxc_streq(res->path, "pids.limit")))
                        return lxc_items_add(ret, err, file, "max");
                break;
        case WEIGHT_OF_SHARES: /* 2..262144 to 1..10000, as runc and systemd have it */
                if (n == 0)
                        return 0;
                n = 1 + ((n < 2 ? 2 : n > 262144 ? 262144 : n) - 2) * 9999 / 262142;
                break;
        case WEIGHT_OF_BLKIO: /* 10..1000 to 1..10000 */
                if (n == 0)
                        return 0;
                n = 1 + (n - 10) * 9999 / 990;
                break;
        case BOOL:
                if (n == 0)
                        return 0;
                break;
        case PLAIN:
                break;
        }
        return lxc_items_add(ret, err, file, "%lld", (long long)n);
}

static bool get_number(const json_t *resources, const char *path, json_int_t *ret)
{
        const json_t *value = nxc_json_get(resources, path);

        *ret = json_integer_value(value);
        return json_is_integer(value);
}

/* v2 counts swap alone, the spec memory and swap together. */
static int add_v2_only(const json_t *resources, struct lxc_items *ret, struct nxc_error *err)
{
        json_int_t limit, swap, quota, period;
        bool has_limit = get_number(resources, "memory.limit", &limit);
        bool has_quota = get_number(resources, "cpu.quota", &quota);
        bool has_period = get_number(resources, "cpu.period", &period) && period > 0;
        int r = 0;

        if (get_number(resources, "memory.swap", &swap) && swap != 0) {
                if (swap > 0 && (!has_limit || limit < 0 || swap < limit))
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                                "linux.resources.memory.swap counts memory as well: it is below "
                                "memory.limit, or there is none");
                r = swap < 0 ? lxc_items_add(ret, err, "memory.swap.max", "max")
                             : lxc_items_add(ret, err, "memory.swap.max", "%lld", (long long)(swap - limit));
        }
        if (r == 0 && (has_quota || has_period)) {
                if (has_quota && quota > 0)
                        r = lxc_items_add(ret, err, "cpu.max", "%lld %lld", (long long)quota,
                                (long long)(has_period ? period : 100000));
                else
                        r = lxc_items_add(
                                ret, err, "cpu.max", "max %lld", (long long)(has_period ? period : 100000));
        }
        return r;
}

static int add_texts(const json_t *resources, struct lxc_items *ret, struct nxc_error *err)
{
        const char *cpus = nxc_json_str(resources, "cpu.cpus"), *mems = nxc_json_str(resources, "cpu.mems");
        int r = cpus && *cpus ? lxc_items_add(ret, err, "cpuset.cpus", "%s", cpus) : 0;

        return r == 0 && mems && *mems ? lxc_items_add(ret, err, "cpuset.mems", "%s", mems) : r;
}

static int add_throttles(const json_t *resources, bool v2, struct lxc_items *ret, struct nxc_error *err)
{
        static const struct {
                const char *path, *v1, *v2;
        } lists[] = {
                { "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps" },
                { "blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps" },
                { "blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops" },
                { "blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops" },
        };
        const json_t *entry;
        size_t k;
        int r = 0;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(lists); i++)
                json_array_foreach (nxc_json_get(resources, lists[i].path), k, entry) {
                        long long major = json_integer_value(json_object_get(entry, "major"));
                        long long minor = json_integer_value(json_object_get(entry, "minor"));
                        uint64_t rate = 0;

                        nxc_json_u64(json_object_get(entry, "rate"), &rate);
                        if (r == 0 && v2)
                                r = lxc_items_add(ret, err, "io.max", "%lld:%lld %s=%llu", major, minor,
                                        lists[i].v2, (unsigned long long)rate);
                        else if (r == 0)
                                r = lxc_items_add(ret, err, lists[i].v1, "%lld:%lld %llu", major, minor,
                                        (unsigned long long)rate);
                }
        json_array_foreach (nxc_json_get(resources, "blockIO.weightDevice"), k, entry) {
                long long major = json_integer_value(json_object_get(entry, "major"));
                long long minor = json_integer_value(json_object_get(entry, "minor"));
                const json_t *weight = json_object_get(entry, "weight");

                if (r == 0 && weight)
                        r = lxc_items_add(ret, err, v2 ? "io.bfq.weight" : "blkio.weight_device",
                                "%lld:%lld %lld", major, minor, (long long)json_integer_value(weight));
        }
        return r;
}

static int add_lists(const json_t *resources, bool v2, struct lxc_items *ret, struct nxc_error *err)
{
        const json_t *entry;
        const char *name;
        size_t i;
        int r = 0;

        json_array_foreach (json_object_get(resources, "hugepageLimits"), i, entry) {
                const char *size = nxc_json_str(entry, "pageSize");
                _cleanup_free_ char *key = nxc_strf("hugetlb.%s.%s", size, v2 ? "max" : "limit_in_bytes");
                uint64_t limit = 0;

                nxc_json_u64(json_object_get(entry, "limit"), &limit);
                if (r == 0)
                        r = key ? lxc_items_add(ret, err, key, "%llu", (unsigned long long)limit)
                                : nxc_oom(err);
        }
        json_object_foreach (json_object_get(resources, "rdma"), name, entry) {
                const json_t *handles = json_object_get(entry, "hcaHandles"),
                             *objects = json_object_get(entry, "hcaObjects");

                if (r == 0)
                        r = lxc_items_add(ret, err, "rdma.max", "%s%s%.0lld%s%.0lld", name,
                                handles ? " hca_handle=" : "", (long long)json_integer_value(handles),
                                objects ? " hca_object=" : "", (long long)json_integer_value(objects));
        }
        json_array_foreach (nxc_json_get(resources, "network.priorities"), i, entry)
                if (r == 0 && !v2)
                        r = lxc_items_add(ret, err, "net_prio.ifpriomap", "%s %lld",
                                nxc_json_str(entry, "name"),
                                (long long)json_integer_value(json_object_get(entry, "priority")));
        json_object_foreach (json_object_get(resources, "unified"), name, entry)
                if (r == 0 && v2)
                        r = lxc_items_add(ret, err, name, "%s", json_string_value(entry));
        return r;
}

static int add_device(const json_t *rule, struct lxc_items *ret, struct nxc_error *err)
{
        const char *type = nxc_json_str(rule, "type"), *access = nxc_json_str(rule, "access");
        const char *key = json_is_true(json_object_get(rule, "allow")) ? "devices.allow" : "devices.deny";
        const json_t *major = json_object_get(rule, "major"), *minor = json_object_get(rule, "minor");
        char number[2][24] = { "*", "*" };

        if (!type || !*type || nxc_streq(type, "a"))
                return lxc_items_add(ret, err, key, "a");
        if (json_is_integer(major) && json_integer_value(major) >= 0)
                snprintf(number[0], sizeof(number[0]), "%lld", (long long)json_integer_value(major));
        if (json_is_integer(minor) && json_integer_value(minor) >= 0)
                snprintf(number[1], sizeof(number[1]), "%lld", (long long)json_integer_value(minor));
        return lxc_items_add(ret, err, key, "%s %s:%s %s", type, number[0], number[1],
                access && *access ? access : "rwm");
}

/* The spec's rules, and then what every container has (runc's list). */
static int add_devices(const json_t *resources, struct lxc_items *ret, struct nxc_error *err)
{
        static const char *const always[] = { "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm",
                "c 5:0 rwm", "c 1:5 rwm", "c 1:9 rwm", "c 136:* rwm", "c 5:2 rwm" };
        const json_t *rules = json_object_get(resources, "devices"), *rule;
        size_t i;
        int r = 0;

        if (json_array_size(rules) == 0)
                return 0;
        json_array_foreach (rules, i, rule)
                if (r == 0)
                        r = add_device(rule, ret, err);
        for (i = 0; r == 0 && i < NXC_ARRAY_SIZE(always); i++)
                r = lxc_items_add(ret, err, "devices.allow", "%s", always[i]);
        return r;
}

/* runc: memory without a limit, and no word about swap, is swap without one, too. Else the kernel
 * refuses. */
static int add_no_swap_limit(const json_t *resources, bool v2, struct lxc_items *ret, struct nxc_error *err)
{
        json_int_t limit;

        if (!get_number(resources, "memory.limit", &limit) || limit >= 0 ||
                nxc_json_get(resources, "memory.swap"))
                return 0;
        return lxc_items_add(
                ret, err, v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes", "%s", v2 ? "max" : "-1");
}

int lxc_resources(const json_t *resources, bool v2, struct lxc_items *ret, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(numbers); i++) {
                const json_t *value = nxc_json_get(resources, numbers[i].path);

                if (value)
                        r = add_number(&numbers[i], value, v2, ret, err);
        }
        if (r == 0 && v2)
                r = add_v2_only(resources, ret, err);
        if (r == 0)
                r = add_no_swap_limit(resources, v2, ret, err);
        if (r == 0)
                r = add_texts(resources, ret, err);
        if (r == 0)
                r = add_throttles(resources, v2, ret, err);
        if (r == 0)
                r = add_lists(resources, v2, ret, err);
        return r == 0 ? add_devices(resources, ret, err) : r;
}
