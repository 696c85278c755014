/* The log file that engines parse: always one JSON object a line, whatever was in the words. */
#include "core/json.h"
#include "core/log.h"
#include "temp-dir.h"

#include <regex.h>

/* Logs with a configuration, and gives the file's lines. */
struct logged {
        char *text;
        int fd;
};

static struct logged begin(struct temp_dir *t, enum nxc_log_level level, enum nxc_log_format format)
{
        struct logged l = { .fd = openat(
                                    t->fd, "log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600) };

        assert_true(l.fd >= 0);
        nxc_log_setup(&(struct nxc_log_config){
                .level = level, .format = format, .fd = l.fd, .quiet_errors = true });
        return l;
}

static const char *finish(struct temp_dir *t, struct logged *l)
{
        nxc_log_setup(&(struct nxc_log_config){ .level = NXC_LOG_ERROR, .fd = -EBADF });
        close(l->fd);
        free(l->text);
        l->text = NULL;
        assert_int_equal(nxc_read_file_at(t->fd, "log", 1 << 20, &l->text, NULL, NULL), 0);
        return l->text;
}

static void an_error_is_one_object(void **state)
{
        struct temp_dir *t = *state;
        struct logged l = begin(t, NXC_LOG_ERROR, NXC_LOG_JSON);
        _cleanup_json_ json_t *j = NULL;
        struct nxc_error err = { 0 };
        regex_t rfc3339;

        nxc_fail_kind(&err, NXC_ERR_INVALID_SPEC, 0, "config field \"%s\"", "a\\b");
        nxc_error_hint(&err, "see `man %s`", "nexcage");
        err.stage = "check-fields";
        nxc_log_error(&err);
        finish(t, &l);
        assert_ptr_equal(strchr(l.text, '\n') + 1, l.text + strlen(l.text));
        j = json_loads(l.text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(j);
        assert_string_equal(nxc_json_str(j, "level"), "error");
        assert_non_null(strstr(nxc_json_str(j, "msg"), "config field \"a\\b\""));
        assert_non_null(strstr(nxc_json_str(j, "msg"), "see `man nexcage`"));
        assert_string_equal(nxc_json_str(j, "kind"), "InvalidSpec");
        assert_string_equal(nxc_json_str(j, "stage"), "check-fields");
        assert_int_equal(
                regcomp(&rfc3339,
                        "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]+Z$",
                        REG_EXTENDED | REG_NOSUB),
                0);
        assert_int_equal(regexec(&rfc3339, nxc_json_str(j, "time"), 0, NULL, 0), 0);
        regfree(&rfc3339);
        free(l.text);
}

static void any_bytes_are_valid_json(void **state)
{
        static const char *const words[][2] = {
                { "plain", "plain" },
                { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb3", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xb3" },
                { "a\xff"
                  "b",
                        "a\xef\xbf\xbd"
                        "b" },
                { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong */
                { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
                { "\xf4\x90\x80\x80",
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* past U+10FFFF */
                { "cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd" },
                { "\x1b[2J\r\n\t\x01\x7f", "\x1b[2J\r\n\t\x01\x7f" },
                { "\"}\n{\"level\":\"error\"", "\"}\n{\"level\":\"error\"" },
        };
        struct temp_dir *t = *state;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(words); i++) {
                struct logged l = begin(t, NXC_LOG_ERROR, NXC_LOG_JSON);
                _cleanup_json_ json_t *j = NULL;

                nxc_warn("%s", words[i][0]);
                finish(t, &l);
                j = json_loads(l.text, JSON_REJECT_DUPLICATES, NULL);
                assert_non_null(j);
                assert_string_equal(nxc_json_str(j, "msg"), words[i][1]);
                free(l.text);
        }
}

static void long_words_are_cut_between_characters(void **state)
{
        struct temp_dir *t = *state;

        for (size_t shift = 0; shift < 8; shift++)
                for (int kind = 0; kind < 3; kind++) {
                        static const char *const unit[] = { "\xf0\x9f\x90\xb3", "\x01", "\"" };
                        struct logged l = begin(t, NXC_LOG_ERROR, NXC_LOG_JSON);
                        _cleanup_buf_ struct nxc_buf b = { 0 };
                        _cleanup_json_ json_t *j = NULL;

                        for (size_t i = 0; i < shift; i++)
                                nxc_buf_puts(&b, "a");
                        for (size_t i = 0; i < 10000; i++)
                                nxc_buf_puts(&b, unit[kind]);
                        nxc_warn("%s", b.data);
                        finish(t, &l);
                        j = json_loads(l.text, 0, NULL);
                        assert_non_null(j);
                        free(l.text);
                }
}

static void text_stays_on_its_line(void **state)
{
        struct temp_dir *t = *state;
        struct logged l = begin(t, NXC_LOG_ERROR, NXC_LOG_TEXT);

        nxc_warn("%s", "a\nnexcage: forged\x1b[2J\tb");
        assert_string_equal(finish(t, &l), "nexcage: warning: a\\nnexcage: forged\\x1b[2J\tb\n");
        free(l.text);
}

static void levels(void **state)
{
        struct temp_dir *t = *state;
        struct logged l = begin(t, NXC_LOG_INFO, NXC_LOG_TEXT);

        nxc_debug("no");
        nxc_info("yes");
        assert_false(nxc_log_is_debug());
        assert_string_equal(finish(t, &l), "nexcage: info: yes\n");
        free(l.text);
}

static void errno_is_kept(void **state)
{
        struct temp_dir *t = *state;
        struct logged l = begin(t, NXC_LOG_ERROR, NXC_LOG_JSON);

        errno = ENOTTY;
        nxc_warn("x");
        assert_int_equal(errno, ENOTTY);
        finish(t, &l);
        free(l.text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(an_error_is_one_object),
                with_temp_dir(any_bytes_are_valid_json),
                with_temp_dir(long_words_are_cut_between_characters),
                with_temp_dir(text_stays_on_its_line),
                with_temp_dir(levels),
                with_temp_dir(errno_is_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
