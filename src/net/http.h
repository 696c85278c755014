/* HTTP requests over libcurl: one at a time per call, from any thread, with limits on everything a server
 * can choose.
 *
 * A redirect is not followed here: whoever knows which credentials belong where has to decide. TLS is set up
 * in one place, for all requests of a client. Proxies come from the environment, as libcurl reads it. */
#pragma once

#include "core/error.h"
#include "core/str.h"
#include "net/url.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct nxc_http; /* TLS settings and the connections that are kept alive */

struct nxc_http_opts {
        bool tls_verify;
        const char *cert_dir;  /* *.crt: more CAs; NAME.cert with NAME.key: client certificates; NULL or
                                  absent: none */
        int connect_timeout_s; /* 0: 15 */
        int stall_timeout_s;   /* below 64 bytes/s for so long is a stall; 0: 30 */
};

int nxc_http_new(const struct nxc_http_opts *opts, struct nxc_http **ret, struct nxc_error *err);
void nxc_http_free(struct nxc_http *http); /* NULL is fine; no request may be under way */

struct nxc_http_response;

struct nxc_http_request {
        const char *method; /* "GET", "HEAD", "POST" */
        const struct nxc_url *url;
        const struct nxc_strv *headers; /* "Name: value"; may be NULL */
        const char *authorization;      /* value of that header, or NULL */
        const char *body;               /* of a POST, form-encoded; or NULL */
        /* Takes the body of a 200 or 206 answer, piece by piece, with the headers in resp; negative ends the
         * request and is returned. NULL: into resp->body, at most max_body bytes. Other answers' bodies go
         * there too, cut. */
        int (*sink)(void *arg, const struct nxc_http_response *resp, const void *data, size_t len,
                struct nxc_error *err);
        void *sink_arg;
        size_t max_body;
        int timeout_s; /* of the whole request; 0: none, only a stall ends it */
        /* NXC_ADDRESS_* to which a connection may be made; 0: any. A proxy hides the address. */
        unsigned reachable;
        bool fresh; /* on a new connection, so that `reachable` is looked at */
};

/* Why there is no whole answer. */
enum nxc_http_failure {
        NXC_HTTP_OK,
        NXC_HTTP_CONNECT, /* refused, unreachable, timed out before the request was sent */
        NXC_HTTP_RESOLVE,
        NXC_HTTP_HANDSHAKE, /* what answered does not speak TLS as we do */
        NXC_HTTP_CERTIFICATE,
        NXC_HTTP_STALL, /* worth another try, like the two below */
        NXC_HTTP_RESET,
        NXC_HTTP_TRUNCATED,
        NXC_HTTP_REFUSED, /* by us: too large, a forbidden address, the sink */
        NXC_HTTP_OTHER,
};

struct nxc_http_response {
        enum nxc_http_failure failure;
        long status;                 /* 0: none came */
        enum nxc_address_class peer; /* where it came from; PUBLIC when a proxy hides it */
        char content_type[160];      /* without parameters, lower case */
        char content_range[96];
        char docker_digest[160]; /* Docker-Content-Digest */
        char retry_after[64];
        char *location; /* or NULL */
        struct nxc_strv www_authenticate;
        struct nxc_buf body;
};
void nxc_http_response_done(struct nxc_http_response *resp);
#define _cleanup_http_response_ __attribute__((cleanup(nxc_http_response_done)))

/* 0 once a whole answer came, whatever its status. Otherwise an error (RegistryError unless the sink set its
 * own) that says what happened but not on which object, with resp->failure set. resp needs done in either
 * case. */
int nxc_http_perform(struct nxc_http *http, const struct nxc_http_request *req,
        struct nxc_http_response *resp, struct nxc_error *err);

/* "Not Found" for 404; "" when unknown. */
const char *nxc_http_status_text(long status);
/* Seconds that a Retry-After value asks for (delta or HTTP date), at least 0; -1 when there is none or it is
 * odd. */
int64_t nxc_http_retry_after(const char *value, time_t now);
/* Appends text percent-encoded for a query or a form. 0 or -ENOMEM. */
int nxc_http_encode(struct nxc_buf *buf, const char *text);
