/* `nexcage manpage COMMAND FILE` (hidden, for the build): a man page in scdoc's format. NAME, SYNOPSIS and
 * OPTIONS come from the tables; FILE has the rest, with a line @OPTIONS@ where the options go, and in the
 * page of nexcage itself
 * @COMMANDS@. */
#include "cli/commands.h"
#include "cli/help.h"
#include "core/cleanup.h"
#include "core/fs.h"

#include <fcntl.h>
#include <string.h>

#define PAGE_MAX_BYTES (256 * 1024) /* a hand-written page is some kilobytes */

/* scdoc's markup characters lose their meaning. */
static void print_plain(const char *s)
{
        for (; *s; s++) {
                if (strchr("*_\\#[]|<>~", *s))
                        putchar('\\');
                putchar(*s);
        }
}

static int print_value(const struct nxc_option *o, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf value = { 0 };

        if (nxc_option_metavar(o, &value) < 0)
                return nxc_oom(err);
        if (o->type == NXC_OPT_TRISTATE && nxc_buf_puts(&value, "true|false") < 0)
                return nxc_oom(err);
        if (!value.len)
                return 0;
        fputs(o->flags & NXC_OPT_BARE || o->type == NXC_OPT_TRISTATE ? "\\[=" : " ", stdout);
        putchar('_');
        print_plain(value.data);
        putchar('_');
        if (o->flags & NXC_OPT_BARE || o->type == NXC_OPT_TRISTATE)
                fputs("\\]", stdout);
        return 0;
}

static int print_options(const struct nxc_option *options, struct nxc_error *err)
{
        puts("# OPTIONS\n");
        NXC_OPT_FOREACH(o, options)
        {
                if (o->flags & NXC_OPT_HIDDEN)
                        continue;
                if (o->letter)
                        printf("*-%c*, ", o->letter);
                printf("*--%s*", o->name);
                if (o->alias)
                        printf(", *--%s*", o->alias);
                if (print_value(o, err) < 0)
                        return nxc_oom(err);
                printf("\n\t%s", o->type == NXC_OPT_REFUSED ? "Not here: " : "");
                print_plain(o->help);
                puts(".\n");
        }
        puts("*-h*, *--help*\n\tshow a short help.\n");
        return 0;
}

static void print_commands(void)
{
        for (int g = 0; g < _NXC_GROUP_MAX; g++) {
                printf("## %s\n\n", nxc_command_group_title((enum nxc_command_group)g));
                for (size_t i = 0; nxc_commands[i]; i++) {
                        const struct nxc_command *c = nxc_commands[i];

                        if ((int)c->group != g || c->flags & NXC_CMD_HIDDEN)
                                continue;
                        printf("*nexcage-%s*(1)\n\t", c->name);
                        print_plain(c->summary);
                        puts(".\n");
                }
        }
}

static void print_head(const struct nxc_command *c)
{
        const char *line = c ? c->synopsis : "[OPTION...] COMMAND [ARGUMENT...]";

        printf("nexcage%s%s(1)\n\n# NAME\n\nnexcage%s%s - ", c ? "-" : "", c ? c->name : "", c ? "-" : "",
                c ? c->name : "");
        print_plain(c ? c->summary : "from an OCI bundle or an image to a running container");
        puts("\n\n# SYNOPSIS\n");
        for (;;) {
                size_t n = strcspn(line, "\n");
                _cleanup_free_ char *one = strndup(line, n);

                printf("*nexcage%s%s* ", c ? " " : "", c ? c->name : "");
                print_plain(one ? one : "");
                puts(line[n] ? "++" : "\n");
                if (!line[n])
                        return;
                line += n + 1;
        }
}

static int print_page(const struct nxc_command *c, char *text, struct nxc_error *err)
{
        print_head(c);
        for (char *line = text, *next; *line; line = next) {
                size_t n = strcspn(line, "\n");
                int r = 0;

                next = line + n + (line[n] == '\n');
                line[n] = '\0';
                if (nxc_streq(line, "@OPTIONS@"))
                        r = print_options(c ? c->options : nxc_global_options, err);
                else if (nxc_streq(line, "@COMMANDS@"))
                        print_commands();
                else
                        puts(line);
                if (r < 0)
                        return r;
        }
        if (c)
                puts("\n# SEE ALSO\n\n*nexcage*(1)");
        return 0;
}

static int run_manpage(struct nxc_call *call, struct nxc_error *err)
{
        const struct nxc_command *c = nxc_command_find(call->args[0]);
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r;

        if (!c && !nxc_streq(call->args[0], "nexcage"))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "unknown command '%s'", call->args[0]);
        r = nxc_read_file_at(AT_FDCWD, call->args[1], PAGE_MAX_BYTES, &text, &len, err);
        return r < 0 ? r : print_page(c, text, err);
}

const struct nxc_command nxc_command_manpage = {
        .name = "manpage",
        .synopsis = "COMMAND FILE",
        .summary = "print a man page in scdoc's format",
        .flags = NXC_CMD_HIDDEN,
        .group = NXC_GROUP_HOST,
        .args = NXC_ARGS_FILES,
        .min_args = 2,
        .max_args = 2,
        .run = run_manpage,
};
