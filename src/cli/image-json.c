/* See image-json.h. */
#include "cli/image-json.h"

#include "core/cleanup.h"
#include "core/json.h"

#include <stdio.h>
#include <string.h>

void nxc_image_split_name(
        const char *name, char *ret_repository, size_t size, char *ret_tag, size_t tag_size)
{
        struct nxc_reference ref;

        snprintf(ret_repository, size, "<none>");
        snprintf(ret_tag, tag_size, "<none>");
        if (!name || nxc_reference_parse(name, &ref, NULL) < 0)
                return;
        snprintf(ret_repository, size, "%s/%s", ref.host, ref.path);
        if (ref.tag[0])
                snprintf(ret_tag, tag_size, "%s", ref.tag);
}

json_t *nxc_image_summary_json(const struct nxc_image_summary *image)
{
        return json_pack("{s:s?, s:s, s:s?, s:s, s:s?, s:I, s:s}", "name", image->name, "digest",
                image->digest.text, "indexDigest",
                image->index_digest.text[0] ? image->index_digest.text : NULL, "id", image->id.text,
                "created", image->created, "size", (json_int_t)image->size_bytes, "platform",
                image->platform);
}

json_t *nxc_image_row_json(const struct nxc_image *image)
{
        struct nxc_image_summary summary = { .name = image->name,
                .digest = image->digest,
                .index_digest = image->index_digest,
                .id = image->id,
                .created = image->config.created,
                .size_bytes = image->size_bytes };

        nxc_platform_text(&image->config.platform, summary.platform);
        return nxc_image_summary_json(&summary);
}

static json_t *layers_json(const struct nxc_image *image)
{
        json_t *list = json_array();

        for (size_t i = 0; i < image->manifest.n_layers; i++) {
                const struct nxc_descriptor *d = &image->manifest.layers[i];

                json_array_append_new(
                        list, json_pack("{s:s, s:s, s:I, s:s}", "digest", d->digest.text, "mediaType",
                                      d->media_type, "size", (json_int_t)d->size, "diffId",
                                      i < image->config.n_diff_ids ? image->config.diff_ids[i].text : ""));
        }
        return list;
}

json_t *nxc_image_detail_json(const struct nxc_image *image)
{
        const struct nxc_image_config *c = &image->config;
        _cleanup_json_ json_t *j = nxc_image_row_json(image);
        json_t *config = json_object_get(image->config_json, "config");

        if (!j || json_object_set_new(j, "type", json_string("image")) < 0 ||
                json_object_set_new(j, "author", c->author ? json_string(c->author) : json_null()) < 0 ||
                json_object_set_new(j, "layers", layers_json(image)) < 0 ||
                json_object_set(j, "config", json_is_object(config) ? config : json_null()) < 0 ||
                json_object_set(j, "manifest", image->manifest_json) < 0)
                return NULL;
        return TAKE_PTR(j);
}
