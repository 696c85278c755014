/* Copying a tree from one directory fd to another, as `cp -a` would: owners, modes, times, xattrs, links,
 * devices. What is copied comes from an image or a container: no link is ever followed. */
#pragma once

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* What a copy does on its way. A zeroed one copies as it is; one serves a whole tree. */
struct nxc_copy {
        /* Changes the owner; -EOVERFLOW: it has none there. Then file capabilities become those of
         * root_uid's namespace. Or NULL. */
        int (*shift)(void *arg, uid_t *uid, gid_t *gid);
        uid_t root_uid;
        void (*copied)(void *arg, uint64_t bytes); /* so much content more; or NULL */
        void *arg;
        bool no_clone; /* found out on the way: these file systems have no reflinks between them */
        int image_fd;  /* 0, or the regular file that from's file system is mounted from: where its content
                        * lies in whole blocks, as FIEMAP tells, it is cloned from there */
};

/* from and to are directories; to exists and gets from's own attributes too. Never leaves from's file
 * system, keeps holes where the file system reports them. Hard links become separate files. Depth is bounded
 * by the fds a process may hold. */
int nxc_copy_tree(int from_fd, int to_fd, struct nxc_error *err);

/* Whether content can be cloned from a file into files below a directory. */
bool nxc_copy_can_clone(int file_fd, int dir_fd);

/* The parts, for who walks himself. Each returns 0 or -errno without err; overlayfs' own xattrs stay
 * behind. */
/* Anything but a directory, under the same name. */
int nxc_copy_entry(struct nxc_copy *c, int from_dir, int to_dir, const char *name, const struct stat *st);
/* Owner, mode, xattrs and times of a directory; the times last, so after its entries. */
int nxc_copy_attributes(struct nxc_copy *c, int from_fd, int to_fd, const struct stat *st);
