/* Every row of the field table: the full document has it, a wrong type there is refused by its name, and
 * what is required is missed. Then the rules, one document each that must fail for its reason. */
#include "core/fs.h"
#include "core/json.h"
#include "core/publish.h"
#include "oci/spec-internal.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DOCUMENT SOURCE_ROOT "/docs/spec-fields.md"
#define TEST_DATA SOURCE_ROOT "/tests/unit/oci/data"

static json_t *load(const char *name)
{
        _cleanup_free_ char *path = nxc_strf("%s/%s", TEST_DATA, name);
        struct nxc_error err = { 0 };
        json_t *doc = NULL;

        if (nxc_json_load_at(AT_FDCWD, path, NXC_SPEC_MAX_BYTES, &doc, &err) < 0)
                fail_msg("%s", err.message);
        return doc;
}

static int check(json_t *doc, struct nxc_error *err)
{
        struct nxc_spec *spec;
        int r = nxc_spec_from_json(doc, &spec, err);

        if (r < 0)
                return r;
        r = nxc_spec_check_required(spec, err);
        nxc_spec_free(spec);
        return r;
}

static void full_document_passes(void **state)
{
        _cleanup_json_ json_t *doc = load("full.json");
        struct nxc_error err = { 0 };

        if (check(doc, &err) < 0)
                fail_msg("%s", err.message);
}

/* The first place in the document that a row is about: its parent there, the key or index, and the path in
 * words. */
struct place {
        json_t *parent;
        char key[64];
        size_t index;
        char words[256];
};

static bool find(json_t *j, const char *path, struct place *ret)
{
        *ret = (struct place){ 0 };
        while (*path) {
                size_t n = strlen(ret->words);

                ret->parent = j;
                ret->key[0] = '\0';
                if (nxc_starts_with(path, "[]")) {
                        /* the element that has most: the last in our document, except for devices */
                        for (ret->index = json_array_size(j); ret->index-- > 0;) {
                                struct place rest;

                                if (!path[2] || find(json_array_get(j, ret->index), path + 2, &rest))
                                        break;
                        }
                        if (ret->index == (size_t)-1)
                                return false;
                        snprintf(ret->words + n, sizeof(ret->words) - n, "[%zu]", ret->index);
                        j = json_array_get(j, ret->index);
                        path += 2;
                } else if (nxc_starts_with(path, "{}")) {
                        snprintf(
                                ret->key, sizeof(ret->key), "%s", json_object_iter_key(json_object_iter(j)));
                        snprintf(ret->words + n, sizeof(ret->words) - n, "[\"%s\"]", ret->key);
                        j = json_object_get(j, ret->key);
                        path += 2;
                } else {
                        size_t k;

                        path += *path == '.';
                        k = strcspn(path, ".[{");
                        snprintf(ret->key, sizeof(ret->key), "%.*s", (int)k, path);
                        snprintf(ret->words + n, sizeof(ret->words) - n, "%s%s", n ? "." : "", ret->key);
                        j = json_object_get(j, ret->key);
                        path += k;
                }
                if (!j)
                        return false;
        }
        return true;
}

static void replace(const struct place *p, json_t *value)
{
        if (!value)
                json_object_del(p->parent, p->key);
        else if (p->key[0])
                json_object_set_new(p->parent, p->key, value);
        else
                json_array_set_new(p->parent, p->index, value);
}

static void expect_refused(json_t *doc, const char *where, const char *why)
{
        struct nxc_error err = { 0 };
        _cleanup_free_ char *start = nxc_strf("config field %s ", where);

        assert_int_equal(check(doc, &err), -EINVAL);
        assert_string_equal(nxc_error_kind_name(err.kind), "InvalidSpec");
        if (!nxc_starts_with(err.message, start) || !strstr(err.message, why))
                fail_msg("'%s' does not begin with '%s' and say '%s'", err.message, start, why);
}

static void each_row_is_in_the_full_document(void **state)
{
        _cleanup_json_ json_t *doc = load("full.json");

        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                struct place p;

                if (!find(doc, nxc_spec_fields[i].path, &p))
                        fail_msg("full.json has no %s", nxc_spec_fields[i].path);
        }
}

static void each_row_is_complete(void **state)
{
        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                const struct nxc_spec_field *f = &nxc_spec_fields[i];

                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(f->path, nxc_spec_fields[k].path);
                if (f->type == NXC_SPEC_INTEGER)
                        assert_true(f->min < 0 || (uint64_t)f->min < f->max);
                if (f->values)
                        assert_non_null(f->values[0]);
                assert_true(!f->rule || f->type == NXC_SPEC_STRING);
                assert_true(!f->key || nxc_ends_with(f->path, "{}"));
        }
}

static void each_row_refuses_another_type(void **state)
{
        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                const struct nxc_spec_field *f = &nxc_spec_fields[i];
                _cleanup_json_ json_t *doc = load("full.json");
                struct place p;

                assert_true(find(doc, f->path, &p));
                replace(&p, f->type == NXC_SPEC_STRING ? json_integer(7) : json_string("7"));
                expect_refused(doc, p.words, "is not of type");
        }
}

static void each_required_row_is_missed(void **state)
{
        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                const struct nxc_spec_field *f = &nxc_spec_fields[i];
                _cleanup_json_ json_t *doc = load("full.json");
                struct place p;

                if (!f->required)
                        continue;
                assert_true(find(doc, f->path, &p));
                replace(&p, NULL);
                expect_refused(doc, p.words, "is required, and missing");
        }
}

static void each_optional_member_may_be_null(void **state)
{
        static const char *const needed_by_others[] = { "linux", "linux.namespaces", "linux.devices[].major",
                "linux.devices[].minor", "mounts[].uidMappings", "mounts[].gidMappings",
                "linux.seccomp.listenerPath" };

        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                const struct nxc_spec_field *f = &nxc_spec_fields[i];
                _cleanup_json_ json_t *doc = load("full.json");
                struct nxc_error err = { 0 };
                bool skip = f->required || nxc_ends_with(f->path, "]") || nxc_ends_with(f->path, "}");
                struct place p;

                for (size_t k = 0; k < NXC_ARRAY_SIZE(needed_by_others); k++)
                        skip |= nxc_streq(f->path, needed_by_others[k]);
                if (skip)
                        continue;
                assert_true(find(doc, f->path, &p));
                replace(&p, json_null());
                if (check(doc, &err) < 0)
                        fail_msg("%s: %s", f->path, err.message);
        }
}

static void each_integer_has_its_range(void **state)
{
        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                const struct nxc_spec_field *f = &nxc_spec_fields[i];
                _cleanup_json_ json_t *doc = load("full.json");
                struct place p;

                if (f->type != NXC_SPEC_INTEGER)
                        continue;
                assert_true(find(doc, f->path, &p));
                if (f->max < INT64_MAX) {
                        replace(&p, json_integer((json_int_t)f->max + 1));
                        expect_refused(doc, p.words, "is out of range");
                } else if (f->max == INT64_MAX) {
                        replace(&p, json_real(0x1p63));
                        expect_refused(doc, p.words, "is out of range");
                }
                if (f->min > INT64_MIN) {
                        replace(&p, json_integer(f->min - 1));
                        expect_refused(doc, p.words, "is out of range");
                }
                replace(&p, json_real(1.5));
                expect_refused(doc, p.words, "is not of type integer");
        }
}

static void each_enum_refuses_the_unknown(void **state)
{
        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                const struct nxc_spec_field *f = &nxc_spec_fields[i];
                _cleanup_json_ json_t *doc = load("full.json");
                struct place p;

                if (!f->values)
                        continue;
                assert_true(find(doc, f->path, &p));
                replace(&p, json_string("nosuch"));
                expect_refused(doc, p.words, "is 'nosuch', must be one of: ");
        }
}

/* A member of the full document, or its key, replaced; and the words that name it. */
static const struct {
        const char *path, *value, *where, *why;
} should_fail[] = {
        { "process.args", "[]", "process.args", "is empty" },
        { "process.env", "[\"A=1\", \"B\"]", "process.env[1]", "is 'B', must be of the form NAME=value" },
        { "process.env", "[\"=C\"]", "process.env[0]", "NAME=value" },
        { "process.cwd", "\"tmp\"", "process.cwd", "is 'tmp', must be an absolute path" },
        { "process.cwd", "\"\"", "process.cwd", "must be an absolute path" },
        { "process.cwd", "\"/x\\nlxc.hook.pre-start = /evil\"", "process.cwd", "is '/x?lxc.hook" },
        { "process.capabilities.bounding", "[\"\"]", "process.capabilities.bounding[0]", "is empty" },
        { "process.rlimits", "[{\"type\": \"RLIMIT_AS\", \"soft\": 2, \"hard\": 1}]",
                "process.rlimits[0].soft", "is above its hard limit" },
        { "process.rlimits",
                "[{\"type\": \"RLIMIT_AS\", \"soft\": 1, \"hard\": 1}, {\"type\": \"RLIMIT_AS\", \"soft\": "
                "1, "
                "\"hard\": 1}]",
                "process.rlimits[1].type", "is 'RLIMIT_AS', as process.rlimits[0].type is already" },
        { "root.path", "\"\"", "root.path", "is empty" },
        { "hostname", "\"a\\nb\"", "hostname", "must be free of control characters" },
        { "domainname", "\"a\\u007fb\"", "domainname", "must be free of control characters" },
        { "mounts", "[{\"destination\": \"\"}]", "mounts[0].destination", "is empty" },
        { "mounts", "[{\"destination\": \"/a\", \"options\": [\"ro\\nlxc.x = y\"]}]", "mounts[0].options[0]",
                "control characters" },
        { "mounts",
                "[{\"destination\": \"/a\", \"uidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": "
                "1}]}]",
                "mounts[0].gidMappings", "is required with the other mapping" },
        { "hooks.poststop", "[{\"path\": \"bin/x\"}]", "hooks.poststop[0].path", "absolute path" },
        { "hooks.prestart", "[{\"path\": \"/x\", \"env\": [\"A\"]}]", "hooks.prestart[0].env[0]",
                "NAME=value" },
        { "hooks.prestart", "[{\"path\": \"/x\", \"timeout\": 0}]", "hooks.prestart[0].timeout",
                "is out of range" },
        { "annotations", "{\"\": \"x\"}", "annotations[\"\"]", "has a key that must be not empty" },
        { "linux.namespaces", "[{\"type\": \"pid\"}, {\"type\": \"pid\"}]", "linux.namespaces[1].type",
                "is 'pid', as linux.namespaces[0].type is already" },
        { "linux.namespaces", "[{\"type\": \"ipc\"}]", "hostname", "needs a uts namespace" },
        { "linux.namespaces", "[{\"type\": \"uts\"}]", "linux.sysctl[\"net.ipv4.ip_forward\"]",
                "needs a network namespace" },
        { "linux.namespaces", "[{\"type\": \"uts\", \"path\": \"ns\"}]", "linux.namespaces[0].path",
                "absolute path" },
        { "linux.timeOffsets", "{\"realtime\": {}}", "linux.timeOffsets[\"realtime\"]",
                "boottime or monotonic" },
        { "linux.devices", "[{\"path\": \"/dev/x\", \"type\": \"c\", \"major\": 1}]",
                "linux.devices[0].minor", "is required, and missing" },
        { "linux.netDevices", "{\"a/b\": {}}", "linux.netDevices[\"a/b\"]", "interface's name" },
        { "linux.netDevices", "{\"eth0\": {\"name\": \"sixteen-letters-\"}}",
                "linux.netDevices[\"eth0\"].name", "interface's name" },
        { "linux.cgroupsPath", "\"/a/../../b\"", "linux.cgroupsPath", "must be without '..'" },
        { "linux.cgroupsPath", "\"..\"", "linux.cgroupsPath", "must be without '..'" },
        { "linux.resources.unified", "{\"../memory.max\": \"1\"}",
                "linux.resources.unified[\"../memory.max\"]", "CONTROLLER.PARAMETER" },
        { "linux.resources.unified", "{\"memory\": \"1\"}", "linux.resources.unified[\"memory\"]",
                "CONTROLLER.PARAMETER" },
        { "linux.resources.devices", "[{\"allow\": true, \"access\": \"rx\"}]",
                "linux.resources.devices[0].access", "made of r, w and m" },
        { "linux.resources.cpu.cpus", "\"0-3;rm\"", "linux.resources.cpu.cpus", "list of numbers" },
        { "linux.resources.hugepageLimits", "[{\"pageSize\": \"2M\", \"limit\": 1}]",
                "linux.resources.hugepageLimits[0].pageSize", "page size" },
        { "linux.resources.rdma", "{\"a/b\": {}}", "linux.resources.rdma[\"a/b\"]", "without '/'" },
        { "linux.intelRdt.closID", "\"../x\"", "linux.intelRdt.closID", "without '/'" },
        { "linux.intelRdt.closID", "\"..\"", "linux.intelRdt.closID", "without '/'" },
        { "linux.intelRdt.memBwSchema", "\"L3:0=1\"", "linux.intelRdt.memBwSchema", "'MB:'" },
        { "linux.intelRdt.schemata", "[\"a\\nb\"]", "linux.intelRdt.schemata[0]", "one line" },
        { "linux.sysctl", "{\"kernel.core_pattern\": \"|/evil\"}", "linux.sysctl[\"kernel.core_pattern\"]",
                "is not namespaced" },
        { "linux.sysctl", "{\"kernel/core_pattern\": \"|/evil\"}", "linux.sysctl[\"kernel/core_pattern\"]",
                "is not namespaced" },
        { "linux.sysctl", "{\"net/../kernel/core_pattern\": \"1\"}",
                "linux.sysctl[\"net/../kernel/core_pattern\"]", "no two separators in a row" },
        { "linux.sysctl", "{\"net.//kernel.core_pattern\": \"1\"}",
                "linux.sysctl[\"net.//kernel.core_pattern\"]", "no two separators in a row" },
        { "linux.sysctl", "{\"net.a+kernel.core_pattern\": \"1\"}",
                "linux.sysctl[\"net.a+kernel.core_pattern\"]", "letters, digits" },
        { "linux.sysctl", "{\"net/ipv4\": \"1\\nx\"}", "linux.sysctl[\"net/ipv4\"]", "control characters" },
        { "linux.sysctl", "{\"/net/ipv4\": \"1\"}", "linux.sysctl[\"/net/ipv4\"]", "letters, digits" },
        { "linux.sysctl", "{\"net.\": \"1\"}", "linux.sysctl[\"net.\"]", "letters, digits" },
        { "linux.sysctl", "{\"kernel.shmmaxx\": \"1\"}", "linux.sysctl[\"kernel.shmmaxx\"]",
                "is not namespaced" },
        { "linux.seccomp.listenerPath", "null", "linux.seccomp.listenerMetadata",
                "needs linux.seccomp.listenerPath" },
        { "linux.seccomp.syscalls", "[{\"names\": [], \"action\": \"SCMP_ACT_LOG\"}]",
                "linux.seccomp.syscalls[0].names", "is empty" },
        { "linux.seccomp.syscalls", "[{\"names\": [\"a\", 1], \"action\": \"SCMP_ACT_LOG\"}]",
                "linux.seccomp.syscalls[0].names[1]", "is not of type string" },
        { "linux.maskedPaths", "[\"/a\", \"b\"]", "linux.maskedPaths[1]", "absolute path" },
        { "vm.kernel.path", "\"vmlinuz\"", "vm.kernel.path", "absolute path" },
        { "process.args", "[\"a\", null]", "process.args[1]", "is not of type string" },
};

static void wrong_values_are_refused_by_name(void **state)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(should_fail); i++) {
                _cleanup_json_ json_t *doc = load("full.json");
                json_t *value = json_loads(should_fail[i].value, JSON_DECODE_ANY, NULL);
                struct place p;

                assert_non_null(value);
                assert_true(find(doc, should_fail[i].path, &p));
                replace(&p, value);
                expect_refused(doc, should_fail[i].where, should_fail[i].why);
        }
}

static void an_embedded_nul_is_refused(void **state)
{
        _cleanup_json_ json_t *doc = load("full.json");
        struct place p;

        assert_true(find(doc, "process.env", &p));
        replace(&p, json_pack("[s, o]", "A=1", json_stringn("A=1\0B", 5)));
        expect_refused(doc, "process.env[1]", "holds a NUL character");
}

static void a_minimal_document_passes(void **state)
{
        _cleanup_json_ json_t *doc = json_loads(
                "{\"ociVersion\": \"1.0.0\", \"root\": {\"path\": \"rootfs\"},"
                " \"process\": {\"cwd\": \"/\", \"args\": [\"sh\"]}}",
                0, NULL);
        struct nxc_error err = { 0 };

        assert_int_equal(check(doc, &err), 0);
        assert_int_equal(err.kind, NXC_ERR_NONE);
}

static void the_document_has_each_row(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };

        assert_int_equal(nxc_spec_fields_document(&out), 0);
        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                _cleanup_free_ char *row = nxc_strf("\n| `%s` | ", nxc_spec_fields[i].path);

                assert_non_null(strstr(out.data, row));
        }
        assert_non_null(strstr(out.data, "| `process.cwd` | string | yes | an absolute path"));
        assert_non_null(strstr(out.data, "| `process.oomScoreAdj` | integer |  | -1000 to 1000 |"));
        assert_non_null(strstr(out.data, "| `linux.devices[].type` | string | yes | one of c, b, u, p |"));
}

/* NXC_UPDATE_DOCS=1 writes it instead. */
static void the_document_is_up_to_date(void **state)
{
        _cleanup_buf_ struct nxc_buf out = { 0 };
        _cleanup_free_ char *text = NULL;

        assert_int_equal(nxc_spec_fields_document(&out), 0);
        if (getenv("NXC_UPDATE_DOCS"))
                assert_int_equal(nxc_publish_at(AT_FDCWD, DOCUMENT, out.data, out.len, 0644, 0, NULL), 0);
        assert_int_equal(nxc_read_file_at(AT_FDCWD, DOCUMENT, 1 << 20, &text, NULL, NULL), 0);
        assert_string_equal(text, out.data);
}

static void a_part_is_checked_alone(void **state)
{
        static const struct {
                const char *place, *text, *words;
        } cases[] = {
                { "process", "{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"uid\":1,\"gid\":2}}", NULL },
                { "process", "{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"uid\":\"1\",\"gid\":2}}",
                        "process.user.uid" },
                { "process", "{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"uid\":-1,\"gid\":2}}",
                        "process.user.uid" },
                { "process", "{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"uid\":1}}", "process.user.gid" },
                { "process", "{\"args\":[],\"cwd\":\"/\"}", "process.args" },
                { "process", "{\"args\":[\"x\"],\"cwd\":\"x\"}", "process.cwd" },
                { "process", "[]", "process" },
                { "linux.resources", "{\"pids\":{\"limit\":-1}}", NULL },
                { "linux.resources", "{\"memory\":{\"limit\":\"1\"}}", "linux.resources.memory.limit" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_t *part = json_loads(cases[i].text, 0, NULL);
                struct nxc_error err = { 0 };
                int r = nxc_spec_check_part(cases[i].place, part, &err);

                assert_int_equal(r < 0, cases[i].words != NULL);
                if (r < 0) {
                        assert_int_equal(err.kind, NXC_ERR_INVALID_SPEC);
                        assert_non_null(strstr(err.message, cases[i].words));
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(full_document_passes),
                cmocka_unit_test(a_minimal_document_passes),
                cmocka_unit_test(a_part_is_checked_alone),
                cmocka_unit_test(each_row_is_complete),
                cmocka_unit_test(each_row_is_in_the_full_document),
                cmocka_unit_test(each_row_refuses_another_type),
                cmocka_unit_test(each_required_row_is_missed),
                cmocka_unit_test(each_optional_member_may_be_null),
                cmocka_unit_test(each_integer_has_its_range),
                cmocka_unit_test(each_enum_refuses_the_unknown),
                cmocka_unit_test(wrong_values_are_refused_by_name),
                cmocka_unit_test(an_embedded_nul_is_refused),
                cmocka_unit_test(the_document_has_each_row),
                cmocka_unit_test(the_document_is_up_to_date),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
