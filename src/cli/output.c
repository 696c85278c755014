/* See output.h. */
#include "cli/output.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/str.h"

#include <string.h>
#include <time.h>

void nxc_table_add(struct nxc_table *t, const char *const *cells)
{
        if (t->n_cells + t->n_columns > t->cap) {
                size_t cap = t->cap ? 2 * t->cap : 8 * t->n_columns;
                char **p = reallocarray(t->cells, cap, sizeof(*p));

                if (!p) {
                        t->failed = true;
                        return;
                }
                t->cells = p;
                t->cap = cap;
        }
        for (size_t i = 0; i < t->n_columns; i++) {
                char *cell = strdup(cells[i] ? cells[i] : "");

                for (char *c = cell; c && *c; c++)
                        if ((unsigned char)*c < 0x20 || *c == 0x7f)
                                *c = '?';
                t->failed |= cell == NULL;
                t->cells[t->n_cells++] = cell;
        }
}

/* Columns of text as a terminal counts them: the bytes that do not continue a UTF-8 character. */
static size_t text_width(const char *s)
{
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

int nxc_table_print(const struct nxc_table *t, struct nxc_error *err)
{
        size_t widths[NXC_TABLE_COLUMNS_MAX] = { 0 };

        if (t->failed)
                return nxc_oom(err);
        for (size_t i = 0; i < t->n_cells; i++) {
                size_t n = text_width(t->cells[i]), *w = &widths[i % t->n_columns];

                *w = n > *w ? n : *w;
        }
        for (size_t i = 0; i < t->n_cells; i++) {
                size_t column = i % t->n_columns;

                fputs(t->cells[i], stdout);
                if (column + 1 == t->n_columns)
                        putchar('\n');
                else
                        printf("%*s", (int)(widths[column] - text_width(t->cells[i]) + 2), "");
        }
        return 0;
}

void nxc_table_done(struct nxc_table *t)
{
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i]);
        nxc_freep(&t->cells);
        t->n_cells = t->cap = 0;
}

int nxc_print_json(const json_t *j, bool indent, struct nxc_error *err)
{
        _cleanup_free_ char *text = nxc_json_format(j, indent);

        if (!text)
                return nxc_oom(err);
        puts(text);
        return 0;
}

void nxc_format_size(uint64_t bytes, char *ret, size_t size)
{
        static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
        double v = (double)bytes;
        size_t u = 0;

        while (v >= 999.5 && u + 1 < NXC_ARRAY_SIZE(units)) {
                v /= 1000;
                u++;
        }
        snprintf(ret, size, "%.*f %s", u && v < 99.95 ? v < 9.995 ? 2 : 1 : 0, v, units[u]);
}

void nxc_format_age(const char *rfc3339, int64_t now, char *ret, size_t size)
{
        static const struct {
                int64_t seconds;
                const char *name;
        } units[] = { { 31536000, "year" }, { 2592000, "month" }, { 604800, "week" }, { 86400, "day" },
                { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
        struct tm tm = { 0 };
        int64_t age;

        ret[0] = '\0';
        if (!rfc3339 || !strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm))
                return;
        age = now - (int64_t)timegm(&tm);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(units); i++) {
                int64_t n = age / units[i].seconds;

                if (n < 1)
                        continue;
                snprintf(ret, size, "%lld %s%s ago", (long long)n, units[i].name, n == 1 ? "" : "s");
                return;
        }
        snprintf(ret, size, "just now");
}

int nxc_finish_stdout(bool *ret_broken, struct nxc_error *err)
{
        *ret_broken = false;
        errno = 0;
        if (fflush(stdout) == 0 && !ferror(stdout))
                return 0;
        if (!errno) /* stdio met it before, and kept no errno: a further byte of the cut output meets it
                       again */
                errno = write(STDOUT_FILENO, "\n", 1) < 0 ? errno : EIO;
        if (errno == EPIPE) {
                *ret_broken = true;
                return 0;
        }
        return nxc_fail(err, errno ? errno : EIO, "write standard output");
}
