/* See layerfs.h: the one mount that a chain's index is, or its only layer, and how containers share it.
 *
 * Theory of operation. The page cache of what is in an image belongs to its superblock. A container that
 * mounts the image anew would read all of it anew, and keep a second copy in memory; but a clone of a mount
 * has the same superblock. The mount which an overlay has of a layer is in no namespace and cannot be
 * reached, so a container has a second one, at "lower" in its own directory in the store: it goes with the
 * container, like its root, and nobody keeps it but its containers, whatever kills whom. The link
 * .shared-<image> in <store>/layers leads to a container's that may still be there; it is looked at, and
 * believed when what is mounted there is an EROFS of the right uuid. A container that finds none mounts
 * anew, and is found by the next. One that goes leaves the link to another that has the same. */
#include "layerfs/layerfs-internal.h"

#include "core/cleanup.h"
#include "core/log.h"
#include "core/str.h"
#include "layerfs/erofs-internal.h"
#include "sys/mount.h"

#include <endian.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define OTHERS_MAX 64 /* containers that are looked at, to find one that has the same */
#define SHARED_NAME_MAX (sizeof(NXC_SHARED_PREFIX) + 32)

/* The image that is mounted alone: the index, or the only layer that shows. Negative: there is none. */
static int find_source(const struct nxc_layer_chain *chain)
{
        const struct nxc_held_layer *only = &chain->layers[chain->bottom];

        if (chain->index_fd >= 0)
                return chain->index_fd;
        return chain->n - chain->bottom == 1 && only->image ? only->fd : -1;
}

struct uuid {
        uint8_t v[16];
};

/* FS_IOC_GETFSUUID, Linux >= 6.9, which Debian's headers do not have. */
struct fs_uuid {
        uint8_t len;
        struct uuid uuid;
};
#define GET_FS_UUID _IOR(0x15, 0, struct fs_uuid)

static int uuid_of_image(int fd, struct uuid *ret)
{
        off_t at = NXC_EROFS_SUPER_OFFSET + offsetof(struct nxc_erofs_super, uuid);

        return pread(fd, ret, sizeof(*ret), at) == sizeof(*ret) ? 0 : -EIO;
}

static int uuid_of_mount(int fd, struct uuid *ret)
{
        _cleanup_close_ int dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct fs_uuid got = { 0 };
        struct statfs fs;

        if (dir < 0 || fstatfs(dir, &fs) < 0 || (uint32_t)fs.f_type != NXC_EROFS_MAGIC ||
                ioctl(dir, GET_FS_UUID, &got) < 0 || got.len != sizeof(got.uuid))
                return -ENOENT;
        *ret = got.uuid;
        return 0;
}

static void link_name(const struct uuid *uuid, char ret[static SHARED_NAME_MAX])
{
        size_t n = (size_t)snprintf(ret, SHARED_NAME_MAX, NXC_SHARED_PREFIX);

        for (size_t i = 0; i < sizeof(uuid->v); i++)
                n += (size_t)snprintf(ret + n, SHARED_NAME_MAX - n, "%02x", uuid->v[i]);
}

/* Where the link leads. */
static int read_link(const struct nxc_layerfs *lfs, const struct uuid *uuid, char path[static PATH_MAX])
{
        char name[SHARED_NAME_MAX];
        ssize_t n;

        link_name(uuid, name);
        n = readlinkat(lfs->fd, name, path, PATH_MAX);
        if (n <= 0 || n >= PATH_MAX)
                return -ENOENT;
        path[n] = '\0';
        return 0;
}

/* A clone of the mount that the link leads to, or negative. */
static int join(const struct nxc_layer_chain *chain, int source)
{
        struct mount_attr attr = { .attr_clr = NXC_LOWER_ATTRS, .propagation = MS_PRIVATE };
        struct uuid want, have;
        _cleanup_close_ int fd = -EBADF;
        char path[PATH_MAX];

        if (uuid_of_image(source, &want) < 0 || read_link(chain->lfs, &want, path) < 0)
                return -ENOENT;
        fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
        if (fd < 0 || uuid_of_mount(fd, &have) < 0 || memcmp(&have, &want, sizeof(want)) != 0 ||
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
        struct uuid uuid;

        if (chain->lower_is_joined || uuid_of_image(find_source(chain), &uuid) < 0)
                return;
        link_name(&uuid, name);
        if (symlinkat(path, chain->lfs->fd, name) == 0 || errno != EEXIST)
                return;
        unlinkat(chain->lfs->fd, name, 0);
        if (symlinkat(path, chain->lfs->fd, name) < 0 && errno != EEXIST)
                nxc_debug("leave a link to '%s': %s, ignoring", path, strerror(errno));
}

/* The mount itself goes there: the overlay has a clone of its own. Where overlays take paths only (before
 * Linux 6.5), it went with the namespace in which the overlay was made, and there is nothing to share. */
int nxc_layer_chain_share(struct nxc_layer_chain *chain, const char *path, struct nxc_error *err)
{
        struct mount_attr attr = { .attr_set = NXC_LOWER_ATTRS };
        int r = mount_setattr(chain->lower_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;

        if (r == -EINVAL) {
                nxc_debug("the mount of the layers cannot be shared on this kernel");
                return 0;
        }
        if (r < 0)
                return nxc_fail(err, -r, "close the mount of the layers");
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return nxc_fail(err, errno, "create '%s'", path);
        if (move_mount(chain->lower_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return nxc_fail(err, errno, "attach the layers at '%s'", path);
        leave_link(chain, path);
        return 0;
}

/* Another container's mount of the same, beside the one that goes; of very many not all are looked at. */
static char *find_other(const struct uuid *uuid, const char *path)
{
        _cleanup_free_ char *own = strdup(path), *all = NULL;
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        const char *base;

        if (!own || strrchr(own, '/') == own)
                return NULL;
        base = strrchr(path, '/') + 1;
        *strrchr(own, '/') = '\0'; /* the container's directory */
        all = strndup(own, (size_t)(strrchr(own, '/') - own));
        dir = all ? opendir(all) : NULL;
        for (int i = 0; dir && i < OTHERS_MAX && (de = readdir(dir)); i++) {
                _cleanup_free_ char *there = nxc_strf("%s/%s/%s", all, de->d_name, base);
                _cleanup_close_ int fd = there && de->d_name[0] != '.' && !nxc_streq(there, path)
                                                 ? open(there, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                                                 : -1;
                struct uuid have;

                if (fd >= 0 && uuid_of_mount(fd, &have) == 0 && memcmp(&have, uuid, sizeof(have)) == 0)
                        return TAKE_PTR(there);
        }
        return NULL;
}

void nxc_layerfs_unshare(struct nxc_layerfs *lfs, const char *path)
{
        _cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_free_ char *other = NULL;
        char name[SHARED_NAME_MAX], leads[PATH_MAX];
        struct uuid uuid;

        if (fd < 0 || uuid_of_mount(fd, &uuid) < 0 || read_link(lfs, &uuid, leads) < 0 ||
                !nxc_streq(leads, path))
                return;
        link_name(&uuid, name);
        unlinkat(lfs->fd, name, 0);
        other = find_other(&uuid, path);
        if (other && symlinkat(other, lfs->fd, name) < 0 && errno != EEXIST)
                nxc_debug("leave a link to '%s': %s, ignoring", other, strerror(errno));
}
