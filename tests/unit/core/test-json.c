/* Strict parsing, places in errors, unsigned integers, getters. */
#include "core/json.h"
#include "core/str.h"
#include "temp-dir.h"

static json_t *parse(const char *text)
{
        struct nxc_error err = { 0 };
        json_t *j = NULL;

        if (nxc_json_parse(text, strlen(text), "x.json", &j, &err) < 0)
                fail_msg("%s", err.message);
        return j;
}

static void refuse(const char *text, size_t len, const char *words)
{
        struct nxc_error err = { 0 };
        json_t *j = NULL;

        assert_int_equal(nxc_json_parse(text, len, "x.json", &j, &err), -EINVAL);
        assert_null(j);
        assert_string_equal(nxc_error_kind_name(err.kind), "InvalidJson");
        if (!nxc_starts_with(err.message, "parse x.json: ") || !strstr(err.message, words))
                fail_msg("'%s' does not say '%s'", err.message, words);
}

static void errors_have_a_place(void **state)
{
        static const char *const cases[][2] = { { "", "line 1, column 0" }, { "{", "line 1, column 1" },
                { "{\n\"a\": 1\n\"b\": 2}", "line 3, column 3" }, { "{\"a\": 1,}", "line 1, column 9" },
                { "{\"a\": 1} {}", "line 1, column 10" }, { "{\"a\": 1, \"a\": 2}", "duplicate object key" },
                { "{\"a\": \"\\u0000\"}", "\\u0000" }, { "{\"\\u0000\": 1}", "NUL" }, { "[1.]", "line 1" },
                { "[01]", "line 1" }, { "{\"a\": \"\xc0\xaf\"}", "unable to decode byte 0xc0" },
                { "[\"\\ud800\"]", "line 1" }, { "7", "'[' or '{' expected" },
                { "\xef\xbb\xbf{}", "line 1" }, { "[NaN]", "line 1" }, { "['a']", "line 1" },
                { "// x\n{}", "line 1" } };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++)
                refuse(cases[i][0], strlen(cases[i][0]), cases[i][1]);
        refuse("{}\0{}", 5, "line 1, column 3");
}

static void depth_is_limited(void **state)
{
        _cleanup_buf_ struct nxc_buf b = { 0 };
        _cleanup_json_ json_t *j = NULL;

        for (int i = 0; i < NXC_JSON_MAX_DEPTH; i++)
                nxc_buf_puts(&b, "[");
        for (int i = 0; i < NXC_JSON_MAX_DEPTH; i++)
                nxc_buf_puts(&b, "]");
        j = parse(b.data);
        b.len = 0;
        for (int i = 0; i < 1000000; i++)
                nxc_buf_puts(&b, "[");
        refuse(b.data, b.len, "nested deeper than 64 levels");
        json_decref(j);
        j = parse("{\"a\": "
                  "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\"}");
}

static void unsigned_integers_survive(void **state)
{
        static const struct {
                const char *text;
                uint64_t value;
        } good[] = { { "0", 0 }, { "9223372036854775807", INT64_MAX }, { "9223372036854775808", 1ull << 63 },
                { "18446744073709551615", UINT64_MAX }, { "18446744069414584320", 0xffffffff00000000 },
                { "18446744073709549568", 0xfffffffffffff800 },
                { "10000000000000000000", 10000000000000000000u } };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(good); i++) {
                _cleanup_free_ char *text = nxc_strf(
                        "{\"a\":[%s,\"%s\"],\"%s\":1}", good[i].text, good[i].text, good[i].text);
                _cleanup_json_ json_t *j = parse(text);
                _cleanup_free_ char *again = nxc_json_format(j, false);
                uint64_t v = 1;

                assert_int_equal(nxc_json_u64(json_array_get(json_object_get(j, "a"), 0), &v), 0);
                assert_true(v == good[i].value);
                assert_string_equal(again, text);
        }
        refuse("[18446744073709551616]", 22, "too big integer");
        refuse("[18446744073709551613]", 22, "too big integer"); /* no real holds it */
        refuse("[-9223372036854775809]", 22, "too big negative integer");
        refuse("{\"a\": 18446744073709551615,\n  x}", 32, "line 2, column 3");
}

static void other_numbers_are_left_alone(void **state)
{
        static const char *const texts[] = { "[1.5]", "[-1e19]", "[1e20]", "[\"1e19 \\\" 1e18\"]", "[1e17]",
                "{\"1.8446744073709552e19\":\"\\\\\"}" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(texts); i++) {
                _cleanup_json_ json_t *j = parse(texts[i]), *k = NULL;
                _cleanup_free_ char *again = nxc_json_format(j, false);

                k = parse(again);
                assert_true(json_equal(j, k));
        }
}

static void u64_is_strict(void **state)
{
        _cleanup_json_ json_t *j = parse("[-1, 1.5, \"1\", true, null, 1e3, 1e20]");
        uint64_t v = 7;

        for (size_t i = 0; i < json_array_size(j); i++)
                assert_int_equal(nxc_json_u64(json_array_get(j, i), &v), -EINVAL);
        assert_int_equal(nxc_json_u64(NULL, &v), -EINVAL);
        assert_int_equal(v, 7);
}

static void getters(void **state)
{
        _cleanup_json_ json_t *j = parse("{\"a\": {\"b\": {\"c\": \"x\"}, \"n\": 1}, \"l\": [1]}");

        assert_string_equal(nxc_json_str(j, "a.b.c"), "x");
        assert_null(nxc_json_str(j, "a.n"));
        assert_null(nxc_json_str(j, "a.b.c.d"));
        assert_null(nxc_json_get(j, "a.x.c"));
        assert_null(nxc_json_get(j, "l.0"));
        assert_null(nxc_json_get(NULL, "a"));
        assert_ptr_equal(nxc_json_get(j, ""), j);
        assert_int_equal(json_integer_value(nxc_json_get(j, "a.n")), 1);
}

static void has_looks_at_any_element(void **state)
{
        _cleanup_json_ json_t *j = parse("{\"a\": {\"b\": 1, \"s\": \"word\", \"l\": [\"one\", \"two\"]}, "
                                         "\"o\": [{\"k\": \"x\"}, 1, {\"l\": [{\"m\": \"y\"}]}]}");

        assert_true(nxc_json_has(j, "a.b", NULL));
        assert_true(nxc_json_has(j, "a.s", "=word"));
        assert_false(nxc_json_has(j, "a.s", "=wor"));
        assert_true(nxc_json_has(j, "a.s", "^wor"));
        assert_false(nxc_json_has(j, "a.b", "=1"));
        assert_false(nxc_json_has(j, "a.x.b", NULL));
        assert_true(nxc_json_has(j, "a.l[]", "=two"));
        assert_false(nxc_json_has(j, "a.l[]", "=three"));
        assert_true(nxc_json_has(j, "o[].k", NULL));
        assert_true(nxc_json_has(j, "o[].l[].m", "^y"));
        assert_false(nxc_json_has(j, "o[].m", NULL));
        assert_false(nxc_json_has(j, "a[].b", NULL));
        assert_false(nxc_json_has(NULL, "a[].b", "=x"));
}

static void has_counts_what_is_set(void **state)
{
        _cleanup_json_ json_t *j = parse("{\"off\": [null, false, \"\", {}, []], "
                                         "\"on\": [0, true, \"x\", {\"a\": null}, [null]]}");
        json_t *value;
        size_t i;

        assert_false(nxc_json_has(j, "off[]", NULL));
        assert_true(nxc_json_has(j, "off[]", "="));
        json_array_foreach (json_object_get(j, "on"), i, value) {
                _cleanup_json_ json_t *one = json_pack("{s:O}", "k", value);

                assert_true(nxc_json_has(one, "k", NULL));
        }
}

static void load_has_a_limit(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        json_t *j = NULL;

        put_file(t->fd, "x.json", "{\"a\": [1]}");
        assert_int_equal(nxc_json_load_at(t->fd, "x.json", 9, &j, &err), -EFBIG);
        nxc_error_reset(&err);
        assert_int_equal(nxc_json_load_at(t->fd, "absent.json", 9, &j, &err), -ENOENT);
        assert_string_equal(err.message, "open 'absent.json': No such file or directory");
        assert_int_equal(nxc_json_load_at(t->fd, "x.json", 10, &j, NULL), 0);
        json_decref(j);
}

/* The test is linked with --wrap=malloc. */
static int allowed = -1;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
        if (allowed == 0)
                return NULL;
        allowed -= allowed > 0;
        return __real_malloc(size);
}

#define ONCE(n) for (allowed = (n), once = true; once; allowed = -1, once = false)

static void no_memory_is_an_error(void **state)
{
        static const char text[] =
                "{\"a longer key than a few bytes\":[\"and a value as well\",18446744073709551615]}";
        bool once;
        int r;

        for (int n = 0;; n++) {
                struct nxc_error err = { 0 };
                _cleanup_json_ json_t *j = NULL;

                ONCE(n)
                r = nxc_json_parse(text, strlen(text), "x", &j, &err);
                assert_int_equal(r, j ? 0 : -ENOMEM);
                assert_int_equal(err.kind, j ? NXC_ERR_NONE : NXC_ERR_OUT_OF_MEMORY);
                if (j)
                        break;
        }
        for (int n = 0;; n++) {
                _cleanup_json_ json_t *j = parse(text);
                _cleanup_free_ char *out = NULL;

                ONCE(n)
                out = nxc_json_format(j, false);
                if (!out)
                        continue;
                assert_string_equal(out, text);
                break;
        }
}

static void a_lost_member_is_not_forgotten(void **state)
{
        _cleanup_json_ json_t *j = json_object();
        _cleanup_free_ char *out = NULL;
        bool once;

        ONCE(0)
        json_object_set_new(j, "a", json_integer(1));
        out = nxc_json_format(j, false);
        assert_null(out);
        out = nxc_json_format(j, false); /* once told */
        assert_string_equal(out, "{}");
        ONCE(0)
        json_object_set_new(j, "a", json_integer(1));
        assert_true(nxc_json_starved());
        assert_false(nxc_json_starved());
}

/* Who refuses by it must not let pass what it finds no memory to look at. */
static void has_needs_no_memory(void **state)
{
        _cleanup_json_ json_t *j = parse("{\"a\": [{\"b\": \"x\"}]}");
        bool once, found;

        ONCE(0)
        found = nxc_json_has(j, "a[].b", "=x");
        assert_true(found);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(errors_have_a_place),
                cmocka_unit_test(depth_is_limited),
                cmocka_unit_test(unsigned_integers_survive),
                cmocka_unit_test(other_numbers_are_left_alone),
                cmocka_unit_test(u64_is_strict),
                cmocka_unit_test(getters),
                cmocka_unit_test(has_looks_at_any_element),
                cmocka_unit_test(has_counts_what_is_set),
                with_temp_dir(load_has_a_limit),
                cmocka_unit_test(no_memory_is_an_error),
                cmocka_unit_test(a_lost_member_is_not_forgotten),
                cmocka_unit_test(has_needs_no_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
