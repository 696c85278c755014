/* See arena.h. */
#include "core/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (64u << 10)
#define ALIGN alignof(max_align_t)

struct nxc_arena_block {
        struct nxc_arena_block *next;
        size_t size; /* of data */
        alignas(max_align_t) uint8_t data[];
};

static struct nxc_arena_block *add_block(struct nxc_arena *a, size_t size)
{
        struct nxc_arena_block *b = malloc(sizeof(*b) + size);

        if (!b)
                return NULL;
        b->size = size;
        b->next = a->blocks;
        a->blocks = b;
        a->left = size;
        return b;
}

void *nxc_arena_take(struct nxc_arena *a, size_t size)
{
        struct nxc_arena_block *b = a->blocks;
        uint8_t *p;

        if (size > SIZE_MAX - ALIGN - BLOCK_BYTES)
                return NULL;
        size = (size + ALIGN - 1) / ALIGN * ALIGN;
        if (a->left < size)
                b = add_block(a, size > BLOCK_BYTES ? size : BLOCK_BYTES);
        if (!b)
                return NULL;
        p = b->data + (b->size - a->left);
        a->left -= size;
        return memset(p, 0, size);
}

char *nxc_arena_strdup(struct nxc_arena *a, const char *s)
{
        size_t n = strlen(s) + 1;
        char *p = nxc_arena_take(a, n);

        return p ? memcpy(p, s, n) : NULL;
}

void nxc_arena_done(struct nxc_arena *a)
{
        while (a->blocks) {
                struct nxc_arena_block *b = a->blocks;

                a->blocks = b->next;
                free(b);
        }
        a->left = 0;
}
