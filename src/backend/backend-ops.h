/* The contract of a backend: what turns a prepared root and a spec into an isolated process tree.
 *
 * Checklist for a new one: a file or folder here that ends in one `const struct nxc_backend_ops`; a row in
 * registry.c; its refusals by name in check_spec; a row in docs/backends.md; the integration suites run for
 * it from one list (tests/integration/backends). Everyone calls the checked wrappers of backend.h, never
 * ops->.
 *
 * A backend knows no storage and no images. It keeps its own files in <state_dir>/rt, which is removed with
 * the container. Operations may be repeated after a crash unless said otherwise. */
#pragma once

#include "core/error.h"
#include "core/str.h"
#include "hooks/hooks.h"
#include "oci/spec.h"
#include "state/state.h"
#include "sys/rootfs.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define NXC_BACKEND_ABI 1

/* A container as a backend sees it. All borrowed. */
struct nxc_backend_target {
        const char *id;
        const char *state_dir; /* absolute, <root>/<id>; exists (but at delete of a half-made one) */
        const char *bundle;    /* what the backend was created with: rt_bundle, else bundle */
        const char *rootless;  /* "true", "false", "auto" or NULL */
        bool systemd_cgroup;
        bool debug;
};

/* How a container is created. All borrowed; fds stay the caller's. */
struct nxc_backend_create {
        const struct nxc_spec *spec; /* the document to be used */
        bool spec_changed;           /* it differs from <bundle>/config.json: a copy has to be passed on */
        bool seccomp_is_default;     /* its linux.seccomp is the one that was compiled with nexcage */
        const struct nxc_rootfs *rootfs; /* a kind that the backend accepts */
        const char *console_socket;      /* or NULL */
        const char
                *pid_file; /* run only, or NULL: where the backend writes the init's PID before it starts */
        int preserve_fds;  /* 3..2+n go to the container */
        bool no_pivot, no_new_keyring;
        bool detach; /* run only: return once it runs */
        bool keep;   /* run only: do not remove it when it ended */
        bool no_subreaper;
        int stdio[3]; /* the container's, -1: /dev/null */
};

struct nxc_backend_status {
        enum nxc_status status;
        pid_t pid; /* 0 when stopped */
};

struct nxc_backend_exec {
        json_t *process;            /* the process object of the runtime-spec; complete */
        const char *console_socket; /* or NULL */
        const char *pid_file;       /* or NULL; written by the backend (atomically) before exec returns */
        const char *cgroup;         /* or NULL */
        int preserve_fds;
        bool detach;
        bool ignore_paused;
        int stdio[3];
};

struct nxc_backend_checkpoint {
        const char *image_path, *work_path, *parent_path, *page_server, *manage_cgroups_mode;
        struct nxc_strv empty_ns;
        int status_fd; /* negative: none */
        bool leave_running, tcp_established, ext_unix_sk, shell_job, file_locks, pre_dump, lazy_pages,
                auto_dedup;
};

struct nxc_backend_info {
        char version[64];
        char path[256]; /* of the program or library it stands on */
};

struct nxc_backend_ops {
        int abi;
        const char *name;               /* "crun"; what the user gives, matched exactly */
        const char *summary;            /* one line for `info` */
        const char *install_hint;       /* "apt install crun" */
        enum nxc_error_kind error_kind; /* of what it reports */
        unsigned accepts;               /* mask of 1 << enum nxc_rootfs_kind */
        bool runs_hooks;                /* it runs the spec's hooks itself, at their places */
        unsigned hooks_misplaced; /* but for these: 1 << enum nxc_hook_point; the lifecycle runs them */

        /* Is it usable on this host? RuntimeNotAvailable, saying what is missing. Mandatory. Must be cheap:
         * no process is started unless full is set (then .version is filled). */
        int (*probe)(bool full, struct nxc_backend_info *ret, struct nxc_error *err);
        /* Refuses, by name, what of the spec it cannot honour: InvalidSpec or NotImplemented. Optional: it
         * takes all. */
        int (*check_spec)(const struct nxc_spec *spec, struct nxc_error *err);
        /* Which properties of config.json it honours, and what it refuses: an array of objects, a new
         * reference. Optional. */
        int (*properties)(json_t **ret, struct nxc_error *err);
        /* What it made of config.json for the library that it stands on, as text. malloc'ed. Optional. */
        int (*configuration)(const struct nxc_backend_target *t, char **ret, struct nxc_error *err);
        /* Leaves a created container: its init waits for start. Mandatory. On failure nothing of it is
         * left. */
        int (*create)(const struct nxc_backend_target *t, const struct nxc_backend_create *c,
                struct nxc_error *err);
        /* create + start, and unless detach: wait, forward signals, delete; in one go, where the backend is
         * faster so. *ret_code: 0..255. Optional: NULL makes the lifecycle do the parts. */
        int (*run)(const struct nxc_backend_target *t, const struct nxc_backend_create *c, int *ret_code,
                struct nxc_error *err);
        int (*start)(const struct nxc_backend_target *t, struct nxc_error *err); /* mandatory */
        /* Without starting a process. A container it does not know: STOPPED, pid 0. Mandatory. */
        int (*status)(
                const struct nxc_backend_target *t, struct nxc_backend_status *ret, struct nxc_error *err);
        /* signal is a number. all: every process of the container. Ended already: InvalidState with
         * "container not running". Optional: kill(2) on the pid (checked through a pidfd), or on all of its
         * cgroup. */
        int (*kill)(const struct nxc_backend_target *t, int signal, bool all, struct nxc_error *err);
        /* Removes a stopped container, or with force one in any state; half-made or absent: success.
         * Mandatory. */
        int (*remove)(const struct nxc_backend_target *t, bool force, struct nxc_error *err);
        int (*exec)(const struct nxc_backend_target *t, const struct nxc_backend_exec *e, int *ret_code,
                struct nxc_error *err);
        int (*pause)(const struct nxc_backend_target *t, struct nxc_error *err);
        int (*resume)(const struct nxc_backend_target *t, struct nxc_error *err);
        /* resources: a linux.resources object. */
        int (*update)(const struct nxc_backend_target *t, json_t *resources, struct nxc_error *err);
        int (*checkpoint)(const struct nxc_backend_target *t, const struct nxc_backend_checkpoint *c,
                struct nxc_error *err);
        int (*restore)(const struct nxc_backend_target *t, const struct nxc_backend_create *c,
                const struct nxc_backend_checkpoint *k, int *ret_code, struct nxc_error *err);
        /* Optional operations that are NULL end in NotImplemented: "BACKEND cannot OPERATION". */
};
