/* Container records: <root>/<id>/ is a container's live state (runc's --root: by default /run/nexcage, or
 * $XDG_RUNTIME_DIR/nexcage for a user).
 *
 *   <root>/<id>/state.json   the record, written once by create and replaced whole when it changes
 *   <root>/<id>/lock         flock(2) of the verb that changes the container
 *   <root>/<id>/rt/          the backend's own state
 *   <root>/.inflight/<token> undo journals of creates that have not ended (lifecycle/journal.h)
 *
 * A record appears whole: it is made in <root>/.new-<token>/ and renamed to its id (RENAME_NOREPLACE), which
 * is also how the id is claimed: of many racing creates exactly one wins. */
#pragma once

#include "core/error.h"
#include "core/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define NXC_ID_MAX 255 /* what a directory name takes; runc has no limit of its own */

enum nxc_status {
        NXC_STATUS_CREATING,
        NXC_STATUS_CREATED,
        NXC_STATUS_RUNNING,
        NXC_STATUS_PAUSED,
        NXC_STATUS_STOPPED
};
const char *nxc_status_name(enum nxc_status status); /* "creating", ... as the runtime-spec has them */

struct nxc_record {
        char *id;
        char *oci_version;        /* of the container's config.json */
        char *bundle;             /* absolute: the user's, or the one that we made for an image */
        char *rt_bundle;          /* what the backend was given when it is not `bundle`, or NULL */
        char *rootfs;             /* absolute */
        char *backend;            /* "crun" */
        char *created;            /* RFC 3339, UTC, nanoseconds */
        char *owner;              /* user name, or the uid as text */
        char *storage;            /* storage driver, or NULL: the bundle's own root */
        char *store;              /* absolute store directory, or NULL when no image is in use */
        char *container_dir;      /* <store>/containers/<id>, or NULL */
        char *image;              /* canonical reference as asked for, or NULL */
        char *image_digest;       /* of the manifest, or NULL */
        char *stop_signal;        /* or NULL: SIGTERM */
        char *log_path;           /* of a detached container, or NULL */
        struct nxc_strv diff_ids; /* layers in use, base first: what prune must keep */
        json_t *annotations;      /* object or NULL; owned */
        json_t *labels;           /* object or NULL; owned */
        bool systemd_cgroup;
        bool auto_remove;    /* run --rm: whoever finds it stopped may delete it */
        bool hooks_continue; /* hooks.on_failure = continue */
};
void nxc_record_free(struct nxc_record *r);
static inline void nxc_record_freep(struct nxc_record **r)
{
        nxc_record_free(*r);
        *r = NULL;
}

json_t *nxc_record_to_json(const struct nxc_record *r); /* new reference, NULL: out of memory */
int nxc_record_from_json(
        const json_t *j, struct nxc_record **ret, struct nxc_error *err); /* strict; FileError */

/* Letters of any case, digits and _ + - . ; first not "."; 1 to 255 long (crun 1.28's rule). Usage
 * otherwise. */
int nxc_id_check(const char *id, struct nxc_error *err);
int nxc_id_generate(char ret[13], struct nxc_error *err); /* 12 random hex digits */

/* Opens the state root; made (0700) when create is set. "/" is refused (Usage), as runc does. Absent without
 * create: *ret_fd is -EBADF and 0 is returned: there are no containers. */
int nxc_state_root_open(const char *root, bool create, int *ret_fd, struct nxc_error *err);

/* Makes <root>/.new-<token>/ with state.json in it; token is the caller's, unique, and known to whoever has
 * to undo it. *ret_fd is the directory. */
int nxc_state_stage(
        int root_fd, const struct nxc_record *r, const char *token, int *ret_fd, struct nxc_error *err);
/* Renames it to the record's id. ContainerExists: "container with given ID already exists: ID". */
int nxc_state_claim(int root_fd, const char *token, const char *id, struct nxc_error *err);
/* Replaces <root>/<id>/state.json whole. */
int nxc_state_update(int root_fd, const struct nxc_record *r, struct nxc_error *err);

/* ContainerNotFound: "container does not exist: ID". root_fd may be negative (no root: none exists). */
int nxc_state_load(int root_fd, const char *id, struct nxc_record **ret, struct nxc_error *err);
/* Ids in the root, sorted; names that are no ids are skipped. */
int nxc_state_list(int root_fd, struct nxc_strv *ret_ids, struct nxc_error *err);
/* Exclusive lock on a container for a changing verb; timeout_ms as nxc_lock_at. ContainerNotFound when it is
 * gone. */
int nxc_state_lock(int root_fd, const char *id, int timeout_ms, int *ret_lock_fd, struct nxc_error *err);
/* Removes <root>/<id> (renamed away first, to .old-<random>, so that it is never seen half removed). Absent:
 * success. */
int nxc_state_remove(int root_fd, const char *id, struct nxc_error *err);

/* Removes what removals that were killed half way have left. */
int nxc_state_sweep(int root_fd, struct nxc_error *err);

/* The state document of the runtime-spec, with runc's additional keys: ociVersion id pid status bundle
 * rootfs created annotations owner, then our own: runtime, image, imageDigest. New reference; NULL: out of
 * memory. */
json_t *nxc_state_document(const struct nxc_record *r, enum nxc_status status, int pid);
