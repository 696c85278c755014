/* Files appear whole or not at all: written to a temporary name beside the target, synced, renamed. */
#pragma once

#include "core/error.h"

#include <stddef.h>
#include <sys/types.h>

enum nxc_publish_flags {
        NXC_PUBLISH_SYNC = 1 << 0,      /* fsync the file and its directory: what must survive a power cut */
        NXC_PUBLISH_EXCLUSIVE = 1 << 1, /* -EEXIST instead of replacing */
};

int nxc_publish_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode, int flags,
        struct nxc_error *err);
