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
