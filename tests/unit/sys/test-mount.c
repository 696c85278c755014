/* Detached mounts: made, attached, taken away, and gone by themselves. Needs root; skipped without. */
#include "../core/temp-dir.h"

#include "core/cleanup.h"
#include "sys/feature.h"
#include "sys/mount.h"
#include "sys/rootfs.h"

#include <sched.h>

/* All of it in a mount namespace of its own, so that not even a failing test leaves a mount. Entered before
 * any directory is opened: mounts are made of directories of their maker's namespace only. */
static bool entered;

static int enter_namespace(void **state)
{
        entered = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
                  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
        return 0;
}

static bool skip_unless_entered(void)
{
        if (entered)
                return false;
        print_message("# skipped: mounting needs root\n");
        skip();
        return true;
}

static int make_dir(struct temp_dir *t, const char *name)
{
        int fd;

        assert_int_equal(mkdirat(t->fd, name, 0755), 0);
        fd = openat(t->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static void test_attach_and_unmount(void **state)
{
        struct temp_dir *t = *state;
        char target[128], missing[128];
        struct nxc_error err = { 0 };
        int dir, mount_fd = -1;

        if (skip_unless_entered())
                return;
        dir = make_dir(t, "dir");
        close(make_dir(t, "target"));
        put_file(dir, "f", "x");
        snprintf(target, sizeof(target), "%s/target", t->path);
        snprintf(missing, sizeof(missing), "%s/missing/below", t->path);
        assert_false(nxc_is_mount_point(target));
        for (int i = 0; i < 3; i++) { /* stacked */
                assert_int_equal(nxc_mount_clone(dir, true, &mount_fd, &err), 0);
                assert_int_equal(nxc_mount_harden(mount_fd, &err), 0);
                assert_int_equal(nxc_mount_attach(mount_fd, t->fd, "target", &err), 0);
                close(mount_fd);
        }
        assert_true(nxc_is_mount_point(target));
        assert_true(exists_at(t->fd, "target/f"));
        assert_int_equal(openat(t->fd, "target/f", O_WRONLY | O_CLOEXEC), -1);
        assert_int_equal(errno, EROFS);
        assert_int_equal(nxc_umount(target, &err), 0);
        assert_false(nxc_is_mount_point(target));
        assert_int_equal(nxc_umount(target, &err), 0);
        assert_int_equal(nxc_umount(missing, &err), 0);
        close(dir);
}

static void test_never_through_a_link(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        int dir, mount_fd = -1;

        if (skip_unless_entered())
                return;
        dir = make_dir(t, "dir");
        assert_int_equal(symlinkat("dir", t->fd, "link"), 0);
        assert_int_equal(nxc_mount_clone(dir, false, &mount_fd, &err), 0);
        assert_true(nxc_mount_attach(mount_fd, t->fd, "link", &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_ROOTFS);
        nxc_error_reset(&err);
        assert_true(nxc_mount_attach(mount_fd, dir, "../dir", &err) < 0);
        close(mount_fd);
        close(dir);
}

static void test_overlay_errors(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        struct nxc_overlay_opts opts = { .n_lower = 501, .upper_fd = -1, .work_fd = -1 };
        int lower[2], mount_fd = -1;

        if (skip_unless_entered())
                return;
        assert_int_equal(nxc_mount_overlay(&opts, &mount_fd, &err), -E2BIG);
        assert_int_equal(err.kind, NXC_ERR_INVALID_ROOTFS);
        assert_non_null(strstr(err.message, "501"));
        nxc_error_reset(&err);
        opts.n_lower = 0;
        assert_true(nxc_mount_overlay(&opts, &mount_fd, &err) < 0);
        nxc_error_reset(&err);

        /* The work directory within the upper one: the kernel says so, and so do we. */
        lower[0] = make_dir(t, "lower");
        opts = (struct nxc_overlay_opts){
                .lower_fds = lower, .n_lower = 1, .upper_fd = make_dir(t, "upper")
        };
        opts.work_fd = make_dir(t, "upper/work");
        assert_true(nxc_mount_overlay(&opts, &mount_fd, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_ROOTFS);
        assert_non_null(strstr(err.message, "overlay of 1 layers"));
        close(lower[0]);
        close(opts.upper_fd);
        close(opts.work_fd);
}

static void test_small_things(void **state)
{
        struct nxc_rootfs rootfs = { .path = strdup("/x") };

        nxc_rootfs_done(&rootfs);
        nxc_rootfs_done(&rootfs);
        assert_true(nxc_feature_enabled("TEST"));
        setenv("NXC_FEATURE_TEST", "0", 1);
        assert_false(nxc_feature_enabled("TEST"));
        setenv("NXC_FEATURE_TEST", "1", 1);
        assert_true(nxc_feature_enabled("TEST"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(test_attach_and_unmount),
                with_temp_dir(test_never_through_a_link),
                with_temp_dir(test_overlay_errors),
                cmocka_unit_test(test_small_things),
        };

        return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
