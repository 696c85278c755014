/* The configuration file, and the debug switches. */
#include "core/config.h"

#include "core/debug.h"
#include "core/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char path[] = "/tmp/nxc-test-XXXXXX";

static int load(const char *text, struct nxc_config **ret, struct nxc_error *err)
{
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, text, strlen(text)), 0);
        close(fd);
        return nxc_config_load(ret, err);
}

static void every_key(void **state)
{
        struct nxc_config *c;

        assert_int_equal(
                load("# comment\n[paths]\nroot = /r\nstore = /s\n[runtime]\ndefault = runc\n[routes]\n"
                     "docker.io/library/* = crun\n* = lxc\ndocker.io/library/* = vm\n[storage]\ndriver=zfs\n"
                     "[layerfs]\nformat = erofs\n[hooks]\non_failure = continue\n[registry]\nauthfile = "
                     "/a\ncert_dir = /c\n"
                     "insecure = one:5000, two\n",
                        &c, NULL),
                0);
        assert_string_equal(c->root, "/r");
        assert_string_equal(c->store, "/s");
        assert_string_equal(c->runtime, "runc");
        assert_string_equal(c->storage, "zfs");
        assert_string_equal(c->layer_format, "erofs");
        assert_true(c->hooks_continue);
        assert_string_equal(c->authfile, "/a");
        assert_string_equal(c->cert_dir, "/c");
        assert_int_equal(c->insecure.n, 2);
        assert_string_equal(c->insecure.v[0], "one:5000");
        assert_int_equal(c->n_routes, 2);
        assert_string_equal(c->routes[0].pattern, "docker.io/library/*");
        assert_string_equal(c->routes[0].runtime, "vm");
        assert_string_equal(c->routes[1].pattern, "*");
        nxc_config_free(c);
}

static void an_empty_one_has_the_defaults(void **state)
{
        struct nxc_config *c;

        assert_int_equal(load("", &c, NULL), 0);
        assert_string_equal(c->runtime, "auto");
        assert_null(c->storage);
        assert_int_equal(c->storage_size, 0);
        assert_null(c->layer_format);
        assert_null(c->root);
        assert_false(c->hooks_continue);
        nxc_config_free(c);
}

static void errors_name_file_and_line(void **state)
{
        static const struct {
                const char *text, *words;
        } cases[] = {
                { "[nosuch]\nx = y\n", ":1: unknown section" },
                { "[nosuch]\n", ":1: unknown section" },
                { "[paths]\nroot = /r\nroots = /r\n", ":3: unknown key 'roots' in [paths]" },
                { "[paths]\nroot = r\n", ":2: root in [paths] has to be an absolute path, not 'r'" },
                { "[hooks]\non_failure = maybe\n",
                        ":2: on_failure in [hooks] has to be 'abort' or 'continue'" },
                { "[layerfs]\nformat = tar\n",
                        ":2: format in [layerfs] has to be 'auto', 'erofs' or 'dir'" },
                { "[runtime]\ndefault =\n", ":2: default in [runtime] has to be not empty" },
                { "x = y\n", ":1: unknown section ''" },
                { "[paths]\nnonsense\n", ":2: neither [section] nor KEY = VALUE" },
        };
        struct nxc_config *c;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                struct nxc_error err = { 0 };

                assert_true(load(cases[i].text, &c, &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_INVALID_CONFIG);
                assert_non_null(strstr(err.message, path));
                if (!strstr(err.message, cases[i].words))
                        fail_msg("'%s' does not say '%s'", err.message, cases[i].words);
        }
}

static void a_long_line_is_not_cut(void **state)
{
        char text[600] = "[paths]\nroot = /";
        struct nxc_error err = { 0 };
        struct nxc_config *c;

        memset(text + strlen(text), 'x', 500);
        assert_true(load(text, &c, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_CONFIG);
        assert_non_null(strstr(err.message, ":2: line too long"));
}

static void one_that_was_named_has_to_be_there(void **state)
{
        struct nxc_error err = { 0 };
        struct nxc_config *c;

        setenv("NEXCAGE_CONFIG", "/nonexistent/nexcage.conf", 1);
        assert_int_equal(nxc_config_load(&c, &err), -ENOENT);
        assert_int_equal(err.kind, NXC_ERR_CONFIG);
        assert_non_null(strstr(err.message, "/nonexistent/nexcage.conf"));
        setenv("NEXCAGE_CONFIG", path, 1);
}

static void debug_switches(void **state)
{
        size_t n;
        const struct nxc_debug_switch *all = nxc_debug_switches(&n);

        for (size_t i = 0; i < n; i++)
                assert_true(all[i].name && all[i].help);
        assert_string_equal(nxc_debug_flag("fail-at"), "claim-id");
        assert_string_equal(nxc_debug_flag("fake-backend"), "");
        assert_null(nxc_debug_flag("kill-at"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_key),
                cmocka_unit_test(an_empty_one_has_the_defaults),
                cmocka_unit_test(errors_name_file_and_line),
                cmocka_unit_test(a_long_line_is_not_cut),
                cmocka_unit_test(one_that_was_named_has_to_be_there),
                cmocka_unit_test(debug_switches),
        };
        int fd = mkstemp(path), r;

        if (fd < 0)
                return 1;
        close(fd);
        setenv("NEXCAGE_CONFIG", path, 1);
        setenv("NXC_DEBUG", "fail-at=claim-id,fake-backend,unknown", 1);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(path);
        return r;
}
