/* Loop devices: a file as a block device, for file systems that take nothing else. */
#pragma once

#include "core/error.h"

#define NXC_LOOP_PATH_MAX 32

/* A free device over the file, read-only, past its page cache where that can be. path: NXC_LOOP_PATH_MAX.
 * The device is free again when the descriptor is closed and what was mounted from it is gone. */
int nxc_loop_attach(int file_fd, char *path, int *ret_fd, struct nxc_error *err);
