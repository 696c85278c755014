/* The options of run: each line is one, its first character says which. */
#include "core/json.h"
#include "oci/compose.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct nxc_compose_host host = {
                .arch = "amd64", .hostname = "h", .bounding = 0xffffffffff
        };
        const struct nxc_image_config image = { .platform = { "linux", "amd64", "" } };
        struct nxc_compose_opts o = {
                .id = "0123456789ab", .rootfs = "/r", .volumes_dir = "/v", .host = &host
        };
        struct nxc_strv *const lists[] = { &o.args, &o.env, &o.volumes, &o.mounts, &o.tmpfs, &o.cap_add,
                &o.cap_drop, &o.ulimits, &o.labels, &o.annotations };
        const char **const words[] = { &o.entrypoint, &o.user, &o.workdir, &o.hostname, &o.stop_signal,
                &o.network };
        _cleanup_free_ char *text = size > 4096 ? NULL : strndup((const char *)data, size);
        struct nxc_compose_result res;
        char *rest = text;

        for (char *line; text && (line = strsep(&rest, "\n"));) {
                unsigned k = (unsigned char)line[0] - 'a';

                if (k < NXC_ARRAY_SIZE(lists))
                        nxc_strv_add(lists[k], line + 1);
                else if (k - NXC_ARRAY_SIZE(lists) < NXC_ARRAY_SIZE(words))
                        *words[k - NXC_ARRAY_SIZE(lists)] = line + 1;
        }
        if (nxc_compose_spec(&image, &o, -1, &res, NULL) == 0) {
                free(nxc_json_format(res.spec, false));
                nxc_compose_result_done(&res);
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(lists); i++)
                nxc_strv_done(lists[i]);
        return 0;
}
