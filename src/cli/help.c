/* See help.h. */
#include "cli/help.h"

#include "cli/commands.h"

#include <string.h>

#define HELP_INDENT 34 /* where an option's explanation begins */
#define COMMAND_INDENT 14

int nxc_option_metavar(const struct nxc_option *o, struct nxc_buf *out)
{
        int r = 0;

        if (o->metavar)
                return nxc_buf_puts(out, o->metavar);
        for (size_t i = o->flags & NXC_OPT_BARE ? 1 : 0; o->choices && o->choices[i] && r == 0; i++)
                r = nxc_buf_printf(
                        out, "%s%s", i > (o->flags & NXC_OPT_BARE ? 1 : 0) ? "|" : "", o->choices[i]);
        return r;
}

/* Words of a text, filled into lines that start at indent; the first continues at column. */
static int fill(struct nxc_buf *out, size_t column, size_t indent, const char *text)
{
        int r = 0;

        if (column + 2 > indent) {
                r = nxc_buf_puts(out, "\n");
                column = 0;
        }
        if (r == 0)
                r = nxc_buf_printf(out, "%*s", (int)(indent - column), "");
        column = indent;
        while (*text && r == 0) {
                size_t n = strcspn(text, " ");

                if (column > indent && column + 1 + n > NXC_HELP_COLUMNS) {
                        r = nxc_buf_printf(out, "\n%*s", (int)indent, "");
                        column = indent;
                } else if (column > indent) {
                        r = nxc_buf_puts(out, " ");
                        column++;
                }
                if (r == 0)
                        r = nxc_buf_add(out, text, n);
                column += n;
                text += n;
                text += strspn(text, " ");
        }
        return r < 0 ? r : nxc_buf_puts(out, "\n");
}

static int format_option(const struct nxc_option *o, struct nxc_buf *out)
{
        _cleanup_buf_ struct nxc_buf value = { 0 }, help = { 0 };
        size_t start = out->len;
        bool bare = o->flags & NXC_OPT_BARE;
        int r;

        if (o->letter)
                r = nxc_buf_printf(out, "  -%c, --%s", o->letter, o->name);
        else
                r = nxc_buf_printf(out, "      --%s", o->name);
        if (r == 0 && o->alias)
                r = nxc_buf_printf(out, ", --%s", o->alias);
        if (r == 0)
                r = nxc_option_metavar(o, &value);
        if (r == 0 && value.len)
                r = nxc_buf_printf(out, bare ? "[=%s]" : " %s", value.data);
        if (r == 0 && o->type == NXC_OPT_TRISTATE)
                r = nxc_buf_puts(out, "[=true|false]");
        if (r == 0)
                r = nxc_buf_printf(&help, "%s%s", o->type == NXC_OPT_REFUSED ? "not here: " : "", o->help);
        return r < 0 ? r : fill(out, out->len - start, HELP_INDENT, help.data);
}

static int format_options(const struct nxc_option *options, struct nxc_buf *out)
{
        int r = 0;

        NXC_OPT_FOREACH(o, options)
        if (r == 0 && !(o->flags & NXC_OPT_HIDDEN))
                r = format_option(o, out);
        if (r == 0)
                r = nxc_buf_puts(out, "  -h, --help");
        return r < 0 ? r : fill(out, strlen("  -h, --help"), HELP_INDENT, "show this help");
}

static int format_usage(const struct nxc_command *c, struct nxc_buf *out)
{
        const char *line = c->synopsis;
        int r = 0;

        for (bool first = true; r == 0; first = false) {
                size_t n = strcspn(line, "\n");

                r = nxc_buf_printf(out, "%s nexcage %s%s%.*s\n", first ? "Usage:" : "      ", c->name,
                        n ? " " : "", (int)n, line);
                line += n;
                if (!*line++)
                        break;
        }
        return r;
}

int nxc_help_format_command(const struct nxc_command *c, struct nxc_buf *out)
{
        int r = format_usage(c, out);

        if (r == 0)
                r = nxc_buf_printf(out, "\n%c%s.\n\nOptions:\n", c->summary[0] & ~0x20, c->summary + 1);
        if (r == 0)
                r = format_options(c->options, out);
        if (r == 0)
                r = nxc_buf_printf(out,
                        "\nThe options of `nexcage --help` go before the command. More: man nexcage-%s\n",
                        c->name);
        return r;
}

static int format_group(enum nxc_command_group group, struct nxc_buf *out)
{
        int r = nxc_buf_printf(out, "\n%s:\n", nxc_command_group_title(group));

        for (size_t i = 0; nxc_commands[i] && r == 0; i++) {
                const struct nxc_command *c = nxc_commands[i];

                if (c->group != group || c->flags & NXC_CMD_HIDDEN)
                        continue;
                r = nxc_buf_printf(out, "  %s", c->name);
                if (r == 0)
                        r = fill(out, 2 + strlen(c->name), COMMAND_INDENT, c->summary);
        }
        return r;
}

int nxc_help_format_overview(struct nxc_buf *out)
{
        int r = nxc_buf_puts(out, "Usage: nexcage [OPTION...] COMMAND [ARGUMENT...]\n\n"
                                  "From an OCI bundle or an image to a running container.\n");

        for (int g = 0; g < _NXC_GROUP_MAX && r == 0; g++)
                r = format_group((enum nxc_command_group)g, out);
        if (r == 0)
                r = nxc_buf_puts(out, "\nOptions:\n");
        if (r == 0)
                r = format_options(nxc_global_options, out);
        if (r == 0)
                r = nxc_buf_puts(out, "\n`nexcage COMMAND --help` explains a command. More: man nexcage\n");
        return r;
}

static int print_text(int r, const struct nxc_buf *text, struct nxc_error *err)
{
        if (r < 0)
                return nxc_oom(err);
        fputs(text->data, stdout);
        return 0;
}

int nxc_help_command(const struct nxc_command *c, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf text = { 0 };

        return print_text(nxc_help_format_command(c, &text), &text, err);
}

int nxc_help_overview(struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf text = { 0 };

        return print_text(nxc_help_format_overview(&text), &text, err);
}

static int run_help(struct nxc_call *call, struct nxc_error *err)
{
        const struct nxc_command *c;

        if (call->n_args == 0)
                return nxc_help_overview(err);
        c = nxc_command_find(call->args[0]);
        if (!c)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "unknown command '%s'", call->args[0]);
        return nxc_help_command(c, err);
}

const struct nxc_command nxc_command_help = {
        .name = "help",
        .synopsis = "[COMMAND]",
        .summary = "explain nexcage or one of its commands",
        .group = NXC_GROUP_HOST,
        .args = NXC_ARGS_COMMANDS,
        .max_args = 1,
        .run = run_help,
};
