/* The fake backend: a container's life in a process, and a failure of each operation. */
#include "backend/backend.h"

#include "core/fs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static char dir[] = "/tmp/nxc-test-XXXXXX";
static const struct nxc_rootfs rootfs = { .kind = NXC_ROOTFS_DIR, .path = (char *)(uintptr_t) "/" };

static void expect(
        const struct nxc_backend_ops *b, const struct nxc_backend_target *t, enum nxc_status status)
{
        struct nxc_backend_status st;

        assert_int_equal(nxc_backend_status(b, t, &st, NULL), 0);
        assert_int_equal(st.status, status);
        assert_int_equal(st.pid > 0, status != NXC_STATUS_STOPPED);
}

static void a_life(void **state)
{
        const struct nxc_backend_ops *b;
        struct nxc_backend_target t = { .id = "c1", .state_dir = dir, .bundle = "/" };
        struct nxc_backend_create c = { .rootfs = &rootfs, .stdio = { -1, -1, -1 } };
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_backend_find("fake", &b, NULL), 0);
        assert_int_equal(nxc_backend_probe(b, true, NULL, NULL), 0);
        expect(b, &t, NXC_STATUS_STOPPED);
        assert_int_equal(nxc_backend_create(b, &t, &c, NULL), 0);
        expect(b, &t, NXC_STATUS_CREATED);
        assert_int_equal(nxc_backend_start(b, &t, NULL), 0);
        expect(b, &t, NXC_STATUS_RUNNING);
        assert_int_equal(nxc_backend_pause(b, &t, NULL), 0);
        expect(b, &t, NXC_STATUS_PAUSED);
        assert_int_equal(nxc_backend_resume(b, &t, NULL), 0);
        assert_int_equal(nxc_backend_kill(b, &t, SIGTERM, false, NULL), 0);
        assert_true(wait(NULL) > 0);
        expect(b, &t, NXC_STATUS_STOPPED);
        assert_true(nxc_backend_kill(b, &t, SIGTERM, false, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_STATE);
        assert_non_null(strstr(err.message, "container not running"));
        assert_int_equal(nxc_backend_remove(b, &t, false, NULL), 0);
        assert_int_equal(nxc_backend_remove(b, &t, true, NULL), 0);
}

static void an_injected_failure_leaves_nothing(void **state)
{
        const struct nxc_backend_ops *b;
        struct nxc_backend_target t = { .id = "c1", .state_dir = dir, .bundle = "/" };
        struct nxc_error err = { 0 };

        assert_int_equal(nxc_backend_find("fake", &b, NULL), 0);
        assert_true(nxc_backend_update(b, &t, NULL, &err) < 0);
        assert_non_null(strstr(err.message, "injected failure"));
        expect(b, &t, NXC_STATUS_STOPPED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_life),
                cmocka_unit_test(an_injected_failure_leaves_nothing),
        };
        int r;

        setenv("NXC_DEBUG", "fake-backend,fake-fail=update,trace-backend", 1);
        if (!mkdtemp(dir))
                return 1;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        nxc_remove_tree_at(AT_FDCWD, dir, NULL);
        return r;
}
