/* Credentials for a registry, found where podman and docker keep them (containers-auth.json(5)):
 *
 * - --creds-file; else
 * - --authfile or $REGISTRY_AUTH_FILE, and then nothing else; else the first that has some of
 * - $XDG_RUNTIME_DIR/containers/auth.json (/run/containers/UID/auth.json when that is not set),
 *   $XDG_CONFIG_HOME/containers/auth.json (~/.config), $DOCKER_CONFIG/config.json (~/.docker), ~/.dockercfg.
 *
 * In one file: a credHelpers entry of the host, then the auths entry of the longest matching path (HOST/a/b,
 * HOST/a, HOST), then credsStore. Secrets are wiped when they are done with, and never appear in messages,
 * logs or argument lists. */
#pragma once

#include "core/error.h"
#include "image/registry-opts.h"

#include <stdbool.h>
#include <stddef.h>

struct nxc_credentials {
        char *username, *password; /* both or none */
        char *identity_token;      /* a refresh token instead of a password, or NULL */
};

void nxc_credentials_done(struct nxc_credentials *c); /* wipes */
#define _cleanup_credentials_ __attribute__((cleanup(nxc_credentials_done)))
bool nxc_credentials_are_set(const struct nxc_credentials *c);

/* None found is success with nothing set. */
int nxc_credentials_find(const char *host, const char *path, const struct nxc_registry_opts *opts,
        struct nxc_credentials *ret, struct nxc_error *err);

/* What one file says, without running any helper: the credentials, or the helper to ask. */
struct nxc_auth_answer {
        struct nxc_credentials credentials;
        char helper[64];        /* NAME of docker-credential-NAME, or "" */
        bool helper_is_default; /* from credsStore: it may well know nothing of this host */
};
/* legacy: a .dockercfg, whose top level is the auths object. InvalidConfig with the place, never with text
 * of the file. */
int nxc_auth_file_lookup(const char *text, size_t len, const char *what, bool legacy, const char *host,
        const char *path, struct nxc_auth_answer *ret, struct nxc_error *err);

/* free() of a secret. */
void nxc_secret_free(char *secret);
