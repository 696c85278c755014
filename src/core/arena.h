/* Memory for many small objects that all go together: one malloc for some hundred of them, and no
 * bookkeeping for each. */
#pragma once

#include <stddef.h>

struct nxc_arena {
        struct nxc_arena_block *blocks; /* the newest first */
        size_t left;                    /* bytes in it */
};

/* Zeroed, aligned for any type of that size; NULL: out of memory. Valid until nxc_arena_done. */
void *nxc_arena_take(struct nxc_arena *a, size_t size);
char *nxc_arena_strdup(struct nxc_arena *a, const char *s);
void nxc_arena_done(struct nxc_arena *a);
