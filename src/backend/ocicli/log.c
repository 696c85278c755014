/* A runtime's log: JSON objects, one per line ({"level","msg","time"} in any order). Lines that are none are
 * skipped: the log is the runtime's, and a half-written last line is no reason to fail. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/json.h"

#include <string.h>

#define SPILL_BYTES 255
#define LINE_MAX_BYTES (64u << 10) /* longer ones are cut off by the runtimes themselves */

static void parse_line(const char *line, size_t len, void (*show)(const char *msg), struct ocicli_log *ret)
{
        _cleanup_json_ json_t *j = NULL;
        const char *level, *msg;

        if (len == 0 || len > LINE_MAX_BYTES || nxc_json_parse(line, len, "log", &j, NULL) < 0)
                return;
        level = nxc_json_str(j, "level");
        msg = nxc_json_str(j, "msg");
        if (!level || !msg)
                return;
        ret->lines++;
        if (nxc_streq(level, "error") || nxc_streq(level, "fatal") || nxc_streq(level, "panic"))
                snprintf(ret->error, sizeof(ret->error), "%s", msg);
        else if (show)
                show(msg);
}

void ocicli_log_parse(const char *text, size_t len, void (*show)(const char *msg), struct ocicli_log *ret)
{
        const char *end = text + len;

        *ret = (struct ocicli_log){ 0 };
        while (text < end) {
                const char *nl = memchr(text, '\n', (size_t)(end - text));

                parse_line(text, (size_t)((nl ? nl : end) - text), show, ret);
                text = nl ? nl + 1 : end;
        }
}

static bool is_entry(const char *line, size_t len)
{
        _cleanup_json_ json_t *j = NULL;

        if (len == 0 || len > LINE_MAX_BYTES || nxc_json_parse(line, len, "log", &j, NULL) < 0)
                return false;
        return nxc_json_str(j, "level") && nxc_json_str(j, "msg");
}

/* Where the lines end that are the runtime's own. */
static const char *end_of_entries(const char *text, const char *end)
{
        while (text < end) {
                const char *nl = memchr(text, '\n', (size_t)(end - text));

                if (!is_entry(text, (size_t)((nl ? nl : end) - text)))
                        break;
                text = nl ? nl + 1 : end;
        }
        return text;
}

/* crun 1.8 reads the terminal of a program that ended before its event loop began in pieces of 255 bytes,
 * and writes each to the log as it is, with a newline after it (flush_fd_to_err). */
int ocicli_log_take_spill(const char *text, size_t *len, struct nxc_buf *out)
{
        const char *end = text + *len, *p = end_of_entries(text, end);
        int r = 0;

        *len = (size_t)(p - text);
        while (p < end && r == 0) {
                size_t n = (size_t)(end - p) > SPILL_BYTES ? SPILL_BYTES : (size_t)(end - p) - 1;

                r = nxc_buf_add(out, p, n);
                if (r == 0 && p[n] != '\n') /* not as expected: nothing is to be lost */
                        r = nxc_buf_add(out, p + n, 1);
                p += n + 1;
        }
        return r;
}
