/* WWW-Authenticate: one value per line; what is taken out has no control characters. */
#include "image/challenge.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_strv_ struct nxc_strv values = { 0 };
        _cleanup_free_ char *text = NULL;
        struct nxc_challenge c;
        char *state = NULL;

        if (size > 8192)
                return 0;
        text = strndup((const char *)data, size);
        for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
                nxc_strv_add(&values, line);
        if (nxc_challenge_parse(&values, &c, NULL) < 0)
                return 0;
        if (nxc_has_control(c.realm) || nxc_has_control(c.service) || nxc_has_control(c.scope))
                abort();
        return 0;
}
