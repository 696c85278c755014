/* --security-opt seccomp=FILE: a profile in the runtime-spec's form (linux.seccomp) or in docker's,
 * which podman and containerd share: architectures by archMap, and rules that hold only for some
 * architectures, capabilities or kernels. */
#include "oci/compose-internal.h"

#include "core/fs.h"
#include "core/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define PROFILE_MAX_BYTES (1u << 20)

/* GOARCH to libseccomp's name, as docker's archMap is keyed. */
static const char *seccomp_arch(const char *arch)
{
        static const struct {
                const char *arch, *name;
        } table[] = {
                { "amd64", "SCMP_ARCH_X86_64" },
                { "386", "SCMP_ARCH_X86" },
                { "arm", "SCMP_ARCH_ARM" },
                { "arm64", "SCMP_ARCH_AARCH64" },
                { "ppc64", "SCMP_ARCH_PPC64" },
                { "s390x", "SCMP_ARCH_S390X" },
                { "ppc64le", "SCMP_ARCH_PPC64LE" },
                { "mips", "SCMP_ARCH_MIPS" },
                { "mips64", "SCMP_ARCH_MIPS64" },
                { "mips64le", "SCMP_ARCH_MIPSEL64" },
                { "mipsle", "SCMP_ARCH_MIPSEL" },
                { "riscv64", "SCMP_ARCH_RISCV64" },
                { "loong64", "SCMP_ARCH_LOONGARCH64" },
        };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(table); i++)
                if (nxc_streq(arch, table[i].arch))
                        return table[i].name;
        return NULL;
}

static bool contains(const json_t *array, const char *text)
{
        const json_t *item;
        size_t i;

        json_array_foreach (array, i, item)
                if (nxc_streq(json_string_value(item), text))
                        return true;
        return false;
}

struct filter {
        const struct nxc_compose_host *host;
        uint64_t caps;
};

static bool has_cap(const struct filter *f, const json_t *name)
{
        int cap = json_is_string(name) ? nxc_cap_parse(json_string_value(name)) : -1;

        return cap >= 0 && (f->caps & (1ull << cap));
}

/* minKernel "4.8": whether the running one is at least that. */
static bool kernel_is_at_least(const struct filter *f, const char *version)
{
        int major, minor;

        if (sscanf(version, "%d.%d", &major, &minor) != 2)
                return false;
        return f->host->kernel_major > major ||
               (f->host->kernel_major == major && f->host->kernel_minor >= minor);
}

/* `includes` wants all of its capabilities, one of its architectures and the kernel; `excludes` drops
 * the rule when any of its conditions holds (moby's profiles/seccomp). */
static bool applies(const struct filter *f, const json_t *rule)
{
        const json_t *in = json_object_get(rule, "includes"), *ex = json_object_get(rule, "excludes");
        const char *in_kernel = nxc_json_str(in, "minKernel"), *ex_kernel = nxc_json_str(ex, "minKernel");
        const json_t *cap;
        size_t i;

        json_array_foreach (json_object_get(in, "caps"), i, cap)
                if (!has_cap(f, cap))
                        return false;
        json_array_foreach (json_object_get(ex, "caps"), i, cap)
                if (has_cap(f, cap))
                        return false;
        if (json_array_size(json_object_get(in, "arches")) > 0 &&
                !contains(json_object_get(in, "arches"), f->host->arch))
                return false;
        if (contains(json_object_get(ex, "arches"), f->host->arch))
                return false;
        if (in_kernel && !kernel_is_at_least(f, in_kernel))
                return false;
        return !ex_kernel || !kernel_is_at_least(f, ex_kernel);
}

/* Copies the members that the runtime-spec has; the rest is docker's. */
static int copy_members(
        const json_t *from, json_t *to, const char *const *keys, size_t n, struct nxc_error *err)
{
        for (size_t i = 0; i < n; i++) {
                json_t *value = json_object_get(from, keys[i]);

                if (value && !json_is_null(value) && json_object_set(to, keys[i], value) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

static int add_rule(const struct filter *f, const json_t *rule, json_t *rules, struct nxc_error *err)
{
        static const char *const keys[] = { "names", "action", "errnoRet", "args" };
        json_t *out;
        int r;

        if (!json_is_object(rule))
                return nxc_usage(err, "an element of 'syscalls' is not an object");
        if (!nxc_json_str(rule, "action"))
                return nxc_usage(err, "an element of 'syscalls' has no 'action'");
        if (!applies(f, rule))
                return 0;
        out = json_object();
        if (json_array_append_new(rules, out) < 0)
                return nxc_oom(err);
        r = copy_members(rule, out, keys, NXC_ARRAY_SIZE(keys), err);
        if (r == 0 && nxc_json_str(rule, "name")) /* docker's older form of one name */
                r = nxc_put(out, "names", json_pack("[O]", json_object_get(rule, "name")), err);
        if (r == 0 && json_array_size(json_object_get(out, "names")) == 0)
                return nxc_usage(err, "an element of 'syscalls' has no 'names'");
        return r;
}

static int add_arch_map(const struct filter *f, const json_t *map, json_t *profile, struct nxc_error *err)
{
        const char *native = seccomp_arch(f->host->arch);
        json_t *array = json_array();
        const json_t *entry;
        size_t i;
        int r = nxc_put(profile, "architectures", array, err);

        json_array_foreach (map, i, entry) {
                json_t *sub = json_object_get(entry, "subArchitectures");

                if (r < 0 || !nxc_streq(nxc_json_str(entry, "architecture"), native))
                        continue;
                r = nxc_put_string(array, native, err);
                if (r == 0 && json_is_array(sub) && json_array_extend(array, sub) < 0)
                        r = nxc_oom(err);
        }
        return r;
}

static int convert(const struct filter *f, const json_t *in, json_t *out, struct nxc_error *err)
{
        static const char *const keys[] = { "defaultAction", "defaultErrnoRet", "architectures", "flags" };
        json_t *rules = json_array();
        const json_t *rule, *map = json_object_get(in, "archMap");
        size_t i;
        int r = nxc_put(out, "syscalls", rules, err);

        if (r < 0)
                return r;
        if (!nxc_json_str(in, "defaultAction"))
                return nxc_usage(err, "'defaultAction' is missing");
        if (json_object_get(in, "listenerPath"))
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0, "'listenerPath' is not implemented");
        if (map && json_array_size(json_object_get(in, "architectures")) > 0)
                return nxc_usage(err, "both 'architectures' and 'archMap' are given");
        r = copy_members(in, out, keys, NXC_ARRAY_SIZE(keys), err);
        if (r == 0 && map)
                r = add_arch_map(f, map, out, err);
        json_array_foreach (json_object_get(in, "syscalls"), i, rule)
                if (r == 0)
                        r = add_rule(f, rule, rules, err);
        return r;
}

int nxc_seccomp_load(const char *path, const struct nxc_compose_host *host, uint64_t caps, json_t **ret,
        struct nxc_error *err)
{
        const struct filter f = { .host = host, .caps = caps };
        _cleanup_json_ json_t *in = NULL, *out = json_object();
        int r = out ? nxc_json_load_at(AT_FDCWD, path, PROFILE_MAX_BYTES, &in, err) : nxc_oom(err);

        if (r == 0)
                r = convert(&f, in, out, err);
        if (r < 0) {
                nxc_error_wrap(err, "seccomp profile '%s'", path);
                return r;
        }
        *ret = TAKE_PTR(out);
        return 0;
}
