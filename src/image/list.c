/* See image.h: all images. */
#include "image/store-internal.h"

#include "core/cleanup.h"
#include "core/log.h"

#include <string.h>
#include <sys/stat.h>

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

/* Takes what it can from the image. */
static int summarize(struct nxc_image *image, struct nxc_image_summary *ret)
{
        struct nxc_image_summary v = { .name = TAKE_PTR(image->name),
                .digest = image->digest,
                .index_digest = image->index_digest,
                .id = image->id,
                .size_bytes = image->size_bytes,
                .diff_ids = TAKE_PTR(image->config.diff_ids),
                .n_diff_ids = image->config.n_diff_ids };

        image->config.n_diff_ids = 0;
        nxc_platform_text(&image->config.platform, v.platform);
        v.created = image->config.created ? strdup(image->config.created) : NULL;
        *ret = v;
        return image->config.created && !v.created ? -ENOMEM : 0;
}

int nxc_image_summaries(
        struct nxc_image_store *s, struct nxc_image_summary **ret, size_t *ret_n, struct nxc_error *err)
{
        struct nxc_image_summary *v;
        struct nxc_image **images;
        size_t n;
        int r = nxc_image_list(s, &images, &n, err);

        if (r < 0)
                return r;
        v = calloc(n + 1, sizeof(*v));
        for (size_t i = 0; i < n; i++) {
                if (!v || (r == 0 && summarize(images[i], &v[i]) < 0))
                        r = nxc_oom(err);
                nxc_image_free(images[i]);
        }
        free(images);
        if (r < 0) {
                nxc_image_summaries_free(v, v ? n : 0);
                return r;
        }
        *ret = v;
        *ret_n = n;
        return 0;
}

void nxc_image_summaries_free(struct nxc_image_summary *v, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                free(v[i].name);
                free(v[i].created);
                free(v[i].diff_ids);
        }
        free(v);
}

uint64_t nxc_image_index_bytes(struct nxc_image_store *s)
{
        struct stat st;

        return s->dir_fd >= 0 && fstatat(s->dir_fd, "index.json", &st, 0) == 0 ? (uint64_t)st.st_size : 0;
}
