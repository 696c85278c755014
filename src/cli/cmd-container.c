/* The verbs that take an id and do one thing: start state kill delete pause resume stop rm. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"

/* Runs a facade call that needs nothing but the id. */
static int run_on_id(struct nxc_call *call, int (*verb)(struct nxc_host *, const char *, struct nxc_error *),
        struct nxc_error *err)
{
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        return r < 0 ? r : verb(host, call->args[0], err);
}

static int run_start(struct nxc_call *call, struct nxc_error *err)
{
        return run_on_id(call, nxc_start, err);
}

static int run_pause(struct nxc_call *call, struct nxc_error *err)
{
        return run_on_id(call, nxc_pause, err);
}

static int run_resume(struct nxc_call *call, struct nxc_error *err)
{
        return run_on_id(call, nxc_resume, err);
}

static int run_state(struct nxc_call *call, struct nxc_error *err)
{
        _cleanup_json_ json_t *state = NULL;
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_state(host, call->args[0], &state, err);
        return r < 0 ? r : nxc_print_json(state, true, err);
}

struct kill_args {
        bool all;
        const char *signal;
};

static const struct nxc_option kill_options[] = {
        { "all", 'a', NXC_OPT(FLAG, struct kill_args, all),
                .help = "send it to every process of the container" },
        { "signal", 's', .metavar = "SIGNAL", NXC_OPT(STRING, struct kill_args, signal),
                .help = "the same as the argument SIGNAL" },
        { 0 },
};

static int run_kill(struct nxc_call *call, struct nxc_error *err)
{
        const struct kill_args *a = call->opts;
        const char *text = call->n_args > 1 ? call->args[1] : a->signal ? a->signal : "TERM";
        struct nxc_host *host;
        int signal = 0, r;

        r = nxc_signal_parse(text, &signal, err);
        if (r == 0)
                r = nxc_call_host(call, &host, err);
        return r < 0 ? r : nxc_kill(host, call->args[0], signal, a->all, err);
}

struct delete_args {
        bool force;
};

static const struct nxc_option delete_options[] = {
        { "force", 'f', NXC_OPT(FLAG, struct delete_args, force),
                .help = "kill it first if it runs; an id that does not exist is no error" },
        { 0 },
};

static int run_delete(struct nxc_call *call, struct nxc_error *err)
{
        const struct delete_args *a = call->opts;
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        for (size_t i = 0; i < call->n_args && r == 0; i++)
                r = nxc_delete(host, call->args[i], a->force, err);
        return r;
}

struct stop_args {
        uint64_t timeout_ms;
};
static const struct stop_args stop_defaults = { .timeout_ms = 10000 };

static const struct nxc_option stop_options[] = {
        { "time", 't', .alias = "timeout", .metavar = "TIME",
                NXC_OPT(DURATION, struct stop_args, timeout_ms),
                .help = "kill it when it has not ended after TIME (10s)" },
        { 0 },
};

static int run_stop(struct nxc_call *call, struct nxc_error *err)
{
        const struct stop_args *a = call->opts;
        int timeout_ms = a->timeout_ms > INT32_MAX ? INT32_MAX : (int)a->timeout_ms;
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        for (size_t i = 0; i < call->n_args && r == 0; i++)
                r = nxc_stop(host, call->args[i], timeout_ms, err);
        return r;
}

#define ID_COMMAND(command, text, function)                \
        const struct nxc_command nxc_command_##command = { \
                .name = #command,                          \
                .synopsis = "ID",                          \
                .summary = text,                           \
                .min_args = 1,                             \
                .max_args = 1,                             \
                .group = NXC_GROUP_OCI,                    \
                .args = NXC_ARGS_CONTAINERS,               \
                .run = function,                           \
        }

ID_COMMAND(start, "start the program of a created container", run_start);
ID_COMMAND(state, "print a container's state as JSON", run_state);
ID_COMMAND(pause, "freeze the processes of a container", run_pause);
ID_COMMAND(resume, "let a paused container go on", run_resume);

const struct nxc_command nxc_command_kill = {
        .name = "kill",
        .synopsis = "[OPTION...] ID [SIGNAL]",
        .summary = "send a signal to a container's init",
        .options = kill_options,
        .opts_size = sizeof(struct kill_args),
        .min_args = 1,
        .max_args = 2,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .flags = NXC_CMD_STOP_AT_ARG,
        .run = run_kill,
};

const struct nxc_command nxc_command_delete = {
        .name = "delete",
        .synopsis = "[OPTION...] ID",
        .summary = "remove a container that does not run",
        .options = delete_options,
        .opts_size = sizeof(struct delete_args),
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .run = run_delete,
};

const struct nxc_command nxc_command_rm = {
        .name = "rm",
        .synopsis = "[OPTION...] ID...",
        .summary = "remove containers that do not run",
        .options = delete_options,
        .opts_size = sizeof(struct delete_args),
        .min_args = 1,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .run = run_delete,
};

const struct nxc_command nxc_command_stop = {
        .name = "stop",
        .synopsis = "[OPTION...] ID...",
        .summary = "end containers: their stop signal, later SIGKILL",
        .options = stop_options,
        .defaults = &stop_defaults,
        .opts_size = sizeof(struct stop_args),
        .min_args = 1,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .run = run_stop,
};
