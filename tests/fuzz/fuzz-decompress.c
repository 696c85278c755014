/* Layer blobs, decompressed: the first byte chooses what the media type says. */
#include "layerfs/decompress-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
        struct nxc_digest digest;

        if (fd < 0 || size < 1 || size > 65536 || nxc_write_all(fd, data + 1, size - 1) < 0)
                return 0;
        (void)!nxc_plain_digest(fd, NULL, data[0] % 3, "sha256", 16 << 20, &digest, NULL);
        return 0;
}
