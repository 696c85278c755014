/* How a registry is to be talked to: plain data that command line, configuration and engine share. */
#pragma once

struct nxc_registry_opts {
        int tls_verify;          /* 1; 0; -1: not said, as 1, but plain http is tried on loopback */
        const char *cert_dir;    /* NULL: podman's and docker's certs.d/HOST */
        const char *authfile;    /* NULL: the usual places, in the usual order */
        const char *credentials; /* "user:password" from a file or stdin, never from argv; NULL: none */
        int retries;             /* of a request that failed for a passing reason; negative: 3 */
};
