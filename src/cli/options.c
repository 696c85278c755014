/* See options.h. */
#include "cli/options.h"

#include <string.h>

#define WORD_MAX 48 /* longer words are not near anything */

static const size_t value_sizes[] = {
        [NXC_OPT_FLAG] = sizeof(nxc_value_FLAG),
        [NXC_OPT_STRING] = sizeof(nxc_value_STRING),
        [NXC_OPT_LIST] = sizeof(nxc_value_LIST),
        [NXC_OPT_INT] = sizeof(nxc_value_INT),
        [NXC_OPT_UINT] = sizeof(nxc_value_UINT),
        [NXC_OPT_SIZE] = sizeof(nxc_value_SIZE),
        [NXC_OPT_DURATION] = sizeof(nxc_value_DURATION),
        [NXC_OPT_DOUBLE] = sizeof(nxc_value_DOUBLE),
        [NXC_OPT_CHOICE] = sizeof(nxc_value_CHOICE),
        [NXC_OPT_WORD] = sizeof(nxc_value_WORD),
        [NXC_OPT_TRISTATE] = sizeof(nxc_value_TRISTATE),
        [NXC_OPT_REFUSED] = 0,
};
_Static_assert(NXC_ARRAY_SIZE(value_sizes) == _NXC_OPT_TYPES, "every type has a size");

size_t nxc_option_value_size(const struct nxc_option *o)
{
        return value_sizes[o->type];
}

bool nxc_option_takes_value(const struct nxc_option *o)
{
        if (o->type == NXC_OPT_REFUSED)
                return !(o->flags & NXC_OPT_NO_VALUE);
        return o->type != NXC_OPT_FLAG && o->type != NXC_OPT_TRISTATE && !(o->flags & NXC_OPT_BARE);
}

size_t nxc_word_distance(const char *a, const char *b)
{
        size_t rows[3][WORD_MAX + 1], *before = rows[0], *prev = rows[1], *cur = rows[2];
        size_t na = strlen(a), nb = strlen(b);

        if (na > WORD_MAX || nb > WORD_MAX)
                return WORD_MAX;
        for (size_t j = 0; j <= nb; j++)
                prev[j] = before[j] = j;
        for (size_t i = 1; i <= na; i++) {
                size_t *unused = before;

                cur[0] = i;
                for (size_t j = 1; j <= nb; j++) {
                        size_t d = prev[j - 1] + (a[i - 1] != b[j - 1]);

                        d = d < prev[j] + 1 ? d : prev[j] + 1;
                        d = d < cur[j - 1] + 1 ? d : cur[j - 1] + 1;
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                                before[j - 2] + 1 < d)
                                d = before[j - 2] + 1;
                        cur[j] = d;
                }
                before = prev;
                prev = cur;
                cur = unused;
        }
        return prev[nb];
}

bool nxc_word_is_nearer(const char *typed, const char *known, size_t *best)
{
        size_t d = nxc_word_distance(typed, known);

        if (d >= *best || d > 1 + strlen(typed) / 4)
                return false;
        *best = d;
        return true;
}

static bool names_equal(const char *name, const char *text, size_t len)
{
        return name && strlen(name) == len && memcmp(name, text, len) == 0;
}

static const struct nxc_option *find_long(const struct nxc_option *options, const char *text, size_t len)
{
        NXC_OPT_FOREACH(o, options)
        if (names_equal(o->name, text, len) || names_equal(o->alias, text, len))
                return o;
        return NULL;
}

static const struct nxc_option *find_letter(const struct nxc_option *options, char letter)
{
        NXC_OPT_FOREACH(o, options)
        if (o->letter == letter)
                return o;
        return NULL;
}

const struct nxc_option *nxc_option_find(const struct nxc_option *options, const char *name)
{
        return find_long(options, name, strlen(name));
}

bool nxc_option_is_given(const struct nxc_parse *p, const char *name)
{
        const struct nxc_option *o = nxc_option_find(p->options, name);
        size_t row = o ? (size_t)(o - p->options) : NXC_OPTIONS_MAX;

        return row < NXC_OPTIONS_MAX && p->given[row / 64] & 1ull << row % 64;
}

/* Usage errors say for which command, so that a line in an engine's log is enough to find the call. */
static int fail_option(const struct nxc_parse *p, struct nxc_error *err, const char *what, const char *fmt,
        const char *detail)
{
        return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s%s%s option %s%s%s", p->command ? p->command : "",
                p->command ? ": " : "", what, fmt, detail ? ": " : "", detail ? detail : "");
}

static int fail_unknown(
        const struct nxc_parse *p, const char *shown, const char *word, struct nxc_error *err)
{
        const char *nearest = NULL;
        size_t best = WORD_MAX;
        int r = fail_option(p, err, "unknown", shown, NULL);

        NXC_OPT_FOREACH(o, p->options)
        {
                if (!(o->flags & NXC_OPT_HIDDEN) && nxc_word_is_nearer(word, o->name, &best))
                        nearest = o->name;
        }
        NXC_OPT_FOREACH(o, p->shared)
        if (nxc_word_is_nearer(word, o->name, &best))
                nearest = o->name;
        if (nearest)
                nxc_error_hint(err, "did you mean --%s?", nearest);
        else
                nxc_error_hint(
                        err, "see nexcage %s%s--help", p->command ? p->command : "", p->command ? " " : "");
        return r;
}

static int find_choice(const struct nxc_option *o, const char *value)
{
        for (int i = 0; o->choices[i]; i++)
                if (nxc_streq(o->choices[i], value))
                        return i;
        return -1;
}

static int parse_bool(const char *value, bool *ret)
{
        if (nxc_streq(value, "true") || nxc_streq(value, "1"))
                *ret = true;
        else if (nxc_streq(value, "false") || nxc_streq(value, "0"))
                *ret = false;
        else
                return -EINVAL;
        return 0;
}

static int add_items(struct nxc_strv *list, const char *value, bool commas)
{
        if (!commas)
                return nxc_strv_add(list, value);
        while (*value) {
                size_t n = strcspn(value, ",");
                int r = n ? nxc_strv_addf(list, "%.*s", (int)n, value) : 0;

                if (r < 0)
                        return r;
                value += n;
                value += *value == ',';
        }
        return 0;
}

static int parse_double(const char *value, double *ret)
{
        char *end;

        if (strspn(value, "0123456789.") != strlen(value) || !*value || strlen(value) > 32)
                return -EINVAL;
        *ret = strtod(value, &end);
        return *end ? -EINVAL : 0;
}

/* Puts a value into its place; -EINVAL or -ERANGE when the text is not one. */
static int store(const struct nxc_option *o, void *at, const char *value)
{
        uint64_t u;
        int64_t i;
        bool b;
        int r;

        switch (o->type) {
        case NXC_OPT_FLAG:
                return parse_bool(value, at);
        case NXC_OPT_TRISTATE:
                r = parse_bool(value, &b);
                if (r == 0)
                        *(int *)at = b;
                return r;
        case NXC_OPT_STRING:
                *(const char **)at = value;
                return 0;
        case NXC_OPT_LIST:
                return add_items(at, value, o->flags & NXC_OPT_COMMAS);
        case NXC_OPT_INT:
                r = nxc_parse_i64(value, &i);
                if (r == 0 && i < 0 && !(o->flags & NXC_OPT_UNLIMITED && i == -1))
                        return -ERANGE;
                if (r == 0 && o->max && i > (int64_t)o->max)
                        return -ERANGE;
                if (r == 0)
                        *(int64_t *)at = i;
                return r;
        case NXC_OPT_UINT:
                r = nxc_parse_u64(value, &u);
                if (r == 0 && o->max && u > o->max)
                        return -ERANGE;
                if (r == 0)
                        *(uint64_t *)at = u;
                return r;
        case NXC_OPT_SIZE:
                if (o->flags & NXC_OPT_UNLIMITED && nxc_streq(value, "-1")) {
                        *(uint64_t *)at = UINT64_MAX;
                        return 0;
                }
                return nxc_parse_size(value, at);
        case NXC_OPT_DURATION:
                return nxc_parse_duration(value, at);
        case NXC_OPT_DOUBLE:
                return parse_double(value, at);
        case NXC_OPT_CHOICE:
                r = find_choice(o, value);
                if (r < 0)
                        return -EINVAL;
                *(int *)at = r;
                return 0;
        case NXC_OPT_WORD:
                r = find_choice(o, value);
                if (r < 0)
                        return -EINVAL;
                *(const char **)at = o->choices[r];
                return 0;
        case NXC_OPT_END:
        case NXC_OPT_REFUSED:
        case _NXC_OPT_TYPES:
        default:
                return -EINVAL;
        }
}

/* What would have been right, as a hint. */
static void hint_value(const struct nxc_option *o, struct nxc_error *err)
{
        static const char *const wanted[_NXC_OPT_TYPES] = {
                [NXC_OPT_FLAG] = "true or false",
                [NXC_OPT_TRISTATE] = "true or false",
                [NXC_OPT_INT] = "a whole number",
                [NXC_OPT_UINT] = "a whole number",
                [NXC_OPT_SIZE] = "a size such as 512m or 1.5g",
                [NXC_OPT_DURATION] = "a time such as 10s, 250ms or 1h",
                [NXC_OPT_DOUBLE] = "a number such as 0.5",
        };
        _cleanup_buf_ struct nxc_buf text = { 0 };

        if (wanted[o->type]) {
                nxc_error_hint(err, "it takes %s", wanted[o->type]);
                return;
        }
        for (size_t i = 0; o->choices && o->choices[i]; i++)
                if (nxc_buf_printf(&text, "%s%s", i ? ", " : "", o->choices[i]) < 0)
                        return;
        if (text.data)
                nxc_error_hint(err, "it takes one of: %s", text.data);
}

static int fail_value(const struct nxc_parse *p, const struct nxc_option *o, const char *shown,
        const char *value, int r, struct nxc_error *err)
{
        _cleanup_free_ char *detail = NULL;

        if (r == -ENOMEM)
                return nxc_oom(err);
        detail = nxc_strf("%s '%s'", r == -ERANGE ? "out of range" : "not understood", value);
        r = fail_option(p, err, "value of", shown, detail);
        hint_value(o, err);
        return r;
}

static int refuse(
        const struct nxc_parse *p, const struct nxc_option *o, const char *shown, struct nxc_error *err)
{
        bool misuse = o->flags & NXC_OPT_MISUSE;
        int r = nxc_fail_kind(err, misuse ? NXC_ERR_USAGE : NXC_ERR_NOT_IMPLEMENTED, 0,
                "%s%soption %s is %s", p->command ? p->command : "", p->command ? ": " : "", shown,
                misuse ? "refused" : "not implemented");

        nxc_error_hint(err, "%s", o->help);
        return r;
}

/* value NULL: none was given with it. */
static int apply(struct nxc_parse *p, const struct nxc_option *o, bool shared, const char *shown,
        const char *value, struct nxc_error *err)
{
        char *at = (char *)(shared ? p->shared_values : p->values) + o->offset;
        int r;

        if (o->type == NXC_OPT_REFUSED)
                return refuse(p, o, shown, err);
        if (!value)
                value = o->flags & NXC_OPT_BARE ? o->choices[1] : "true";
        r = store(o, at, value);
        if (r < 0)
                return fail_value(p, o, shown, value, r, err);
        if (!shared) {
                size_t row = (size_t)(o - p->options);

                if (row < NXC_OPTIONS_MAX)
                        p->given[row / 64] |= 1ull << row % 64;
        }
        return 0;
}

struct cursor {
        int argc, at;
        char **argv;
};

static int apply_next(struct nxc_parse *p, struct cursor *c, const struct nxc_option *o, bool shared,
        const char *shown, struct nxc_error *err)
{
        if (!nxc_option_takes_value(o))
                return apply(p, o, shared, shown, NULL, err);
        if (o->type == NXC_OPT_REFUSED)
                return refuse(p, o, shown, err);
        if (c->at >= c->argc)
                return fail_option(p, err, "value missing after", shown, NULL);
        return apply(p, o, shared, shown, c->argv[c->at++], err);
}

/* word: what follows the dashes. False: it is no long option, and with one dash may be letters. */
static int parse_long(struct nxc_parse *p, struct cursor *c, const char *arg, const char *word,
        bool *ret_known, struct nxc_error *err)
{
        size_t n = strcspn(word, "=");
        const struct nxc_option *o = find_long(p->options, word, n);
        bool shared = false;
        _cleanup_free_ char *shown = NULL;

        if (!o) {
                o = find_long(p->shared, word, n);
                shared = o != NULL;
        }
        *ret_known = o || names_equal("help", word, n);
        if (!*ret_known)
                return 0;
        if (!o) {
                p->help = true;
                return 0;
        }
        shown = nxc_strf("%.*s", (int)(n + (size_t)(word - arg)), arg);
        if (!shown)
                return nxc_oom(err);
        return word[n] ? apply(p, o, shared, shown, word + n + 1, err)
                       : apply_next(p, c, o, shared, shown, err);
}

static int parse_letters(struct nxc_parse *p, struct cursor *c, const char *letters, struct nxc_error *err)
{
        for (; *letters; letters++) {
                const struct nxc_option *o = find_letter(p->options, *letters);
                const char shown[] = { '-', *letters, '\0' };
                int r;

                if (!o && *letters == 'h') {
                        p->help = true;
                        return 0;
                }
                if (!o)
                        return fail_unknown(p, shown, letters, err);
                if (letters[1] == '=')
                        return apply(p, o, false, shown, letters + 2, err);
                if (nxc_option_takes_value(o) && letters[1])
                        return apply(p, o, false, shown, letters + 1, err);
                r = apply_next(p, c, o, false, shown, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_option(struct nxc_parse *p, struct cursor *c, const char *arg, struct nxc_error *err)
{
        bool two = arg[1] == '-', known = false;
        int r = 0;

        if (two || arg[2]) {
                r = parse_long(p, c, arg, arg + 1 + two, &known, err);
                if (r < 0 || known)
                        return r;
        }
        if (two) {
                _cleanup_free_ char *shown = strndup(arg, strcspn(arg, "="));

                return shown ? fail_unknown(p, shown, shown + 2, err) : nxc_oom(err);
        }
        return parse_letters(p, c, arg + 1, err);
}

int nxc_options_parse(struct nxc_parse *p, int argc, char **argv, struct nxc_error *err)
{
        struct cursor c = { .argc = argc, .argv = argv };
        bool options_end = false;
        int r;

        p->args = calloc((size_t)argc + 1, sizeof(*p->args));
        if (!p->args)
                return nxc_oom(err);
        while (c.at < argc && !p->help) {
                char *arg = argv[c.at++];

                if (options_end || arg[0] != '-' || !arg[1]) {
                        p->args[p->n_args++] = arg;
                        options_end |= p->stop_at_arg;
                } else if (nxc_streq(arg, "--")) {
                        options_end = true;
                } else {
                        r = parse_option(p, &c, arg, err);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

void nxc_parse_done(struct nxc_parse *p)
{
        nxc_freep(&p->args);
        p->n_args = 0;
}

void nxc_options_done(const struct nxc_option *options, void *values)
{
        NXC_OPT_FOREACH(o, options)
        if (o->type == NXC_OPT_LIST)
                nxc_strv_done((struct nxc_strv *)((char *)values + o->offset));
}
