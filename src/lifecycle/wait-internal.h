/* Waiting for a program that is our child, while the signals that reach us go on to it. */
#pragma once

#include "core/error.h"

#include <signal.h>
#include <sys/types.h>

struct nxc_waiter {
        pid_t pid;
        int pidfd, signal_fd;
        sigset_t old;
};

/* From here on signals are kept for the program, so that none is lost between its start and the wait. */
int nxc_waiter_init(struct nxc_waiter *w, pid_t pid, struct nxc_error *err);
/* *ret_code: 0..255, 128 + n for a signal. */
int nxc_waiter_wait(struct nxc_waiter *w, int *ret_code, struct nxc_error *err);
void nxc_waiter_done(struct nxc_waiter *w);
