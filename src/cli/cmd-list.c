/* list: all containers of the state root. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"

#include <stdio.h>

struct list_args {
        int format;
        bool quiet;
};

static const struct nxc_option options[] = {
        { "format", 'f', .choices = nxc_formats, NXC_OPT(CHOICE, struct list_args, format),
                .help = "json: an array of the states, as `state` prints them" },
        { "quiet", 'q', NXC_OPT(FLAG, struct list_args, quiet), .help = "print the ids only" },
        { 0 },
};

static int print_table(const json_t *list, struct nxc_error *err)
{
        _cleanup_table_ struct nxc_table t = { .n_columns = 6 };
        const json_t *c;
        size_t i;

        nxc_table_add(&t, (const char *const[]){ "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" });
        json_array_foreach (list, i, c) {
                char pid[24];

                snprintf(pid, sizeof(pid), "%lld", (long long)json_integer_value(json_object_get(c, "pid")));
                nxc_table_add(&t, (const char *const[]){ nxc_json_str(c, "id"), pid,
                                          nxc_json_str(c, "status"), nxc_json_str(c, "bundle"),
                                          nxc_json_str(c, "created"), nxc_json_str(c, "owner") });
        }
        return nxc_table_print(&t, err);
}

static int run_list(struct nxc_call *call, struct nxc_error *err)
{
        const struct list_args *a = call->opts;
        _cleanup_json_ json_t *list = NULL;
        struct nxc_host *host;
        const json_t *c;
        size_t i;
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_list(host, &list, err);
        if (r < 0)
                return r;
        if (a->quiet) {
                json_array_foreach (list, i, c)
                        puts(nxc_json_str(c, "id"));
                return 0;
        }
        return a->format == NXC_FORMAT_JSON ? nxc_print_json(list, false, err) : print_table(list, err);
}

const struct nxc_command nxc_command_list = {
        .name = "list",
        .synopsis = "[OPTION...]",
        .summary = "list the containers",
        .options = options,
        .opts_size = sizeof(struct list_args),
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_NONE,
        .run = run_list,
};
