/* Tar archives, unpacked for real into a directory that is removed after each, and written as an image: both
 * take it or refuse it. As root also devices and owners. */
#include "layerfs/erofs-internal.h"
#include "layerfs/untar-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"

#include <fcntl.h>
#include <sys/stat.h>

static size_t left;

static ssize_t next(void *arg, const void **ret, struct nxc_error *err)
{
        ssize_t n = (ssize_t)left;

        *ret = arg;
        left = 0;
        return n;
}

static int write_image(int dir_fd, const struct nxc_tar_source *source, const struct nxc_tar_limits *limits)
{
        _cleanup_close_ int fd = openat(dir_fd, "image", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        struct nxc_error err = { NXC_ERR_NONE };
        struct nxc_erofs_writer *w = NULL;
        struct nxc_tar_result result;
        struct nxc_erofs_image image;
        uint8_t uuid[16] = { 0 };
        int r = nxc_erofs_open(fd, &w, &err);

        if (r == 0)
                r = nxc_erofs_from_tar(w, source, limits, uuid, &result, &image, &err);
        nxc_erofs_close(w);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char dir[] = "/tmp/nxc-fuzz-XXXXXX";
        struct nxc_tar_source source = { next, (void *)(uintptr_t)data };
        struct nxc_tar_limits limits = { .entries = 100, .bytes = 1 << 20 };
        struct nxc_content_index content = { NULL };
        struct nxc_tar_result result;
        struct nxc_error err = { NXC_ERR_NONE };
        _cleanup_close_ int fd = size > 262144 || !mkdtemp(dir)
                                         ? -1
                                         : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int root = fd < 0 || mkdirat(fd, "root", 0755) < 0 ? -1
                                                                           : openat(fd, "root", O_RDONLY);
        int r = -1;

        left = size;
        if (root >= 0)
                r = nxc_untar(root, &source, &limits, &content, &result, &err);
        left = size;
        /* What the file system refuses, an image may hold. */
        if (root >= 0 && (write_image(fd, &source, &limits) == 0) != (r == 0) && err.kind != NXC_ERR_FILE)
                abort();
        nxc_content_index_done(&content);
        (void)!(fd >= 0 && nxc_remove_tree_at(AT_FDCWD, dir, NULL));
        return 0;
}
