/* tree-digest [--list] [--mtimes] DIR: one SHA-256 over a tree (every path, type, mode, owner, size,
 * content, link, device and xattr), or the lines that it is made of. Two trees with the same digest are the
 * same to a container. */
#include "layerfs/treehash-internal.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <fcntl.h>
#include <stdio.h>

static void print_line(void *arg, const char *text, size_t len)
{
        fwrite(text, 1, len, stdout);
        putchar('\n');
}

int main(int argc, char **argv)
{
        struct nxc_treehash_opts opts = { .content = nxc_treehash_sha256 };
        _cleanup_close_ int fd = -EBADF;
        struct nxc_treehash result;
        struct nxc_error err = { NXC_ERR_NONE };
        int i = 1;

        for (; i < argc && argv[i][0] == '-'; i++) {
                if (nxc_streq(argv[i], "--list"))
                        opts.line = print_line;
                else if (nxc_streq(argv[i], "--mtimes"))
                        opts.mtimes = true;
                else
                        break;
        }
        if (i + 1 != argc) {
                fprintf(stderr, "usage: tree-digest [--list] [--mtimes] DIR\n");
                return 2;
        }
        fd = open(argv[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                perror(argv[i]);
                return 1;
        }
        if (nxc_treehash(fd, &opts, &result, &err) < 0) {
                fprintf(stderr, "tree-digest: %s\n", err.message);
                return 1;
        }
        if (!opts.line)
                puts(result.digest.text);
        return fflush(stdout) == 0 ? 0 : 1;
}
