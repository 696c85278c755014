/* See engine.h: importing an OCI layout directory, an oci-archive or a docker-archive. Each is a source like
 * a registry is one (take-in.c). */
#include "engine/import-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "engine/engine-internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK (256u << 10)

struct import {
        struct nxc_engine_ctx *ctx;
        char *path, *selector;
        enum nxc_import_kind kind;
        const char *platform;
        const struct nxc_reference *name; /* given by the user, or NULL */
        struct nxc_intake *intake;
        struct nxc_document root;
        struct nxc_reference own_name; /* the source's */
        struct nxc_strv more_names;    /* the source's others */
        bool has_own_name;
};

struct layout_source {
        struct nxc_source source;
        int dir_fd;
};

struct archive_source {
        struct nxc_source source;
        struct nxc_archive archive;
        struct nxc_intake *intake;
};

static int open_layout_blob(
        struct layout_source *s, const struct nxc_descriptor *desc, int *ret_fd, struct nxc_error *err)
{
        char path[NXC_DIGEST_MAX + 8];
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        nxc_digest_blob_path(&desc->digest, path, sizeof(path));
        fd = nxc_beneath_open(s->dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
        if (fd < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, -fd, "open blob '%s' of '%s'",
                        desc->digest.text, s->source.what);
        if (fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "stat blob '%s' of '%s'", desc->digest.text, s->source.what);
        if (!S_ISREG(st.st_mode))
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "blob '%s' of '%s' is not a regular file", desc->digest.text, s->source.what);
        if (desc->size && (uint64_t)st.st_size != desc->size)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "blob '%s' of '%s' has %llu bytes instead of %llu", desc->digest.text,
                        s->source.what, (unsigned long long)st.st_size, (unsigned long long)desc->size);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* Reads a document and compares its digest. */
static int read_document(int fd, const char *what, const struct nxc_descriptor *desc,
        struct nxc_document *ret, struct nxc_error *err)
{
        struct nxc_document doc = { .desc = *desc };
        char algorithm[8];
        struct nxc_digest got;
        size_t len = 0;
        int r = nxc_read_fd(fd, NXC_MANIFEST_MAX_BYTES, &doc.data, &len, err, desc->digest.text);

        if (r == -EFBIG)
                nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
        snprintf(algorithm, sizeof(algorithm), "%.6s", desc->digest.text);
        if (r == 0)
                r = nxc_hash_buffer(algorithm, doc.data, len, &got, err);
        if (r == 0 && !nxc_digest_equal(&got, &desc->digest))
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "manifest '%s' of '%s' has digest '%s'",
                        desc->digest.text, what, got.text);
        if (r == 0 && desc->size && desc->size != len)
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "manifest '%s' of '%s' has %zu bytes instead of %llu", desc->digest.text, what, len,
                        (unsigned long long)desc->size);
        if (r < 0) {
                nxc_document_done(&doc);
                return r;
        }
        doc.desc.size = len;
        *ret = doc;
        return 0;
}

static int layout_get_document(struct nxc_source *src, const struct nxc_descriptor *desc,
        struct nxc_document *ret, struct nxc_error *err)
{
        struct layout_source *s = (struct layout_source *)src;
        _cleanup_close_ int fd = -EBADF;
        int r = open_layout_blob(s, desc, &fd, err);

        return r < 0 ? r : read_document(fd, src->what, desc, ret, err);
}

static int layout_get_blob(struct nxc_source *src, const struct nxc_descriptor *desc,
        struct nxc_blob_writer *w, nxc_bytes_fn fn, void *arg, struct nxc_error *err)
{
        _cleanup_free_ char *chunk = malloc(CHUNK);
        _cleanup_close_ int fd = -EBADF;
        int r = chunk ? open_layout_blob((struct layout_source *)src, desc, &fd, err) : nxc_oom(err);

        if (r == 0 && nxc_blob_writer_size(w) > 0) /* all of it is at hand: nothing is gained by going on */
                r = nxc_blob_writer_rewind(w, err);
        while (r == 0) {
                ssize_t n = read(fd, chunk, CHUNK);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return nxc_fail(err, errno, "read blob '%s' of '%s'", desc->digest.text, src->what);
                if (n == 0)
                        break;
                r = nxc_blob_writer_write(w, chunk, (size_t)n, err);
                if (r == 0 && fn)
                        fn(arg, nxc_blob_writer_size(w));
        }
        return r;
}

static int layout_check_blob(
        struct nxc_source *src, const struct nxc_descriptor *desc, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        char algorithm[8];
        struct nxc_digest got;
        int r = open_layout_blob((struct layout_source *)src, desc, &fd, err);

        snprintf(algorithm, sizeof(algorithm), "%.6s", desc->digest.text);
        if (r == 0)
                r = nxc_hash_fd(algorithm, fd, &got, NULL, err);
        if (r == 0 && !nxc_digest_equal(&got, &desc->digest))
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "blob '%s' of '%s' has digest '%s'",
                        desc->digest.text, src->what, got.text);
        return r;
}

/* A blob that the archive has under its name; the staging area has it under the digest that it really
 * has. */
static int check_archive_blob(
        struct archive_source *s, const struct nxc_descriptor *desc, struct nxc_error *err)
{
        char path[NXC_DIGEST_MAX + 8];
        const struct nxc_archive_file *f;

        nxc_digest_blob_path(&desc->digest, path, sizeof(path));
        f = nxc_archive_find(&s->archive, path);
        if (!f)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "blob '%s' is not in '%s'",
                        desc->digest.text, s->source.what);
        if (!nxc_digest_equal(&f->desc.digest, &desc->digest))
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "blob '%s' of '%s' has digest '%s'",
                        desc->digest.text, s->source.what, f->desc.digest.text);
        return 0;
}

static int archive_check_blob(
        struct nxc_source *src, const struct nxc_descriptor *desc, struct nxc_error *err)
{
        return check_archive_blob((struct archive_source *)src, desc, err);
}

static int archive_get_document(struct nxc_source *src, const struct nxc_descriptor *desc,
        struct nxc_document *ret, struct nxc_error *err)
{
        struct archive_source *s = (struct archive_source *)src;
        _cleanup_close_ int fd = -EBADF;
        int r = check_archive_blob(s, desc, err);

        if (r == 0)
                r = nxc_intake_blob_open(s->intake, &desc->digest, &fd, err);
        return r < 0 ? r : read_document(fd, src->what, desc, ret, err);
}

/* Asked only for what is not staged: all that the archive has is. */
static int archive_get_blob(struct nxc_source *src, const struct nxc_descriptor *desc,
        struct nxc_blob_writer *w, nxc_bytes_fn fn, void *arg, struct nxc_error *err)
{
        int r = check_archive_blob((struct archive_source *)src, desc, err);

        return r < 0 ? r
                     : nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "blob '%s' is not in '%s'",
                               desc->digest.text, src->what);
}

static int note_names(
        struct import *im, const struct nxc_candidate *c, bool is_docker, struct nxc_error *err)
{
        if (im->name)
                return 0;
        for (size_t i = 0; i < c->names.n; i++) {
                struct nxc_reference ref;

                if (i > 0 && !is_docker && im->has_own_name && !strchr(c->names.v[i], '/'))
                        continue; /* the plain tag that stands beside containerd's full name */
                if (nxc_candidate_reference(c->names.v[i], is_docker, &ref) < 0) {
                        nxc_warn("'%s': the name '%s' is no reference, ignoring", im->path, c->names.v[i]);
                } else if (!im->has_own_name) {
                        im->own_name = ref;
                        im->has_own_name = true;
                } else if (nxc_strv_take(&im->more_names, nxc_reference_format(&ref)) < 0) {
                        return nxc_oom(err);
                }
        }
        return 0;
}

/* index.json as the index of one image. */
static int index_as_root(struct import *im, const json_t *index, struct nxc_error *err)
{
        struct nxc_document doc = { .data = nxc_json_format(index, false) };
        int r;

        if (!doc.data)
                return nxc_oom(err);
        doc.desc.size = strlen(doc.data);
        r = nxc_hash_buffer("sha256", doc.data, doc.desc.size, &doc.desc.digest, err);
        if (r < 0) {
                nxc_document_done(&doc);
                return r;
        }
        im->root = doc;
        return 0;
}

static int choose_oci(struct import *im, struct nxc_source *src, const json_t *index, struct nxc_error *err)
{
        const struct nxc_candidate *chosen;
        struct nxc_candidates c = { 0 };
        int r = nxc_candidates_of_index(index, &c, err);

        if (r == 0 && c.is_platform_list && !im->selector) {
                r = index_as_root(im, index, err);
        } else if (r == 0) {
                r = nxc_candidates_select(&c, im->selector, im->path, &chosen, err);
                if (r == 0)
                        r = note_names(im, chosen, false, err);
                if (r == 0)
                        r = src->get_document(src, &chosen->desc, &im->root, err);
        }
        nxc_candidates_done(&c);
        return r;
}

static int take_in(struct import *im, struct nxc_source *src, struct nxc_image **ret, struct nxc_error *err)
{
        struct nxc_take_in t = {
                .source = src,
                .intake = im->intake,
                .root = &im->root,
                .platform = im->platform,
                .name = im->name           ? im->name
                        : im->has_own_name ? &im->own_name
                                           : NULL,
        };
        struct nxc_image *image;
        int r = nxc_take_in(im->ctx, &t, &image, err);

        im->intake = t.intake;
        if (r < 0)
                return r;
        for (size_t i = 0; i < im->more_names.n; i++) {
                struct nxc_reference ref;
                struct nxc_error e = { 0 };

                if (nxc_reference_parse(im->more_names.v[i], &ref, &e) < 0 ||
                        nxc_image_tag(im->ctx->images, image, &ref, &e) < 0)
                        nxc_warn("%s, ignoring", e.message);
        }
        *ret = image;
        return 0;
}

static int import_layout(struct import *im, struct nxc_image **ret, struct nxc_error *err)
{
        struct layout_source s = {
                .source = { .what = im->path,
                        .get_document = layout_get_document,
                        .get_blob = layout_get_blob,
                        .check_blob = layout_check_blob },
        };
        _cleanup_close_ int fd = open(im->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_json_ json_t *index = NULL;
        int r;

        if (fd < 0)
                return nxc_fail(err, errno, "open layout '%s'", im->path);
        s.dir_fd = fd;
        r = nxc_json_load_at(fd, "index.json", NXC_MANIFEST_MAX_BYTES, &index, err);
        if (r < 0) {
                if (r != -ENOMEM)
                        nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
                return nxc_error_wrap(err, "layout '%s'", im->path);
        }
        r = choose_oci(im, &s.source, index, err);
        return r < 0 ? r : take_in(im, &s.source, ret, err);
}

/* What a docker-archive's layer is, only its first bytes tell. */
static int layer_media_type(
        struct import *im, const struct nxc_digest *digest, const char **ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        unsigned char magic[4] = { 0 };
        int r = nxc_intake_blob_open(im->intake, digest, &fd, err);

        if (r < 0)
                return r;
        if (pread(fd, magic, sizeof(magic), 0) < 0)
                return nxc_fail(err, errno, "read blob '%s'", digest->text);
        if (magic[0] == 0x1f && magic[1] == 0x8b)
                *ret = "application/vnd.oci.image.layer.v1.tar+gzip";
        else if (memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0)
                *ret = "application/vnd.oci.image.layer.v1.tar+zstd";
        else
                *ret = "application/vnd.oci.image.layer.v1.tar";
        return 0;
}

static int docker_member(struct import *im, const struct nxc_archive *a, const char *name,
        const struct nxc_archive_file **ret, struct nxc_error *err)
{
        *ret = nxc_archive_find(a, name);
        if (!*ret)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "'%s' is named in manifest.json, but not in '%s'", name, im->path);
        return 0;
}

static json_t *descriptor_json(const char *media_type, const struct nxc_descriptor *d)
{
        return json_pack("{s:s, s:s, s:I}", "mediaType", media_type, "digest", d->digest.text, "size",
                (json_int_t)d->size);
}

/* The OCI manifest that says what manifest.json says. The same archive always gives the same one. */
static int compose_manifest(struct import *im, const struct nxc_archive *a,
        const struct nxc_docker_archive_image *docker, json_t **ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *layers = json_array();
        const struct nxc_archive_file *f;
        int r = docker_member(im, a, docker->config, &f, err);
        json_t *config = r < 0 ? NULL : descriptor_json(NXC_MT_OCI_CONFIG, &f->desc);

        for (size_t i = 0; r == 0 && i < docker->layers.n; i++) {
                const char *media_type = NULL;

                r = docker_member(im, a, docker->layers.v[i], &f, err);
                if (r == 0)
                        r = layer_media_type(im, &f->desc.digest, &media_type, err);
                if (r == 0 && json_array_append_new(layers, descriptor_json(media_type, &f->desc)) < 0)
                        r = nxc_oom(err);
        }
        if (r < 0) {
                json_decref(config);
                return r;
        }
        *ret = json_pack("{s:i, s:s, s:o, s:O}", "schemaVersion", 2, "mediaType", NXC_MT_OCI_MANIFEST,
                "config", config, "layers", layers);
        return *ret ? 0 : nxc_oom(err);
}

static int choose_docker(struct import *im, const struct nxc_archive *a, struct nxc_error *err)
{
        _cleanup_json_ json_t *manifest = NULL;
        const struct nxc_candidate *chosen;
        struct nxc_docker_archive docker = { 0 };
        struct nxc_candidates c = { 0 };
        int r = nxc_docker_archive_parse(a->docker, &docker, err);

        if (r == 0)
                r = nxc_candidates_of_docker(&docker, &c, err);
        if (r == 0)
                r = nxc_candidates_select(&c, im->selector, im->path, &chosen, err);
        if (r == 0)
                r = note_names(im, chosen, true, err);
        if (r == 0)
                r = compose_manifest(im, a, &docker.images[chosen->docker], &manifest, err);
        if (r == 0)
                r = index_as_root(im, manifest, err);
        nxc_candidates_done(&c);
        nxc_docker_archive_done(&docker);
        return r;
}

static int import_archive(struct import *im, struct nxc_image **ret, struct nxc_error *err)
{
        struct archive_source s = {
                .source = { .what = im->path,
                        .get_document = archive_get_document,
                        .get_blob = archive_get_blob },
                .intake = im->intake,
        };
        int r = nxc_archive_read(im->path, im->intake, &s.archive, err);

        if (r < 0)
                return r;
        if (s.archive.index && im->kind != NXC_IMPORT_DOCKER_ARCHIVE) {
                s.source.check_blob = archive_check_blob; /* docker's names say no digests */
                r = choose_oci(im, &s.source, s.archive.index, err);
        } else if (s.archive.docker && im->kind != NXC_IMPORT_OCI_ARCHIVE) {
                r = choose_docker(im, &s.archive, err);
        } else {
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "archive '%s' has no %s", im->path,
                        im->kind == NXC_IMPORT_OCI_ARCHIVE      ? "index.json"
                        : im->kind == NXC_IMPORT_DOCKER_ARCHIVE ? "manifest.json"
                                                                : "index.json and no manifest.json");
        }
        if (r == 0)
                r = take_in(im, &s.source, ret, err);
        nxc_archive_done(&s.archive);
        return r;
}

static int import(struct import *im, struct nxc_image **ret, struct nxc_error *err)
{
        struct stat st;
        bool is_dir;
        int r;

        if (nxc_streq(im->path, "-")) {
                is_dir = false;
        } else if (stat(im->path, &st) < 0) {
                r = nxc_fail(err, errno, "open image source '%s'", im->path);
                nxc_error_hint(err, "[oci:]DIR, [oci-archive:]FILE or [docker-archive:]FILE, with :NAME to "
                                    "choose an image");
                return r;
        } else {
                is_dir = S_ISDIR(st.st_mode);
        }
        if (im->kind != NXC_IMPORT_ANY && is_dir != (im->kind == NXC_IMPORT_OCI_DIR))
                return nxc_fail_kind(
                        err, NXC_ERR_USAGE, 0, "'%s' is %s directory", im->path, is_dir ? "a" : "not a");
        r = nxc_intake_begin(im->ctx->images, &im->intake, err);
        if (r < 0)
                return r;
        return is_dir ? import_layout(im, ret, err) : import_archive(im, ret, err);
}

int nxc_engine_import(struct nxc_engine_ctx *ctx, const char *source, const struct nxc_reference *name,
        const char *platform, struct nxc_image **ret, struct nxc_error *err)
{
        struct import im = { .ctx = ctx, .name = name, .platform = platform };
        int r = nxc_import_parse_source(source, &im.kind, &im.path, &im.selector, err);

        if (r == 0)
                r = import(&im, ret, err);
        nxc_intake_abandon(im.intake);
        nxc_document_done(&im.root);
        nxc_strv_done(&im.more_names);
        free(im.path);
        free(im.selector);
        return r;
}
