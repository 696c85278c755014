/* URLs: the first line is a base, the second a reference; what comes out is itself a URL, and no longer than
 * allowed. */
#include "net/url.h"

#include "core/cleanup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct nxc_url *u)
{
        _cleanup_free_ char *text = nxc_url_format(u);
        _cleanup_url_ struct nxc_url again = { 0 };

        if (strlen(text) <= NXC_URL_MAX_BYTES &&
                (nxc_url_parse(text, &again, NULL) < 0 || !nxc_url_same_origin(u, &again)))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_url_ struct nxc_url base = { 0 }, to = { 0 };
        _cleanup_free_ char *text = strndup((const char *)data, size < 4096 ? size : 4096);
        char *line;

        line = strchr(text, '\n');
        if (line)
                *line++ = '\0';
        if (nxc_url_parse(text, &base, NULL) < 0)
                return 0;
        check(&base);
        if (line && nxc_url_resolve(&base, line, &to, NULL) == 0)
                check(&to);
        return 0;
}
