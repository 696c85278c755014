/* Compositions against golden files (tests/golden/compose; NXC_GOLDEN_UPDATE=1 writes them anew), and
 * every refusal. */
#include "oci/compose.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/publish.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define GOLDEN SOURCE_ROOT "/tests/golden/compose"

static const char *const host_env[] = { "FROM_HOST=h", "PRE_A=1", "PRE_B=2", NULL };
static const struct nxc_compose_host host = {
        .arch = "amd64",
        .hostname = "thehost",
        .kernel_major = 6,
        .kernel_minor = 1,
        .bounding = (1ull << 41) - 1,
        .cgroup_namespace = true,
        .env = host_env,
};

static const char image_text[] =
        "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},"
        "\"config\":{"
        "\"Env\":[\"PATH=/image/bin\",\"IMG=1\"],\"Entrypoint\":[\"/entry\"],\"Cmd\":[\"a\",\"b "
        "c\"],\"WorkingDir\":\"/w/\","
        "\"Labels\":{\"k\":\"v\"},\"StopSignal\":\"SIGQUIT\",\"Volumes\":{\"/data\":{}}}}";

struct fixture {
        char path[64];
        int root_fd;
        struct nxc_image_config image;
        struct nxc_compose_opts opts;
        struct nxc_compose_result res;
        struct nxc_error err;
};

static void parse_image(struct fixture *f, const char *text)
{
        _cleanup_json_ json_t *j = NULL;

        nxc_image_config_done(&f->image);
        assert_int_equal(nxc_json_parse(text, strlen(text), "image", &j, NULL), 0);
        assert_int_equal(nxc_image_config_parse(j, &f->image, NULL), 0);
}

static void put_file(struct fixture *f, const char *name, const char *text)
{
        assert_int_equal(nxc_publish_at(f->root_fd, name, text, strlen(text), 0644, 0, NULL), 0);
}

static void drop_strvs(struct nxc_compose_opts *o)
{
        struct nxc_strv *const all[] = { &o->args, &o->env, &o->env_files, &o->volumes, &o->mounts,
                &o->tmpfs, &o->cap_add, &o->cap_drop, &o->security_opt, &o->ulimits, &o->labels,
                &o->annotations };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(all); i++)
                nxc_strv_done(all[i]);
}

/* Options as new. */
static void reset(struct fixture *f)
{
        drop_strvs(&f->opts);
        nxc_compose_result_done(&f->res);
        nxc_error_reset(&f->err);
        f->opts = (struct nxc_compose_opts){
                .id = "0123456789abcdef0123456789abcdef",
                .rootfs = "/run/nexcage/rootfs",
                .volumes_dir = "/run/nexcage/volumes",
                .host = &host,
        };
}

static int setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        snprintf(f->path, sizeof(f->path), "/tmp/nexcage-test-compose-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->root_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdirat(f->root_fd, "etc", 0755), 0);
        assert_int_equal(mkdirat(f->root_fd, "w", 0755), 0);
        put_file(f, "etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n");
        put_file(f, "etc/group", "app:x:1001:\nextra:x:2000:app\n");
        parse_image(f, image_text);
        reset(f);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *f = *state;

        reset(f);
        nxc_image_config_done(&f->image);
        close(f->root_fd);
        nxc_remove_tree_at(AT_FDCWD, f->path, NULL);
        free(f);
        return 0;
}

static void compose(struct fixture *f)
{
        struct nxc_spec *spec;

        if (nxc_compose_spec(&f->image, &f->opts, f->root_fd, &f->res, &f->err) < 0)
                fail_msg("%s: %s", nxc_error_kind_name(f->err.kind), f->err.message);
        assert_int_equal(nxc_spec_from_json(f->res.spec, &spec, &f->err), 0);
        if (nxc_spec_check_version(spec, &f->err) < 0 || nxc_spec_check_required(spec, &f->err) < 0)
                fail_msg("the composed spec is refused: %s", f->err.message);
        nxc_spec_free(spec);
}

static void compare(const json_t *got, const char *name)
{
        _cleanup_free_ char *path = nxc_strf(GOLDEN "/%s.json", name), *want = NULL;
        _cleanup_free_ char *indented = nxc_json_format(got, true), *text = nxc_strf("%s\n", indented);
        struct nxc_error err = { 0 };

        if (getenv("NXC_GOLDEN_UPDATE"))
                assert_int_equal(nxc_publish_at(AT_FDCWD, path, text, strlen(text), 0644, 0, NULL), 0);
        if (nxc_read_file_at(AT_FDCWD, path, 1 << 20, &want, NULL, &err) < 0)
                fail_msg("%s", err.message);
        assert_string_equal(text, want);
}

/* All but the seccomp profile, which has a file of its own. */
static void compare_spec(struct fixture *f, const char *name)
{
        compose(f);
        json_object_del(json_object_get(f->res.spec, "linux"), "seccomp");
        compare(f->res.spec, name);
}

static void test_plain(void **state)
{
        struct fixture *f = *state;

        compare_spec(f, "plain");
        assert_null(f->res.make_workdir);
        assert_int_equal(f->res.stop_signal, 3);
        assert_string_equal(f->res.hostname, "0123456789ab");
        assert_int_equal(f->res.anonymous_volumes.n, 1);
        assert_string_equal(f->res.anonymous_volumes.v[0], "/data");
        assert_string_equal(f->res.labels.v[0], "k=v");
        assert_int_equal(f->res.etc_files.n, 0);
}

static void test_privileged(void **state)
{
        struct fixture *f = *state;

        f->opts.privileged = f->opts.terminal = true;
        nxc_strv_add(&f->opts.cap_drop, "NET_ADMIN");
        compare_spec(f, "privileged");
}

static void test_read_only(void **state)
{
        struct fixture *f = *state;

        f->opts.read_only = true;
        f->opts.etc_dir = "/run/nexcage/etc";
        nxc_strv_add(&f->opts.tmpfs, "/run:size=1m,mode=700,noexec,notmpcopyup");
        nxc_strv_add(&f->opts.security_opt, "mask=/sys/class:/proc/misc");
        nxc_strv_add(&f->opts.security_opt, "unmask=/proc/*");
        nxc_strv_add(&f->opts.security_opt, "no-new-privileges");
        nxc_strv_add(&f->opts.security_opt, "apparmor=profile");
        nxc_strv_add(&f->opts.security_opt, "label=disable");
        compare_spec(f, "read-only");
        assert_int_equal(f->res.etc_files.n, 2);
}

static void test_user(void **state)
{
        struct fixture *f = *state;

        f->opts.user = "app";
        f->opts.workdir = "/w";
        nxc_strv_add(&f->opts.cap_add, "net_raw,CAP_SYS_PTRACE");
        nxc_strv_add(&f->opts.cap_drop, "ALL");
        compare_spec(f, "user");
}

static void test_mounts(void **state)
{
        struct fixture *f = *state;

        nxc_strv_add(&f->opts.volumes, "/usr/../usr:/deep/er/usr:ro,nosuid");
        nxc_strv_add(&f->opts.volumes, "/etc:/deep/:rslave,bind");
        nxc_strv_add(&f->opts.volumes, "/anonymous");
        nxc_strv_add(&f->opts.volumes, "/etc:/data");
        nxc_strv_add(&f->opts.volumes, "/dev:/dev");
        nxc_strv_add(&f->opts.mounts,
                "type=bind,src=/usr,dst=/m1,ro=true,bind-propagation=rshared,bind-nonrecursive");
        nxc_strv_add(
                &f->opts.mounts, "target=/m2,type=tmpfs,tmpfs-size=64m,tmpfs-mode=0700,readonly,noexec");
        nxc_strv_add(&f->opts.tmpfs, "/sys/fs/cgroup");
        compare_spec(f, "mounts");
        assert_int_equal(f->res.anonymous_volumes.n, 1);
        assert_string_equal(f->res.anonymous_volumes.v[0], "/anonymous");
}

static void test_everything_else(void **state)
{
        struct fixture *f = *state;

        f->opts.network = "host";
        f->opts.entrypoint = "[\"/bin/sh\", \"-c\"]";
        nxc_strv_add(&f->opts.args, "exit 3");
        f->opts.memory_bytes = 64 << 20;
        f->opts.cpus = 1.5;
        f->opts.pids_limit = -1;
        f->opts.stop_signal = "RTMIN+3";
        f->opts.cgroups_path = "/nexcage/x";
        f->opts.etc_dir = "/run/nexcage/etc";
        nxc_strv_add(&f->opts.ulimits, "nofile=1024:2048");
        nxc_strv_add(&f->opts.ulimits, "core=-1");
        nxc_strv_add(&f->opts.annotations, "a.b=c=d");
        nxc_strv_add(&f->opts.labels, "k=other");
        nxc_strv_add(&f->opts.labels, "bare");
        nxc_strv_add(&f->opts.env, "IMG=2");
        nxc_strv_add(&f->opts.env, "FROM_HOST");
        nxc_strv_add(&f->opts.env, "PRE_*");
        nxc_strv_add(&f->opts.env, "NOT_THERE");
        nxc_strv_add(&f->opts.env, "MULTI=a\nb = c ");
        nxc_strv_add(&f->opts.security_opt, "systempaths=unconfined");
        compare_spec(f, "options");
        assert_int_equal(f->res.etc_files.n, 3);
        assert_int_equal(f->res.labels.n, 2);
        assert_string_equal(f->res.labels.v[0], "k=other");
        assert_string_equal(f->res.labels.v[1], "bare=");
}

static const char *env_of(struct fixture *f, const char *name)
{
        const json_t *env = nxc_json_get(f->res.spec, "process.env"), *item;
        size_t i, n = strlen(name);

        json_array_foreach (env, i, item)
                if (strncmp(json_string_value(item), name, n) == 0 && json_string_value(item)[n] == '=')
                        return json_string_value(item) + n + 1;
        return NULL;
}

static void test_env_file(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *path = nxc_strf("%s/env", f->path);

        put_file(f, "env",
                "# a comment\n\n  A=1\r\nB=\"q\" # no comment\nC=\nFROM_HOST\nPRE_*\nIMG=file\nD=x=y");
        nxc_strv_add(&f->opts.env_files, path);
        nxc_strv_add(&f->opts.env, "A=2");
        nxc_strv_add(&f->opts.env, "HOME=/h");
        compose(f);
        assert_string_equal(env_of(f, "A"), "2");
        assert_string_equal(env_of(f, "B"), "\"q\" # no comment");
        assert_string_equal(env_of(f, "C"), "");
        assert_string_equal(env_of(f, "D"), "x=y");
        assert_string_equal(env_of(f, "IMG"), "file");
        assert_string_equal(env_of(f, "FROM_HOST"), "h");
        assert_string_equal(env_of(f, "PRE_B"), "2");
        assert_string_equal(env_of(f, "HOME"), "/h");
        assert_string_equal(env_of(f, "PATH"), "/image/bin");
        assert_string_equal(env_of(f, "container"), "nexcage");
}

/* What runs, by entrypoint and command: words joined by '|'. */
static void test_args(void **state)
{
        static const struct {
                const char *entrypoint, *arg, *expected;
        } rows[] = {
                { NULL, NULL, "/entry|a|b c" },
                { NULL, "x", "/entry|x" },
                { "", "x", "x" },
                { "two words", NULL, "two words" },
                { "[\"p\",\"q\"]", "x", "p|q|x" },
                { "[broken", "x", "[broken|x" },
                { "{\"a\":1}", NULL, "{\"a\":1}" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                _cleanup_buf_ struct nxc_buf got = { 0 };
                const json_t *item;
                size_t k;

                reset(f);
                f->opts.entrypoint = rows[i].entrypoint;
                if (rows[i].arg)
                        nxc_strv_add(&f->opts.args, rows[i].arg);
                compose(f);
                json_array_foreach (nxc_json_get(f->res.spec, "process.args"), k, item)
                        nxc_buf_printf(&got, "%s%s", k ? "|" : "", json_string_value(item));
                assert_string_equal(got.data, rows[i].expected);
        }
}

static void test_workdir(void **state)
{
        struct fixture *f = *state;

        parse_image(f, "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_"
                       "ids\":[]},"
                       "\"config\":{\"Cmd\":[\"x\"],\"WorkingDir\":\"/not//there\"}}");
        compose(f);
        assert_string_equal(f->res.make_workdir, "/not/there");
        assert_string_equal(nxc_json_str(f->res.spec, "process.cwd"), "/not/there");
        reset(f);
        f->opts.workdir = "/proc/self"; /* below a mount: not ours to judge */
        compose(f);
        assert_null(f->res.make_workdir);
}

static void test_seccomp(void **state)
{
        static const char profile[] =
                "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"archMap\":["
                "{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\"]},"
                "{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":[\"SCMP_ARCH_ARM\"]}],"
                "\"syscalls\":["
                "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"comment\":\"x\",\"includes\":{},"
                "\"excludes\":{}},"
                "{\"name\":\"old\",\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":"
                "4294967295,\"op\":"
                "\"SCMP_CMP_EQ\"}]},"
                "{\"names\":[\"kernel-no\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"6."
                "2\"}},"
                "{\"names\":[\"kernel-yes\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"6."
                "1\"}},"
                "{\"names\":[\"cap-no\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_"
                "ADMIN\"]}},"
                "{\"names\":[\"cap-yes\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_"
                "CHOWN\"]}},"
                "{\"names\":[\"nocap-yes\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1,\"excludes\":{"
                "\"caps\":"
                "[\"CAP_SYS_ADMIN\"]}},"
                "{\"names\":[\"arch-no\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"arm64\"]"
                "}},"
                "{\"names\":[\"arch-yes\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":["
                "\"amd64\",\"x32\"]}}]}";
        struct fixture *f = *state;
        _cleanup_free_ char *option = nxc_strf("seccomp=%s/profile.json", f->path);

        compose(f);
        compare(nxc_json_get(f->res.spec, "linux.seccomp"), "seccomp-default");
        reset(f);
        put_file(f, "profile.json", profile);
        nxc_strv_add(&f->opts.security_opt, option);
        f->opts.privileged = false;
        compose(f);
        compare(nxc_json_get(f->res.spec, "linux.seccomp"), "seccomp-docker-profile");
        reset(f);
        nxc_strv_add(&f->opts.security_opt, "seccomp=unconfined");
        compose(f);
        assert_null(nxc_json_get(f->res.spec, "linux.seccomp"));

        reset(f);
        put_file(f, "profile.json", "{\"defaultAction\":\n}");
        nxc_strv_add(&f->opts.security_opt, option);
        assert_true(nxc_compose_spec(&f->image, &f->opts, f->root_fd, &f->res, &f->err) < 0);
        assert_int_equal(f->err.kind, NXC_ERR_INVALID_JSON);
        assert_non_null(strstr(f->err.message, "line 2"));
}

static void test_write_etc(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *text = NULL;

        f->opts.etc_dir = "/unused";
        f->opts.hostname = "me";
        compose(f);
        assert_int_equal(mkdirat(f->root_fd, "out", 0755), 0);
        {
                _cleanup_close_ int fd = openat(f->root_fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                assert_int_equal(nxc_compose_write_etc(&f->res, fd, &f->err), 0);
                assert_int_equal(nxc_read_file_at(fd, "hostname", 100, &text, NULL, NULL), 0);
                assert_string_equal(text, "me\n");
                assert_int_equal(faccessat(fd, "hosts", F_OK, 0), 0);
                assert_true(faccessat(fd, "resolv.conf", F_OK, 0) < 0);
        }
}

#define LIST(field) offsetof(struct nxc_compose_opts, field), true
#define WORD(field) offsetof(struct nxc_compose_opts, field), false

static void test_refused(void **state)
{
        static const struct {
                size_t offset;
                bool is_list;
                const char *text;
                enum nxc_error_kind kind;
                const char *message;
        } rows[] = {
                { WORD(network), "bridge", NXC_ERR_NOT_IMPLEMENTED,
                        "network mode 'bridge' is not implemented" },
                { WORD(network), "", NXC_ERR_USAGE, "is empty" },
                { WORD(user), "nosuch", NXC_ERR_USAGE,
                        "unable to find user nosuch: no matching entries in passwd file" },
                { WORD(user), "0:", NXC_ERR_USAGE, "is not USER[:GROUP]" },
                { WORD(workdir), "rel", NXC_ERR_USAGE, "'rel' is not an absolute path" },
                { WORD(workdir), "/a\nb", NXC_ERR_USAGE, "free of control characters" },
                { WORD(workdir), "/missing", NXC_ERR_USAGE, "workdir '/missing' does not exist" },
                { WORD(workdir), "/etc/passwd", NXC_ERR_USAGE, "open working directory '/etc/passwd'" },
                { WORD(hostname), "a/b", NXC_ERR_USAGE, "invalid hostname" },
                { WORD(hostname), "a\n", NXC_ERR_USAGE, "invalid hostname" },
                { WORD(hostname), "", NXC_ERR_USAGE, "invalid hostname" },
                { WORD(stop_signal), "FOO", NXC_ERR_USAGE, "invalid signal: FOO" },
                { WORD(stop_signal), "0", NXC_ERR_USAGE, "invalid signal: 0" },
                { WORD(entrypoint), "[\"a\",1]", NXC_ERR_USAGE, "element 1" },
                { WORD(entrypoint), "", NXC_ERR_USAGE, "no command or entrypoint provided" },
                { LIST(args), "\xff", NXC_ERR_USAGE, "is not UTF-8" },
                { LIST(env), "=x", NXC_ERR_USAGE, "invalid environment variable: '=x'" },
                { LIST(env), "", NXC_ERR_USAGE, "invalid environment variable" },
                { LIST(env), "a b=c", NXC_ERR_USAGE, "has white spaces" },
                { LIST(env), "A=\xff", NXC_ERR_USAGE, "is not UTF-8" },
                { LIST(env_files), "/nonexistent", NXC_ERR_FILE, "--env-file: open '/nonexistent'" },
                { LIST(volumes), "/nonexistent:/a", NXC_ERR_USAGE, "statfs /nonexistent: No such file" },
                { LIST(volumes), "name:/a", NXC_ERR_NOT_IMPLEMENTED,
                        "named volume 'name' is not implemented" },
                { LIST(volumes), "a/b:/a", NXC_ERR_USAGE, "starts with neither" },
                { LIST(volumes), "/etc:rel", NXC_ERR_USAGE, "must be an absolute path" },
                { LIST(volumes), "/etc:/", NXC_ERR_USAGE, "the root of the container" },
                { LIST(volumes), "/etc:/a/..", NXC_ERR_USAGE, "the root of the container" },
                { LIST(volumes), "/etc:/a:ro:x", NXC_ERR_USAGE, "is not SRC:DST[:OPTIONS]" },
                { LIST(volumes), "/etc:/a:ro,rw", NXC_ERR_USAGE,
                        "mount options 'ro' and 'rw' exclude each other" },
                { LIST(volumes), "/etc:/a:frob", NXC_ERR_USAGE, "unknown mount option 'frob'" },
                { LIST(volumes), "/etc:/a:size=1m", NXC_ERR_USAGE, "unknown mount option 'size=1m'" },
                { LIST(volumes), "/etc:/a:z", NXC_ERR_NOT_IMPLEMENTED,
                        "mount option 'z' is not implemented" },
                { LIST(volumes), "/etc:/a:ro,Z", NXC_ERR_NOT_IMPLEMENTED, "mount option 'Z'" },
                { LIST(volumes), "/etc:/a:U", NXC_ERR_NOT_IMPLEMENTED, "mount option 'U'" },
                { LIST(volumes), ":/a", NXC_ERR_USAGE, "the source is empty" },
                { LIST(mounts), "type=bind,src=/etc", NXC_ERR_USAGE, "must set volume destination" },
                { LIST(mounts), "type=bind,dst=/a", NXC_ERR_USAGE, "must set source" },
                { LIST(mounts), "type=foo,dst=/a", NXC_ERR_USAGE, "invalid filesystem type \"foo\"" },
                { LIST(mounts), "type=volume,dst=/a", NXC_ERR_NOT_IMPLEMENTED,
                        "type volume is not implemented" },
                { LIST(mounts), "dst=/a", NXC_ERR_NOT_IMPLEMENTED, "type volume is not implemented" },
                { LIST(mounts), "type=bind,src=/etc,dst=/a,ro=maybe", NXC_ERR_USAGE,
                        "neither true nor false" },
                { LIST(mounts), "type=bind,src=/etc,dst=/a,tmpfs-size=1", NXC_ERR_USAGE,
                        "unknown option 'tmpfs-size'" },
                { LIST(mounts), "type=bind,src=/etc,dst=/a,bind-propagation=ro", NXC_ERR_USAGE,
                        "bind-propagation" },
                { LIST(mounts), "type=bind,src=/etc,dst=/a,relabel=shared", NXC_ERR_NOT_IMPLEMENTED,
                        "'relabel'" },
                { LIST(mounts), "type=tmpfs,src=/etc,dst=/a", NXC_ERR_USAGE, "a tmpfs has no source" },
                { LIST(mounts), "type=tmpfs,dst=/a,tmpfs-size", NXC_ERR_USAGE, "needs a value" },
                { LIST(tmpfs), "a", NXC_ERR_USAGE, "must be an absolute path" },
                { LIST(tmpfs), "/a:foo", NXC_ERR_USAGE, "unknown mount option 'foo'" },
                { LIST(cap_add), "FOO", NXC_ERR_USAGE, "--cap-add 'FOO': unknown capability" },
                { LIST(cap_drop), "", NXC_ERR_USAGE, "unknown capability" },
                { LIST(security_opt), "foo", NXC_ERR_USAGE, "invalid --security-opt: 'foo'" },
                { LIST(security_opt), "no-new-privileges=maybe", NXC_ERR_USAGE, "neither true nor false" },
                { LIST(security_opt), "label=type:x", NXC_ERR_NOT_IMPLEMENTED,
                        "'label=type:x' is not implemented" },
                { LIST(security_opt), "proc-opts=hidepid=2", NXC_ERR_NOT_IMPLEMENTED, "proc-opts" },
                { LIST(security_opt), "mask=rel", NXC_ERR_USAGE, "not an absolute path" },
                { LIST(security_opt), "seccomp=/nonexistent", NXC_ERR_FILE,
                        "seccomp profile '/nonexistent'" },
                { LIST(security_opt), "seccomp", NXC_ERR_USAGE, "needs a profile" },
                { LIST(ulimits), "foo=1", NXC_ERR_USAGE, "invalid ulimit type: foo" },
                { LIST(ulimits), "nofile", NXC_ERR_USAGE, "requires name=SOFT:HARD" },
                { LIST(ulimits), "nofile=2:1", NXC_ERR_USAGE, "soft limit is above" },
                { LIST(ulimits), "nofile=1:2:3", NXC_ERR_USAGE, "requires name=SOFT:HARD" },
                { LIST(ulimits), "nofile=-2", NXC_ERR_USAGE, "requires name=SOFT:HARD" },
                { LIST(labels), "=x", NXC_ERR_USAGE, "invalid label format" },
                { LIST(annotations), "a", NXC_ERR_USAGE, "must be formatted KEY=VALUE" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                char *field = (char *)&f->opts + rows[i].offset;

                reset(f);
                if (rows[i].is_list)
                        nxc_strv_add((struct nxc_strv *)(void *)field, rows[i].text);
                else
                        *(const char **)(void *)field = rows[i].text;
                if (nxc_compose_spec(&f->image, &f->opts, f->root_fd, &f->res, &f->err) == 0)
                        fail_msg("'%s' was taken", rows[i].text);
                if (f->err.kind != rows[i].kind || !strstr(f->err.message, rows[i].message))
                        fail_msg("'%s': expected %s '%s', got %s '%s'", rows[i].text,
                                nxc_error_kind_name(rows[i].kind), rows[i].message,
                                nxc_error_kind_name(f->err.kind), f->err.message);
                assert_null(f->res.spec);
        }
}

static void expect_failure(struct fixture *f, enum nxc_error_kind kind, const char *message)
{
        assert_true(nxc_compose_spec(&f->image, &f->opts, f->root_fd, &f->res, &f->err) < 0);
        if (f->err.kind != kind || !strstr(f->err.message, message))
                fail_msg("expected %s '%s', got %s '%s'", nxc_error_kind_name(kind), message,
                        nxc_error_kind_name(f->err.kind), f->err.message);
        reset(f);
}

static void test_refused_together(void **state)
{
        struct nxc_compose_host weak = host;
        struct fixture *f = *state;

        nxc_strv_add(&f->opts.volumes, "/etc:/a");
        nxc_strv_add(&f->opts.tmpfs, "/a/");
        expect_failure(f, NXC_ERR_USAGE, "/a: duplicate mount destination");
        nxc_strv_add(&f->opts.cap_add, "KILL");
        nxc_strv_add(&f->opts.cap_drop, "KILL");
        expect_failure(f, NXC_ERR_USAGE, "capability CAP_KILL cannot be dropped and added");
        nxc_strv_add(&f->opts.cap_add, "ALL");
        nxc_strv_add(&f->opts.cap_drop, "ALL");
        expect_failure(f, NXC_ERR_USAGE, "exclude each other");
        nxc_strv_add(&f->opts.ulimits, "core=1");
        nxc_strv_add(&f->opts.ulimits, "CORE=2");
        expect_failure(f, NXC_ERR_USAGE, "is given twice");
        f->opts.cpus = 0.005;
        expect_failure(f, NXC_ERR_USAGE, "cannot be less than 1ms");
        f->opts.cpus = -1;
        expect_failure(f, NXC_ERR_USAGE, "--cpus");
        f->opts.pids_limit = -2;
        expect_failure(f, NXC_ERR_USAGE, "--pids-limit");
        f->opts.memory_bytes = 1ull << 63;
        expect_failure(f, NXC_ERR_USAGE, "--memory");
        weak.bounding &= ~(1ull << 24);
        f->opts.host = &weak;
        nxc_strv_add(&f->opts.cap_add, "SYS_RESOURCE");
        expect_failure(f, NXC_ERR_USAGE, "CAP_SYS_RESOURCE is not in the bounding set");
}

static void test_bad_image(void **state)
{
        static const char *const rows[][2] = {
                { "\"User\":\"nosuch\"", "image config.config: 'User': unable to find user nosuch" },
                { "\"StopSignal\":\"SIGNOPE\"", "'StopSignal': invalid signal: SIGNOPE" },
                { "\"WorkingDir\":\"rel\"", "'WorkingDir' 'rel' is not an absolute path" },
                { "\"Volumes\":{\"rel\":{}}", "volume 'rel' is not an absolute path" },
                { "\"Volumes\":{\"/a/..\":{}}", "volume '/a/..' is not an absolute path below the root" },
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                _cleanup_free_ char *text = nxc_strf(
                        "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":"
                        "\"layers\",\"diff_ids\":[]},\"config\":{\"Cmd\":[\"x\"],%s}}",
                        rows[i][0]);

                parse_image(f, text);
                expect_failure(f, NXC_ERR_INVALID_IMAGE, rows[i][1]);
        }
}

/* This machine's own, looked at for sense. */
static void test_host(void **state)
{
        struct nxc_compose_host h;

        nxc_compose_host_get(&h);
        assert_true(h.kernel_major >= 5);
        assert_non_null(h.arch);
        assert_true(h.hostname[0]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
                cmocka_unit_test_setup_teardown(test_privileged, setup, teardown),
                cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
                cmocka_unit_test_setup_teardown(test_user, setup, teardown),
                cmocka_unit_test_setup_teardown(test_mounts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_everything_else, setup, teardown),
                cmocka_unit_test_setup_teardown(test_env_file, setup, teardown),
                cmocka_unit_test_setup_teardown(test_args, setup, teardown),
                cmocka_unit_test_setup_teardown(test_workdir, setup, teardown),
                cmocka_unit_test_setup_teardown(test_seccomp, setup, teardown),
                cmocka_unit_test_setup_teardown(test_write_etc, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused_together, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bad_image, setup, teardown),
                cmocka_unit_test(test_host),
        };

        return cmocka_run_group_tests_name("oci-compose", tests, NULL, NULL);
}
