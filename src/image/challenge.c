/* See challenge.h. A header value is a list of challenges whose parameters are separated by commas as well:
 * a word that
 * "=" does not follow begins the next challenge. */
#include "image/challenge.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define TOKEN_CHARS "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TOKEN68_CHARS "-._~+/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define BLANKS " \t"

struct reader {
        const char *p;
        struct nxc_challenge found; /* the challenge that is being read */
};

static void skip(struct reader *r, const char *chars)
{
        r->p += strspn(r->p, chars);
}

/* A token or a quoted string into ret; -EINVAL when malformed or too long. */
static int read_value(struct reader *r, char *ret, size_t size)
{
        size_t n = 0;

        if (*r->p != '"') {
                n = strspn(r->p, TOKEN_CHARS ":/"); /* some registries forget to quote a URL */
                if (n == 0 || n >= size)
                        return -EINVAL;
                memcpy(ret, r->p, n);
                ret[n] = '\0';
                r->p += n;
                return 0;
        }
        for (r->p++; *r->p && *r->p != '"'; r->p++) {
                if (*r->p == '\\' && *++r->p == '\0')
                        return -EINVAL;
                if ((unsigned char)*r->p < 0x20 || *r->p == 0x7f || n + 1 >= size)
                        return -EINVAL;
                ret[n++] = *r->p;
        }
        ret[n] = '\0';
        return *r->p++ == '"' ? 0 : -EINVAL;
}

static int read_parameter(struct reader *r, const char *name, size_t name_len)
{
        const struct {
                const char *name;
                char *value;
                size_t size;
        } known[] = {
                { "realm", r->found.realm, sizeof(r->found.realm) },
                { "service", r->found.service, sizeof(r->found.service) },
                { "scope", r->found.scope, sizeof(r->found.scope) },
        };
        char other[4096];

        for (size_t i = 0; i < NXC_ARRAY_SIZE(known); i++)
                if (name_len == strlen(known[i].name) && strncasecmp(name, known[i].name, name_len) == 0)
                        return read_value(r, known[i].value, known[i].size);
        return read_value(r, other, sizeof(other));
}

static enum nxc_auth_scheme scheme_of(const char *name, size_t len)
{
        if (len == 6 && strncasecmp(name, "Bearer", 6) == 0)
                return NXC_AUTH_BEARER;
        return len == 5 && strncasecmp(name, "Basic", 5) == 0 ? NXC_AUTH_BASIC : NXC_AUTH_NONE;
}

static void keep_better(const struct nxc_challenge *found, struct nxc_challenge *best)
{
        if (found->scheme > best->scheme)
                *best = *found;
}

/* "Negotiate YII...==": a single opaque value instead of parameters. */
static bool skip_token68(struct reader *r)
{
        const char *end = r->p + strspn(r->p, TOKEN68_CHARS);

        if (end == r->p)
                return false;
        end += strspn(end, "=");
        if (*end && end[strspn(end, BLANKS)] != ',' && end[strspn(end, BLANKS)] != '\0')
                return false;
        r->p = end;
        return true;
}

static int parse_value(const char *value, struct nxc_challenge *best)
{
        struct reader r = { .p = value };

        for (;;) {
                const char *word;
                size_t n;

                skip(&r, BLANKS ",");
                if (!*r.p)
                        break;
                word = r.p;
                n = strspn(word, TOKEN_CHARS);
                if (n == 0)
                        return -EINVAL;
                r.p += n;
                skip(&r, BLANKS);
                if (*r.p == '=') {
                        r.p++;
                        skip(&r, BLANKS);
                        if (read_parameter(&r, word, n) < 0)
                                return -EINVAL;
                        continue;
                }
                keep_better(&r.found, best);
                r.found = (struct nxc_challenge){ .scheme = scheme_of(word, n) };
                if (r.found.scheme == NXC_AUTH_NONE)
                        skip_token68(&r);
        }
        keep_better(&r.found, best);
        return 0;
}

int nxc_challenge_parse(const struct nxc_strv *values, struct nxc_challenge *ret, struct nxc_error *err)
{
        struct nxc_challenge best = { 0 };

        for (size_t i = 0; i < values->n; i++)
                if (nxc_has_control(values->v[i]) || parse_value(values->v[i], &best) < 0)
                        return nxc_fail_kind(
                                err, NXC_ERR_REGISTRY, 0, "the WWW-Authenticate header cannot be parsed");
        *ret = best;
        return 0;
}
