/* See digest.h. */
#include "core/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool nxc_digest_is_valid(const char *text)
{
        size_t want;

        if (strncmp(text, "sha256:", 7) == 0)
                want = 64;
        else if (strncmp(text, "sha512:", 7) == 0)
                want = 128;
        else
                return false;
        return strlen(text + 7) == want && strspn(text + 7, "0123456789abcdef") == want;
}

int nxc_digest_parse(const char *text, struct nxc_digest *ret, struct nxc_error *err)
{
        if (!text || !nxc_digest_is_valid(text))
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "digest '%.160s' is not sha256:<64 hex> or sha512:<128 hex>", text ? text : "");
        snprintf(ret->text, sizeof(ret->text), "%s", text);
        return 0;
}

bool nxc_digest_equal(const struct nxc_digest *a, const struct nxc_digest *b)
{
        return a->text[0] && strcmp(a->text, b->text) == 0;
}

const char *nxc_digest_hex(const struct nxc_digest *d)
{
        return d->text + 7;
}

void nxc_digest_blob_path(const struct nxc_digest *d, char *ret, size_t size)
{
        snprintf(ret, size, "blobs/%.6s/%s", d->text, nxc_digest_hex(d));
}

void nxc_digest_bytes(const struct nxc_digest *d, uint8_t *ret, size_t n)
{
        const char *hex = nxc_digest_hex(d);

        for (size_t i = 0; i < n; i++) {
                char byte[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

                ret[i] = (uint8_t)strtoul(byte, NULL, 16);
        }
}
