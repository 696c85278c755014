/* The table of distribution/reference's own tests, and our messages. */
#include "image/reference.h"

#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA "sha256:" HEX64

static const struct {
        const char *text, *host, *path, *tag, *digest;
} good[] = {
        { "busybox", "docker.io", "library/busybox", "latest", "" },
        { "busybox:1.36", "docker.io", "library/busybox", "1.36", "" },
        { "busybox@" SHA, "docker.io", "library/busybox", "", SHA },
        { "busybox:1@" SHA, "docker.io", "library/busybox", "1", SHA },
        { "docker://busybox", "docker.io", "library/busybox", "latest", "" },
        { "user/app", "docker.io", "user/app", "latest", "" },
        { "docker.io/app", "docker.io", "library/app", "latest", "" },
        { "index.docker.io/app", "docker.io", "library/app", "latest", "" },
        { "localhost/app", "localhost", "app", "latest", "" },
        { "localhost:5000/app", "localhost:5000", "app", "latest", "" },
        { "localhost:5000", "docker.io", "library/localhost", "5000", "" },
        { "127.0.0.1:5000/a/b:c", "127.0.0.1:5000", "a/b", "c", "" },
        { "[::1]:5000/app", "[::1]:5000", "app", "latest", "" },
        { "[fc00::1]/app:t", "[fc00::1]", "app", "t", "" },
        { "quay.io/a/b/c/d", "quay.io", "a/b/c/d", "latest", "" },
        { "test.com/a__b/c--d.e_f", "test.com", "a__b/c--d.e_f", "latest", "" },
        { "Uppercase/lower", "Uppercase", "lower", "latest",
                "" }, /* as upstream: an upper-case letter makes a domain */
        { "xn--n3h.com/app", "xn--n3h.com", "app", "latest", "" },
        { "app:_x.-", "docker.io", "library/app", "_x.-", "" },
        { "a:5/b", "a:5", "b", "latest", "" },
};

static const struct {
        const char *text, *says;
} bad[] = {
        { "", "empty" },
        { "UPPER", "lower case" },
        { "localhost/App", "lower case" },
        { "user/App:1", "lower case" },
        { "app:", "tag" },
        { ":tag", "missing" },
        { "@" SHA, "missing" },
        { "app:-x", "tag" },
        { "app:a:b", "repository name" },
        { "app@sha256:1234", "digest" },
        { "app@md5:" HEX64, "digest" },
        { "app@SHA256:" HEX64, "digest" },
        { "app@" SHA "@" SHA, "digest" },
        { HEX64, "image id" },
        { "a b", "blank" },
        { "a\nb", "control" },
        { "caf\303\251", "non-ASCII" },
        { "https://quay.io/app", "scheme" },
        { "a//b", "repository name" },
        { "/app", "repository name" },
        { "app/", "repository name" },
        { "a/../b", "repository name" },
        { "quay.io/..", "repository name" },
        { "a___b", "repository name" },
        { "a..b/c", "registry" },
        { "quay.io/a..b", "repository name" },
        { "_app", "repository name" },
        { "app-", "repository name" },
        { "-host.com/app", "registry" },
        { "host-.com/app", "registry" },
        { "host.com:/app", "registry" },
        { "host.com:99999/app", "registry" },
        { "host.com:x/app", "registry" },
        { "[::1/app", "registry" },
        { "[fe80::1%eth0]/app", "registry" },
        { "oci-archive:/tmp/x.tar", "nexcage import" },
};

static void parses_what_the_grammar_has(void **state)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(good); i++) {
                struct nxc_reference ref;
                struct nxc_error err = { 0 };

                if (nxc_reference_parse(good[i].text, &ref, &err) < 0)
                        fail_msg("%s: %s", good[i].text, err.message);
                assert_string_equal(ref.host, good[i].host);
                assert_string_equal(ref.path, good[i].path);
                assert_string_equal(ref.tag, good[i].tag);
                assert_string_equal(ref.digest.text, good[i].digest);
        }
}

static void refuses_the_rest_and_says_why(void **state)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++) {
                struct nxc_reference ref;
                struct nxc_error err = { 0 };

                if (nxc_reference_parse(bad[i].text, &ref, &err) == 0)
                        fail_msg("'%s' was accepted", bad[i].text);
                assert_int_equal(err.kind, NXC_ERR_USAGE);
                if (!strstr(err.message, bad[i].says))
                        fail_msg("'%s': no '%s' in: %s", bad[i].text, bad[i].says, err.message);
        }
}

static void has_limits(void **state)
{
        char text[600];
        struct nxc_reference ref;
        struct nxc_error err = { 0 };

        memset(text, 'a', sizeof(text));
        memcpy(text, "h.io/", 5);
        text[255] = '\0';
        assert_int_equal(nxc_reference_parse(text, &ref, &err), 0);
        memcpy(text + 255, "a", 2);
        assert_true(nxc_reference_parse(text, &ref, &err) < 0);
        nxc_error_reset(&err);
        memset(text, 'a', sizeof(text));
        text[1] = ':';
        text[2 + 128] = '\0';
        assert_int_equal(nxc_reference_parse(text, &ref, &err), 0);
        text[2 + 128] = 'a';
        text[2 + 129] = '\0';
        assert_true(nxc_reference_parse(text, &ref, &err) < 0);
}

static void formats_the_canonical_name(void **state)
{
        static const char *const pairs[][2] = {
                { "busybox", "docker.io/library/busybox:latest" },
                { "localhost:5000/a:1", "localhost:5000/a:1" },
                { "quay.io/a:1@" SHA, "quay.io/a@" SHA },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(pairs); i++) {
                _cleanup_free_ char *text = NULL;
                struct nxc_reference ref;

                assert_int_equal(nxc_reference_parse(pairs[i][0], &ref, NULL), 0);
                text = nxc_reference_format(&ref);
                assert_string_equal(text, pairs[i][1]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parses_what_the_grammar_has),
                cmocka_unit_test(refuses_the_rest_and_says_why),
                cmocka_unit_test(has_limits),
                cmocka_unit_test(formats_the_canonical_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
