/* See lru.h. uthash keeps its elements in the order in which they were added: what is used is taken out and
 * added again, and so the first one is the least recently used. */
#include "core/lru.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((element)->lost = 1)
#include <uthash.h>

struct entry {
        void *value;
        size_t size;
        int lost; /* there was no memory to find it again */
        UT_hash_handle hh;
        char key[];
};

struct nxc_lru {
        struct entry *entries;
        size_t limit, used;
        void (*release)(void *value);
};

struct nxc_lru *nxc_lru_new(size_t limit, void (*release)(void *value))
{
        struct nxc_lru *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->limit = limit;
        c->release = release;
        return c;
}

static void let_go(struct nxc_lru *c, struct entry *e)
{
        c->used -= e->size;
        c->release(e->value);
        free(e);
}

static void drop(struct nxc_lru *c, struct entry *e)
{
        HASH_DEL(c->entries, e);
        let_go(c, e);
}

void nxc_lru_free(struct nxc_lru *c)
{
        if (!c)
                return;
        while (c->entries)
                drop(c, c->entries);
        free(c);
}

static struct entry *find(struct nxc_lru *c, const char *key)
{
        struct entry *e;

        HASH_FIND_STR(c->entries, key, e);
        return e;
}

/* Behind all others. False: it is lost. */
static int append(struct nxc_lru *c, struct entry *e)
{
        e->lost = 0;
        HASH_ADD_KEYPTR(hh, c->entries, e->key, strlen(e->key), e);
        return !e->lost;
}

void *nxc_lru_get(struct nxc_lru *c, const char *key)
{
        struct entry *e = find(c, key);

        if (!e)
                return NULL;
        HASH_DEL(c->entries, e);
        if (append(c, e))
                return e->value;
        let_go(c, e);
        return NULL;
}

void nxc_lru_put(struct nxc_lru *c, const char *key, void *value, size_t size)
{
        struct entry *e = find(c, key);
        size_t n = strlen(key) + 1;

        if (e)
                drop(c, e);
        while (c->entries && size <= c->limit && c->used > c->limit - size)
                drop(c, c->entries);
        e = size <= c->limit ? malloc(sizeof(*e) + n) : NULL;
        if (e) {
                memcpy(e->key, key, n);
                e->value = value;
                e->size = size;
                if (append(c, e)) {
                        c->used += size;
                        return;
                }
        }
        free(e);
        c->release(value);
}

size_t nxc_lru_count(const struct nxc_lru *c)
{
        return HASH_COUNT(c->entries);
}
