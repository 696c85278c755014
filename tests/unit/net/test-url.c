/* URLs: what is accepted, how references resolve, and what kind of address a host is. */
#include "net/url.h"

#include "core/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void parses(void **state)
{
        static const char *const good[][2] = {
                { "https://r.io", "https://r.io/" },
                { "HTTPS://R.io:443/a?b=c#frag", "https://r.io/a?b=c" },
                { "http://r.io:80", "http://r.io/" },
                { "http://[::1]:5000/x", "http://[::1]:5000/x" },
                { "https://r.io?x=1", "https://r.io/?x=1" },
                { "https://r.io/a/./b/../c", "https://r.io/a/c" },
                { "https://r.io/../../x", "https://r.io/x" },
                { "https://a_b.r.io/%2e%41", "https://a_b.r.io/%2e%41" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(good); i++) {
                _cleanup_url_ struct nxc_url u = { 0 };
                _cleanup_free_ char *text = NULL;
                struct nxc_error err = { 0 };

                if (nxc_url_parse(good[i][0], &u, &err) < 0)
                        fail_msg("%s: %s", good[i][0], err.message);
                text = nxc_url_format(&u);
                assert_string_equal(text, good[i][1]);
        }
}

static void refuses(void **state)
{
        static const char *const bad[] = {
                "",
                "r.io",
                "ftp://r.io/",
                "file:///etc/passwd",
                "https://",
                "https:///x",
                "https://user@r.io/",
                "https://user:pw@r.io/",
                "https://r.io:0/",
                "https://r.io:65536/",
                "https://r.io:8o/",
                "https://r.io:/",
                "https://r.io\\@evil/",
                "https://r .io/",
                "https://r.io/\n",
                "https://r.io/%zz",
                "https://r..io/",
                "https://r.io./",
                "https://[::1/",
                "https://[fe80::1%25eth0]/",
                "https://[1.2.3.4]/",
                "https://127.1/",
                "https://2130706433/",
                "https://0x7f.0.0.1/",
                "https://0177.0.0.1/",
                "https://::1/",
                "https://[::1]x/",
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++) {
                struct nxc_url u = { 0 };
                struct nxc_error err = { 0 };

                if (nxc_url_parse(bad[i], &u, &err) == 0)
                        fail_msg("'%s' was accepted", bad[i]);
                assert_int_equal(err.kind, NXC_ERR_REGISTRY);
                assert_null(strstr(err.message, "pw"));
        }
}

static void resolves(void **state)
{
        static const char *const cases[][2] = {
                /* RFC 3986 section 5.4, base http://a/b/c/d?q */
                { "g", "http://a/b/c/g" },
                { "./g", "http://a/b/c/g" },
                { "g/", "http://a/b/c/g/" },
                { "/g", "http://a/g" },
                { "//g", "http://g/" },
                { "?y", "http://a/b/c/d?y" },
                { "g?y", "http://a/b/c/g?y" },
                { "", "http://a/b/c/d?q" },
                { "#s", "http://a/b/c/d?q" },
                { ".", "http://a/b/c/" },
                { "..", "http://a/b/" },
                { "../g", "http://a/b/g" },
                { "../../../g", "http://a/g" },
                { "/./g", "http://a/g" },
                { "/../g", "http://a/g" },
                { "g?y/../x", "http://a/b/c/g?y/../x" },
                { "https://x:1/", "https://x:1/" },
        };
        _cleanup_url_ struct nxc_url base = { 0 };

        assert_int_equal(nxc_url_parse("http://a/b/c/d?q", &base, NULL), 0);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                _cleanup_url_ struct nxc_url u = { 0 };
                _cleanup_free_ char *text = NULL;

                assert_int_equal(nxc_url_resolve(&base, cases[i][0], &u, NULL), 0);
                text = nxc_url_format(&u);
                assert_string_equal(text, cases[i][1]);
        }
}

static void refuses_other_schemes_in_references(void **state)
{
        _cleanup_url_ struct nxc_url base = { 0 };
        struct nxc_url u;

        assert_int_equal(nxc_url_parse("http://a/", &base, NULL), 0);
        assert_true(nxc_url_resolve(&base, "file:///etc/passwd", &u, NULL) < 0);
        assert_true(nxc_url_resolve(&base, "javascript:x", &u, NULL) < 0);
        assert_true(nxc_url_resolve(&base, "//user@b/", &u, NULL) < 0);
}

static void hides_the_query(void **state)
{
        _cleanup_url_ struct nxc_url u = { 0 };
        _cleanup_free_ char *text = NULL;
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_url_parse("https://r.io/a?sig=secret", &u, NULL), 0);
        text = nxc_url_describe(&u);
        assert_string_equal(text, "https://r.io/a");
        nxc_url_done(&u);
        assert_true(nxc_url_parse("ftp://r.io/a?sig=secret", &u, &err) < 0);
        assert_null(strstr(err.message, "secret"));
}

static void compares_origins(void **state)
{
        _cleanup_url_ struct nxc_url a = { 0 }, b = { 0 }, c = { 0 };

        nxc_url_parse("https://r.io/x", &a, NULL);
        nxc_url_parse("https://R.io:443/y", &b, NULL);
        nxc_url_parse("https://r.io:444/x", &c, NULL);
        assert_true(nxc_url_same_origin(&a, &b));
        assert_false(nxc_url_same_origin(&a, &c));
}

static void classifies_hosts(void **state)
{
        static const struct {
                const char *host;
                enum nxc_address_class class;
        } cases[] = {
                { "quay.io", NXC_ADDRESS_PUBLIC },
                { "8.8.8.8", NXC_ADDRESS_PUBLIC },
                { "2001:4860::8888", NXC_ADDRESS_PUBLIC },
                { "localhost", NXC_ADDRESS_LOOPBACK },
                { "x.localhost", NXC_ADDRESS_LOOPBACK },
                { "127.9.9.9", NXC_ADDRESS_LOOPBACK },
                { "0.0.0.0", NXC_ADDRESS_LOOPBACK },
                { "::1", NXC_ADDRESS_LOOPBACK },
                { "::", NXC_ADDRESS_LOOPBACK },
                { "::ffff:127.0.0.1", NXC_ADDRESS_LOOPBACK },
                { "169.254.169.254", NXC_ADDRESS_LINK_LOCAL },
                { "::ffff:169.254.169.254", NXC_ADDRESS_LINK_LOCAL },
                { "64:ff9b::a9fe:a9fe", NXC_ADDRESS_LINK_LOCAL },
                { "fe80::1", NXC_ADDRESS_LINK_LOCAL },
                { "10.1.2.3", NXC_ADDRESS_PRIVATE },
                { "172.31.0.1", NXC_ADDRESS_PRIVATE },
                { "172.32.0.1", NXC_ADDRESS_PUBLIC },
                { "192.168.1.1", NXC_ADDRESS_PRIVATE },
                { "100.64.0.1", NXC_ADDRESS_PRIVATE },
                { "fd00::1", NXC_ADDRESS_PRIVATE },
                { "224.0.0.1", NXC_ADDRESS_PRIVATE },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++)
                if (nxc_host_class(cases[i].host) != cases[i].class)
                        fail_msg("%s: %d", cases[i].host, nxc_host_class(cases[i].host));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parses),
                cmocka_unit_test(refuses),
                cmocka_unit_test(resolves),
                cmocka_unit_test(refuses_other_schemes_in_references),
                cmocka_unit_test(hides_the_query),
                cmocka_unit_test(compares_origins),
                cmocka_unit_test(classifies_hosts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
