/* See str.h. */
#include "core/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int grow(struct nxc_buf *b, size_t more)
{
        size_t need = b->len + more + 1, cap = b->cap ? b->cap : 256;
        char *p;

        if (need < more || (b->limit && b->len + more > b->limit))
                return -EFBIG;
        if (need <= b->cap)
                return 0;
        while (cap < need)
                cap *= 2;
        p = realloc(b->data, cap);
        if (!p)
                return -ENOMEM;
        b->data = p;
        b->cap = cap;
        return 0;
}

int nxc_buf_add(struct nxc_buf *b, const void *data, size_t len)
{
        int r = grow(b, len);

        if (r < 0)
                return r;
        if (len)
                memcpy(b->data + b->len, data, len);
        b->len += len;
        b->data[b->len] = '\0';
        return 0;
}

int nxc_buf_puts(struct nxc_buf *b, const char *s)
{
        return nxc_buf_add(b, s, strlen(s));
}

int nxc_buf_printf(struct nxc_buf *b, const char *fmt, ...)
{
        va_list ap;
        int n, r;

        va_start(ap, fmt);
        n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n < 0)
                return -EINVAL;
        r = grow(b, (size_t)n);
        if (r < 0)
                return r;
        va_start(ap, fmt);
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
        b->len += (size_t)n;
        return 0;
}

void nxc_buf_done(struct nxc_buf *b)
{
        nxc_freep(&b->data);
        b->len = b->cap = 0;
}

int nxc_strv_take(struct nxc_strv *s, char *item)
{
        if (!item)
                return -ENOMEM;
        if (s->n + 2 > s->cap) {
                size_t cap = s->cap ? 2 * s->cap : 8;
                char **v = reallocarray(s->v, cap, sizeof(*v));

                if (!v) {
                        free(item);
                        return -ENOMEM;
                }
                s->v = v;
                s->cap = cap;
        }
        s->v[s->n++] = item;
        s->v[s->n] = NULL;
        return 0;
}

int nxc_strv_add(struct nxc_strv *s, const char *item)
{
        return nxc_strv_take(s, strdup(item));
}

int nxc_strv_addf(struct nxc_strv *s, const char *fmt, ...)
{
        va_list ap;
        char *p;
        int n;

        va_start(ap, fmt);
        n = vasprintf(&p, fmt, ap);
        va_end(ap);
        return nxc_strv_take(s, n < 0 ? NULL : p);
}

void nxc_strv_done(struct nxc_strv *s)
{
        for (size_t i = 0; i < s->n; i++)
                free(s->v[i]);
        free(s->v);
        *s = (struct nxc_strv){ 0 };
}

char *nxc_strf(const char *fmt, ...)
{
        va_list ap;
        char *p;
        int n;

        va_start(ap, fmt);
        n = vasprintf(&p, fmt, ap);
        va_end(ap);
        return n < 0 ? NULL : p;
}

bool nxc_starts_with(const char *s, const char *prefix)
{
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool nxc_ends_with(const char *s, const char *suffix)
{
        size_t n = strlen(s), k = strlen(suffix);

        return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

int nxc_parse_u64(const char *s, uint64_t *ret)
{
        unsigned long long v;
        char *end;

        if (!isdigit((unsigned char)s[0]))
                return -EINVAL;
        errno = 0;
        v = strtoull(s, &end, 10);
        if (errno)
                return -errno;
        if (*end)
                return -EINVAL;
        *ret = v;
        return 0;
}

int nxc_parse_i64(const char *s, int64_t *ret)
{
        long long v;
        char *end;

        if (!isdigit((unsigned char)s[0]) && !(s[0] == '-' && isdigit((unsigned char)s[1])))
                return -EINVAL;
        errno = 0;
        v = strtoll(s, &end, 10);
        if (errno)
                return -errno;
        if (*end)
                return -EINVAL;
        *ret = v;
        return 0;
}

/* Decimal digits with at most one point; rejects what strtod would also take (hex, inf, nan, exponents). */
static int parse_decimal(const char *s, double *ret, const char **ret_end)
{
        const char *p = s;
        bool point = false;

        while (isdigit((unsigned char)*p) || (*p == '.' && !point && p > s)) {
                point |= *p == '.';
                p++;
        }
        if (p == s || p - s > 32)
                return -EINVAL;
        *ret = strtod(s, NULL);
        *ret_end = p;
        return 0;
}

int nxc_parse_size(const char *s, uint64_t *ret_bytes)
{
        static const char units[] = "bkmgt";
        const char *end, *u;
        double v;
        int shift = 0;

        if (nxc_parse_u64(s, ret_bytes) == 0) /* exactly, also past what a double holds */
                return 0;
        if (parse_decimal(s, &v, &end) < 0)
                return -EINVAL;
        if (*end) {
                u = strchr(units, tolower((unsigned char)*end));
                if (!u)
                        return -EINVAL;
                shift = (int)(u - units) * 10;
                end++;
                if (shift && tolower((unsigned char)end[0]) == 'i')
                        end++;
                if (shift && tolower((unsigned char)end[0]) == 'b')
                        end++;
                if (*end)
                        return -EINVAL;
        }
        v = ldexp(v, shift);
        if (v >= 0x1p63)
                return -ERANGE;
        *ret_bytes = (uint64_t)v;
        return 0;
}

int nxc_parse_duration(const char *s, uint64_t *ret_ms)
{
        static const struct {
                const char *suffix;
                double ms;
        } units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
        const char *end;
        double v;

        if (parse_decimal(s, &v, &end) < 0)
                return -EINVAL;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(units); i++) {
                if (!nxc_streq(end, units[i].suffix))
                        continue;
                if (v * units[i].ms >= 0x1p53)
                        return -ERANGE;
                *ret_ms = (uint64_t)(v * units[i].ms);
                return 0;
        }
        return -EINVAL;
}

bool nxc_has_control(const char *s)
{
        for (; *s; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7f)
                        return true;
        return false;
}

int nxc_grow(void *v, size_t n, size_t *cap, size_t size)
{
        void **p = v, *more;
        size_t new_cap = *cap ? 2 * *cap : 64;

        if (n < *cap)
                return 0;
        more = reallocarray(*p, new_cap, size);
        if (!more)
                return -ENOMEM;
        *p = more;
        *cap = new_cap;
        return 0;
}
