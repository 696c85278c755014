/* Option tables: one table per command is what parses its command line, and what --help, the man page's
 * OPTIONS, shell completion and `nexcage introspect` are made from. Values go into the command's own struct,
 * by offset.
 *
 * Accepted spellings: --x V, --x=V, -x V, -xV, -x=V, -abc for flags, and -x... for a whole long name, which
 * is how the programs written in Go that call a runtime spell some of theirs. "--" ends the options. */
#pragma once

#include "core/error.h"
#include "core/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nxc_option_type {
        NXC_OPT_END,      /* the last row */
        NXC_OPT_FLAG,     /* bool: --x, and --x=true|false as podman and runc take it */
        NXC_OPT_STRING,   /* const char *, borrowed from argv */
        NXC_OPT_LIST,     /* struct nxc_strv, one item per use */
        NXC_OPT_INT,      /* int64_t */
        NXC_OPT_UINT,     /* uint64_t */
        NXC_OPT_SIZE,     /* uint64_t bytes: 64m, 1.5g */
        NXC_OPT_DURATION, /* uint64_t ms: 10s, 250ms, 5 (seconds) */
        NXC_OPT_DOUBLE,   /* double, not negative */
        NXC_OPT_CHOICE,   /* int: index into choices */
        NXC_OPT_WORD,     /* const char *: one of choices */
        NXC_OPT_TRISTATE, /* int: 1, 0; -1 is what the struct starts with */
        NXC_OPT_REFUSED,  /* known elsewhere, refused by name: NotImplemented, and help says why */
        _NXC_OPT_TYPES,
};

enum nxc_option_flags {
        NXC_OPT_HIDDEN = 1 << 0,    /* accepted, shown nowhere */
        NXC_OPT_BARE = 1 << 1,      /* CHOICE, WORD: --x alone means choices[1]; a value only as --x=V */
        NXC_OPT_UNLIMITED = 1 << 2, /* INT, SIZE: "-1" is taken; a SIZE becomes UINT64_MAX */
        NXC_OPT_COMMAS = 1 << 3,    /* LIST: "a,b" are two items */
        NXC_OPT_IMAGE = 1 << 4, /* composes a bundle from an image; says nothing to a bundle that is there */
        NXC_OPT_NO_VALUE = 1 << 5, /* REFUSED: it is a flag where it exists */
        NXC_OPT_MISUSE = 1 << 6,   /* REFUSED: a thing not to do (Usage), not one that is missing */
};

struct nxc_option {
        const char *name;
        char letter;       /* or 0 */
        const char *alias; /* a second long name, or NULL */
        enum nxc_option_type type;
        unsigned flags;
        size_t offset;
        uint64_t max;               /* INT, UINT: the largest value; 0: what the type holds */
        const char *metavar;        /* of what takes a value and has no choices */
        const char *const *choices; /* NULL terminated */
        const char *help;           /* what it does; for REFUSED, why not and what to do instead */
};

/* What a field has to be for a type: a row whose field is something else does not compile. */
typedef bool nxc_value_FLAG;
typedef const char *nxc_value_STRING;
typedef struct nxc_strv nxc_value_LIST;
typedef int64_t nxc_value_INT;
typedef uint64_t nxc_value_UINT;
typedef uint64_t nxc_value_SIZE;
typedef uint64_t nxc_value_DURATION;
typedef double nxc_value_DOUBLE;
typedef int nxc_value_CHOICE;
typedef const char *nxc_value_WORD;
typedef int nxc_value_TRISTATE;

/* .type and .offset of a row: NXC_OPT(LIST, struct run_opts, create.compose.env) */
#define NXC_OPT(kind, T, field)                                                                             \
        .type = NXC_OPT_##kind,                                                                             \
        .offset =                                                                                           \
                offsetof(T, field) +                                                                        \
                0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((T *)0)->field), nxc_value_##kind) \
                                        ? 1                                                                 \
                                        : -1])

#define NXC_OPT_FOREACH(o, table) \
        for (const struct nxc_option *o = (table); o && o->type != NXC_OPT_END; o++)

#define NXC_OPTIONS_MAX 128 /* rows of a table */

struct nxc_parse {
        const struct nxc_option *options;
        void *values; /* the struct that options describe; starts with the defaults */
        const struct nxc_option
                *shared; /* options that hold for every command, here by their long names; or NULL */
        void *shared_values;
        const char *command; /* for messages, or NULL */
        bool stop_at_arg;    /* the first argument ends the options */
        /* The result. */
        char **args; /* malloc'ed, NULL terminated; the strings are argv's */
        size_t n_args;
        uint64_t given[NXC_OPTIONS_MAX / 64]; /* by row of options */
        bool help;                            /* --help or -h was met; the rest was not looked at */
};

/* Parses argv[0..argc-1], which begins after the command's name. Usage names what is wrong, with the nearest
 * match as hint; the values set so far stay set. */
int nxc_options_parse(struct nxc_parse *p, int argc, char **argv, struct nxc_error *err);
void nxc_parse_done(struct nxc_parse *p);
/* Frees what parsing put into the lists of a struct. */
void nxc_options_done(const struct nxc_option *options, void *values);

/* A row by its long name or alias; NULL when there is none. */
const struct nxc_option *nxc_option_find(const struct nxc_option *options, const char *name);
bool nxc_option_is_given(const struct nxc_parse *p, const char *name);
bool nxc_option_takes_value(const struct nxc_option *o);
/* The size of the value at its offset. */
size_t nxc_option_value_size(const struct nxc_option *o);

/* How far two words are apart (insertions, deletions, replacements, swaps of neighbours), for hints. */
size_t nxc_word_distance(const char *a, const char *b);
/* Whether a word is near enough to be what was meant; *best is the distance to beat. */
bool nxc_word_is_nearer(const char *typed, const char *known, size_t *best);
