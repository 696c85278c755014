/* Strings: a growing buffer, a vector of strings (argv, envp), strict numbers. */
#pragma once

#include "core/cleanup.h"
#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing byte buffer, always NUL terminated once something was added. */
struct nxc_buf {
        char *data;
        size_t len, cap;
        size_t limit; /* the most bytes it may hold; 0: no limit. More is -EFBIG */
};

int nxc_buf_add(struct nxc_buf *b, const void *data, size_t len);
int nxc_buf_puts(struct nxc_buf *b, const char *s);
int nxc_buf_printf(struct nxc_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void nxc_buf_done(struct nxc_buf *b);
#define _cleanup_buf_ _cleanup_(nxc_buf_done)

/* A NULL terminated vector of owned strings. */
struct nxc_strv {
        char **v;
        size_t n, cap;
};

int nxc_strv_add(struct nxc_strv *s, const char *item); /* copies; 0 or -ENOMEM */
int nxc_strv_addf(struct nxc_strv *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int nxc_strv_take(
        struct nxc_strv *s, char *item); /* takes ownership, also on failure; NULL counts as ENOMEM */
void nxc_strv_done(struct nxc_strv *s);
#define _cleanup_strv_ _cleanup_(nxc_strv_done)

/* A malloc'ed formatted string, or NULL (out of memory). */
char *nxc_strf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc));

static inline bool nxc_streq(const char *a, const char *b)
{
        return a == b || (a && b && __builtin_strcmp(a, b) == 0);
}
bool nxc_starts_with(const char *s, const char *prefix);
bool nxc_ends_with(const char *s, const char *suffix);

/* Whole-string decimal; -EINVAL or -ERANGE otherwise. No sign for u64, no blanks. */
int nxc_parse_u64(const char *s, uint64_t *ret);
int nxc_parse_i64(const char *s, int64_t *ret);
/* "64m", "1g", "512", "1.5g" with b k m g t suffixes (powers of 1024), as podman's --memory. */
int nxc_parse_size(const char *s, uint64_t *ret_bytes);
/* "10s", "5m", "1h", "250ms" or a plain number of seconds, to milliseconds. */
int nxc_parse_duration(const char *s, uint64_t *ret_ms);
/* True when the text holds a control character (below 0x20, or 0x7f). */
bool nxc_has_control(const char *s);

/* Room for one more behind n entries of size bytes: *v, a pointer to them, is realloc'ed to twice as many when it
 * is full. 0 or -ENOMEM. */
int nxc_grow(void *v, size_t n, size_t *cap, size_t size);
