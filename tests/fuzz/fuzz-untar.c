/* Tar archives, unpacked for real into a directory that is removed after each. As root also devices and
 * owners. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char dir[] = "/tmp/nxc-fuzz-XXXXXX";
        struct nxc_tar_source source = { next, (void *)(uintptr_t)data };
        struct nxc_tar_limits limits = { .entries = 100, .bytes = 1 << 20 };
        struct nxc_content_index content = { NULL };
        struct nxc_tar_result result;
        _cleanup_close_ int fd = size > 262144 || !mkdtemp(dir)
                                         ? -1
                                         : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        left = size;
        if (fd >= 0)
                (void)!nxc_untar(fd, &source, &limits, &content, &result, NULL);
        nxc_content_index_done(&content);
        (void)!(fd >= 0 && nxc_remove_tree_at(AT_FDCWD, dir, NULL));
        return 0;
}
