/* See intake.h. A layer becomes an EROFS image (erofs-write.c), whose record layerfs-internal.h has, or a
 * directory (untar.c) with meta.json:
 *
 *   diffId       "sha256:..."
 *   blob         the digest of the blob that it was made of
 *   plainBytes   of the tar stream
 *   entries      of the tar; paths: of the tree
 *   diskBytes    what it takes, each inode once
 *   treeDigest   of the tree with checksums of contents (treehash-internal.h), what nxc_layerfs_verify
 *                compares */
#include "layerfs/intake.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/publish.h"
#include "core/str.h"
#include "layerfs/decompress-internal.h"
#include "layerfs/erofs-internal.h"
#include "layerfs/layerfs-internal.h"
#include "layerfs/pump-internal.h"
#include "layerfs/treehash-internal.h"
#include "layerfs/untar-internal.h"
#include "sys/mount.h"

#include <endian.h>
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
        bool image; /* in the form of an EROFS image, already on the disk; else a directory */
};

struct intake {
        struct nxc_plain *plain;
        struct nxc_pump *pump;
        const atomic_bool *stop;       /* or NULL */
        const struct nxc_digest *blob; /* or NULL */
        struct nxc_content_index content;
        struct nxc_tar_result tar;
        struct nxc_treehash tree;
        struct nxc_digest digest;
        uint64_t plain_bytes;
        bool directory; /* whatever the format is */
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
        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "verify layer '%s': its diff_id is '%s'",
                want->text, got->text);
}

int nxc_layer_diff_id(int blob_fd, enum nxc_compression compression, const struct nxc_intake_limits *limits,
        struct nxc_digest *ret, struct nxc_error *err)
{
        return nxc_plain_digest(
                blob_fd, NULL, compression, "sha256", limits ? limits->max_bytes : 0, ret, err);
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
        _cleanup_json_ json_t *meta = json_pack("{s:s, s:s*, s:I, s:I, s:I, s:I, s:s}", "diffId",
                s->diff_id.text, "blob", in->blob ? in->blob->text : NULL, "plainBytes",
                (json_int_t)in->plain_bytes, "entries", (json_int_t)in->tar.entries, "paths",
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

static struct nxc_tar_limits limits_of(const struct nxc_intake_limits *limits)
{
        return (struct nxc_tar_limits){
                .entries = limits && limits->max_entries ? limits->max_entries : NXC_TAR_MAX_ENTRIES,
                .bytes = limits && limits->max_bytes ? limits->max_bytes : NXC_PLAIN_MAX_BYTES,
        };
}

static int finish_stream(struct nxc_staged_layer *s, struct intake *in, struct nxc_error *err)
{
        nxc_plain_finish(in->plain, &in->digest, &in->plain_bytes);
        return compare_diff_id(&s->diff_id, &in->digest, err);
}

/* --- as a directory --- */

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

static int make_directory(struct nxc_staged_layer *s, struct intake *in,
        const struct nxc_intake_limits *limits, struct nxc_error *err)
{
        struct nxc_tar_source source = { next_block, in };
        struct nxc_tar_limits most = limits_of(limits);
        struct nxc_treehash_opts hash = {
                .mtimes = true, .overlay_marks = true, .content = content_of, .arg = &in->content
        };
        _cleanup_close_ int root_fd = -EBADF;
        int r = open_root(s, &root_fd, err);

        if (r == 0)
                r = nxc_untar(root_fd, &source, &most, &in->content, &in->tar, err);
        if (r == 0)
                r = finish_stream(s, in, err);
        if (r < 0)
                return r;
        hash.no_xattrs = !in->tar.xattrs;
        r = nxc_treehash(root_fd, &hash, &in->tree, err);
        return r < 0 ? r : write_record(s, in, err);
}

/* --- as an EROFS image --- */

/* As a record has it. */
static void pack_blob(const struct nxc_digest *blob, uint8_t ret[32])
{
        memset(ret, 0, 32);
        if (blob && nxc_starts_with(blob->text, "sha256:"))
                nxc_digest_bytes(blob, ret, 32);
}

static void fill_record(struct nxc_layer_record *record, const struct nxc_staged_layer *s,
        const struct intake *in, const struct nxc_erofs_image *image)
{
        *record = (struct nxc_layer_record){
                .flags = htole32((in->tar.explicit_root ? 0u : NXC_LAYER_HAS_IMPLICIT_ROOT) |
                                 (in->tar.whiteouts ? NXC_LAYER_HAS_WHITEOUTS : 0u) |
                                 (image->opaque_root ? NXC_LAYER_HAS_OPAQUE_ROOT : 0u)),
                .diff_id_crc = htole64(nxc_crc64(0, s->diff_id.text, strlen(s->diff_id.text))),
                .plain_bytes = htole64(in->plain_bytes),
                .entries = htole64(in->tar.entries),
                .inodes = htole64(image->inodes),
                .root_mode = htole32(image->root_mode),
                .root_uid = htole32(image->root_uid),
                .root_gid = htole32(image->root_gid),
        };
        pack_blob(in->blob, record->blob);
}

static int create_image(struct nxc_staged_layer *s, int *ret, struct nxc_error *err)
{
        int fd = openat(
                s->fd, NXC_LAYER_STAGED_IMAGE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return nxc_fail(err, errno, "create 'layers/%s/" NXC_LAYER_STAGED_IMAGE "'", s->name);
        *ret = fd;
        return 0;
}

static int write_image(struct nxc_erofs_writer *w, struct nxc_staged_layer *s, struct intake *in,
        const struct nxc_intake_limits *limits, struct nxc_error *err)
{
        struct nxc_tar_source source = { next_block, in };
        struct nxc_tar_limits most = limits_of(limits);
        struct nxc_layer_record record;
        struct nxc_erofs_image image;
        uint8_t uuid[16];
        int r;

        nxc_digest_bytes(&s->diff_id, uuid, sizeof(uuid)); /* the same layer has the same image */
        r = nxc_erofs_from_tar(w, &source, &most, uuid, &in->tar, &image, err);
        if (r == 0)
                r = finish_stream(s, in, err);
        if (r < 0)
                return r;
        fill_record(&record, s, in, &image);
        return nxc_erofs_seal(w, NXC_LAYER_RECORD_MAGIC, NULL, 0, &record);
}

/* Synced here, where other layers are still being worked on, and not when it gets its name. */
static int make_image(struct nxc_staged_layer *s, struct intake *in, const struct nxc_intake_limits *limits,
        struct nxc_error *err)
{
        struct nxc_erofs_writer *w;
        _cleanup_close_ int fd = -EBADF;
        int r = create_image(s, &fd, err);

        if (r == 0)
                r = nxc_erofs_open(fd, &w, err);
        if (r < 0)
                return r;
        r = write_image(w, s, in, limits, err);
        nxc_erofs_close(w);
        if (r == 0 && fsync(fd) < 0)
                r = nxc_fail(err, errno, "flush layer '%s'", s->diff_id.text);
        s->image = true;
        return r;
}

/* An archive of nothing, once. */
static ssize_t end_mark(void *arg, const void **ret, struct nxc_error *err)
{
        static const uint8_t zeros[1024];
        bool *given = arg;
        ssize_t n = *given ? 0 : (ssize_t)sizeof(zeros);

        (void)err;
        *given = true;
        *ret = zeros;
        return n;
}

/* Tries it, on the store's own file system, with an image of nothing. */
static int try_erofs(struct nxc_staged_layer *s, struct nxc_error *err)
{
        bool given = false;
        struct nxc_tar_source nothing = { end_mark, &given };
        struct nxc_tar_limits limits = { 1, 1 };
        struct nxc_erofs_writer *w;
        struct nxc_tar_result result;
        struct nxc_erofs_image image;
        uint8_t uuid[16] = { 0 };
        _cleanup_close_ int fd = -EBADF, mount_fd = -EBADF;
        int r = create_image(s, &fd, err);

        if (r == 0)
                r = nxc_erofs_open(fd, &w, err);
        if (r < 0)
                return r;
        r = nxc_erofs_from_tar(w, &nothing, &limits, uuid, &result, &image, err);
        nxc_erofs_close(w);
        if (r == 0)
                r = nxc_mount_erofs(fd, NULL, 0, &mount_fd, err);
        unlinkat(s->fd, NXC_LAYER_STAGED_IMAGE, 0);
        return r;
}

/* Several threads may ask at once, and get the same answer. */
static bool wants_image(struct nxc_staged_layer *s)
{
        struct nxc_error e = { NXC_ERR_NONE };
        enum nxc_layer_format format = __atomic_load_n(&s->lfs->format, __ATOMIC_RELAXED);

        if (format == NXC_LAYER_AUTO) {
                format = try_erofs(s, &e) == 0 ? NXC_LAYER_EROFS : NXC_LAYER_DIR;
                if (format == NXC_LAYER_DIR)
                        nxc_debug("layers are unpacked into directories: %s", e.message);
                __atomic_store_n(&s->lfs->format, format, __ATOMIC_RELAXED);
        }
        return format == NXC_LAYER_EROFS;
}

/* --- staging --- */

static int unpack_into(struct nxc_staged_layer *s, struct intake *in, const struct nxc_intake_limits *limits,
        struct nxc_error *err)
{
        int r = nxc_pump_open(in->plain, &in->pump, err);

        if (r < 0)
                return r;
        r = !in->directory && wants_image(s) ? make_image(s, in, limits, err)
                                             : make_directory(s, in, limits, err);
        nxc_pump_close(in->pump);
        return r;
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
        if (r < 0) {
                nxc_staged_layer_abandon(s);
                return r;
        }
        *ret = s;
        return 0;
}

struct blob {
        int fd;
        enum nxc_compression compression;
        const struct nxc_digest *diff_id;
};

static int compare_only(
        const struct blob *blob, const struct nxc_intake_limits *limits, struct nxc_error *err)
{
        struct nxc_digest digest;
        char algorithm[16];
        int r;

        algorithm_of(blob->diff_id, algorithm);
        r = nxc_plain_digest(
                blob->fd, limits->feed, blob->compression, algorithm, limits->max_bytes, &digest, err);
        return r < 0 ? r : compare_diff_id(blob->diff_id, &digest, err);
}

static int unpack_once(struct nxc_layerfs *lfs, const struct blob *blob,
        const struct nxc_intake_limits *limits, bool directory, struct nxc_staged_layer **ret,
        struct nxc_error *err)
{
        struct intake in = { .stop = limits->stop, .blob = limits->blob, .directory = directory };
        char algorithm[16];
        int r;

        algorithm_of(blob->diff_id, algorithm);
        r = nxc_plain_open(
                blob->fd, limits->feed, blob->compression, algorithm, limits->max_bytes, &in.plain, err);
        if (r == 0)
                r = stage_layer(lfs, blob->diff_id, &in, limits, ret, err);
        nxc_plain_close(in.plain);
        nxc_content_index_done(&in.content);
        return r;
}

int nxc_layerfs_unpack(struct nxc_layerfs *lfs, int blob_fd, enum nxc_compression compression,
        const struct nxc_digest *diff_id, const struct nxc_intake_limits *limits,
        struct nxc_staged_layer **ret_staged, struct nxc_error *err)
{
        struct blob blob = { blob_fd, compression, diff_id };
        struct nxc_intake_limits none = { 0 };
        struct nxc_error local = { NXC_ERR_NONE };
        struct nxc_staged_layer *staged = NULL;
        int r;

        err = err ? err : &local;
        limits = limits ? limits : &none;
        if (nxc_layerfs_has(lfs, diff_id)) {
                r = compare_only(&blob, limits, err);
        } else {
                r = unpack_once(lfs, &blob, limits, false, &staged, err);
                if (r == -E2BIG && lfs->is_auto) { /* the names of a directory are on the disk */
                        nxc_debug(
                                "layer %s: %s; unpacking it into a directory", diff_id->text, err->message);
                        nxc_error_reset(err);
                        r = unpack_once(lfs, &blob, limits, true, &staged, err);
                }
        }
        if (r < 0)
                return r;
        *ret_staged = staged;
        return 0;
}

/* Flushed as a whole before it gets its name: after a power cut a layer that has one is whole. */
static int name_directory(struct nxc_staged_layer *s, struct nxc_error *err)
{
        char name[NXC_DIGEST_MAX];

        nxc_layer_dir_name(&s->diff_id, name);
        if (syncfs(s->fd) < 0)
                return nxc_fail(err, errno, "flush layer '%s'", s->diff_id.text);
        if (renameat2(s->lfs->fd, s->name, s->lfs->fd, name, RENAME_NOREPLACE) == 0)
                return 1;
        return errno == EEXIST ? 0 : nxc_fail(err, errno, "name layer '%s'", s->diff_id.text);
}

static int name_image(struct nxc_staged_layer *s, struct nxc_error *err)
{
        char name[NXC_LAYER_IMAGE_NAME_MAX];

        nxc_layer_image_name(&s->diff_id, name);
        if (renameat2(s->fd, NXC_LAYER_STAGED_IMAGE, s->lfs->fd, name, RENAME_NOREPLACE) == 0 ||
                errno == EEXIST)
                return 0;
        return nxc_fail(err, errno, "name layer '%s'", s->diff_id.text);
}

int nxc_staged_layer_commit(struct nxc_staged_layer *staged, struct nxc_error *err)
{
        int lfs_fd, r;

        if (!staged)
                return 0;
        lfs_fd = staged->lfs->fd;
        r = staged->image ? name_image(staged, err) : name_directory(staged, err);
        if (r > 0)
                free_staged(staged); /* the staged directory is the layer now */
        else
                nxc_staged_layer_abandon(staged);
        if (r < 0)
                return r;
        return fsync(lfs_fd) < 0 ? nxc_fail(err, errno, "flush the store's directory 'layers'") : 0;
}

/* --- what was made of what --- */

static bool directory_is_made_of(
        struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, const struct nxc_digest *blob)
{
        _cleanup_json_ json_t *meta = NULL;
        char path[NXC_LAYER_PATH_MAX], name[NXC_DIGEST_MAX];

        nxc_layer_dir_name(diff_id, name);
        snprintf(path, sizeof(path), "%s/" NXC_LAYER_META, name);
        return nxc_json_load_at(lfs->fd, path, NXC_LAYER_META_MAX_BYTES, &meta, NULL) == 0 &&
               nxc_streq(nxc_json_str(meta, "blob"), blob->text);
}

bool nxc_layerfs_is_made_of(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id,
        const struct nxc_digest *blob, int blob_fd, enum nxc_compression compression)
{
        static const uint8_t unknown[32];
        struct nxc_layer_record record;
        _cleanup_close_ int fd = -EBADF;
        uint8_t packed[32];
        int r;

        if (!nxc_plain_begins_as(blob_fd, compression))
                return false;
        r = nxc_layer_image_open(lfs, diff_id, &fd, NULL);
        if (r == -ENOENT)
                return directory_is_made_of(lfs, diff_id, blob);
        pack_blob(blob, packed);
        return r == 0 && nxc_layer_record_read(fd, diff_id, &record, NULL) == 0 &&
               memcmp(packed, unknown, sizeof(packed)) != 0 &&
               memcmp(record.blob, packed, sizeof(packed)) == 0;
}

/* --- turns --- */

#define TURN_POLL_MS 100 /* how often a waiting one looks whether it is to stop */

int nxc_layerfs_take_turn(struct nxc_layerfs *lfs, const struct nxc_digest *diff_id, const atomic_bool *stop,
        struct nxc_layer_turn *ret, struct nxc_error *err)
{
        struct nxc_layer_turn turn = { .fd = -EBADF };
        char name[NXC_DIGEST_MAX];
        int r = -EBUSY;

        nxc_layer_dir_name(diff_id, name);
        snprintf(turn.name, sizeof(turn.name), NXC_TURN_PREFIX "%s", name);
        for (bool first = true; r == -EBUSY; first = false) {
                struct nxc_error why = { 0 };

                if (stop && atomic_load(stop))
                        return nxc_fail_kind(err, NXC_ERR_INTERRUPTED, ECANCELED, "wait for a layer");
                r = nxc_lock_passing_at(lfs->fd, turn.name, first ? 0 : TURN_POLL_MS, &turn.fd, &why);
                if (r == -EBUSY && first)
                        nxc_info("another process is making layer %s: waiting for it", diff_id->text);
                if (r < 0 && r != -EBUSY) {
                        if (err)
                                *err = why;
                        return r;
                }
        }
        *ret = turn;
        return 0;
}

void nxc_layerfs_end_turn(struct nxc_layerfs *lfs, struct nxc_layer_turn *turn)
{
        nxc_unlock_passing(lfs->fd, turn->name, &turn->fd);
}
