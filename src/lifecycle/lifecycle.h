/* The stories: what each verb does, end to end. cli parses and prints; everything else happens below this
 * facade.
 *
 * A host is opened once per command: paths, configuration, how to log. Verbs that change a container take
 * its lock. On failure a verb leaves the machine as it was, and `err` says kind, stage, object, reason and
 * hint. */
#pragma once

#include "core/config.h"
#include "core/error.h"
#include "core/str.h"
#include "engine/engine.h"
#include "oci/compose.h"
#include "state/state.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct nxc_host_opts {
        const char *root, *store; /* --root, --store; NULL: environment (NEXCAGE_ROOT, NEXCAGE_STORE),
                                     configuration, default */
        const char *rootless;     /* --rootless, or NULL */
        bool systemd_cgroup;      /* --systemd-cgroup */
        bool debug;               /* --debug */
};
struct nxc_host;
int nxc_host_open(const struct nxc_host_opts *opts, struct nxc_host **ret, struct nxc_error *err);
void nxc_host_close(struct nxc_host *h);
const char *nxc_host_root(const struct nxc_host *h);
const char *nxc_host_store(const struct nxc_host *h);
const struct nxc_config *nxc_host_config(const struct nxc_host *h);

/* The store, opened when first asked for. create: make what is missing. Borrowed. */
int nxc_host_images(struct nxc_host *h, bool create, struct nxc_image_store **ret, struct nxc_error *err);
int nxc_host_layers(struct nxc_host *h, bool create, struct nxc_layerfs **ret, struct nxc_error *err);
/* A context for the engine's operations (creates the store). progress may be NULL. */
int nxc_host_engine(struct nxc_host *h, nxc_progress_fn progress, void *arg,
        const struct nxc_engine_ops **ret_ops, struct nxc_engine_ctx *ret_ctx, struct nxc_error *err);

enum nxc_timings {
        NXC_TIMINGS_NONE,
        NXC_TIMINGS_TEXT,
        NXC_TIMINGS_JSON,
        NXC_TIMINGS_MERMAID,
        NXC_TIMINGS_CHROME
};

/* CreateOpts of the flow diagram. All borrowed; a zeroed struct is a plain `create ID` in the current
 * directory. */
struct nxc_create_opts {
        const char *id;                  /* NULL: one is made */
        const char *bundle;              /* --bundle, or NULL */
        const char *config;              /* --config: another name for the bundle's config.json, or NULL */
        const char *image;               /* --image or IMAGE, or NULL */
        struct nxc_compose_opts compose; /* for an image without a bundle; .id and .rootfs are set here */
        const char *runtime;             /* --runtime, or NULL */
        const char *storage;             /* --storage, or NULL */
        const char *userns;              /* an image's: "auto", "host", or a mapping; NULL: host */
        const char *clone_of;  /* ID or ID@SNAPSHOT: its image, and its root instead of the image's */
        uint64_t storage_size; /* --storage-size in bytes; 0: not given */
        const char *pid_file, *cid_file, *console_socket, *pidfd_socket; /* or NULL */
        const char *platform;                                            /* --platform, or NULL */
        enum nxc_pull_policy pull;
        struct nxc_registry_opts registry;
        const char *hook_failure; /* --hook-failure=abort|continue, or NULL: the configuration's */
        int preserve_fds;
        bool no_pivot, no_new_keyring, no_subreaper;
        bool detach, keep, auto_remove; /* run only */
        bool interactive;               /* the container gets our stdin; else it gets none */
        bool dry_run;                   /* print the plan, write nothing */
        bool dry_run_json;              /* the plan as JSON */
        FILE *plan_out;                 /* NULL: stdout */
        enum nxc_timings timings;       /* printed after the flow has ended, also when it failed */
        FILE *timings_out;              /* NULL: stderr */
        nxc_progress_fn progress;       /* or NULL */
        void *progress_arg;
};

struct nxc_create_result {
        char id[256];
        pid_t pid;
};

/* The create flow: leaves a created container. */
int nxc_create(struct nxc_host *h, const struct nxc_create_opts *o, struct nxc_create_result *ret,
        struct nxc_error *err);
/* create + start + wait + delete (unless detach or keep). *ret_code: the program's exit code, 0..255. */
int nxc_run(struct nxc_host *h, const struct nxc_create_opts *o, struct nxc_create_result *ret,
        int *ret_code, struct nxc_error *err);
int nxc_start(struct nxc_host *h, const char *id, struct nxc_error *err);
int nxc_kill(struct nxc_host *h, const char *id, int signal, bool all, struct nxc_error *err);
/* force of an id that does not exist is success, as runc has it. */
int nxc_delete(struct nxc_host *h, const char *id, bool force, struct nxc_error *err);
/* stop: the stop signal, then SIGKILL after timeout_ms. */
int nxc_stop(struct nxc_host *h, const char *id, int timeout_ms, struct nxc_error *err);

struct nxc_exec_opts {
        const char *id;
        const char
                *process_file; /* --process, or NULL: made from the rest and the container's own process */
        struct nxc_strv args, env, cap_add;
        const char *cwd, *user, *console_socket, *pid_file, *pidfd_socket, *apparmor, *process_label,
                *cgroup;
        struct nxc_strv additional_gids;
        int preserve_fds;
        bool terminal, detach, no_new_privs, ignore_paused;
};
int nxc_exec(struct nxc_host *h, const struct nxc_exec_opts *o, int *ret_code, struct nxc_error *err);

/* The state document of one container (new reference), and a JSON array of all, sorted by id. */
int nxc_state(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err);
int nxc_list(struct nxc_host *h, json_t **ret, struct nxc_error *err);
/* What a container keeps on disk: driver, bytes, limit (null: none). JSON null for one of a bundle, whose
 * root is not ours. */
int nxc_container_storage(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err);
/* Another size for its root; see storage-ops.h. */
int nxc_resize(struct nxc_host *h, const char *id, uint64_t size_bytes, struct nxc_error *err);
/* Full detail of one container for `inspect`: the record, the state and config.json. */
int nxc_inspect_container(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err);
/* What the backend made of its config.json: text, malloc'ed. NotImplemented where there is no such thing. */
int nxc_inspect_configuration(struct nxc_host *h, const char *id, char **ret, struct nxc_error *err);

int nxc_ps(struct nxc_host *h, const char *id, pid_t **ret, size_t *ret_n, struct nxc_error *err);
int nxc_pause(struct nxc_host *h, const char *id, struct nxc_error *err);
int nxc_resume(struct nxc_host *h, const char *id, struct nxc_error *err);
int nxc_update(struct nxc_host *h, const char *id, json_t *resources, struct nxc_error *err);
/* One {"type":"stats","id":..,"data":{..}} object (new reference). */
int nxc_stats(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err);
/* Calls emit with a stats object every interval_ms and an oom object when one happens, until the container
 * ends. */
int nxc_events(struct nxc_host *h, const char *id, int interval_ms, int (*emit)(void *arg, json_t *event),
        void *arg, struct nxc_error *err);
struct nxc_backend_checkpoint;
int nxc_checkpoint(
        struct nxc_host *h, const char *id, const struct nxc_backend_checkpoint *c, struct nxc_error *err);
int nxc_restore(struct nxc_host *h, const struct nxc_create_opts *o, const struct nxc_backend_checkpoint *c,
        int *ret_code, struct nxc_error *err);

/* What this host offers, for `info`: versions, paths, kernel features, backends and storage drivers with
 * what each misses and how to get it. */
int nxc_host_info(struct nxc_host *h, json_t **ret, struct nxc_error *err);
