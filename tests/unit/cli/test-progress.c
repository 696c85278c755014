/* Progress in each of its forms, written to a file. */
#include "cli/progress.h"

#include "core/cleanup.h"
#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct nxc_digest digest = {
        "sha256:3b4b1d2e9f0a3b4b1d2e9f0a3b4b1d2e9f0a3b4b1d2e9f0a3b4b1d2e9f0a3b4b"
};

/* A layer's life, and the image's end. */
static void play(struct nxc_progress *p)
{
        struct nxc_progress_event ev = { NXC_PROGRESS_START, "layer", &digest, 0, 4000 };

        nxc_progress_event(p, &ev);
        ev.kind = NXC_PROGRESS_BYTES;
        ev.done_bytes = 2000;
        nxc_progress_event(p, &ev);
        ev.kind = NXC_PROGRESS_DONE;
        ev.done_bytes = 4000;
        nxc_progress_event(p, &ev);
        nxc_progress_event(p, &(struct nxc_progress_event){ .kind = NXC_PROGRESS_DONE });
}

static char *record(enum nxc_progress_mode mode)
{
        struct nxc_progress p;
        char *text = NULL;
        size_t len = 0;

        nxc_progress_init(&p, mode);
        p.columns = 80;
        p.out = open_memstream(&text, &len);
        play(&p);
        nxc_progress_done(&p);
        fclose(p.out);
        return text;
}

static void plain_is_a_line_per_event(void **state)
{
        _cleanup_free_ char *text = record(NXC_PROGRESS_PLAIN);

        assert_string_equal(text, "layer 3b4b1d2e9f0a: started\nlayer 3b4b1d2e9f0a: done (4.00 kB)\n");
}

static void quiet_is_quiet(void **state)
{
        _cleanup_free_ char *text = record(NXC_PROGRESS_QUIET);

        assert_string_equal(text, "");
}

static void json_is_an_object_per_line(void **state)
{
        _cleanup_free_ char *text = record(NXC_PROGRESS_JSON);
        char *rest = text;
        size_t n = 0;

        for (char *line; (line = strsep(&rest, "\n")) && *line; n++) {
                _cleanup_json_ json_t *j = NULL;

                assert_int_equal(nxc_json_parse(line, strlen(line), "line", &j, NULL), 0);
                assert_non_null(nxc_json_str(j, "event"));
                assert_true(json_is_integer(nxc_json_get(j, "doneBytes")));
        }
        assert_int_equal(n, 4);
}

static void bars_leave_finished_lines_only(void **state)
{
        _cleanup_free_ char *text = record(NXC_PROGRESS_TTY);

        assert_non_null(strstr(text, "layer 3b4b1d2e9f0a     [>"));
        assert_non_null(strstr(text, "\x1b[1A\r\x1b[J"));
        assert_string_equal(strrchr(text, 'J') + 1, "layer 3b4b1d2e9f0a: done (4.00 kB)\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plain_is_a_line_per_event),
                cmocka_unit_test(quiet_is_quiet),
                cmocka_unit_test(json_is_an_object_per_line),
                cmocka_unit_test(bars_leave_finished_lines_only),
        };

        return cmocka_run_group_tests_name("cli/progress", tests, NULL, NULL);
}
