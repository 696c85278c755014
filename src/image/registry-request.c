/* One request to a registry, and how often it is repeated. See registry-internal.h.
 *
 * Redirects are followed here, because only here it is known whom the credentials are for: they go to the
 * origin (scheme, host, port) of the registry and to nobody else, not even after a second redirect that
 * leads back. */
#include "core/json.h"
#include "core/log.h"
#include "image/registry-internal.h"

#include <string.h>
#include <sys/random.h>

#define MAX_REDIRECTS 5
#define MAX_PROBE_BODY (64 * 1024)
#define PROBE_TIMEOUT_S 30
#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS 10000
#define RETRY_AFTER_MAX_S 60 /* a server that wants more has to be asked by the user again */
#define MAX_SERVER_TEXT 200

/* ---- errors */

/* Printable ASCII only: it goes to a terminal and comes from anybody. */
static void append_harmless(char *buf, size_t size, const char *prefix, const char *text)
{
        size_t n = strlen(buf), start;

        if (!text || !*text)
                return;
        snprintf(buf + n, size - n, "%s%.*s", prefix, MAX_SERVER_TEXT, text);
        for (start = n; buf[start]; start++)
                if (buf[start] < 0x20 || buf[start] >= 0x7f)
                        buf[start] = '?';
}

/* errors[0] of the distribution-spec, or what token servers send instead. */
static void describe_body(const struct nxc_buf *body, char *ret, size_t size)
{
        _cleanup_json_ json_t *doc = NULL;
        const json_t *first;

        *ret = '\0';
        if (body->len == 0 || nxc_json_parse(body->data, body->len, "", &doc, NULL) < 0)
                return;
        first = json_array_get(json_object_get(doc, "errors"), 0);
        append_harmless(ret, size, ": ", json_string_value(json_object_get(first, "code")));
        append_harmless(ret, size, ": ", json_string_value(json_object_get(first, "message")));
        if (first)
                return;
        append_harmless(ret, size, ": ", nxc_json_str(doc, "error"));
        append_harmless(ret, size, ": ", nxc_json_str(doc, "error_description"));
        append_harmless(ret, size, ": ", nxc_json_str(doc, "details"));
        append_harmless(ret, size, ": ", nxc_json_str(doc, "message"));
}

static bool status_may_pass(long status)
{
        return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
               status == 504;
}

int nxc_registry_status_error(const struct nxc_http_response *resp, const char *who,
        struct nxc_attempt *attempt, struct nxc_error *err)
{
        bool denied = resp->status == 401 || resp->status == 403;
        enum nxc_error_kind kind = denied                ? NXC_ERR_UNAUTHORIZED
                                   : resp->status == 404 ? NXC_ERR_IMAGE_NOT_FOUND
                                                         : NXC_ERR_REGISTRY;
        const char *text = nxc_http_status_text(resp->status);
        char said[4 * (MAX_SERVER_TEXT + 3)];
        int r;

        describe_body(&resp->body, said, sizeof(said));
        attempt->again = status_may_pass(resp->status);
        attempt->retry_after_s = nxc_http_retry_after(resp->retry_after, time(NULL));
        r = nxc_fail_kind(
                err, kind, 0, "%s answered %ld%s%s%s", who, resp->status, *text ? " " : "", text, said);
        if (denied)
                nxc_error_hint(err,
                        "put credentials into auth.json, see nexcage-pull(1), or give --authfile / "
                        "--creds-file");
        return r;
}

bool nxc_http_failure_may_pass(enum nxc_http_failure failure)
{
        return failure == NXC_HTTP_STALL || failure == NXC_HTTP_RESET || failure == NXC_HTTP_TRUNCATED;
}

/* ---- how the registry is reached */

unsigned nxc_registry_reachable(enum nxc_address_class class, bool token_server)
{
        /* blob stores have private addresses often enough, and get no credentials */
        return NXC_ADDRESS_PUBLIC | class | (token_server ? 0 : NXC_ADDRESS_PRIVATE);
}

static int probe(struct nxc_registry *r, bool https, uint16_t port, struct nxc_http_response *resp,
        struct nxc_error *err)
{
        char target[] = "/v2/";
        struct nxc_url url = r->base;
        const struct nxc_http_request req = {
                .method = "GET",
                .url = &url,
                .max_body = MAX_PROBE_BODY,
                .timeout_s = PROBE_TIMEOUT_S,
        };

        url.https = https;
        url.port = port;
        url.target = target;
        return nxc_http_perform(r->http, &req, resp, err);
}

/* Whether the failure looks as if there were no TLS behind that port. */
static bool may_be_plain(enum nxc_http_failure failure)
{
        return failure == NXC_HTTP_CONNECT || failure == NXC_HTTP_HANDSHAKE || failure == NXC_HTTP_RESET;
}

/* https, and plain http where it is allowed and https does not work. */
static int choose_scheme(struct nxc_registry *r, struct nxc_error *err)
{
        _cleanup_http_response_ struct nxc_http_response tls = { 0 }, plain = { 0 };
        bool loopback = nxc_host_class(r->base.host) == NXC_ADDRESS_LOOPBACK;
        uint16_t plain_port = r->base.port == 443 && !strstr(r->where, ":443/") ? 80 : r->base.port;
        struct nxc_error why = { 0 };
        int result;

        if (r->opts->tls_verify > 0 || (r->opts->tls_verify < 0 && !loopback))
                return 0;
        result = probe(r, true, r->base.port, &tls, &why);
        if (result == 0)
                return 0;
        if (may_be_plain(tls.failure) && probe(r, false, plain_port, &plain, NULL) == 0) {
                nxc_debug("%s speaks plain http", r->host);
                r->base.https = false;
                r->base.port = plain_port;
                return 0;
        }
        if (err)
                *err = why;
        return result;
}

static int ensure_found(struct nxc_registry *r, struct nxc_error *err)
{
        int result = 0;

        pthread_mutex_lock(&r->lock);
        if (!r->found) {
                result = choose_scheme(r, err);
                r->class = nxc_host_class(r->base.host);
                r->found = result == 0;
        }
        pthread_mutex_unlock(&r->lock);
        return result;
}

/* A name is what its address is: an intranet registry may have its token server in the intranet. */
static void note_class(struct nxc_registry *r, enum nxc_address_class peer)
{
        pthread_mutex_lock(&r->lock);
        if (r->class == NXC_ADDRESS_PUBLIC)
                r->class = peer;
        pthread_mutex_unlock(&r->lock);
}

static enum nxc_address_class class_of(struct nxc_registry *r)
{
        enum nxc_address_class class;

        pthread_mutex_lock(&r->lock);
        class = r->class;
        pthread_mutex_unlock(&r->lock);
        return class;
}

/* ---- redirects */

static bool is_redirect(long status)
{
        return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int next_url(struct nxc_registry *r, const struct nxc_url *from, const struct nxc_http_response *resp,
        struct nxc_url *ret, struct nxc_error *err)
{
        _cleanup_url_ struct nxc_url to = { 0 };
        int result;

        if (!resp->location)
                return nxc_fail_kind(err, NXC_ERR_REGISTRY, 0,
                        "the registry answered %ld without a Location", resp->status);
        result = nxc_url_resolve(from, resp->location, &to, err);
        if (result < 0) {
                nxc_error_wrap(err, "redirect");
                return result;
        }
        if (from->https && !to.https)
                return nxc_fail_kind(err, NXC_ERR_REGISTRY, 0,
                        "the registry redirects from https to plain http ('%s'), which is refused", to.host);
        if (!(nxc_host_class(to.host) & nxc_registry_reachable(class_of(r), false)))
                return nxc_fail_kind(err, NXC_ERR_REGISTRY, 0,
                        "the registry redirects to the local address '%s', which is refused", to.host);
        *ret = to;
        to.target = NULL;
        return 0;
}

/* From the registry's own URL along its redirects. ret_own: whether the last answer came from the registry's
 * origin, and not by way of another. */
static int perform(struct nxc_registry *r, const struct nxc_registry_request *req, const char *authorization,
        struct nxc_http_response *resp, bool *ret_own, struct nxc_error *err)
{
        _cleanup_url_ struct nxc_url url = r->base;
        struct nxc_http_request http = {
                .method = req->method,
                .url = &url,
                .headers = req->headers,
                .authorization = authorization,
                .sink = req->sink,
                .sink_arg = req->sink_arg,
                .max_body = req->max_body,
                .timeout_s = req->timeout_s,
        };
        bool own = true;

        url.target = strdup(req->target);
        if (!url.target)
                return nxc_oom(err);
        for (int hops = 0;; hops++) {
                struct nxc_url next = { 0 };
                int result = nxc_http_perform(r->http, &http, resp, err);

                *ret_own = own;
                if (resp->status && own)
                        note_class(r, resp->peer);
                if (result < 0 && !own)
                        nxc_error_wrap(err, "redirected to %s", url.host);
                if (result < 0 || !is_redirect(resp->status))
                        return result;
                if (hops == MAX_REDIRECTS)
                        return nxc_fail_kind(err, NXC_ERR_REGISTRY, 0,
                                "the registry redirects more than %d times", MAX_REDIRECTS);
                result = next_url(r, &url, resp, &next, err);
                if (result < 0)
                        return result;
                nxc_http_response_done(resp);
                *resp = (struct nxc_http_response){ 0 };
                nxc_url_done(&url);
                url = next;
                own = own && nxc_url_same_origin(&url, &r->base);
                http.reachable = nxc_registry_reachable(class_of(r), false);
                if (!own)
                        http.authorization = NULL;
        }
}

/* ---- one attempt */

/* A blob store's 401 or 403 is about its signed URL, not about the user's credentials. */
static int foreign_status_error(
        const struct nxc_http_response *resp, struct nxc_attempt *attempt, struct nxc_error *err)
{
        int r = nxc_registry_status_error(resp, "the host that the registry redirects to", attempt, err);

        if (resp->status == 401 || resp->status == 403) {
                nxc_error_set_kind(err, NXC_ERR_REGISTRY);
                nxc_error_hint(err, "%s", "");
        }
        return r;
}

int nxc_registry_attempt(struct nxc_registry *r, const struct nxc_registry_request *req,
        struct nxc_http_response *resp, struct nxc_attempt *attempt, struct nxc_error *err)
{
        int result = ensure_found(r, err);

        for (bool answered = false; result == 0; answered = true) {
                char *authorization = NULL;
                unsigned generation = 0;
                bool own = true;

                nxc_http_response_done(resp);
                *resp = (struct nxc_http_response){ 0 };
                result = nxc_registry_authorization(r, &authorization, &generation, attempt, err);
                if (result < 0)
                        return result;
                result = perform(r, req, authorization, resp, &own, err);
                nxc_secret_free(authorization);
                if (result < 0) {
                        attempt->again = nxc_http_failure_may_pass(resp->failure);
                        return result;
                }
                if (resp->status == 200 || resp->status == 206)
                        return 0;
                if (!own)
                        return foreign_status_error(resp, attempt, err);
                if (resp->status != 401 || answered)
                        return nxc_registry_status_error(resp, "the registry", attempt, err);
                result = nxc_registry_authenticate(r, resp, generation, attempt, err);
        }
        return result;
}

/* ---- repeating it */

/* Doubling, and spread over half to one and a half of it, so that many clients do not come back at the same
 * moment. */
static int64_t backoff_ms(int tries)
{
        int64_t ms = tries < 8 ? BACKOFF_FIRST_MS << tries : BACKOFF_MAX_MS;
        uint32_t random = 0;

        if (ms > BACKOFF_MAX_MS)
                ms = BACKOFF_MAX_MS;
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
                random = (uint32_t)time(NULL);
        return ms / 2 + random % ms;
}

static void sleep_ms(int64_t ms)
{
        struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

int nxc_registry_retry(struct nxc_registry *r, const char *what,
        int (*attempt)(void *arg, struct nxc_attempt *attempt, struct nxc_error *err), void *arg,
        struct nxc_error *err)
{
        for (int tries = 0, in_all = 1;; tries++, in_all++) {
                struct nxc_attempt a = { .retry_after_s = -1 };
                struct nxc_error why = { 0 };
                int result = attempt(arg, &a, &why);
                int64_t ms;

                if (result == 0)
                        return 0;
                if (a.progressed)
                        tries = 0;
                if (!a.again || tries >= r->retries) {
                        if (in_all > 1)
                                nxc_error_wrap(&why, "attempt %d", in_all);
                        nxc_error_wrap(&why, "%s", what);
                        if (err)
                                *err = why;
                        return result;
                }
                if (a.retry_after_s > RETRY_AFTER_MAX_S)
                        a.retry_after_s = RETRY_AFTER_MAX_S;
                ms = a.retry_after_s >= 0 ? a.retry_after_s * 1000 : backoff_ms(tries);
                nxc_debug("%s: %s; again in %lld ms", what, why.message, (long long)ms);
                sleep_ms(ms);
        }
}
