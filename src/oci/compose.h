/* From an image configuration and what the user asked for to a config.json, with podman's meaning. Pure but for the user
 * lookup, which reads etc/passwd and etc/group inside the root (in-root openat2, at most 1 MiB each, no NSS). */
#pragma once

#include "core/error.h"
#include "core/str.h"
#include "oci/manifest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nxc_compose_opts {
        const char *id;
        const char *rootfs;        /* goes to root.path */
        struct nxc_strv args;      /* the command after IMAGE; empty: the image's Cmd */
        const char *entrypoint;    /* NULL: the image's; "" resets it; a JSON array or one word, as podman */
        struct nxc_strv env;       /* K=V, or K: taken from host_env */
        struct nxc_strv env_files; /* paths */
        const char *const *host_env;
        struct nxc_strv volumes;   /* SRC:DST[:opts] */
        struct nxc_strv mounts;    /* type=bind,source=..,target=.. */
        struct nxc_strv tmpfs;     /* DST[:opts] */
        const char *user, *workdir, *hostname, *stop_signal;
        const char *network;       /* none | host */
        uint64_t memory_bytes;     /* 0: unset */
        double cpus;               /* 0: unset */
        int64_t pids_limit;        /* 0: default (2048), -1: unlimited */
        struct nxc_strv cap_add, cap_drop, security_opt, ulimits, labels, annotations;
        bool read_only, privileged, terminal, init;
};

/* new reference in *ret. Usage for what the user gave wrongly, InvalidImage for what the image did. */
int nxc_compose_spec(const struct nxc_image_config *image, const struct nxc_compose_opts *opts, int root_fd,
        json_t **ret, struct nxc_error *err);

/* "name|uid[:group|gid]" looked up inside the root. Unparsable or unknown is an error, never root. */
struct nxc_user {
        uint32_t uid, gid;
        uint32_t *additional_gids;
        size_t n_additional;
        char *home; /* or NULL */
};
int nxc_user_lookup(int root_fd, const char *user, struct nxc_user *ret, struct nxc_error *err);
void nxc_user_done(struct nxc_user *u);

/* "TERM", "SIGTERM", "15", "RTMIN+3", any case, to the number. Usage otherwise. */
int nxc_signal_parse(const char *text, int *ret, struct nxc_error *err);
