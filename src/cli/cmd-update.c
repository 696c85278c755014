/* update: new limits for a running container, as a linux.resources object or option by option. */
#include "cli/commands.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"

#include <fcntl.h>
#include <string.h>

#define SIZE_MIN_BYTES (1u << 20)      /* as for create */
#define RESOURCES_MAX_BYTES (1u << 20) /* a linux.resources object has some kilobytes */

struct update_args {
        const char *resources;
        uint64_t memory, memory_reservation, memory_swap;
        uint64_t cpu_period, cpu_share, cpu_burst;
        int64_t cpu_quota, cpu_idle, cpu_rt_runtime, pids_limit;
        uint64_t cpu_rt_period, blkio_weight, storage_size;
        const char *cpuset_cpus, *cpuset_mems;
};

#define A struct update_args
static const struct nxc_option options[] = {
        { "resources", 'r', .metavar = "FILE", NXC_OPT(STRING, A, resources),
                .help = "read a linux.resources object of the runtime-spec from FILE; - is standard input" },
        { "memory", .metavar = "SIZE", .flags = NXC_OPT_UNLIMITED, NXC_OPT(SIZE, A, memory),
                .help = "the most memory; -1: no limit" },
        { "memory-reservation", .metavar = "SIZE", .flags = NXC_OPT_UNLIMITED,
                NXC_OPT(SIZE, A, memory_reservation),
                .help = "how much it may keep when memory is short; -1: no limit" },
        { "memory-swap", .metavar = "SIZE", .flags = NXC_OPT_UNLIMITED, NXC_OPT(SIZE, A, memory_swap),
                .help = "the most memory and swap together; -1: no limit" },
        { "cpu-period", .metavar = "US", NXC_OPT(UINT, A, cpu_period),
                .help = "the scheduler's period in microseconds" },
        { "cpu-quota", .metavar = "US", .flags = NXC_OPT_UNLIMITED, NXC_OPT(INT, A, cpu_quota),
                .help = "processor time per period in microseconds; -1: no limit" },
        { "cpu-burst", .metavar = "US", NXC_OPT(UINT, A, cpu_burst),
                .help = "how much of it may be saved up" },
        { "cpu-share", .metavar = "N", NXC_OPT(UINT, A, cpu_share), .help = "its weight against others" },
        { "cpu-idle", .metavar = "0|1", NXC_OPT(INT, A, cpu_idle), .max = 1,
                .help = "1: run only when nothing else does" },
        { "cpu-rt-period", .metavar = "US", NXC_OPT(UINT, A, cpu_rt_period),
                .help = "the real-time period" },
        { "cpu-rt-runtime", .metavar = "US", NXC_OPT(INT, A, cpu_rt_runtime),
                .help = "real-time per period" },
        { "cpuset-cpus", .metavar = "LIST", NXC_OPT(STRING, A, cpuset_cpus),
                .help = "processors it may use: 0-2,7" },
        { "cpuset-mems", .metavar = "LIST", NXC_OPT(STRING, A, cpuset_mems),
                .help = "memory nodes it may use" },
        { "pids-limit", .metavar = "N", .flags = NXC_OPT_UNLIMITED, NXC_OPT(INT, A, pids_limit),
                .help = "the most processes; -1: no limit" },
        { "blkio-weight", .metavar = "N", NXC_OPT(UINT, A, blkio_weight), .max = 1000,
                .help = "its weight for disks, 10 to 1000" },
        { "storage-size", .metavar = "SIZE", NXC_OPT(SIZE, A, storage_size),
                .help = "how much its root may hold; an image file only grows" },
        { "l3-cache-schema", .metavar = "SCHEMA", .type = NXC_OPT_REFUSED,
                .help = "cache partitioning is set when the container is made, by linux.intelRdt of "
                        "config.json" },
        { "mem-bw-schema", .metavar = "SCHEMA", .type = NXC_OPT_REFUSED,
                .help = "memory bandwidth is set when the container is made, by linux.intelRdt of "
                        "config.json" },
        { 0 },
};

/* Where an option's value goes in linux.resources. */
static const struct {
        const char *option, *controller, *key;
} places[] = {
        { "memory", "memory", "limit" },
        { "memory-reservation", "memory", "reservation" },
        { "memory-swap", "memory", "swap" },
        { "cpu-period", "cpu", "period" },
        { "cpu-quota", "cpu", "quota" },
        { "cpu-burst", "cpu", "burst" },
        { "cpu-share", "cpu", "shares" },
        { "cpu-idle", "cpu", "idle" },
        { "cpu-rt-period", "cpu", "realtimePeriod" },
        { "cpu-rt-runtime", "cpu", "realtimeRuntime" },
        { "cpuset-cpus", "cpu", "cpus" },
        { "cpuset-mems", "cpu", "mems" },
        { "pids-limit", "pids", "limit" },
        { "blkio-weight", "blockIO", "weight" },
};

static json_t *value_of(const struct nxc_option *o, const void *values)
{
        const void *at = (const char *)values + o->offset;

        if (o->type == NXC_OPT_STRING)
                return json_string(*(const char *const *)at);
        return json_integer(*(const json_int_t *)at); /* UINT64_MAX is -1: no limit */
}

static int add_options(const struct nxc_call *call, json_t *resources, struct nxc_error *err)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(places); i++) {
                const struct nxc_option *o = nxc_option_find(options, places[i].option);
                json_t *controller;

                if (!nxc_option_is_given(&call->parse, o->name))
                        continue;
                controller = json_object_get(resources, places[i].controller);
                if (!controller) {
                        controller = json_object();
                        json_object_set_new(resources, places[i].controller, controller);
                }
                if (json_object_set_new(controller, places[i].key, value_of(o, call->opts)) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

static int load_resources(const char *file, json_t **ret, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_t *j = NULL;
        size_t len;
        int r;

        if (nxc_streq(file, "-")) {
                r = nxc_read_fd(STDIN_FILENO, RESOURCES_MAX_BYTES, &text, &len, err,
                        "resources from standard input");
                if (r == 0)
                        r = nxc_json_parse(text, len, "resources from standard input", &j, err);
        } else {
                r = nxc_json_load_at(AT_FDCWD, file, RESOURCES_MAX_BYTES, &j, err);
        }
        if (r < 0)
                return r;
        if (!json_is_object(j))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_SPEC, 0, "update: resources are not a JSON object");
        *ret = TAKE_PTR(j);
        return 0;
}

static int run_update(struct nxc_call *call, struct nxc_error *err)
{
        const struct update_args *a = call->opts;
        _cleanup_json_ json_t *resources = NULL;
        bool sized = nxc_option_is_given(&call->parse, "storage-size");
        struct nxc_host *host;
        int r = 0;

        if (a->resources)
                r = load_resources(a->resources, &resources, err);
        else
                resources = json_object();
        if (r == 0)
                r = add_options(call, resources, err);
        if (r == 0 && sized && a->storage_size < SIZE_MIN_BYTES)
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "update: a root of %llu bytes; the least is 1 MiB (1m)",
                        (unsigned long long)a->storage_size);
        if (r == 0 && json_object_size(resources) == 0 && !sized)
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "update: nothing to change was given");
        if (r == 0)
                r = nxc_call_host(call, &host, err);
        if (r == 0 && sized)
                r = nxc_resize(host, call->args[0], a->storage_size, err);
        return r < 0 || json_object_size(resources) == 0 ? r
                                                         : nxc_update(host, call->args[0], resources, err);
}

const struct nxc_command nxc_command_update = {
        .name = "update",
        .synopsis = "[OPTION...] ID",
        .summary = "change the resource limits of a container",
        .options = options,
        .opts_size = sizeof(struct update_args),
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .run = run_update,
};
