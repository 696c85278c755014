/* Loop devices: a file as a block device, for file systems that take nothing else. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define NXC_LOOP_PATH_MAX 32

/* A free device over the file, past its page cache where that can be. path: NXC_LOOP_PATH_MAX. The device is
 * free again when the descriptor is closed and what was mounted from it is gone. */
int nxc_loop_attach(int file_fd, bool read_only, char *path, int *ret_fd, struct nxc_error *err);

/* Tells the device with the number `dev` that its file has grown; that it is the file's device is checked
 * (-ENOTBLK). Returns 0 or -errno. */
int nxc_loop_grow(dev_t dev, int file_fd);
