/* TLS of all requests of a client, set up here and nowhere else. This folder only. */
#pragma once

#include "core/error.h"
#include "core/str.h"

#include <stdbool.h>

struct nxc_tls {
        bool verify;
        char *ca_file, *ca_path;        /* from SSL_CERT_FILE and SSL_CERT_DIR; NULL: libcurl's own */
        struct nxc_buf ca_blob;         /* system bundle and the *.crt of cert_dir, when there are any */
        char *client_cert, *client_key; /* paths, or NULL */
};

/* cert_dir as in http.h; absent or NULL: none. ConfigError for what cannot be used in it. Needs done in
 * either case. */
int nxc_tls_init(struct nxc_tls *tls, bool verify, const char *cert_dir, struct nxc_error *err);
void nxc_tls_done(struct nxc_tls *tls);
/* Sets the options of a CURL easy handle, which borrows from tls. */
void nxc_tls_apply(const struct nxc_tls *tls, void *curl);
