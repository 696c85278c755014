/* An image configuration. What was taken has none of the characters that must not get into a file of
 * lines. */
#include "core/json.h"
#include "oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_t *doc = NULL;
        struct nxc_image_config c;

        if (size > 64 << 10 || nxc_json_parse((const char *)data, size, "input", &doc, NULL) < 0)
                return 0;
        if (nxc_image_config_parse(doc, &c, NULL) < 0)
                return 0;
        if ((c.user && nxc_has_control(c.user)) || (c.working_dir && nxc_has_control(c.working_dir)))
                __builtin_trap();
        for (size_t i = 0; i < c.volumes.n; i++)
                if (nxc_has_control(c.volumes.v[i]))
                        __builtin_trap();
        nxc_image_config_done(&c);
        return 0;
}
