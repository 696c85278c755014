/* A manifest, an index or a docker-archive's manifest.json from a registry or archive. */
#include "core/json.h"
#include "oci/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct nxc_platform want = { "linux", "arm", "v7" };
        const struct nxc_descriptor *entry;
        _cleanup_json_ json_t *doc = NULL;
        struct nxc_error err = { 0 };
        struct nxc_docker_archive a;
        struct nxc_manifest m;
        struct nxc_index ix;

        if (size > 64 << 10 || nxc_json_parse((const char *)data, size, "input", &doc, NULL) < 0)
                return 0;
        if (nxc_manifest_parse(doc, &m, &err) == 0)
                nxc_manifest_done(&m);
        if (nxc_index_parse(doc, &ix, &err) == 0) {
                if (nxc_index_select(&ix, &want, &entry, NULL) == 0 && !entry)
                        __builtin_trap();
                nxc_index_done(&ix);
        }
        if (nxc_docker_archive_parse(doc, &a, &err) == 0)
                nxc_docker_archive_done(&a);
        return 0;
}
