/* JSON: strict parsing with a size cap and a place in errors, and small getters. Uses jansson. */
#pragma once

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void nxc_json_decrefp(json_t **j)
{
        json_decref(*j);
        *j = NULL;
}
#define _cleanup_json_ __attribute__((cleanup(nxc_json_decrefp)))

#define NXC_JSON_MAX_DEPTH 64 /* no document of ours nests deeper; jansson recurses per level */

/* Duplicate keys, trailing text, bad UTF-8, NUL and deep nesting are refused: InvalidJson with line and
 * column. Integers from 2^63 to 2^64-1, which jansson does not have, are kept as reals and written as
 * integers again by nxc_json_format. */
int nxc_json_parse(const char *text, size_t len, const char *what, json_t **ret, struct nxc_error *err);
/* The same of a text that holds a secret: the message does not quote it. */
int nxc_json_parse_secret(
        const char *text, size_t len, const char *what, json_t **ret, struct nxc_error *err);
/* Reads a file of at most limit bytes and parses it. */
int nxc_json_load_at(int dirfd, const char *path, size_t limit, json_t **ret, struct nxc_error *err);
/* Compact, or indented; malloc'ed. NULL: out of memory, now or when this thread made a JSON value since the
 * last format or nxc_json_starved: so who builds a document for this need not check each member. The way to
 * write a document that nxc_json_parse read. */
char *nxc_json_format(const json_t *j, bool indent);

/* Whether jansson was refused memory on this thread since the last format or call of this, other than in a
 * parse. For who builds a document that is not formatted; and for who has told of it otherwise and goes
 * on. */
bool nxc_json_starved(void);
/* Counts as that: what was to go into the document found no memory. */
void nxc_json_starve(void);

/* A member by dotted path ("process.user.uid"), borrowed; NULL when absent. */
json_t *nxc_json_get(const json_t *j, const char *dotted);
/* The string there, borrowed; NULL when absent or not a string. */
const char *nxc_json_str(const json_t *j, const char *dotted);
/* Whether there is a value at a path with elements of arrays ("a[].b", "a[]": any of them). match: NULL: any but
 * null, false, "" and what is empty; "=x": the string x; "^x": a string that begins so. */
bool nxc_json_has(const json_t *j, const char *path, const char *match);
/* The value of a non-negative integer, or -EINVAL; j may be NULL. Knows those of 2^63 and above. */
int nxc_json_u64(const json_t *j, uint64_t *ret);
