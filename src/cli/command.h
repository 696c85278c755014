/* Commands: a row each in the table of commands.c; parsing, help, man page and completion come from it.
 *
 * Checklist for a new one: a struct for its options, their table and the function in a cmd-*.c; the command
 * itself as a `const struct nxc_command` there; its row in commands.c; man/nexcage-NAME.scd.in with
 * description, examples and exit status; its JSON, if it prints any, in docs/json.md; tests/cli for every
 * way in which it refuses. */
#pragma once

#include "cli/options.h"
#include "core/error.h"
#include "lifecycle/lifecycle.h"

#include <stdbool.h>
#include <stddef.h>

enum nxc_command_group { NXC_GROUP_OCI, NXC_GROUP_IMAGE, NXC_GROUP_HOST, _NXC_GROUP_MAX };

enum nxc_command_flags {
        NXC_CMD_STOP_AT_ARG = 1 << 0, /* what follows the first argument is not ours to parse */
        NXC_CMD_HIDDEN = 1 << 1,
};

/* What its arguments are, for completion. */
enum nxc_command_args {
        NXC_ARGS_OTHER,
        NXC_ARGS_NONE,
        NXC_ARGS_CONTAINERS,
        NXC_ARGS_IMAGES,
        NXC_ARGS_FILES,
        NXC_ARGS_COMMANDS
};

enum nxc_progress_mode {
        NXC_PROGRESS_AUTO,
        NXC_PROGRESS_TTY,
        NXC_PROGRESS_PLAIN,
        NXC_PROGRESS_JSON,
        NXC_PROGRESS_QUIET
};

/* The options before the verb. */
struct nxc_globals {
        struct nxc_host_opts host;
        const char *log;
        int log_format; /* enum nxc_log_format */
        int progress;   /* enum nxc_progress_mode */
        bool version;
};
extern const struct nxc_option nxc_global_options[];

struct nxc_command;

/* One use of a command. */
struct nxc_call {
        const struct nxc_command *command;
        const struct nxc_globals *globals;
        struct nxc_parse parse;
        void *opts;  /* the command's own struct */
        char **args; /* parse.args */
        size_t n_args;
        struct nxc_host *host; /* opened by nxc_call_host */
        int exit_code;         /* when there is no error */
        bool json_errors;      /* --format=json was given */
};

struct nxc_command {
        const char *name;
        const char *synopsis; /* what follows "nexcage NAME"; lines for several forms */
        const char *summary;  /* one line, for lists and the man page's NAME */
        const struct nxc_option *options;
        const void *defaults; /* of opts_size bytes; NULL: zero */
        size_t opts_size;
        size_t min_args, max_args;
        enum nxc_command_group group;
        enum nxc_command_args args;
        unsigned flags;
        int (*run)(struct nxc_call *call, struct nxc_error *err);
        /* The exit status of an error; NULL: 1. Called also when parsing failed half way. */
        int (*error_exit)(const struct nxc_call *call, const struct nxc_error *err);
};
#define NXC_MANY_ARGS SIZE_MAX

extern const struct nxc_command
        *const nxc_commands[]; /* NULL terminated, in the order in which help lists them */
const struct nxc_command *nxc_command_find(const char *name); /* or NULL */
const char *nxc_command_group_title(enum nxc_command_group group);

/* Opens the host when first asked for; borrowed. */
int nxc_call_host(struct nxc_call *call, struct nxc_host **ret, struct nxc_error *err);

/* The exit status for people's `run` and `exec`: 127 the program was not found, 126 it cannot be invoked,
 * else 125. */
int nxc_exit_status_of(const struct nxc_error *err);

/* Everything of the program but the two lines of main(). */
int nxc_cli_main(int argc, char **argv);

#define NXC_FORMAT_JSON 1               /* of formats below */
extern const char *const nxc_formats[]; /* "table", "json" */
