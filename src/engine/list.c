/* See engine.h: listing images. */
#include "engine/engine-internal.h"

#include "image/catalog.h"

int nxc_engine_list(
        struct nxc_engine_ctx *ctx, struct nxc_image_summary **ret, size_t *ret_n, struct nxc_error *err)
{
        int r = nxc_catalog_list(ctx->store_fd, ctx->images, ret, ret_n, err);

        return r < 0 && err && !nxc_error_is_set(err) ? nxc_fail(err, -r, "read 'meta.db'") : r;
}
