/* config.json: parse, check the version, check every field, ask the accessors, write it and read it
 * again. */
#include "core/json.h"
#include "oci/spec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_t *again = NULL;
        _cleanup_free_ char *text = NULL;
        struct nxc_error err = { 0 };
        struct nxc_spec *spec = NULL;

        if (size > 64 << 10)
                return 0;
        if (nxc_spec_parse((const char *)data, size, &spec, &err) < 0) {
                if (!nxc_error_is_set(&err) || !err.message[0])
                        abort();
                return 0;
        }
        if (nxc_spec_check_version(spec, &err) == 0 && nxc_spec_check_required(spec, &err) == 0 &&
                (!nxc_spec_version(spec) || !nxc_spec_root_path(spec)))
                abort();
        nxc_spec_root_readonly(spec);
        nxc_spec_terminal(spec);
        nxc_spec_hooks(spec);
        nxc_spec_annotation(spec, "org.nexcage.runtime");
        text = nxc_json_format(nxc_spec_json(spec), false);
        if (text && nxc_json_parse(text, strlen(text), "again", &again, NULL) < 0)
                abort();
        nxc_spec_free(spec);
        return 0;
}
