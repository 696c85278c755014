/* Child processes: posix_spawn speed, a pidfd, a capped capture of what they say, and an end to those that
 * hang. */
#pragma once

#include "core/error.h"
#include "core/str.h"

#include <stdbool.h>
#include <sys/types.h>

struct nxc_process_opts {
        const char *const *argv; /* argv[0] is an absolute path, or looked up in a fixed system PATH */
        const char *program;     /* what is executed when it is not argv[0]; NULL: argv[0] */
        int program_fd;          /* -1, or another descriptor of program, which is executed; no script */
        const char *const *envp; /* NULL: PATH only */
        const char *input;       /* fed to stdin; NULL: stdin_fd */
        size_t input_len;
        int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null; ignored where captured */
        struct nxc_buf *capture_stdout; /* NULL: to stdout_fd; bounded by .limit (default 1 MiB), the rest
                                         * dropped; .data is a string also when nothing came */
        struct nxc_buf *capture_stderr;
        int timeout_ms;   /* 0: none; then the process group is killed and -ETIMEDOUT returned */
        int preserve_fds; /* fds 3..2+n stay open in the child */
        bool new_group;   /* own process group, killed as a whole */
        const char *cwd;  /* NULL: as is */
        /* NULL, or called in the child before it executes the program (after fork(2), not posix_spawn(3):
         * slower); only async-signal-safe calls. Negative: the child ends, and this errno is the error of
         * the spawn. */
        int (*in_child)(void *arg);
        void *in_child_arg;
};
#define NXC_PROCESS_OPTS_INIT                                                      \
        {                                                                          \
                .program_fd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 \
        }

/* Runs to the end. ret_status: the raw wait status. Only "could not run" or a timeout is an error. */
int nxc_process_run(const struct nxc_process_opts *opts, int *ret_status, struct nxc_error *err);

/* Starts without waiting (no capture, no input, no timeout). ret_pidfd may be NULL. */
int nxc_process_spawn(
        const struct nxc_process_opts *opts, pid_t *ret_pid, int *ret_pidfd, struct nxc_error *err);

/* 0..255: exit code, or 128 + signal. */
int nxc_process_exit_code(int status);

/* Finds an executable in the fixed system PATH; malloc'ed, -ENOENT without err when absent. */
int nxc_process_find(const char *name, char **ret_path);

/* For the start of main: 0, 1 and 2 are open, all other fds that we were given are closed in our children
 * unless preserved, and the end of a child can be waited for whatever our parent ignores. 0 or -errno. */
int nxc_process_guard(void);

/* Whether fds 3..2+n were all given to us by our caller. Any that was not may be one of our own by now, and
 * passing that on would open the host to a container. Without a guard at the start: whether they are
 * open. */
bool nxc_process_may_preserve(int n);

/* How many descriptors, from 3 on, systemd's protocol (sd_listen_fds(3)) hands to this process. */
int nxc_process_listen_fds(void);
