/* The undo journal: backwards, by its owner or by the next command; what is not ours stays; a barrier
 * holds. */
#include "lifecycle/host-internal.h"

#include "core/cleanup.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
        char dir[64];
        char root[80];
        char thing[96];
        struct nxc_host *host;
};

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        struct nxc_host_opts opts = { 0 };
        struct nxc_error err = { 0 };

        strcpy(f->dir, "/tmp/nexcage-journal-XXXXXX");
        if (!mkdtemp(f->dir))
                return -1;
        snprintf(f->root, sizeof(f->root), "%s/root", f->dir);
        snprintf(f->thing, sizeof(f->thing), "%s/conf", f->dir);
        close(open(f->thing, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        setenv("NEXCAGE_CONFIG", f->thing, 1);
        snprintf(f->thing, sizeof(f->thing), "%s/thing", f->dir);
        opts.root = f->root;
        opts.store = f->dir;
        if (nxc_host_open(&opts, &f->host, &err) < 0 || nxc_host_root_fd(f->host, true, &err) < 0)
                return -1;
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        char command[128];

        nxc_host_close(f->host);
        snprintf(command, sizeof(command), "rm -rf %s", f->dir);
        if (system(command) != 0)
                return -1;
        free(f);
        return 0;
}

static void put_thing(struct fixture *f, const char *owner)
{
        char path[128];
        FILE *file;

        mkdir(f->thing, 0700);
        snprintf(path, sizeof(path), "%s/%s", f->thing, NXC_OWNER_FILE);
        file = fopen(path, "we");
        assert_non_null(file);
        fputs(owner, file);
        fclose(file);
}

static void unwinds_backwards(void **state)
{
        struct fixture *f = *state;
        struct nxc_journal *j;
        char inner[128];

        assert_int_equal(nxc_journal_open(f->host, &j, NULL), 0);
        assert_int_equal(nxc_journal_push(j, NXC_UNDO_TREE, f->thing, NULL), 0);
        put_thing(f, "x");
        snprintf(inner, sizeof(inner), "%s/file", f->thing);
        assert_int_equal(nxc_journal_push(j, NXC_UNDO_FILE, inner, NULL), 0);
        close(open(inner, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        nxc_journal_unwind(f->host, j);
        assert_int_equal(access(f->thing, F_OK), -1);
}

static void commit_forgets(void **state)
{
        struct fixture *f = *state;
        struct nxc_journal *j;

        assert_int_equal(nxc_journal_open(f->host, &j, NULL), 0);
        assert_int_equal(nxc_journal_push(j, NXC_UNDO_TREE, f->thing, NULL), 0);
        put_thing(f, "x");
        nxc_journal_commit(j);
        assert_int_equal(nxc_journal_recover(f->host, NULL), 0);
        assert_int_equal(access(f->thing, F_OK), 0);
}

/* A child that dies with its journal open. */
static void die_with(struct fixture *f, enum nxc_undo_kind kind, bool owned)
{
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                struct nxc_journal *j;

                if (nxc_journal_open(f->host, &j, NULL) < 0 || nxc_journal_push(j, kind, f->thing, NULL) < 0)
                        _exit(1);
                put_thing(f, owned ? nxc_journal_token(j) : "somebody else's");
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void next_command_undoes_the_dead(void **state)
{
        struct fixture *f = *state;

        die_with(f, NXC_UNDO_TREE, false);
        assert_int_equal(access(f->thing, F_OK), 0);
        assert_int_equal(nxc_journal_recover(f->host, NULL), 0);
        assert_int_equal(access(f->thing, F_OK), -1);
}

static void owned_is_undone_and_others_stay(void **state)
{
        struct fixture *f = *state;

        die_with(f, NXC_UNDO_OWNED, false);
        nxc_journal_recover(f->host, NULL);
        assert_int_equal(access(f->thing, F_OK), 0);
        die_with(f, NXC_UNDO_OWNED, true);
        nxc_journal_recover(f->host, NULL);
        assert_int_equal(access(f->thing, F_OK), -1);
}

static void the_living_are_left_alone(void **state)
{
        struct fixture *f = *state;
        struct nxc_journal *j;

        assert_int_equal(nxc_journal_open(f->host, &j, NULL), 0);
        assert_int_equal(nxc_journal_push(j, NXC_UNDO_TREE, f->thing, NULL), 0);
        put_thing(f, "x");
        assert_int_equal(nxc_journal_recover(f->host, NULL), 0);
        assert_int_equal(access(f->thing, F_OK), 0);
        nxc_journal_unwind(f->host, j);
}

static void a_newline_cannot_forge_an_entry(void **state)
{
        struct fixture *f = *state;
        struct nxc_error err = { 0 };
        struct nxc_journal *j;

        assert_int_equal(nxc_journal_open(f->host, &j, NULL), 0);
        assert_int_equal(nxc_journal_push(j, NXC_UNDO_FILE, "/tmp/a\ntree /etc", &err), -EINVAL);
        assert_int_equal(err.kind, NXC_ERR_USAGE);
        nxc_journal_commit(j);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(unwinds_backwards, setup, teardown),
                cmocka_unit_test_setup_teardown(commit_forgets, setup, teardown),
                cmocka_unit_test_setup_teardown(next_command_undoes_the_dead, setup, teardown),
                cmocka_unit_test_setup_teardown(owned_is_undone_and_others_stay, setup, teardown),
                cmocka_unit_test_setup_teardown(the_living_are_left_alone, setup, teardown),
                cmocka_unit_test_setup_teardown(a_newline_cannot_forge_an_entry, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
