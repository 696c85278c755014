/* See intake.h. meta.json of a layer:
 *
 *   diffId       "sha256:..."
 *   plainBytes   of the tar stream
 *   entries      of the tar; paths: of the tree
 *   diskBytes    what it takes, each inode once
 *   treeDigest   of the tree with checksums of contents (treehash-internal.h), what nxc_layerfs_verify
 * compares */
#include "layerfs/intake.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/publish.h"
#include "core/str.h"
#include "layerfs/decompress-internal.h"
#include "layerfs/layerfs-internal.h"
#include "layerfs/pump-internal.h"
#include "layerfs/treehash-internal.h"
#include "layerfs/untar-internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

struct nxc_staged_layer {
        struct nxc_layerfs *lfs; /* borrowed */
        int fd;                  /* the staged directory, locked */
        char name[NXC_STAGING_NAME_MAX];
        struct nxc_digest diff_id;
};

struct intake {
        struct nxc_plain *plain;
        struct nxc_pump *pump;
        const atomic_bool *stop; /* or NULL */
        struct nxc_content_index content;
        struct nxc_tar_result tar;
        struct nxc_treehash tree;
        struct nxc_digest digest;
        uint64_t plain_bytes;
};

static void algorithm_of(const struct nxc_digest *digest, char ret[16])
{
        snprintf(ret, 16, "%.*s", (int)strcspn(digest->text, ":"), digest->text);
}

static int compare_diff_id(
        const struct nxc_digest *want, const struct nxc_digest *got, struct nxc_error *err)
{
        if (nxc_digest_equal(want, got))
                return 0;
        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "verify layer '%s': its contents are '%s'",
                want->text, got->text);
}

int nxc_layer_diff_id(int blob_fd, enum nxc_compression compression, const struct nxc_intake_limits *limits,
        struct nxc_digest *ret, struct nxc_error *err)
{
        return nxc_plain_digest(blob_fd, compression, "sha256", limits ? limits->max_bytes : 0, ret, err);
}

static ssize_t next_block(void *arg, const void **ret, struct nxc_error *err)
{
        struct intake *in = arg;

        if (in->stop && atomic_load(in->stop))
                return nxc_fail_kind(err, NXC_ERR_INTERRUPTED, ECANCELED, "unpack a layer");
        return nxc_pump_next(in->pump, ret, err);
}

/* What was written is known by its inode; the rest (after entries replaced each other) is read. */
static int content_of(void *arg, int dir_fd, const char *name, const struct stat *st, char *ret)
{
        uint64_t crc;

        if (!nxc_content_index_find(arg, st->st_ino, &crc))
                return nxc_treehash_crc64(NULL, dir_fd, name, st, ret);
        snprintf(ret, NXC_CONTENT_TEXT_MAX, "crc64:%016" PRIx64, crc);
        return 0;
}

static int mark(int fd, const char *name, bool wanted, struct nxc_error *err)
{
        return wanted ? nxc_publish_at(fd, name, "", 0, 0600, 0, err) : 0;
}

static int write_record(struct nxc_staged_layer *s, const struct intake *in, struct nxc_error *err)
{
        _cleanup_json_ json_t *meta = json_pack("{s:s, s:I, s:I, s:I, s:I, s:s}", "diffId", s->diff_id.text,
                "plainBytes", (json_int_t)in->plain_bytes, "entries", (json_int_t)in->tar.entries, "paths",
                (json_int_t)in->tree.entries, "diskBytes", (json_int_t)in->tree.disk_bytes, "treeDigest",
                in->tree.digest.text);
        _cleanup_free_ char *text = meta ? nxc_json_format(meta, true) : NULL;
        int r;

        if (!text)
                return nxc_oom(err);
        r = nxc_publish_at(s->fd, NXC_LAYER_META, text, strlen(text), 0600, 0, err);
        if (r == 0)
                r = mark(s->fd, NXC_LAYER_IMPLICIT_ROOT, !in->tar.explicit_root, err);
        if (r == 0)
                r = mark(s->fd, NXC_LAYER_WHITEOUTS, in->tar.whiteouts, err);
        return r;
}

static int open_root(struct nxc_staged_layer *s, int *ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;

        if (mkdirat(s->fd, NXC_LAYER_ROOT, 0755) < 0)
                return nxc_fail(err, errno, "create 'layers/%s/root'", s->name);
        fd = openat(s->fd, NXC_LAYER_ROOT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchmod(fd, 0755) < 0)
                return nxc_fail(err, errno, "open 'layers/%s/root'", s->name);
        fremovexattr(fd, "system.posix_acl_default"); /* inherited from the store; would change every mode */
        *ret = TAKE_FD(fd);
        return 0;
}

static int unpack_into(struct nxc_staged_layer *s, struct intake *in, const struct nxc_intake_limits *limits,
        struct nxc_error *err)
{
        struct nxc_tar_source source = { next_block, in };
        struct nxc_tar_limits most = {
                .entries = limits && limits->max_entries ? limits->max_entries : NXC_TAR_MAX_ENTRIES,
                .bytes = limits && limits->max_bytes ? limits->max_bytes : NXC_PLAIN_MAX_BYTES,
        };
        struct nxc_treehash_opts hash = {
                .mtimes = true, .overlay_marks = true, .content = content_of, .arg = &in->content
        };
        _cleanup_close_ int root_fd = -EBADF;
        int r = open_root(s, &root_fd, err);

        if (r < 0)
                return r;
        r = nxc_pump_open(in->plain, &in->pump, err);
        if (r < 0)
                return r;
        r = nxc_untar(root_fd, &source, &most, &in->content, &in->tar, err);
        nxc_pump_close(in->pump);
        if (r < 0)
                return r;
        nxc_plain_finish(in->plain, &in->digest, &in->plain_bytes);
        r = compare_diff_id(&s->diff_id, &in->digest, err);
        if (r < 0)
                return r;
        hash.no_xattrs = !in->tar.xattrs;
        return nxc_treehash(root_fd, &hash, &in->tree, err);
}

static void free_staged(struct nxc_staged_layer *s)
{
        nxc_closep(&s->fd);
        free(s);
}

void nxc_staged_layer_abandon(struct nxc_staged_layer *staged)
{
        struct nxc_error e = { NXC_ERR_NONE };

        if (!staged)
                return;
        if (nxc_remove_tree_at(staged->lfs->fd, staged->name, &e) < 0)
                nxc_warn("%s, ignoring", e.message);
        free_staged(staged);
}

static int stage_layer(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct intake *in,
        const struct nxc_intake_limits *limits, struct nxc_staged_layer **ret, struct nxc_error *err)
{
        struct nxc_staged_layer *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return nxc_oom(err);
        s->lfs = lfs;
        s->diff_id = *diff_id;
        r = nxc_layerfs_stage(lfs, s->name, &s->fd, err);
        if (r < 0) {
                free(s);
                return r;
        }
        r = unpack_into(s, in, limits, err);
        if (r == 0)
                r = write_record(s, in, err);
        if (r < 0) {
                nxc_staged_layer_abandon(s);
                return r;
        }
        *ret = s;
        return 0;
}

int nxc_layerfs_unpack(struct nxc_layerfs *lfs, int blob_fd, enum nxc_compression compression,
        const struct nxc_digest *diff_id, const struct nxc_intake_limits *limits,
        struct nxc_staged_layer **ret_staged, struct nxc_error *err)
{
        struct intake in = { .stop = limits ? limits->stop : NULL };
        struct nxc_staged_layer *staged = NULL;
        char algorithm[16];
        int r;

        algorithm_of(diff_id, algorithm);
        if (nxc_layerfs_has(lfs, diff_id)) {
                r = nxc_plain_digest(
                        blob_fd, compression, algorithm, limits ? limits->max_bytes : 0, &in.digest, err);
                if (r == 0)
                        r = compare_diff_id(diff_id, &in.digest, err);
        } else {
                r = nxc_plain_open(
                        blob_fd, compression, algorithm, limits ? limits->max_bytes : 0, &in.plain, err);
                if (r == 0)
                        r = stage_layer(lfs, diff_id, &in, limits, &staged, err);
        }
        nxc_plain_close(in.plain);
        nxc_content_index_done(&in.content);
        if (r < 0)
                return r;
        *ret_staged = staged;
        return 0;
}

/* Flushed as a whole before it gets its name: after a power cut a layer that has one is whole. */
int nxc_staged_layer_commit(struct nxc_staged_layer *staged, struct nxc_error *err)
{
        char name[NXC_DIGEST_MAX];
        int lfs_fd, r = 0;

        if (!staged)
                return 0;
        lfs_fd = staged->lfs->fd;
        nxc_layer_dir_name(&staged->diff_id, name);
        if (syncfs(staged->fd) < 0)
                r = nxc_fail(err, errno, "flush layer '%s'", staged->diff_id.text);
        if (r == 0 && renameat2(lfs_fd, staged->name, lfs_fd, name, RENAME_NOREPLACE) < 0) {
                if (errno != EEXIST)
                        r = nxc_fail(err, errno, "name layer '%s'", staged->diff_id.text);
                nxc_staged_layer_abandon(staged);
                return r;
        }
        if (r < 0) {
                nxc_staged_layer_abandon(staged);
                return r;
        }
        free_staged(staged);
        return fsync(lfs_fd) < 0 ? nxc_fail(err, errno, "flush the store's directory 'layers'") : 0;
}

int nxc_layerfs_verify(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, struct nxc_error *err)
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

        if (!nxc_layerfs_has(lfs, diff_id))
                return nxc_fail_kind(
                        err, NXC_ERR_IMAGE_NOT_FOUND, ENOENT, "find layer '%s' in the store", diff_id->text);
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
        if (!nxc_streq(recorded, tree.digest.text)) {
                nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "verify layer '%s': its files were changed since it came in", diff_id->text);
                nxc_error_hint(err, "nexcage verify --repair unpacks it again");
                return -EINVAL;
        }
        return 0;
}
