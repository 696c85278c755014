/* WWW-Authenticate (RFC 7235): what a registry asks for. */
#pragma once

#include "core/error.h"
#include "core/str.h"

enum nxc_auth_scheme { NXC_AUTH_NONE, NXC_AUTH_BASIC, NXC_AUTH_BEARER };

struct nxc_challenge {
        enum nxc_auth_scheme scheme;
        char realm[2048]; /* of Bearer: the token server's URL */
        char service[512], scope[2048];
};

/* The best of all challenges in the values of the headers: Bearer, then Basic; NONE when there is neither.
 * What cannot be parsed, has a control character or is too long ends in RegistryError. */
int nxc_challenge_parse(const struct nxc_strv *values, struct nxc_challenge *ret, struct nxc_error *err);
