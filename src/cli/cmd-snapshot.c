/* snapshot and rollback: the root of a container as it was. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "lifecycle/snapshot.h"

struct snapshot_args {
        bool list, remove;
        int format;
};

static const struct nxc_option options[] = {
        { "list", 'l', NXC_OPT(FLAG, struct snapshot_args, list),
                .help = "list the container's snapshots, the oldest first" },
        { "remove", 0, NXC_OPT(FLAG, struct snapshot_args, remove), .help = "forget the snapshot NAME" },
        { "format", 'f', .choices = nxc_formats, NXC_OPT(CHOICE, struct snapshot_args, format),
                .help = "of --list; json: an array of name, bytes, created" },
        { 0 },
};

static int print_list(struct nxc_host *host, const char *id, int format, struct nxc_error *err)
{
        _cleanup_json_ json_t *list = NULL;
        _cleanup_table_ struct nxc_table t = { .n_columns = 3 };
        const json_t *s;
        size_t i;
        int r = nxc_snapshot_list(host, id, &list, err);

        if (r < 0)
                return r;
        if (format == NXC_FORMAT_JSON)
                return nxc_print_json(list, false, err);
        nxc_table_add(&t, (const char *const[]){ "NAME", "SIZE", "CREATED" });
        json_array_foreach (list, i, s) {
                char bytes[16];

                nxc_format_size(
                        (uint64_t)json_integer_value(json_object_get(s, "bytes")), bytes, sizeof(bytes));
                nxc_table_add(&t,
                        (const char *const[]){ nxc_json_str(s, "name"), bytes, nxc_json_str(s, "created") });
        }
        return nxc_table_print(&t, err);
}

static int run_snapshot(struct nxc_call *call, struct nxc_error *err)
{
        const struct snapshot_args *a = call->opts;
        struct nxc_host *host;
        int r;

        if (a->list && a->remove)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "snapshot: either --list or --remove");
        if (a->list != (call->n_args == 1))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        a->list ? "snapshot: --list goes without NAME" : "snapshot: NAME is missing");
        r = nxc_call_host(call, &host, err);
        if (r < 0)
                return r;
        if (a->list)
                return print_list(host, call->args[0], a->format, err);
        return a->remove ? nxc_snapshot_forget(host, call->args[0], call->args[1], err)
                         : nxc_snapshot(host, call->args[0], call->args[1], err);
}

const struct nxc_command nxc_command_snapshot = {
        .name = "snapshot",
        .synopsis = "[OPTION...] ID [NAME]",
        .summary = "keep the root of a container as it is now",
        .options = options,
        .opts_size = sizeof(struct snapshot_args),
        .min_args = 1,
        .max_args = 2,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .run = run_snapshot,
};

static int run_rollback(struct nxc_call *call, struct nxc_error *err)
{
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        return r < 0 ? r : nxc_rollback(host, call->args[0], call->args[1], err);
}

const struct nxc_command nxc_command_rollback = {
        .name = "rollback",
        .synopsis = "ID NAME",
        .summary = "make the root of a container what it was",
        .min_args = 2,
        .max_args = 2,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .run = run_rollback,
};
