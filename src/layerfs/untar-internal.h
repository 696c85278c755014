/* A tar stream into a directory, by file descriptor. Only for this folder and its tests. */
#pragma once

#include "core/error.h"
#include "layerfs/content-internal.h"
#include "layerfs/tar-internal.h"

/* Unpacks into the empty directory root_fd, reading the source to its end. Checksums of regular files go to
 * content. */
int nxc_untar(int root_fd, const struct nxc_tar_source *source, const struct nxc_tar_limits *limits,
        struct nxc_content_index *content, struct nxc_tar_result *ret, struct nxc_error *err);
