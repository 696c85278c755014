/* The parts of http that need no network: Retry-After, encoding, certificate directories. */
#include "net/http.h"

#include "core/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void reads_retry_after(void **state)
{
        const time_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */

        assert_int_equal(nxc_http_retry_after("", now), -1);
        assert_int_equal(nxc_http_retry_after("soon", now), -1);
        assert_int_equal(nxc_http_retry_after("-5", now), -1);
        assert_int_equal(nxc_http_retry_after("0", now), 0);
        assert_int_equal(nxc_http_retry_after("120", now), 120);
        assert_int_equal(nxc_http_retry_after("99999999999999", now), INT32_MAX);
        assert_int_equal(nxc_http_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), 10);
        assert_int_equal(nxc_http_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), 0);
}

static void encodes(void **state)
{
        _cleanup_buf_ struct nxc_buf b = { 0 };

        assert_int_equal(nxc_http_encode(&b, "a-Z_0.~ /:&=%\303\251"), 0);
        assert_string_equal(b.data, "a-Z_0.~%20%2F%3A%26%3D%25%C3%A9");
}

static char dir[64];

static int make_dir(void **state)
{
        strcpy(dir, "/tmp/nxc-test-http-XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
        return nxc_remove_tree_at(AT_FDCWD, dir, NULL);
}

static void put(const char *name, const char *text)
{
        _cleanup_free_ char *path = nxc_strf("%s/%s", dir, name);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, text, strlen(text)), 0);
}

static int open_with_dir(struct nxc_error *err)
{
        const struct nxc_http_opts opts = { .tls_verify = true, .cert_dir = dir };
        struct nxc_http *http = NULL;
        int r = nxc_http_new(&opts, &http, err);

        nxc_http_free(http);
        return r;
}

static void loads_certificates(void **state)
{
        struct nxc_error err = { 0 };

        assert_int_equal(open_with_dir(&err), 0);
        put("ca.crt", "-----BEGIN CERTIFICATE-----\n");
        put("readme.txt", "nothing");
        assert_int_equal(open_with_dir(&err), 0);
        put("client.cert", "-----BEGIN CERTIFICATE-----\n");
        assert_true(open_with_dir(&err) < 0);
        assert_int_equal(err.kind, NXC_ERR_CONFIG);
        assert_non_null(strstr(err.message, "client.key"));
        put("client.key", "key");
        nxc_error_reset(&err);
        assert_int_equal(open_with_dir(&err), 0);
        put("der.crt", "0\202");
        assert_true(open_with_dir(&err) < 0);
        assert_non_null(strstr(err.message, "PEM"));
}

static void takes_an_absent_directory(void **state)
{
        strcpy(dir, "/nonexistent/certs.d");
        assert_int_equal(open_with_dir(NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_retry_after),
                cmocka_unit_test(encodes),
                cmocka_unit_test_setup_teardown(loads_certificates, make_dir, remove_dir),
                cmocka_unit_test(takes_an_absent_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
