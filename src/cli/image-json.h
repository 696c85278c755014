/* Images as JSON, with the keys that docs/json.md lists. */
#pragma once

#include "core/error.h"
#include "image/image.h"

#include <jansson.h>

/* "docker.io/library/debian" and "12" of a canonical name; "<none>" where there is none (NULL). */
void nxc_image_split_name(
        const char *name, char *ret_repository, size_t size, char *ret_tag, size_t tag_size);

/* New references; NULL: out of memory. summary: a row of `images`; detail: what `inspect` shows. */
json_t *nxc_image_summary_json(const struct nxc_image_summary *image);
json_t *nxc_image_row_json(const struct nxc_image *image); /* the same */
json_t *nxc_image_detail_json(const struct nxc_image *image);
