/* Records on disk: claiming an id, loading, listing, locking, removing. */
#include "core/fs.h"
#include "core/json.h"
#include "state/state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
        char path[64];
        int fd;
};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        strcpy(f->path, "/tmp/nxc-test-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        assert_int_equal(nxc_state_root_open(f->path, true, &f->fd, NULL), 0);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        close(f->fd);
        assert_int_equal(nxc_remove_tree_at(AT_FDCWD, f->path, NULL), 0);
        free(f);
        return 0;
}

static struct nxc_record *record(const char *id)
{
        _cleanup_json_ json_t *j = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "version", 1, "id", id,
                "ociVersion", "1.0.2", "bundle", "/b", "rootfs", "/b/r", "runtime", "crun", "created", "now",
                "owner", "root");
        struct nxc_record *r;

        assert_int_equal(nxc_record_from_json(j, &r, NULL), 0);
        return r;
}

static int make(int fd, const char *id, const char *token, struct nxc_error *err)
{
        struct nxc_record *r = record(id);
        int dir, k = nxc_state_stage(fd, r, token, &dir, err);

        assert_int_equal(k, 0);
        close(dir);
        nxc_record_free(r);
        return nxc_state_claim(fd, token, id, err);
}

static void an_id_is_claimed_once(void **state)
{
        struct fixture *f = *state;
        struct nxc_error err = { 0 };
        struct nxc_record *r;

        assert_int_equal(make(f->fd, "c1", "1", NULL), 0);
        assert_int_equal(make(f->fd, "c1", "2", &err), -EEXIST);
        assert_int_equal(err.kind, NXC_ERR_CONTAINER_EXISTS);
        assert_non_null(strstr(err.message, "container with given ID already exists: c1"));
        assert_int_equal(nxc_state_load(f->fd, "c1", &r, NULL), 0);
        assert_string_equal(r->backend, "crun");
        free(r->bundle);
        r->bundle = strdup("/other");
        assert_int_equal(nxc_state_update(f->fd, r, NULL), 0);
        nxc_record_free(r);
        assert_int_equal(nxc_state_load(f->fd, "c1", &r, NULL), 0);
        assert_string_equal(r->bundle, "/other");
        nxc_record_free(r);
}

static void of_racing_claims_one_wins(void **state)
{
        struct fixture *f = *state;
        int winners = 0, status;

        for (int i = 0; i < 20; i++) {
                char token[16];

                snprintf(token, sizeof(token), "t%d", i);
                if (fork() == 0)
                        _exit(make(f->fd, "race", token, NULL) == 0 ? 0 : 1);
        }
        while (wait(&status) > 0)
                winners += status == 0;
        assert_int_equal(winners, 1);
}

static void what_is_not_there(void **state)
{
        struct fixture *f = *state;
        struct nxc_error err = { 0 };
        struct nxc_record *r;
        int fd;

        assert_true(nxc_state_load(f->fd, "none", &r, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_CONTAINER_NOT_FOUND);
        assert_non_null(strstr(err.message, "container does not exist: none"));
        nxc_error_reset(&err);
        assert_true(nxc_state_load(-1, "none", &r, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_CONTAINER_NOT_FOUND);
        nxc_error_reset(&err);
        assert_true(nxc_state_lock(f->fd, "none", 0, &fd, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_CONTAINER_NOT_FOUND);
        nxc_error_reset(&err);
        assert_true(nxc_state_load(f->fd, "../x", &r, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_USAGE);
        assert_int_equal(nxc_state_remove(f->fd, "none", NULL), 0);
        assert_int_equal(nxc_state_root_open("/nonexistent/root", false, &fd, NULL), 0);
        assert_true(fd < 0);
        nxc_error_reset(&err);
        assert_true(nxc_state_root_open("/tmp/..", false, &fd, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_USAGE);
}

static void a_damaged_record_is_named(void **state)
{
        struct fixture *f = *state;
        struct nxc_error err = { 0 };
        struct nxc_record *r;
        int fd;

        assert_int_equal(make(f->fd, "c1", "1", NULL), 0);
        fd = openat(f->fd, "c1/state.json", O_WRONLY | O_TRUNC);
        assert_int_equal(nxc_write_all(fd, "{", 1), 0);
        close(fd);
        assert_true(nxc_state_load(f->fd, "c1", &r, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_FILE);
        assert_non_null(strstr(err.message, "load the container 'c1'"));
        assert_non_null(strstr(err.hint, "delete --force c1"));
        /* One that lies under another's name is not taken for it. */
        assert_int_equal(make(f->fd, "c2", "2", NULL), 0);
        assert_int_equal(renameat(f->fd, "c2", f->fd, "c3"), 0);
        nxc_error_reset(&err);
        assert_true(nxc_state_load(f->fd, "c3", &r, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_FILE);
}

static void list_is_sorted_and_shows_ids_only(void **state)
{
        struct fixture *f = *state;
        _cleanup_strv_ struct nxc_strv ids = { 0 }, none = { 0 };

        assert_int_equal(make(f->fd, "b", "1", NULL), 0);
        assert_int_equal(make(f->fd, "a", "2", NULL), 0);
        assert_int_equal(mkdirat(f->fd, ".inflight", 0700), 0);
        assert_int_equal(mkdirat(f->fd, "no id", 0700), 0);
        close(openat(f->fd, "file", O_CREAT | O_WRONLY, 0600));
        assert_int_equal(nxc_state_list(f->fd, &ids, NULL), 0);
        assert_int_equal(ids.n, 2);
        assert_string_equal(ids.v[0], "a");
        assert_string_equal(ids.v[1], "b");
        assert_int_equal(nxc_state_list(-1, &none, NULL), 0);
        assert_int_equal(none.n, 0);
}

static void a_lock_is_of_what_has_the_id_now(void **state)
{
        struct fixture *f = *state;
        struct nxc_error err = { 0 };
        int lock, other, status;
        pid_t pid;

        assert_int_equal(make(f->fd, "c1", "1", NULL), 0);
        assert_int_equal(nxc_state_lock(f->fd, "c1", 0, &lock, NULL), 0);
        assert_true(nxc_state_lock(f->fd, "c1", 0, &other, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_BUSY);
        pid = fork();
        if (pid == 0) { /* waits while it is removed: then it is gone */
                struct nxc_error why = { 0 };
                int fd;

                close(lock);
                nxc_state_lock(f->fd, "c1", 5000, &fd, &why);
                _exit(why.kind == NXC_ERR_CONTAINER_NOT_FOUND ? 0 : 1);
        }
        usleep(20000);
        assert_int_equal(nxc_state_remove(f->fd, "c1", NULL), 0);
        close(lock);
        waitpid(pid, &status, 0);
        assert_int_equal(status, 0);
        assert_true(faccessat(f->fd, "c1", F_OK, 0) < 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(an_id_is_claimed_once, setup, teardown),
                cmocka_unit_test_setup_teardown(of_racing_claims_one_wins, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_not_there, setup, teardown),
                cmocka_unit_test_setup_teardown(a_damaged_record_is_named, setup, teardown),
                cmocka_unit_test_setup_teardown(list_is_sorted_and_shows_ids_only, setup, teardown),
                cmocka_unit_test_setup_teardown(a_lock_is_of_what_has_the_id_now, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
