/* See seccomp-internal.h. */
#include "backend/seccomp-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/str.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>

#define PROGRAM_MAX_BYTES (1u << 20)

static int parse_action(const char *name, const json_t *errno_ret, uint32_t *ret)
{
        static const struct {
                const char *name;
                uint32_t action;
        } table[] = {
                { "SCMP_ACT_KILL", SCMP_ACT_KILL },
                { "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
                { "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
                { "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
                { "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
                { "SCMP_ACT_LOG", SCMP_ACT_LOG },
        };
        unsigned number = json_is_integer(errno_ret) ? (unsigned)json_integer_value(errno_ret) : EPERM;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(table); i++)
                if (nxc_streq(table[i].name, name)) {
                        *ret = table[i].action;
                        return 0;
                }
        if (nxc_streq(name, "SCMP_ACT_ERRNO"))
                *ret = SCMP_ACT_ERRNO(number);
        else if (nxc_streq(name, "SCMP_ACT_TRACE"))
                *ret = SCMP_ACT_TRACE(number);
        else
                return -EINVAL;
        return 0;
}

static int unknown(const char *what, const char *name, struct nxc_error *err)
{
        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "config.json: linux.seccomp: unknown %s '%.64s'",
                what, name ? name : "");
}

static int add_architectures(scmp_filter_ctx ctx, const json_t *list, struct nxc_error *err)
{
        const json_t *item;
        size_t i;

        json_array_foreach ((json_t *)list, i, item) {
                const char *name = json_string_value(item);
                char lower[32];
                uint32_t arch;
                size_t n = 0;
                int r;

                if (!name || !nxc_starts_with(name, "SCMP_ARCH_"))
                        return unknown("architecture", name, err);
                for (const char *p = name + 10; *p && n < sizeof(lower) - 1; p++)
                        lower[n++] = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
                lower[n] = '\0';
                arch = seccomp_arch_resolve_name(lower);
                if (arch == 0)
                        return unknown("architecture", name, err);
                r = seccomp_arch_add(ctx, arch);
                if (r < 0 && r != -EEXIST)
                        return nxc_fail_kind(err, NXC_ERR_LXC, -r, "add the seccomp architecture %s", name);
        }
        return 0;
}

static int parse_condition(const json_t *arg, struct scmp_arg_cmp *ret)
{
        static const struct {
                const char *name;
                enum scmp_compare op;
        } table[] = {
                { "SCMP_CMP_NE", SCMP_CMP_NE },
                { "SCMP_CMP_LT", SCMP_CMP_LT },
                { "SCMP_CMP_LE", SCMP_CMP_LE },
                { "SCMP_CMP_EQ", SCMP_CMP_EQ },
                { "SCMP_CMP_GE", SCMP_CMP_GE },
                { "SCMP_CMP_GT", SCMP_CMP_GT },
                { "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
        };
        uint64_t value = 0, value_two = 0;

        nxc_json_u64(json_object_get(arg, "value"), &value);
        nxc_json_u64(json_object_get(arg, "valueTwo"), &value_two);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(table); i++)
                if (nxc_streq(table[i].name, nxc_json_str(arg, "op"))) {
                        *ret = (struct scmp_arg_cmp){ .arg = (unsigned)json_integer_value(
                                                              json_object_get(arg, "index")),
                                .op = table[i].op,
                                .datum_a = value,
                                .datum_b = value_two };
                        return 0;
                }
        return -EINVAL;
}

/* Conditions on one argument that is named twice are alternatives, and so need a rule each (as in runc). */
static int add_conditions(scmp_filter_ctx ctx, uint32_t action, int nr, const json_t *args)
{
        struct scmp_arg_cmp cmp[6];
        size_t n = json_array_size(args), i, k;
        bool repeats = false;
        const json_t *arg;
        int r = 0;

        json_array_foreach ((json_t *)args, i, arg) {
                if (i >= NXC_ARRAY_SIZE(cmp) || parse_condition(arg, &cmp[i]) < 0)
                        return -EINVAL;
                for (k = 0; k < i; k++)
                        repeats |= cmp[k].arg == cmp[i].arg;
        }
        if (!repeats)
                return seccomp_rule_add_array(ctx, action, nr, (unsigned)n, cmp);
        for (i = 0; i < n && r == 0; i++)
                r = seccomp_rule_add_array(ctx, action, nr, 1, &cmp[i]);
        return r;
}

static int add_rule(scmp_filter_ctx ctx, const json_t *rule, uint32_t default_action, struct nxc_error *err)
{
        const json_t *names = json_object_get(rule, "names"), *name;
        uint32_t action;
        size_t i;

        if (parse_action(nxc_json_str(rule, "action"), json_object_get(rule, "errnoRet"), &action) < 0)
                return unknown("action", nxc_json_str(rule, "action"), err);
        if (action == default_action)
                return 0;
        json_array_foreach ((json_t *)names, i, name) {
                int nr = seccomp_syscall_resolve_name(json_string_value(name)), r;

                if (nr == __NR_SCMP_ERROR)
                        continue; /* of another architecture or kernel: runc and crun skip it, too */
                r = add_conditions(ctx, action, nr, json_object_get(rule, "args"));
                if (r < 0 && r != -EEXIST && r != -EDOM)
                        return nxc_fail_kind(err, NXC_ERR_LXC, -r, "add the seccomp rule for %s",
                                json_string_value(name));
        }
        return 0;
}

static int parse_flags(const json_t *list, unsigned *ret, struct nxc_error *err)
{
        static const struct {
                const char *name;
                unsigned flag;
        } table[] = {
                { "SECCOMP_FILTER_FLAG_TSYNC", 0 }, /* there is one thread only */
                { "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
                { "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
        };
        const json_t *item;
        size_t i, k;

        *ret = 0;
        json_array_foreach ((json_t *)list, i, item) {
                for (k = 0; k < NXC_ARRAY_SIZE(table); k++)
                        if (nxc_streq(table[k].name, json_string_value(item)))
                                break;
                if (k == NXC_ARRAY_SIZE(table))
                        return unknown("flag", json_string_value(item), err);
                *ret |= table[k].flag;
        }
        return 0;
}

static int export(scmp_filter_ctx ctx, void **ret, size_t *ret_len, struct nxc_error *err)
{
        _cleanup_close_ int fd = memfd_create("nexcage-seccomp", MFD_CLOEXEC);
        char *program = NULL;
        int r;

        if (fd < 0)
                return nxc_fail(err, errno, "make a memory file for the seccomp program");
        r = seccomp_export_bpf(ctx, fd);
        if (r < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, -r, "compile the seccomp profile");
        if (lseek(fd, 0, SEEK_SET) < 0)
                return nxc_fail(err, errno, "read the seccomp program");
        r = nxc_read_fd(fd, PROGRAM_MAX_BYTES, &program, ret_len, err, "the seccomp program");
        if (r == 0)
                *ret = program;
        return r;
}

int nxc_seccomp_compile(
        const json_t *seccomp, void **ret, size_t *ret_len, unsigned *ret_flags, struct nxc_error *err)
{
        const json_t *rule;
        scmp_filter_ctx ctx;
        uint32_t action;
        size_t i;
        int r;

        if (parse_action(nxc_json_str(seccomp, "defaultAction"), json_object_get(seccomp, "defaultErrnoRet"),
                    &action) < 0)
                return unknown("action", nxc_json_str(seccomp, "defaultAction"), err);
        r = parse_flags(json_object_get(seccomp, "flags"), ret_flags, err);
        if (r < 0)
                return r;
        ctx = seccomp_init(action);
        if (!ctx)
                return nxc_oom(err);
        seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
        r = add_architectures(ctx, json_object_get(seccomp, "architectures"), err);
        json_array_foreach (json_object_get(seccomp, "syscalls"), i, rule)
                if (r == 0)
                        r = add_rule(ctx, rule, action, err);
        if (r == 0)
                r = export(ctx, ret, ret_len, err);
        seccomp_release(ctx);
        return r;
}
