/* See image.h: giving images names and taking them away. */
#include "image/store-internal.h"

#include "core/cleanup.h"
#include "core/json.h"

#include <sys/stat.h>

static void layout_donep(struct nxc_layout *l)
{
        nxc_layout_done(l);
}

/* Whether an entry leads to the image: directly, or as the index that the image was chosen from. */
static bool leads_to(const struct nxc_layout_entry *e, const struct nxc_image *image)
{
        return nxc_streq(e->digest, image->digest.text) ||
               (image->index_digest.text[0] && nxc_streq(e->digest, image->index_digest.text));
}

static int manifest_size(
        struct nxc_image_store *s, const struct nxc_image *image, uint64_t *ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r = nxc_image_blob_open(s, &image->digest, 0, &fd, err);

        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "stat blob '%s'", image->digest.text);
        *ret = (uint64_t)st.st_size;
        return 0;
}

int nxc_image_tag(struct nxc_image_store *s, const struct nxc_image *image, const struct nxc_reference *name,
        struct nxc_error *err)
{
        _cleanup_(layout_donep) struct nxc_layout l = { 0 };
        _cleanup_free_ char *text = nxc_reference_format(name);
        _cleanup_close_ int lock = -EBADF;
        struct nxc_layout_image entry = {
                .digest = image->digest.text,
                .media_type = nxc_json_str(image->manifest_json, "mediaType"),
                .index_digest = image->index_digest.text,
                .config_digest = image->id.text,
                .platform = &image->config.platform,
        };
        int r;

        if (!text)
                return nxc_oom(err);
        r = nxc_layout_lock(s, &lock, err);
        if (r == 0)
                r = manifest_size(s, image, &entry.size, err); /* under the lock: it is not collected now */
        if (r == 0)
                r = nxc_layout_load(s, &l, err);
        if (r == 0)
                r = nxc_layout_enter(&l, &entry, text, err);
        if (r == 0)
                r = nxc_layout_publish(s, &l, err);
        if (r < 0)
                nxc_error_wrap(err, "tag image as '%s'", text);
        return r;
}

int nxc_image_untag(
        struct nxc_image_store *s, const struct nxc_image *image, const char *name, struct nxc_error *err)
{
        _cleanup_(layout_donep) struct nxc_layout l = { 0 };
        _cleanup_close_ int lock = -EBADF;
        bool found = false;
        int r = nxc_layout_lock(s, &lock, err);

        if (r == 0)
                r = nxc_layout_load(s, &l, err);
        for (size_t i = 0; r == 0 && i < l.n; i++) {
                if (!leads_to(&l.entries[i], image) || (name && !nxc_streq(l.entries[i].name, name)))
                        continue;
                found = true;
                r = nxc_layout_remove(&l, &l.entries[i], false, err);
        }
        if (r == 0 && !found)
                return nxc_fail_kind(err, NXC_ERR_IMAGE_NOT_FOUND, 0, "image '%s' is not in the store",
                        name ? name : image->digest.text);
        if (r == 0)
                r = nxc_layout_publish(s, &l, err);
        if (r < 0)
                nxc_error_wrap(err, "untag image '%s'", name ? name : image->digest.text);
        return r;
}

int nxc_image_forget(struct nxc_image_store *s, const char *name, struct nxc_error *err)
{
        _cleanup_(layout_donep) struct nxc_layout l = { 0 };
        const struct nxc_layout_entry *e;
        _cleanup_close_ int lock = -EBADF;
        int r = nxc_layout_lock(s, &lock, err);

        if (r == 0)
                r = nxc_layout_load(s, &l, err);
        if (r == 0)
                r = nxc_layout_find(s, &l, name, &e, err);
        if (r == 0)
                r = nxc_layout_remove(&l, e, false, err);
        return r == 0 ? nxc_layout_publish(s, &l, err) : r;
}
