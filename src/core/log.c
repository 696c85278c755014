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

/* The length of the well-formed UTF-8 sequence at s (Unicode, table 3-7), or 0. */
static size_t utf8_len(const unsigned char *s)
{
        static const struct {
                unsigned char first_min, first_max, second_min, second_max;
                size_t len;
        } forms[] = {
                { 0x01, 0x7f, 0, 0, 1 },
                { 0xc2, 0xdf, 0x80, 0xbf, 2 },
                { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
                { 0xe1, 0xec, 0x80, 0xbf, 3 },
                { 0xed, 0xed, 0x80, 0x9f, 3 },
                { 0xee, 0xef, 0x80, 0xbf, 3 },
                { 0xf0, 0xf0, 0x90, 0xbf, 4 },
                { 0xf1, 0xf3, 0x80, 0xbf, 4 },
                { 0xf4, 0xf4, 0x80, 0x8f, 4 },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(forms); i++) {
                size_t n = 1;

                if (s[0] < forms[i].first_min || s[0] > forms[i].first_max)
                        continue;
                if (forms[i].len > 1 && (s[1] < forms[i].second_min || s[1] > forms[i].second_max))
                        return 0;
                while (++n < forms[i].len)
                        if (s[n] < 0x80 || s[n] > 0xbf)
                                return 0;
                return forms[i].len;
        }
        return 0;
}

/* Engines parse the file, some strictly: what is no UTF-8 becomes U+FFFD, and a cut never falls into a
 * character. */
static void escape_json(char *out, size_t size, const char *in)
{
        size_t n = 0;

        while (*in && n + 8 < size) {
                size_t k = utf8_len((const unsigned char *)in);

                if (k == 0)
                        n += (size_t)snprintf(out + n, size - n, "\\ufffd");
                else if (*in == '"' || *in == '\\')
                        n += (size_t)snprintf(out + n, size - n, "\\%c", *in);
                else if ((unsigned char)*in < 0x20 || *in == 0x7f)
                        n += (size_t)snprintf(out + n, size - n, "\\u%04x", (unsigned char)*in);
                else {
                        memcpy(out + n, in, k);
                        n += k;
                }
                in += k ? k : 1;
        }
        out[n] = '\0';
}

/* A line stays a line, and a terminal sees none of the control characters that an image or a hook may have
 * put into its words. */
static void escape_text(char *out, size_t size, const char *in)
{
        size_t n = 0;

        for (; *in && n + 8 < size; in++) {
                if (*in == '\n')
                        n += (size_t)snprintf(out + n, size - n, "\\n");
                else if (*in != '\t' && ((unsigned char)*in < 0x20 || *in == 0x7f))
                        n += (size_t)snprintf(out + n, size - n, "\\x%02x", (unsigned char)*in);
                else
                        out[n++] = *in;
        }
        out[n] = '\0';
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
        n = snprintf(line, sizeof(line), "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"%s}\n",
                level_names[level], text, when, extra);
        if (n > 0)
                write_line(fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void emit_text(int fd, enum nxc_log_level level, const char *msg)
{
        char text[LINE_MAX_BYTES + LINE_MAX_BYTES / 2], line[2 * LINE_MAX_BYTES];
        int n;

        escape_text(text, sizeof(text), msg);
        n = snprintf(line, sizeof(line), "nexcage: %s%s%s\n",
                level == NXC_LOG_ERROR ? "" : level_names[level], level == NXC_LOG_ERROR ? "" : ": ", text);
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
        if (!shown || (level == NXC_LOG_ERROR && config.quiet_errors))
                return;
        if (config.fd < 0 && config.format == NXC_LOG_JSON)
                emit_json(STDERR_FILENO, level, extra, msg);
        else if (config.fd < 0 || level <= NXC_LOG_WARN)
                emit_text(STDERR_FILENO, level, msg);
}

static void __attribute__((format(printf, 2, 0)))
emit_va(enum nxc_log_level level, const char *fmt, va_list ap)
{
        char msg[LINE_MAX_BYTES];
        int saved = errno;

        if (level <= config.level || (config.fd >= 0 && level <= NXC_LOG_WARN)) {
                vsnprintf(msg, sizeof(msg), fmt, ap);
                emit(level, "", msg);
        }
        errno = saved;
}

#define DEFINE_LOGGER(name, level)         \
        void name(const char *fmt, ...)    \
        {                                  \
                va_list ap;                \
                va_start(ap, fmt);         \
                emit_va((level), fmt, ap); \
                va_end(ap);                \
        }

DEFINE_LOGGER(nxc_debug, NXC_LOG_DEBUG)
DEFINE_LOGGER(nxc_info, NXC_LOG_INFO)
DEFINE_LOGGER(nxc_warn, NXC_LOG_WARN)

void nxc_log_error(const struct nxc_error *err)
{
        char msg[LINE_MAX_BYTES], extra[256];

        snprintf(msg, sizeof(msg), "%s%s%s%s: %s%s%s%s", nxc_error_kind_name(err->kind),
                err->stage ? " [" : "", err->stage ? err->stage : "", err->stage ? "]" : "", err->message,
                err->hint[0] ? " (hint: " : "", err->hint, err->hint[0] ? ")" : "");
        snprintf(extra, sizeof(extra), ",\"kind\":\"%s\",\"stage\":\"%s\"", nxc_error_kind_name(err->kind),
                err->stage ? err->stage : "");
        emit(NXC_LOG_ERROR, extra, msg);
}
