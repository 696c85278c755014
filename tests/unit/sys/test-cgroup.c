/* Cgroups of hosts that this machine is not, from files in a temporary directory. */
#include "../core/temp-dir.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "sys/cgroup-internal.h"

struct fixture {
        struct temp_dir *t;
        char proc[128], cgroup[128];
};

/* Writes a file below the temporary directory, making its directories. */
static void put(struct temp_dir *t, const char *name, const char *text)
{
        _cleanup_free_ char *path = nxc_strf("%s/%s", t->path, name), *dir = strdup(path);

        *strrchr(dir, '/') = '\0';
        assert_int_equal(nxc_mkdir_p(dir, 0755, NULL), 0);
        put_file(AT_FDCWD, path, text);
}

static struct nxc_cgroup_host host_of(struct fixture *f, struct temp_dir *t, enum nxc_cgroup_mode mode)
{
        f->t = t;
        snprintf(f->proc, sizeof(f->proc), "%s/proc", t->path);
        snprintf(f->cgroup, sizeof(f->cgroup), "%s/cgroup", t->path);
        return (struct nxc_cgroup_host){ f->proc, f->cgroup, mode };
}

static const char v2_line[] = "0::/machine.slice/crun-1.scope/container\n";
static const char v1_lines[] = "12:cpu,cpuacct:/c1\n11:memory:/c1\n5:pids:/c1\n4:freezer:/c1\n3:blkio:/c1\n"
                               "2:hugetlb:/c1\n6:cpuset:/c1\n1:name=systemd:/c1\n0::/unified-c1\n";

#define V2_DIR "cgroup/machine.slice/crun-1.scope/container/"

static void test_v2(void **state)
{
        struct fixture f;
        struct nxc_cgroup_host host = host_of(&f, *state, NXC_CGROUP_V2);
        _cleanup_free_ char *dir = NULL,
                            *want = nxc_strf("%s/machine.slice/crun-1.scope/container", f.cgroup);
        _cleanup_free_ pid_t *pids = NULL;
        _cleanup_json_ json_t *stats = NULL;
        struct nxc_error err = { 0 };
        unsigned long long kills = 0;
        bool frozen = false;
        size_t n;

        put(f.t, "proc/7/cgroup", v2_line);
        assert_int_equal(
                nxc_cgroup_host_dir(&host, 7, "pids", &dir, &err), -ENOENT); /* the directory is gone */
        nxc_error_reset(&err);
        put(f.t, V2_DIR "cgroup.procs", "7\n9\n");
        put(f.t, V2_DIR "deep/er/cgroup.procs", "11\n");
        put(f.t, V2_DIR "deep/cgroup.procs", "");
        put(f.t, V2_DIR "cgroup.events", "populated 1\nfrozen 1\n");
        put(f.t, V2_DIR "cpu.stat",
                "usage_usec 12\nuser_usec 7\nsystem_usec 5\nnr_periods 3\nnr_throttled 2\nthrottled_usec "
                "9\n");
        put(f.t, V2_DIR "memory.current", "4096\n");
        put(f.t, V2_DIR "memory.max", "max\n");
        put(f.t, V2_DIR "memory.swap.current", "100\n");
        put(f.t, V2_DIR "memory.stat", "anon 1\nfile 2048\nkernel 55\n");
        put(f.t, V2_DIR "memory.events", "low 0\nhigh 0\nmax 4\noom 2\noom_kill 3\n");
        put(f.t, V2_DIR "pids.current", "2\n");
        put(f.t, V2_DIR "pids.max", "max\n");
        put(f.t, V2_DIR "io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:1 \n");
        put(f.t, V2_DIR "hugetlb.2MB.current", "2097152\n");
        put(f.t, V2_DIR "hugetlb.2MB.rsvd.current", "0\n");
        put(f.t, V2_DIR "hugetlb.2MB.events", "max 8\n");

        assert_int_equal(nxc_cgroup_host_dir(&host, 7, "pids", &dir, &err), 0);
        assert_string_equal(dir, want);
        assert_int_equal(nxc_cgroup_host_pids(&host, 7, &pids, &n, &err), 0);
        assert_int_equal(n, 3);
        assert_int_equal(pids[2], 11);
        assert_int_equal(nxc_cgroup_host_is_frozen(&host, 7, &frozen, &err), 0);
        assert_true(frozen);
        assert_int_equal(nxc_cgroup_host_oom_count(&host, 7, &kills, &err), 0);
        assert_int_equal(kills, 3);
        assert_int_equal(nxc_cgroup_host_stats(&host, 7, &stats, &err), 0);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "cpu.usage.total")), 12000);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "cpu.usage.kernel")), 5000);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "cpu.throttling.throttledPeriods")), 2);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "memory.usage.usage")), 4096);
        assert_true(json_integer_value(nxc_json_get(stats, "memory.usage.limit")) == INT64_MAX);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "memory.usage.failcnt")), 4);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "memory.swap.usage")), 4196);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "memory.cache")), 2048);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "memory.raw.anon")), 1);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "pids.current")), 2);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "pids.limit")), 0);
        assert_int_equal(json_array_size(nxc_json_get(stats, "blkio.ioServiceBytesRecursive")), 3);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "hugetlb.2MB.usage")), 2097152);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "hugetlb.2MB.failcnt")), 8);
        assert_int_equal(json_object_size(nxc_json_get(stats, "hugetlb")), 1);
}

static void test_v1(void **state)
{
        struct fixture f;
        struct nxc_cgroup_host host = host_of(&f, *state, NXC_CGROUP_HYBRID);
        _cleanup_free_ char *dir = NULL, *unified = NULL, *named = NULL, *none = NULL;
        _cleanup_free_ pid_t *pids = NULL;
        _cleanup_json_ json_t *stats = NULL;
        struct nxc_error err = { 0 };
        unsigned long long kills = 0;
        bool frozen = false;
        size_t n;

        put(f.t, "proc/7/cgroup", v1_lines);
        put(f.t, "cgroup/pids/c1/cgroup.procs", "7\n8\n");
        put(f.t, "cgroup/pids/c1/pids.current", "2\n");
        put(f.t, "cgroup/pids/c1/pids.max", "100\n");
        put(f.t, "cgroup/freezer/c1/freezer.state", "FREEZING\n");
        put(f.t, "cgroup/memory/c1/memory.usage_in_bytes", "5\n");
        put(f.t, "cgroup/memory/c1/memory.limit_in_bytes", "9223372036854771712\n");
        put(f.t, "cgroup/memory/c1/memory.stat", "cache 1\ntotal_cache 2\n");
        put(f.t, "cgroup/memory/c1/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 6\n");
        put(f.t, "cgroup/cpuacct/c1/cpuacct.usage", "77\n");
        put(f.t, "cgroup/cpuacct/c1/cpuacct.usage_percpu", "70 7 \n");
        put(f.t, "cgroup/cpuacct/c1/cpuacct.usage_all", "cpu user system\n0 60 10\n1 5 2\n");
        put(f.t, "cgroup/cpuset/c1/cpuset.cpus", "0-2,5\n");
        put(f.t, "cgroup/cpuset/c1/cpuset.mems", "0\n");
        put(f.t, "cgroup/cpuset/c1/cpuset.sched_relax_domain_level", "-1\n");
        put(f.t, "cgroup/cpuacct/c1/cpuacct.stat", "user 1\nsystem 2\n");
        put(f.t, "cgroup/cpu/c1/cpu.stat", "nr_periods 1\nnr_throttled 0\nthrottled_time 9\n");
        put(f.t, "cgroup/blkio/c1/blkio.throttle.io_service_bytes_recursive",
                "8:0 Read 10\n8:0 Write 20\nTotal 30\n");
        put(f.t, "cgroup/unified/unified-c1/cgroup.procs", "7\n");
        put(f.t, "cgroup/systemd/c1/cgroup.procs", "7\n");

        assert_int_equal(nxc_cgroup_host_dir(&host, 7, "memory", &dir, &err), 0);
        assert_true(nxc_ends_with(dir, "/cgroup/memory/c1"));
        assert_int_equal(nxc_cgroup_host_dir(&host, 7, "", &unified, &err), 0);
        assert_true(nxc_ends_with(unified, "/cgroup/unified/unified-c1"));
        assert_int_equal(nxc_cgroup_host_dir(&host, 7, "name=systemd", &named, &err), 0);
        assert_true(nxc_ends_with(named, "/cgroup/systemd/c1"));
        assert_int_equal(nxc_cgroup_host_dir(&host, 7, "rdma", &none, NULL), -ENOENT);
        assert_int_equal(nxc_cgroup_host_pids(&host, 7, &pids, &n, &err), 0);
        assert_int_equal(n, 2);
        assert_int_equal(nxc_cgroup_host_is_frozen(&host, 7, &frozen, &err), 0);
        assert_true(frozen);
        assert_int_equal(nxc_cgroup_host_oom_count(&host, 7, &kills, &err), 0);
        assert_int_equal(kills, 6);
        assert_int_equal(nxc_cgroup_host_stats(&host, 7, &stats, &err), 0);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "cpu.usage.total")), 77);
        assert_int_equal(json_array_size(nxc_json_get(stats, "cpu.usage.percpu")), 2);
        assert_int_equal(
                json_integer_value(json_array_get(nxc_json_get(stats, "cpu.usage.percpu_kernel"), 1)), 2);
        assert_int_equal(
                json_integer_value(json_array_get(nxc_json_get(stats, "cpu.usage.percpu_user"), 0)), 60);
        assert_int_equal(json_array_size(nxc_json_get(stats, "cpuset.cpus")), 4);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "cpuset.sched_relax_domain_level")), -1);
        assert_true(json_is_object(json_object_get(stats, "intel_rdt")));
        assert_int_equal(json_integer_value(nxc_json_get(stats, "cpu.usage.user")),
                1000000000 / sysconf(_SC_CLK_TCK));
        assert_int_equal(json_integer_value(nxc_json_get(stats, "cpu.throttling.throttledTime")), 9);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "memory.usage.usage")), 5);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "memory.cache")), 2);
        assert_int_equal(json_integer_value(nxc_json_get(stats, "pids.limit")), 100);
        assert_int_equal(json_array_size(nxc_json_get(stats, "blkio.ioServiceBytesRecursive")), 2);
}

/* A container without a cgroup of its own must not have everybody's processes taken for its own. */
static void test_shared_cgroup(void **state)
{
        struct fixture f;
        struct nxc_cgroup_host host = host_of(&f, *state, NXC_CGROUP_V2);
        _cleanup_free_ pid_t *pids = NULL;
        _cleanup_free_ char *self = nxc_strf("proc/%d/cgroup", (int)getpid());
        struct nxc_error err = { 0 };
        size_t n = 0;

        put(f.t, "proc/7/cgroup", "0::/\n");
        put(f.t, self, "0::/\n");
        put(f.t, "cgroup/cgroup.procs", "1\n7\n8\n");
        assert_int_equal(nxc_cgroup_host_pids(&host, 7, &pids, &n, &err), 0);
        assert_int_equal(n, 1);
        assert_int_equal(pids[0], 7);
}

/* A zombie is shown in the root of each v1 hierarchy; we may be in the root of one and not of another. */
static void test_zombie_v1(void **state)
{
        struct fixture f;
        struct nxc_cgroup_host host = host_of(&f, *state, NXC_CGROUP_V1);
        _cleanup_free_ pid_t *pids = NULL;
        _cleanup_free_ char *self = nxc_strf("proc/%d/cgroup", (int)getpid());
        struct nxc_error err = { 0 };
        size_t n = 0;

        put(f.t, "proc/7/cgroup", "5:pids:/\n4:memory:/\n");
        put(f.t, self, "5:pids:/\n4:memory:/us\n");
        put(f.t, "cgroup/pids/cgroup.procs", "1\n7\n8\n");
        put(f.t, "cgroup/memory/cgroup.procs", "1\n7\n8\n");
        put(f.t, "cgroup/memory/us/cgroup.procs", "9\n");
        assert_int_equal(nxc_cgroup_host_pids(&host, 7, &pids, &n, &err), 0);
        assert_int_equal(n, 1);
        assert_int_equal(pids[0], 7);
}

static void test_gone(void **state)
{
        struct fixture f;
        struct nxc_cgroup_host host = host_of(&f, *state, NXC_CGROUP_V2);
        _cleanup_free_ char *dir = NULL;
        struct nxc_error err = { 0 };
        bool frozen;

        assert_int_equal(nxc_cgroup_host_dir(&host, 7, "", &dir, &err), -ENOENT);
        assert_int_equal(err.kind, NXC_ERR_FILE);
        put(f.t, "proc/7/cgroup", "0::/gone (deleted)\n");
        put(f.t, "cgroup/gone/cgroup.procs", "");
        nxc_error_reset(&err);
        assert_int_equal(nxc_cgroup_host_dir(&host, 7, "", &dir, &err), -ENOENT);
        nxc_error_reset(&err);
        assert_int_equal(nxc_cgroup_host_is_frozen(&host, 7, &frozen, &err), -ENOENT);
}

/* What the thread wrote within two seconds; 0: nothing. */
static int mover(const char *dir)
{
        for (int i = 0; i < 200; i++) {
                uint64_t tid;

                if (nxc_cgroup_read_number(dir, "tasks", &tid) == 0)
                        return (int)tid;
                usleep(10 * 1000);
        }
        return 0;
}

static void test_expect_move(void **state)
{
        struct fixture f;
        struct nxc_cgroup_host host = host_of(&f, *state, NXC_CGROUP_V1);
        _cleanup_free_ char *self = nxc_strf("proc/%d/cgroup", (int)getpid()),
                            *dir = nxc_strf("%s/pids/us", f.cgroup);
        int tid;

        nxc_cgroup_host_expect_move(&host); /* nothing there: no harm */
        put(f.t, self, "5:pids:/us\n");
        put(f.t, "cgroup/pids/us/tasks", "");
        setenv("NXC_FEATURE_CGROUP_EXPECT", "0", 1);
        nxc_cgroup_host_expect_move(&host);
        setenv("NXC_FEATURE_CGROUP_EXPECT", "1", 1);
        host.mode = NXC_CGROUP_V2;
        nxc_cgroup_host_expect_move(&host);
        usleep(20 * 1000);
        assert_int_equal(nxc_cgroup_read_number(dir, "tasks", &(uint64_t){ 0 }), -EINVAL); /* still empty */
        host.mode = NXC_CGROUP_HYBRID;
        nxc_cgroup_host_expect_move(&host);
        tid = mover(dir);
        assert_true(tid > 0);
        assert_int_not_equal(tid, getpid()); /* itself, and not all of us */
}

static void test_this_host(void **state)
{
        _cleanup_json_ json_t *stats = NULL;
        struct nxc_error err = { 0 };

        assert_non_null(nxc_cgroup_mode_name(nxc_cgroup_mode()));
        if (nxc_cgroup_mode() == NXC_CGROUP_NONE)
                skip();
        if (nxc_cgroup_stats(getpid(), &stats, &err) < 0)
                fail_msg("%s", err.message);
        assert_non_null(nxc_json_get(stats, "pids"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(test_v2),
                with_temp_dir(test_v1),
                with_temp_dir(test_shared_cgroup),
                with_temp_dir(test_zombie_v1),
                with_temp_dir(test_gone),
                with_temp_dir(test_expect_move),
                cmocka_unit_test(test_this_host),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
