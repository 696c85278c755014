/* Where credentials are found, in which order, under which key; and whom they may be shown to. */
#include "image/auth.h"

#include "core/fs.h"
#include "core/str.h"
#include "image/auth-internal.h"
#include "image/registry-internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define AUTH(b64) "{\"auth\":\"" b64 "\"}"
#define A_B "YTpi"          /* a:b */
#define USER "dXNlcjpwOncr" /* user:p:w+ */

static int look_up(const char *text, const char *host, const char *path, struct nxc_auth_answer *ret,
        struct nxc_error *err)
{
        return nxc_auth_file_lookup(text, strlen(text), "auth.json", false, host, path, ret, err);
}

static void expect_user(
        const char *text, const char *host, const char *path, const char *user, const char *password)
{
        struct nxc_auth_answer a = { 0 };
        struct nxc_error err = { 0 };

        if (look_up(text, host, path, &a, &err) < 0)
                fail_msg("%s", err.message);
        if (user) {
                assert_string_equal(a.credentials.username, user);
                assert_string_equal(a.credentials.password, password);
        } else {
                assert_false(nxc_credentials_are_set(&a.credentials));
        }
        nxc_credentials_done(&a.credentials);
}

static void finds_the_most_specific_key(void **state)
{
        const char *text = "{\"auths\":{\"r.io\":" AUTH(A_B) ",\"r.io/team\":" AUTH(USER) "}}";

        expect_user(text, "r.io", "team/app", "user", "p:w+");
        expect_user(text, "r.io", "team", "user", "p:w+");
        expect_user(text, "r.io", "other/app", "a", "b");
        expect_user(text, "r.io", "teamx/app", "a", "b");
}

static void matches_hosts_exactly(void **state)
{
        const char *text = "{\"auths\":{\"r.io\":" AUTH(A_B) ",\"https://x.io/v1/\":" AUTH(A_B) "}}";

        expect_user(text, "evilr.io", "app", NULL, NULL);
        expect_user(text, "r.io.evil.com", "app", NULL, NULL);
        expect_user(text, "r.io:5000", "app", NULL, NULL);
        expect_user(text, "sub.r.io", "app", NULL, NULL);
        expect_user(text, "x.io", "app", "a", "b");
        expect_user("{\"auths\":{\"r.io/team/app\":" AUTH(A_B) "}}", "r.io", "team", NULL, NULL);
        expect_user("{\"auths\":{\"https://r.io/team\":" AUTH(A_B) "}}", "r.io", "x", NULL, NULL);
}

static void knows_the_key_of_docker_hub(void **state)
{
        expect_user("{\"auths\":{\"https://index.docker.io/v1/\":" AUTH(A_B) "}}", "docker.io", "library/x",
                "a", "b");
        expect_user("{\"auths\":{\"index.docker.io\":" AUTH(A_B) "}}", "docker.io", "library/x", "a", "b");
        expect_user("{\"auths\":{\"docker.io\":" AUTH(A_B) "}}", "docker.io", "library/x", "a", "b");
        expect_user(
                "{\"auths\":{\"https://index.docker.io/v1/\":" AUTH(A_B) "}}", "quay.io", "x", NULL, NULL);
}

static void reads_identity_tokens(void **state)
{
        struct nxc_auth_answer a = { 0 };

        assert_int_equal(look_up("{\"auths\":{\"r.io\":{\"auth\":\"" A_B "\",\"identitytoken\":\"tok\"}}}",
                                 "r.io", "x", &a, NULL),
                0);
        assert_string_equal(a.credentials.identity_token, "tok");
        nxc_credentials_done(&a.credentials);
}

static void names_helpers(void **state)
{
        const char *text = "{\"auths\":{\"a.io\":" AUTH(
                A_B) ",\"c.io\":{}},\"credHelpers\":{\"a.io\":\"pass\"},"
                     "\"credsStore\":\"secretservice\"}";
        struct nxc_auth_answer a = { 0 };

        assert_int_equal(look_up(text, "a.io", "x", &a, NULL), 0);
        assert_string_equal(a.helper, "pass");
        assert_false(a.helper_is_default);
        assert_int_equal(look_up(text, "c.io", "x", &a, NULL), 0);
        assert_string_equal(a.helper, "secretservice");
        assert_true(a.helper_is_default);
        assert_true(nxc_credential_helper_name_is_valid("ecr-login_1.0"));
        assert_false(nxc_credential_helper_name_is_valid("../x"));
        assert_false(nxc_credential_helper_name_is_valid("a b"));
        assert_false(nxc_credential_helper_name_is_valid(""));
}

static void refuses_without_showing_secrets(void **state)
{
        static const char *const bad[] = {
                "{\"auths\":{\"r.io\":{\"auth\":\"c2VjcmV0\" \"c2VjcmV0\"}}}",
                "{\"auths\":{\"r.io\":{\"auth\":\"c2VjcmV0\"}}}", /* no colon */
                "{\"auths\":{\"r.io\":{\"auth\":\"c2Vj!mV0\"}}}",
                "{\"auths\":{\"r.io\":{\"auth\":\"c2VjcmV0Onh4eAo=\"}}}", /* a line feed */
                "{\"auths\":[\"c2VjcmV0\"]}",
                "{\"credHelpers\":{\"r.io\":\"../c2VjcmV0\"}}",
                "[",
                "",
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++) {
                struct nxc_auth_answer a = { 0 };
                struct nxc_error err = { 0 };

                if (look_up(bad[i], "r.io", "x", &a, &err) == 0)
                        fail_msg("'%s' was accepted", bad[i]);
                assert_int_equal(err.kind, NXC_ERR_INVALID_CONFIG);
                assert_null(strstr(err.message, "c2V"));
                assert_null(strstr(err.message, "secret"));
        }
}

/* ---- places */

static char dir[64];

static int make_dir(void **state)
{
        strcpy(dir, "/tmp/nxc-test-auth-XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
        return nxc_remove_tree_at(AT_FDCWD, dir, NULL);
}

static void put(const char *name, const char *base64)
{
        _cleanup_free_ char *path = nxc_strf("%s/%s", dir, name);
        _cleanup_free_ char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));
        _cleanup_free_ char *text = nxc_ends_with(name, ".dockercfg")
                                            ? nxc_strf("{\"r.io\":{\"auth\":\"%s\"}}", base64)
                                            : nxc_strf("{\"auths\":{\"r.io\":{\"auth\":\"%s\"}}}", base64);
        _cleanup_close_ int fd = -EBADF;

        assert_int_equal(nxc_mkdir_p(parent, 0700, NULL), 0);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, text, strlen(text)), 0);
}

static void expect_found(const struct nxc_registry_opts *opts, const char *user)
{
        _cleanup_credentials_ struct nxc_credentials c = { 0 };
        struct nxc_error err = { 0 };

        if (nxc_credentials_find("r.io", "app", opts, &c, &err) < 0)
                fail_msg("%s", err.message);
        if (user)
                assert_string_equal(c.username, user);
        else
                assert_false(nxc_credentials_are_set(&c));
}

static void set_env(const char *name, const char *sub)
{
        _cleanup_free_ char *path = nxc_strf("%s/%s", dir, sub);

        setenv(name, path, 1);
}

static void looks_in_the_usual_order(void **state)
{
        _cleanup_free_ char *explicit = nxc_strf("%s/explicit.json", dir);
        struct nxc_registry_opts opts = { 0 };

        unsetenv("REGISTRY_AUTH_FILE");
        unsetenv("DOCKER_CONFIG");
        unsetenv("XDG_CONFIG_HOME");
        set_env("HOME", "home");
        set_env("XDG_RUNTIME_DIR", "run");
        expect_found(&opts, NULL);
        put("home/.dockercfg", "MTp4"); /* 1:x */
        expect_found(&opts, "1");
        put("home/.docker/config.json", "Mjp4");
        expect_found(&opts, "2");
        put("home/.config/containers/auth.json", "Mzp4");
        expect_found(&opts, "3");
        put("run/containers/auth.json", "NDp4");
        expect_found(&opts, "4");
        put("env.json", "NTp4");
        set_env("REGISTRY_AUTH_FILE", "env.json");
        expect_found(&opts, "5");
        put("explicit.json", "Njp4");
        opts.authfile = explicit;
        expect_found(&opts, "6");
        opts.credentials = "7:with:colons";
        expect_found(&opts, "7");
}

static void needs_a_file_that_was_named(void **state)
{
        struct nxc_registry_opts opts = { .authfile = "/nonexistent/auth.json" };
        _cleanup_credentials_ struct nxc_credentials c = { 0 };
        struct nxc_error err = { 0 };

        assert_true(nxc_credentials_find("r.io", "app", &opts, &c, &err) < 0);
        assert_non_null(strstr(err.message, "/nonexistent/auth.json"));
}

/* ---- whom to trust */

static void tells_sites_apart(void **state)
{
        assert_true(nxc_registry_is_same_site("registry-1.docker.io", "auth.docker.io"));
        assert_true(nxc_registry_is_same_site("quay.io", "quay.io"));
        assert_true(nxc_registry_is_same_site("r.example.co.uk", "auth.example.co.uk"));
        assert_true(nxc_registry_is_same_site("127.0.0.1", "localhost"));
        assert_false(nxc_registry_is_same_site("example.co.uk", "evil.co.uk"));
        assert_false(nxc_registry_is_same_site("docker.io", "evildocker.io"));
        assert_false(nxc_registry_is_same_site("r.io", "r.io.evil.com"));
        assert_false(nxc_registry_is_same_site("203.0.113.7", "198.51.113.7"));
        assert_false(nxc_registry_is_same_site("registry", "token"));
        assert_false(nxc_registry_is_same_site("r.example.com", "127.0.0.1"));
}

static void keeps_token_servers_at_a_distance(void **state)
{
        assert_int_equal(nxc_registry_reachable(NXC_ADDRESS_PUBLIC, true), NXC_ADDRESS_PUBLIC);
        assert_false(nxc_registry_reachable(NXC_ADDRESS_PRIVATE, true) & NXC_ADDRESS_LOOPBACK);
        assert_false(nxc_registry_reachable(NXC_ADDRESS_LOOPBACK, true) & NXC_ADDRESS_LINK_LOCAL);
        assert_false(nxc_registry_reachable(NXC_ADDRESS_LOOPBACK, true) & NXC_ADDRESS_PRIVATE);
        assert_true(nxc_registry_reachable(NXC_ADDRESS_LOOPBACK, true) & NXC_ADDRESS_LOOPBACK);
        assert_false(nxc_registry_reachable(NXC_ADDRESS_PUBLIC, false) &
                     (NXC_ADDRESS_LOOPBACK | NXC_ADDRESS_LINK_LOCAL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(finds_the_most_specific_key),
                cmocka_unit_test(matches_hosts_exactly),
                cmocka_unit_test(knows_the_key_of_docker_hub),
                cmocka_unit_test(reads_identity_tokens),
                cmocka_unit_test(names_helpers),
                cmocka_unit_test(refuses_without_showing_secrets),
                cmocka_unit_test_setup_teardown(looks_in_the_usual_order, make_dir, remove_dir),
                cmocka_unit_test(needs_a_file_that_was_named),
                cmocka_unit_test(tells_sites_apart),
                cmocka_unit_test(keeps_token_servers_at_a_distance),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
