/* The opened host, as the stories see it. */
#pragma once

#include "backend/backend.h"
#include "lifecycle/journal.h"
#include "lifecycle/lifecycle.h"
#include "storage/storage-ops.h"

struct nxc_host {
        char *root, *store;
        char *rootless; /* or NULL */
        bool systemd_cgroup, debug;
        bool recovered; /* the journals were looked at once */
        struct nxc_config *config;
        int root_fd;  /* negative until it exists */
        int store_fd; /* negative until it exists */
        struct nxc_image_store *images;
        struct nxc_layerfs *layers;
};

/* The state root, made when create is set; dead creates are undone first. */
int nxc_host_root_fd(struct nxc_host *h, bool create, struct nxc_error *err);
/* The store's directory; 0 and store_fd negative when it is absent and create is not set. */
int nxc_host_store_fd(struct nxc_host *h, bool create, struct nxc_error *err);

/* Where storage drivers work. Borrows from h. */
struct nxc_storage_env nxc_host_storage_env(const struct nxc_host *h);

/* A container as its record describes it, ready for a backend's call. */
struct nxc_subject {
        struct nxc_record *record;
        const struct nxc_backend_ops *backend;
        struct nxc_backend_target target;
        char *state_dir;
        int lock_fd;
};
/* Loads a record and finds its backend. ContainerNotFound. */
int nxc_subject_load(struct nxc_host *h, const char *id, struct nxc_subject *ret, struct nxc_error *err);
/* The same under the container's lock: for verbs that change it. */
int nxc_subject_lock(struct nxc_host *h, const char *id, struct nxc_subject *ret, struct nxc_error *err);
int nxc_subject_init(
        struct nxc_host *h, struct nxc_record *record, struct nxc_subject *ret, struct nxc_error *err);
void nxc_subject_done(struct nxc_subject *s);
#define NXC_SUBJECT_INIT          \
        {                         \
                .lock_fd = -EBADF \
        }
#define _cleanup_subject_ _cleanup_(nxc_subject_done)
/* InvalidState unless it is created, running or paused; *ret_pid is its init. */
int nxc_subject_need_process(struct nxc_subject *s, pid_t *ret_pid, struct nxc_error *err);

/* Removes what a container has outside its backend: mount, directory, record. Goes on after errors and
 * returns the first. Each part's absence is success. */
int nxc_container_erase(struct nxc_host *h, const struct nxc_record *r, struct nxc_error *err);

/* Later containers are not led to the layers' mount at path any more, which is about to go. */
void nxc_host_unshare_layers(struct nxc_host *h, const char *path);

/* The time as records have it, RFC 3339, UTC, nanoseconds. */
void nxc_now_rfc3339(char ret[40]);
