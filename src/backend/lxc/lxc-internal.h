/* The LXC backend, inside.
 *
 * Theory of operation. A container has two processes of ours besides its own: none once it runs, but for
 * liblxc's monitor.
 *
 *   create ──fork──> monitor: liblxc's start() ──clone──> init ── lxc.hook.mount ──> nexcage-init hook (waits)
 *     │
 *     ├── joins the init's namespaces in a child, and there makes mounts, devices, masks, sysctls
 *     ├── runs the hooks of create
 *     └── lets the hook go on: liblxc pivots, and executes nexcage-init from a sealed memory file with a plan
 *         (plan.c): it waits on <state_dir>/rt/start; `start` connects, it becomes the program, or says why not
 *
 * liblxc makes the namespaces, cgroups with their limits, the network, names and the root, and its monitor
 * serves lxc-info and the like. Everything about files is done by us, by descriptor, before the root
 * changes; everything about the process by nexcage-init. properties.c says for each property of the
 * runtime-spec who does it.
 *
 * The engine that called create has to get the init's exit status, and liblxc's monitor is its parent. So in
 * the monitor some of liblxc's calls into libc are ours (lever.c): the init is cloned with CLONE_PARENT, as
 * a child of `create`, and falls to the engine when that ends; the monitor is told of its end by a pidfd.
 * docs/decisions/0005-lxc-monitor.md has why. */
#pragma once

#include "backend/backend-ops.h"
#include "backend/lxc/lxc-record-internal.h"

#include "core/cleanup.h"

#include <sys/types.h>

/* ---- pure translation: config.c resources.c plan.c (tests link these alone) */

struct lxc_item {
        char *key, *value;
};
/* Settings for liblxc, in order. */
struct lxc_items {
        struct lxc_item *v;
        size_t n, cap;
};
void lxc_items_done(struct lxc_items *items);
#define _cleanup_lxc_items_ __attribute__((cleanup(lxc_items_done)))
/* Refuses control characters in either: InvalidSpec naming the key. */
int lxc_items_add(struct lxc_items *items, struct nxc_error *err, const char *key, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/* linux.resources as files of cgroups: key is "FILE" of the given version (v1: "memory.limit_in_bytes"). */
int lxc_resources(const json_t *resources, bool v2, struct lxc_items *ret, struct nxc_error *err);

struct lxc_config_opts {
        const char *state_dir, *rootfs;
        const char *cgroup;         /* relative to the root of each hierarchy */
        const char *monitor_cgroup; /* the same, of liblxc's monitor */
        int hook_fd, sync_fd;       /* numbers in the monitor: nexcage-init, and what its hook waits on */
        bool v2;
        bool no_new_keyring;
};
/* The whole configuration of a container for liblxc. */
int lxc_config(
        const json_t *spec, const struct lxc_config_opts *o, struct lxc_items *ret, struct nxc_error *err);
/* "/a/b" or "slice:prefix:name" of linux.cgroupsPath, or the default, without the leading slash.
 * malloc'ed. */
int lxc_cgroup_path(const json_t *spec, const char *id, char **ret, struct nxc_error *err);

/* The kinds of namespaces. */
struct lxc_ns_kind {
        const char *type; /* in config.json */
        const char *file; /* in /proc/PID/ns; so liblxc calls it, too */
        int flag;         /* CLONE_NEW* */
};
#define LXC_NS_KINDS 8
extern const struct lxc_ns_kind lxc_ns_kinds[LXC_NS_KINDS];
const struct lxc_ns_kind *lxc_ns_kind_find(const char *type); /* or NULL */
/* The namespace of a type in the spec, or NULL. */
const json_t *lxc_ns_find(const json_t *spec, const char *type);
/* One by path, opened. */
struct lxc_ns_path {
        const struct lxc_ns_kind *kind;
        int fd;
};

struct lxc_plan_opts {
        const json_t *process;
        const json_t *spec; /* the whole document for a container's init; NULL for exec */
        int listen_fd;      /* init: where it waits; else negative */
        int console_fd;     /* with a terminal */
        int stdio_fd;       /* the first of three in a row; or negative: they are in their places */
        int keep_fds;
        int listen_fds;           /* how many of those are systemd's, see sd_listen_fds(3) */
        const char *listen_names; /* LISTEN_FDNAMES, or NULL */
        uint64_t available_caps;  /* others cannot be given */
        const void *seccomp;      /* a BPF program, or NULL */
        size_t seccomp_len;
        unsigned seccomp_flags;
        const char *keyring; /* exec: a session keyring of its own; or NULL */
};
/* The records for nexcage-init, see src/init/plan.h. */
int lxc_plan(const struct lxc_plan_opts *o, struct nxc_buf *ret, struct nxc_error *err);

/* Fills in what linux.seccomp is compiled to (module.c). Borrowed until the next call with another spec: to
 * compile takes long, and check_spec and create want the same. */
int lxc_plan_seccomp(const json_t *spec, struct lxc_plan_opts *o, struct nxc_error *err);

/* properties.c: what of a spec cannot be honoured. */
/* The table as JSON, a new reference; and docs/lxc-properties.md. */
int lxc_properties_json(json_t **ret, struct nxc_error *err);
int lxc_properties_document(struct nxc_buf *out);
int lxc_check_document(const json_t *doc, struct nxc_error *err);

/* ---- enter.c: a process in a container's namespaces */
struct lxc_enter {
        int pidfd;                      /* of the init */
        int flags;                      /* CLONE_NEW* to join with it */
        const struct nxc_strv *cgroups; /* to join, or NULL */
};
struct lxc_entered {
        pid_t pid; /* a child of ours */
        int go_fd; /* a byte lets it run */
        int report_fd;
};
#define LXC_ENTERED_INIT                             \
        {                                            \
                .go_fd = -EBADF, .report_fd = -EBADF \
        }
/* fn runs in the container and gets the descriptor of reports; what it returns is reported, and the child
 * ends. */
int lxc_enter(const struct lxc_enter *e, int (*fn)(void *arg, int report_fd, struct nxc_error *err),
        void *arg, struct lxc_entered *ret, struct nxc_error *err);
/* Lets it run, waits for the first report or the end of the descriptor: 0 when nothing bad came. */
int lxc_entered_go(struct lxc_entered *e, struct nxc_error *err);
/* All of it, for what ends by itself: enters, lets it run, and waits for it and its report. */
int lxc_run_inside(pid_t init, int (*fn)(void *arg, int report_fd, struct nxc_error *err), void *arg,
        struct nxc_error *err);
void lxc_reap(pid_t pid); /* waits for a child's end */
/* Reads one report: 1: it was an OK, 0: end of file, negative: the error that was reported. */
int lxc_report_read(int fd, struct nxc_error *err);
void lxc_report_write(int fd, const struct nxc_error *err);
/* What can be set for a process from outside: rlimits, oomScoreAdj, scheduler, ioPriority; exec:
 * execCPUAffinity. */
int lxc_apply_outside(pid_t pid, const json_t *process, bool is_exec, struct nxc_error *err);
/* The directories of its cgroups, and those of a path ("/x/y"; "": the roots) in each hierarchy. */
int lxc_cgroups_of(pid_t pid, struct nxc_strv *ret, struct nxc_error *err);
int lxc_cgroups_at(const char *path, struct nxc_strv *ret, struct nxc_error *err);
int lxc_join_cgroup(const char *dir, pid_t pid); /* 0 or -errno */
/* CLONE_NEW* of those namespaces of the init that are not ours. */
int lxc_ns_of(pid_t pid);
/* In a child that has joined a user namespace, where it is nobody yet. */
int lxc_become_root(struct nxc_error *err);

/* ---- mounts.c, devices.c: the root, from inside the container's mount namespace */
struct lxc_mounts; /* prepared on the host */
/* bundle: where relative sources begin; cgroups: the container's directories, known when mounts are made.
 * Borrowed. */
int lxc_mounts_prepare(const json_t *spec, const char *bundle, const struct nxc_strv *cgroups,
        struct lxc_mounts **ret, struct nxc_error *err);
void lxc_mounts_free(struct lxc_mounts *m);
int lxc_mounts_make(const struct lxc_mounts *m, int root_fd, struct nxc_error *err);
int lxc_devices_make(const json_t *spec, int root_fd, struct nxc_error *err);
int lxc_paths_cover(const json_t *spec, int root_fd, struct nxc_error *err); /* masked and read-only ones */
int lxc_sysctls_set(const json_t *spec, struct nxc_error *err);
/* A detached mount on a target, both by descriptor. 0 or -errno. */
int lxc_attach_mount(int mount_fd, int target_fd);
/* mkdir -p, or an empty file, in the root, links resolved within it; an O_PATH descriptor. */
int lxc_make_target(int root_fd, const char *path, bool is_dir, int *ret_fd);

/* ---- lever.c: what liblxc's monitor needs from us in its process */
struct lxc_lever {
        int init_fd;       /* nexcage-init, to be executed by liblxc under the name LXC_INIT_NAME */
        int pid_fd;        /* where the init's PID is written */
        int close_fds[16]; /* what only the init needs, -1: none */
        int keep_fds;      /* 3..2+n are the container's alone as well */
        struct lxc_ns_path paths[LXC_NS_KINDS];
        size_t n_paths;
        bool userns;
};
#define LXC_INIT_NAME "nexcage-init"
void lxc_lever_set(const struct lxc_lever *lever);

/* ---- verbs */
int lxc_create(
        const struct nxc_backend_target *t, const struct nxc_backend_create *c, struct nxc_error *err);
int lxc_start(const struct nxc_backend_target *t, struct nxc_error *err);
/* What start does once it knows config.json and the init; run knows both. */
int lxc_start_init(
        const struct nxc_backend_target *t, const json_t *spec, pid_t init, struct nxc_error *err);
int lxc_run(const struct nxc_backend_target *t, const struct nxc_backend_create *c, int *ret_code,
        struct nxc_error *err);
int lxc_exec(const struct nxc_backend_target *t, const struct nxc_backend_exec *e, int *ret_code,
        struct nxc_error *err);
int lxc_pause(const struct nxc_backend_target *t, struct nxc_error *err);
int lxc_resume(const struct nxc_backend_target *t, struct nxc_error *err);
int lxc_update(const struct nxc_backend_target *t, json_t *resources, struct nxc_error *err);

/* files.c: the two memory files that nexcage-init needs, its socket, and the PID file */
int lxc_open_init(int *ret_fd, struct nxc_error *err);
int lxc_seal_plan(const struct nxc_buf *plan, int *ret_fd, struct nxc_error *err);
int lxc_connect(const char *path, int *ret_fd, struct nxc_error *err);
int lxc_publish_pid(const char *path, pid_t pid, struct nxc_error *err);

/* terminal.c: ours and the container's */
int lxc_foreground(pid_t pid, int master_fd, int *ret_code, struct nxc_error *err);
int lxc_receive_master(int sock, int *ret_fd, struct nxc_error *err);
