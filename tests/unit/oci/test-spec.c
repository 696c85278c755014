/* The bundle, config.json as a file, its version, its root filesystem, and the template. */
#include "core/fs.h"
#include "core/json.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct bundle {
        char path[64];
        int fd;
};

static void write_file(struct bundle *b, const char *name, const char *text)
{
        int fd = openat(b->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(nxc_write_all(fd, text, strlen(text)), 0);
        close(fd);
}

static int make_bundle(void **state)
{
        struct bundle *b = calloc(1, sizeof(*b));

        strcpy(b->path, "/tmp/nxc-test-XXXXXX");
        assert_non_null(mkdtemp(b->path));
        b->fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(b->fd >= 0);
        *state = b;
        return 0;
}

static int remove_bundle(void **state)
{
        struct bundle *b = *state;

        close(b->fd);
        assert_int_equal(nxc_remove_tree_at(AT_FDCWD, b->path, NULL), 0);
        free(b);
        return 0;
}

static void expect(const struct nxc_error *err, const char *kind, const char *words)
{
        assert_string_equal(nxc_error_kind_name(err->kind), kind);
        if (!strstr(err->message, words))
                fail_msg("'%s' does not say '%s'", err->message, words);
}

/* --- the bundle --- */

static void bundle_opens_and_becomes_absolute(void **state)
{
        struct bundle *b = *state;
        _cleanup_free_ char *path = NULL, *name = nxc_strf("%s/./", b->path + 1);
        _cleanup_close_ int fd = -EBADF;
        int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat one, two;

        assert_int_equal(chdir("/"), 0);
        assert_int_equal(nxc_bundle_open(name, &fd, &path, NULL), 0);
        assert_int_equal(fchdir(here), 0);
        close(here);
        assert_string_equal(path, b->path);
        assert_int_equal(fstat(fd, &one), 0);
        assert_int_equal(fstat(b->fd, &two), 0);
        assert_true(one.st_ino == two.st_ino);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void absent_bundle_is_not_found(void **state)
{
        struct bundle *b = *state;
        _cleanup_free_ char *absent = nxc_strf("%s/absent", b->path), *file = nxc_strf("%s/file", b->path);
        const char *const names[] = { absent, file, "" };
        const char *const words[] = { "No such file or directory", "Not a directory", "open bundle ''" };

        write_file(b, "file", "");
        for (size_t i = 0; i < 3; i++) {
                struct nxc_error err = { 0 };
                char *path = NULL;
                int fd = -EBADF;

                assert_true(nxc_bundle_open(names[i], &fd, &path, &err) < 0);
                expect(&err, "BundleNotFound", words[i]);
                assert_null(path);
                assert_int_equal(fd, -EBADF);
        }
}

/* --- config.json as a file --- */

static void read_gives_the_text(void **state)
{
        struct bundle *b = *state;
        _cleanup_free_ char *text = NULL;
        size_t len;

        write_file(b, "config.json", "{}\n");
        assert_int_equal(nxc_spec_read(b->fd, "config.json", &text, &len, NULL), 0);
        assert_string_equal(text, "{}\n");
        assert_int_equal(len, 3);
}

static void read_refuses(struct bundle *b, const char *kind, const char *words)
{
        struct nxc_error err = { 0 };
        char *text = NULL;
        size_t len;

        assert_true(nxc_spec_read(b->fd, "config.json", &text, &len, &err) < 0);
        assert_null(text);
        expect(&err, kind, words);
        if (nxc_streq(kind, "BundleNotFound"))
                assert_non_null(strstr(err.hint, "nexcage spec"));
}

static void read_refuses_what_is_not_a_file(void **state)
{
        struct bundle *b = *state;

        alarm(10); /* a fifo must not hold us */
        read_refuses(
                b, "BundleNotFound", "'config.json' not found in the bundle: No such file or directory");
        assert_int_equal(symlinkat("nowhere", b->fd, "config.json"), 0);
        read_refuses(b, "BundleNotFound", "not found");
        assert_int_equal(unlinkat(b->fd, "config.json", 0), 0);
        assert_int_equal(mkfifoat(b->fd, "config.json", 0600), 0);
        read_refuses(b, "InvalidSpec", "not a regular file");
        assert_int_equal(unlinkat(b->fd, "config.json", 0), 0);
        assert_int_equal(mkdirat(b->fd, "config.json", 0700), 0);
        read_refuses(b, "InvalidSpec", "not a regular file");
        assert_int_equal(unlinkat(b->fd, "config.json", AT_REMOVEDIR), 0);
        assert_int_equal(symlinkat("/dev/zero", b->fd, "config.json"), 0);
        read_refuses(b, "InvalidSpec", "not a regular file");
        alarm(0);
}

static void read_refuses_what_is_too_large(void **state)
{
        struct bundle *b = *state;
        _cleanup_free_ char *path = nxc_strf("%s/config.json", b->path);

        write_file(b, "config.json", "");
        assert_int_equal(truncate(path, 100 << 20), 0);
        read_refuses(b, "InvalidSpec", "104857600 bytes (at most 16777216)");
}

/* --- the document --- */

static void parse_says_where_it_broke(void **state)
{
        static const struct {
                const char *text, *kind, *words;
        } bad[] = {
                { "{\n  \"a\": 1,\n  b\n}", "InvalidJson", "parse config.json: line 3, column 3: " },
                { "", "InvalidJson", "line 1, column 0" },
                { "{} x", "InvalidJson", "line 1, column 4: end of file expected" },
                { "{\"a\": 1, \"a\": 2}", "InvalidJson", "duplicate object key" },
                { "{\"a\": \"\xff\"}", "InvalidJson", "line 1, column 7: unable to decode byte 0xff" },
                { "{\"a\": \"\\u0000\"}", "InvalidJson", "\\u0000 is not allowed" },
                { "{\"a\": 18446744073709551616}", "InvalidJson", "too big integer" },
                { "[]", "InvalidSpec", "not a JSON object" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++) {
                struct nxc_error err = { 0 };
                struct nxc_spec *spec = NULL;

                assert_true(nxc_spec_parse(bad[i].text, strlen(bad[i].text), &spec, &err) < 0);
                assert_null(spec);
                expect(&err, bad[i].kind, bad[i].words);
        }
}

static struct nxc_spec *parse(const char *text)
{
        struct nxc_error err = { 0 };
        struct nxc_spec *spec = NULL;

        if (nxc_spec_parse(text, strlen(text), &spec, &err) < 0)
                fail_msg("%s", err.message);
        return spec;
}

static void accessors_give_what_is_there(void **state)
{
        struct nxc_spec *spec = parse(
                "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"r\", \"readonly\": true},"
                "\"process\": {\"terminal\": true}, \"hooks\": {\"poststop\": []},"
                "\"annotations\": {\"org.nexcage.runtime\": \"runc\"}}");

        assert_string_equal(nxc_spec_version(spec), "1.0.2");
        assert_string_equal(nxc_spec_root_path(spec), "r");
        assert_true(nxc_spec_root_readonly(spec));
        assert_true(nxc_spec_terminal(spec));
        assert_string_equal(nxc_spec_annotation(spec, "org.nexcage.runtime"), "runc");
        assert_null(nxc_spec_annotation(spec, "org"));
        assert_non_null(json_object_get(nxc_spec_hooks(spec), "poststop"));
        assert_true(json_is_object(nxc_spec_json(spec)));
        nxc_spec_free(spec);
}

static void accessors_bear_any_document(void **state)
{
        static const char *const texts[] = { "{}",
                "{\"root\": 1, \"process\": [], \"hooks\": 2, \"annotations\": 3}",
                "{\"root\": {\"path\": 1, \"readonly\": 1}, \"annotations\": {\"a\": 1}}" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(texts); i++) {
                struct nxc_spec *spec = parse(texts[i]);

                assert_null(nxc_spec_version(spec));
                assert_null(nxc_spec_root_path(spec));
                assert_false(nxc_spec_root_readonly(spec));
                assert_false(nxc_spec_terminal(spec));
                assert_null(nxc_spec_annotation(spec, "a"));
                assert_null(nxc_spec_hooks(spec));
                nxc_spec_free(spec);
        }
        nxc_spec_free(NULL);
}

/* --- the version --- */

static int check_version(const char *text, struct nxc_error *err)
{
        struct nxc_spec *spec = parse(text);
        int r = nxc_spec_check_version(spec, err);

        nxc_spec_free(spec);
        return r;
}

static void versions_in_range_are_accepted(void **state)
{
        static const char *const versions[] = { "1.0.0", "1.0.2", "1.0.2-dev", "1.0.0-rc5", "1.0.0-rc5-dev",
                "1.1.0", "1.2.1", "1.3.0", "1.3.99", "1.2.0+dev", "1.0.0-rc.1+build.5", "1.1.0+1" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(versions); i++) {
                _cleanup_free_ char *text = nxc_strf("{\"ociVersion\": \"%s\"}", versions[i]);

                if (check_version(text, NULL) < 0)
                        fail_msg("%s is refused", versions[i]);
        }
}

static void other_versions_are_refused_by_name(void **state)
{
        static const char *const versions[] = { "", "1", "1.0", "1.0.", "1.0.0.0", "0.9.0", "1.4.0", "2.0.0",
                "1.10.0", "01.0.0", "1.00.0", "1.0.01", "v1.0.0", " 1.0.0", "1.0.0 ", "1.0.0-", "1.0.0+",
                "1.0.0-a..b", "1.0.0-a_b", "1.0.0+a+b", "-1.0.0", "1.0.x", "99999999999999999999.0.0",
                "1.4294967296.0" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(versions); i++) {
                _cleanup_free_ char *text = nxc_strf("{\"ociVersion\": \"%s\"}", versions[i]);
                _cleanup_free_ char *words = nxc_strf(
                        "config field ociVersion is '%s', must be a version from 1.0.0 to 1.3.x",
                        versions[i]);
                struct nxc_error err = { 0 };

                assert_int_equal(check_version(text, &err), -EINVAL);
                expect(&err, "InvalidSpec", words);
        }
}

static void missing_version_is_refused(void **state)
{
        struct nxc_error err = { 0 };

        assert_int_equal(check_version("{}", &err), -EINVAL);
        expect(&err, "InvalidSpec", "config field ociVersion is required, and missing");
        nxc_error_reset(&err);
        assert_int_equal(check_version("{\"ociVersion\": 1}", &err), -EINVAL);
        expect(&err, "InvalidSpec", "config field ociVersion is not of type string");
        nxc_error_reset(&err);
        assert_int_equal(check_version("{\"ociVersion\": \"9\\n9\"}", &err), -EINVAL);
        expect(&err, "InvalidSpec", "is '9?9'");
}

/* --- the root filesystem --- */

static int resolve(struct bundle *b, const char *root, char **ret, struct nxc_error *err)
{
        _cleanup_free_ char *text = nxc_strf("{\"root\": {\"path\": \"%s\"}}", root);
        struct nxc_spec *spec = parse(text);
        int r = nxc_spec_resolve_root(spec, b->fd, b->path, ret, err);

        nxc_spec_free(spec);
        return r;
}

static void root_resolves(void **state)
{
        struct bundle *b = *state;
        _cleanup_free_ char *real = nxc_strf("%s/real", b->path), *direct = nxc_strf("%s/out", b->path);
        const char *const roots[] = { "real", "./real/", "inside", "deep/up", "absolute", real, direct };

        assert_int_equal(mkdirat(b->fd, "real", 0700), 0);
        assert_int_equal(mkdirat(b->fd, "deep", 0700), 0);
        assert_int_equal(symlinkat("real", b->fd, "inside"), 0);
        assert_int_equal(symlinkat("../real", b->fd, "deep/up"), 0);
        assert_int_equal(symlinkat(real, b->fd, "absolute"), 0);
        assert_int_equal(symlinkat("real", b->fd, "out"), 0);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(roots); i++) {
                _cleanup_free_ char *path = NULL;
                struct nxc_error err = { 0 };

                if (resolve(b, roots[i], &path, &err) < 0)
                        fail_msg("%s: %s", roots[i], err.message);
                assert_string_equal(path, real);
        }
}

static void root_outside_is_refused(void **state)
{
        struct bundle *b = *state;
        static const struct {
                const char *root, *words;
        } bad[] = {
                { "absent", "No such file or directory" },
                { "file", "Not a directory" },
                { "loop", "Too many levels of symbolic links" },
                { "dangling", "No such file or directory" },
                { "etc", "leads out of the bundle" },
                { "up", "leads out of the bundle" },
                { "sub/etc", "leads out of the bundle" },
                { "..", "leads out of the bundle" },
                { "../..", "leads out of the bundle" },
                { "slash", "leads out of the bundle" },
                { "/nonexistent/rootfs", "No such file or directory" },
                { "/etc/passwd", "Not a directory" },
        };

        write_file(b, "file", "");
        assert_int_equal(symlinkat("loop", b->fd, "loop"), 0);
        assert_int_equal(symlinkat("nowhere", b->fd, "dangling"), 0);
        assert_int_equal(symlinkat("/etc", b->fd, "etc"), 0);
        assert_int_equal(symlinkat("/", b->fd, "slash"), 0);
        assert_int_equal(symlinkat("../../etc", b->fd, "up"), 0);
        assert_int_equal(symlinkat("/", b->fd, "sub"), 0);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(bad); i++) {
                struct nxc_error err = { 0 };
                char *path = NULL;

                assert_true(resolve(b, bad[i].root, &path, &err) < 0);
                assert_null(path);
                expect(&err, "InvalidRootfs", bad[i].words);
                expect(&err, "InvalidRootfs", bad[i].root);
        }
}

static void missing_root_is_an_invalid_spec(void **state)
{
        struct bundle *b = *state;
        struct nxc_spec *spec = parse("{}");
        struct nxc_error err = { 0 };
        char *path = NULL;

        assert_int_equal(nxc_spec_resolve_root(spec, b->fd, b->path, &path, &err), -EINVAL);
        expect(&err, "InvalidSpec", "root.path is required");
        nxc_spec_free(spec);
}

/* --- the template --- */

static bool has_namespace(json_t *doc, const char *type)
{
        json_t *item;
        size_t i;

        json_array_foreach (nxc_json_get(doc, "linux.namespaces"), i, item)
                if (nxc_streq(nxc_json_str(item, "type"), type))
                        return true;
        return false;
}

static void check_template(json_t *doc)
{
        struct nxc_error err = { 0 };
        struct nxc_spec *spec = NULL;

        assert_int_equal(nxc_spec_from_json(doc, &spec, NULL), 0);
        if (nxc_spec_check_version(spec, &err) < 0 || nxc_spec_check_required(spec, &err) < 0)
                fail_msg("%s", err.message);
        nxc_spec_free(spec);
}

static void template_is_as_runc_has_it(void **state)
{
        _cleanup_json_ json_t *doc = nxc_spec_template(false);

        assert_non_null(doc);
        check_template(doc);
        assert_string_equal(nxc_json_str(doc, "root.path"), "rootfs");
        assert_true(json_is_true(nxc_json_get(doc, "root.readonly")));
        assert_true(json_is_true(nxc_json_get(doc, "process.terminal")));
        assert_true(json_is_true(nxc_json_get(doc, "process.noNewPrivileges")));
        assert_string_equal(json_string_value(json_array_get(nxc_json_get(doc, "process.args"), 0)), "sh");
        assert_int_equal(json_array_size(nxc_json_get(doc, "mounts")), 7);
        assert_int_equal(json_array_size(nxc_json_get(doc, "linux.namespaces")), 5);
        assert_int_equal(json_array_size(nxc_json_get(doc, "linux.maskedPaths")), 10);
        assert_int_equal(json_array_size(nxc_json_get(doc, "linux.readonlyPaths")), 5);
        assert_null(nxc_json_get(doc, "process.capabilities.inheritable"));
        assert_true(has_namespace(doc, "network"));
        assert_false(has_namespace(doc, "user"));
}

static void rootless_template_is_as_runc_has_it(void **state)
{
        _cleanup_json_ json_t *doc = nxc_spec_template(true);
        json_t *map, *sys;

        assert_non_null(doc);
        check_template(doc);
        assert_false(has_namespace(doc, "network"));
        assert_true(has_namespace(doc, "user"));
        assert_null(nxc_json_get(doc, "linux.resources"));
        map = json_array_get(nxc_json_get(doc, "linux.uidMappings"), 0);
        assert_int_equal(json_integer_value(json_object_get(map, "hostID")), geteuid());
        map = json_array_get(nxc_json_get(doc, "linux.gidMappings"), 0);
        assert_int_equal(json_integer_value(json_object_get(map, "hostID")), getegid());
        assert_int_equal(json_integer_value(json_object_get(map, "size")), 1);
        sys = json_array_get(nxc_json_get(doc, "mounts"), 5);
        assert_string_equal(nxc_json_str(sys, "destination"), "/sys");
        assert_string_equal(nxc_json_str(sys, "type"), "none");
        assert_string_equal(json_string_value(json_array_get(json_object_get(sys, "options"), 0)), "rbind");
        assert_int_equal(
                json_array_size(json_object_get(json_array_get(nxc_json_get(doc, "mounts"), 2), "options")),
                5); /* without gid=5 */
}

#define with_bundle(test) cmocka_unit_test_setup_teardown(test, make_bundle, remove_bundle)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_bundle(bundle_opens_and_becomes_absolute),
                with_bundle(absent_bundle_is_not_found),
                with_bundle(read_gives_the_text),
                with_bundle(read_refuses_what_is_not_a_file),
                with_bundle(read_refuses_what_is_too_large),
                cmocka_unit_test(parse_says_where_it_broke),
                cmocka_unit_test(accessors_give_what_is_there),
                cmocka_unit_test(accessors_bear_any_document),
                cmocka_unit_test(versions_in_range_are_accepted),
                cmocka_unit_test(other_versions_are_refused_by_name),
                cmocka_unit_test(missing_version_is_refused),
                with_bundle(root_resolves),
                with_bundle(root_outside_is_refused),
                with_bundle(missing_root_is_an_invalid_spec),
                cmocka_unit_test(template_is_as_runc_has_it),
                cmocka_unit_test(rootless_template_is_as_runc_has_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
