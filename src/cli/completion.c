/* `nexcage completion SHELL`: a script in which the tables are written out, so that completing a word starts
 * no process but for names of containers and images. */
#include "cli/commands.h"

#include <ctype.h>
#include <string.h>

static const struct nxc_command *next_shown(size_t *at)
{
        while (nxc_commands[*at] && nxc_commands[*at]->flags & NXC_CMD_HIDDEN)
                ++*at;
        return nxc_commands[*at] ? nxc_commands[(*at)++] : NULL;
}

/* Inside single quotes of any of the shells. */
static void print_quoted(const char *s)
{
        for (; *s; s++) {
                if (*s == '\'')
                        fputs("’", stdout);
                else
                        putchar(*s);
        }
}

static bool is_shown(const struct nxc_option *o)
{
        return !(o->flags & NXC_OPT_HIDDEN) && o->type != NXC_OPT_REFUSED;
}

/* What follows when a word is wanted: names that nexcage knows, or files. */
static const char *args_source(enum nxc_command_args args)
{
        if (args == NXC_ARGS_CONTAINERS)
                return "nexcage list -q 2>/dev/null";
        if (args == NXC_ARGS_IMAGES)
                return "nexcage images --names 2>/dev/null";
        return NULL;
}

static bool takes_file(const struct nxc_option *o)
{
        return o->metavar &&
               (strstr(o->metavar, "FILE") || strstr(o->metavar, "DIR") || strstr(o->metavar, "SOCKET"));
}

static void bash_words(const struct nxc_option *options)
{
        NXC_OPT_FOREACH(o, options)
        {
                if (!is_shown(o))
                        continue;
                printf(" --%s", o->name);
                if (o->alias)
                        printf(" --%s", o->alias);
                if (o->letter)
                        printf(" -%c", o->letter);
        }
        fputs(" --help", stdout);
}

static void bash_values(const char *command, const struct nxc_option *options)
{
        NXC_OPT_FOREACH(o, options)
        {
                if (!is_shown(o) || !nxc_option_takes_value(o))
                        continue;
                printf("    %s:--%s", command, o->name);
                if (o->alias)
                        printf("|%s:--%s", command, o->alias);
                if (o->letter)
                        printf("|%s:-%c", command, o->letter);
                fputs(") ", stdout);
                if (o->choices) {
                        fputs("words='", stdout);
                        for (size_t i = 0; o->choices[i]; i++)
                                printf("%s%s", i ? " " : "", o->choices[i]);
                        puts("' ;;");
                } else {
                        puts(takes_file(o) ? "files=1 ;;" : "return ;;");
                }
        }
}

static void print_bash(void)
{
        const struct nxc_command *c;

        puts("# bash completion of nexcage; made by `nexcage completion bash`\n"
             "_nexcage() {\n"
             "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd= i words= files=\n"
             "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
             "    case ${COMP_WORDS[i]} in");
        fputs("    -*|=) ;;\n    ", stdout);
        for (size_t i = 0; (c = next_shown(&i));)
                printf("%s%s", i > 1 ? "|" : "", c->name);
        puts(") cmd=${COMP_WORDS[i]}; break ;;\n    esac\n  done\n"
             "  if [[ $cur == '=' ]]; then cur=; elif [[ $prev == '=' ]]; then "
             "prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
             "  case $cmd:$prev in");
        bash_values("", nxc_global_options);
        for (size_t i = 0; (c = next_shown(&i));)
                bash_values(c->name, c->options);
        puts("  esac\n"
             "  if [[ -n $files ]]; then COMPREPLY=($(compgen -f -- \"$cur\")); return; fi\n"
             "  if [[ -n $words ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return; fi\n"
             "  case $cmd in");
        fputs("    '') words='", stdout);
        for (size_t i = 0; (c = next_shown(&i));)
                printf("%s ", c->name);
        bash_words(nxc_global_options);
        puts("' ;;");
        for (size_t i = 0; (c = next_shown(&i));) {
                const char *source = args_source(c->args);

                printf("    %s) words='", c->name);
                bash_words(c->options);
                putchar('\'');
                if (source)
                        printf("; [[ $cur == -* ]] || words=$(%s)", source);
                else if (c->args == NXC_ARGS_FILES)
                        fputs("; [[ $cur == -* ]] || { COMPREPLY=($(compgen -f -- \"$cur\")); return; }",
                                stdout);
                puts(" ;;");
        }
        puts("  esac\n"
             "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
             "}\n"
             "complete -F _nexcage nexcage");
}

/* An optspec of _arguments; brackets and colons of the text must not end it. */
static void zsh_spec(const struct nxc_option *o, const char *name)
{
        bool repeats = o->type == NXC_OPT_LIST;

        printf("    '%s%s%s[", repeats ? "*" : "", name,
                nxc_option_takes_value(o) && name[1] == '-' ? "="
                : nxc_option_takes_value(o)                 ? "+"
                                                            : "");
        for (const char *s = o->help; *s; s++) {
                if (*s == '[' || *s == ']' || *s == ':')
                        putchar('\\');
                print_quoted((const char[]){ *s, '\0' });
        }
        putchar(']');
        if (nxc_option_takes_value(o)) {
                fputs(":value:", stdout);
                if (o->choices) {
                        putchar('(');
                        for (size_t i = 0; o->choices[i]; i++)
                                printf("%s%s", i ? " " : "", o->choices[i]);
                        putchar(')');
                } else if (takes_file(o)) {
                        fputs("_files", stdout);
                }
        }
        puts("' \\");
}

static void zsh_specs(const struct nxc_option *options)
{
        NXC_OPT_FOREACH(o, options)
        {
                char name[64];

                if (!is_shown(o))
                        continue;
                snprintf(name, sizeof(name), "--%s", o->name);
                zsh_spec(o, name);
                if (o->alias) {
                        snprintf(name, sizeof(name), "--%s", o->alias);
                        zsh_spec(o, name);
                }
                if (o->letter) {
                        snprintf(name, sizeof(name), "-%c", o->letter);
                        zsh_spec(o, name);
                }
        }
        puts("    '(- *)'{-h,--help}'[show this help]' \\");
}

static void zsh_command(const struct nxc_command *c)
{
        const char *source = args_source(c->args);

        printf("  %s) _arguments -s -S \\\n", c->name);
        zsh_specs(c->options);
        if (source)
                printf("    '*:name:{compadd -- ${(f)\"$(%s)\"}}'", source);
        else if (c->args == NXC_ARGS_NONE)
                fputs("    && return", stdout);
        else
                fputs("    '*:file:_files'", stdout);
        puts(" ;;");
}

static void print_zsh(void)
{
        const struct nxc_command *c;

        puts("#compdef nexcage\n"
             "# zsh completion of nexcage; made by `nexcage completion zsh`\n"
             "_nexcage() {\n"
             "  local curcontext=$curcontext state line\n"
             "  _arguments -C -S \\");
        zsh_specs(nxc_global_options);
        puts("    '1:command:->command' '*::argument:->argument' && return\n"
             "  if [[ $state == command ]]; then\n"
             "    local -a commands=(");
        for (size_t i = 0; (c = next_shown(&i));) {
                printf("      '%s:", c->name);
                print_quoted(c->summary);
                puts("'");
        }
        puts("    )\n"
             "    _describe command commands\n"
             "    return\n"
             "  fi\n"
             "  case $line[1] in");
        for (size_t i = 0; (c = next_shown(&i));)
                zsh_command(c);
        puts("  esac\n"
             "}\n"
             "compdef _nexcage nexcage");
}

static void fish_options(const char *condition, const struct nxc_option *options)
{
        NXC_OPT_FOREACH(o, options)
        {
                if (!is_shown(o))
                        continue;
                printf("complete -c nexcage -n '%s' -l %s", condition, o->name);
                if (o->letter)
                        printf(" -s %c", o->letter);
                if (o->choices) {
                        fputs(o->flags & NXC_OPT_BARE ? " -f -a '" : " -x -a '", stdout);
                        for (size_t i = 0; o->choices[i]; i++)
                                printf("%s%s", i ? " " : "", o->choices[i]);
                        putchar('\'');
                } else if (nxc_option_takes_value(o)) {
                        fputs(takes_file(o) ? " -r -F" : " -x", stdout);
                }
                fputs(" -d '", stdout);
                print_quoted(o->help);
                puts("'");
                if (o->alias)
                        printf("complete -c nexcage -n '%s' -l %s%s\n", condition, o->alias,
                                nxc_option_takes_value(o) ? " -r" : "");
        }
        printf("complete -c nexcage -n '%s' -l help -s h -d 'show this help'\n", condition);
}

static void print_fish(void)
{
        const struct nxc_command *c;

        puts("# fish completion of nexcage; made by `nexcage completion fish`\n"
             "complete -c nexcage -f");
        fish_options("__fish_use_subcommand", nxc_global_options);
        for (size_t i = 0; (c = next_shown(&i));) {
                const char *source = args_source(c->args);
                char condition[128];

                printf("complete -c nexcage -n __fish_use_subcommand -a %s -d '", c->name);
                print_quoted(c->summary);
                puts("'");
                snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %s", c->name);
                fish_options(condition, c->options);
                if (source)
                        printf("complete -c nexcage -n '%s' -a '(%s)'\n", condition, source);
                else if (c->args == NXC_ARGS_FILES)
                        printf("complete -c nexcage -n '%s' -F\n", condition);
        }
}

static const struct {
        const char *name;
        void (*print)(void);
} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

static int run_completion(struct nxc_call *call, struct nxc_error *err)
{
        int r;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(shells); i++)
                if (nxc_streq(call->args[0], shells[i].name)) {
                        shells[i].print();
                        return 0;
                }
        r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "completion: unknown shell '%s'", call->args[0]);
        nxc_error_hint(err, "known are bash, zsh and fish");
        return r;
}

const struct nxc_command nxc_command_completion = {
        .name = "completion",
        .synopsis = "bash|zsh|fish",
        .summary = "print a shell's completion script",
        .group = NXC_GROUP_HOST,
        .args = NXC_ARGS_OTHER,
        .min_args = 1,
        .max_args = 1,
        .run = run_completion,
};
