/* index.json of the image store, as others may have written it. */
#include "image/store-internal.h"

#include "core/cleanup.h"
#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct nxc_layout l = { 0 };
        struct nxc_layout_image image = {
                .digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                .size = 1
        };

        if (size > 65536 || nxc_layout_parse((const char *)data, size, &l, NULL) < 0)
                return 0;
        if (l.n > 0)
                (void)!nxc_layout_remove(&l, &l.entries[0], true, NULL);
        (void)!nxc_layout_enter(&l, &image, "localhost/fuzz:latest", NULL);
        nxc_layout_done(&l);
        return 0;
}
