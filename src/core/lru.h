/* A cache of what costs time to make, by name: the least recently used goes when the whole is too large.
 * Every operation takes the same time, however many there are (uthash, and a list in the order of use). */
#pragma once

#include <stddef.h>

struct nxc_lru;

/* limit: of the sum of the sizes. release gets each value that goes. NULL: out of memory. */
struct nxc_lru *nxc_lru_new(size_t limit, void (*release)(void *value));
void nxc_lru_free(struct nxc_lru *c); /* NULL is fine */

/* The value, which is now the most recently used; or NULL. Valid until the next nxc_lru_put. */
void *nxc_lru_get(struct nxc_lru *c, const char *key);
/* Takes the value, in place of another of that key; one that is larger than the limit, or for which there is
 * no memory, is released at once. */
void nxc_lru_put(struct nxc_lru *c, const char *key, void *value, size_t size);
size_t nxc_lru_count(const struct nxc_lru *c);
