/* URLs of http and https, strictly parsed: what a server sends in Location or as a token realm is input like
 * another. Userinfo, other schemes, control characters, and numeric hosts that are not a plain address
 * ("0x7f.1") are refused. */
#pragma once

#include "core/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define NXC_URL_MAX_BYTES 16384 /* signed URLs of blob stores have some thousands */

struct nxc_url {
        bool https;
        char host[256]; /* lower case; an IPv6 address without its brackets */
        uint16_t port;  /* the scheme's when none was written */
        char *target;   /* path and query, beginning with "/"; owned */
};

/* RegistryError. The message leaves the query out, which may carry a signature. */
int nxc_url_parse(const char *text, struct nxc_url *ret, struct nxc_error *err);
/* A reference (absolute, "//host", "/path", "path", "?query") as seen from base: RFC 3986 section 5.2. */
int nxc_url_resolve(
        const struct nxc_url *base, const char *reference, struct nxc_url *ret, struct nxc_error *err);
void nxc_url_done(struct nxc_url *u);
#define _cleanup_url_ __attribute__((cleanup(nxc_url_done)))

/* The whole text, and "scheme://host:port/path" without the query, for people. malloc'ed; NULL: out of
 * memory. */
char *nxc_url_format(const struct nxc_url *u);
char *nxc_url_describe(const struct nxc_url *u);

/* Same scheme, host and port. */
bool nxc_url_same_origin(const struct nxc_url *a, const struct nxc_url *b);

/* From where to where a request may be sent is decided on these. A name that is no address is PUBLIC, except
 * "localhost" and below. */
enum nxc_address_class {
        NXC_ADDRESS_PUBLIC = 1 << 0,
        NXC_ADDRESS_PRIVATE = 1 << 1,    /* RFC 1918, carrier NAT, unique local, multicast */
        NXC_ADDRESS_LINK_LOCAL = 1 << 2, /* 169.254.0.0/16 (metadata services live there), fe80::/10 */
        NXC_ADDRESS_LOOPBACK =
                1 << 3, /* 127.0.0.0/8, ::1, and 0.0.0.0/8 and ::, which connect to this host */
};
#define NXC_ADDRESS_ANY 0xf

enum nxc_address_class nxc_host_class(const char *host);
enum nxc_address_class nxc_sockaddr_class(const struct sockaddr *sa);
