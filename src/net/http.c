/* See http.h.
 *
 * An easy handle owns its connections, so a client keeps a list of idle handles: a call takes one or makes
 * one, and puts it back. Several threads thus get several connections, and each is used again by whoever
 * comes next. */
#include "net/http.h"

#include "core/log.h"
#include "net/tls-internal.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_S 15
#define STALL_TIMEOUT_S 30
#define STALL_BYTES_PER_S 64L
#define RECEIVE_BUFFER_BYTES (256L * 1024) /* curl's 16 KiB make many small writes */
#define MAX_HEADERS 200                    /* of one answer; registries send about ten */
#define MAX_HEADER_BYTES (16 * 1024)
#define MAX_ERROR_BODY (64 * 1024)

struct handle {
        CURL *curl;
        struct handle *next;
};

struct nxc_http {
        struct nxc_tls tls;
        int connect_timeout_s, stall_timeout_s;
        bool proxied; /* some proxy is set: the peer's address says nothing about the server */
        pthread_mutex_t lock;
        struct handle *idle;
};

/* One request under way. */
struct transfer {
        struct nxc_http *http;
        CURL *curl;
        const struct nxc_http_request *req;
        struct nxc_http_response *resp;
        struct nxc_error *err;
        int n_headers;
        int result;  /* negative: why a callback ended it */
        bool enough; /* of an error's text: the rest is not wanted */
        bool address_refused;
};

static void global_init(void)
{
        curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- the client */

static bool has_proxy(void)
{
        static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                "ALL_PROXY" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(names); i++)
                if (getenv(names[i]) && *getenv(names[i]))
                        return true;
        return false;
}

int nxc_http_new(const struct nxc_http_opts *opts, struct nxc_http **ret, struct nxc_error *err)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct nxc_http *http = calloc(1, sizeof(*http));
        int r;

        if (!http)
                return nxc_oom(err);
        pthread_once(&once, global_init);
        pthread_mutex_init(&http->lock, NULL);
        http->connect_timeout_s = opts->connect_timeout_s > 0 ? opts->connect_timeout_s : CONNECT_TIMEOUT_S;
        http->stall_timeout_s = opts->stall_timeout_s > 0 ? opts->stall_timeout_s : STALL_TIMEOUT_S;
        http->proxied = has_proxy();
        r = nxc_tls_init(&http->tls, opts->tls_verify, opts->cert_dir, err);
        if (r < 0) {
                nxc_http_free(http);
                return r;
        }
        *ret = http;
        return 0;
}

void nxc_http_free(struct nxc_http *http)
{
        if (!http)
                return;
        while (http->idle) {
                struct handle *h = http->idle;

                http->idle = h->next;
                curl_easy_cleanup(h->curl);
                free(h);
        }
        nxc_tls_done(&http->tls);
        pthread_mutex_destroy(&http->lock);
        free(http);
}

static struct handle *take_handle(struct nxc_http *http)
{
        struct handle *h;

        pthread_mutex_lock(&http->lock);
        h = http->idle;
        if (h)
                http->idle = h->next;
        pthread_mutex_unlock(&http->lock);
        if (h)
                return h;
        h = calloc(1, sizeof(*h));
        if (h)
                h->curl = curl_easy_init();
        if (h && !h->curl)
                nxc_freep(&h);
        return h;
}

static void give_handle(struct nxc_http *http, struct handle *h)
{
        curl_easy_reset(h->curl); /* the connections stay; options, and with them the secrets, do not */
        pthread_mutex_lock(&http->lock);
        h->next = http->idle;
        http->idle = h;
        pthread_mutex_unlock(&http->lock);
}

/* ---- one request: callbacks */

/* What a callback returns to make libcurl give up; r is why, for the caller. */
static size_t stop(struct transfer *t, int r)
{
        t->result = r;
        return 0;
}

static void copy_value(char *ret, size_t size, const char *value)
{
        if (strlen(value) < size)
                snprintf(ret, size, "%s", value);
}

static void copy_content_type(struct nxc_http_response *resp, char *value)
{
        value[strcspn(value, "; \t")] = '\0';
        for (char *p = value; *p; p++)
                if (*p >= 'A' && *p <= 'Z')
                        *p = (char)(*p - 'A' + 'a');
        copy_value(resp->content_type, sizeof(resp->content_type), value);
}

static int keep_header(struct nxc_http_response *resp, const char *name, char *value)
{
        if (strcasecmp(name, "content-type") == 0)
                copy_content_type(resp, value);
        else if (strcasecmp(name, "content-range") == 0)
                copy_value(resp->content_range, sizeof(resp->content_range), value);
        else if (strcasecmp(name, "docker-content-digest") == 0)
                copy_value(resp->docker_digest, sizeof(resp->docker_digest), value);
        else if (strcasecmp(name, "retry-after") == 0)
                copy_value(resp->retry_after, sizeof(resp->retry_after), value);
        else if (strcasecmp(name, "www-authenticate") == 0)
                return nxc_strv_add(&resp->www_authenticate, value);
        else if (strcasecmp(name, "location") == 0 && !resp->location)
                return (resp->location = strdup(value)) ? 0 : -ENOMEM;
        return 0;
}

/* libcurl calls it once per line, status lines (also of 1xx answers) and the empty last one included. */
static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
        struct transfer *t = arg;
        _cleanup_free_ char *line = NULL;
        char *value;

        n *= size;
        if (++t->n_headers > MAX_HEADERS || n > MAX_HEADER_BYTES)
                return stop(t, nxc_fail_kind(t->err, NXC_ERR_REGISTRY, 0,
                                       "the server sends too many or too long headers"));
        line = strndup(data, n);
        if (!line)
                return stop(t, nxc_oom(t->err));
        line[strcspn(line, "\r\n")] = '\0';
        value = strchr(line, ':');
        if (!value)
                return n;
        *value++ = '\0';
        value += strspn(value, " \t");
        for (size_t k = strlen(value); k > 0 && strchr(" \t", value[k - 1]); k--)
                value[k - 1] = '\0';
        if (nxc_has_control(value))
                return n;
        if (keep_header(t->resp, line, value) < 0)
                return stop(t, nxc_oom(t->err));
        return n;
}

static size_t keep_body(struct transfer *t, const char *data, size_t n, bool good)
{
        struct nxc_buf *body = &t->resp->body;
        size_t limit = good ? t->req->max_body : MAX_ERROR_BODY;
        size_t room = limit > body->len ? limit - body->len : 0;

        if (n > room && good)
                return stop(t, nxc_fail_kind(t->err, NXC_ERR_REGISTRY, 0,
                                       "the server sends more than %zu bytes", limit));
        if (nxc_buf_add(body, data, n < room ? n : room) < 0)
                return stop(t, nxc_oom(t->err));
        t->enough = n > room;
        return n > room ? 0 : n;
}

static bool is_good(long status)
{
        return status == 200 || status == 206;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
        struct transfer *t = arg;
        bool good;
        int r;

        n *= size;
        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->resp->status);
        good = is_good(t->resp->status);
        if (!good || !t->req->sink)
                return keep_body(t, data, n, good);
        r = t->req->sink(t->req->sink_arg, t->resp, data, n, t->err);
        return r < 0 ? stop(t, r) : n;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
        struct transfer *t = arg;
        enum nxc_address_class class = nxc_sockaddr_class(&a->addr);

        if (!t->http->proxied && t->req->reachable && !(t->req->reachable & class)) {
                t->address_refused = true;
                return CURL_SOCKET_BAD;
        }
        return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* ---- one request */

static struct curl_slist *make_headers(const struct nxc_http_request *req)
{
        struct curl_slist *list = NULL, *more;

        for (size_t i = 0; req->headers && i < req->headers->n; i++) {
                more = curl_slist_append(list, req->headers->v[i]);
                if (!more)
                        goto fail;
                list = more;
        }
        if (req->authorization) {
                char *line = nxc_strf("Authorization: %s", req->authorization);

                more = line ? curl_slist_append(list, line) : NULL;
                if (line)
                        explicit_bzero(line, strlen(line));
                free(line);
                if (!more)
                        goto fail;
                list = more;
        }
        more = curl_slist_append(list, "Expect:"); /* no 100-continue round trip for a form */
        if (more)
                return more;
fail:
        curl_slist_free_all(list);
        return NULL;
}

static void free_headers(struct curl_slist *list)
{
        for (struct curl_slist *l = list; l; l = l->next)
                explicit_bzero(l->data, strlen(l->data));
        curl_slist_free_all(list);
}

static void set_up(struct transfer *t, const char *url, struct curl_slist *headers, char *error_text)
{
        CURL *c = t->curl;

        curl_easy_setopt(c, CURLOPT_URL, url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(
                c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* a connection per thread anyway */
        curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_USERAGENT, NXC_USER_AGENT);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error_text);
        curl_easy_setopt(c, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)t->http->connect_timeout_s);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)t->http->stall_timeout_s);
        curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)t->req->timeout_s);
        curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, t->req->fresh ? 1L : 0L);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
        curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
        curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
        if (nxc_streq(t->req->method, "HEAD")) {
                curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
        } else if (nxc_streq(t->req->method, "POST")) {
                curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(t->req->body));
                curl_easy_setopt(c, CURLOPT_POSTFIELDS, t->req->body); /* not copied */
        }
        nxc_tls_apply(&t->http->tls, c);
}

static void note_peer(struct transfer *t)
{
        const char *ip = NULL;

        t->resp->peer = NXC_ADDRESS_PUBLIC;
        if (!t->http->proxied && curl_easy_getinfo(t->curl, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip &&
                *ip)
                t->resp->peer = nxc_host_class(ip);
}

static int fail(
        struct transfer *t, enum nxc_http_failure failure, int errnum, const char *what, const char *detail)
{
        char clean[CURL_ERROR_SIZE];
        size_t n = strcspn(detail, "\r\n");

        snprintf(clean, sizeof(clean), "%.*s", (int)(n < sizeof(clean) ? n : sizeof(clean) - 1), detail);
        for (char *p = clean; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = '?';
        t->resp->failure = failure;
        nxc_fail_kind(t->err, NXC_ERR_REGISTRY, 0, "%s%s%s", what, *clean ? ": " : "", clean);
        if (t->err)
                t->err->errnum = errnum; /* libcurl's words say more than strerror's */
        return -errnum;
}

static int certificate_error(struct transfer *t, const char *detail)
{
        int r = fail(
                t, NXC_HTTP_CERTIFICATE, EPROTO, "the server's TLS certificate was not accepted", detail);

        nxc_error_hint(
                t->err, "give its CA with --cert-dir, or do without verification: --tls-verify=false");
        return r;
}

static int handshake_error(struct transfer *t, const char *detail)
{
        int r = fail(t, NXC_HTTP_HANDSHAKE, EPROTO, "TLS handshake failed", detail);

        nxc_error_hint(t->err, "if it speaks plain http only: --tls-verify=false");
        return r;
}

static int timeout_error(struct transfer *t, const char *detail)
{
        curl_off_t sent = 0;

        curl_easy_getinfo(t->curl, CURLINFO_PRETRANSFER_TIME_T, &sent);
        if (sent == 0)
                return fail(t, NXC_HTTP_CONNECT, ETIMEDOUT, "connection timed out", detail);
        return fail(t, NXC_HTTP_STALL, ETIMEDOUT, "the server stalled", detail);
}

/* The one place where libcurl's results become ours. */
static int translate(struct transfer *t, CURLcode code, const char *detail)
{
        detail = *detail ? detail : curl_easy_strerror(code);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
        switch (code) {
        case CURLE_OUT_OF_MEMORY:
                t->resp->failure = NXC_HTTP_OTHER;
                return nxc_oom(t->err);
        case CURLE_COULDNT_CONNECT:
                if (t->address_refused)
                        return fail(t, NXC_HTTP_REFUSED, EPERM,
                                "the host has an address that may not be asked on behalf of this registry",
                                "");
                return fail(t, NXC_HTTP_CONNECT, ECONNREFUSED, "no connection", detail);
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return fail(t, NXC_HTTP_RESOLVE, EHOSTUNREACH, "the name was not resolved", detail);
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_ISSUER_ERROR:
        case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        case CURLE_SSL_INVALIDCERTSTATUS:
                return certificate_error(t, detail);
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_SSL_CERTPROBLEM:
                return fail(
                        t, NXC_HTTP_OTHER, EINVAL, "a local TLS certificate or key cannot be used", detail);
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_CIPHER:
                return handshake_error(t, detail);
        case CURLE_OPERATION_TIMEDOUT:
                return timeout_error(t, detail);
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
                return fail(t, NXC_HTTP_RESET, ECONNRESET, "the connection was reset", detail);
        case CURLE_PARTIAL_FILE:
                return fail(t, NXC_HTTP_TRUNCATED, EIO, "the answer was cut off", detail);
        default:
                return fail(t, NXC_HTTP_OTHER, EIO, "the request failed", detail);
        }
#pragma GCC diagnostic pop
}

static int run(struct transfer *t, const char *url, struct curl_slist *headers)
{
        char error_text[CURL_ERROR_SIZE] = "";
        CURLcode code;

        set_up(t, url, headers, error_text);
        code = curl_easy_perform(t->curl);
        curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->resp->status);
        note_peer(t);
        if (t->result < 0) {
                t->resp->failure = NXC_HTTP_REFUSED;
                return t->result;
        }
        if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && t->enough))
                return 0;
        return translate(t, code, error_text);
}

int nxc_http_perform(struct nxc_http *http, const struct nxc_http_request *req,
        struct nxc_http_response *resp, struct nxc_error *err)
{
        struct transfer t = { .http = http, .req = req, .resp = resp, .err = err };
        _cleanup_free_ char *url = nxc_url_format(req->url), *shown = nxc_url_describe(req->url);
        struct curl_slist *headers = make_headers(req);
        struct handle *h = take_handle(http);
        int r;

        *resp = (struct nxc_http_response){ .failure = NXC_HTTP_OTHER, .peer = NXC_ADDRESS_PUBLIC };
        if (h && url && shown && headers) {
                t.curl = h->curl;
                resp->failure = NXC_HTTP_OK;
                r = run(&t, url, headers);
                nxc_debug("%s %s: %ld%s%s", req->method, shown, resp->status, r < 0 ? ", " : "",
                        r < 0 && err ? err->message : "");
        } else {
                r = nxc_oom(err);
        }
        if (h)
                give_handle(http, h);
        free_headers(headers);
        return r;
}

void nxc_http_response_done(struct nxc_http_response *resp)
{
        nxc_freep(&resp->location);
        nxc_strv_done(&resp->www_authenticate);
        if (resp->body.data)
                explicit_bzero(resp->body.data, resp->body.len); /* it may be a token */
        nxc_buf_done(&resp->body);
}

/* ---- small pieces */

const char *nxc_http_status_text(long status)
{
        static const struct {
                long status;
                const char *text;
        } texts[] = {
                { 400, "Bad Request" },
                { 401, "Unauthorized" },
                { 403, "Forbidden" },
                { 404, "Not Found" },
                { 405, "Method Not Allowed" },
                { 408, "Request Timeout" },
                { 416, "Range Not Satisfiable" },
                { 429, "Too Many Requests" },
                { 500, "Internal Server Error" },
                { 502, "Bad Gateway" },
                { 503, "Service Unavailable" },
                { 504, "Gateway Timeout" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(texts); i++)
                if (texts[i].status == status)
                        return texts[i].text;
        return "";
}

int64_t nxc_http_retry_after(const char *value, time_t now)
{
        uint64_t seconds;
        time_t when;

        if (nxc_parse_u64(value, &seconds) == 0)
                return seconds < INT32_MAX ? (int64_t)seconds : INT32_MAX;
        when = *value && !strchr("+-.0123456789", *value) ? curl_getdate(value, NULL) : -1;
        if (when < 0)
                return -1;
        return when > now ? (int64_t)(when - now) : 0;
}

int nxc_http_encode(struct nxc_buf *buf, const char *text)
{
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;
                int r;

                if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                        strchr("-._~", c))
                        r = nxc_buf_add(buf, text, 1);
                else
                        r = nxc_buf_printf(buf, "%%%02X", c);
                if (r < 0)
                        return -ENOMEM;
        }
        return 0;
}
