/* The pure half of the lxc backend: config.json to liblxc's settings and to nexcage-init's plan, against
 * golden files; what is refused; control characters everywhere. */
#include "backend/lxc/lxc-internal.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/publish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

static json_t *load(const char *name)
{
        _cleanup_free_ char *path = nxc_strf("%s/%s", NXC_GOLDEN_DIR, name);
        struct nxc_error err = { 0 };
        json_t *j = NULL;

        if (nxc_json_load_at(AT_FDCWD, path, 1 << 20, &j, &err) < 0)
                fail_msg("%s", err.message);
        return j;
}

static void compare(const struct nxc_buf *got, const char *name)
{
        _cleanup_free_ char *path = nxc_strf("%s/%s", NXC_GOLDEN_DIR, name), *want = NULL;
        struct nxc_error err = { 0 };

        if (getenv("NXC_GOLDEN_WRITE")) /* then read the diff */
                assert_int_equal(nxc_publish_at(AT_FDCWD, path, got->data, got->len, 0644, 0, &err), 0);
        if (nxc_read_file_at(AT_FDCWD, path, 1 << 20, &want, NULL, &err) < 0)
                fail_msg("%s", err.message);
        assert_string_equal(got->data, want);
}

static int translate(const json_t *spec, bool v2, struct lxc_items *ret, struct nxc_error *err)
{
        _cleanup_free_ char *cgroup = NULL;
        struct lxc_config_opts o = { .monitor_cgroup = "nexcage.monitor/c1",
                .state_dir = "/run/nexcage/c1",
                .rootfs = "/bundle/rootfs",
                .hook_fd = 4,
                .sync_fd = 7,
                .v2 = v2 };
        int r = lxc_cgroup_path(spec, "c1", &cgroup, err);

        o.cgroup = cgroup;
        return r < 0 ? r : lxc_config(spec, &o, ret, err);
}

static void settings_are_the_golden_ones(void **state)
{
        static const char *const golden[] = { "everything.v1.conf", "everything.v2.conf" };
        _cleanup_json_ json_t *spec = load("everything.json");

        for (int v2 = 0; v2 < 2; v2++) {
                _cleanup_lxc_items_ struct lxc_items items = { 0 };
                _cleanup_buf_ struct nxc_buf text = { 0 };
                struct nxc_error err = { 0 };

                if (translate(spec, v2, &items, &err) < 0)
                        fail_msg("%s", err.message);
                for (size_t i = 0; i < items.n; i++)
                        nxc_buf_printf(&text, "%s = %s\n", items.v[i].key, items.v[i].value);
                compare(&text, golden[v2]);
        }
}

/* A plan as text: a record per line. */
static void print_plan(const struct nxc_buf *plan, struct nxc_buf *out)
{
        const char *p = plan->data, *end = p + plan->len;

        while (p < end) {
                uint32_t n, len;

                memcpy(&n, p, sizeof(n));
                p += sizeof(n);
                for (uint32_t i = 0; i < n; i++) {
                        memcpy(&len, p, sizeof(len));
                        nxc_buf_printf(out, "%s%s", i ? " " : "", p + sizeof(len));
                        p += sizeof(len) + len + 1;
                }
                nxc_buf_puts(out, "\n");
        }
}

static void the_plan_is_the_golden_one(void **state)
{
        _cleanup_json_ json_t *spec = load("everything.json");
        _cleanup_buf_ struct nxc_buf plan = { 0 }, text = { 0 };
        struct lxc_plan_opts o = { .process = json_object_get(spec, "process"),
                .spec = spec,
                .stdio_fd = 10,
                .listen_fd = 8,
                .console_fd = 9,
                .keep_fds = 1,
                .available_caps = ~0ull };
        struct nxc_error err = { 0 };

        if (lxc_plan(&o, &plan, &err) < 0)
                fail_msg("%s", err.message);
        print_plan(&plan, &text);
        compare(&text, "everything.plan");
}

/* Each string of the document gets one in turn: either it does not reach liblxc, or it is refused. */
static void spoil(json_t *j, json_t *spec, const char *evil)
{
        const char *key;
        json_t *value;
        void *next;
        size_t i;

        json_array_foreach (j, i, value)
                spoil(value, spec, evil);
        json_object_foreach_safe (j, next, key, value) {
                _cleanup_lxc_items_ struct lxc_items items = { 0 };
                _cleanup_json_ json_t *kept = json_incref(value);
                struct nxc_error err = { 0 };

                if (!json_is_string(value)) {
                        spoil(value, spec, evil);
                        continue;
                }
                json_object_set_new(j, key, json_string(evil));
                if (translate(spec, true, &items, &err) == 0)
                        for (size_t k = 0; k < items.n; k++)
                                assert_false(nxc_has_control(items.v[k].key) ||
                                             nxc_has_control(items.v[k].value));
                else
                        assert_int_equal(err.kind, NXC_ERR_INVALID_SPEC);
                json_object_set(j, key, kept);
        }
}

static void no_line_can_be_added(void **state)
{
        static const char *const evil[] = { "x\nlxc.hook.pre-start = /bin/true", "x\r", "\n", "x\x7f" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(evil); i++) {
                _cleanup_json_ json_t *spec = load("everything.json");

                spoil(spec, spec, evil[i]);
        }
}

static void refusals_name_the_property(void **state)
{
        static const struct {
                const char *doc, *words;
        } cases[] = {
                { "{'linux': {'mountLabel': 'x'}}", "linux.mountLabel" },
                { "{'linux': {'netDevices': {'x': {}}}}", "linux.netDevices" },
                { "{'linux': {'namespaces': [{'type': 'user', 'path': '/proc/1/ns/user'}]}}", "user-path" },
                { "{'linux': {'seccomp': {'syscalls': [{'action': 'SCMP_ACT_NOTIFY'}]}}}",
                        "SCMP_ACT_NOTIFY" },
                { "{'root': {}, 'linux': {'namespaces': [{'type': 'pid'}]}}", "no-mount" },
                { "{'vm': {'kernel': {}}}", "vm" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *text = strdup(cases[i].doc);
                _cleanup_json_ json_t *doc = NULL;
                struct nxc_error err = { 0 };

                for (char *p = text; *p; p++)
                        *p = *p == '\'' ? '"' : *p;
                assert_int_equal(nxc_json_parse(text, strlen(text), "case", &doc, &err), 0);
                assert_true(lxc_check_document(doc, &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_NOT_IMPLEMENTED);
                assert_non_null(strstr(err.message, cases[i].words));
        }
}

static void cgroup_paths(void **state)
{
        static const struct {
                const char *path, *want;
        } cases[] = { { NULL, "nexcage/c1" }, { "/a/b", "a/b" }, { "a", "a" },
                { "user.slice:pod:x", "user.slice/pod-x.scope" }, { ":p:n", "system.slice/p-n.scope" },
                { "/a/../b", NULL }, { "a:b", NULL } };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_t *spec = json_pack("{s:{s:s*}}", "linux", "cgroupsPath", cases[i].path);
                _cleanup_free_ char *got = NULL;
                int r = lxc_cgroup_path(spec, "c1", &got, NULL);

                if (cases[i].want)
                        assert_string_equal(got, cases[i].want);
                else
                        assert_true(r < 0);
        }
}

static void an_unknown_capability_is_refused(void **state)
{
        _cleanup_json_ json_t *process = json_pack(
                "{s:{s:[s]}, s:[s]}", "capabilities", "bounding", "CAP_FLY", "args", "x");
        struct lxc_plan_opts o = {
                .process = process, .stdio_fd = -1, .listen_fd = -1, .available_caps = ~0ull
        };
        _cleanup_buf_ struct nxc_buf plan = { 0 };
        struct nxc_error err = { 0 };

        assert_true(lxc_plan(&o, &plan, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_SPEC);
        assert_non_null(strstr(err.message, "CAP_FLY"));
}

static void the_documentation_is_the_table(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(lxc_properties_document(&out), 0);
        if (getenv("NXC_UPDATE_DOCS"))
                assert_int_equal(nxc_publish_at(AT_FDCWD, DOCUMENT, out.data, out.len, 0644, 0, NULL), 0);
        assert_int_equal(nxc_read_file_at(AT_FDCWD, DOCUMENT, 1 << 20, &text, NULL, NULL), 0);
        assert_string_equal(text, out.data);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(settings_are_the_golden_ones),
                cmocka_unit_test(the_plan_is_the_golden_one),
                cmocka_unit_test(no_line_can_be_added),
                cmocka_unit_test(refusals_name_the_property),
                cmocka_unit_test(cgroup_paths),
                cmocka_unit_test(an_unknown_capability_is_refused),
                cmocka_unit_test(the_documentation_is_the_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
