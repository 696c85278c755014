/* See auth.h. */
#include "image/auth.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/str.h"
#include "image/auth-internal.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

#define MAX_AUTH_FILE (1u << 20)
#define MAX_AUTH_BYTES 65536 /* of one "auth" value; some clouds put long tokens there */
#define DOCKER_HUB "docker.io"
#define DOCKER_HUB_KEY "https://index.docker.io/v1/" /* what docker login writes for it */

/* ---- secrets */

void nxc_secret_free(char *secret)
{
        if (secret)
                explicit_bzero(secret, strlen(secret));
        free(secret);
}

void nxc_credentials_done(struct nxc_credentials *c)
{
        nxc_secret_free(c->username);
        nxc_secret_free(c->password);
        nxc_secret_free(c->identity_token);
        *c = (struct nxc_credentials){ 0 };
}

bool nxc_credentials_are_set(const struct nxc_credentials *c)
{
        return c->identity_token || (c->username && c->password);
}

/* "user:password"; the password may have colons. */
static int split_user_password(const char *text, struct nxc_credentials *ret, struct nxc_error *err)
{
        const char *colon = strchr(text, ':');
        struct nxc_credentials c = { 0 };

        if (!colon || colon == text)
                return nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0, "credentials are not user:password");
        if (nxc_has_control(text))
                return nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0, "credentials have a control character");
        c.username = strndup(text, (size_t)(colon - text));
        c.password = strdup(colon + 1);
        if (!nxc_credentials_are_set(&c)) {
                nxc_credentials_done(&c);
                return nxc_oom(err);
        }
        *ret = c;
        return 0;
}

static int decode_auth(const char *base64, struct nxc_credentials *ret, struct nxc_error *err)
{
        size_t len = strcspn(base64, " \t\r\n");
        unsigned char *plain;
        int n, r;

        if (len == 0 || len % 4 != 0 || len > MAX_AUTH_BYTES)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_CONFIG, 0, "'auth' is not base64 of user:password");
        plain = calloc(1, len);
        if (!plain)
                return nxc_oom(err);
        n = EVP_DecodeBlock(
                plain, (const unsigned char *)base64, (int)len); /* padding counts as zero bytes */
        if (n < 0 || strlen((char *)plain) + 2 < (size_t)n)
                r = nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0, "'auth' is not base64 of user:password");
        else
                r = split_user_password((char *)plain, ret, err);
        explicit_bzero(plain, len);
        free(plain);
        return r;
}

/* ---- one file */

/* An entry of auths: {"auth": base64} with or without "identitytoken", or "username" and "password". */
static int read_entry(const json_t *entry, struct nxc_credentials *ret, struct nxc_error *err)
{
        const char *identity = json_string_value(json_object_get(entry, "identitytoken"));
        const char *auth = json_string_value(json_object_get(entry, "auth"));
        const char *user = json_string_value(json_object_get(entry, "username"));
        const char *password = json_string_value(json_object_get(entry, "password"));

        if (identity && *identity) {
                ret->identity_token = nxc_has_control(identity) ? NULL : strdup(identity);
                return ret->identity_token
                               ? 0
                               : nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0, "odd 'identitytoken'");
        }
        if (auth && *auth)
                return decode_auth(auth, ret, err);
        if (user && *user && password) {
                ret->username = strdup(user);
                ret->password = strdup(password);
                return nxc_credentials_are_set(ret) ? 0 : nxc_oom(err);
        }
        return 0; /* docker leaves {} where credsStore has the secret */
}

static bool is_hub_alias(const char *host)
{
        return nxc_streq(host, "index.docker.io") || nxc_streq(host, "registry-1.docker.io");
}

/* The host of a key as docker writes them: "https://HOST/v1/", "HOST/v2", "HOST". */
static void key_host(const char *key, char *ret, size_t size)
{
        const char *p = key;

        if (nxc_starts_with(p, "https://"))
                p += 8;
        else if (nxc_starts_with(p, "http://"))
                p += 7;
        snprintf(ret, size, "%.*s", (int)strcspn(p, "/"), p);
        if (is_hub_alias(ret))
                snprintf(ret, size, DOCKER_HUB);
}

/* Whether a key without a repository path, but perhaps with docker's scheme and /v1/ or /v2/, stands for
 * host. */
static bool is_legacy_key_of(const char *key, const char *host)
{
        static const char *const api_paths[] = { "", "/", "/v1", "/v1/", "/v2", "/v2/" };
        const char *scheme = strstr(key, "://");
        const char *path = scheme ? scheme + 3 : key;
        char found[300], wanted[300];

        key_host(key, found, sizeof(found));
        key_host(host, wanted, sizeof(wanted));
        path += strcspn(path, "/");
        for (size_t i = 0; i < NXC_ARRAY_SIZE(api_paths); i++)
                if (nxc_streq(path, api_paths[i]))
                        return nxc_streq(found, wanted);
        return false;
}

/* From the most to the least specific key: HOST/a/b, HOST/a, HOST, and then the ways docker writes HOST. */
static const json_t *find_entry(json_t *auths, const char *host, const char *path)
{
        char key[1024];
        const char *name;
        json_t *entry;
        char *slash;

        snprintf(key, sizeof(key), "%s/%s", host, path);
        while ((slash = strrchr(key, '/'))) {
                entry = json_object_get(auths, key);
                if (entry)
                        return entry;
                *slash = '\0';
        }
        entry = json_object_get(auths, host);
        if (entry)
                return entry;
        json_object_foreach (auths, name, entry)
                if (is_legacy_key_of(name, host))
                        return entry;
        return NULL;
}

static int name_helper(const json_t *name, struct nxc_auth_answer *ret, struct nxc_error *err)
{
        const char *text = json_string_value(name);

        if (!text || !*text)
                return 0;
        if (!nxc_credential_helper_name_is_valid(text))
                return nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0,
                        "the name of a credential helper may have letters, digits, '.', '_' and '-' only");
        snprintf(ret->helper, sizeof(ret->helper), "%s", text);
        return 0;
}

static const json_t *find_helper(json_t *helpers, const char *host)
{
        const char *name;
        json_t *helper = json_object_get(helpers, host);

        if (helper)
                return helper;
        json_object_foreach (helpers, name, helper)
                if (is_legacy_key_of(name, host))
                        return helper;
        return NULL;
}

static int look_up(json_t *doc, bool legacy, const char *host, const char *path, struct nxc_auth_answer *ret,
        struct nxc_error *err)
{
        json_t *auths = legacy ? doc : json_object_get(doc, "auths");
        const json_t *entry;
        int r = 0;

        if (!json_is_object(doc) || (auths && !json_is_object(auths)))
                return nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0, "'auths' is not an object");
        if (!legacy)
                r = name_helper(find_helper(json_object_get(doc, "credHelpers"), host), ret, err);
        if (r < 0 || ret->helper[0])
                return r;
        entry = find_entry(auths, host, path);
        if (entry)
                r = read_entry(entry, &ret->credentials, err);
        if (r < 0 || nxc_credentials_are_set(&ret->credentials) || legacy)
                return r;
        ret->helper_is_default = true;
        return name_helper(json_object_get(doc, "credsStore"), ret, err);
}

int nxc_auth_file_lookup(const char *text, size_t len, const char *what, bool legacy, const char *host,
        const char *path, struct nxc_auth_answer *ret, struct nxc_error *err)
{
        struct nxc_auth_answer answer = { 0 };
        json_t *doc;
        int r = nxc_json_parse_secret(text, len, what, &doc, err);

        if (r < 0) {
                nxc_error_set_kind(err, NXC_ERR_INVALID_CONFIG);
                return r;
        }
        r = look_up(doc, legacy, host, path, &answer, err);
        nxc_json_wipe(doc);
        json_decref(doc);
        if (r < 0) {
                nxc_credentials_done(&answer.credentials);
                nxc_error_wrap(err, "%s", what);
                return r;
        }
        *ret = answer;
        return 0;
}

/* ---- helpers and places */

static int ask_helper(const struct nxc_auth_answer *a, const char *host, struct nxc_credentials *ret,
        struct nxc_error *err)
{
        struct nxc_error why = { 0 };
        int r = 0;

        if (nxc_streq(host, DOCKER_HUB)) /* docker stores it under this name */
                r = nxc_credential_helper_get(a->helper, DOCKER_HUB_KEY, ret, &why);
        if (r == 0 && !nxc_credentials_are_set(ret))
                r = nxc_credential_helper_get(a->helper, host, ret, &why);
        if (r == 0)
                return 0;
        if (!a->helper_is_default) {
                if (err)
                        *err = why;
                return r;
        }
        nxc_warn("credsStore: %s, ignoring", why.message);
        return 0;
}

/* Absent is success with nothing set, unless the user named the file. */
static int try_file(const char *path, bool named, bool legacy, const char *host, const char *repo,
        struct nxc_credentials *ret, struct nxc_error *err)
{
        struct nxc_auth_answer answer = { 0 };
        struct nxc_error why = { 0 };
        size_t len;
        char *text;
        int r;

        r = nxc_read_file_at(AT_FDCWD, path, MAX_AUTH_FILE, &text, &len, &why);
        if (!named && (r == -ENOENT || r == -ENOTDIR || r == -EACCES))
                return 0;
        if (r < 0) {
                nxc_error_wrap(&why, "authentication file");
                if (err)
                        *err = why;
                return r;
        }
        r = nxc_auth_file_lookup(text ? text : "", len, path, legacy, host, repo, &answer, err);
        if (text)
                explicit_bzero(text, len);
        free(text);
        if (r == 0 && answer.helper[0])
                r = ask_helper(&answer, host, &answer.credentials, err);
        if (r < 0) {
                nxc_credentials_done(&answer.credentials);
                return r;
        }
        if (nxc_credentials_are_set(&answer.credentials))
                nxc_debug("credentials for %s from '%s'", host, path);
        *ret = answer.credentials;
        return 0;
}

static const char *env(const char *name)
{
        const char *v = getenv(name);

        return v && *v ? v : NULL;
}

/* The usual places in their order; those whose variable is not set are NULL. Owned by the caller. */
#define N_PLACES 4
static void usual_places(char *ret[N_PLACES])
{
        const char *runtime = env("XDG_RUNTIME_DIR"), *config = env("XDG_CONFIG_HOME");
        const char *docker = env("DOCKER_CONFIG"), *home = env("HOME");

        ret[0] = runtime ? nxc_strf("%s/containers/auth.json", runtime)
                         : nxc_strf("/run/containers/%u/auth.json", (unsigned)getuid());
        ret[1] = config ? nxc_strf("%s/containers/auth.json", config)
                 : home ? nxc_strf("%s/.config/containers/auth.json", home)
                        : NULL;
        ret[2] = docker ? nxc_strf("%s/config.json", docker)
                 : home ? nxc_strf("%s/.docker/config.json", home)
                        : NULL;
        ret[3] = home ? nxc_strf("%s/.dockercfg", home) : NULL;
}

int nxc_credentials_find(const char *host, const char *path, const struct nxc_registry_opts *opts,
        struct nxc_credentials *ret, struct nxc_error *err)
{
        const char *named = opts->authfile ? opts->authfile : env("REGISTRY_AUTH_FILE");
        struct nxc_credentials found = { 0 };
        char *places[N_PLACES];
        int r = 0;

        if (opts->credentials)
                return split_user_password(opts->credentials, ret, err);
        if (named)
                return try_file(named, true, nxc_ends_with(named, ".dockercfg"), host, path, ret, err);
        usual_places(places);
        for (int i = 0; i < N_PLACES; i++) {
                if (r == 0 && places[i] && !nxc_credentials_are_set(&found))
                        r = try_file(places[i], false, i == N_PLACES - 1, host, path, &found, err);
                free(places[i]);
        }
        if (r == 0)
                *ret = found;
        return r;
}
