/* Digests become file names: nothing but the two forms gets through. */
#include "core/digest.h"
#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HEX64 HEX32 HEX32
#define HEX128 HEX64 HEX64

static void valid_ones(void **state)
{
        static const char *const texts[] = { "sha256:" HEX64, "sha512:" HEX128 };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(texts); i++) {
                struct nxc_digest d = { 0 };
                char path[NXC_DIGEST_MAX + 8];
                _cleanup_free_ char *want = NULL;

                assert_int_equal(nxc_digest_parse(texts[i], &d, NULL), 0);
                assert_string_equal(d.text, texts[i]);
                assert_string_equal(nxc_digest_hex(&d), texts[i] + 7);
                want = nxc_strf("blobs/%.6s/%s", texts[i], texts[i] + 7);
                nxc_digest_blob_path(&d, path, sizeof(path));
                assert_string_equal(path, want);
        }
}

static void all_else_is_refused(void **state)
{
        static const char *const texts[] = { "", "sha256", "sha256:", HEX64, "sha256:" HEX32,
                "sha256:" HEX64 "0", "sha512:" HEX64, "sha256:" HEX128, "SHA256:" HEX64, "sha1:" HEX32,
                "md5:" HEX32, "sha384:" HEX64,
                "sha256:../../../../../../../../../../../../../../../../../etc/passwd/aaaaa",
                "sha256:0123456789ABCDEF0123456789abcdef" HEX32, "sha256:" HEX64 "\n", " sha256:" HEX64,
                "sha256:" HEX32 "/" HEX32, "sha256+b64u:" HEX64 };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(texts); i++) {
                struct nxc_digest d = { .text = "untouched" };
                struct nxc_error err = { 0 };

                assert_int_equal(nxc_digest_parse(texts[i], &d, &err), -EINVAL);
                assert_string_equal(nxc_error_kind_name(err.kind), "InvalidImage");
                assert_string_equal(d.text, "untouched");
        }
        assert_int_equal(nxc_digest_parse(NULL, &(struct nxc_digest){ 0 }, NULL), -EINVAL);
}

static void equality(void **state)
{
        struct nxc_digest a = { 0 }, b = { 0 };

        assert_false(nxc_digest_equal(&a, &b)); /* no digest equals no digest */
        assert_int_equal(nxc_digest_parse("sha256:" HEX64, &a, NULL), 0);
        assert_false(nxc_digest_equal(&a, &b));
        b = a;
        assert_true(nxc_digest_equal(&a, &b));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(valid_ones),
                cmocka_unit_test(all_else_is_refused),
                cmocka_unit_test(equality),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
