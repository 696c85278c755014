/* The tree digest: it sees every property that counts, and nothing else. */
#include "../core/temp-dir.h"

#include "core/cleanup.h"
#include "layerfs/treehash-internal.h"

#include <sys/xattr.h>

static struct nxc_buf lines;

static void keep_line(void *arg, const char *text, size_t len)
{
        (void)!nxc_buf_add(&lines, text, len);
        (void)!nxc_buf_puts(&lines, "\n");
}

static struct nxc_digest digest(struct temp_dir *t)
{
        struct nxc_treehash_opts opts = { .content = nxc_treehash_sha256, .line = keep_line };
        struct nxc_treehash result;
        struct nxc_error err = { 0 };

        lines.len = 0;
        if (nxc_treehash(t->fd, &opts, &result, &err) < 0)
                fail_msg("%s", err.message);
        return result.digest;
}

static void test_lines(void **state)
{
        struct temp_dir *t = *state;

        put_file(t->fd, "b", "text");
        assert_int_equal(linkat(t->fd, "b", t->fd, "c", 0), 0);
        assert_int_equal(mkdirat(t->fd, "a", 0750), 0);
        assert_int_equal(symlinkat("to here", t->fd, "a/x y\n"), 0);
        assert_int_equal(mkfifoat(t->fd, "d", 0600), 0);
        digest(t);
        assert_non_null(strstr(lines.data, "/a d 0750 "));
        assert_non_null(strstr(lines.data, "/a/x\\x20y\\x0a l "));
        assert_non_null(strstr(lines.data, " to\\x20here\n"));
        assert_non_null(strstr(
                lines.data, " 4 sha256:982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1\n"));
        assert_non_null(strstr(lines.data, "\n/c h /b\n"));
        assert_non_null(strstr(lines.data, "\n/d p 0600 "));
        nxc_buf_done(&lines);
}

static void test_what_counts(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_digest was, is;
        char path[128];

        put_file(t->fd, "f", "text");
        was = digest(t);
        is = digest(t);
        assert_true(nxc_digest_equal(&was, &is));
        put_file(t->fd, "f", "tezt");
        is = digest(t);
        assert_false(nxc_digest_equal(&was, &is));
        put_file(t->fd, "f", "text"); /* another mtime */
        is = digest(t);
        assert_true(nxc_digest_equal(&was, &is));
        assert_int_equal(fchmodat(t->fd, "f", 0604, 0), 0);
        is = digest(t);
        assert_false(nxc_digest_equal(&was, &is));
        assert_int_equal(fchmodat(t->fd, "f", 0600, 0), 0);
        snprintf(path, sizeof(path), "%s/f", t->path);
        if (setxattr(path, "user.a", "1", 1, 0) == 0) {
                is = digest(t);
                assert_false(nxc_digest_equal(&was, &is));
                assert_int_equal(removexattr(path, "user.a"), 0);
        }
        assert_int_equal(renameat(t->fd, "f", t->fd, "g"), 0);
        is = digest(t);
        assert_false(nxc_digest_equal(&was, &is));
        nxc_buf_done(&lines);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(test_lines),
                with_temp_dir(test_what_counts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
