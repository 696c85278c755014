/* Reading the documents of an image: typed getters that name the field in an InvalidImage. `where` is
 * the path of the object ("manifest.layers[3]"). A member that is null counts as absent, as Go's
 * encoders write it. */
#pragma once

#include "core/error.h"
#include "core/str.h"

#include <jansson.h>

enum nxc_doc_flags {
        NXC_DOC_REQUIRED = 1 << 0,
        NXC_DOC_TEXT = 1 << 1, /* control characters are fine: it never becomes a path, a name or a line of a
                                  file */
};

#define NXC_DOC_WHERE_MAX 96

int nxc_doc_fail(struct nxc_error *err, const char *where, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* All borrowed, NULL when absent; "" is a string. */
int nxc_doc_string(const json_t *o, const char *where, const char *key, int flags, const char **ret,
        struct nxc_error *err);
int nxc_doc_object(
        const json_t *o, const char *where, const char *key, int flags, json_t **ret, struct nxc_error *err);
int nxc_doc_array(
        const json_t *o, const char *where, const char *key, int flags, json_t **ret, struct nxc_error *err);

/* Copies: an array of strings; the keys of an object. */
int nxc_doc_strv(const json_t *o, const char *where, const char *key, int flags, struct nxc_strv *ret,
        struct nxc_error *err);
int nxc_doc_keys(const json_t *o, const char *where, const char *key, int flags, struct nxc_strv *ret,
        struct nxc_error *err);
/* A copy, NULL when absent or "". */
int nxc_doc_dup(
        const json_t *o, const char *where, const char *key, int flags, char **ret, struct nxc_error *err);
