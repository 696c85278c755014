/* Image references: [host[:port]/]path[:tag][@digest], normalised as Docker does (docker.io,
 * library/, latest). */
#pragma once

#include "core/digest.h"
#include "core/error.h"

struct nxc_reference {
        char host[256];           /* "docker.io", "127.0.0.1:5000", "localhost" */
        char path[512];           /* "library/busybox" */
        char tag[129];            /* "" when only a digest was given */
        struct nxc_digest digest; /* text "" when none; with both the digest wins */
};

/* Usage for what the grammar (distribution/reference) refuses, and why. "docker://" in front is dropped. */
int nxc_reference_parse(const char *text, struct nxc_reference *ret, struct nxc_error *err);
/* The canonical text, "host/path:tag" or "host/path@digest", which is the name in the store; malloc'ed. */
char *nxc_reference_format(const struct nxc_reference *ref);
