#include "oci/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_machine(void **state)
{
        static const char *const rows[][3] = {
                { "x86_64", "amd64", "" },
                { "aarch64", "arm64", "" },
                { "armv7l", "arm", "v7" },
                { "armv6l", "arm", "v6" },
                { "i686", "386", "" },
                { "riscv64", "riscv64", "" },
                { "sparc64", "sparc64", "" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                struct nxc_platform p;

                nxc_platform_from_machine(rows[i][0], &p);
                assert_string_equal(p.os, "linux");
                assert_string_equal(p.arch, rows[i][1]);
                assert_string_equal(p.variant, rows[i][2]);
        }
}

static void test_parse(void **state)
{
        static const char *const rows[][4] = {
                { "linux/amd64", "linux", "amd64", "" },
                { "arm64", "linux", "arm64", "" },
                { "linux/arm/v7", "linux", "arm", "v7" },
                { "LINUX/x86_64", "linux", "amd64", "" },
                { "windows/amd64", "windows", "amd64", "" },
                { "linux/armhf", "linux", "arm", "v7" },
        };
        static const char *const refused[] = { "", "/", "linux/", "linux//v7", "a/b/c/d", "linux/am d64",
                "nosuch", "linux/0123456789012345678901234567890123456789" };
        struct nxc_platform p, host;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                assert_int_equal(nxc_platform_parse(rows[i][0], &p, NULL), 0);
                assert_string_equal(p.os, rows[i][1]);
                assert_string_equal(p.arch, rows[i][2]);
                assert_string_equal(p.variant, rows[i][3]);
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(refused); i++) {
                struct nxc_error err = { 0 };

                assert_true(nxc_platform_parse(refused[i], &p, &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_USAGE);
        }
        assert_int_equal(nxc_platform_parse(NULL, &host, NULL), 0);
        assert_int_equal(nxc_platform_parse("linux", &p, NULL), 0);
        assert_string_equal(host.arch, p.arch);
}

/* "os/arch/variant" words; "-" is an entry without a platform, a leading "!" one that is no image. */
static void select_from(const char *entries, const char *want, const char *expected)
{
        struct nxc_descriptor d[8] = { 0 };
        struct nxc_index ix = { .manifests = d };
        const struct nxc_descriptor *got = NULL;
        char *copy = strdup(entries), *rest = copy;
        struct nxc_error err = { 0 };
        struct nxc_platform p;
        int r;

        for (char *w; (w = strsep(&rest, " ")); ix.n_manifests++) {
                struct nxc_descriptor *e = &d[ix.n_manifests];

                snprintf(e->media_type, sizeof(e->media_type), "%s",
                        *w == '!' ? "application/x" : NXC_MT_OCI_MANIFEST);
                snprintf(e->ref_name, sizeof(e->ref_name), "%s", w);
                w += *w == '!';
                if (!nxc_streq(w, "-"))
                        sscanf(w, "%31[^/]/%31[^/]/%31s", e->platform.os, e->platform.arch,
                                e->platform.variant);
        }
        free(copy);
        assert_int_equal(nxc_platform_parse(want, &p, NULL), 0);
        r = nxc_index_select(&ix, &p, &got, &err);
        if (!expected) {
                assert_true(r < 0);
                assert_int_equal(err.kind, NXC_ERR_IMAGE_NOT_FOUND);
                return;
        }
        assert_int_equal(r, 0);
        assert_string_equal(got->ref_name, expected);
}

static void test_select(void **state)
{
        select_from("linux/arm64 linux/amd64", "linux/amd64", "linux/amd64");
        select_from("linux/arm/v5 linux/arm/v6 linux/arm/v7", "linux/arm/v7", "linux/arm/v7");
        select_from("linux/arm/v5 linux/arm/v6 linux/arm/v8", "linux/arm/v7", "linux/arm/v6");
        select_from("linux/arm/v7", "linux/arm/v6", NULL);
        select_from("linux/arm", "linux/arm/v7", "linux/arm");
        select_from("linux/arm64/v8", "linux/arm64", "linux/arm64/v8");
        select_from("linux/arm64", "linux/arm64/v8", "linux/arm64");
        select_from("linux/arm64/v9", "linux/arm64", NULL);
        select_from("linux/amd64/v3 linux/amd64", "linux/amd64", "linux/amd64");
        select_from("linux/amd64/v2 linux/amd64", "linux/amd64/v3", "linux/amd64/v2");
        select_from("linux/amd64/weird", "linux/amd64", NULL);
        select_from("linux/amd64/weird linux/amd64", "linux/amd64/weird", "linux/amd64/weird");
        select_from("unknown/unknown linux/amd64", "linux/amd64", "linux/amd64");
        select_from("!linux/amd64 linux/amd64", "linux/amd64", "linux/amd64");
        select_from("-", "linux/amd64", "-");
        select_from("- -", "linux/amd64", NULL);
        select_from("- linux/amd64", "linux/amd64", "linux/amd64");
        select_from("windows/amd64", "linux/amd64", NULL);
}

static void test_select_lists(void **state)
{
        struct nxc_descriptor d[] = {
                { .media_type = NXC_MT_OCI_MANIFEST, .platform = { "linux", "arm", "v7" } },
                { .media_type = NXC_MT_OCI_MANIFEST, .platform = { "unknown", "unknown", "" } },
                { .media_type = NXC_MT_DOCKER_MANIFEST, .platform = { "windows", "amd64", "" } },
        };
        const struct nxc_index ix = { .manifests = d, .n_manifests = NXC_ARRAY_SIZE(d) };
        const struct nxc_platform want = { "linux", "amd64", "" };
        const struct nxc_descriptor *got;
        struct nxc_error err = { 0 };

        assert_true(nxc_index_select(&ix, &want, &got, &err) < 0);
        assert_string_equal(err.message,
                "the index has no image for linux/amd64, only for: linux/arm/v7, windows/amd64");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_machine),
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_select),
                cmocka_unit_test(test_select_lists),
        };

        return cmocka_run_group_tests_name("oci-platform", tests, NULL, NULL);
}
