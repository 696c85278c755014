/* list: all containers of the state root. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"

#include <stdio.h>

struct list_args {
        int format;
        bool quiet, size;
};

static const struct nxc_option options[] = {
        { "format", 'f', .choices = nxc_formats, NXC_OPT(CHOICE, struct list_args, format),
                .help = "json: an array of the states, as `state` prints them" },
        { "quiet", 'q', NXC_OPT(FLAG, struct list_args, quiet), .help = "print the ids only" },
        { "size", 's', NXC_OPT(FLAG, struct list_args, size),
                .help = "also show what each container keeps on disk, and the most it may" },
        { 0 },
};

/* "4.1 MB of 2.1 GB (raw)", "-" for a root that is not ours. */
static void format_storage(const json_t *c, char *ret, size_t size)
{
        const json_t *s = json_object_get(c, "storage"), *limit = json_object_get(s, "limit");
        char bytes[16], most[16];

        if (!json_is_object(s)) {
                snprintf(ret, size, "-");
                return;
        }
        nxc_format_size((uint64_t)json_integer_value(json_object_get(s, "bytes")), bytes, sizeof(bytes));
        nxc_format_size((uint64_t)json_integer_value(limit), most, sizeof(most));
        snprintf(ret, size, "%s%s%s (%s)", bytes, json_is_integer(limit) ? " of " : "",
                json_is_integer(limit) ? most : "", nxc_json_str(s, "driver"));
}

static int print_table(const json_t *list, bool sizes, struct nxc_error *err)
{
        _cleanup_table_ struct nxc_table t = { .n_columns = sizes ? 7 : 6 };
        const json_t *c;
        size_t i;

        nxc_table_add(
                &t, (const char *const[]){ "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER", "SIZE" });
        json_array_foreach (list, i, c) {
                char pid[24], storage[64];

                format_storage(c, storage, sizeof(storage));
                snprintf(pid, sizeof(pid), "%lld", (long long)json_integer_value(json_object_get(c, "pid")));
                nxc_table_add(&t, (const char *const[]){ nxc_json_str(c, "id"), pid,
                                          nxc_json_str(c, "status"), nxc_json_str(c, "bundle"),
                                          nxc_json_str(c, "created"), nxc_json_str(c, "owner"), storage });
        }
        return nxc_table_print(&t, err);
}

/* One that went away meanwhile has no size any more, and is not listed. */
static int add_sizes(struct nxc_host *host, json_t *list, struct nxc_error *err)
{
        for (size_t i = 0; i < json_array_size(list);) {
                json_t *c = json_array_get(list, i), *storage;
                struct nxc_error why = { 0 };
                int r = nxc_container_storage(host, nxc_json_str(c, "id"), &storage, &why);

                if (r < 0 && why.kind == NXC_ERR_CONTAINER_NOT_FOUND) {
                        json_array_remove(list, i);
                        continue;
                }
                if (r < 0) {
                        *err = why;
                        return r;
                }
                if (json_object_set_new(c, "storage", storage) < 0)
                        return nxc_oom(err);
                i++;
        }
        return 0;
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
        if (r == 0 && a->size)
                r = add_sizes(host, list, err);
        if (r < 0)
                return r;
        if (a->quiet) {
                json_array_foreach (list, i, c)
                        puts(nxc_json_str(c, "id"));
                return 0;
        }
        return a->format == NXC_FORMAT_JSON ? nxc_print_json(list, false, err)
                                            : print_table(list, a->size, err);
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
