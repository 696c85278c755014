/* Every row of every table is complete, and what is made of the tables fits a terminal. */
#include "cli/command.h"
#include "cli/help.h"

#include "core/cleanup.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check_text(const char *name, const char *text)
{
        if (!text || !*text || text[strlen(text) - 1] == '.' || strchr(text, '\n') || strchr(text, '\t'))
                fail_msg("%s: not a text for help: '%s'", name, text ? text : "(none)");
}

static bool is_long_name(const char *name)
{
        for (const char *c = name; *c; c++)
                if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && *c != '-')
                        return false;
        return strlen(name) > 1 && name[0] != '-';
}

static void check_row(const char *command, const struct nxc_option *o, size_t size)
{
        bool choice = o->type == NXC_OPT_CHOICE || o->type == NXC_OPT_WORD;

        check_text(o->name, o->help);
        if (!is_long_name(o->name) || (o->alias && !is_long_name(o->alias)))
                fail_msg("%s --%s: not a name", command, o->name);
        if (o->type <= NXC_OPT_END || o->type >= _NXC_OPT_TYPES)
                fail_msg("%s --%s: no type", command, o->name);
        if (o->offset + nxc_option_value_size(o) > size)
                fail_msg("%s --%s: its place is outside the struct", command, o->name);
        if (choice != (o->choices != NULL) || (o->flags & NXC_OPT_BARE && !choice))
                fail_msg("%s --%s: choices and type do not agree", command, o->name);
        if (nxc_option_takes_value(o) && !o->choices && !o->metavar)
                fail_msg("%s --%s: no name for its value", command, o->name);
}

static bool same(const char *a, const char *b)
{
        return a && b && strcmp(a, b) == 0;
}

static void check_pair(const char *command, const struct nxc_option *a, const struct nxc_option *b)
{
        if (same(a->name, b->name) || same(a->name, b->alias) || same(a->alias, b->name) ||
                same(a->alias, b->alias))
                fail_msg("%s: two options --%s", command, a->name);
        if (a->letter && a->letter == b->letter)
                fail_msg("%s: two options -%c", command, a->letter);
}

/* "-rm" is --rm before it is -r -m, so no name may be made of letters of flags. */
static void check_cluster(const char *command, const struct nxc_option *options, const struct nxc_option *o)
{
        for (const char *c = o->name; *c; c++) {
                bool flag = false;

                NXC_OPT_FOREACH(x, options)
                flag |= x->letter == *c && !nxc_option_takes_value(x);
                if (!flag)
                        return;
        }
        fail_msg("%s: -%s is both --%s and letters", command, o->name, o->name);
}

static void check_table(const char *command, const struct nxc_option *options, size_t size)
{
        NXC_OPT_FOREACH(o, options)
        {
                check_row(command, o, size);
                check_cluster(command, options, o);
                NXC_OPT_FOREACH(other, options)
                if (other != o)
                        check_pair(command, o, other);
                if (options != nxc_global_options && nxc_option_find(nxc_global_options, o->name) &&
                        !same(o->name, "rootless"))
                        fail_msg("%s --%s: hides an option of nexcage", command, o->name);
        }
}

static void option_rows_are_complete(void **state)
{
        check_table("nexcage", nxc_global_options, sizeof(struct nxc_globals));
        for (size_t i = 0; nxc_commands[i]; i++)
                check_table(nxc_commands[i]->name, nxc_commands[i]->options, nxc_commands[i]->opts_size);
}

static void command_rows_are_complete(void **state)
{
        for (size_t i = 0; nxc_commands[i]; i++) {
                const struct nxc_command *c = nxc_commands[i];

                check_text(c->name, c->summary);
                assert_true(is_long_name(c->name));
                assert_non_null(c->synopsis);
                assert_non_null(c->run);
                assert_true(c->min_args <= c->max_args);
                assert_ptr_equal(nxc_command_find(c->name), c);
                if (c->options && !c->opts_size)
                        fail_msg("%s: options without a struct", c->name);
                if (c->options && !strstr(c->synopsis, "[OPTION...]"))
                        fail_msg("%s: its synopsis forgets the options", c->name);
        }
}

static void check_width(const char *what, char *text)
{
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                if (strlen(line) > NXC_HELP_COLUMNS)
                        fail_msg("help of %s is too wide: %s", what, line);
}

static void help_fits_a_terminal(void **state)
{
        _cleanup_buf_ struct nxc_buf overview = { 0 };

        assert_int_equal(nxc_help_format_overview(&overview), 0);
        check_width("nexcage", overview.data);
        for (size_t i = 0; nxc_commands[i]; i++) {
                _cleanup_buf_ struct nxc_buf text = { 0 };

                assert_int_equal(nxc_help_format_command(nxc_commands[i], &text), 0);
                NXC_OPT_FOREACH(o, nxc_commands[i]->options)
                if (!(o->flags & NXC_OPT_HIDDEN))
                        assert_non_null(strstr(text.data, o->name));
                check_width(nxc_commands[i]->name, text.data);
        }
}

static int status_of(enum nxc_error_kind kind, const char *message)
{
        struct nxc_error err = { .kind = kind, .errnum = EINVAL };

        snprintf(err.message, sizeof(err.message), "%s", message);
        return nxc_exit_status_of(&err);
}

static void errors_of_programs_have_their_exit_status(void **state)
{
        assert_int_equal(
                status_of(NXC_ERR_CRUN, "create: executable file `x` not found in $PATH: No such file or "
                                        "directory"),
                127);
        assert_int_equal(
                status_of(NXC_ERR_RUNC, "unable to start container process: exec: \"/x\": stat /x: no such "
                                        "file or directory"),
                127);
        assert_int_equal(status_of(NXC_ERR_RUNC, "exec: \"/etc/passwd\": permission denied"), 126);
        assert_int_equal(status_of(NXC_ERR_CRUN, "exec container process `/x`: Exec format error"), 126);
        assert_int_equal(status_of(NXC_ERR_CRUN, "mount `/x` to `/y`: No such file or directory"), 125);
        assert_int_equal(status_of(NXC_ERR_CRUN, "open `exec.fifo`: No such file or directory"), 125);
        assert_int_equal(status_of(NXC_ERR_FILE, "open exec: No such file or directory"), 125);
        assert_int_equal(status_of(NXC_ERR_IMAGE_NOT_FOUND, "no image 'x'"), 125);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(option_rows_are_complete),
                cmocka_unit_test(command_rows_are_complete),
                cmocka_unit_test(help_fits_a_terminal),
                cmocka_unit_test(errors_of_programs_have_their_exit_status),
        };

        return cmocka_run_group_tests_name("cli/tables", tests, NULL, NULL);
}
