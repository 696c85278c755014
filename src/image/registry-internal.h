/* The registry client from within. This folder only.
 *
 * registry.c tells the story of a manifest and of a blob; registry-request.c does one request with its
 * redirects, and repeats what is worth it; registry-auth.c turns a challenge into the value of the
 * Authorization header. */
#pragma once

#include "image/auth.h"
#include "image/challenge.h"
#include "image/registry.h"
#include "net/http.h"

#include <pthread.h>
#include <time.h>

struct nxc_registry {
        char *where; /* "host/path", as the user wrote it, for messages */
        char *path;  /* of the repository */
        char *host;  /* under which credentials are kept */
        const struct nxc_registry_opts *opts;
        int retries;
        struct nxc_http *http;

        pthread_mutex_t lock;
        /* under the lock until `found` is set, constant after that */
        bool found;          /* it is known how the registry is reached */
        struct nxc_url base; /* scheme, host and port */
        enum nxc_address_class class;
        /* under the lock */
        bool has_credentials; /* they were looked for */
        struct nxc_credentials credentials;
        struct nxc_challenge challenge; /* the last one */
        char *authorization;            /* the header's value, or NULL; secret */
        unsigned generation;            /* counts its changes */
        time_t expires;                 /* of a Bearer token, monotonic seconds; 0: never */
};

/* What became of one attempt. */
struct nxc_attempt {
        bool again;            /* it failed for a reason that may pass */
        bool progressed;       /* more is there than ever before: the count of retries starts over */
        int64_t retry_after_s; /* what the server asked for, or -1 */
};

struct nxc_registry_request {
        const char *method;
        char *target; /* "/v2/..." */
        const struct nxc_strv *headers;
        int (*sink)(void *arg, const struct nxc_http_response *resp, const void *data, size_t len,
                struct nxc_error *err);
        void *sink_arg;
        size_t max_body;
        int timeout_s;
};

/* One request, with authentication and redirects. 0 only for 200 and 206. A failure says why; 404 is
 * ImageNotFound, 401 and 403 Unauthorized. resp needs done in either case. */
int nxc_registry_attempt(struct nxc_registry *r, const struct nxc_registry_request *req,
        struct nxc_http_response *resp, struct nxc_attempt *attempt, struct nxc_error *err);

/* Calls attempt until it succeeds, fails for good or has failed too often, waiting in between. what: for the
 * error. */
int nxc_registry_retry(struct nxc_registry *r, const char *what,
        int (*attempt)(void *arg, struct nxc_attempt *attempt, struct nxc_error *err), void *arg,
        struct nxc_error *err);

/* The error of an answer that is not wanted: status, and code and message of its body (errors[0]) made
 * harmless. who: "the registry". Sets attempt. */
int nxc_registry_status_error(const struct nxc_http_response *resp, const char *who,
        struct nxc_attempt *attempt, struct nxc_error *err);

/* Whether a failed request may be repeated. */
bool nxc_http_failure_may_pass(enum nxc_http_failure failure);

/* Which addresses a registry of this class may send us to: with a redirect, or to its token server. */
unsigned nxc_registry_reachable(enum nxc_address_class class, bool token_server);

/* A copy (nxc_secret_free) of the header's value to send now, NULL when there is none yet; renews an expired
 * token. */
int nxc_registry_authorization(struct nxc_registry *r, char **ret, unsigned *ret_generation,
        struct nxc_attempt *attempt, struct nxc_error *err);
/* Answers the challenge of a 401 that the request with that generation got. */
int nxc_registry_authenticate(struct nxc_registry *r, const struct nxc_http_response *resp,
        unsigned generation, struct nxc_attempt *attempt, struct nxc_error *err);

/* Whether credentials for a registry may be shown to a token server. */
bool nxc_registry_is_same_site(const char *registry_host, const char *token_host);
