/* Image references: what is accepted formats to a text that is accepted and means the same. */
#include "image/reference.h"

#include "core/cleanup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = NULL, *formatted = NULL;
        struct nxc_reference ref, again;
        struct nxc_error err = { 0 };

        if (size > 2048)
                return 0;
        text = strndup((const char *)data, size);
        if (nxc_reference_parse(text, &ref, &err) < 0) {
                if (err.kind != NXC_ERR_USAGE)
                        abort();
                return 0;
        }
        formatted = nxc_reference_format(&ref);
        if (nxc_reference_parse(formatted, &again, &err) < 0)
                abort();
        if (strcmp(ref.host, again.host) || strcmp(ref.path, again.path) ||
                strcmp(ref.digest.text, again.digest.text))
                abort();
        return 0;
}
