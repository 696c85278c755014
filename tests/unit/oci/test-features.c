/* The features document agrees with the field table where both speak of the same names. */
#include "core/json.h"
#include "core/str.h"
#include "oci/features.h"
#include "oci/spec-internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static json_t *features(void)
{
        json_t *doc = NULL;

        assert_int_equal(nxc_features_json(&doc, NULL), 0);
        return doc;
}

static bool lists(const json_t *doc, const char *dotted, const char *name)
{
        json_t *item;
        size_t i;

        json_array_foreach (nxc_json_get(doc, dotted), i, item)
                if (nxc_streq(json_string_value(item), name))
                        return true;
        return false;
}

static void has_what_the_specification_names(void **state)
{
        static const char *const booleans[] = { "linux.cgroup.v1", "linux.cgroup.v2", "linux.cgroup.systemd",
                "linux.cgroup.systemdUser", "linux.cgroup.rdma", "linux.seccomp.enabled",
                "linux.apparmor.enabled", "linux.selinux.enabled", "linux.intelRdt.enabled",
                "linux.mountExtensions.idmap.enabled" };
        static const char *const hooks[] = { "prestart", "createRuntime", "createContainer",
                "startContainer", "poststart", "poststop" };
        static const char *const unsafe[] = { "bundle", "org.systemd.property.", "org.criu.config" };
        _cleanup_json_ json_t *doc = features();

        assert_string_equal(nxc_json_str(doc, "ociVersionMin"), "1.0.0");
        assert_string_equal(nxc_json_str(doc, "ociVersionMax"), "1.3.0");
        for (size_t i = 0; i < NXC_ARRAY_SIZE(booleans); i++)
                assert_true(json_is_boolean(nxc_json_get(doc, booleans[i])));
        assert_int_equal(json_array_size(nxc_json_get(doc, "hooks")), NXC_ARRAY_SIZE(hooks));
        for (size_t i = 0; i < NXC_ARRAY_SIZE(hooks); i++)
                assert_true(lists(doc, "hooks", hooks[i]));
        for (size_t i = 0; i < NXC_ARRAY_SIZE(unsafe); i++)
                assert_true(lists(doc, "potentiallyUnsafeConfigAnnotations", unsafe[i]));
        assert_true(lists(doc, "mountOptions", "rbind"));
        assert_true(lists(doc, "linux.capabilities", "CAP_CHECKPOINT_RESTORE"));
        assert_non_null(json_object_get(json_object_get(doc, "annotations"), "org.nexcage.version"));
}

static void lists_only_names_that_the_checker_accepts(void **state)
{
        static const struct {
                const char *list, *field;
        } same[] = {
                { "linux.namespaces", "linux.namespaces[].type" },
                { "linux.seccomp.actions", "linux.seccomp.defaultAction" },
                { "linux.seccomp.operators", "linux.seccomp.syscalls[].args[].op" },
                { "linux.seccomp.archs", "linux.seccomp.architectures[]" },
        };
        _cleanup_json_ json_t *doc = features();

        for (size_t i = 0; i < NXC_ARRAY_SIZE(same); i++) {
                const struct nxc_spec_field *f = nxc_spec_fields;
                json_t *item;
                size_t k;

                while (!nxc_streq(f->path, same[i].field))
                        f++;
                json_array_foreach (nxc_json_get(doc, same[i].list), k, item) {
                        const char *const *v = f->values;

                        while (*v && !nxc_streq(*v, json_string_value(item)))
                                v++;
                        if (!*v)
                                fail_msg("%s is not known to %s", json_string_value(item), same[i].field);
                }
                assert_true(k > 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(has_what_the_specification_names),
                cmocka_unit_test(lists_only_names_that_the_checker_accepts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
