/* Names of datasets, and what zfs's words mean; no zfs is needed. */
#include "storage/zfs-internal.h"

#include "core/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct nxc_storage_env env = { .store = "/store", .zfs_parent = "tank/nexcage" };

static const char *name_of(const char *id)
{
        static char name[NXC_ZFS_NAME_MAX];
        struct nxc_storage_container c = { &env, id, "/store/containers/x" };

        assert_int_equal(nxc_zfs_container_name(&c, name, NULL), 0);
        return name;
}

static void test_container_names(void **state)
{
        char longest[256], other[256], name[NXC_ZFS_NAME_MAX];

        assert_string_equal(name_of("web"), "tank/nexcage/containers/web");
        assert_string_equal(name_of("a+b_c-d.e"), "tank/nexcage/containers/a:b_c-d.e");
        memset(longest, 'x', 255);
        longest[255] = '\0';
        memcpy(other, longest, sizeof(other));
        other[254] = 'y';
        snprintf(name, sizeof(name), "%s", name_of(longest));
        assert_true(strlen(name) + NXC_ZFS_SNAPSHOT_MAX <= NXC_ZFS_NAME_MAX);
        assert_true(nxc_starts_with(name, "tank/nexcage/containers/."));
        assert_string_not_equal(name, name_of(other));
}

/* The image-spec's ChainID; the second one by `printf "sha256:00... sha256:11..." | sha256sum`. */
static void test_image_names(void **state)
{
        _cleanup_strv_ struct nxc_strv layers = { 0 };
        char name[NXC_ZFS_NAME_MAX], zeros[72] = "sha256:", ones[72] = "sha256:";

        memset(zeros + 7, '0', 64);
        memset(ones + 7, '1', 64);
        nxc_strv_add(&layers, zeros);
        assert_int_equal(nxc_zfs_image_name("tank", &layers, name, NULL), 0);
        assert_string_equal(
                name, "tank/images/0000000000000000000000000000000000000000000000000000000000000000");
        nxc_strv_add(&layers, ones);
        assert_int_equal(nxc_zfs_image_name("tank", &layers, name, NULL), 0);
        assert_string_equal(
                name, "tank/images/f94b891e05f6e37c90d87edfd5bb98a02d618a437c35f3a94b3b00e48e894631");
}

static void test_parents(void **state)
{
        static const char *const bad[] = { "", "/", "/tank", "tank/", "tank//x", "-tank", "1tank",
                "tank/./x", "tank/..", "tank/a b", "tank@x", "tank/x+y", "tank\n" };
        char longest[200] = "tank/";
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_zfs_check_parent("tank", &err), 0);
        assert_int_equal(nxc_zfs_check_parent("rpool/data/nexcage_1.0", &err), 0);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++) {
                nxc_error_reset(&err);
                assert_true(nxc_zfs_check_parent(bad[i], &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_INVALID_CONFIG);
        }
        memset(longest + 5, 'x', sizeof(longest) - 6);
        nxc_error_reset(&err);
        assert_int_equal(nxc_zfs_check_parent(longest, &err), -ENAMETOOLONG);
}

static void test_snapshots(void **state)
{
        static const char *const bad[] = { "", "-r", ".x", "a/b", "a@b", "a b", "a%b" };
        char longest[80];

        assert_int_equal(nxc_zfs_check_snapshot("before-update:2.0_x", NULL), 0);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++)
                assert_true(nxc_zfs_check_snapshot(bad[i], NULL) < 0);
        memset(longest, 'x', sizeof(longest));
        longest[NXC_ZFS_SNAPSHOT_MAX - 1] = '\0';
        assert_true(nxc_zfs_check_snapshot(longest, NULL) < 0);
        longest[NXC_ZFS_SNAPSHOT_MAX - 2] = '\0';
        assert_int_equal(nxc_zfs_check_snapshot(longest, NULL), 0);
}

static void test_words(void **state)
{
        static const struct {
                const char *words;
                int errnum;
        } rows[] = {
                { "cannot open 'tank/x': dataset does not exist\n", ENOENT },
                { "cannot create 'tank/x': no such pool 'tank'\n", ENOENT },
                { "cannot create 'tank/x': dataset already exists\n", EEXIST },
                { "cannot destroy 'tank/x': dataset is busy\n", EBUSY },
                { "cannot destroy 'tank/x': filesystem has dependent clones\nuse '-R' to ...\n", EMLINK },
                { "cannot create 'tank/x': out of space\n", ENOSPC },
                { "internal error: something\n", EIO },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++)
                assert_int_equal(nxc_zfs_errno_of(rows[i].words), rows[i].errnum);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_container_names),
                cmocka_unit_test(test_image_names),
                cmocka_unit_test(test_parents),
                cmocka_unit_test(test_snapshots),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
