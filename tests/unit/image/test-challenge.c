/* WWW-Authenticate as registries write it, and as an attacker would. */
#include "image/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static int parse(const char *a, const char *b, struct nxc_challenge *ret)
{
        _cleanup_strv_ struct nxc_strv values = { 0 };

        nxc_strv_add(&values, a);
        if (b)
                nxc_strv_add(&values, b);
        return nxc_challenge_parse(&values, ret, NULL);
}

static void reads_bearer(void **state)
{
        struct nxc_challenge c;

        assert_int_equal(
                parse("Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\""
                      "repository:library/busybox:pull\"",
                        NULL, &c),
                0);
        assert_int_equal(c.scheme, NXC_AUTH_BEARER);
        assert_string_equal(c.realm, "https://auth.docker.io/token");
        assert_string_equal(c.service, "registry.docker.io");
        assert_string_equal(c.scope, "repository:library/busybox:pull");
}

static void prefers_bearer(void **state)
{
        struct nxc_challenge c;

        assert_int_equal(
                parse("Basic realm=\"x\", bearer Realm = \"https://a/t\" , SERVICE=s", NULL, &c), 0);
        assert_int_equal(c.scheme, NXC_AUTH_BEARER);
        assert_string_equal(c.realm, "https://a/t");
        assert_string_equal(c.service, "s");
        assert_int_equal(parse("Bearer realm=\"https://a/t\"", "Basic realm=\"x\"", &c), 0);
        assert_int_equal(c.scheme, NXC_AUTH_BEARER);
        assert_int_equal(parse("Negotiate YIIabc+/==, Basic realm=\"x\"", NULL, &c), 0);
        assert_int_equal(c.scheme, NXC_AUTH_BASIC);
        assert_int_equal(parse("Negotiate", NULL, &c), 0);
        assert_int_equal(c.scheme, NXC_AUTH_NONE);
}

static void takes_quoted_commas_and_escapes(void **state)
{
        struct nxc_challenge c;

        assert_int_equal(
                parse("Bearer realm=\"https://a/t\",scope=\"repository:a:pull,push \\\"x\\\"\",error=bad",
                        NULL, &c),
                0);
        assert_string_equal(c.scope, "repository:a:pull,push \"x\"");
}

static void refuses_what_is_broken(void **state)
{
        static const char *const bad[] = {
                "Bearer realm=\"unfinished",
                "Bearer realm=\"x\\",
                "Bearer realm=",
                "Bearer realm=\"a\nb\"",
                "\"quoted\"",
                "Bearer (x)",
        };
        char long_value[4000] = "Bearer realm=\"";
        struct nxc_challenge c;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++)
                if (parse(bad[i], NULL, &c) == 0)
                        fail_msg("'%s' was accepted", bad[i]);
        memset(long_value + 14, 'x', 3000);
        strcpy(long_value + 3014, "\"");
        assert_true(parse(long_value, NULL, &c) < 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_bearer),
                cmocka_unit_test(prefers_bearer),
                cmocka_unit_test(takes_quoted_commas_and_escapes),
                cmocka_unit_test(refuses_what_is_broken),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
