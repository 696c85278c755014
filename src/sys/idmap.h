/* Who owns the files of a root in a user namespace: the mappings of linux.uidMappings and gidMappings,
 * applied to a number (a copy's owner) or to a mount (MOUNT_ATTR_IDMAP; Linux >= 5.12). */
#pragma once

#include "core/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NXC_IDMAP_MAX 340 /* UID_GID_MAP_MAX_EXTENTS, include/linux/user_namespace.h */

struct nxc_id_range {
        uint32_t inside, outside, count;
};

struct nxc_idmap {
        struct nxc_id_range *uids, *gids;
        size_t n_uids, n_gids;
};

/* From the two arrays of a config.json; *ret is NULL when both are empty or absent. InvalidSpec for what is
 * no mapping. */
int nxc_idmap_parse(const json_t *uids, const json_t *gids, struct nxc_idmap **ret, struct nxc_error *err);
void nxc_idmap_free(struct nxc_idmap *m);
static inline void nxc_idmap_freep(struct nxc_idmap **m)
{
        nxc_idmap_free(*m);
        *m = NULL;
}

/* What a number inside is outside. -EOVERFLOW without err when it is not mapped. */
int nxc_idmap_shift(const struct nxc_id_range *ranges, size_t n, uint32_t inside, uint32_t *ret);

/* The same of a file's owner, in place; unchanged when it fails, or when m is NULL. */
int nxc_idmap_owner(const struct nxc_idmap *m, uid_t *uid, gid_t *gid);

/* A user namespace with these mappings, for MOUNT_ATTR_IDMAP; it lives as long as the descriptor. */
int nxc_idmap_open(const struct nxc_idmap *m, int *ret_userns_fd, struct nxc_error *err);

/* Shows a detached mount's files with the owners that they have in the namespace. A file system that cannot:
 * NotImplemented, naming `what`. */
int nxc_idmap_mount(int mount_fd, int userns_fd, const char *what, struct nxc_error *err);
