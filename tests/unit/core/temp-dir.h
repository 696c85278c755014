/* A directory of its own for each test that touches files: setup, teardown, and small helpers. */
#pragma once

#include "core/fs.h"
#include "core/str.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct temp_dir {
        char path[64];
        int fd;
};

static int make_temp_dir(void **state)
{
        struct temp_dir *t = calloc(1, sizeof(*t));

        strcpy(t->path, "/tmp/nxc-test-XXXXXX");
        assert_non_null(mkdtemp(t->path));
        t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(t->fd >= 0);
        *state = t;
        return 0;
}

static int remove_temp_dir(void **state)
{
        struct temp_dir *t = *state;

        close(t->fd);
        assert_int_equal(nxc_remove_tree_at(AT_FDCWD, t->path, NULL), 0);
        free(t);
        return 0;
}

static inline void put_file(int dir_fd, const char *name, const char *text)
{
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

static inline bool exists_at(int dir_fd, const char *name)
{
        return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline size_t count_entries(int dir_fd)
{
        DIR *dir = fdopendir(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        size_t n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n - 2;
}

#define with_temp_dir(test) cmocka_unit_test_setup_teardown(test, make_temp_dir, remove_temp_dir)
