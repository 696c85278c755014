/* The driver of OCI runtimes on the command line, and what tells crun and runc apart.
 *
 * Theory of operation. The runtime keeps its state in <state_dir>/rt, so that nothing of it is shared
 * between containers and a container's directory holds all of it. One invocation is one child; it logs JSON
 * into a memfd of ours, which it opens through /proc/<our pid>/fd (no file to clean up, and the log of
 * another invocation never mixes in), and its last error becomes ours. Documents for it (config.json,
 * process, resources) go the same way. What only asks (status) or signals (kill) starts no child: the
 * runtime's own status file names the init and its start time. */
#pragma once

#include "backend/backend-ops.h"
#include "backend/cgroups-internal.h"

#include "core/cleanup.h"

#include <stdint.h>

struct ocicli_version {
        int major, minor, patch;
};

/* What the runtime's status file says. */
struct ocicli_record {
        pid_t pid;
        uint64_t start_time;     /* field 22 of /proc/PID/stat */
        struct nxc_strv cgroups; /* absolute directories */
};
void ocicli_record_done(struct ocicli_record *r);
#define _cleanup_ocicli_record_ _cleanup_(ocicli_record_done)

/* Words of a runtime, and what they mean. */
struct ocicli_phrase {
        const char *words;        /* found anywhere in its message */
        enum nxc_error_kind kind; /* NONE: the runtime's own kind */
        int errnum;               /* 0: none in particular */
        const char *canonical; /* what engines look for; put in front where the message does not have it. Or
                                  NULL */
};

struct ocicli {
        const char *name, *install_hint;
        enum nxc_error_kind error_kind;
        const char *status_file; /* in <rt>/<id>/ */
        /* Set in its environment when it is executed from a read-only mount of itself: it then need not make
         * one and start anew (CVE-2019-5736). NULL: it would not look. */
        const char *cloned_variable;
        /* From the status file's JSON; -EINVAL when it is not as expected, -ENOMEM. */
        int (*parse_record)(const json_t *j, struct ocicli_record *ret);
        const struct ocicli_phrase *phrases; /* most telling first; ends with words NULL */
        /* The annotation by which it takes a seccomp program ready made, in base64; or NULL. */
        const char *filter_annotation;
        bool takes_config;       /* create --config FILE; else a bundle directory of our own is made */
        bool wants_1_0;          /* refuses an ociVersion without "1.0" in it (crun before 1.14.2) */
        bool refuses_hybrid;     /* of cgroups v1 and v2 (crun from 1.0 on) */
        bool owns_stdio;         /* gives its stdio's nodes to the container's user, /dev/null too (crun) */
        bool hooks_to_file;      /* a hook's stderr has to be sent to a file by annotation */
        bool has_rootless;       /* --rootless; crun has none, and takes the word for its --root */
        bool has_ignore_paused;  /* exec --ignore-paused */
        bool forgets_listen_fds; /* gives the container LISTEN_PID, and not LISTEN_FDS (crun) */
        bool spills_terminal; /* what a program that ended at once wrote to its terminal, into the log (crun)
                               */
        bool cannot_unlimit;  /* "no limit" does not fit into the cgroup files as it writes them (crun) */
        bool has_checkpoint;  /* in the version that Debian has */
};
extern const struct ocicli ocicli_crun, ocicli_runc;

/* The default seccomp profile (nxc_seccomp_default) as a BPF program in base64, made by make-filter.c; ""
 * when nexcage was built without libseccomp. */
extern const char ocicli_default_filter[];

/* invoke.c: one run of the program */
struct ocicli_call {
        const struct ocicli *rt;
        const struct nxc_backend_target *t;
        const char *verb;
        struct nxc_strv argv;
        int log_fd;
        int stdio[3]; /* when passes_stdio; borrowed */
        int preserve_fds;
        bool passes_stdio; /* else stdin and stdout are /dev/null, and stderr is captured */
        bool makes;        /* the verb makes a container: its cgroups are looked at */
};
#define OCICLI_CALL_INIT                                  \
        {                                                 \
                .log_fd = -EBADF, .stdio = { -1, -1, -1 } \
        }
#define _cleanup_ocicli_call_ _cleanup_(ocicli_call_done)
int ocicli_call_init(struct ocicli_call *c, const struct ocicli *rt, const struct nxc_backend_target *t,
        const char *verb, struct nxc_error *err);
void ocicli_call_done(struct ocicli_call *c);
/* argv, while all goes well; the first failure is remembered by the vector being empty. */
int ocicli_arg(
        struct ocicli_call *c, const char *a, const char *b, struct nxc_error *err); /* b may be NULL */
/* The container's id, which may look like an option. */
int ocicli_arg_id(struct ocicli_call *c, struct nxc_error *err);
int ocicli_argf(struct ocicli_call *c, struct nxc_error *err, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
/* Passes stdio and preserved fds on. Usage when a preserved fd is not open. */
int ocicli_pass_fds(struct ocicli_call *c, const int stdio[3], int preserve_fds, struct nxc_error *err);
/* To its end; anything but exit status 0 is an error with the runtime's words. */
int ocicli_call_run(struct ocicli_call *c, struct nxc_error *err);
/* In the foreground: signals are forwarded, held back until pid_file exists. *ret_code is the program's exit
 * code; a failure of the runtime itself is an error. */
int ocicli_call_wait(struct ocicli_call *c, const char *pid_file, int *ret_code, struct nxc_error *err);
/* A document for the runtime: a memfd, and the path by which the child opens it. */
int ocicli_document(const json_t *j, int *ret_fd, char ret_path[64], struct nxc_error *err);
int ocicli_probe(const struct ocicli *rt, bool full, struct nxc_backend_info *ret, struct nxc_error *err);
/* `RT --version`: the numbers, and all that it prints (malloc'ed; may be NULL). */
int ocicli_version(
        const struct ocicli *rt, struct ocicli_version *ret, char **ret_text, struct nxc_error *err);
int ocicli_version_parse(const char *text, struct ocicli_version *ret);
int ocicli_version_compare(struct ocicli_version a, struct ocicli_version b);

/* winsize.c: the size of our terminal to the one that the runtime made for the container. */
void ocicli_pass_winsize(pid_t runtime, int pidfd);

/* stdio.c: /dev/null as a node of nobody else's. -errno where that is not possible. */
int ocicli_private_null(int *ret_fd);

/* log.c */
struct ocicli_log {
        char error[900]; /* the last message of level error, or "" */
        size_t lines;
};
/* show (may be NULL) gets each message below error. */
void ocicli_log_parse(const char *text, size_t len, void (*show)(const char *msg), struct ocicli_log *ret);
/* Appends what of the text is a program's output, as the program wrote it, and shortens *len to what is a
 * log. */
int ocicli_log_take_spill(const char *text, size_t *len, struct nxc_buf *out);

/* phrases.c: sets err from a runtime's words: kind, errno, and a message that engines understand. Returns
 * -errno. */
int ocicli_explain(
        const struct ocicli *rt, const char *verb, const char *id, const char *words, struct nxc_error *err);

/* status.c */
/* -ENOENT (no err set): the runtime does not know it. */
int ocicli_record_load(const struct ocicli *rt, const struct nxc_backend_target *t,
        struct ocicli_record *ret, struct nxc_error *err);
bool ocicli_record_is_alive(const struct ocicli_record *r);
int ocicli_status(const struct ocicli *rt, const struct nxc_backend_target *t,
        struct nxc_backend_status *ret, struct nxc_error *err);

/* copy.c: what of the bundle is passed on */
struct ocicli_copy {
        char *bundle;         /* for --bundle; owned */
        int config_fd;        /* for --config, or negative */
        char config_path[64]; /* for --config, or "" */
};
#define OCICLI_COPY_INIT            \
        {                           \
                .config_fd = -EBADF \
        }
void ocicli_copy_done(struct ocicli_copy *c);
#define _cleanup_ocicli_copy_ _cleanup_(ocicli_copy_done)
int ocicli_copy_make(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, struct ocicli_copy *ret, struct nxc_error *err);
/* The document that the runtime gets; NULL in *ret: the bundle's own does. New reference. */
int ocicli_adapt_spec(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, json_t **ret, struct nxc_error *err);

/* refuse.c: what of a spec a runtime would ignore */
int ocicli_check_spec(const struct ocicli *rt, const struct nxc_spec *spec, struct nxc_error *err);
/* The same for a known version; NULL: any that is asked for is looked up by starting the program. */
int ocicli_refuse(const struct ocicli *rt, const json_t *doc, const struct ocicli_version *version,
        struct nxc_error *err);

/* unlimit.c: limits that say "none", for a runtime that cannot. NULL-safe. */
bool ocicli_has_unlimited(const json_t *resources);
/* For a new cgroup, which has no limits anyway. */
void ocicli_drop_unlimited(json_t *resources);
/* Takes the limits away itself, and them out of resources. */
int ocicli_unlimit(const struct nxc_strv *cgroups, json_t *resources, struct nxc_error *err);

/* verbs: create.c exec.c remove.c change.c checkpoint.c */
int ocicli_create(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, struct nxc_error *err);
int ocicli_run(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, int *ret_code, struct nxc_error *err);
int ocicli_start(const struct ocicli *rt, const struct nxc_backend_target *t, struct nxc_error *err);
int ocicli_kill(const struct ocicli *rt, const struct nxc_backend_target *t, int signal, bool all,
        struct nxc_error *err);
int ocicli_remove(
        const struct ocicli *rt, const struct nxc_backend_target *t, bool force, struct nxc_error *err);
int ocicli_exec(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_exec *e, int *ret_code, struct nxc_error *err);
int ocicli_pause(const struct ocicli *rt, const struct nxc_backend_target *t, struct nxc_error *err);
int ocicli_resume(const struct ocicli *rt, const struct nxc_backend_target *t, struct nxc_error *err);
int ocicli_update(const struct ocicli *rt, const struct nxc_backend_target *t, json_t *resources,
        struct nxc_error *err);
int ocicli_checkpoint(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_checkpoint *c, struct nxc_error *err);
int ocicli_restore(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, const struct nxc_backend_checkpoint *k, int *ret_code,
        struct nxc_error *err);

/* The operations of one description, as a backend has them. */
#define OCICLI_OPERATIONS(rt)                                                                              \
        static int probe(bool full, struct nxc_backend_info *ret, struct nxc_error *err)                   \
        {                                                                                                  \
                return ocicli_probe(&rt, full, ret, err);                                                  \
        }                                                                                                  \
        static int check_spec(const struct nxc_spec *spec, struct nxc_error *err)                          \
        {                                                                                                  \
                return ocicli_check_spec(&rt, spec, err);                                                  \
        }                                                                                                  \
        static int create(const struct nxc_backend_target *t, const struct nxc_backend_create *c,          \
                struct nxc_error *err)                                                                     \
        {                                                                                                  \
                return ocicli_create(&rt, t, c, err);                                                      \
        }                                                                                                  \
        static int run(const struct nxc_backend_target *t, const struct nxc_backend_create *c,             \
                int *ret_code, struct nxc_error *err)                                                      \
        {                                                                                                  \
                return ocicli_run(&rt, t, c, ret_code, err);                                               \
        }                                                                                                  \
        static int start(const struct nxc_backend_target *t, struct nxc_error *err)                        \
        {                                                                                                  \
                return ocicli_start(&rt, t, err);                                                          \
        }                                                                                                  \
        static int status(                                                                                 \
                const struct nxc_backend_target *t, struct nxc_backend_status *ret, struct nxc_error *err) \
        {                                                                                                  \
                return ocicli_status(&rt, t, ret, err);                                                    \
        }                                                                                                  \
        static int kill_(const struct nxc_backend_target *t, int signal, bool all, struct nxc_error *err)  \
        {                                                                                                  \
                return ocicli_kill(&rt, t, signal, all, err);                                              \
        }                                                                                                  \
        static int remove_(const struct nxc_backend_target *t, bool force, struct nxc_error *err)          \
        {                                                                                                  \
                return ocicli_remove(&rt, t, force, err);                                                  \
        }                                                                                                  \
        static int exec(const struct nxc_backend_target *t, const struct nxc_backend_exec *e,              \
                int *ret_code, struct nxc_error *err)                                                      \
        {                                                                                                  \
                return ocicli_exec(&rt, t, e, ret_code, err);                                              \
        }                                                                                                  \
        static int pause_(const struct nxc_backend_target *t, struct nxc_error *err)                       \
        {                                                                                                  \
                return ocicli_pause(&rt, t, err);                                                          \
        }                                                                                                  \
        static int resume(const struct nxc_backend_target *t, struct nxc_error *err)                       \
        {                                                                                                  \
                return ocicli_resume(&rt, t, err);                                                         \
        }                                                                                                  \
        static int update(const struct nxc_backend_target *t, json_t *resources, struct nxc_error *err)    \
        {                                                                                                  \
                return ocicli_update(&rt, t, resources, err);                                              \
        }                                                                                                  \
        static int checkpoint(const struct nxc_backend_target *t, const struct nxc_backend_checkpoint *c,  \
                struct nxc_error *err)                                                                     \
        {                                                                                                  \
                return ocicli_checkpoint(&rt, t, c, err);                                                  \
        }                                                                                                  \
        static int restore(const struct nxc_backend_target *t, const struct nxc_backend_create *c,         \
                const struct nxc_backend_checkpoint *k, int *ret_code, struct nxc_error *err)              \
        {                                                                                                  \
                return ocicli_restore(&rt, t, c, k, ret_code, err);                                        \
        }
#define OCICLI_OPERATION_MEMBERS                                                                \
        .probe = probe, .check_spec = check_spec, .create = create, .run = run, .start = start, \
        .status = status, .kill = kill_, .remove = remove_, .exec = exec, .pause = pause_,      \
        .resume = resume, .update = update, .checkpoint = checkpoint, .restore = restore
