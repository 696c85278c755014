/* A runtime's log: JSON objects, one per line ({"level","msg","time"} in any order). Lines that are none are
 * skipped: the log is the runtime's, and a half-written last line is no reason to fail. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/json.h"

#include <string.h>

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
