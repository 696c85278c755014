/* events: figures and out-of-memory events of a container, a JSON object per line. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"

#include <stdio.h>

struct events_args {
        bool stats;
        uint64_t interval_ms;
};
static const struct events_args defaults = { .interval_ms = 5000 };

static const struct nxc_option options[] = {
        { "stats", NXC_OPT(FLAG, struct events_args, stats), .help = "print the figures once, and end" },
        { "interval", .metavar = "TIME", NXC_OPT(DURATION, struct events_args, interval_ms),
                .help = "the time between figures (5s)" },
        { 0 },
};

/* Each object leaves at once: the reader waits for it. */
static int emit(void *arg, json_t *event)
{
        _cleanup_free_ char *text = nxc_json_format(event, false);

        if (!text)
                return -ENOMEM;
        if (puts(text) < 0 || fflush(stdout) != 0)
                return -errno;
        return 0;
}

static int run_events(struct nxc_call *call, struct nxc_error *err)
{
        const struct events_args *a = call->opts;
        _cleanup_json_ json_t *stats = NULL;
        struct nxc_host *host;
        int r;

        if (a->interval_ms == 0 || a->interval_ms > INT32_MAX)
                return nxc_fail_kind(
                        err, NXC_ERR_USAGE, 0, "events: --interval has to be above 0 and below 24 days");
        r = nxc_call_host(call, &host, err);
        if (r < 0)
                return r;
        if (!a->stats)
                return nxc_events(host, call->args[0], (int)a->interval_ms, emit, NULL, err);
        r = nxc_stats(host, call->args[0], &stats, err);
        return r < 0 ? r : nxc_print_json(stats, false, err);
}

const struct nxc_command nxc_command_events = {
        .name = "events",
        .synopsis = "[OPTION...] ID",
        .summary = "print figures and events of a container as JSON",
        .options = options,
        .defaults = &defaults,
        .opts_size = sizeof(struct events_args),
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .run = run_events,
};
