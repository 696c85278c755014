/* See version.h. */
#include "cli/version.h"

#include "backend/backend.h"
#include "cli/commit.h"

#include <stdio.h>

/* The release of runc whose command line and documents we keep. containerd's go-runc, and what is built on
 * it, read a version only from a first line that starts with "runc version "; so that is where we say what
 * we are compatible with, and who we are after the "+", where semantic versions have build metadata. The
 * line after it has nothing but our own. */
#define RUNC_COMPATIBLE "1.2.0"

int nxc_print_version(struct nxc_error *err)
{
        const struct nxc_backend_ops *const *b = nxc_backends();

        printf("runc version " RUNC_COMPATIBLE "+nexcage." NXC_VERSION "\n");
        printf("commit: " NXC_COMMIT "\n");
        printf("spec: 1.3.0\n");
        printf("nexcage version " NXC_VERSION "\n");
        printf("runtimes:");
        for (; *b; b++)
                printf(" %s", (*b)->name);
        putchar('\n');
        return 0;
}
