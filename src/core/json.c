/* See json.h. */
#include "core/json.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/str.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* Jansson 2.14 goes on where some allocations fail: a string that it reads loses a byte, a key that it
 * writes loses its quote, and success is reported; when the byte is the closing quote, it reads past its
 * buffer, unless the next allocation fails, too. And who builds a document has as many ways to lose a
 * member. So we watch the allocator instead of each call. */
static _Thread_local bool starved, parsing;

static void *watched_malloc(size_t size)
{
        void *p = parsing && starved ? NULL : malloc(size);

        starved |= p == NULL;
        return p;
}

__attribute__((constructor)) static void watch_jansson(void)
{
        json_set_alloc_funcs(watched_malloc, free);
}

bool nxc_json_starved(void)
{
        bool was = starved;

        starved = false;
        return was;
}

void nxc_json_starve(void)
{
        starved = true;
}

/* jansson has a fixed depth of 2048; we look before it recurses. */
static bool too_deep(const char *text, size_t len)
{
        bool in_string = false;
        int depth = 0;

        for (size_t i = 0; i < len; i++) {
                char c = text[i];

                if (in_string && c == '\\')
                        i++;
                else if (c == '"')
                        in_string = !in_string;
                else if (!in_string && (c == '{' || c == '['))
                        depth++;
                else if (!in_string && (c == '}' || c == ']'))
                        depth--;
                if (depth > NXC_JSON_MAX_DEPTH)
                        return true;
        }
        return false;
}

static bool real_as_u64(double d, uint64_t *ret)
{
        if (d < 0x1p63 || d > 0x1p64)
                return false;
        *ret = d < 0x1p64 ? (uint64_t)d : UINT64_MAX;
        return true;
}

/* jansson's integers are signed, but configurations hold 18446744073709551615 (an unlimited rlimit) and
 * other unsigned ones. They become reals of the same length ("184467440737095516e2": what is cut is less
 * than half of the distance between two reals there), so that lines and columns stay. NULL: there are none
 * that a real can hold. */
static char *widen_integers(const char *text, size_t len)
{
        char *copy = watched_malloc(len + 1);
        bool in_string = false, any = false;

        if (!copy)
                return NULL;
        memcpy(copy, text, len);
        copy[len] = '\0';
        for (size_t i = 0, n; i < len; i += n) {
                unsigned long long v;

                n = 1;
                if (in_string && copy[i] == '\\') {
                        n = 2;
                        continue;
                }
                if (copy[i] == '"')
                        in_string = !in_string;
                if (in_string || !isdigit((unsigned char)copy[i]))
                        continue;
                n = strspn(copy + i, "0123456789");
                if (n < 19 || (i > 0 && strchr("-+.eE", copy[i - 1])) || strchr(".eE", copy[i + n]))
                        continue; /* part of a real; or the end, where no number of a document stands */
                errno = 0;
                v = strtoull(copy + i, NULL, 10);
                if (errno || v <= INT64_MAX || (v != UINT64_MAX && v % 2048 != 0))
                        continue;
                memcpy(copy + i + n - 2, "e2", 2);
                any = true;
        }
        if (!any) {
                free(copy);
                return NULL;
        }
        return copy;
}

/* Of one parse only: what was lost before stays for nxc_json_format to tell. */
static json_t *load(const char *text, size_t len, json_error_t *je, bool *ret_starved)
{
        bool before = nxc_json_starved();
        json_t *j;

        *je = (json_error_t){ 0 }; /* jansson leaves it alone when it does not come as far */
        parsing = true;
        j = json_loadb(text, len, JSON_REJECT_DUPLICATES, je);
        if (!j && json_error_code(je) == json_error_numeric_overflow) {
                _cleanup_free_ char *wide = widen_integers(text, len);

                if (wide)
                        j = json_loadb(wide, len, JSON_REJECT_DUPLICATES, je);
        }
        parsing = false;
        *ret_starved = starved;
        starved = before;
        return j;
}

static int parse(
        const char *text, size_t len, const char *what, bool quote, json_t **ret, struct nxc_error *err)
{
        bool out_of_memory;
        json_error_t je;
        json_t *j;

        if (too_deep(text, len))
                return nxc_fail_kind(err, NXC_ERR_INVALID_JSON, 0, "parse %s: nested deeper than %d levels",
                        what, NXC_JSON_MAX_DEPTH);
        j = load(text, len, &je, &out_of_memory);
        if (out_of_memory) {
                json_decref(j);
                return nxc_oom(err);
        }
        if (!j)
                return nxc_fail_kind(err, NXC_ERR_INVALID_JSON, 0, "parse %s: line %d, column %d: %s", what,
                        je.line, je.column, quote ? je.text : "not valid JSON");
        *ret = j;
        return 0;
}

int nxc_json_parse(const char *text, size_t len, const char *what, json_t **ret, struct nxc_error *err)
{
        return parse(text, len, what, true, ret, err);
}

int nxc_json_parse_secret(
        const char *text, size_t len, const char *what, json_t **ret, struct nxc_error *err)
{
        return parse(text, len, what, false, ret, err);
}

int nxc_json_load_at(int dirfd, const char *path, size_t limit, json_t **ret, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r = nxc_read_file_at(dirfd, path, limit, &text, &len, err);

        if (r < 0)
                return r;
        return nxc_json_parse(text, len, path, ret, err);
}

/* Reals from 2^63 to 2^64 as the integers they stand for, the last one as 2^64-1. NULL: out of memory. */
static char *narrow_integers(const char *text)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        const char *from = text;
        bool in_string = false;
        size_t n;

        for (const char *p = text; *p; p += n) {
                uint64_t v;

                n = in_string && *p == '\\' ? 2 : 1;
                if (*p == '"')
                        in_string = !in_string;
                if (in_string || !isdigit((unsigned char)*p))
                        continue;
                n = strspn(p, "0123456789.eE+-");
                if (!memchr(p, 'e', n) || !real_as_u64(strtod(p, NULL), &v) || (p > text && p[-1] == '-'))
                        continue;
                if (nxc_buf_add(&out, from, (size_t)(p - from)) < 0 ||
                        nxc_buf_printf(&out, "%" PRIu64, v) < 0)
                        return NULL;
                from = p + n;
        }
        return nxc_buf_puts(&out, from) < 0 ? NULL : TAKE_PTR(out.data);
}

char *nxc_json_format(const json_t *j, bool indent)
{
        char *text = json_dumps(j, (indent ? JSON_INDENT(2) : JSON_COMPACT) | JSON_ENCODE_ANY), *narrow;

        if (nxc_json_starved())
                nxc_freep(&text);
        if (!text || (!strstr(text, "e18") && !strstr(text, "e19")))
                return text;
        narrow = narrow_integers(text);
        free(text);
        return narrow;
}

json_t *nxc_json_get(const json_t *j, const char *dotted)
{
        while (j && *dotted) {
                char key[128];
                size_t n = strcspn(dotted, ".");

                if (n >= sizeof(key))
                        return NULL;
                memcpy(key, dotted, n);
                key[n] = '\0';
                j = json_object_get(j, key);
                dotted += n;
                dotted += *dotted == '.';
        }
        return (json_t *)j;
}

const char *nxc_json_str(const json_t *j, const char *dotted)
{
        return json_string_value(nxc_json_get(j, dotted));
}

static bool matches(const json_t *value, const char *match)
{
        const char *text = json_string_value(value);

        if (match && match[0] == '=')
                return text && nxc_streq(text, match + 1);
        if (match)
                return text && nxc_starts_with(text, match + 1);
        if (json_is_object(value) || json_is_array(value))
                return json_object_size(value) + json_array_size(value) > 0;
        return value && !json_is_null(value) && !json_is_false(value) && !(text && !*text);
}

bool nxc_json_has(const json_t *j, const char *path, const char *match)
{
        char key[128]; /* not malloc'ed: want of memory must not look like absence */
        size_t n = strcspn(path, ".["), i;
        const json_t *item;

        assert(n < sizeof(key));
        memcpy(key, path, n);
        key[n] = '\0';
        if (n > 0)
                j = json_object_get(j, key);
        path += n;
        if (nxc_starts_with(path, "[]")) {
                path += path[2] == '.' ? 3 : 2;
                json_array_foreach ((json_t *)j, i, item)
                        if (*path ? nxc_json_has(item, path, match) : matches(item, match))
                                return true;
                return false;
        }
        return *path == '.' ? nxc_json_has(j, path + 1, match) : matches(j, match);
}

int nxc_json_u64(const json_t *j, uint64_t *ret)
{
        if (json_is_integer(j) && json_integer_value(j) >= 0)
                *ret = (uint64_t)json_integer_value(j);
        else if (!json_is_real(j) || !real_as_u64(json_real_value(j), ret))
                return -EINVAL;
        return 0;
}
