/* From an image configuration and what the user asked for to a config.json, with podman's meaning.
 *
 * Pure but for three things: names are looked up in etc/passwd and etc/group inside the root, files that
 * the user names (--env-file, a seccomp profile, the source of a bind mount) are read or looked at, and
 * what depends on the machine comes from struct nxc_compose_host, which a test fills by hand. Nothing is
 * written: directories for anonymous volumes, a missing working directory and the files of etc_dir are
 * told in the result, and the lifecycle makes them. */
#pragma once

#include "core/error.h"
#include "core/str.h"
#include "oci/manifest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the machine has to say. */
struct nxc_compose_host {
        const char *arch;  /* GOARCH */
        char hostname[65]; /* of the container with network=host */
        int kernel_major, kernel_minor;
        uint64_t bounding;     /* capabilities that this process may pass on, bit by number */
        bool cgroup_namespace; /* unified hierarchy: the container gets a cgroup namespace, as podman does */
        const char *dev_dir;   /* whose nodes --privileged gives; NULL: none */
        const char *const *env; /* for `-e K` */
};
void nxc_compose_host_get(struct nxc_compose_host *ret);

struct nxc_compose_opts {
        const char *id;
        const char *rootfs;       /* goes to root.path */
        const char *volumes_dir;  /* anonymous volume n is mounted from <volumes_dir>/<n>; only needed with
                                     volumes */
        const char *etc_dir;      /* hostname, hosts, resolv.conf are mounted from here; NULL: none are */
        const char *cgroups_path; /* linux.cgroupsPath, or NULL: left to the runtime */
        const struct nxc_compose_host *host; /* NULL: nxc_compose_host_get() */
        struct nxc_strv args;                /* the command after IMAGE; empty: the image's Cmd */
        const char *entrypoint; /* NULL: the image's; "" resets it; a JSON array or one word. Given: no image
                                   Cmd */
        struct nxc_strv env;    /* K=V; K or K*: taken from the host's environment */
        struct nxc_strv env_files; /* paths */
        struct nxc_strv volumes;   /* SRC:DST[:opts], or DST: an anonymous volume */
        struct nxc_strv mounts;    /* type=bind,source=..,target=.. | type=tmpfs,.. */
        struct nxc_strv tmpfs;     /* DST[:opts] */
        const char *user, *workdir, *hostname, *stop_signal;
        const json_t *uid_mappings, *gid_mappings; /* of a user namespace; NULL: the host's */
        const char *network;                       /* none | host; NULL: none */
        uint64_t memory_bytes; /* 0: unset; with it swap is limited to twice as much, as podman does */
        double cpus;           /* 0: unset */
        int64_t pids_limit;    /* 0: default (2048), -1: unlimited */
        struct nxc_strv cap_add, cap_drop, security_opt, ulimits, labels, annotations;
        bool read_only, privileged, terminal;
};

struct nxc_compose_result {
        json_t *spec;                      /* owned */
        struct nxc_strv anonymous_volumes; /* destinations; number n wants <volumes_dir>/<n>, filled from the
                                              image */
        struct nxc_strv etc_files;         /* names under etc_dir that the spec mounts */
        struct nxc_strv labels;            /* K=V: the image's, then the user's */
        char *hostname;
        char *make_workdir; /* the image's WorkingDir when the root lacks it, else NULL */
        int stop_signal;
        bool seccomp_is_default; /* linux.seccomp is the built-in profile for nxc_caps_default */
};

/* root_fd: the composed root, or negative: none yet, which means an empty one (numeric users only).
 * Usage for what the user gave wrongly, NotImplemented for what podman knows and we do not, InvalidImage
 * for what the image did. */
int nxc_compose_spec(const struct nxc_image_config *image, const struct nxc_compose_opts *opts, int root_fd,
        struct nxc_compose_result *ret, struct nxc_error *err);
void nxc_compose_result_done(struct nxc_compose_result *r);
/* Writes the files of ret->etc_files into a directory: hostname, hosts, and the host's resolv.conf. */
int nxc_compose_write_etc(const struct nxc_compose_result *r, int etc_dir_fd, struct nxc_error *err);

/* A process's user, as the spec has it. */
struct nxc_user {
        uint32_t uid, gid;
        uint32_t *additional_gids; /* podman's: the primary one, then those that list the user; none for user
                                      NULL */
        size_t n_additional;
        char *home; /* from passwd, or NULL */
};
/* "name|uid[:group|gid]" looked up in etc/passwd and etc/group inside the root (in-root openat2, at most
 * 1 MiB each, no NSS); NULL or "": root. Unparsable or unknown is Usage, never root; a passwd that is no
 * file is InvalidImage. */
int nxc_user_lookup(int root_fd, const char *user, struct nxc_user *ret, struct nxc_error *err);
void nxc_user_done(struct nxc_user *u);

/* "TERM", "SIGTERM", "15", "RTMIN+3", any case, to the number (0 to 64; 0 only as a number). Usage
 * otherwise. */
int nxc_signal_parse(const char *text, int *ret, struct nxc_error *err);

/* "CHOWN", "cap_chown": the number, or -EINVAL; and the name with CAP_, or NULL. */
int nxc_cap_parse(const char *name);
const char *nxc_cap_name(unsigned cap);

/* podman's default set of capabilities, bit by number. */
uint64_t nxc_caps_default(void);
/* This process' bounding set, of what has a name here. */
uint64_t nxc_caps_bounding(void);
/* The built-in seccomp profile for a container with these capabilities: a new linux.seccomp object. */
int nxc_seccomp_default(const char *arch, uint64_t caps, json_t **ret, struct nxc_error *err);
