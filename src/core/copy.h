/* Copying a tree from one directory fd to another, as `cp -a` would: owners, modes, times, xattrs, links,
 * devices. */
#pragma once

#include "core/error.h"

/* from and to are directories; to exists and gets from's own attributes too. Never follows a link, never
 * leaves from's file system, keeps holes where the file system reports them. Hard links become separate
 * files. Depth is bounded by the fds a process may hold. */
int nxc_copy_tree(int from_fd, int to_fd, struct nxc_error *err);
