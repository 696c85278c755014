/* info and doctor: what this host offers; what is missing, and how to get it. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"

#include <stdio.h>
#include <string.h>

struct info_args {
        int format;
};

static const struct nxc_option options[] = {
        { "format", 'f', .choices = nxc_formats, NXC_OPT(CHOICE, struct info_args, format),
                .help = "json: the same as one JSON object" },
        { 0 },
};

static int load(struct nxc_call *call, json_t **ret, struct nxc_error *err)
{
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_host_info(host, ret, err);
        return r == 0 && json_object_set_new(*ret, "version", json_string(NXC_VERSION)) < 0 ? nxc_oom(err)
                                                                                            : r;
}

static void print_tree(const json_t *j, int depth);

static void print_list(const json_t *list, int depth)
{
        const json_t *item;
        size_t i;

        json_array_foreach (list, i, item) {
                const char *name = nxc_json_str(item, "name");

                printf("%*s%s:\n", depth, "", name ? name : "-");
                print_tree(item, depth + 2);
        }
}

/* Keys and values, an indented line each. */
static void print_tree(const json_t *j, int depth)
{
        const char *key;
        json_t *value;

        json_object_foreach ((json_t *)j, key, value) {
                if (json_is_object(value) || json_is_array(value)) {
                        printf("%*s%s:\n", depth, "", key);
                        if (json_is_array(value))
                                print_list(value, depth + 2);
                        else
                                print_tree(value, depth + 2);
                } else if (json_is_string(value) && strcmp(key, "name") != 0) {
                        printf("%*s%s: %s\n", depth, "", key, json_string_value(value));
                } else if (json_is_integer(value)) {
                        printf("%*s%s: %lld\n", depth, "", key, (long long)json_integer_value(value));
                } else if (json_is_boolean(value)) {
                        printf("%*s%s: %s\n", depth, "", key, json_is_true(value) ? "yes" : "no");
                }
        }
}

static int run_info(struct nxc_call *call, struct nxc_error *err)
{
        const struct info_args *a = call->opts;
        _cleanup_json_ json_t *info = NULL;
        int r = load(call, &info, err);

        if (r < 0)
                return r;
        if (a->format == NXC_FORMAT_JSON)
                return nxc_print_json(info, true, err);
        print_tree(info, 0);
        return 0;
}

/* One finding about a part that info says is usable or not. */
static bool diagnose(const char *what, const char *name, const json_t *part, json_t *findings)
{
        const char *missing = nxc_json_str(part, "missing"), *hint = nxc_json_str(part, "hint");
        bool usable = json_is_true(json_object_get(part, "usable"));

        json_array_append_new(
                findings, json_pack("{s:s, s:s, s:b, s:s?, s:s?}", "part", what, "name", name, "usable",
                                  usable, "missing", missing, "hint", hint && *hint ? hint : NULL));
        return usable;
}

static size_t diagnose_list(const char *what, const json_t *list, json_t *findings)
{
        const json_t *part;
        size_t i, usable = 0;

        json_array_foreach (list, i, part)
                usable += diagnose(what, nxc_json_str(part, "name"), part, findings);
        return usable;
}

static void print_findings(const json_t *findings)
{
        const json_t *f;
        size_t i;

        json_array_foreach (findings, i, f) {
                const char *missing = nxc_json_str(f, "missing"), *hint = nxc_json_str(f, "hint");
                bool usable = json_is_true(json_object_get(f, "usable"));

                printf("%s %s: %s\n", nxc_json_str(f, "part"), nxc_json_str(f, "name"),
                        usable    ? "ok"
                        : missing ? missing
                                  : "not usable");
                if (!usable && hint)
                        printf("        %s\n", hint);
        }
}

/* Fails when nothing can run: a host where one runtime of two is missing is in good health. */
static int run_doctor(struct nxc_call *call, struct nxc_error *err)
{
        const struct info_args *a = call->opts;
        _cleanup_json_ json_t *info = NULL, *findings = json_array();
        size_t runtimes, drivers;
        bool engine;
        int r = findings ? load(call, &info, err) : nxc_oom(err);

        if (r < 0)
                return r;
        runtimes = diagnose_list("runtime", json_object_get(info, "runtimes"), findings);
        drivers = diagnose_list("storage", json_object_get(info, "storageDrivers"), findings);
        engine = diagnose("module", "engine", json_object_get(info, "imageEngine"), findings);
        if (nxc_json_starved())
                return nxc_oom(err);
        if (a->format == NXC_FORMAT_JSON)
                r = nxc_print_json(findings, true, err);
        else
                print_findings(findings);
        if (r == 0 && (!runtimes || !drivers || !engine))
                r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0,
                        "this host cannot run containers yet: no usable %s",
                        !runtimes  ? "runtime"
                        : !drivers ? "storage driver"
                                   : "image engine");
        return r;
}

const struct nxc_command nxc_command_info = {
        .name = "info",
        .synopsis = "[OPTION...]",
        .summary = "show what this host offers",
        .options = options,
        .opts_size = sizeof(struct info_args),
        .group = NXC_GROUP_HOST,
        .args = NXC_ARGS_NONE,
        .run = run_info,
};

const struct nxc_command nxc_command_doctor = {
        .name = "doctor",
        .synopsis = "[OPTION...]",
        .summary = "show what is missing on this host, and how to get it",
        .options = options,
        .opts_size = sizeof(struct info_args),
        .group = NXC_GROUP_HOST,
        .args = NXC_ARGS_NONE,
        .run = run_doctor,
};
