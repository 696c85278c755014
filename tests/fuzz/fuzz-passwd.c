/* etc/passwd and etc/group of an image. The first line is the user that is asked for. */
#include "core/fs.h"
#include "oci/compose.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char path[] = "/tmp/nexcage-fuzz-XXXXXX";
static int root = -1, passwd, group;

static void clean_up(void)
{
        nxc_remove_tree_at(AT_FDCWD, path, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *nl = size > 16 << 10 ? NULL : memchr(data, '\n', size);
        char user[64] = "";
        struct nxc_user u;

        if (root < 0) {
                root = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
                mkdirat(root, "etc", 0700);
                passwd = openat(root, "etc/passwd", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                group = openat(root, "etc/group", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
                atexit(clean_up);
        }
        if (!nl || (size_t)(nl - data) >= sizeof(user))
                return 0;
        memcpy(user, data, (size_t)(nl - data));
        size -= (size_t)(nl + 1 - data);
        if (ftruncate(passwd, 0) < 0 || ftruncate(group, 0) < 0 || pwrite(passwd, nl + 1, size, 0) < 0 ||
                pwrite(group, nl + 1, size, 0) < 0)
                return 0;
        if (nxc_user_lookup(root, user, &u, NULL) == 0)
                nxc_user_done(&u);
        return 0;
}
