/* exec: a further process in a running container. Engines give it whole (--process), people piece by
 * piece. */
#include "cli/commands.h"
#include "core/cleanup.h"

struct exec_args {
        struct nxc_exec_opts exec;
        int64_t preserve_fds;
        bool interactive;
        bool ignored; /* of options that mean nothing here */
};

#define A struct exec_args
static const struct nxc_option options[] = {
        { "process", 'p', .metavar = "FILE", NXC_OPT(STRING, A, exec.process_file),
                .help = "the process object of the runtime-spec, as JSON; then no COMMAND is given" },
        { "console-socket", .metavar = "SOCKET", NXC_OPT(STRING, A, exec.console_socket),
                .help = "send the terminal's master to this AF_UNIX socket" },
        { "pidfd-socket", .metavar = "SOCKET", NXC_OPT(STRING, A, exec.pidfd_socket),
                .help = "send a pidfd of the process to this AF_UNIX socket" },
        { "detach", 'd', NXC_OPT(FLAG, A, exec.detach), .help = "return once it runs" },
        { "pid-file", .metavar = "FILE", NXC_OPT(STRING, A, exec.pid_file),
                .help = "write its pid to FILE" },
        { "tty", 't', NXC_OPT(FLAG, A, exec.terminal), .help = "give it a terminal" },
        { "interactive", 'i', NXC_OPT(FLAG, A, interactive),
                .help = "pass standard input on, which happens anyway, as with runc" },
        { "env", 'e', .metavar = "KEY=VALUE", NXC_OPT(LIST, A, exec.env), .help = "set a variable" },
        { "user", 'u', .metavar = "USER[:GROUP]", NXC_OPT(STRING, A, exec.user),
                .help = "names or numbers, looked up in the container" },
        { "cwd", 'w', .alias = "workdir", .metavar = "DIR", NXC_OPT(STRING, A, exec.cwd),
                .help = "its working directory" },
        { "additional-gids", 'g', .metavar = "GID", .flags = NXC_OPT_COMMAS,
                NXC_OPT(LIST, A, exec.additional_gids), .help = "further groups of its user" },
        { "cap", 'c', .metavar = "CAP", .flags = NXC_OPT_COMMAS, NXC_OPT(LIST, A, exec.cap_add),
                .help = "give it a capability beside the container's" },
        { "no-new-privs", NXC_OPT(FLAG, A, exec.no_new_privs), .help = "set no_new_privs" },
        { "apparmor", .metavar = "PROFILE", NXC_OPT(STRING, A, exec.apparmor),
                .help = "confine it by this profile" },
        { "process-label", .metavar = "LABEL", NXC_OPT(STRING, A, exec.process_label),
                .help = "its SELinux label" },
        { "cgroup", .metavar = "PATH", NXC_OPT(STRING, A, exec.cgroup),
                .help = "run it in this cgroup beneath the container's" },
        { "preserve-fds", .metavar = "N", NXC_OPT(INT, A, preserve_fds), .max = 1024,
                .help = "pass N file descriptors, from 3 on, to it" },
        { "ignore-paused", NXC_OPT(FLAG, A, exec.ignore_paused), .help = "do it in a paused container too" },
        { "no-subreaper", .flags = NXC_OPT_HIDDEN, NXC_OPT(FLAG, A, ignored), .help = "nothing here" },
        { 0 },
};

static int check(const struct nxc_call *call, const struct exec_args *a, struct nxc_error *err)
{
        static const char *const parts[] = { "env", "user", "cwd", "additional-gids", "cap", "no-new-privs",
                "apparmor", "process-label" };
        int r;

        if (!a->exec.process_file && call->n_args < 2)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "exec: a command or --process is needed");
        if (!a->exec.process_file && a->exec.terminal && a->interactive && !a->exec.detach &&
                !isatty(STDIN_FILENO)) {
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "exec: the input device is not a TTY");
                nxc_error_hint(err, "leave out -t");
                return r;
        }
        if (!a->exec.process_file)
                return 0;
        if (call->n_args > 1)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "exec: a command ('%s') does not go with --process", call->args[1]);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(parts); i++)
                if (nxc_option_is_given(&call->parse, parts[i]))
                        return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                                "exec: option --%s does not go with --process", parts[i]);
        return 0;
}

static int run_exec(struct nxc_call *call, struct nxc_error *err)
{
        struct exec_args *a = call->opts;
        struct nxc_host *host;
        int r = check(call, a, err);

        a->exec.id = call->args[0];
        a->exec.preserve_fds = (int)a->preserve_fds;
        for (size_t i = 1; i < call->n_args && r == 0; i++)
                if (nxc_strv_add(&a->exec.args, call->args[i]) < 0)
                        r = nxc_oom(err);
        if (r == 0)
                r = nxc_call_host(call, &host, err);
        if (r == 0)
                r = nxc_exec(host, &a->exec, &call->exit_code, err);
        nxc_strv_done(&a->exec.args);
        return r;
}

/* runc's 255 for engines; podman's 125 to 127 for people. */
static int error_exit(const struct nxc_call *call, const struct nxc_error *err)
{
        const struct exec_args *a = call->opts;

        return a && a->exec.process_file ? 255 : nxc_exit_status_of(err);
}

const struct nxc_command nxc_command_exec = {
        .name = "exec",
        .synopsis = "[OPTION...] ID COMMAND [ARG...]\n[OPTION...] --process FILE ID",
        .summary = "run a further program in a container",
        .options = options,
        .opts_size = sizeof(struct exec_args),
        .min_args = 1,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .flags = NXC_CMD_STOP_AT_ARG,
        .run = run_exec,
        .error_exit = error_exit,
};
