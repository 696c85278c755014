/* Authentication of a registry client. See registry-internal.h.
 *
 * Theory of operation: the registry's 401 says how. Basic: the credentials, in every request. Bearer: a
 * token server (realm), named by the registry, gives out a token for it; the credentials are shown to that
 * server, which is why the server has to be one that the registry may send us to: https unless the registry
 * itself is plain http, no local or private address unless the registry has one (SSRF, CVE-2026-48978), and
 * of the registry's own site; another site's is asked without credentials. */
#include "core/json.h"
#include "core/log.h"
#include "image/auth-internal.h"
#include "image/registry-internal.h"

#include <openssl/evp.h>
#include <string.h>

#define MAX_TOKEN_ANSWER (1u << 20)
#define MAX_TOKEN 65536
#define TOKEN_TIMEOUT_S 60
#define TOKEN_MIN_LIFE_S 60 /* the specification's default; shorter ones are counted as that */
#define TOKEN_MARGIN_S 10   /* renewed so long before it expires */
#define CLIENT_ID "nexcage"

static time_t now_s(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec;
}

/* ---- whom to trust */

/* What is no owner's own below a country's domain: "co.uk", "com.au". */
static bool is_shared_second_level(const char *labels)
{
        static const char *const shared[] = { "ac", "co", "com", "edu", "go", "gov", "ne", "net", "or",
                "org" };
        size_t n = strcspn(labels, ".");

        if (strlen(labels) != n + 3) /* countries have two letters */
                return false;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(shared); i++)
                if (strlen(shared[i]) == n && strncmp(shared[i], labels, n) == 0)
                        return true;
        return false;
}

/* The part of a name that one owner has: its last two labels, or three. */
static const char *site(const char *host)
{
        const char *p = host + strlen(host);
        int labels = 0, wanted = 2;

        for (;;) {
                while (p > host && p[-1] != '.')
                        p--;
                if (++labels == 2 && is_shared_second_level(p))
                        wanted = 3;
                if (p == host || labels == wanted)
                        return p;
                p--;
        }
}

static bool is_plain_name(const char *host)
{
        return strchr(host, '.') && !strchr(host, ':') && strspn(host, "0123456789.") != strlen(host) &&
               nxc_host_class(host) == NXC_ADDRESS_PUBLIC;
}

/* Addresses and names without a dot are a site by themselves; this host is one under all its names. */
bool nxc_registry_is_same_site(const char *registry_host, const char *token_host)
{
        if (nxc_streq(registry_host, token_host))
                return true;
        if (nxc_host_class(registry_host) == NXC_ADDRESS_LOOPBACK)
                return nxc_host_class(token_host) == NXC_ADDRESS_LOOPBACK;
        return is_plain_name(registry_host) && is_plain_name(token_host) &&
               nxc_streq(site(registry_host), site(token_host));
}

static int check_realm(struct nxc_registry *r, const struct nxc_url *realm, struct nxc_error *err)
{
        if (r->base.https && !realm->https)
                return nxc_fail_kind(err, NXC_ERR_REGISTRY, 0,
                        "the registry names the token server '%s', which is not https", realm->host);
        if (!(nxc_host_class(realm->host) & nxc_registry_reachable(r->class, true)))
                return nxc_fail_kind(err, NXC_ERR_REGISTRY, 0,
                        "the registry names the token server '%s', a local address that is refused",
                        realm->host);
        return 0;
}

static int load_credentials(struct nxc_registry *r, struct nxc_error *err)
{
        int result = 0;

        if (!r->has_credentials)
                result = nxc_credentials_find(r->host, r->path, r->opts, &r->credentials, err);
        r->has_credentials = result == 0;
        return result;
}

/* ---- header values */

static char *basic_value(const struct nxc_credentials *c)
{
        char *plain = nxc_strf("%s:%s", c->username, c->password);
        size_t len = plain ? strlen(plain) : 0;
        char *value = plain ? malloc(strlen("Basic ") + 4 * (len / 3 + 1) + 1) : NULL;

        if (value) {
                strcpy(value, "Basic ");
                EVP_EncodeBlock(
                        (unsigned char *)value + strlen("Basic "), (const unsigned char *)plain, (int)len);
        }
        nxc_secret_free(plain);
        return value;
}

static int set_authorization(struct nxc_registry *r, char *value, time_t expires, struct nxc_error *err)
{
        if (!value)
                return nxc_oom(err);
        nxc_secret_free(r->authorization);
        r->authorization = value;
        r->expires = expires;
        r->generation++;
        return 0;
}

static bool is_token(const char *s)
{
        size_t n = 0;

        for (; s[n]; n++)
                if (s[n] <= 0x20 || s[n] >= 0x7f)
                        return false;
        return n > 0 && n <= MAX_TOKEN;
}

static int take_token(struct nxc_registry *r, const struct nxc_http_response *resp, struct nxc_error *err)
{
        const char *token, *body = resp->body.data ? resp->body.data : "";
        json_t *doc = NULL;
        json_int_t life;
        int result = nxc_json_parse_secret(body, resp->body.len, "the token server's answer", &doc, NULL);

        if (result == -ENOMEM)
                return nxc_oom(err);
        token = json_string_value(json_object_get(doc, "token"));
        life = json_integer_value(json_object_get(doc, "expires_in"));
        if (!token || !*token)
                token = json_string_value(json_object_get(doc, "access_token"));
        if (life < TOKEN_MIN_LIFE_S)
                life = TOKEN_MIN_LIFE_S;
        if (life > 24 * 3600)
                life = 24 * 3600;
        if (token && is_token(token))
                result = set_authorization(
                        r, nxc_strf("Bearer %s", token), now_s() + life - TOKEN_MARGIN_S, err);
        else
                result = nxc_fail_kind(err, NXC_ERR_REGISTRY, 0, "the token server's answer has no token");
        nxc_json_wipe(doc);
        json_decref(doc);
        return result;
}

/* ---- the token server */

static int add_field(struct nxc_buf *b, char before, const char *name, const char *value)
{
        int r = nxc_buf_printf(b, "%s%s=", before == '&' && b->len == 0 ? "" : (char[]){ before, 0 }, name);

        return r < 0 ? r : nxc_http_encode(b, value);
}

/* service and scope(s); the registry's own words, or what a pull needs. */
static int add_what_for(struct nxc_registry *r, struct nxc_buf *b)
{
        _cleanup_free_ char *own = nxc_strf("repository:%s:pull", r->path);
        _cleanup_free_ char *scopes = r->challenge.scope[0] ? strdup(r->challenge.scope)
                                                            : strdup(own ? own : "");
        char *state = NULL;
        int result = own && scopes ? 0 : -ENOMEM;

        if (result == 0 && r->challenge.service[0])
                result = add_field(b, '&', "service", r->challenge.service);
        if (result == 0)
                for (char *s = strtok_r(scopes, " ", &state); s && result == 0;
                        s = strtok_r(NULL, " ", &state))
                        result = add_field(b, '&', "scope", s);
        return result;
}

/* OAuth2 with the identity token; scopes are one field there. */
static int make_form(struct nxc_registry *r, struct nxc_buf *form)
{
        _cleanup_free_ char *own = nxc_strf("repository:%s:pull", r->path);
        int result = own ? add_field(form, '&', "grant_type", "refresh_token") : -ENOMEM;

        if (result == 0)
                result = add_field(form, '&', "service", r->challenge.service);
        if (result == 0)
                result = add_field(form, '&', "scope", r->challenge.scope[0] ? r->challenge.scope : own);
        if (result == 0)
                result = add_field(form, '&', "client_id", CLIENT_ID);
        if (result == 0)
                result = add_field(form, '&', "refresh_token", r->credentials.identity_token);
        return result;
}

static int make_query(struct nxc_registry *r, const char *account, struct nxc_url *realm)
{
        _cleanup_buf_ struct nxc_buf query = { 0 };
        int result = add_what_for(r, &query);
        char *target;

        if (result == 0 && account)
                result = add_field(&query, '&', "account", account);
        if (result < 0)
                return result;
        target = nxc_strf("%s%c%s", realm->target, strchr(realm->target, '?') ? '&' : '?', query.data);
        if (!target)
                return -ENOMEM;
        free(realm->target);
        realm->target = target;
        return 0;
}

static int token_error(const struct nxc_http_response *resp, const struct nxc_url *realm, bool other_site,
        struct nxc_attempt *attempt, struct nxc_error *err)
{
        _cleanup_free_ char *who = nxc_strf("the token server %s", realm->host);
        int r = nxc_registry_status_error(resp, who ? who : "the token server", attempt, err);

        if (resp->status == 404)
                nxc_error_set_kind(err, NXC_ERR_REGISTRY);
        if (other_site && (resp->status == 401 || resp->status == 403))
                nxc_error_hint(err,
                        "it belongs to another site than the registry, so no credentials were sent to it");
        return r;
}

static int ask_token_server(
        struct nxc_registry *r, struct nxc_url *realm, struct nxc_attempt *attempt, struct nxc_error *err)
{
        _cleanup_http_response_ struct nxc_http_response resp = { 0 };
        struct nxc_buf form = { 0 };
        bool same_site = nxc_registry_is_same_site(r->base.host, realm->host);
        const struct nxc_credentials *c = &r->credentials;
        bool with_token = same_site && c->identity_token,
             with_password = same_site && !with_token && c->password;
        struct nxc_http_request req = {
                .method = with_token ? "POST" : "GET",
                .url = realm,
                .max_body = MAX_TOKEN_ANSWER,
                .timeout_s = TOKEN_TIMEOUT_S,
                .reachable = nxc_registry_reachable(r->class, true),
                .fresh = true,
        };
        char *basic = NULL;
        int result;

        if (!same_site && nxc_credentials_are_set(c))
                nxc_debug("token server %s is of another site than %s: asked without credentials",
                        realm->host, r->base.host);
        if (with_token) {
                result = make_form(r, &form);
                req.body = form.data;
        } else {
                result = make_query(r, with_password ? c->username : NULL, realm);
                basic = with_password ? basic_value(c) : NULL;
                req.authorization = basic;
        }
        if (result < 0 || (with_password && !basic))
                result = nxc_oom(err);
        else
                result = nxc_http_perform(r->http, &req, &resp, err);
        attempt->again = result < 0 && nxc_http_failure_may_pass(resp.failure);
        if (result < 0)
                nxc_error_wrap(err, "ask the token server %s", realm->host);
        else if (resp.status != 200)
                result = token_error(&resp, realm, !same_site && nxc_credentials_are_set(c), attempt, err);
        else
                result = take_token(r, &resp, err);
        if (form.data)
                explicit_bzero(form.data, form.len);
        nxc_buf_done(&form);
        nxc_secret_free(basic);
        return result;
}

static int get_token(struct nxc_registry *r, struct nxc_attempt *attempt, struct nxc_error *err)
{
        _cleanup_url_ struct nxc_url realm = { 0 };
        int result = nxc_url_parse(r->challenge.realm, &realm, err);

        if (result < 0) {
                nxc_error_wrap(err, "the registry names an odd token server");
                return result;
        }
        result = check_realm(r, &realm, err);
        if (result == 0)
                result = load_credentials(r, err);
        return result < 0 ? result : ask_token_server(r, &realm, attempt, err);
}

static int use_basic(struct nxc_registry *r, const struct nxc_http_response *resp,
        struct nxc_attempt *attempt, struct nxc_error *err)
{
        int result = load_credentials(r, err);

        if (result < 0)
                return result;
        if (!r->credentials.password)
                return nxc_registry_status_error(resp, "the registry", attempt, err);
        return set_authorization(r, basic_value(&r->credentials), 0, err);
}

/* ---- for requests */

int nxc_registry_authorization(struct nxc_registry *r, char **ret, unsigned *ret_generation,
        struct nxc_attempt *attempt, struct nxc_error *err)
{
        char *copy = NULL;
        int result = 0;

        pthread_mutex_lock(&r->lock);
        if (r->authorization && r->expires && now_s() >= r->expires)
                result = get_token(r, attempt, err);
        if (result == 0 && r->authorization) {
                copy = strdup(r->authorization);
                result = copy ? 0 : nxc_oom(err);
        }
        *ret_generation = r->generation;
        pthread_mutex_unlock(&r->lock);
        if (result == 0)
                *ret = copy;
        return result;
}

int nxc_registry_authenticate(struct nxc_registry *r, const struct nxc_http_response *resp,
        unsigned generation, struct nxc_attempt *attempt, struct nxc_error *err)
{
        struct nxc_challenge challenge;
        int result = nxc_challenge_parse(&resp->www_authenticate, &challenge, err);

        if (result < 0)
                return result;
        if (challenge.scheme == NXC_AUTH_NONE)
                return nxc_registry_status_error(resp, "the registry", attempt, err);
        pthread_mutex_lock(&r->lock);
        if (r->generation == generation) { /* else another thread was faster */
                r->challenge = challenge;
                result = challenge.scheme == NXC_AUTH_BEARER ? get_token(r, attempt, err)
                                                             : use_basic(r, resp, attempt, err);
        }
        pthread_mutex_unlock(&r->lock);
        return result;
}
