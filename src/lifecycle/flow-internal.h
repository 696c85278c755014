/* The create flow's own state: what its steps hand to each other. */
#pragma once

#include "lifecycle/host-internal.h"
#include "lifecycle/step.h"
#include "storage/storage.h"

struct nxc_flow {
        struct nxc_host *host;
        const struct nxc_create_opts *o;
        bool is_run;                                  /* run: start, wait and delete follow */
        const struct nxc_backend_checkpoint *restore; /* from a checkpoint, or NULL */
        struct nxc_journal *journal;
        char id[256];

        /* The bundle and its spec */
        int bundle_fd;
        char *bundle; /* absolute */
        char *config_text;
        size_t config_len;
        struct nxc_spec *spec;
        bool spec_changed; /* it is not what <bundle>/config.json says any more */

        /* The image and its composed root */
        const char *image_name; /* option or annotation; NULL: the bundle's own root */
        struct nxc_image *image;
        bool is_unfit;              /* found, but of another platform or without all of its layers */
        struct nxc_digest resolved; /* dry run: what the registry would give; "" otherwise */
        struct nxc_layer_chain *chain;
        const struct nxc_storage_ops *storage;
        const char *storage_why; /* for the plan */
        uint64_t storage_size;   /* 0: none was asked for */
        char *zfs_parent;        /* from the mount at "/", or NULL */
        struct nxc_idmap *ids;   /* of the container's user namespace, or NULL */
        char *staging;           /* <store>/containers/.new-TOKEN, until the id is claimed */
        char *container_dir;     /* <store>/containers/ID */
        int staging_fd;
        int mount_fd; /* the detached root */
        int log_fd;   /* run --detach of an image: where its output goes; else negative */
        struct nxc_compose_result composed;
        struct nxc_record *source;   /* clone: the container whose root this one's begins as, or NULL */
        const char *source_snapshot; /* or NULL: as it is now */
        bool told_root;              /* progress: a copy has begun */
        struct nxc_rootfs rootfs;

        /* The container */
        const struct nxc_backend_ops *backend;
        struct nxc_record *record;
        char *state_dir;
        int lock_fd;
        bool hooks_continue, own_hooks; /* own_hooks: nexcage runs the spec's hooks, not the backend */
        json_t *hooks;                  /* those that we run; owned */
        bool fused;                     /* the backend does create, start and wait in one go */
        bool erase_at_exit;             /* run: nothing of it stays when the program has ended */
        bool has_exited;
        int exit_code;
        pid_t pid;
};

extern const struct nxc_step nxc_create_steps[];
extern const size_t nxc_create_n_steps;

struct nxc_backend_target nxc_flow_target(const struct nxc_flow *f);

/* Fills f->record, and with an image alone f->spec (create-metadata.c). */
int nxc_flow_describe(struct nxc_flow *f, struct nxc_error *err);
/* An image alone makes the bundle (create-bundle.c). */
int nxc_flow_compose(struct nxc_flow *f, struct nxc_error *err);
int nxc_flow_write_bundle(struct nxc_flow *f, struct nxc_error *err);
/* --userns: fills f->ids, once; its mappings as config.json has them, a new reference or NULL
 * (create-userns.c). */
int nxc_flow_choose_ids(struct nxc_flow *f, struct nxc_error *err);
json_t *nxc_flow_id_mappings(const struct nxc_id_range *ranges, size_t n);
/* The storage driver and the size (create-storage.c), then its part in the boxes L, W to Z, and BB. */
int nxc_flow_choose_storage(struct nxc_flow *f, struct nxc_error *err);
int nxc_flow_refuse_storage(const struct nxc_flow *f, struct nxc_error *err);
struct nxc_storage_env nxc_flow_storage_env(const struct nxc_flow *f);
int nxc_flow_prepare_root(struct nxc_flow *f, struct nxc_error *err);
int nxc_flow_make_root(struct nxc_flow *f, struct nxc_error *err);
int nxc_flow_attach_root(struct nxc_flow *f, struct nxc_error *err);
/* The standard directories, by fd inside the root, never through a link. */
int nxc_flow_make_directories(struct nxc_flow *f, struct nxc_error *err);
/* InvalidRootfs when /dev, /proc or /sys of a root is anything but a directory (CVE-2026-41579). */
int nxc_flow_check_directories(int root_fd, struct nxc_error *err);

/* Loads the container that is cloned: with it comes the image (create-storage.c). */
int nxc_flow_find_source(struct nxc_flow *f, struct nxc_error *err);

/* What the flow would do, for --dry-run; and what it took, for --timings. */
int nxc_flow_print_plan(const struct nxc_flow *f, struct nxc_error *err);
void nxc_flow_print_timings(
        const struct nxc_flow *f, const struct nxc_step_time *times, const struct nxc_error *err);
