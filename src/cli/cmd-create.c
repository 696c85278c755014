/* create and run: "Parse CreateOpts" of the flow. Both know two worlds, told apart by what is named: a
 * bundle (runc's, which is what engines send) and an image (podman's). What composes a bundle out of an
 * image is refused where a bundle is given, since its config.json says these things already: nothing a user
 * asks for is dropped. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/registry-args.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "image/reference.h"

#include <stdio.h>
#include <string.h>

struct create_args {
        struct nxc_create_opts create;
        struct nxc_registry_args registry;
        int64_t preserve_fds;
        int pull, dry_run, timings, format;
};

static const struct create_args defaults = { .registry = NXC_REGISTRY_ARGS_INIT };

static const char *const pull_policies[] = { "missing", "always", "never", "newer", NULL };
static const char *const plan_formats[] = { "no", "text", "json", NULL };
static const char *const timing_formats[] = { "no", "text", "json", "mermaid", "chrome", NULL };
static const char *const hook_failures[] = { "abort", "continue", NULL };

#define A struct create_args

/* clang-format off */
/* Of a bundle or of the runtime: what engines send. */
#define RUNTIME_OPTIONS                                                                                     \
        { "bundle", 'b', .metavar = "DIR", NXC_OPT(STRING, A, create.bundle),                               \
                .help = "take the container from this OCI bundle (create without an image: .)" },           \
        { "config", .metavar = "FILE", NXC_OPT(STRING, A, create.config),                                   \
                .help = "read this file instead of the bundle's config.json" },                             \
        { "pid-file", .alias = "pidfile", .metavar = "FILE", NXC_OPT(STRING, A, create.pid_file),           \
                .help = "write the pid of the container's init to FILE" },                                  \
        { "console-socket", .metavar = "SOCKET", NXC_OPT(STRING, A, create.console_socket),                 \
                .help = "send the terminal's master to this AF_UNIX socket" },                              \
        { "pidfd-socket", .metavar = "SOCKET", NXC_OPT(STRING, A, create.pidfd_socket),                     \
                .help = "send a pidfd of the container's init to this AF_UNIX socket" },                    \
        { "preserve-fds", .metavar = "N", NXC_OPT(INT, A, preserve_fds), .max = 1024,                       \
                .help = "pass N file descriptors, from 3 on, to the container" },                           \
        { "no-pivot", NXC_OPT(FLAG, A, create.no_pivot),                                                    \
                .help = "do not use pivot_root(2); for a root file system on a ramdisk" },                  \
        { "no-new-keyring", NXC_OPT(FLAG, A, create.no_new_keyring),                                        \
                .help = "let the container share the session keyring" },                                    \
        { "runtime", .metavar = "NAME", NXC_OPT(STRING, A, create.runtime),                                 \
                .help = "run with this backend (crun, runc, lxc) instead of the configured or first "            \
                "usable one" },                                                                             \
        { "storage", .metavar = "DRIVER", NXC_OPT(STRING, A, create.storage),                               \
                .help = "keep the container's writable root with this driver (overlay, dir, raw, zfs)" },                  \
        { "storage-size", .metavar = "SIZE", NXC_OPT(SIZE, A, create.storage_size),                         \
                .help = "the most that the root may hold; for an image file its size" },                    \
        { "hook-failure", .choices = hook_failures, NXC_OPT(WORD, A, create.hook_failure),                  \
                .help = "what a failed hook before the start means; abort is what OCI asks for" },          \
        { "pull", .choices = pull_policies, NXC_OPT(CHOICE, A, pull),                                       \
                .help = "when to ask the registry for the image" },                                         \
        NXC_REGISTRY_OPTIONS(A, registry),                                                                  \
        { "dry-run", .flags = NXC_OPT_BARE, .choices = plan_formats, NXC_OPT(CHOICE, A, dry_run),           \
                .help = "print what would be done, and do nothing" },                                       \
        { "timings", .flags = NXC_OPT_BARE, .choices = timing_formats, NXC_OPT(CHOICE, A, timings),         \
                .help = "show the time of every step on standard error when the flow has ended" },          \
        { "format", .choices = nxc_formats, NXC_OPT(CHOICE, A, format),                                     \
                .help = "json: print id and pid as JSON, and errors as JSON too" }
/* clang-format on */

/* clang-format off */
/* Of a container composed from an image, with podman's meaning. */
#define C create.compose
#define IMAGE_OPTIONS                                                                                       \
        { "env", 'e', .metavar = "KEY[=VALUE]", .flags = NXC_OPT_IMAGE, NXC_OPT(LIST, A, C.env),            \
                .help = "set a variable; KEY alone (or KEY*) takes the host's value" },                     \
        { "env-file", .metavar = "FILE", .flags = NXC_OPT_IMAGE, NXC_OPT(LIST, A, C.env_files),             \
                .help = "set the variables that are in FILE, one KEY=VALUE a line" },                       \
        { "volume", 'v', .metavar = "SOURCE:TARGET[:OPTIONS]", .flags = NXC_OPT_IMAGE,                      \
                NXC_OPT(LIST, A, C.volumes),                                                                \
                .help = "mount a directory or file of the host; TARGET alone is an anonymous "              \
                "volume" },                                                                                 \
        { "mount", .metavar = "KEY=VALUE,...", .flags = NXC_OPT_IMAGE, NXC_OPT(LIST, A, C.mounts),          \
                .help = "mount by key: type=bind|tmpfs, source=, target=, readonly" },                      \
        { "tmpfs", .metavar = "TARGET[:OPTIONS]", .flags = NXC_OPT_IMAGE,                                   \
                NXC_OPT(LIST, A, C.tmpfs), .help = "mount a tmpfs" },                                       \
        { "user", 'u', .metavar = "USER[:GROUP]", .flags = NXC_OPT_IMAGE,                                   \
                NXC_OPT(STRING, A, C.user), .help = "names or numbers, looked up in the image" },           \
        { "workdir", 'w', .metavar = "DIR", .flags = NXC_OPT_IMAGE, NXC_OPT(STRING, A, C.workdir),          \
                .help = "the program's working directory" },                                                \
        { "entrypoint", .metavar = "COMMAND", .flags = NXC_OPT_IMAGE,                                       \
                NXC_OPT(STRING, A, C.entrypoint),                                                           \
                .help = "replace the image's entrypoint; a JSON array for several words, empty "            \
                "for none" },                                                                               \
        { "hostname", .metavar = "NAME", .flags = NXC_OPT_IMAGE, NXC_OPT(STRING, A, C.hostname),            \
                .help = "the container's host name (its id)" },                                             \
        { "userns", .metavar = "auto|host|MAPPING", .flags = NXC_OPT_IMAGE,                                 \
                NXC_OPT(STRING, A, create.userns),                                                          \
                .help = "a user namespace with ids from /etc/subuid, none (host), or with "                 \
                "CONTAINER:HOST:SIZE[,...]" },                                                              \
        { "network", .alias = "net", .metavar = "none|host", .flags = NXC_OPT_IMAGE,                        \
                NXC_OPT(STRING, A, C.network),                                                              \
                .help = "none: only loopback; host: the host's network" },                                  \
        { "publish", 'p', .metavar = "PORTS", .type = NXC_OPT_REFUSED,                                      \
                .help = "ports cannot be published yet; --network host shares the host's" },                \
        { "memory", 'm', .metavar = "SIZE", .flags = NXC_OPT_IMAGE,                                         \
                NXC_OPT(SIZE, A, C.memory_bytes),                                                           \
                .help = "the most memory; with swap twice as much" },                                       \
        { "cpus", .metavar = "NUMBER", .flags = NXC_OPT_IMAGE, NXC_OPT(DOUBLE, A, C.cpus),                  \
                .help = "the most processor time, in processors" },                                         \
        { "pids-limit", .metavar = "N", .flags = NXC_OPT_IMAGE | NXC_OPT_UNLIMITED,                         \
                NXC_OPT(INT, A, C.pids_limit),                                                              \
                .help = "the most processes (2048); -1: as many as they want" },                            \
        { "ulimit", .metavar = "NAME=SOFT[:HARD]", .flags = NXC_OPT_IMAGE,                                  \
                NXC_OPT(LIST, A, C.ulimits), .help = "set a resource limit" },                              \
        { "cap-add", .metavar = "CAP", .flags = NXC_OPT_IMAGE | NXC_OPT_COMMAS,                             \
                NXC_OPT(LIST, A, C.cap_add), .help = "give a capability; all gives every one" },            \
        { "cap-drop", .metavar = "CAP", .flags = NXC_OPT_IMAGE | NXC_OPT_COMMAS,                            \
                NXC_OPT(LIST, A, C.cap_drop),                                                               \
                .help = "take a capability away; all takes every one" },                                    \
        { "security-opt", .metavar = "KEY[=VALUE]", .flags = NXC_OPT_IMAGE,                                 \
                NXC_OPT(LIST, A, C.security_opt),                                                           \
                .help = "no-new-privileges, seccomp=FILE|unconfined, apparmor=PROFILE, label=..., "         \
                "mask=, unmask=" },                                                                         \
        { "privileged", .flags = NXC_OPT_IMAGE, NXC_OPT(FLAG, A, C.privileged),                             \
                .help = "all capabilities and devices, no confinement" },                                   \
        { "read-only", .flags = NXC_OPT_IMAGE, NXC_OPT(FLAG, A, C.read_only),                               \
                .help = "mount the root file system read-only" },                                           \
        { "label", 'l', .metavar = "KEY=VALUE", .flags = NXC_OPT_IMAGE, NXC_OPT(LIST, A, C.labels),         \
                .help = "set a label of the container" },                                                   \
        { "annotation", .metavar = "KEY=VALUE", .flags = NXC_OPT_IMAGE,                                     \
                NXC_OPT(LIST, A, C.annotations), .help = "set an OCI annotation" },                         \
        { "stop-signal", .metavar = "SIGNAL", .flags = NXC_OPT_IMAGE,                                       \
                NXC_OPT(STRING, A, C.stop_signal),                                                          \
                .help = "what `stop` sends (the image's, else TERM)" },                                     \
        { "interactive", 'i', .flags = NXC_OPT_IMAGE, NXC_OPT(FLAG, A, create.interactive),                 \
                .help = "pass standard input on; without it the program reads nothing" },                   \
        { "tty", 't', .flags = NXC_OPT_IMAGE, NXC_OPT(FLAG, A, C.terminal),                                 \
                .help = "give it a terminal" },                                                             \
        { "cidfile", .metavar = "FILE", .flags = NXC_OPT_IMAGE, NXC_OPT(STRING, A, create.cid_file),        \
                .help = "write the container's id to FILE, which must not exist" }
/* clang-format on */

static const struct nxc_option create_options[] = {
        RUNTIME_OPTIONS,
        { "image", .metavar = "REFERENCE", NXC_OPT(STRING, A, create.image),
                .help = "make the root from this image; with --bundle its config.json is used, else one is "
                        "made" },
        IMAGE_OPTIONS,
        { "detach", 'd', .flags = NXC_OPT_HIDDEN, NXC_OPT(FLAG, A, create.detach),
                .help = "as create always does" },
        { "no-subreaper", .flags = NXC_OPT_HIDDEN, NXC_OPT(FLAG, A, create.no_subreaper),
                .help = "nothing here" },
        { 0 },
};

static const struct nxc_option clone_options[] = { RUNTIME_OPTIONS, IMAGE_OPTIONS, { 0 } };

static const struct nxc_option run_options[] = {
        { "detach", 'd', NXC_OPT(FLAG, A, create.detach),
                .help = "return once the program runs; print the id" },
        { "rm", NXC_OPT(FLAG, A, create.auto_remove),
                .help = "remove the container when it has ended, also with --detach; a bundle's is removed "
                        "anyway" },
        { "keep", NXC_OPT(FLAG, A, create.keep),
                .help = "with --bundle: do not remove the container when it has ended" },
        { "name", .metavar = "ID", .flags = NXC_OPT_IMAGE, NXC_OPT(STRING, A, create.id),
                .help = "the container's id; else one is made" },
        IMAGE_OPTIONS,
        RUNTIME_OPTIONS,
        { "no-subreaper", NXC_OPT(FLAG, A, create.no_subreaper),
                .help = "do not take over the container's orphaned processes" },
        { 0 },
};
_Static_assert(NXC_ARRAY_SIZE(create_options) <= NXC_OPTIONS_MAX, "given[] has a bit for each row");
_Static_assert(NXC_ARRAY_SIZE(run_options) <= NXC_OPTIONS_MAX, "given[] has a bit for each row");

/* A bundle is used as it is. */
static int refuse_image_options(const struct nxc_call *call, const char *instead, struct nxc_error *err)
{
        NXC_OPT_FOREACH(o, call->command->options)
        {
                int r;

                if (!(o->flags & NXC_OPT_IMAGE) || !nxc_option_is_given(&call->parse, o->name))
                        continue;
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s: option --%s only goes with an image",
                        call->command->name, o->name);
                nxc_error_hint(err, "%s", instead);
                return r;
        }
        return 0;
}

static int take_command(struct nxc_create_opts *o, char **args, struct nxc_error *err)
{
        for (; *args; args++)
                if (nxc_strv_add(&o->compose.args, *args) < 0)
                        return nxc_oom(err);
        return 0;
}

static int check_terminal(
        const struct nxc_call *call, const struct nxc_create_opts *o, struct nxc_error *err)
{
        int r;

        if (!o->compose.terminal || !o->interactive || o->detach || isatty(STDIN_FILENO))
                return 0;
        r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s: the input device is not a TTY", call->command->name);
        nxc_error_hint(err, "leave out -t, or -i");
        return r;
}

/* What run and create have in common once the container, bundle and image are known. */
static int complete(
        struct nxc_call *call, struct nxc_host *host, struct nxc_progress *progress, struct nxc_error *err)
{
        struct create_args *a = call->opts;
        struct nxc_create_opts *o = &a->create;
        int r;

        if (o->storage_size == 0 && nxc_option_is_given(&call->parse, "storage-size"))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s: --storage-size is 0", call->command->name);
        if (o->bundle || !(o->image || o->clone_of))
                o->interactive =
                        true; /* what the engine, or the user of runc, has there is the container's */
        else if ((r = check_terminal(call, o, err)) < 0)
                return r;
        r = nxc_registry_args_complete(&a->registry, nxc_host_config(host), o->image, err);
        if (r < 0)
                return r;
        o->registry = a->registry.opts;
        o->platform = a->registry.platform;
        o->pull = o->clone_of ? NXC_PULL_NEVER : (enum nxc_pull_policy)a->pull;
        o->preserve_fds = (int)a->preserve_fds;
        o->dry_run = a->dry_run > 0;
        o->dry_run_json = a->dry_run > 1;
        o->timings = (enum nxc_timings)a->timings;
        nxc_progress_init(progress, (enum nxc_progress_mode)call->globals->progress);
        o->progress = nxc_progress_event;
        o->progress_arg = progress;
        return 0;
}

static int print_result(const struct create_args *a, const struct nxc_create_result *result, bool id_wanted,
        struct nxc_error *err)
{
        _cleanup_json_ json_t *j = NULL;

        if (a->dry_run)
                return 0;
        if (a->format == NXC_FORMAT_JSON) {
                j = json_pack("{s:s, s:i}", "id", result->id, "pid", (int)result->pid);
                return j ? nxc_print_json(j, false, err) : nxc_oom(err);
        }
        if (id_wanted)
                puts(result->id);
        return 0;
}

static int read_create_args(struct nxc_call *call, struct nxc_error *err)
{
        struct nxc_create_opts *o = &((struct create_args *)call->opts)->create;
        int r = 0;

        o->id = call->args[0];
        if (o->bundle)
                r = refuse_image_options(call, "with --bundle, its config.json says this", err);
        else if (!o->image)
                r = refuse_image_options(call, "name one with --image", err);
        if (r == 0 && call->n_args > 1 && (o->bundle || !o->image)) {
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "create: a command ('%s') only goes with an image",
                        call->args[1]);
                nxc_error_hint(err, "the program of a bundle is in its config.json");
        }
        if (!o->bundle && !o->image)
                o->bundle = ".";
        return r < 0 ? r : take_command(o, call->args + 1, err);
}

/* The program: the one that is given, else the image's or, with a bundle, config.json's. */
static int read_clone_args(struct nxc_call *call, struct nxc_error *err)
{
        struct nxc_create_opts *o = &((struct create_args *)call->opts)->create;
        int r = o->bundle ? refuse_image_options(call, "with --bundle, its config.json says this", err) : 0;

        if (r == 0 && o->bundle && call->n_args > 2)
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "clone: a command ('%s') does not go with --bundle, whose config.json has one",
                        call->args[2]);
        o->clone_of = call->args[0];
        o->id = call->args[1];
        return r < 0 ? r : take_command(o, call->args + 2, err);
}

static int create_from(struct nxc_call *call, int r, struct nxc_error *err)
{
        struct create_args *a = call->opts;
        _cleanup_progress_ struct nxc_progress progress = { 0 };
        struct nxc_create_result result = { 0 };
        struct nxc_host *host;

        a->create.detach = false;
        if (r == 0)
                r = nxc_call_host(call, &host, err);
        if (r == 0)
                r = complete(call, host, &progress, err);
        if (r == 0)
                r = nxc_create(host, &a->create, &result, err);
        nxc_registry_args_done(&a->registry);
        nxc_strv_done(&a->create.compose.args);
        return r < 0 ? r : print_result(a, &result, false, err);
}

static int run_create(struct nxc_call *call, struct nxc_error *err)
{
        return create_from(call, read_create_args(call, err), err);
}

static int run_clone(struct nxc_call *call, struct nxc_error *err)
{
        return create_from(call, read_clone_args(call, err), err);
}

static int read_run_args(struct nxc_call *call, struct nxc_error *err)
{
        struct nxc_create_opts *o = &((struct create_args *)call->opts)->create;
        int r;

        if (o->keep && o->auto_remove)
                return nxc_fail_kind(
                        err, NXC_ERR_USAGE, 0, "run: options --rm and --keep contradict each other");
        if (!o->bundle) {
                o->image = call->args[0];
                return take_command(o, call->args + 1, err);
        }
        o->id = call->args[0];
        r = refuse_image_options(call, "run --bundle DIR ID takes all this from config.json", err);
        if (r == 0 && call->n_args > 1) {
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "run: unexpected argument '%s' after --bundle DIR ID", call->args[1]);
                nxc_error_hint(err, "the program of a bundle is in its config.json");
        }
        return r;
}

/* `run ID` in a bundle's directory is how runc is called by hand; said once, where it can be the mistake. */
static void hint_bundle(const struct nxc_create_opts *o, struct nxc_error *err)
{
        if (o->image && !err->hint[0] && access("config.json", F_OK) == 0 &&
                (err->kind == NXC_ERR_IMAGE_NOT_FOUND || err->kind == NXC_ERR_USAGE))
                nxc_error_hint(err, "to run the bundle in this directory: nexcage run --bundle . ID");
}

static int run_run(struct nxc_call *call, struct nxc_error *err)
{
        struct create_args *a = call->opts;
        _cleanup_progress_ struct nxc_progress progress = { 0 };
        struct nxc_create_result result = { 0 };
        struct nxc_host *host;
        int r = read_run_args(call, err);

        if (r == 0)
                r = nxc_call_host(call, &host, err);
        if (r == 0)
                r = complete(call, host, &progress, err);
        if (r == 0)
                r = nxc_run(host, &a->create, &result, &call->exit_code, err);
        nxc_registry_args_done(&a->registry);
        nxc_strv_done(&a->create.compose.args);
        if (r < 0) {
                hint_bundle(&a->create, err);
                return r;
        }
        return a->create.detach ? print_result(a, &result, a->create.image != NULL, err) : 0;
}

static int run_error_exit(const struct nxc_call *call, const struct nxc_error *err)
{
        const struct create_args *a = call->opts;

        return a && a->create.bundle ? 1 : nxc_exit_status_of(err);
}

const struct nxc_command nxc_command_create = {
        .name = "create",
        .synopsis = "[OPTION...] [--bundle DIR] ID\n[OPTION...] --image REFERENCE ID [COMMAND [ARG...]]",
        .summary = "create a container, whose program then waits for start",
        .options = create_options,
        .defaults = &defaults,
        .opts_size = sizeof(struct create_args),
        .min_args = 1,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_OCI,
        .flags = NXC_CMD_STOP_AT_ARG,
        .run = run_create,
};

const struct nxc_command nxc_command_clone = {
        .name = "clone",
        .synopsis = "[OPTION...] ID[@SNAPSHOT] NEW-ID [COMMAND [ARG...]]",
        .summary = "create a container with the root of another",
        .options = clone_options,
        .defaults = &defaults,
        .opts_size = sizeof(struct create_args),
        .min_args = 2,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .flags = NXC_CMD_STOP_AT_ARG,
        .run = run_clone,
};

const struct nxc_command nxc_command_run = {
        .name = "run",
        .synopsis = "[OPTION...] IMAGE [COMMAND [ARG...]]\n[OPTION...] --bundle DIR ID",
        .summary = "create a container and run its program",
        .options = run_options,
        .defaults = &defaults,
        .opts_size = sizeof(struct create_args),
        .min_args = 1,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_IMAGES,
        .flags = NXC_CMD_STOP_AT_ARG,
        .run = run_run,
        .error_exit = run_error_exit,
};
