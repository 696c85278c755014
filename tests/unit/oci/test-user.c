#include "oci/compose.h"

#include "core/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n"
                             "broken\n"
                             "bad:x:zero:0::/:/bin/sh\n"
                             "neg:x:-1:0::/:/bin/sh\n"
                             "huge:x:4294967296:0::/:/bin/sh\n"
                             "empty:x::0::/:/bin/sh\n"
                             "app:x:1000:1001:App:/home/app:/bin/sh\n"
                             "42:x:77:77::/numbername:/bin/sh\n"
                             "rel:x:50:50::relative:/bin/sh";
static const char group[] =
        "root:x:0:\napp:x:1001:\nextra:x:2000:other,app,x\nmore:x:2001:app\nbadgid:x:q:app\n";

/* A root in a temporary directory. */
struct root {
        char path[64];
        int fd;
};

static void put(const struct root *root, const char *name, const char *text)
{
        int fd = openat(root->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

static int setup(void **state)
{
        static struct root root;

        snprintf(root.path, sizeof(root.path), "/tmp/nexcage-test-user-XXXXXX");
        assert_non_null(mkdtemp(root.path));
        root.fd = open(root.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdirat(root.fd, "etc", 0755), 0);
        put(&root, "etc/passwd", passwd);
        put(&root, "etc/group", group);
        *state = &root;
        return 0;
}

static int teardown(void **state)
{
        struct root *root = *state;

        close(root->fd);
        return nxc_remove_tree_at(AT_FDCWD, root->path, NULL);
}

static void test_found(void **state)
{
        static const struct {
                const char *user;
                uint32_t uid, gid;
                const char *groups, *home;
        } rows[] = {
                { NULL, 0, 0, "", "/root" },
                { "", 0, 0, "", "/root" },
                { "root", 0, 0, "0", "/root" },
                { "0", 0, 0, "0", "/root" },
                { "app", 1000, 1001, "1001 2000 2001", "/home/app" },
                { "1000", 1000, 1001, "1001 2000 2001", "/home/app" },
                { "app:extra", 1000, 2000, "2000", "/home/app" },
                { "app:5", 1000, 5, "5", "/home/app" },
                { "1000:5", 1000, 5, "5", "/home/app" },
                { "5", 5, 0, "0", NULL },
                { "5:more", 5, 2001, "2001", NULL },
                { "42", 42, 0, "0", NULL }, /* a number is a uid, whoever is called so */
                { "rel", 50, 50, "50", NULL },
                { "2147483647:2147483647", 2147483647, 2147483647, "2147483647", NULL },
        };
        const struct root *root = *state;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                _cleanup_buf_ struct nxc_buf groups = { 0 };
                struct nxc_error err = { 0 };
                struct nxc_user u;

                if (nxc_user_lookup(root->fd, rows[i].user, &u, &err) < 0)
                        fail_msg("%s: %s", rows[i].user, err.message);
                nxc_buf_puts(&groups, "");
                for (size_t k = 0; k < u.n_additional; k++)
                        nxc_buf_printf(&groups, "%s%u", k ? " " : "", u.additional_gids[k]);
                assert_int_equal(u.uid, rows[i].uid);
                assert_int_equal(u.gid, rows[i].gid);
                assert_string_equal(groups.data, rows[i].groups);
                assert_true(nxc_streq(u.home, rows[i].home));
                nxc_user_done(&u);
        }
}

static void expect(const struct root *root, const char *user, enum nxc_error_kind kind, const char *message)
{
        struct nxc_error err = { 0 };
        struct nxc_user u = { .uid = 7 };

        assert_true(nxc_user_lookup(root->fd, user, &u, &err) < 0);
        assert_int_equal(u.uid, 7);
        assert_int_equal(err.kind, kind);
        if (!strstr(err.message, message))
                fail_msg("'%s' is not in '%s'", message, err.message);
}

static void test_refused(void **state)
{
        const struct root *root = *state;

        expect(root, "nosuch", NXC_ERR_USAGE,
                "unable to find user nosuch: no matching entries in passwd file");
        expect(root, "app:nosuch", NXC_ERR_USAGE,
                "unable to find group nosuch: no matching entries in group file");
        expect(root, "app:badgid", NXC_ERR_USAGE, "unable to find group badgid");
        for (const char *const *u = (const char *const[]){ "bad", "neg", "huge", "empty", "broken", "App",
                     " app", "-1", "+0", "0x0", "1e3", NULL };
                *u; u++)
                expect(root, *u, NXC_ERR_USAGE, "unable to find user");
        for (const char *const *u =
                        (const char *const[]){ ":", ":5", "app:", "0:", "a:b:c", "0:0:0", "app\n", NULL };
                *u; u++)
                expect(root, *u, NXC_ERR_USAGE, "is not USER[:GROUP]");
        expect(root, "2147483648", NXC_ERR_USAGE, "must be in range 0-2147483647");
        expect(root, "4294967296", NXC_ERR_USAGE, "must be in range");
        expect(root, "99999999999999999999", NXC_ERR_USAGE, "must be in range");
        expect(root, "0:4294967295", NXC_ERR_USAGE, "must be in range");
}

/* The root's files as links, devices and monsters: nothing outside is ever read. */
static void test_hostile(void **state)
{
        struct root *root = *state;
        struct nxc_error err = { 0 };
        struct nxc_user u;
        int fd;

        assert_int_equal(unlinkat(root->fd, "etc/passwd", 0), 0);
        assert_int_equal(nxc_user_lookup(root->fd, "1000", &u, &err), 0);
        nxc_user_done(&u);
        expect(root, "app", NXC_ERR_USAGE, "unable to find user app");

        /* absolute links and climbs stay in the root: there is no /etc/passwd but ours */
        assert_int_equal(symlinkat("/etc/passwd", root->fd, "etc/passwd"), 0);
        expect(root, "root", NXC_ERR_INVALID_IMAGE, "open etc/passwd of the image");
        unlinkat(root->fd, "etc/passwd", 0);
        assert_int_equal(symlinkat("../../../../../../etc/hostname", root->fd, "etc/passwd"), 0);
        expect(root, "root", NXC_ERR_USAGE, "unable to find user root");
        unlinkat(root->fd, "etc/passwd", 0);
        assert_int_equal(symlinkat("/proc/self/root/etc/passwd", root->fd, "etc/passwd"), 0);
        expect(root, "root", NXC_ERR_USAGE, "unable to find user root");
        unlinkat(root->fd, "etc/passwd", 0);

        /* a link that stays inside is followed */
        put(root, "passwd.real", passwd);
        assert_int_equal(symlinkat("/passwd.real", root->fd, "etc/passwd"), 0);
        assert_int_equal(nxc_user_lookup(root->fd, "app", &u, &err), 0);
        assert_int_equal(u.uid, 1000);
        nxc_user_done(&u);
        unlinkat(root->fd, "etc/passwd", 0);

        assert_int_equal(mkfifoat(root->fd, "etc/passwd", 0644), 0);
        expect(root, "root", NXC_ERR_INVALID_IMAGE, "is not a regular file");
        unlinkat(root->fd, "etc/passwd", 0);
        assert_int_equal(mkdirat(root->fd, "etc/passwd", 0755), 0);
        expect(root, "root", NXC_ERR_INVALID_IMAGE, "is not a regular file");
        unlinkat(root->fd, "etc/passwd", AT_REMOVEDIR);

        fd = openat(root->fd, "etc/passwd", O_WRONLY | O_CREAT, 0644);
        assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
        close(fd);
        expect(root, "root", NXC_ERR_INVALID_IMAGE, "etc/passwd");
}

/* No root yet: numbers only. */
static void test_no_root(void **state)
{
        const struct root none = { .fd = -EBADF };
        struct nxc_user u;

        assert_int_equal(nxc_user_lookup(-EBADF, "5:6", &u, NULL), 0);
        assert_int_equal(u.gid, 6);
        nxc_user_done(&u);
        expect(&none, "app", NXC_ERR_USAGE, "unable to find user app");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_found, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
                cmocka_unit_test(test_no_root),
        };

        return cmocka_run_group_tests_name("oci-user", tests, NULL, NULL);
}
