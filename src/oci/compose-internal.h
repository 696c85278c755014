/* The parts of composing; this folder only. compose.c runs them in order over one struct. Each adds what
 * it decides to the JSON of the spec and keeps in the struct what later parts need. */
#pragma once

#include "oci/compose.h"

struct nxc_compose {
        const struct nxc_image_config *image;
        const struct nxc_compose_opts *opts;
        const struct nxc_compose_host *host;
        int root_fd;
        struct nxc_compose_result *res;
        struct nxc_user user;
        json_t *process, *mounts, *linux_; /* borrowed from res->spec */

        /* --security-opt */
        bool no_new_privileges, unmask_all, seccomp_unconfined;
        const char *seccomp_file, *apparmor; /* or NULL */
        struct nxc_strv mask, unmask;

        /* capabilities, bit by number */
        uint64_t bounding, effective, ambient;
};

int nxc_compose_security(struct nxc_compose *c, struct nxc_error *err);     /* reads --security-opt */
int nxc_compose_capabilities(struct nxc_compose *c, struct nxc_error *err); /* after the user is known */
int nxc_compose_put_capabilities(struct nxc_compose *c, struct nxc_error *err);
int nxc_compose_env(struct nxc_compose *c, struct nxc_error *err);
int nxc_compose_process(struct nxc_compose *c, struct nxc_error *err);
int nxc_compose_mounts(struct nxc_compose *c, struct nxc_error *err);
int nxc_compose_workdir(struct nxc_compose *c, struct nxc_error *err); /* after the mounts are known */
int nxc_compose_linux(struct nxc_compose *c, struct nxc_error *err);
int nxc_compose_paths(struct nxc_compose *c, struct nxc_error *err);   /* masked and read-only paths */
int nxc_compose_devices(struct nxc_compose *c, struct nxc_error *err); /* --privileged */
int nxc_compose_seccomp(struct nxc_compose *c, struct nxc_error *err);

/* A profile file (OCI's form or docker's), for a container with these capabilities. */
int nxc_seccomp_load(const char *path, const struct nxc_compose_host *host, uint64_t caps, json_t **ret,
        struct nxc_error *err);

/* Sets a member to a new reference; NULL counts as out of memory. */
int nxc_put(json_t *o, const char *key, json_t *value, struct nxc_error *err);
/* Appends a copy of a string to an array. */
int nxc_put_string(json_t *array, const char *text, struct nxc_error *err);
/* A JSON array of a vector, and one of the words of a text. NULL: out of memory. */
json_t *nxc_json_strv(const struct nxc_strv *s);
json_t *nxc_json_words(const char *text);

/* Go's strconv.ParseBool, which podman's options take. */
int nxc_parse_bool(const char *s, bool *ret);
int nxc_usage(struct nxc_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
