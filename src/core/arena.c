/* See arena.h. The first block is a small one, from malloc. Those that follow come from the kernel with all
 * their pages at once: to be asked for each of them by a page fault costs more than all else that is done
 * here. */
#include "core/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_BYTES (16u << 10)
#define BLOCK_BYTES (256u << 10)
#define ALIGN alignof(max_align_t)

struct nxc_arena_block {
        struct nxc_arena_block *next;
        size_t size; /* of data */
        bool mapped;
        alignas(max_align_t) uint8_t data[];
};

static struct nxc_arena_block *map_block(size_t size)
{
        struct nxc_arena_block *b = mmap(NULL, sizeof(*b) + size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

        if (b == MAP_FAILED)
                return NULL;
        b->mapped = true;
        return b;
}

static struct nxc_arena_block *add_block(struct nxc_arena *a, size_t size)
{
        struct nxc_arena_block *b;

        if (!a->blocks && size <= FIRST_BYTES) {
                size = FIRST_BYTES;
                b = calloc(1, sizeof(*b) + size);
        } else {
                if (size <= BLOCK_BYTES - sizeof(*b))
                        size = BLOCK_BYTES - sizeof(*b);
                b = map_block(size);
        }
        if (!b)
                return NULL;
        b->size = size;
        b->next = a->blocks;
        a->blocks = b;
        a->left = size;
        return b;
}

static void *take(struct nxc_arena *a, size_t size, size_t align)
{
        struct nxc_arena_block *b = a->blocks;
        size_t skip = b ? (align - (b->size - a->left) % align) % align : 0;

        if (size > SIZE_MAX / 2)
                return NULL;
        if (a->left < size + skip) {
                b = add_block(a, size);
                skip = 0;
        }
        if (!b)
                return NULL;
        a->left -= skip + size;
        return b->data + (b->size - a->left - size);
}

/* The size of a type is a multiple of its alignment. */
void *nxc_arena_take(struct nxc_arena *a, size_t size)
{
        size_t align = size & -size;

        return take(a, size, align == 0 || align > ALIGN ? ALIGN : align);
}

char *nxc_arena_strdup(struct nxc_arena *a, const char *s)
{
        size_t n = strlen(s) + 1;
        char *p = take(a, n, 1);

        return p ? memcpy(p, s, n) : NULL;
}

void nxc_arena_done(struct nxc_arena *a)
{
        while (a->blocks) {
                struct nxc_arena_block *b = a->blocks;

                a->blocks = b->next;
                if (b->mapped)
                        munmap(b, sizeof(*b) + b->size);
                else
                        free(b);
        }
        a->left = 0;
}
