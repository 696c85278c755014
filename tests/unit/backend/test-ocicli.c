/* crun and runc as text: logs, phrases, status files, versions, what is refused, what is passed on. No
 * program is run. */
#include "backend/ocicli/ocicli-internal.h"

#include "backend/alive-internal.h"
#include "core/json.h"
#include "sys/cgroup.h"

#include "../core/temp-dir.h"

static void the_last_error_of_a_log_counts(void **state)
{
        static const char text[] =
                "{\"msg\":\"first\",\"level\":\"error\",\"time\":\"2026-11-24T20:44:28.874738Z\"}\n"
                "not json\n"
                "{\"level\":\"warning\",\"msg\":\"a warning\"}\n"
                "{\"level\":\"error\",\"msg\":\"last\\n\",\"time\":\"2026-11-24T20:44:28Z\"}\n"
                "{\"level\":\"debug\",\"msg\":\"later\"}\n"
                "{\"level\":\"error\",\"msg\":\"cut of";
        struct ocicli_log log;

        ocicli_log_parse(text, strlen(text), NULL, &log);
        assert_string_equal(log.error, "last\n");
        assert_int_equal(log.lines, 4);
        ocicli_log_parse("", 0, NULL, &log);
        assert_string_equal(log.error, "");
}

static void what_is_no_entry_is_a_programs_output(void **state)
{
        static const char entry[] = "{\"level\":\"debug\",\"msg\":\"x\"}\n";
        struct nxc_buf text = { 0 }, out = { 0 };
        size_t len = strlen(entry);

        assert_int_equal(ocicli_log_take_spill(entry, &len, &out), 0);
        assert_int_equal(len, strlen(entry));
        assert_int_equal(out.len, 0);
        /* 300 bytes are two pieces. */
        assert_int_equal(nxc_buf_puts(&text, entry), 0);
        for (int i = 0; i < 300; i++)
                assert_int_equal(nxc_buf_puts(&text, i == 255 ? "\ny" : i == 10 ? "\n" : "x"), 0);
        assert_int_equal(nxc_buf_puts(&text, "\n"), 0);
        len = text.len;
        assert_int_equal(ocicli_log_take_spill(text.data, &len, &out), 0);
        assert_int_equal(len, strlen(entry));
        assert_int_equal(out.len, 300);
        assert_int_equal(out.data[10], '\n');
        assert_int_equal(out.data[254], 'x');
        assert_int_equal(out.data[255], 'y');
        nxc_buf_done(&out);
        nxc_buf_done(&text);
        /* Pieces of other sizes: all is there. */
        out = (struct nxc_buf){ 0 };
        len = 5;
        assert_int_equal(ocicli_log_take_spill("a\nb\n\n", &len, &out), 0);
        assert_int_equal(len, 0);
        assert_string_equal(out.data, "a\nb\n");
        nxc_buf_done(&out);
}

static void words_become_what_engines_match(void **state)
{
        static const struct {
                const struct ocicli *rt;
                const char *words;
                enum nxc_error_kind kind;
                int errnum;
                const char *contains;
        } cases[] = {
                { &ocicli_crun, "executable file `nosuch` not found in $PATH: No such file or directory",
                        NXC_ERR_CRUN, ENOENT, "executable file not found in $PATH" },
                { &ocicli_crun, "executable file `nosuch` not found in $PATH: No such file or directory",
                        NXC_ERR_CRUN, ENOENT, "no such file or directory" },
                { &ocicli_crun, "open executable: Permission denied", NXC_ERR_CRUN, EACCES,
                        "permission denied" },
                { &ocicli_crun, "open executable: Operation not permitted", NXC_ERR_CRUN, EACCES,
                        "permission denied" },
                { &ocicli_crun, "exec container process `/x`: Exec format error", NXC_ERR_CRUN, EACCES,
                        "Exec format error" },
                { &ocicli_crun, "the container `c1` is not running", NXC_ERR_INVALID_STATE, EINVAL,
                        "container not running" },
                { &ocicli_crun, "kill container: No such process", NXC_ERR_INVALID_STATE, EINVAL,
                        "container not running" },
                { &ocicli_crun, "the container `c1` is paused", NXC_ERR_INVALID_STATE, EINVAL,
                        "container paused" },
                { &ocicli_crun, "container `c1` already exists", NXC_ERR_CONTAINER_EXISTS, EEXIST,
                        "container with given ID already exists" },
                { &ocicli_crun, "error opening file `/r/rt/c1/status`: No such file or directory",
                        NXC_ERR_CONTAINER_NOT_FOUND, EINVAL, "container does not exist" },
                { &ocicli_crun, "error executing hook `/bin/sh` (exit code: 3)", NXC_ERR_HOOK, EINVAL,
                        "exit code: 3" },
                { &ocicli_runc,
                        "runc run failed: unable to start container process: exec: \"x\": executable file "
                        "not found in $PATH",
                        NXC_ERR_RUNC, ENOENT, "executable file not found in $PATH" },
                { &ocicli_runc,
                        "runc run failed: unable to start container process: exec: \"/etc\": permission "
                        "denied",
                        NXC_ERR_RUNC, EACCES, "permission denied" },
                { &ocicli_runc, "container not running", NXC_ERR_INVALID_STATE, EINVAL,
                        "container not running" },
                { &ocicli_runc, "exec failed: cannot exec in a stopped container", NXC_ERR_INVALID_STATE,
                        EINVAL, "container not running" },
                { &ocicli_runc, "container does not exist", NXC_ERR_CONTAINER_NOT_FOUND, EINVAL,
                        "container does not exist" },
                { &ocicli_runc,
                        "error running hook #0: error running hook: exit status 3, stdout: , stderr: "
                        "words\n",
                        NXC_ERR_HOOK, EINVAL, "stderr: words" },
                { &ocicli_runc, "something new", NXC_ERR_RUNC, EINVAL,
                        "runc create container 'c1': something new" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                struct nxc_error err = { 0 };

                assert_int_equal(
                        ocicli_explain(cases[i].rt, "create", "c1", cases[i].words, &err), -cases[i].errnum);
                assert_int_equal(err.kind, cases[i].kind);
                assert_int_equal(err.errnum, cases[i].errnum);
                if (!strstr(err.message, cases[i].contains))
                        fail_msg("'%s' does not say '%s'", err.message, cases[i].contains);
        }
}

static void status_files(void **state)
{
        static const char crun[] = "{\"pid\": 12349,\"process-start-time\": 101700,\"cgroup-path\": "
                                   "\"/no/such/c1\",\"scope\": \"\","
                                   "\"rootfs\": \"rootfs\",\"systemd-cgroup\": false,\"bundle\": \"/b\"}";
        static const char runc[] = "{\"id\":\"t1\",\"init_process_pid\":12374,\"init_process_start\":101711,"
                                   "\"cgroup_paths\":{\"pids\":\"/sys/fs/cgroup/pids/t1\"}}";
        struct ocicli_record rec = { 0 };
        json_t *j = json_loads(crun, 0, NULL);

        assert_int_equal(ocicli_crun.parse_record(j, &rec), 0);
        assert_int_equal(rec.pid, 12349);
        assert_int_equal(rec.start_time, 101700);
        ocicli_record_done(&rec);
        assert_int_equal(ocicli_runc.parse_record(j, &rec), -EINVAL);
        json_decref(j);
        j = json_loads(runc, 0, NULL);
        rec = (struct ocicli_record){ 0 };
        assert_int_equal(ocicli_runc.parse_record(j, &rec), 0);
        assert_int_equal(rec.pid, 12374);
        assert_int_equal(rec.start_time, 101711);
        assert_string_equal(rec.cgroups.v[0], "/sys/fs/cgroup/pids/t1");
        assert_int_equal(ocicli_crun.parse_record(j, &rec), -EINVAL);
        ocicli_record_done(&rec);
        json_decref(j);
}

static void a_process_is_known_by_its_start(void **state)
{
        static const char stat[] =
                "4242 (a) b (c) Z 1 4242 4242 0 -1 4194560 105 0 0 0 0 0 0 0 20 0 1 0 101700 2404352 166 1";
        struct ocicli_record us = { .pid = getpid() };
        uint64_t start;
        char s;

        assert_int_equal(nxc_stat_parse(stat, &s, &start), 0);
        assert_int_equal(s, 'Z');
        assert_int_equal(start, 101700);
        assert_int_equal(nxc_stat_parse("1 (x) S 1 2", &s, &start), -EINVAL);
        assert_int_equal(nxc_stat_parse("1 (x", &s, &start), -EINVAL);
        assert_int_equal(nxc_stat_parse("", &s, &start), -EINVAL);
        assert_true(ocicli_record_is_alive(&us));
        us.start_time = 1;
        assert_false(ocicli_record_is_alive(&us));
}

static void versions(void **state)
{
        struct ocicli_version v;

        assert_int_equal(ocicli_version_parse("crun version 1.8.1\ncommit: f8a", &v), 0);
        assert_int_equal(ocicli_version_compare(v, (struct ocicli_version){ 1, 8, 1 }), 0);
        assert_int_equal(ocicli_version_parse("runc version 1.1.5+ds1\n", &v), 0);
        assert_true(ocicli_version_compare(v, (struct ocicli_version){ 1, 2, 0 }) < 0);
        assert_int_equal(ocicli_version_parse("crun version 1.21\n", &v), 0);
        assert_true(ocicli_version_compare(v, (struct ocicli_version){ 1, 8, 6 }) > 0);
        assert_int_equal(ocicli_version_parse("crun version HEAD", &v), -EINVAL);
        assert_int_equal(ocicli_version_parse("", &v), -EINVAL);
}

static void what_would_be_ignored_is_refused_by_name(void **state)
{
        static const struct ocicli_version crun_181 = { 1, 8, 1 }, runc_115 = { 1, 1, 5 },
                                           new = { 99, 0, 0 };
        static const struct {
                const char *doc, *name;
                bool crun, runc; /* refused by the old ones */
                bool always;     /* by any version */
        } cases[] = {
                { "{'linux':{'namespaces':[{'type':'pid'},{'type':'time'}]}}",
                        "linux.namespaces[].type time", true, true },
                { "{'linux':{'timeOffsets':{'boottime':{'secs':1}}}}", "linux.timeOffsets", true, true },
                { "{'process':{'ioPriority':{'class':'IOPRIO_CLASS_IDLE'}}}", "process.ioPriority", true,
                        true },
                { "{'process':{'scheduler':{'policy':'SCHED_BATCH'}}}", "process.scheduler", true, true },
                { "{'process':{'execCPUAffinity':{'initial':'0'}}}", "process.execCPUAffinity", true, true },
                { "{'linux':{'netDevices':{'eth0':{'name':'x'}}}}", "linux.netDevices", true, true },
                { "{'linux':{'netDevices':{'eth0':{}}}}", "linux.netDevices", true, true },
                { "{'linux':{'memoryPolicy':{'mode':'MPOL_BIND'}}}", "linux.memoryPolicy", true, true },
                { "{'linux':{'intelRdt':{'enableMonitoring':true}}}", "linux.intelRdt", true, true },
                { "{'domainname':'x'}", "domainname", false, true },
                { "{'linux':{'personality':{'domain':'LINUX32'}}}", "linux.personality", false, true },
                { "{'mounts':[{},{'uidMappings':[{'size':1}]}]}", "mounts[].uidMappings", false, true },
                { "{'mounts':[{'options':['bind','idmap']}]}", "mounts[].options[] idmap", false, true },
                { "{'linux':{'resources':{'cpu':{'burst':1}}}}", "linux.resources.cpu.burst", true, true },
                { "{'vm':{'kernel':{'path':'/k'}}}", "vm", true, true, true },
                { "{'domainname':'','linux':{'netDevices':{},'timeOffsets':null,'intelRdt':{'"
                  "enableMonitoring':false}}}",
                        "", true, false },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(cases); i++) {
                char text[256];
                json_t *doc;
                struct nxc_error err = { 0 };

                snprintf(text, sizeof(text), "%s", cases[i].doc);
                for (char *p = text; *p; p++)
                        *p = *p == '\'' ? '"' : *p;
                doc = json_loads(text, 0, NULL);
                assert_non_null(doc);
                if (cases[i].name[0]) {
                        assert_int_equal(
                                ocicli_refuse(&ocicli_crun, doc, &crun_181, &err) < 0, cases[i].crun);
                        nxc_error_reset(&err);
                }
                assert_int_equal(ocicli_refuse(&ocicli_runc, doc, &runc_115, &err) < 0, cases[i].runc);
                if (cases[i].runc) {
                        assert_int_equal(err.kind, NXC_ERR_NOT_IMPLEMENTED);
                        if (!strstr(err.message, cases[i].name))
                                fail_msg("'%s' does not name '%s'", err.message, cases[i].name);
                }
                assert_int_equal(ocicli_refuse(&ocicli_crun, doc, &new, NULL) < 0, cases[i].always);
                json_decref(doc);
        }
}

static json_t *adapt_with(const struct ocicli *rt, const char *text, bool changed, bool default_seccomp)
{
        const struct nxc_rootfs rootfs = { .kind = NXC_ROOTFS_DIR, .path = (char *)(uintptr_t) "/roots/c1" };
        const struct nxc_backend_target t = { .id = "c1", .state_dir = "/state/c1", .bundle = "/bundle" };
        struct nxc_backend_create c = {
                .rootfs = &rootfs, .spec_changed = changed, .seccomp_is_default = default_seccomp
        };
        _cleanup_free_ char *before = NULL, *after = NULL;
        struct nxc_spec *spec;
        json_t *ret;

        assert_int_equal(nxc_spec_parse(text, strlen(text), &spec, NULL), 0);
        c.spec = spec;
        before = nxc_json_format(nxc_spec_json(spec), false);
        assert_int_equal(ocicli_adapt_spec(rt, &t, &c, &ret, NULL), 0);
        after = nxc_json_format(nxc_spec_json(spec), false);
        assert_string_equal(before, after); /* the container's own stays as it is */
        nxc_spec_free(spec);
        return ret;
}

static json_t *adapt(const struct ocicli *rt, const char *text, bool changed)
{
        return adapt_with(rt, text, changed, false);
}

static const char *filter_of(const json_t *doc)
{
        return json_string_value(
                json_object_get(json_object_get(doc, "annotations"), "run.oci.seccomp_bpf_data"));
}

static void the_default_seccomp_program_is_passed_to_who_takes_it(void **state)
{
        static const char text[] =
                "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},\"annotations\":{\"a\":\"b\"},"
                "\"linux\":{\"seccomp\":{\"syscalls\":[{\"names\":[\"x\"]}]}}}";
        static const char own[] = "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},"
                                  "\"annotations\":{\"run.oci.seccomp_bpf_data\":\"mine\"}}";
        json_t *doc = adapt_with(&ocicli_crun, text, false, true);

        if (!ocicli_default_filter[0])
                skip(); /* built without libseccomp */
        assert_string_equal(filter_of(doc), ocicli_default_filter);
        assert_string_equal(
                json_string_value(json_object_get(json_object_get(doc, "annotations"), "a")), "b");
        assert_int_equal(json_array_size(nxc_json_get(doc, "linux.seccomp.syscalls")), 1);
        json_decref(doc);
        doc = adapt_with(&ocicli_crun, own, true, true);
        assert_string_equal(filter_of(doc), "mine");
        json_decref(doc);
        assert_null(adapt_with(&ocicli_crun, text, false, false));
        assert_null(adapt_with(&ocicli_runc, text, false, true));
}

static void a_bundle_that_fits_is_passed_as_it_is(void **state)
{
        assert_null(adapt(&ocicli_crun,
                "{\"ociVersion\":\"1.0.2-dev\",\"root\":{\"path\":\"rootfs\"},\"hooks\":{\"prestart\":[]}}",
                false));
        assert_null(adapt(&ocicli_runc, "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"}}", false));
}

static void a_copy_says_the_same_from_elsewhere(void **state)
{
        static const char text[] =
                "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"mounts\":["
                "{\"type\":\"bind\",\"source\":\"data\"},{\"source\":\"x/"
                "y\",\"options\":[\"ro\",\"rbind\"]},"
                "{\"type\":\"tmpfs\",\"source\":\"tmpfs\"},{\"type\":\"bind\",\"source\":\"/abs\"}],"
                "\"hooks\":{\"poststop\":[{\"path\":\"/bin/true\"}]}}";
        json_t *crun = adapt(&ocicli_crun, text, false), *runc = adapt(&ocicli_runc, text, true);
        const char *const sources[] = { "/bundle/data", "/bundle/x/y", "tmpfs", "/abs" };

        assert_string_equal(nxc_json_str(crun, "ociVersion"), "1.0.2");
        assert_string_equal(json_string_value(json_object_get(
                                    json_object_get(crun, "annotations"), "run.oci.hooks.stderr")),
                "/state/c1/hooks.err");
        assert_string_equal(nxc_json_str(runc, "ociVersion"), "1.2.0");
        assert_null(json_object_get(runc, "annotations"));
        assert_string_equal(nxc_json_str(runc, "root.path"), "/roots/c1");
        for (size_t i = 0; i < NXC_ARRAY_SIZE(sources); i++)
                assert_string_equal(
                        nxc_json_str(json_array_get(json_object_get(runc, "mounts"), i), "source"),
                        sources[i]);
        json_decref(crun);
        json_decref(runc);
}

static void no_limit_is_not_written_by_a_runtime_that_cannot(void **state)
{
        static const char text[] =
                "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"linux\":{\"resources\":{"
                "\"cpu\":{\"quota\":-1,\"shares\":5},\"pids\":{\"limit\":-1},\"memory\":{\"limit\":-1}}}}";
        json_t *doc = adapt(&ocicli_crun, text, false);

        assert_null(adapt(&ocicli_runc, text, false));
        assert_null(nxc_json_get(doc, "linux.resources.cpu.quota"));
        assert_int_equal(json_integer_value(nxc_json_get(doc, "linux.resources.cpu.shares")), 5);
        assert_null(nxc_json_get(doc, "linux.resources.pids.limit"));
        assert_int_equal(json_integer_value(nxc_json_get(doc, "linux.resources.memory.limit")), -1);
        json_decref(doc);
}

static void assert_file_is(const struct temp_dir *t, const char *name, const char *want)
{
        _cleanup_free_ char *text = NULL;

        assert_int_equal(nxc_read_file_at(t->fd, name, 64, &text, NULL, NULL), 0);
        assert_string_equal(text, want);
}

static void limits_are_taken_away(void **state)
{
        struct temp_dir *t = *state;
        _cleanup_strv_ struct nxc_strv dirs = { 0 };
        json_t *resources = json_pack("{s:{s:i, s:i}, s:{s:i}, s:{s:i}}", "cpu", "quota", -1, "period", 9,
                "pids", "limit", -2, "memory", "limit", -1);

        assert_int_equal(mkdirat(t->fd, "pids", 0700), 0);
        assert_int_equal(nxc_strv_addf(&dirs, "%s", t->path), 0);
        assert_int_equal(nxc_strv_addf(&dirs, "%s/pids", t->path), 0);
        put_file(t->fd, "cpu.cfs_quota_us", "");
        put_file(t->fd, "cpu.max", "");
        put_file(t->fd, "pids/pids.max", "");
        assert_true(ocicli_has_unlimited(resources));
        assert_int_equal(ocicli_unlimit(&dirs, resources, NULL), 0);
        if (nxc_cgroup_mode() == NXC_CGROUP_V2)
                assert_file_is(t, "cpu.max", "max");
        else
                assert_file_is(t, "cpu.cfs_quota_us", "-1");
        assert_file_is(t, "pids/pids.max", "max");
        assert_null(nxc_json_get(resources, "cpu.quota"));
        assert_int_equal(json_integer_value(nxc_json_get(resources, "cpu.period")), 9);
        assert_null(nxc_json_get(resources, "pids.limit"));
        assert_int_equal(json_integer_value(nxc_json_get(resources, "memory.swap")), -1);
        assert_false(ocicli_has_unlimited(resources));
        assert_false(ocicli_has_unlimited(NULL));
        json_decref(resources);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_last_error_of_a_log_counts),
                cmocka_unit_test(what_is_no_entry_is_a_programs_output),
                cmocka_unit_test(words_become_what_engines_match),
                cmocka_unit_test(status_files),
                cmocka_unit_test(a_process_is_known_by_its_start),
                cmocka_unit_test(versions),
                cmocka_unit_test(what_would_be_ignored_is_refused_by_name),
                cmocka_unit_test(the_default_seccomp_program_is_passed_to_who_takes_it),
                cmocka_unit_test(a_bundle_that_fits_is_passed_as_it_is),
                cmocka_unit_test(a_copy_says_the_same_from_elsewhere),
                cmocka_unit_test(no_limit_is_not_written_by_a_runtime_that_cannot),
                with_temp_dir(limits_are_taken_away),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
