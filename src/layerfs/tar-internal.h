/* A tar stream, entry by entry, to whatever a layer is made of: directories (untar.c) or an EROFS image
 * (erofs-tree.c). All that does not depend on the form is decided here: names, limits, which attributes are
 * kept, what is a whiteout. Only for this folder and its tests. */
#pragma once

#include "core/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* The largest layers in public registries hold about one million files; each costs 16 bytes of memory in a
 * directory, some 50 in an image. */
#define NXC_TAR_MAX_ENTRIES 2000000
/* Directories below each other. Distributions and node_modules stay below 40; few enough that a walk which
 * holds one descriptor per level stays within the usual limit of 1024. */
#define NXC_TAR_MAX_DEPTH 256
/* Attributes of a file: more than ext4 can store, and as many as an EROFS inode can share. */
#define NXC_TAR_MAX_XATTRS 255
#define NXC_TAR_XATTR_MAX_BYTES 65535 /* the kernel takes one more, EROFS has 16 bits for it */

struct nxc_tar; /* one archive being read */

struct nxc_tar_source {
        /* The next block, valid until the next call. Returns its length, 0 at the end, or -errno with
         * err. */
        ssize_t (*next)(void *arg, const void **ret, struct nxc_error *err);
        void *arg;
};

struct nxc_tar_xattr {
        const char *name;
        const void *value;
        size_t len;
};

/* An entry, cleaned: path and link relative to the root, without ".", empty and ".." components; "" is the
 * root. Valid for the call that gets it. */
struct nxc_tar_entry {
        char path[PATH_MAX];
        char link[PATH_MAX]; /* of a hard link: its target */
        const char *base;    /* the last component of path */
        mode_t type;         /* S_IFMT; 0 for a hard link */
        mode_t mode;         /* permission bits */
        uid_t uid;
        gid_t gid;
        struct timespec mtime;
        uint64_t size;      /* of a file */
        dev_t device;       /* of a device */
        const char *target; /* of a symlink; not empty, shorter than PATH_MAX */
        size_t n_xattrs;    /* none of a hard link */
        struct nxc_tar_xattr xattrs[NXC_TAR_MAX_XATTRS];
        bool whiteout; /* it takes away */
        bool moot;     /* set by enter: there is nothing left to take away */
};

struct nxc_tar_result {
        uint64_t entries, file_bytes; /* file_bytes: the sum of the files' sizes, holes included */
        bool explicit_root;           /* there was an entry for "/" */
        bool whiteouts, xattrs;       /* some were made; overlay marks count as xattrs */
};

/* What makes the tree. Each returns 0 or -errno with its error. enter comes before all others but root and
 * finish; those then make e->base in that directory. */
struct nxc_tar_sink {
        /* What "/" is like. */
        int (*root)(void *arg, const struct nxc_tar_entry *e);
        /* Goes to the directory that e lies in, making what is missing of it. */
        int (*enter)(void *arg, struct nxc_tar_entry *e);
        /* Takes the content with nxc_tar_data. */
        int (*file)(void *arg, const struct nxc_tar_entry *e, struct nxc_tar *tar);
        int (*directory)(void *arg, const struct nxc_tar_entry *e);
        int (*symlink)(void *arg, const struct nxc_tar_entry *e);
        int (*node)(void *arg, const struct nxc_tar_entry *e); /* a device or a FIFO */
        int (*hardlink)(void *arg, const struct nxc_tar_entry *e);
        /* Hides name, of the layers below, in the directory; e is the mark's entry. */
        int (*whiteout)(void *arg, const struct nxc_tar_entry *e, const char *name);
        /* Hides all that the layers below have in the directory. */
        int (*opaque)(void *arg, const struct nxc_tar_entry *e);
        /* The archive has been read whole. */
        int (*finish)(void *arg);
};

struct nxc_tar_limits {
        uint64_t entries, bytes; /* nonzero; bytes: of the files' sizes */
};

/* Reads the source to its end. result: also the sink's, which sets its last three. */
int nxc_tar_read(const struct nxc_tar_source *source, const struct nxc_tar_limits *limits,
        const struct nxc_tar_sink *sink, void *sink_arg, struct nxc_tar_result *result,
        struct nxc_error *err);

/* The next piece of a file's content, in ascending order, what lies between them being zeros. Returns 1, 0
 * at the end, or -errno. */
int nxc_tar_data(struct nxc_tar *tar, const void **ret_data, size_t *ret_len, uint64_t *ret_offset);

/* The layer is wrong: InvalidImage, naming the entry. */
int nxc_tar_refuse(struct nxc_error *err, const char *name, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
/* The system is: -r is its errno. */
int nxc_tar_fail(struct nxc_error *err, const struct nxc_tar_entry *e, int r, const char *what);
/* The length of the directory part of a clean path, 0 for the root; *ret_base is what follows it. */
size_t nxc_tar_split(const char *path, const char **ret_base);
