/* See intake.h: making the index of a chain; layerfs-internal.h has what it is on disk. */
#include "layerfs/intake.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/hash.h"
#include "layerfs/content-internal.h"
#include "layerfs/erofs-internal.h"
#include "layerfs/layerfs-internal.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Of the diff_ids: the same chain has the same index. */
static int uuid_of(const struct nxc_digest *diff_ids, size_t n, uint8_t ret[16], struct nxc_error *err)
{
        struct nxc_hash *hash = nxc_hash_new("sha256");
        struct nxc_digest digest;

        if (!hash)
                return nxc_oom(err);
        for (size_t i = 0; i < n; i++)
                nxc_hash_update(hash, diff_ids[i].text, strlen(diff_ids[i].text) + 1);
        nxc_hash_finish(hash, &digest);
        nxc_hash_free(hash);
        nxc_digest_bytes(&digest, ret, 16);
        return 0;
}

static int describe_layers(const struct nxc_layer_chain *chain, const struct nxc_digest *diff_ids,
        struct nxc_erofs_chain_layer *layers, struct nxc_index_layer *listed)
{
        for (size_t i = 0; i < chain->n; i++) {
                const struct nxc_held_layer *l = &chain->layers[i];

                if (!l->image)
                        return -EOPNOTSUPP;
                layers[i] = (struct nxc_erofs_chain_layer){ .fd = l->fd,
                        .name = diff_ids[i].text,
                        .blocks = l->blocks,
                        .implicit_root = l->flags & NXC_LAYER_HAS_IMPLICIT_ROOT };
                listed[i] = (struct nxc_index_layer){ .record_crc = htole64(l->record_crc) };
                memcpy(listed[i].diff_id, diff_ids[i].text, strlen(diff_ids[i].text));
        }
        return 0;
}

static int write_index(struct nxc_erofs_writer *w, const struct nxc_layer_chain *chain,
        const struct nxc_erofs_chain_layer *layers, const struct nxc_index_layer *listed,
        const uint8_t uuid[16], struct nxc_error *err)
{
        size_t len = chain->n * sizeof(*listed);
        struct nxc_erofs_image image;
        struct nxc_layer_record record = { .n_layers = htole32((uint32_t)chain->n),
                .layers_crc = htole64(nxc_crc64(0, listed, len)) };
        int r = nxc_erofs_merge(w, layers + chain->bottom, chain->n - chain->bottom, uuid, &image, err);

        if (r < 0)
                return r;
        record.inodes = htole64(image.inodes);
        record.root_mode = htole32(image.root_mode);
        record.root_uid = htole32(image.root_uid);
        record.root_gid = htole32(image.root_gid);
        return nxc_erofs_seal(w, NXC_INDEX_RECORD_MAGIC, listed, len, &record);
}

/* Whatever had the name was of no use. */
static int publish_index(
        struct nxc_layerfs *lfs, int stage_fd, int fd, const char *name, struct nxc_error *err)
{
        if (fsync(fd) < 0)
                return nxc_fail(err, errno, "flush 'layers/%s'", name);
        if (renameat(stage_fd, NXC_LAYER_STAGED_IMAGE, lfs->fd, name) < 0)
                return nxc_fail(err, errno, "name 'layers/%s'", name);
        return fsync(lfs->fd) < 0 ? nxc_fail(err, errno, "flush the store's directory 'layers'") : 0;
}

static int make_index(const struct nxc_layer_chain *chain, const struct nxc_digest *diff_ids, int stage_fd,
        struct nxc_error *err)
{
        _cleanup_free_ struct nxc_erofs_chain_layer *layers = calloc(chain->n, sizeof(*layers));
        _cleanup_free_ struct nxc_index_layer *listed = calloc(chain->n, sizeof(*listed));
        char name[NXC_INDEX_NAME_MAX];
        _cleanup_close_ int fd = -EBADF;
        struct nxc_erofs_writer *w;
        uint8_t uuid[16];
        int r;

        if (!layers || !listed)
                return nxc_oom(err);
        if (describe_layers(chain, diff_ids, layers, listed) < 0)
                return 0; /* there are directories among them */
        r = uuid_of(diff_ids, chain->n, uuid, err);
        if (r < 0)
                return r;
        fd = openat(
                stage_fd, NXC_LAYER_STAGED_IMAGE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return nxc_fail(err, errno, "create an index of layers");
        r = nxc_erofs_open(fd, &w, err);
        if (r < 0)
                return r;
        r = write_index(w, chain, layers, listed, uuid, err);
        nxc_erofs_close(w);
        nxc_index_name(diff_ids, chain->n, name);
        return r < 0 ? r : publish_index(chain->lfs, stage_fd, fd, name, err);
}

int nxc_layerfs_index(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_ids, size_t n, struct nxc_error *err)
{
        char staged[NXC_STAGING_NAME_MAX];
        _cleanup_close_ int stage_fd = -EBADF;
        struct nxc_layer_chain *chain;
        int r;

        if (n < 2)
                return 0; /* nothing lies on anything */
        r = nxc_layerfs_hold(lfs, diff_ids, n, &chain, err);
        if (r < 0)
                return r;
        if (chain->index_fd < 0 && chain->n - chain->bottom > 1) {
                r = nxc_layerfs_stage(lfs, staged, &stage_fd, err);
                if (r == 0) {
                        r = make_index(chain, diff_ids, stage_fd, err);
                        nxc_remove_tree_at(lfs->fd, staged, NULL);
                }
        }
        nxc_layer_chain_release(chain);
        return r;
}
