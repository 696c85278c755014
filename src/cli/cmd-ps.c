/* ps: the processes of a container; as a table, it is ps(1) of the host that describes them. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/process.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct ps_args {
        int format;
};

static const struct nxc_option options[] = {
        { "format", 'f', .choices = nxc_formats, NXC_OPT(CHOICE, struct ps_args, format),
                .help = "json: an array of the pids" },
        { 0 },
};

static int print_pids(const pid_t *pids, size_t n, struct nxc_error *err)
{
        _cleanup_json_ json_t *list = json_array();

        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, json_integer(pids[i]));
        return list ? nxc_print_json(list, false, err) : nxc_oom(err);
}

/* The text of a column, counted from 0 and separated by blanks; NULL when the line has fewer. */
static const char *find_column(const char *line, size_t column)
{
        for (;;) {
                line += strspn(line, " \t");
                if (!*line)
                        return NULL;
                if (column-- == 0)
                        return line;
                line += strcspn(line, " \t");
        }
}

/* Which column of ps's heading is PID; -1 when there is none. */
static int find_pid_column(const char *heading)
{
        const char *word;

        for (int i = 0; (word = find_column(heading, (size_t)i)); i++)
                if (strcspn(word, " \t") == 3 && strncasecmp(word, "PID", 3) == 0)
                        return i;
        return -1;
}

static bool has_pid(const pid_t *pids, size_t n, const char *text)
{
        long pid = text ? strtol(text, NULL, 10) : 0;

        for (size_t i = 0; i < n; i++)
                if (pid == pids[i])
                        return true;
        return false;
}

/* The heading, and the lines of those processes. */
static int print_lines(char *text, const pid_t *pids, size_t n, struct nxc_error *err)
{
        char *rest = text, *line = strsep(&rest, "\n");
        int column = line ? find_pid_column(line) : -1, r;

        if (column < 0) {
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "ps: no column PID in what ps printed");
                nxc_error_hint(err, "give ps arguments that show the pid, such as -ef");
                return r;
        }
        puts(line);
        while ((line = strsep(&rest, "\n")))
                if (has_pid(pids, n, find_column(line, (size_t)column)))
                        puts(line);
        return 0;
}

static int print_table(const struct nxc_call *call, const pid_t *pids, size_t n, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf out = { .limit = 64u << 20 }, said = { 0 };
        _cleanup_strv_ struct nxc_strv argv = { 0 };
        struct nxc_process_opts opts = NXC_PROCESS_OPTS_INIT;
        int status = 0, r = nxc_strv_add(&argv, "ps");

        for (size_t i = 1; i < call->n_args && r == 0; i++)
                r = nxc_strv_add(&argv, call->args[i]);
        if (r == 0 && call->n_args < 2)
                r = nxc_strv_add(&argv, "-ef");
        if (r < 0)
                return nxc_oom(err);
        opts.argv = (const char *const *)argv.v;
        opts.capture_stdout = &out;
        opts.capture_stderr = &said;
        r = nxc_process_run(&opts, &status, err);
        if (r < 0)
                return r;
        if (status != 0)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "ps: the host's ps failed: %.*s",
                        (int)strcspn(said.data ? said.data : "", "\n"), said.data ? said.data : "");
        return print_lines(out.data, pids, n, err);
}

static int run_ps(struct nxc_call *call, struct nxc_error *err)
{
        const struct ps_args *a = call->opts;
        _cleanup_free_ pid_t *pids = NULL;
        struct nxc_host *host;
        size_t n = 0;
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_ps(host, call->args[0], &pids, &n, err);
        if (r < 0)
                return r;
        return a->format == NXC_FORMAT_JSON ? print_pids(pids, n, err) : print_table(call, pids, n, err);
}

const struct nxc_command nxc_command_ps = {
        .name = "ps",
        .synopsis = "[OPTION...] ID [PS-ARG...]",
        .summary = "show the processes of a container",
        .options = options,
        .opts_size = sizeof(struct ps_args),
        .min_args = 1,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_CONTAINERS,
        .flags = NXC_CMD_STOP_AT_ARG,
        .run = run_ps,
};
