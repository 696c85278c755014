/* The contract of a storage driver: where a container's writable root lives.
 *
 * How a root comes to be, in the order of the create flow:
 *
 *   probe     whether this host can (choosing the driver)
 *   prepare   box L: the image's layers as one writable tree that nobody else sees, a detached mount. Nothing
 *             has the container's name yet: all that is made lies in the staging directory (the flow writes the
 *             standard directories and the working directory into it by descriptor: box M)
 *   make      after the id is claimed, boxes W, X, Y, Z: the driver's own form of that tree (a copy, an image
 *             file, a dataset), under the container's name
 *   attach    where the backend takes it: box BB
 *   release   the end: what is mounted, and what lies outside the container's directory. The directory itself
 *             the lifecycle removes
 *
 * Undo. What is made before the claim has to lie in dir_fd, or die with a descriptor. Before `make` the
 * lifecycle journals "storage DRIVER DIR", whose undo is `release`; so a driver announces nothing by itself,
 * and `release` has to cope with every state in which a kill -9 can leave `make` and `attach`, and may be
 * called again after having been killed itself. A loop device is attached with auto-clear and goes with its
 * mount. What is named by the container (a dataset) has to be found again from the container alone; what
 * cannot be found so is found by `sweep`.
 *
 * The directory <dir> of a container is on the store's file system, 0700, and has, beside what the flow
 * keeps in it: ".storage", the driver's name, so that `prune` knows whom to ask for one without a record;
 * `rootfs/`, the root or its mount point; whatever else the driver wants.
 *
 * Checklist for a new one: a file here that ends in one `const struct nxc_storage_ops`; a row in storage.c;
 * its cells in the table of tests/integration/storage.bats. Everyone calls the checked wrappers of
 * storage.h. */
#pragma once

#include "core/error.h"
#include "core/str.h"
#include "layerfs/layerfs.h"
#include "sys/idmap.h"
#include "sys/rootfs.h"

#include <stdbool.h>
#include <stdint.h>

/* Where drivers work: the same for all containers of a host. All borrowed. */
struct nxc_storage_env {
        const char *store;      /* absolute; its file system is where everything but datasets lies */
        const char *zfs_parent; /* [storage] zfs.parent, or NULL */
};

/* A container as a driver sees it. All borrowed. */
struct nxc_storage_container {
        const struct nxc_storage_env *env;
        const char *id;
        const char *dir; /* absolute, <store>/containers/<id>; a directory */
};

/* How far a copy is. total is an estimate, 0: not known. */
struct nxc_storage_progress {
        void (*fn)(void *arg, uint64_t done_bytes, uint64_t total_bytes); /* or NULL */
        void *arg;
};

/* What is wanted. All borrowed; the same for prepare and make. */
struct nxc_storage_request {
        const struct nxc_storage_env *env;
        struct nxc_layer_chain *chain;   /* the image's layers, held */
        const struct nxc_strv *diff_ids; /* their names, base first */
        uint64_t image_bytes;            /* what the layers take on disk: an estimate of the root's size */
        int dir_fd;                      /* the container's directory: staged in prepare, claimed in make */
        uint64_t size_bytes;             /* --storage-size; 0: no limit, for an image file the default */
        const struct nxc_idmap *ids;     /* of the container's user namespace, or NULL: files have to
                                            look there as the image says. Refused by name, or done */
        const char *
                clone_dir; /* of the container whose root this one's begins as, and not the image; or NULL */
        const char *clone_snapshot;           /* as it was then; NULL: as it is now */
        bool ephemeral;                       /* run --rm: nothing needs to survive a crash of the machine */
        struct nxc_storage_progress progress; /* make only */
};

struct nxc_storage_usage {
        uint64_t
                bytes; /* on disk, and gone when the container goes: what it does not share with its image */
        uint64_t limit; /* --storage-size, or an image file's size; 0: none */
};

struct nxc_storage_space {
        uint64_t total, available; /* bytes where new roots are made */
        char *where;               /* the file system or pool; owned by the caller */
};

struct nxc_storage_snapshot {
        char *name;      /* owned by the caller: nxc_storage_snapshots_done */
        uint64_t bytes;  /* kept on disk by this one alone */
        int64_t created; /* seconds since the epoch */
};

enum nxc_storage_makes {
        NXC_STORAGE_MAKES_NOTHING, /* what prepare gave is the root: W */
        NXC_STORAGE_MAKES_TREE,    /* W */
        NXC_STORAGE_MAKES_FILE,    /* X */
        NXC_STORAGE_MAKES_DATASET, /* Y */
};

/* Beside "rootfs" in the directory of a container whose root lies on its layers: where it shares the mount
 * of them (nxc_layer_chain_share). It is unmounted with the root. */
#define NXC_STORAGE_LOWER "lower"

struct nxc_storage_ops {
        const char *name;    /* "overlay"; what the user gives, matched exactly */
        const char *summary; /* one line for `info` */
        enum nxc_storage_makes makes;
        enum nxc_rootfs_kind offers[_NXC_ROOTFS_MAX]; /* the kinds that attach can give, best first */
        size_t n_offers;
        bool clones; /* it does what clone_dir asks */

        /* Whether this host can: RuntimeNotAvailable naming what is missing (a device, a program, a pool),
         * with the way to get it as the hint. Cheap: no process is started. Mandatory. */
        int (*probe)(const struct nxc_storage_env *env, struct nxc_error *err);
        /* Box L. A request that the driver or the file system cannot honour (a size, a user namespace) is
         * refused here, by name. Mandatory: nxc_storage_compose is one that most can use. */
        int (*prepare)(const struct nxc_storage_request *q, int *ret_mount_fd, struct nxc_error *err);
        /* Boxes W to Z. *mount_fd comes as what prepare gave, with what the flow wrote since; it goes as the
         * detached mount of the root, or negative where the root is not a mount. Optional: it stays. */
        int (*make)(const struct nxc_storage_container *c, const struct nxc_storage_request *q,
                int *mount_fd, struct nxc_error *err);
        /* Puts the root where it is to be, in the kind that was chosen of `offers`; fills ret. mount_fd
         * stays the caller's. Mandatory. */
        int (*attach)(const struct nxc_storage_container *c, enum nxc_rootfs_kind kind, int mount_fd,
                struct nxc_rootfs *ret, struct nxc_error *err);
        /* Unmounts, and destroys what lies outside the container's directory. Nothing there: success.
         * Something that holds it: Busy, naming it. Mandatory. */
        int (*release)(const struct nxc_storage_container *c, struct nxc_error *err);
        /* Mandatory. */
        int (*usage)(
                const struct nxc_storage_container *c, struct nxc_storage_usage *ret, struct nxc_error *err);
        /* Another size for a container, running or not; smaller than what is in it, or smaller at all where
         * that cannot be: refused by name. Optional: NotImplemented. */
        int (*resize)(const struct nxc_storage_container *c, uint64_t size_bytes, struct nxc_error *err);
        /* The root as it is now, under a name; taking it back, with which later snapshots go; forgetting it;
         * and a list, the oldest first. A name that is there already, or none: an error with the driver's
         * words. Roll back only while nothing runs in it. Optional, all or none: NotImplemented. */
        int (*snapshot)(const struct nxc_storage_container *c, const char *name, struct nxc_error *err);
        int (*rollback)(const struct nxc_storage_container *c, const char *name, struct nxc_error *err);
        int (*forget)(const struct nxc_storage_container *c, const char *name, struct nxc_error *err);
        int (*snapshots)(const struct nxc_storage_container *c, struct nxc_storage_snapshot **ret,
                size_t *ret_n, struct nxc_error *err);
        /* Optional: that of the store's file system. */
        int (*space)(
                const struct nxc_storage_env *env, struct nxc_storage_space *ret, struct nxc_error *err);
        /* prune: removes what lies outside the store and no directory below <store>/containers stands for
         * any more, and what is kept for images of whose layers none is in `diff_ids` (may be NULL: keep all
         * of images). Adds to *bytes what was freed. Optional. */
        int (*sweep)(const struct nxc_storage_env *env, const struct nxc_strv *diff_ids, uint64_t *bytes,
                struct nxc_error *err);
};

extern const struct nxc_storage_ops nxc_storage_overlay, nxc_storage_dir, nxc_storage_raw, nxc_storage_zfs;
