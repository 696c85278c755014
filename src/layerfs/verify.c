/* See intake.h: rechecking what is there. */
#include "layerfs/intake.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/log.h"
#include "core/str.h"
#include "layerfs/content-internal.h"
#include "layerfs/decompress-internal.h"
#include "layerfs/erofs-internal.h"
#include "layerfs/layerfs-internal.h"
#include "layerfs/treehash-internal.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int changed(const struct nxc_digest *diff_id, struct nxc_error *err)
{
        nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                "verify layer '%s': its files were changed since it came in", diff_id->text);
        nxc_error_hint(err, "nexcage verify --repair unpacks it again");
        return -EINVAL;
}

static int check_extent(int fd, const struct nxc_erofs_extent *e, uint8_t *buf, bool *ret_right)
{
        uint64_t pos = (uint64_t)le32toh(e->start) * NXC_EROFS_BLOCK;
        uint64_t left = (uint64_t)le32toh(e->blocks) * NXC_EROFS_BLOCK, crc = 0;

        while (left > 0) {
                ssize_t n = pread(fd, buf, left < NXC_PLAIN_BLOCK ? left : NXC_PLAIN_BLOCK, (off_t)pos);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                crc = nxc_crc64(crc, buf, (size_t)n);
                pos += (uint64_t)n;
                left -= (uint64_t)n;
        }
        *ret_right = left == 0 && crc == le64toh(e->crc);
        return 0;
}

/* The image itself: what its record says of it. */
static int check_image(int fd, const struct nxc_layer_record *record, bool *ret_right)
{
        size_t n = le32toh(record->n_extents), len = n * sizeof(struct nxc_erofs_extent);
        _cleanup_free_ struct nxc_erofs_extent *index = NULL;
        _cleanup_free_ uint8_t *buf = malloc(NXC_PLAIN_BLOCK);
        int r = 0;

        *ret_right = record->crc == htole64(nxc_crc64(0, record, offsetof(struct nxc_layer_record, crc)));
        if (!*ret_right)
                return 0;
        index = malloc(len + 1);
        if (!index || !buf)
                return -ENOMEM;
        *ret_right = pread(fd, index, len, (off_t)le32toh(record->blocks) * NXC_EROFS_BLOCK) ==
                             (ssize_t)len &&
                     le64toh(record->index_crc) == nxc_crc64(0, index, len);
        for (size_t i = 0; r == 0 && *ret_right && i < n; i++)
                r = check_extent(fd, &index[i], buf, ret_right);
        return r;
}

static int verify_image(int fd, const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct nxc_layer_record record;
        bool right = false;
        int r = nxc_layer_record_read(fd, diff_id, &record, err);

        if (r < 0)
                return r;
        r = check_image(fd, &record, &right);
        if (r < 0)
                return nxc_fail(err, -r, "read layer '%s'", diff_id->text);
        if (le64toh(record.diff_id_crc) != nxc_crc64(0, diff_id->text, strlen(diff_id->text)))
                right = false;
        return right ? 0 : changed(diff_id, err);
}

static int verify_directory(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct nxc_error *err)
{
        struct nxc_treehash_opts opts = {
                .mtimes = true, .overlay_marks = true, .content = nxc_treehash_crc64
        };
        _cleanup_json_ json_t *meta = NULL;
        _cleanup_close_ int dir_fd = -EBADF, root_fd = -EBADF;
        char name[NXC_DIGEST_MAX];
        struct nxc_treehash tree;
        const char *recorded;
        int r;

        nxc_layer_dir_name(diff_id, name);
        dir_fd = openat(lfs->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        root_fd = dir_fd < 0
                          ? -1
                          : openat(dir_fd, NXC_LAYER_ROOT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (root_fd < 0)
                return nxc_fail(err, errno, "open layer '%s'", diff_id->text);
        r = nxc_json_load_at(dir_fd, NXC_LAYER_META, NXC_LAYER_META_MAX_BYTES, &meta, err);
        if (r < 0) {
                nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
                return nxc_error_wrap(err, "verify layer '%s'", diff_id->text);
        }
        r = nxc_treehash(root_fd, &opts, &tree, err);
        if (r < 0)
                return nxc_error_wrap(err, "verify layer '%s'", diff_id->text);
        recorded = nxc_json_str(meta, "treeDigest");
        return nxc_streq(recorded, tree.digest.text) ? 0 : changed(diff_id, err);
}

int nxc_layerfs_verify(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!nxc_layerfs_has(lfs, diff_id))
                return nxc_fail_kind(
                        err, NXC_ERR_IMAGE_NOT_FOUND, ENOENT, "find layer '%s' in the store", diff_id->text);
        r = nxc_layer_image_open(lfs, diff_id, &fd, err);
        if (r == -ENOENT)
                return verify_directory(lfs, diff_id, err);
        return r < 0 ? r : verify_image(fd, diff_id, err);
}

/* What lies before the record is compared when the index is used. */
static int verify_index(int fd, const char *name, size_t n_layers, struct nxc_error *err)
{
        size_t len = n_layers * sizeof(struct nxc_index_layer);
        _cleanup_free_ uint8_t *layers = malloc(len);
        struct nxc_layer_record record;
        bool right = false;
        struct stat st;
        int r = 0;

        if (!layers)
                return nxc_oom(err);
        if (fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "stat 'layers/%s'", name);
        if (pread(fd, &record, sizeof(record), st.st_size - (off_t)sizeof(record)) ==
                        (ssize_t)sizeof(record) &&
                pread(fd, layers, len, st.st_size - (off_t)(sizeof(record) + len)) == (ssize_t)len &&
                record.layers_crc == htole64(nxc_crc64(0, layers, len)))
                r = check_image(fd, &record, &right);
        if (r < 0)
                return nxc_fail(err, -r, "read 'layers/%s'", name);
        if (right)
                return 0;
        nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                "verify the index of the layers, 'layers/%s': it was changed since it was made", name);
        nxc_error_hint(err, "nexcage verify --repair makes it again");
        return -EINVAL;
}

int nxc_layerfs_verify_index(struct nxc_layerfs *lfs, const struct nxc_digest *diff_ids, size_t n,
        bool repair, struct nxc_error *err)
{
        char name[NXC_INDEX_NAME_MAX];
        struct nxc_layer_chain *chain;
        int r = nxc_layerfs_hold(lfs, diff_ids, n, &chain, err);

        if (r < 0)
                return r;
        nxc_index_name(diff_ids, n, name);
        if (chain->index_fd >= 0)
                r = verify_index(chain->index_fd, name, n, err);
        nxc_layer_chain_release(chain);
        if (r == -EINVAL && repair && unlinkat(lfs->fd, name, 0) == 0) {
                nxc_info("'layers/%s' was changed; making it again", name);
                if (err)
                        *err = (struct nxc_error){ 0 };
                r = 0;
        }
        return r < 0 || !repair ? r : nxc_layerfs_index(lfs, diff_ids, n, err);
}
