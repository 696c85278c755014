/* See engine.h: writing an image out, as an OCI layout in a directory or an archive, or as a docker-archive.
 *
 * Two saves of an image are the same bytes: files sorted by name, no times, no owners. An archive is written
 * beside its target and renamed; a directory is emptied again when something fails. */
#include "engine/save-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct tar {
        struct archive *a;
        const char *target;
};

static int tar_failed(struct tar *t, struct nxc_error *err)
{
        int errnum = archive_errno(t->a);

        if (!errnum && !archive_error_string(t->a)) /* it has words for everything else */
                errnum = ENOMEM;
        return nxc_fail(err, errnum > 0 ? errnum : EIO, "write '%s'", t->target);
}

static int tar_write(void *arg, const void *data, size_t len, struct nxc_error *err)
{
        struct tar *t = arg;

        while (len > 0) {
                la_ssize_t n = archive_write_data(t->a, data, len);

                if (n < 0 || (n == 0 && len > 0))
                        return tar_failed(t, err);
                data = (const char *)data + n;
                len -= (size_t)n;
        }
        return 0;
}

static int tar_header(struct tar *t, const char *path, mode_t type, uint64_t size, struct nxc_error *err)
{
        struct archive_entry *e = archive_entry_new();
        int k;

        if (!e)
                return nxc_oom(err);
        archive_entry_set_pathname(e, path);
        archive_entry_set_filetype(e, type);
        archive_entry_set_perm(e, type == AE_IFDIR ? 0755 : 0644);
        archive_entry_set_size(e, (la_int64_t)size);
        archive_entry_set_mtime(e, 0, 0);
        k = archive_write_header(t->a, e);
        archive_entry_free(e);
        return k == ARCHIVE_OK ? 0 : tar_failed(t, err);
}

/* The directories that the files lie in come before them, once. */
static int tar_directories(
        struct tar *t, const struct nxc_save_files *files, size_t i, struct nxc_error *err)
{
        const char *path = files->v[i].path, *before = i ? files->v[i - 1].path : "";
        int r = 0;

        for (const char *slash = strchr(path, '/'); r == 0 && slash; slash = strchr(slash + 1, '/')) {
                _cleanup_free_ char *dir = strndup(path, (size_t)(slash + 1 - path));

                if (!dir)
                        return nxc_oom(err);
                if (!nxc_starts_with(before, dir))
                        r = tar_header(t, dir, AE_IFDIR, 0, err);
        }
        return r;
}

static int tar_open(struct tar *t, int fd, struct nxc_error *err)
{
        t->a = archive_write_new();
        if (!t->a)
                return nxc_oom(err);
        archive_write_set_format_pax_restricted(t->a);
        archive_write_add_filter_none(t->a);
        archive_write_set_bytes_in_last_block(t->a, 1);
        return archive_write_open_fd(t->a, fd) == ARCHIVE_OK ? 0 : tar_failed(t, err);
}

static int write_archive(struct nxc_engine_ctx *ctx, const struct nxc_save_files *files, int fd,
        const char *target, struct nxc_error *err)
{
        struct tar t = { .target = target };
        int r = tar_open(&t, fd, err);

        for (size_t i = 0; r == 0 && i < files->n; i++) {
                r = tar_directories(&t, files, i, err);
                if (r == 0)
                        r = tar_header(&t, files->v[i].path, AE_IFREG, files->v[i].size, err);
                if (r == 0)
                        r = nxc_save_copy(ctx, &files->v[i], tar_write, &t, err);
        }
        if (r == 0 && archive_write_close(t.a) != ARCHIVE_OK)
                r = tar_failed(&t, err);
        else if (r < 0 && t.a)
                archive_write_fail(t.a); /* no closing blocks: a broken stream must not look whole */
        archive_write_free(t.a);
        return r;
}

static int save_to_stdout(
        struct nxc_engine_ctx *ctx, const struct nxc_save_files *files, struct nxc_error *err)
{
        if (isatty(STDOUT_FILENO)) {
                nxc_fail_kind(err, NXC_ERR_USAGE, 0, "an archive is not written to a terminal");
                nxc_error_hint(err, "redirect the output, or name a file");
                return -EINVAL;
        }
        return write_archive(ctx, files, STDOUT_FILENO, "standard output", err);
}

static int save_to_file(struct nxc_engine_ctx *ctx, const struct nxc_save_files *files, const char *target,
        struct nxc_error *err)
{
        _cleanup_free_ char *temp = nxc_strf("%s.tmp-%d", target, (int)getpid());
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        if (!temp)
                return nxc_oom(err);
        if (stat(target, &st) == 0 &&
                !S_ISREG(st.st_mode)) { /* a FIFO or /dev/null is written to as it is */
                fd = open(target, O_WRONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0)
                        return nxc_fail(err, errno, "open '%s'", target);
                return write_archive(ctx, files, fd, target, err);
        }
        fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd < 0)
                return nxc_fail(err, errno, "create '%s'", target);
        r = write_archive(ctx, files, fd, target, err);
        if (r == 0 && fsync(fd) < 0)
                r = nxc_fail(err, errno, "flush '%s'", target);
        if (r == 0 && rename(temp, target) < 0)
                r = nxc_fail(err, errno, "write '%s'", target);
        if (r < 0)
                unlink(temp);
        return r;
}

static int is_empty_dir(int fd, const char *target, struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        dir = copy < 0 ? NULL : fdopendir(copy);
        if (!dir) {
                nxc_closep(&copy);
                return nxc_fail(err, errno, "read directory '%s'", target);
        }
        while ((de = readdir(dir))) {
                if (!nxc_streq(de->d_name, ".") && !nxc_streq(de->d_name, ".."))
                        return nxc_fail(err, ENOTEMPTY, "save to directory '%s'", target);
        }
        return 0;
}

struct out_file {
        int fd;
        const char *path;
};

static int file_write(void *arg, const void *data, size_t len, struct nxc_error *err)
{
        struct out_file *f = arg;
        int r = nxc_write_all(f->fd, data, len);

        return r < 0 ? nxc_fail(err, -r, "write '%s'", f->path) : 0;
}

static int make_parents(int dir_fd, const char *path, struct nxc_error *err)
{
        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                _cleanup_free_ char *dir = strndup(path, (size_t)(slash - path));

                if (!dir)
                        return nxc_oom(err);
                if (mkdirat(dir_fd, dir, 0755) < 0 && errno != EEXIST)
                        return nxc_fail(err, errno, "create directory '%s'", dir);
        }
        return 0;
}

static int write_file(
        struct nxc_engine_ctx *ctx, const struct nxc_save_file *file, int dir_fd, struct nxc_error *err)
{
        struct out_file f = { .path = file->path };
        int r = make_parents(dir_fd, file->path, err);

        if (r < 0)
                return r;
        f.fd = openat(dir_fd, file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (f.fd < 0)
                return nxc_fail(err, errno, "create '%s'", file->path);
        r = nxc_save_copy(ctx, file, file_write, &f, err);
        nxc_closep(&f.fd);
        return r;
}

static void empty_dir(const struct nxc_save_files *files, int dir_fd)
{
        for (size_t i = 0; i < files->n; i++) {
                _cleanup_free_ char *top = strndup(files->v[i].path, strcspn(files->v[i].path, "/"));

                if (top)
                        nxc_remove_tree_at(dir_fd, top, NULL);
        }
}

static int save_to_dir(struct nxc_engine_ctx *ctx, const struct nxc_save_files *files, const char *target,
        struct nxc_error *err)
{
        bool made = mkdir(target, 0755) == 0;
        _cleanup_close_ int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (fd < 0)
                return nxc_fail(err, errno, "create directory '%s'", target);
        r = is_empty_dir(fd, target, err);
        if (r < 0)
                return r;
        for (size_t i = 0; r == 0 && i < files->n; i++)
                r = write_file(ctx, &files->v[i], fd, err);
        if (r == 0 && syncfs(fd) < 0)
                r = nxc_fail(err, errno, "flush '%s'", target);
        if (r < 0) {
                empty_dir(files, fd);
                if (made)
                        rmdir(target);
                return nxc_error_wrap(err, "save to directory '%s'", target);
        }
        return 0;
}

/* The manifest's own descriptor: nxc_image has its digest only. */
static int plan_oci(struct nxc_engine_ctx *ctx, const struct nxc_image *image,
        struct nxc_descriptor *manifest, struct nxc_save_files *ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r = nxc_image_blob_open(ctx->images, &image->digest, 0, &fd, err);

        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return nxc_fail(err, errno, "stat manifest '%s'", image->digest.text);
        manifest->digest = image->digest;
        manifest->size = (uint64_t)st.st_size;
        return nxc_save_plan_oci(image, manifest, ret, err);
}

int nxc_engine_save(struct nxc_engine_ctx *ctx, const struct nxc_image *image, const char *format,
        const char *target, struct nxc_error *err)
{
        bool is_docker = nxc_streq(format, "docker-archive"), is_dir = nxc_streq(format, "oci-dir");
        struct nxc_descriptor manifest = { 0 };
        struct nxc_save_files files = { 0 };
        int r;

        if (!is_docker && !is_dir && !nxc_streq(format, "oci-archive"))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "'%s' is not a format of images; there are oci-archive, oci-dir and docker-archive",
                        format);
        if (is_dir && nxc_streq(target, "-"))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "a directory is not written to standard output");
        r = is_docker ? nxc_save_plan_docker(ctx, image, &files, err)
                      : plan_oci(ctx, image, &manifest, &files, err);
        if (r == 0)
                r = is_dir                   ? save_to_dir(ctx, &files, target, err)
                    : nxc_streq(target, "-") ? save_to_stdout(ctx, &files, err)
                                             : save_to_file(ctx, &files, target, err);
        nxc_save_files_done(&files);
        return r < 0 ? nxc_error_wrap(err, "save image '%s'", image->name ? image->name : image->id.text)
                     : 0;
}
