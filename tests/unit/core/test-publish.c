/* Files appear whole or not at all, and nothing is left beside them. */
#include "core/publish.h"
#include "temp-dir.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

static void expect_text(int dir_fd, const char *name, const char *want)
{
        char *text = NULL;

        assert_int_equal(nxc_read_file_at(dir_fd, name, 1 << 20, &text, NULL, NULL), 0);
        assert_string_equal(text, want);
        free(text);
}

static void publish_makes_and_replaces(void **state)
{
        struct temp_dir *t = *state;
        struct stat st;

        umask(077);
        assert_int_equal(nxc_publish_at(t->fd, "x", "one", 3, 0644, 0, NULL), 0);
        expect_text(t->fd, "x", "one");
        assert_int_equal(fstatat(t->fd, "x", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0644); /* whatever the umask */
        assert_int_equal(nxc_publish_at(t->fd, "x", "two", 3, 0600, NXC_PUBLISH_SYNC, NULL), 0);
        expect_text(t->fd, "x", "two");
        assert_int_equal(nxc_publish_at(t->fd, "empty", NULL, 0, 0600, 0, NULL), 0);
        expect_text(t->fd, "empty", "");
        assert_int_equal(mkdirat(t->fd, "d", 0700), 0);
        assert_int_equal(nxc_publish_at(t->fd, "d/y", "y", 1, 0600, NXC_PUBLISH_SYNC, NULL), 0);
        expect_text(t->fd, "d/y", "y");
        assert_int_equal(count_entries(t->fd), 3);
}

static void exclusive_does_not_replace(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        char message[128];

        assert_int_equal(nxc_publish_at(t->fd, "x", "one", 3, 0600, NXC_PUBLISH_EXCLUSIVE, NULL), 0);
        assert_int_equal(nxc_publish_at(t->fd, "x", "two", 3, 0600, NXC_PUBLISH_EXCLUSIVE, &err), -EEXIST);
        snprintf(message, sizeof(message), "write '%s/x': File exists", t->path);
        assert_string_equal(err.message, message);
        expect_text(t->fd, "x", "one");
        assert_int_equal(count_entries(t->fd), 1);
}

static void a_link_is_replaced_not_followed(void **state)
{
        struct temp_dir *t = *state;
        struct stat st;

        put_file(t->fd, "target", "precious");
        assert_int_equal(symlinkat("target", t->fd, "x"), 0);
        assert_int_equal(nxc_publish_at(t->fd, "x", "new", 3, 0600, 0, NULL), 0);
        expect_text(t->fd, "target", "precious");
        assert_int_equal(fstatat(t->fd, "x", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(st.st_mode));
}

static void failures_leave_nothing(void **state)
{
        struct temp_dir *t = *state;
        struct rlimit old, small;
        int r;

        assert_int_equal(nxc_publish_at(t->fd, "absent/x", "a", 1, 0600, 0, NULL), -ENOENT);
        assert_int_equal(mkdirat(t->fd, "dir", 0700), 0);
        assert_int_equal(nxc_publish_at(t->fd, "dir", "a", 1, 0600, 0, NULL), -EISDIR);
        put_file(t->fd, "x", "old");
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        small = (struct rlimit){ 2, old.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        r = nxc_publish_at(t->fd, "x", "longer", 6, 0600, 0, NULL);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(r, -EFBIG);
        expect_text(t->fd, "x", "old");
        assert_int_equal(count_entries(t->fd), 2);
}

/* What a killed process of the same pid left, or one of another pid namespace is writing just now. */
static void a_foreign_temporary_is_left_alone(void **state)
{
        struct temp_dir *t = *state;
        size_t made = 0;

        for (unsigned i = 0; i < 40; i++) {
                char name[64];

                snprintf(name, sizeof(name), "x.tmp-%d-%u", (int)getpid(), i);
                put_file(t->fd, name, "theirs");
                made++;
        }
        assert_int_equal(nxc_publish_at(t->fd, "x", "mine", 4, 0600, 0, NULL), 0);
        expect_text(t->fd, "x", "mine");
        assert_int_equal(count_entries(t->fd), made + 1);
}

static void *publish_many(void *arg)
{
        struct temp_dir *t = arg;

        for (int i = 0; i < 200; i++)
                if (nxc_publish_at(t->fd, "x", "whole", 5, 0600, 0, NULL) < 0)
                        return arg;
        return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
        struct temp_dir *t = *state;
        pthread_t threads[4];

        put_file(t->fd, "x", "whole");
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, publish_many, t), 0);
        for (int i = 0; i < 200; i++)
                expect_text(t->fd, "x", "whole");
        for (size_t i = 0; i < 4; i++) {
                void *failed;

                assert_int_equal(pthread_join(threads[i], &failed), 0);
                assert_null(failed);
        }
        assert_int_equal(count_entries(t->fd), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(a_foreign_temporary_is_left_alone), /* first: it counts on the first names */
                with_temp_dir(publish_makes_and_replaces),
                with_temp_dir(exclusive_does_not_replace),
                with_temp_dir(a_link_is_replaced_not_followed),
                with_temp_dir(failures_leave_nothing),
                with_temp_dir(threads_do_not_disturb_each_other),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
