/* See layerfs.h: the one mount that a chain's index is, or its only layer, and how containers share it.
 *
 * Theory of operation. The page cache of what is in an image belongs to its superblock. A container that
 * mounts the image anew would read all of it anew, and keep a second copy in memory; but a clone of a mount
 * has the same superblock. The mount which an overlay has of a layer is in no namespace and cannot be
 * reached, so a container has a second one, at "lower" in its own directory in the store: it goes with the
 * container, like its root, and nobody keeps it but its containers, whatever kills whom. The link
 * .shared-<image> in <store>/layers leads to a container's that may still be there; it is looked at, and
 * believed when what is mounted there is an EROFS of the right uuid. A container that finds none mounts
 * anew, and is found by the next. */
#include "layerfs/layerfs-internal.h"

#include "core/cleanup.h"
#include "core/log.h"
#include "layerfs/erofs-internal.h"
#include "sys/mount.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define SHARED_NAME_MAX (NXC_LAYER_IMAGE_NAME_MAX + 8)

/* The image that is mounted alone: the index, or the only layer that shows. Negative: there is none. */
static int find_source(const struct nxc_layer_chain *chain)
{
        const struct nxc_held_layer *only = &chain->layers[chain->bottom];

        if (chain->index_fd >= 0)
                return chain->index_fd;
        return chain->n - chain->bottom == 1 && only->image ? only->fd : -1;
}

static int link_name(int source, char ret[static SHARED_NAME_MAX], uint64_t *ret_fsid)
{
        uint8_t uuid[16];
        uint64_t half[2];

        if (pread(source, uuid, sizeof(uuid),
                    NXC_EROFS_SUPER_OFFSET + offsetof(struct nxc_erofs_super, uuid)) != sizeof(uuid))
                return -EIO;
        memcpy(half, uuid, sizeof(half));
        *ret_fsid = le64toh(half[0]) ^ le64toh(half[1]); /* as the kernel's uuid_to_fsid */
        snprintf(ret, SHARED_NAME_MAX, NXC_SHARED_PREFIX "%016llx%016llx",
                (unsigned long long)be64toh(half[0]), (unsigned long long)be64toh(half[1]));
        return 0;
}

/* A clone of the mount that the link leads to, or negative. */
static int join(const struct nxc_layer_chain *chain, int source)
{
        struct mount_attr attr = { .attr_clr = NXC_LOWER_ATTRS, .propagation = MS_PRIVATE };
        char name[SHARED_NAME_MAX], path[PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        struct statfs fs;
        uint64_t want, have;
        ssize_t n = -1;

        if (link_name(source, name, &want) == 0)
                n = readlinkat(chain->lfs->fd, name, path, sizeof(path));
        if (n <= 0 || n >= (ssize_t)sizeof(path))
                return -ENOENT;
        path[n] = '\0';
        fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
        if (fd < 0 || fstatfs(fd, &fs) < 0)
                return -ENOENT;
        have = (uint32_t)fs.f_fsid.__val[0] | (uint64_t)(uint32_t)fs.f_fsid.__val[1] << 32;
        if ((uint32_t)fs.f_type != NXC_EROFS_MAGIC || have != want ||
                mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return -ENOENT;
        return TAKE_FD(fd);
}

static int mount_anew(const struct nxc_layer_chain *chain, int source, int *ret, struct nxc_error *err)
{
        size_t n = source == chain->index_fd ? chain->n - chain->bottom : 0;
        _cleanup_free_ int *devices = malloc((n + 1) * sizeof(*devices));

        if (!devices)
                return nxc_oom(err);
        for (size_t i = 0; i < n; i++)
                devices[i] = chain->layers[chain->bottom + i].fd;
        return nxc_mount_erofs(source, devices, n, ret, err);
}

bool nxc_layer_chain_mount_lower(struct nxc_layer_chain *chain)
{
        int source = find_source(chain);
        struct nxc_error why = { 0 };

        if (source < 0 || chain->lower_fd >= 0)
                return chain->lower_fd >= 0;
        chain->lower_fd = join(chain, source);
        chain->lower_is_joined = chain->lower_fd >= 0;
        if (chain->lower_fd < 0 && mount_anew(chain, source, &chain->lower_fd, &why) < 0)
                nxc_debug("%s; mounting the layers one by one", why.message);
        return chain->lower_fd >= 0;
}

bool nxc_layer_chain_can_share(const struct nxc_layer_chain *chain)
{
        return chain->lower_fd >= 0;
}

/* Whoever is found already stays: it may well outlive us. */
static void leave_link(const struct nxc_layer_chain *chain, const char *path)
{
        char name[SHARED_NAME_MAX];
        uint64_t fsid;

        if (chain->lower_is_joined || link_name(find_source(chain), name, &fsid) < 0)
                return;
        if (symlinkat(path, chain->lfs->fd, name) == 0 || errno != EEXIST)
                return;
        unlinkat(chain->lfs->fd, name, 0);
        if (symlinkat(path, chain->lfs->fd, name) < 0 && errno != EEXIST)
                nxc_debug("leave a link to '%s': %s, ignoring", path, strerror(errno));
}

int nxc_layer_chain_share(struct nxc_layer_chain *chain, const char *path, struct nxc_error *err)
{
        struct mount_attr attr = { .attr_set = NXC_LOWER_ATTRS };
        _cleanup_close_ int fd = -EBADF;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return nxc_fail(err, errno, "create '%s'", path);
        fd = open_tree(chain->lower_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return nxc_fail(err, errno, "clone the mount of the layers");
        if (move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return nxc_fail(err, errno, "attach the layers at '%s'", path);
        leave_link(chain, path);
        return 0;
}
