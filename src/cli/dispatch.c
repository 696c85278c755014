/* From argv to a command's function and back to an exit status. Nothing is opened or read before the command
 * asks. */
#include "cli/command.h"

#include "cli/help.h"
#include "cli/output.h"
#include "cli/version.h"
#include "core/cleanup.h"
#include "core/debug.h"
#include "core/json.h"
#include "core/log.h"
#include "core/process.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

static const char *const log_formats[] = { "text", "json", NULL };
static const char *const progress_modes[] = { "auto", "tty", "plain", "json", "quiet", NULL };
static const char *const rootless_modes[] = { "true", "false", "auto", NULL };

const struct nxc_option nxc_global_options[] = {
        { "root", .metavar = "DIR", NXC_OPT(STRING, struct nxc_globals, host.root),
                .help = "where the state of containers is (/run/nexcage; a user's: "
                        "$XDG_RUNTIME_DIR/nexcage)" },
        { "store", .metavar = "DIR", NXC_OPT(STRING, struct nxc_globals, host.store),
                .help = "where images, layers and container data are (/var/lib/nexcage)" },
        { "log", .metavar = "FILE", NXC_OPT(STRING, struct nxc_globals, log),
                .help = "append errors and warnings to FILE as well" },
        { "log-format", .choices = log_formats, NXC_OPT(CHOICE, struct nxc_globals, log_format),
                .help = "what the log looks like; json: an object per line with level, msg and time" },
        { "debug", NXC_OPT(FLAG, struct nxc_globals, host.debug), .help = "log what is being done" },
        { "systemd-cgroup", NXC_OPT(FLAG, struct nxc_globals, host.systemd_cgroup),
                .help = "let systemd make the cgroups" },
        { "rootless", .choices = rootless_modes, NXC_OPT(WORD, struct nxc_globals, host.rootless),
                .help = "whether the runtime is to do without root's powers" },
        { "progress", .choices = progress_modes, NXC_OPT(CHOICE, struct nxc_globals, progress),
                .help = "how transfers are shown on standard error; auto: bars on a terminal, else lines" },
        { "criu", .type = NXC_OPT_REFUSED, .metavar = "PATH",
                .help = "crun and runc look for criu in PATH themselves; leave the option out" },
        { "version", 'v', NXC_OPT(FLAG, struct nxc_globals, version), .help = "show the version and end" },
        { 0 },
};

static void prepare_process(void)
{
        nxc_process_guard();
        signal(SIGPIPE, SIG_IGN);
        umask(022);
}

/* NXC_DEBUG=help, whatever the command. */
static bool told_debug_switches(void)
{
        const struct nxc_debug_switch *switches;
        size_t n;

        if (!nxc_streq(secure_getenv("NXC_DEBUG"), "help"))
                return false;
        switches = nxc_debug_switches(&n);
        for (size_t i = 0; i < n; i++)
                printf("%s%s%-*s %s\n", switches[i].name, switches[i].arg ? "=" : "",
                        18 - (int)strlen(switches[i].name) - !!switches[i].arg,
                        switches[i].arg ? switches[i].arg : "", switches[i].help);
        return true;
}

static int open_log(const struct nxc_globals *g, int *ret_fd, struct nxc_error *err)
{
        if (!g->log || !*g->log)
                return 0;
        *ret_fd = open(g->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
        if (*ret_fd < 0)
                return nxc_fail(err, errno, "open the log file '%s'", g->log);
        return 0;
}

static void setup_log(const struct nxc_globals *g, int fd, bool json_errors)
{
        nxc_log_setup(&(struct nxc_log_config){
                .level = g->host.debug ? NXC_LOG_DEBUG : NXC_LOG_WARN,
                .format = (enum nxc_log_format)g->log_format,
                .fd = fd,
                .quiet_errors = json_errors,
        });
}

/* --format=json is wished for errors too; looked at by name, since any command may have the option. */
static bool wants_json(const struct nxc_call *call)
{
        const struct nxc_option *o = call->command ? nxc_option_find(call->command->options, "format")
                                                   : NULL;

        if (!o || o->type != NXC_OPT_CHOICE || !call->opts)
                return false;
        return nxc_streq(o->choices[*(int *)((char *)call->opts + o->offset)], "json");
}

static void show_error_json(const struct nxc_error *err)
{
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *text = NULL;

        nxc_json_starved(); /* which may be what is to be told */
        j = json_pack("{s:s, s:s?, s:s, s:s?, s:i}", "kind", nxc_error_kind_name(err->kind), "stage",
                err->stage, "message", err->message, "hint", err->hint[0] ? err->hint : NULL, "errno",
                err->errnum);
        text = j ? nxc_json_format(j, false) : NULL;
        fprintf(stderr, "%s\n", text ? text : "{\"kind\":\"OutOfMemory\"}");
}

static int unknown_command(const char *name, struct nxc_error *err)
{
        const char *nearest = NULL;
        size_t best = SIZE_MAX;
        int r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "unknown command '%s'", name);

        for (size_t i = 0; nxc_commands[i]; i++)
                if (!(nxc_commands[i]->flags & NXC_CMD_HIDDEN) &&
                        nxc_word_is_nearer(name, nxc_commands[i]->name, &best))
                        nearest = nxc_commands[i]->name;
        if (nearest)
                nxc_error_hint(err, "did you mean nexcage %s?", nearest);
        else
                nxc_error_hint(err, "nexcage --help lists the commands");
        return r;
}

static int check_args(const struct nxc_call *call, struct nxc_error *err)
{
        const struct nxc_command *c = call->command;
        int r;

        if (call->n_args >= c->min_args && call->n_args <= c->max_args)
                return 0;
        if (call->n_args < c->min_args)
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s: an argument is missing", c->name);
        else
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s: unexpected argument '%s'", c->name,
                        call->args[c->max_args]);
        nxc_error_hint(err, "nexcage %s %.*s", c->name, (int)strcspn(c->synopsis, "\n"), c->synopsis);
        return r;
}

static int run_command(struct nxc_call *call, struct nxc_globals *globals, int argc, char **argv,
        int *log_fd, struct nxc_error *err)
{
        const struct nxc_command *c = call->command;
        bool had_log = globals->log != NULL;
        int r;

        call->opts = calloc(1, c->opts_size ? c->opts_size : 1);
        if (!call->opts)
                return nxc_oom(err);
        if (c->defaults)
                memcpy(call->opts, c->defaults, c->opts_size);
        call->parse = (struct nxc_parse){ .options = c->options,
                .values = call->opts,
                .shared = nxc_global_options,
                .shared_values = globals,
                .command = c->name,
                .stop_at_arg = c->flags & NXC_CMD_STOP_AT_ARG };
        r = nxc_options_parse(&call->parse, argc, argv, err);
        call->args = call->parse.args;
        call->n_args = call->parse.n_args;
        call->json_errors = wants_json(call);
        if (r == 0 && !had_log)
                r = open_log(globals, log_fd, err);
        setup_log(globals, *log_fd, call->json_errors);
        if (r < 0)
                return r;
        if (call->parse.help)
                return nxc_help_command(c, err);
        r = check_args(call, err);
        return r < 0 ? r : c->run(call, err);
}

static int start(struct nxc_call *call, struct nxc_globals *globals, struct nxc_parse *parse, int argc,
        char **argv, int *log_fd, struct nxc_error *err)
{
        int r = nxc_options_parse(parse, argc - 1, argv + 1, err);
        int log_r = open_log(globals, log_fd, r < 0 ? NULL : err);

        setup_log(globals, *log_fd, false);
        r = r < 0 ? r : log_r;
        if (r < 0)
                return r;
        if (parse->help)
                return nxc_help_overview(err);
        if (globals->version)
                return nxc_print_version(err);
        if (parse->n_args == 0) {
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "no command given");
                nxc_error_hint(err, "nexcage --help lists the commands");
                return r;
        }
        call->command = nxc_command_find(parse->args[0]);
        if (!call->command)
                return unknown_command(parse->args[0], err);
        return run_command(call, globals, (int)parse->n_args - 1, parse->args + 1, log_fd, err);
}

static int finish(const struct nxc_call *call, int r, struct nxc_error *err)
{
        bool broken = false;

        if (r == 0)
                r = nxc_finish_stdout(&broken, err);
        else
                fflush(stdout);
        if (broken && r == 0)
                return call->exit_code ? call->exit_code : 128 + SIGPIPE; /* as a program that died of it */
        if (r == 0)
                return call->exit_code;
        if (!nxc_error_is_set(err)) /* a callee that forgot to say why; never silent */
                nxc_fail(err, -r, "%s", call->command ? call->command->name : "nexcage");
        nxc_log_error(err);
        if (call->json_errors)
                show_error_json(err);
        return call->command && call->command->error_exit ? call->command->error_exit(call, err) : 1;
}

int nxc_cli_main(int argc, char **argv)
{
        struct nxc_globals globals = { 0 };
        struct nxc_call call = { .globals = &globals };
        struct nxc_parse parse = { .options = nxc_global_options, .values = &globals, .stop_at_arg = true };
        _cleanup_close_ int log_fd = -EBADF;
        struct nxc_error err = { 0 };
        int r;

        prepare_process();
        if (told_debug_switches())
                return 0;
        r = start(&call, &globals, &parse, argc > 0 ? argc : 1, argv, &log_fd, &err);
        r = finish(&call, r, &err);
        nxc_host_close(call.host);
        if (call.opts)
                nxc_options_done(call.command->options, call.opts);
        free(call.opts);
        nxc_parse_done(&call.parse);
        nxc_parse_done(&parse);
        return r;
}

int nxc_call_host(struct nxc_call *call, struct nxc_host **ret, struct nxc_error *err)
{
        if (!call->host) {
                int r = nxc_host_open(&call->globals->host, &call->host, err);

                if (r < 0)
                        return r;
        }
        *ret = call->host;
        return 0;
}

static bool says(const char *message, const char *phrase)
{
        return strcasestr(message, phrase) != NULL;
}

int nxc_exit_status_of(const struct nxc_error *err)
{
        const char *m = err->message;

        /* Only a runtime can have failed to start the program; our own files may be missing or forbidden as
         * well. */
        if (err->kind != NXC_ERR_CRUN && err->kind != NXC_ERR_RUNC && err->kind != NXC_ERR_LXC &&
                err->kind != NXC_ERR_VM)
                return 125;
        if (says(m, "executable file") && says(m, "not found"))
                return 127;
        if (!says(m, "exec") || says(m, "exec.fifo") || says(m, "exec fifo"))
                return 125;
        if (says(m, "no such file or directory"))
                return 127;
        if (says(m, "permission denied") || says(m, "operation not permitted") ||
                says(m, "is a directory") || says(m, "exec format error"))
                return 126;
        return 125;
}
