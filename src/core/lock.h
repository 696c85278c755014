/* Advisory locks between processes: flock(2) on a file that is never removed while it may be waited for, so
 * the lock's life is the fd's life and a kill -9 releases it. */
#pragma once

#include "core/error.h"

#include <stdbool.h>

enum nxc_lock_mode { NXC_LOCK_SHARED, NXC_LOCK_EXCLUSIVE };

/* Opens (creates, 0600) and locks. timeout_ms < 0 waits for ever, 0 tries once; when it runs out: Busy,
 * -EBUSY. */
int nxc_lock_at(int dirfd, const char *name, enum nxc_lock_mode mode, int timeout_ms, int *ret_fd,
        struct nxc_error *err);

/* An exclusive lock of which there are many, so that its file must not stay: whoever gets it looks whether
 * the file still has its name, and takes the name away before letting go. */
int nxc_lock_passing_at(int dirfd, const char *name, int timeout_ms, int *ret_fd, struct nxc_error *err);
/* Removes those in a directory, whose names begin so, that killed processes left. */
void nxc_lock_sweep(int dirfd, const char *prefix);
void nxc_unlock_passing(int dirfd, const char *name, int *fd); /* a negative fd is fine */
