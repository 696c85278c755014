/* See url.h. */
#include "net/url.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static int refuse(struct nxc_error *err, const char *text, const char *why)
{
        size_t shown = strcspn(text, "?#");

        for (size_t i = 0; i < shown; i++)
                if (text[i] == '@' || text[i] < 0x20 || text[i] >= 0x7f)
                        return nxc_fail_kind(err, NXC_ERR_REGISTRY, 0, "URL: %s", why);
        return nxc_fail_kind(
                err, NXC_ERR_REGISTRY, 0, "URL '%.*s': %s", (int)(shown < 300 ? shown : 300), text, why);
}

/* Every character that RFC 3986 allows, and escapes that are whole. */
static bool has_only_url_chars(const char *s)
{
        for (; *s; s++) {
                if (*s <= 0x20 || *s >= 0x7f || strchr("\"<>\\^`{|}", *s))
                        return false;
                if (*s == '%' && (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2])))
                        return false;
        }
        return true;
}

/* What the resolver would read as an address although it is not written as one: "127.1", "2130706433",
 * "0x7f.0.0.1". */
static bool is_odd_address(const char *host)
{
        struct in_addr any, strict;

        return inet_aton(host, &any) != 0 && inet_pton(AF_INET, host, &strict) != 1;
}

static bool is_host_name(const char *host)
{
        bool label_open = false;

        for (const char *p = host; *p; p++) {
                if (*p == '.' && !label_open)
                        return false;
                if (*p != '.' && *p != '-' && *p != '_' && !isalnum((unsigned char)*p))
                        return false;
                label_open = *p != '.';
        }
        return label_open && !is_odd_address(host);
}

static bool is_host(const char *host, bool bracketed)
{
        struct in6_addr a6;

        return bracketed ? inet_pton(AF_INET6, host, &a6) == 1 : is_host_name(host);
}

/* host[:port] of len bytes at text. */
static int parse_authority(const char *text, size_t len, struct nxc_url *out)
{
        bool bracketed = len > 0 && text[0] == '[';
        const char *host = text + bracketed;
        size_t n = bracketed ? strcspn(host, "]") : strcspn(host, ":/?#");
        const char *rest = host + n + bracketed;
        uint64_t port = 0;

        if ((size_t)(host - text) + n + bracketed > len || n >= sizeof(out->host))
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                out->host[i] = (char)tolower((unsigned char)host[i]);
        out->host[n] = '\0';
        if (!is_host(out->host, bracketed))
                return -EINVAL;
        out->port = out->https ? 443 : 80;
        if (rest == text + len)
                return 0;
        if (*rest++ != ':')
                return -EINVAL;
        if (rest == text + len || text + len - rest > 5)
                return -EINVAL;
        for (; rest < text + len; rest++) {
                if (!isdigit((unsigned char)*rest))
                        return -EINVAL;
                port = port * 10 + (uint64_t)(*rest - '0');
        }
        if (port == 0 || port > 65535)
                return -EINVAL;
        out->port = (uint16_t)port;
        return 0;
}

/* RFC 3986 section 5.2.4, in place on the path before the query. */
static void remove_dot_segments(char *target)
{
        char *in = target, *out = target, *end = target + strcspn(target, "?");

        while (in < end) {
                size_t n = 1 + strcspn(in + 1, "/?"); /* "/" and the segment after it */
                bool last = in + n >= end;

                if (n == 2 && in[1] == '.') {
                        if (last)
                                *out++ = '/';
                } else if (n == 3 && in[1] == '.' && in[2] == '.') {
                        while (out > target && *--out != '/')
                                ;
                        if (last)
                                *out++ = '/';
                } else {
                        memmove(out, in, n);
                        out += n;
                }
                in += n;
        }
        memmove(out, end, strlen(end) + 1);
}

/* The path and query at text, without a fragment, below prefix. */
static char *make_target(const char *prefix, size_t prefix_len, const char *text)
{
        size_t n = strcspn(text, "#");
        const char *slash = prefix_len == 0 && text[0] != '/' ? "/" : "";
        char *t = nxc_strf("%.*s%s%.*s", (int)prefix_len, prefix, slash, (int)n, text);

        if (t)
                remove_dot_segments(t);
        return t;
}

static int check_text(const char *text, struct nxc_error *err)
{
        if (strlen(text) > NXC_URL_MAX_BYTES)
                return nxc_fail_kind(
                        err, NXC_ERR_REGISTRY, 0, "URL is longer than %d bytes", NXC_URL_MAX_BYTES);
        if (!has_only_url_chars(text))
                return refuse(err, text, "a character is not allowed in a URL");
        return 0;
}

int nxc_url_parse(const char *text, struct nxc_url *ret, struct nxc_error *err)
{
        struct nxc_url out = { 0 };
        const char *p = text;
        size_t n;
        int r = check_text(text, err);

        if (r < 0)
                return r;
        if (strncasecmp(p, "https://", 8) == 0) {
                out.https = true;
                p += 8;
        } else if (strncasecmp(p, "http://", 7) == 0) {
                p += 7;
        } else {
                return refuse(err, text, "the scheme is not http or https");
        }
        n = strcspn(p, "/?#");
        if (memchr(p, '@', n))
                return refuse(err, text, "a user name or password in a URL is not allowed");
        if (parse_authority(p, n, &out) < 0)
                return refuse(err, text, "what follows the scheme is not host[:port]");
        out.target = make_target("", 0, p + n);
        if (!out.target)
                return nxc_oom(err);
        *ret = out;
        return 0;
}

static bool has_scheme(const char *s)
{
        size_t n = 0;

        if (!isalpha((unsigned char)s[0]))
                return false;
        while (isalnum((unsigned char)s[n]) || (s[n] && strchr("+-.", s[n])))
                n++;
        return s[n] == ':';
}

int nxc_url_resolve(const struct nxc_url *base, const char *ref, struct nxc_url *ret, struct nxc_error *err)
{
        struct nxc_url out = *base;
        size_t keep = 0; /* of the base's target */
        int r = check_text(ref, err);

        if (r < 0)
                return r;
        if (has_scheme(ref))
                return nxc_url_parse(ref, ret, err);
        if (nxc_starts_with(ref, "//")) {
                _cleanup_free_ char *whole = nxc_strf("%s:%s", base->https ? "https" : "http", ref);

                return whole ? nxc_url_parse(whole, ret, err) : nxc_oom(err);
        }
        if (ref[0] == '\0' || ref[0] == '#')
                keep = strlen(base->target);
        else if (ref[0] == '?')
                keep = strcspn(base->target, "?");
        else if (ref[0] != '/')
                for (keep = strcspn(base->target, "?"); keep > 0 && base->target[keep - 1] != '/'; keep--)
                        ;
        out.target = make_target(base->target, keep, ref);
        if (!out.target)
                return nxc_oom(err);
        if (strlen(out.target) > NXC_URL_MAX_BYTES) {
                nxc_url_done(&out);
                return nxc_fail_kind(
                        err, NXC_ERR_REGISTRY, 0, "URL is longer than %d bytes", NXC_URL_MAX_BYTES);
        }
        *ret = out;
        return 0;
}

void nxc_url_done(struct nxc_url *u)
{
        nxc_freep(&u->target);
}

static char *format(const struct nxc_url *u, size_t target_len)
{
        bool bracket = strchr(u->host, ':') != NULL;
        char port[8] = "";

        if (u->port != (u->https ? 443 : 80))
                snprintf(port, sizeof(port), ":%u", u->port);
        return nxc_strf("%s://%s%s%s%s%.*s", u->https ? "https" : "http", bracket ? "[" : "", u->host,
                bracket ? "]" : "", port, (int)target_len, u->target);
}

char *nxc_url_format(const struct nxc_url *u)
{
        return format(u, strlen(u->target));
}

char *nxc_url_describe(const struct nxc_url *u)
{
        return format(u, strcspn(u->target, "?"));
}

bool nxc_url_same_origin(const struct nxc_url *a, const struct nxc_url *b)
{
        return a->https == b->https && a->port == b->port && nxc_streq(a->host, b->host);
}

struct range {
        uint32_t net;
        int bits;
        enum nxc_address_class class;
};

static const struct range ranges4[] = {
        { 0x00000000, 8, NXC_ADDRESS_LOOPBACK },    /* 0.0.0.0/8: "this host" */
        { 0x7f000000, 8, NXC_ADDRESS_LOOPBACK },    /* 127.0.0.0/8 */
        { 0xa9fe0000, 16, NXC_ADDRESS_LINK_LOCAL }, /* 169.254.0.0/16 */
        { 0x0a000000, 8, NXC_ADDRESS_PRIVATE },     /* 10.0.0.0/8 */
        { 0xac100000, 12, NXC_ADDRESS_PRIVATE },    /* 172.16.0.0/12 */
        { 0xc0a80000, 16, NXC_ADDRESS_PRIVATE },    /* 192.168.0.0/16 */
        { 0x64400000, 10, NXC_ADDRESS_PRIVATE },    /* 100.64.0.0/10: carrier NAT */
        { 0xe0000000, 3, NXC_ADDRESS_PRIVATE },     /* multicast and reserved */
};

static enum nxc_address_class class4(uint32_t host_order)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(ranges4); i++)
                if ((host_order ^ ranges4[i].net) >> (32 - ranges4[i].bits) == 0)
                        return ranges4[i].class;
        return NXC_ADDRESS_PUBLIC;
}

static enum nxc_address_class class6(const struct in6_addr *a)
{
        static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
        uint32_t low;

        memcpy(&low, a->s6_addr + 12, sizeof(low));
        if (IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a))
                return NXC_ADDRESS_LOOPBACK;
        if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a) ||
                memcmp(a->s6_addr, nat64, sizeof(nat64)) == 0)
                return class4(ntohl(low));
        if (IN6_IS_ADDR_LINKLOCAL(a))
                return NXC_ADDRESS_LINK_LOCAL;
        if ((a->s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_SITELOCAL(a) || IN6_IS_ADDR_MULTICAST(a))
                return NXC_ADDRESS_PRIVATE;
        return NXC_ADDRESS_PUBLIC;
}

enum nxc_address_class nxc_host_class(const char *host)
{
        struct in6_addr a6;
        struct in_addr a4;

        if (inet_pton(AF_INET, host, &a4) == 1)
                return class4(ntohl(a4.s_addr));
        if (inet_pton(AF_INET6, host, &a6) == 1)
                return class6(&a6);
        if (strcasecmp(host, "localhost") == 0 || nxc_ends_with(host, ".localhost"))
                return NXC_ADDRESS_LOOPBACK;
        return NXC_ADDRESS_PUBLIC;
}

enum nxc_address_class nxc_sockaddr_class(const struct sockaddr *sa)
{
        if (sa->sa_family == AF_INET)
                return class4(ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr));
        if (sa->sa_family == AF_INET6)
                return class6(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
        return NXC_ADDRESS_PRIVATE;
}
