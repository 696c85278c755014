/* The parser: every spelling, every type, and every way in which a command line can be wrong. */
#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct values {
        bool flag, other;
        const char *string, *word;
        struct nxc_strv list, commas;
        int64_t number, limit;
        uint64_t count, size, time;
        double real;
        int choice, bare, tri;
};

static const char *const choices[] = { "one", "two", NULL };
static const char *const bare[] = { "no", "text", "json", NULL };

static const struct nxc_option options[] = {
        { "flag", 'f', NXC_OPT(FLAG, struct values, flag), .help = "x" },
        { "other", 'o', NXC_OPT(FLAG, struct values, other), .help = "x" },
        { "string", 's', .alias = "text", NXC_OPT(STRING, struct values, string), .metavar = "S",
                .help = "x" },
        { "word", NXC_OPT(WORD, struct values, word), .choices = choices, .help = "x" },
        { "list", 'l', NXC_OPT(LIST, struct values, list), .metavar = "S", .help = "x" },
        { "commas", .flags = NXC_OPT_COMMAS, NXC_OPT(LIST, struct values, commas), .metavar = "S",
                .help = "x" },
        { "number", 'n', NXC_OPT(INT, struct values, number), .max = 10, .metavar = "N", .help = "x" },
        { "limit", .flags = NXC_OPT_UNLIMITED, NXC_OPT(INT, struct values, limit), .metavar = "N",
                .help = "x" },
        { "count", NXC_OPT(UINT, struct values, count), .metavar = "N", .help = "x" },
        { "size", NXC_OPT(SIZE, struct values, size), .flags = NXC_OPT_UNLIMITED, .metavar = "N",
                .help = "x" },
        { "time", NXC_OPT(DURATION, struct values, time), .metavar = "N", .help = "x" },
        { "real", NXC_OPT(DOUBLE, struct values, real), .metavar = "N", .help = "x" },
        { "choice", NXC_OPT(CHOICE, struct values, choice), .choices = choices, .help = "x" },
        { "bare", .flags = NXC_OPT_BARE, NXC_OPT(CHOICE, struct values, bare), .choices = bare,
                .help = "x" },
        { "tri", NXC_OPT(TRISTATE, struct values, tri), .help = "x" },
        { "publish", 'p', .type = NXC_OPT_REFUSED, .metavar = "P", .help = "no ports" },
        { "secret", .type = NXC_OPT_REFUSED, .flags = NXC_OPT_MISUSE, .metavar = "P", .help = "use a file" },
        { 0 },
};

struct globals {
        bool debug;
        const char *root;
};
static const struct nxc_option globals[] = {
        { "debug", 'D', NXC_OPT(FLAG, struct globals, debug), .help = "x" },
        { "root", NXC_OPT(STRING, struct globals, root), .metavar = "D", .help = "x" },
        { 0 },
};

static struct values v;
static struct globals g;
static struct nxc_parse p;
static struct nxc_error err;

static int reset(void **state)
{
        nxc_options_done(options, &v);
        nxc_parse_done(&p);
        v = (struct values){ .tri = -1 };
        g = (struct globals){ 0 };
        p = (struct nxc_parse){
                .options = options, .values = &v, .shared = globals, .shared_values = &g, .command = "do"
        };
        nxc_error_reset(&err);
        return 0;
}

static int parse_all(const char *const *words)
{
        int argc = 0;

        nxc_options_done(options, &v);
        nxc_parse_done(&p);
        nxc_error_reset(&err);
        memset(p.given, 0, sizeof(p.given));
        while (words[argc])
                argc++;
        return nxc_options_parse(&p, argc, (char **)words, &err);
}
#define PARSE(...) parse_all((const char *const[]){ __VA_ARGS__, NULL })

static void takes_every_spelling(void **state)
{
        static const char *const spellings[][2] = { { "--string", "v" }, { "--string=v", NULL },
                { "-s", "v" }, { "-sv", NULL }, { "-s=v", NULL }, { "-string", "v" }, { "-string=v", NULL },
                { "--text", "v" }, { "-fs", "v" }, { "-fosv", NULL } };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(spellings); i++) {
                v.string = NULL;
                assert_int_equal(
                        parse_all((const char *const[]){ spellings[i][0], spellings[i][1], NULL }), 0);
                assert_string_equal(v.string, "v");
                assert_int_equal(p.n_args, 0);
                assert_true(nxc_option_is_given(&p, "string"));
                assert_false(nxc_option_is_given(&p, "list"));
        }
}

static void takes_every_type(void **state)
{
        assert_int_equal(PARSE("-f", "--other=true", "--word", "two", "--list=a,b", "--list", "c",
                                 "--commas=x,,y", "--number=10", "--limit", "-1", "--count=7", "--size=1.5k",
                                 "--time=250ms", "--real=0.5", "--choice=two", "--bare", "--tri"),
                0);
        assert_true(v.flag && v.other);
        assert_string_equal(v.word, "two");
        assert_int_equal(v.list.n, 2);
        assert_string_equal(v.list.v[0], "a,b");
        assert_int_equal(v.commas.n, 2);
        assert_string_equal(v.commas.v[1], "y");
        assert_int_equal(v.number, 10);
        assert_int_equal(v.limit, -1);
        assert_int_equal(v.count, 7);
        assert_int_equal(v.size, 1536);
        assert_int_equal(v.time, 250);
        assert_true(v.real == 0.5);
        assert_int_equal(v.choice, 1);
        assert_int_equal(v.bare, 1);
        assert_int_equal(v.tri, 1);

        assert_int_equal(PARSE("--flag=false", "--bare=json", "--tri=0", "--size=-1"), 0);
        assert_false(v.flag);
        assert_int_equal(v.bare, 2);
        assert_int_equal(v.tri, 0);
        assert_true(v.size == UINT64_MAX);
}

static void tells_arguments_from_options(void **state)
{
        assert_int_equal(PARSE("a", "-f", "b", "-", "--", "-x"), 0);
        assert_int_equal(p.n_args, 4);
        assert_string_equal(p.args[2], "-");
        assert_string_equal(p.args[3], "-x");
        assert_null(p.args[4]);

        p.stop_at_arg = true;
        v.flag = false;
        assert_int_equal(PARSE("-o", "a", "-f", "--", "--nonsense"), 0);
        assert_int_equal(p.n_args, 4);
        assert_false(v.flag);
        assert_true(v.other);
}

static void knows_what_every_command_knows(void **state)
{
        assert_int_equal(PARSE("x", "--debug", "--root=/r"), 0);
        assert_true(g.debug);
        assert_string_equal(g.root, "/r");
        assert_true(PARSE("-D") < 0); /* by its long name only */
        assert_int_equal(PARSE("--help", "--nonsense"), 0);
        assert_true(p.help);
}

static void refuses(const char *message, const char *hint, enum nxc_error_kind kind)
{
        assert_int_equal(err.kind, kind);
        assert_string_equal(err.message, message);
        assert_string_equal(err.hint, hint);
}

static void refuses_what_is_wrong(void **state)
{
        static const struct {
                const char *words[3], *message, *hint;
        } cases[] = {
                { { "--stirng", "x" }, "do: unknown option --stirng", "did you mean --string?" },
                { { "--degub" }, "do: unknown option --degub", "did you mean --debug?" },
                { { "--zzzzzzzz=1" }, "do: unknown option --zzzzzzzz", "see nexcage do --help" },
                { { "-fz" }, "do: unknown option -z", "see nexcage do --help" },
                { { "--string" }, "do: value missing after option --string", "" },
                { { "-s" }, "do: value missing after option -s", "" },
                { { "--number=11" }, "do: value of option --number: out of range '11'",
                        "it takes a whole number" },
                { { "--number=-1" }, "do: value of option --number: out of range '-1'",
                        "it takes a whole number" },
                { { "--number=1x" }, "do: value of option --number: not understood '1x'",
                        "it takes a whole number" },
                { { "--limit=-2" }, "do: value of option --limit: out of range '-2'",
                        "it takes a whole number" },
                { { "--count=-1" }, "do: value of option --count: not understood '-1'",
                        "it takes a whole number" },
                { { "--real=nan" }, "do: value of option --real: not understood 'nan'",
                        "it takes a number such as 0.5" },
                { { "--size=1q" }, "do: value of option --size: not understood '1q'",
                        "it takes a size such as 512m or 1.5g" },
                { { "--time=1d" }, "do: value of option --time: not understood '1d'",
                        "it takes a time such as 10s, 250ms or 1h" },
                { { "--choice=three" }, "do: value of option --choice: not understood 'three'",
                        "it takes one of: one, two" },
                { { "--bare=xml" }, "do: value of option --bare: not understood 'xml'",
                        "it takes one of: no, text, json" },
                { { "--flag=maybe" }, "do: value of option --flag: not understood 'maybe'",
                        "it takes true or false" },
                { { "--secret=x" }, "do: option --secret is refused", "use a file" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                assert_int_equal(parse_all(cases[i].words), -EINVAL);
                refuses(cases[i].message, cases[i].hint, NXC_ERR_USAGE);
        }
        assert_int_equal(PARSE("-p", "80"), -EINVAL);
        refuses("do: option -p is not implemented", "no ports", NXC_ERR_NOT_IMPLEMENTED);
}

static void measures_distance(void **state)
{
        assert_int_equal(nxc_word_distance("run", "run"), 0);
        assert_int_equal(nxc_word_distance("rnu", "run"), 1);
        assert_int_equal(nxc_word_distance("", "run"), 3);
        assert_int_equal(nxc_word_distance("kitten", "sitting"), 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(takes_every_spelling, reset, reset),
                cmocka_unit_test_setup_teardown(takes_every_type, reset, reset),
                cmocka_unit_test_setup_teardown(tells_arguments_from_options, reset, reset),
                cmocka_unit_test_setup_teardown(knows_what_every_command_knows, reset, reset),
                cmocka_unit_test_setup_teardown(refuses_what_is_wrong, reset, reset),
                cmocka_unit_test(measures_distance),
        };

        return cmocka_run_group_tests_name("cli/options", tests, NULL, NULL);
}
