/* See log.h. One write(2) per line, so that lines of several processes in one log file do not mix. */
#include "core/log.h"

#include "core/cleanup.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES 4096

static struct nxc_log_config config = { .level = NXC_LOG_WARN, .fd = -EBADF };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void nxc_log_setup(const struct nxc_log_config *c)
{
        config = *c;
}

bool nxc_log_is_debug(void)
{
        return config.level >= NXC_LOG_DEBUG;
}

static size_t escape_json(char *out, size_t size, const char *in)
{
        size_t n = 0;

        for (; *in && n + 8 < size; in++) {
                unsigned char c = (unsigned char)*in;

                if (c == '"' || c == '\\') {
                        out[n++] = '\\';
                        out[n++] = (char)c;
                } else if (c < 0x20 || c == 0x7f) {
                        n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
                } else {
                        out[n++] = (char)c;
                }
        }
        out[n] = '\0';
        return n;
}

static void write_line(int fd, const char *line, size_t len)
{
        while (len > 0) {
                ssize_t n = write(fd, line, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return; /* there is nobody left to tell */
                line += n;
                len -= (size_t)n;
        }
}

static void now_rfc3339(char *out, size_t size)
{
        struct timespec ts;
        struct tm tm;
        size_t n;

        clock_gettime(CLOCK_REALTIME, &ts);
        gmtime_r(&ts.tv_sec, &tm);
        n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(out + n, size - n, ".%09ldZ", ts.tv_nsec);
}

static void emit_json(int fd, enum nxc_log_level level, const char *extra, const char *msg)
{
        char line[2 * LINE_MAX_BYTES], text[LINE_MAX_BYTES + LINE_MAX_BYTES / 2], when[64];
        int n;

        now_rfc3339(when, sizeof(when));
        escape_json(text, sizeof(text), msg);
        n = snprintf(line, sizeof(line), "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"%s}\n", level_names[level],
                text, when, extra);
        if (n > 0)
                write_line(fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void emit_text(int fd, enum nxc_log_level level, const char *msg)
{
        char line[LINE_MAX_BYTES + 64];
        int n;

        n = snprintf(line, sizeof(line), "nexcage: %s%s%s\n", level == NXC_LOG_ERROR ? "" : level_names[level],
                level == NXC_LOG_ERROR ? "" : ": ", msg);
        if (n > 0)
                write_line(fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void emit(enum nxc_log_level level, const char *extra, const char *msg)
{
        bool shown = level <= config.level;

        if (config.fd >= 0 && (shown || level <= NXC_LOG_WARN)) {
                if (config.format == NXC_LOG_JSON)
                        emit_json(config.fd, level, extra, msg);
                else
                        emit_text(config.fd, level, msg);
        }
        if (!shown)
                return;
        if (config.fd < 0 && config.format == NXC_LOG_JSON)
                emit_json(STDERR_FILENO, level, extra, msg);
        else if (config.fd < 0 || level <= NXC_LOG_WARN)
                emit_text(STDERR_FILENO, level, msg);
}

static void emit_va(enum nxc_log_level level, const char *fmt, va_list ap)
{
        char msg[LINE_MAX_BYTES];
        int saved = errno;

        if (level <= config.level || (config.fd >= 0 && level <= NXC_LOG_WARN)) {
                vsnprintf(msg, sizeof(msg), fmt, ap);
                emit(level, "", msg);
        }
        errno = saved;
}

#define DEFINE_LOGGER(name, level)            \
        void name(const char *fmt, ...)       \
        {                                     \
                va_list ap;                   \
                va_start(ap, fmt);            \
                emit_va((level), fmt, ap);    \
                va_end(ap);                   \
        }

DEFINE_LOGGER(nxc_debug, NXC_LOG_DEBUG)
DEFINE_LOGGER(nxc_info, NXC_LOG_INFO)
DEFINE_LOGGER(nxc_warn, NXC_LOG_WARN)

void nxc_log_error(const struct nxc_error *err)
{
        char msg[LINE_MAX_BYTES], extra[256];

        snprintf(msg, sizeof(msg), "%s%s%s%s: %s%s%s%s", nxc_error_kind_name(err->kind), err->stage ? " [" : "",
                err->stage ? err->stage : "", err->stage ? "]" : "", err->message, err->hint[0] ? " (hint: " : "",
                err->hint, err->hint[0] ? ")" : "");
        snprintf(extra, sizeof(extra), ",\"kind\":\"%s\",\"stage\":\"%s\"", nxc_error_kind_name(err->kind),
                err->stage ? err->stage : "");
        emit(NXC_LOG_ERROR, extra, msg);
}
