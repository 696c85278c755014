/* <store>/meta.db: what is known of the images in index.json, so that listing ten thousand of them does not
 * read thirty thousand files. All of it is derived: it is made again when index.json changed, of what is new
 * in it; and from nothing when it is gone, damaged or another version's. SQLite, which only the engine
 * module loads. */
#pragma once

#include "image/image.h"

/* Whether the file is whole: 0, also when there is none; -EINVAL when it is damaged. */
int nxc_catalog_check(int store_fd);
void nxc_catalog_drop(int store_fd);

/* As nxc_image_summaries. Not to be had (-EIO without err being set: a read-only store, a full disk): read
 * the images. */
int nxc_catalog_list(int store_fd, struct nxc_image_store *s, struct nxc_image_summary **ret, size_t *ret_n,
        struct nxc_error *err);
