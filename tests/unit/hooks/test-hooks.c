/* Hooks: order, what they are given, how failures end. */
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "hooks/hooks.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/nxc-test-XXXXXX";

static int setup(void **state)
{
        return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
        return nxc_remove_tree_at(AT_FDCWD, dir, NULL);
}

/* hooks: {"prestart": [...]}, where each shell script sees the directory as $D. */
static json_t *scripts(const char *first, const char *second)
{
        json_t *list = json_array();
        const char *all[] = { first, second };

        for (size_t i = 0; i < 2; i++) {
                char d[64];

                if (!all[i])
                        continue;
                snprintf(d, sizeof(d), "D=%s", dir);
                json_array_append_new(
                        list, json_pack("{s:s,s:[s,s,s],s:[s,s]}", "path", "/bin/sh", "args", "hook-name",
                                      "-c", all[i], "env", d, "PATH=/usr/bin:/bin"));
        }
        return json_pack("{s:o}", "prestart", list);
}

static int run(json_t *hooks, bool go_on, struct nxc_error *err)
{
        struct nxc_hook_context ctx = { .state = json_pack("{s:s,s:s}", "id", "c1", "status", "creating"),
                .on_failure_continue = go_on };
        int r = nxc_hooks_run(hooks, NXC_HOOK_PRESTART, &ctx, err);

        json_decref(ctx.state);
        json_decref(hooks);
        return r;
}

static void expect_file(const char *name, const char *text)
{
        char path[128];
        _cleanup_free_ char *have = NULL;

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        assert_int_equal(nxc_read_file_at(AT_FDCWD, path, 4096, &have, NULL, NULL), 0);
        assert_string_equal(have, text);
}

static void they_get_the_state_their_args_and_only_their_environment(void **state)
{
        setenv("SECRET", "x", 1);
        assert_int_equal(
                run(scripts("cat >$D/in; echo $0 >$D/name; echo \"[$SECRET]\" >$D/env", "echo 2 >>$D/name"),
                        false, NULL),
                0);
        expect_file("in", "{\"id\":\"c1\",\"status\":\"creating\"}");
        expect_file("name", "hook-name\n2\n");
        expect_file("env", "[]\n");
}

static void the_first_failure_ends_it(void **state)
{
        struct nxc_error err = { 0 };

        assert_true(run(scripts("echo some words >&2; exit 3", "echo >$D/never"), false, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_HOOK);
        assert_non_null(strstr(err.message, "prestart hook 0 '/bin/sh': exit status 3, stderr: some words"));
        assert_int_equal(access(strcat(strcpy((char[128]){ 0 }, dir), "/never"), F_OK), -1);
        nxc_error_reset(&err);
        assert_true(run(scripts("kill -9 $$", NULL), false, &err) < 0);
        assert_non_null(strstr(err.message, "killed by signal 9 (SIGKILL)"));
}

static void or_is_logged_and_they_go_on(void **state)
{
        assert_int_equal(run(scripts("exit 3", "echo yes >$D/second"), true, NULL), 0);
        expect_file("second", "yes\n");
}

static void one_that_reads_nothing_is_fine(void **state)
{
        assert_int_equal(run(scripts("exec <&-; exit 0", NULL), false, NULL), 0);
}

static void a_timeout_ends_the_whole_group(void **state)
{
        json_t *hooks = scripts("(sleep 2; echo >$D/late) & sleep 100", NULL);
        struct timespec began, ended;
        struct nxc_error err = { 0 };
        char late[64];

        json_object_set_new(
                json_array_get(json_object_get(hooks, "prestart"), 0), "timeout", json_integer(1));
        clock_gettime(CLOCK_MONOTONIC, &began);
        assert_true(run(hooks, false, &err) < 0);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        assert_true(ended.tv_sec - began.tv_sec < 5);
        assert_int_equal(err.kind, NXC_ERR_HOOK);
        assert_int_equal(err.errnum, ETIMEDOUT);
        assert_non_null(strstr(err.message, "killed after its timeout of 1 s"));
        usleep(1300000);
        snprintf(late, sizeof(late), "%s/late", dir);
        assert_int_equal(access(late, F_OK), -1);
}

static void wrong_ones_are_refused(void **state)
{
        struct nxc_error err = { 0 };

        assert_true(run(json_pack("{s:[{s:s}]}", "prestart", "path", "sh"), false, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_SPEC);
        nxc_error_reset(&err);
        assert_true(run(json_pack("{s:[{s:s,s:i}]}", "prestart", "path", "/bin/true", "timeout", 0), false,
                            &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_SPEC);
        nxc_error_reset(&err);
        assert_true(run(json_pack("{s:[{s:s}]}", "prestart", "path", "/nonexistent/hook"), false, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_HOOK);
        assert_non_null(strstr(err.message, "/nonexistent/hook"));
}

static void none_is_fine(void **state)
{
        assert_false(nxc_hooks_exist(NULL, NXC_HOOK_POSTSTOP));
        assert_int_equal(nxc_hooks_run(NULL, NXC_HOOK_POSTSTOP, &(struct nxc_hook_context){ 0 }, NULL), 0);
        assert_string_equal(nxc_hook_point_name(NXC_HOOK_CREATE_RUNTIME), "createRuntime");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(they_get_the_state_their_args_and_only_their_environment),
                cmocka_unit_test(the_first_failure_ends_it),
                cmocka_unit_test(or_is_logged_and_they_go_on),
                cmocka_unit_test(one_that_reads_nothing_is_fine),
                cmocka_unit_test(a_timeout_ends_the_whole_group),
                cmocka_unit_test(wrong_ones_are_refused),
                cmocka_unit_test(none_is_fine),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
