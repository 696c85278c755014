/* See image.h: all images. */
#include "image/store-internal.h"

#include "core/log.h"

int nxc_image_list(struct nxc_image_store *s, struct nxc_image ***ret, size_t *ret_n, struct nxc_error *err)
{
        struct nxc_image **images;
        struct nxc_layout l;
        size_t n = 0;
        int r = nxc_layout_load(s, &l, err);

        if (r < 0)
                return r;
        images = calloc(l.n + 1, sizeof(*images));
        if (!images)
                r = nxc_oom(err);
        for (size_t i = 0; r == 0 && i < l.n; i++) {
                struct nxc_error e = { 0 };

                if (nxc_image_load(s, &l.entries[i], &images[n], &e) == 0)
                        n++;
                else if (e.kind == NXC_ERR_OUT_OF_MEMORY)
                        r = nxc_oom(err);
                else
                        nxc_warn("%s, ignoring", e.message);
        }
        nxc_layout_done(&l);
        if (r < 0) {
                for (size_t i = 0; i < n; i++)
                        nxc_image_free(images[i]);
                free(images);
                return r;
        }
        *ret = images;
        *ret_n = n;
        return 0;
}
