/* The field table: every property of the OCI runtime specification (1.0.0 to 1.3.0) for Linux and for
 * virtual machines, with its type and what its value must be. docs/spec-fields.md is printed from it, and
 * the checker walks the document once per row.
 *
 * What the specification leaves to other platforms is a row of type object only. Unknown properties are
 * ignored, as the specification wants (extensibility), and so are unknown capabilities, which kernels older
 * than the image do not know. null counts as absent, as in the Go and C parsers of the runtimes below us. */
#include "oci/spec-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/str.h"
#include "oci/spec.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* --- rules of texts --- */

static bool has_dotdot(const char *s)
{
        for (; *s; s += strspn(s, "/")) {
                size_t k = strcspn(s, "/");

                if (k == 2 && s[0] == '.' && s[1] == '.')
                        return true;
                s += k;
        }
        return false;
}

static bool ok_plain(const char *s)
{
        return !nxc_has_control(s);
}

static bool ok_absolute(const char *s)
{
        return s[0] == '/' && !nxc_has_control(s);
}

static bool ok_environment(const char *s)
{
        const char *equals = strchr(s, '=');

        return equals && equals != s;
}

static bool ok_cgroups_path(const char *s)
{
        return !nxc_has_control(s) && !has_dotdot(s);
}

/* "." and "/" both separate, whichever comes first in the key; two in a row could climb ("net/../kernel"),
 * and a "+" once joined a second setting to the first (CVE-2022-0811). */
static bool ok_sysctl_key(const char *s)
{
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-");

        if (n == 0 || s[n] || strchr("./", s[0]) || strchr("./", s[n - 1]))
                return false;
        for (; s[1]; s++)
                if (strchr("./", s[0]) && strchr("./", s[1]))
                        return false;
        return true;
}

static bool ok_sysctl_value(const char *s)
{
        for (; *s; s++)
                if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
                        return false;
        return true;
}

static bool ok_file_name(const char *s)
{
        return s[0] && !strchr(s, '/') && !nxc_has_control(s) && !nxc_streq(s, ".") && !nxc_streq(s, "..");
}

static bool ok_cgroup_file(const char *s)
{
        return ok_file_name(s) && s[0] != '.' && strchr(s, '.');
}

static bool ok_page_size(const char *s)
{
        size_t n = strspn(s, "0123456789");

        return n > 0 && s[0] != '0' && s[n] && strchr("KMG", s[n]) && nxc_streq(s + n + 1, "B");
}

static bool ok_memory_bandwidth(const char *s)
{
        return nxc_starts_with(s, "MB:") && !strchr(s, '\n');
}

static bool ok_one_line(const char *s)
{
        return s[0] && !strchr(s, '\n');
}

static bool ok_cpu_list(const char *s)
{
        return s[strspn(s, "0123456789, -")] == '\0';
}

static bool ok_device_access(const char *s)
{
        return s[strspn(s, "rwm")] == '\0';
}

static bool ok_interface(const char *s)
{
        return ok_file_name(s) && strlen(s) < 16 && !strpbrk(s, ": \t");
}

static bool ok_clock(const char *s)
{
        return nxc_streq(s, "boottime") || nxc_streq(s, "monotonic");
}

static bool ok_non_empty(const char *s)
{
        return s[0] != '\0';
}

static const struct nxc_spec_rule plain = { "free of control characters", ok_plain };
static const struct nxc_spec_rule absolute = { "an absolute path without control characters", ok_absolute };
static const struct nxc_spec_rule environment = { "of the form NAME=value", ok_environment };
static const struct nxc_spec_rule cgroups_path = { "without '..' and control characters", ok_cgroups_path };
static const struct nxc_spec_rule sysctl_key = {
        "a sysctl's name: letters, digits and _-./, no two separators in a row", ok_sysctl_key
};
static const struct nxc_spec_rule sysctl_value = { "free of control characters other than tab",
        ok_sysctl_value };
static const struct nxc_spec_rule file_name = { "a file's name without '/'", ok_file_name };
static const struct nxc_spec_rule cgroup_file = { "a cgroup file's name, CONTROLLER.PARAMETER",
        ok_cgroup_file };
static const struct nxc_spec_rule page_size = { "a page size such as 2MB or 1GB", ok_page_size };
static const struct nxc_spec_rule memory_bandwidth = { "one line that begins with 'MB:'",
        ok_memory_bandwidth };
static const struct nxc_spec_rule one_line = { "one line that is not empty", ok_one_line };
static const struct nxc_spec_rule cpu_list = { "a list of numbers such as 0-3,7", ok_cpu_list };
static const struct nxc_spec_rule device_access = { "made of r, w and m", ok_device_access };
static const struct nxc_spec_rule interface = { "a network interface's name (at most 15 characters)",
        ok_interface };
static const struct nxc_spec_rule clock_name = { "boottime or monotonic", ok_clock };
static const struct nxc_spec_rule non_empty_text = { "not empty", ok_non_empty };

/* --- known values --- */

#define VALUES(...)               \
        (const char *const[])     \
        {                         \
                __VA_ARGS__, NULL \
        }

static const char *const namespace_types[] = { "pid", "network", "mount", "ipc", "uts", "user", "cgroup",
        "time", NULL };
static const char *const rlimit_types[] = { "RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA",
        "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE",
        "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
        NULL };
static const char *const seccomp_actions[] = { "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW",
        "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", NULL };
static const char *const seccomp_operators[] = { "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ",
        "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL };
static const char *const seccomp_archs[] = { "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32",
        "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS",
        "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
        "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390",
        "SCMP_ARCH_S390X", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
        "SCMP_ARCH_RISCV64", NULL };
static const char *const seccomp_flags[] = { "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL };
/* The specification names the four without "r"; containerd's CRI plugin writes the others, and runc takes
 * all. */
static const char *const propagations[] = { "private", "rprivate", "shared", "rshared", "slave", "rslave",
        "unbindable", "runbindable", NULL };
static const char *const sched_policies[] = { "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH",
        "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE", NULL };
static const char *const sched_flags[] = { "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",
        "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS",
        "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX", NULL };
static const char *const memory_modes[] = { "MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE",
        "MPOL_WEIGHTED_INTERLEAVE", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL", NULL };

/* --- the table --- */

#define REQUIRED .required = true
#define NON_EMPTY .non_empty = true
#define OBJECT(p, ...)                                          \
        {                                                       \
                .path = p, .type = NXC_SPEC_OBJECT, __VA_ARGS__ \
        }
#define MAP(p, ...)                                          \
        {                                                    \
                .path = p, .type = NXC_SPEC_MAP, __VA_ARGS__ \
        }
#define ARRAY(p, ...)                                          \
        {                                                      \
                .path = p, .type = NXC_SPEC_ARRAY, __VA_ARGS__ \
        }
#define STRING(p, ...)                                          \
        {                                                       \
                .path = p, .type = NXC_SPEC_STRING, __VA_ARGS__ \
        }
#define BOOL(p, ...)                                          \
        {                                                     \
                .path = p, .type = NXC_SPEC_BOOL, __VA_ARGS__ \
        }
#define RANGE(p, lo, hi, ...)                                                          \
        {                                                                              \
                .path = p, .type = NXC_SPEC_INTEGER, .min = lo, .max = hi, __VA_ARGS__ \
        }
#define U16(p, ...) RANGE(p, 0, UINT16_MAX, __VA_ARGS__)
#define U32(p, ...) RANGE(p, 0, UINT32_MAX, __VA_ARGS__)
#define U64(p, ...) RANGE(p, 0, UINT64_MAX, __VA_ARGS__)
#define I32(p, ...) RANGE(p, INT32_MIN, INT32_MAX, __VA_ARGS__)
#define I64(p, ...) RANGE(p, INT64_MIN, INT64_MAX, __VA_ARGS__)

/* Groups that the specification uses in several places. */
#define TEXTS(p, ...) ARRAY(p), STRING(p "[]", __VA_ARGS__)
#define HOOKS(p)                                                                                        \
        ARRAY(p), OBJECT(p "[]"), STRING(p "[].path", REQUIRED, .rule = &absolute), TEXTS(p "[].args"), \
                TEXTS(p "[].env", .rule = &environment), RANGE(p "[].timeout", 1, INT32_MAX)
#define ID_MAPPINGS(p)                                                                             \
        ARRAY(p), OBJECT(p "[]"), U32(p "[].containerID", REQUIRED), U32(p "[].hostID", REQUIRED), \
                U32(p "[].size", REQUIRED)
#define THROTTLES(p)                                                                        \
        ARRAY(p), OBJECT(p "[]"), I64(p "[].major", REQUIRED), I64(p "[].minor", REQUIRED), \
                U64(p "[].rate", REQUIRED)

/* clang-format off */
const struct nxc_spec_field nxc_spec_fields[] = {
        STRING("ociVersion", REQUIRED),

        OBJECT("process", REQUIRED),
        BOOL("process.terminal"),
        OBJECT("process.consoleSize"),
        U32("process.consoleSize.height", REQUIRED),
        U32("process.consoleSize.width", REQUIRED),
        OBJECT("process.user"),
        U32("process.user.uid", REQUIRED),
        U32("process.user.gid", REQUIRED),
        RANGE("process.user.umask", 0, 0777),
        ARRAY("process.user.additionalGids"),
        U32("process.user.additionalGids[]"),
        STRING("process.user.username"),
        ARRAY("process.args", REQUIRED, NON_EMPTY),
        STRING("process.args[]"),
        STRING("process.commandLine"),
        TEXTS("process.env", .rule = &environment),
        STRING("process.cwd", REQUIRED, .rule = &absolute),
        OBJECT("process.capabilities"),
        TEXTS("process.capabilities.bounding", NON_EMPTY),
        TEXTS("process.capabilities.effective", NON_EMPTY),
        TEXTS("process.capabilities.inheritable", NON_EMPTY),
        TEXTS("process.capabilities.permitted", NON_EMPTY),
        TEXTS("process.capabilities.ambient", NON_EMPTY),
        ARRAY("process.rlimits"),
        OBJECT("process.rlimits[]"),
        STRING("process.rlimits[].type", REQUIRED, .values = rlimit_types),
        U64("process.rlimits[].soft", REQUIRED),
        U64("process.rlimits[].hard", REQUIRED),
        BOOL("process.noNewPrivileges"),
        STRING("process.apparmorProfile", .rule = &plain),
        STRING("process.selinuxLabel", .rule = &plain),
        RANGE("process.oomScoreAdj", -1000, 1000),
        OBJECT("process.scheduler"),
        STRING("process.scheduler.policy", REQUIRED, .values = sched_policies),
        RANGE("process.scheduler.nice", -20, 19),
        I32("process.scheduler.priority"),
        TEXTS("process.scheduler.flags", .values = sched_flags),
        U64("process.scheduler.runtime"),
        U64("process.scheduler.deadline"),
        U64("process.scheduler.period"),
        OBJECT("process.ioPriority"),
        STRING("process.ioPriority.class", REQUIRED,
                .values = VALUES("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE")),
        RANGE("process.ioPriority.priority", 0, 7),
        OBJECT("process.execCPUAffinity"),
        STRING("process.execCPUAffinity.initial", .rule = &cpu_list),
        STRING("process.execCPUAffinity.final", .rule = &cpu_list),

        OBJECT("root", REQUIRED),
        STRING("root.path", REQUIRED, NON_EMPTY, .rule = &plain),
        BOOL("root.readonly"),

        STRING("hostname", .rule = &plain),
        STRING("domainname", .rule = &plain),

        ARRAY("mounts"),
        OBJECT("mounts[]"),
        STRING("mounts[].destination", REQUIRED, NON_EMPTY, .rule = &plain),
        STRING("mounts[].type", .rule = &plain),
        STRING("mounts[].source"),
        TEXTS("mounts[].options", .rule = &plain),
        ID_MAPPINGS("mounts[].uidMappings"),
        ID_MAPPINGS("mounts[].gidMappings"),

        OBJECT("hooks"),
        HOOKS("hooks.prestart"),
        HOOKS("hooks.createRuntime"),
        HOOKS("hooks.createContainer"),
        HOOKS("hooks.startContainer"),
        HOOKS("hooks.poststart"),
        HOOKS("hooks.poststop"),

        MAP("annotations"),
        STRING("annotations{}", .key = &non_empty_text),

        OBJECT("linux"),
        ARRAY("linux.namespaces"),
        OBJECT("linux.namespaces[]"),
        STRING("linux.namespaces[].type", REQUIRED, .values = namespace_types),
        STRING("linux.namespaces[].path", .rule = &absolute),
        ID_MAPPINGS("linux.uidMappings"),
        ID_MAPPINGS("linux.gidMappings"),
        MAP("linux.timeOffsets"),
        OBJECT("linux.timeOffsets{}", .key = &clock_name),
        I64("linux.timeOffsets{}.secs"),
        RANGE("linux.timeOffsets{}.nanosecs", 0, 999999999),
        ARRAY("linux.devices"),
        OBJECT("linux.devices[]"),
        STRING("linux.devices[].type", REQUIRED, .values = VALUES("c", "b", "u", "p")),
        STRING("linux.devices[].path", REQUIRED, .rule = &absolute),
        I64("linux.devices[].major"),
        I64("linux.devices[].minor"),
        U32("linux.devices[].fileMode"),
        U32("linux.devices[].uid"),
        U32("linux.devices[].gid"),
        MAP("linux.netDevices"),
        OBJECT("linux.netDevices{}", .key = &interface),
        STRING("linux.netDevices{}.name", .rule = &interface),
        STRING("linux.cgroupsPath", .rule = &cgroups_path),

        OBJECT("linux.resources"),
        MAP("linux.resources.unified"),
        STRING("linux.resources.unified{}", .key = &cgroup_file),
        ARRAY("linux.resources.devices"),
        OBJECT("linux.resources.devices[]"),
        BOOL("linux.resources.devices[].allow", REQUIRED),
        STRING("linux.resources.devices[].type", .values = VALUES("a", "b", "c")),
        I64("linux.resources.devices[].major"),
        I64("linux.resources.devices[].minor"),
        STRING("linux.resources.devices[].access", .rule = &device_access),
        OBJECT("linux.resources.memory"),
        I64("linux.resources.memory.limit"),
        I64("linux.resources.memory.reservation"),
        I64("linux.resources.memory.swap"),
        I64("linux.resources.memory.kernel"),
        I64("linux.resources.memory.kernelTCP"),
        RANGE("linux.resources.memory.swappiness", 0, 100),
        BOOL("linux.resources.memory.disableOOMKiller"),
        BOOL("linux.resources.memory.useHierarchy"),
        BOOL("linux.resources.memory.checkBeforeUpdate"),
        OBJECT("linux.resources.cpu"),
        U64("linux.resources.cpu.shares"),
        I64("linux.resources.cpu.quota"),
        U64("linux.resources.cpu.burst"),
        U64("linux.resources.cpu.period"),
        I64("linux.resources.cpu.realtimeRuntime"),
        U64("linux.resources.cpu.realtimePeriod"),
        STRING("linux.resources.cpu.cpus", .rule = &cpu_list),
        STRING("linux.resources.cpu.mems", .rule = &cpu_list),
        I64("linux.resources.cpu.idle"),
        OBJECT("linux.resources.blockIO"),
        U16("linux.resources.blockIO.weight"),
        U16("linux.resources.blockIO.leafWeight"),
        ARRAY("linux.resources.blockIO.weightDevice"),
        OBJECT("linux.resources.blockIO.weightDevice[]"),
        I64("linux.resources.blockIO.weightDevice[].major", REQUIRED),
        I64("linux.resources.blockIO.weightDevice[].minor", REQUIRED),
        U16("linux.resources.blockIO.weightDevice[].weight"),
        U16("linux.resources.blockIO.weightDevice[].leafWeight"),
        THROTTLES("linux.resources.blockIO.throttleReadBpsDevice"),
        THROTTLES("linux.resources.blockIO.throttleWriteBpsDevice"),
        THROTTLES("linux.resources.blockIO.throttleReadIOPSDevice"),
        THROTTLES("linux.resources.blockIO.throttleWriteIOPSDevice"),
        ARRAY("linux.resources.hugepageLimits"),
        OBJECT("linux.resources.hugepageLimits[]"),
        STRING("linux.resources.hugepageLimits[].pageSize", REQUIRED, .rule = &page_size),
        U64("linux.resources.hugepageLimits[].limit", REQUIRED),
        OBJECT("linux.resources.network"),
        U32("linux.resources.network.classID"),
        ARRAY("linux.resources.network.priorities"),
        OBJECT("linux.resources.network.priorities[]"),
        STRING("linux.resources.network.priorities[].name", REQUIRED, .rule = &interface),
        U32("linux.resources.network.priorities[].priority", REQUIRED),
        OBJECT("linux.resources.pids"),
        I64("linux.resources.pids.limit", REQUIRED),
        MAP("linux.resources.rdma"),
        OBJECT("linux.resources.rdma{}", .key = &file_name),
        U32("linux.resources.rdma{}.hcaHandles"),
        U32("linux.resources.rdma{}.hcaObjects"),

        OBJECT("linux.intelRdt"),
        STRING("linux.intelRdt.closID", .rule = &file_name),
        TEXTS("linux.intelRdt.schemata", .rule = &one_line),
        STRING("linux.intelRdt.l3CacheSchema"),
        STRING("linux.intelRdt.memBwSchema", .rule = &memory_bandwidth),
        BOOL("linux.intelRdt.enableMonitoring"),
        BOOL("linux.intelRdt.enableCMT"),
        BOOL("linux.intelRdt.enableMBM"),
        OBJECT("linux.memoryPolicy"),
        STRING("linux.memoryPolicy.mode", REQUIRED, .values = memory_modes),
        STRING("linux.memoryPolicy.nodes", .rule = &cpu_list),
        TEXTS("linux.memoryPolicy.flags",
                .values = VALUES("MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES")),
        MAP("linux.sysctl"),
        STRING("linux.sysctl{}", .key = &sysctl_key, .rule = &sysctl_value),

        OBJECT("linux.seccomp"),
        STRING("linux.seccomp.defaultAction", REQUIRED, .values = seccomp_actions),
        U32("linux.seccomp.defaultErrnoRet"),
        TEXTS("linux.seccomp.architectures", .values = seccomp_archs),
        TEXTS("linux.seccomp.flags", .values = seccomp_flags),
        STRING("linux.seccomp.listenerPath", .rule = &absolute),
        STRING("linux.seccomp.listenerMetadata"),
        ARRAY("linux.seccomp.syscalls"),
        OBJECT("linux.seccomp.syscalls[]"),
        ARRAY("linux.seccomp.syscalls[].names", REQUIRED, NON_EMPTY),
        STRING("linux.seccomp.syscalls[].names[]", NON_EMPTY),
        STRING("linux.seccomp.syscalls[].action", REQUIRED, .values = seccomp_actions),
        U32("linux.seccomp.syscalls[].errnoRet"),
        ARRAY("linux.seccomp.syscalls[].args"),
        OBJECT("linux.seccomp.syscalls[].args[]"),
        RANGE("linux.seccomp.syscalls[].args[].index", 0, 5, REQUIRED),
        U64("linux.seccomp.syscalls[].args[].value", REQUIRED),
        U64("linux.seccomp.syscalls[].args[].valueTwo"),
        STRING("linux.seccomp.syscalls[].args[].op", REQUIRED, .values = seccomp_operators),

        STRING("linux.rootfsPropagation", .values = propagations),
        TEXTS("linux.maskedPaths", .rule = &absolute),
        TEXTS("linux.readonlyPaths", .rule = &absolute),
        STRING("linux.mountLabel", .rule = &plain),
        OBJECT("linux.personality"),
        STRING("linux.personality.domain", REQUIRED, .values = VALUES("LINUX", "LINUX32")),
        TEXTS("linux.personality.flags"),

        OBJECT("vm"),
        OBJECT("vm.hypervisor"),
        STRING("vm.hypervisor.path", REQUIRED, .rule = &absolute),
        TEXTS("vm.hypervisor.parameters"),
        OBJECT("vm.kernel", REQUIRED),
        STRING("vm.kernel.path", REQUIRED, .rule = &absolute),
        TEXTS("vm.kernel.parameters"),
        STRING("vm.kernel.initrd", .rule = &absolute),
        OBJECT("vm.image"),
        STRING("vm.image.path", REQUIRED, .rule = &absolute),
        STRING("vm.image.format", REQUIRED, .values = VALUES("raw", "qcow2", "vdi", "vmdk", "vhd")),
        OBJECT("vm.hwConfig"),
        STRING("vm.hwConfig.deviceTree", .rule = &absolute),
        U32("vm.hwConfig.vcpus"),
        U64("vm.hwConfig.memory"),
        TEXTS("vm.hwConfig.dtdevs"),
        ARRAY("vm.hwConfig.iomems"),
        OBJECT("vm.hwConfig.iomems[]"),
        U64("vm.hwConfig.iomems[].firstGFN"),
        U64("vm.hwConfig.iomems[].firstMFN", REQUIRED),
        U64("vm.hwConfig.iomems[].nrMFNs", REQUIRED),
        ARRAY("vm.hwConfig.irqs"),
        U32("vm.hwConfig.irqs[]"),

        OBJECT("freebsd"),
        OBJECT("solaris"),
        OBJECT("windows"),
        OBJECT("zos"),
};
/* clang-format on */
const size_t nxc_spec_n_fields = NXC_ARRAY_SIZE(nxc_spec_fields);

/* --- the checker --- */

static const char *const type_names[] = {
        [NXC_SPEC_OBJECT] = "object",
        [NXC_SPEC_MAP] = "object",
        [NXC_SPEC_ARRAY] = "array",
        [NXC_SPEC_STRING] = "string",
        [NXC_SPEC_BOOL] = "boolean",
        [NXC_SPEC_INTEGER] = "integer",
};
static_assert(NXC_ARRAY_SIZE(type_names) == NXC_SPEC_INTEGER + 1, "every type has a name");

/* One step of a concrete path, on the stack of the visit that took it. A document is checked on every create, and
 * hardly ever wrong: its places get their words in an error only. */
struct place {
        const struct place *above; /* NULL: the document itself */
        const char *before, *text, *after;
        size_t len;
        size_t index; /* in place of a text that is NULL */
};

struct walk {
        const struct nxc_spec_field *field;
        struct nxc_error *err;
        const struct place *place; /* of the value that is looked at */
        char where[256];           /* it in words, once they are needed: "linux.namespaces[1].type" */
};

/* What the document says, fit for a line of a terminal or a log. */
static const char *shown(const char *text, char *buf, size_t size)
{
        size_t n = 0;

        for (; *text && n + 1 < size; text++)
                buf[n++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
        buf[n] = '\0';
        return buf;
}

static int list_values(struct nxc_buf *out, const char *const *values, const char *between)
{
        int r = 0;

        for (size_t i = 0; r == 0 && values[i]; i++)
                r = nxc_buf_printf(out, "%s%s", i ? between : "", values[i]);
        return r;
}

static bool is_type(const json_t *j, enum nxc_spec_type type)
{
        uint64_t big;

        switch (type) {
        case NXC_SPEC_OBJECT:
        case NXC_SPEC_MAP:
                return json_is_object(j);
        case NXC_SPEC_ARRAY:
                return json_is_array(j);
        case NXC_SPEC_STRING:
                return json_is_string(j);
        case NXC_SPEC_BOOL:
                return json_is_boolean(j);
        case NXC_SPEC_INTEGER:
                return json_is_integer(j) || nxc_json_u64(j, &big) == 0;
        }
        return false;
}

/* Appends a place to w->where, behind those above it; what does not fit is cut. */
static size_t append_place(struct walk *w, const struct place *p)
{
        size_t at = p->above ? append_place(w, p->above) : 0;
        char safe[128];
        int n;

        if (p->text)
                snprintf(safe, sizeof(safe), "%.*s",
                        (int)(p->len < sizeof(safe) ? p->len : sizeof(safe) - 1), p->text);
        else
                snprintf(safe, sizeof(safe), "%zu", p->index);
        for (char *c = safe; *c; c++)
                if ((unsigned char)*c < 0x20 || *c == 0x7f)
                        *c = '?';
        n = snprintf(w->where + at, sizeof(w->where) - at, "%s%s%s", p->before, safe, p->after);
        return (size_t)n < sizeof(w->where) - at ? at + (size_t)n : sizeof(w->where) - 1;
}

static const char *where(struct walk *w)
{
        if (w->place)
                append_place(w, w->place);
        return w->where;
}

static int check_string(struct walk *w, const json_t *j)
{
        const struct nxc_spec_field *f = w->field;
        const char *text = json_string_value(j);
        char buf[96];

        if (strlen(text) != json_string_length(j))
                return nxc_fail_kind(
                        w->err, NXC_ERR_INVALID_SPEC, 0, "config field %s holds a NUL character", where(w));
        if (f->non_empty && !text[0])
                return nxc_fail_kind(w->err, NXC_ERR_INVALID_SPEC, 0, "config field %s is empty", where(w));
        if (f->rule && !f->rule->ok(text))
                return nxc_fail_kind(w->err, NXC_ERR_INVALID_SPEC, 0, "config field %s is '%s', must be %s",
                        where(w), shown(text, buf, sizeof(buf)), f->rule->words);
        if (f->values) {
                _cleanup_buf_ struct nxc_buf known = { 0 };

                for (size_t i = 0; f->values[i]; i++)
                        if (nxc_streq(f->values[i], text))
                                return 0;
                if (list_values(&known, f->values, " ") < 0)
                        return nxc_oom(w->err);
                return nxc_fail_kind(w->err, NXC_ERR_INVALID_SPEC, 0,
                        "config field %s is '%s', must be one of: %s", where(w),
                        shown(text, buf, sizeof(buf)), known.data);
        }
        return 0;
}

static int check_integer(struct walk *w, const json_t *j)
{
        const struct nxc_spec_field *f = w->field;
        uint64_t u;
        bool fits;

        if (nxc_json_u64(j, &u) == 0)
                fits = u <= f->max && (f->min <= 0 || u >= (uint64_t)f->min);
        else
                fits = json_integer_value(j) >= f->min;
        if (!fits)
                return nxc_fail_kind(w->err, NXC_ERR_INVALID_SPEC, 0,
                        "config field %s is out of range, must be from %lld to %llu", where(w),
                        (long long)f->min, (unsigned long long)f->max);
        return 0;
}

static int check_value(struct walk *w, const json_t *j)
{
        const struct nxc_spec_field *f = w->field;

        if (!is_type(j, f->type))
                return nxc_fail_kind(w->err, NXC_ERR_INVALID_SPEC, 0, "config field %s is not of type %s",
                        where(w), type_names[f->type]);
        if (f->type == NXC_SPEC_STRING)
                return check_string(w, j);
        if (f->type == NXC_SPEC_INTEGER)
                return check_integer(w, j);
        if (f->type == NXC_SPEC_ARRAY && f->non_empty && json_array_size(j) == 0)
                return nxc_fail_kind(w->err, NXC_ERR_INVALID_SPEC, 0, "config field %s is empty", where(w));
        return 0;
}

static int visit(struct walk *w, const json_t *j, const char *rest, const struct place *at);

static int visit_elements(struct walk *w, const json_t *j, const char *rest, const struct place *at)
{
        json_t *item;
        size_t i;

        json_array_foreach (j, i, item) {
                const struct place here = { .above = at, .before = "[", .index = i, .after = "]" };
                int r = visit(w, item, rest, &here);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int visit_members(struct walk *w, const json_t *j, const char *rest, const struct place *at)
{
        const char *key;
        json_t *item;

        json_object_foreach ((json_t *)j, key, item) {
                const struct place here = { at, "[\"", key, "\"]", strlen(key) };
                int r;

                w->place = &here;
                if (!*rest && w->field->key && !w->field->key->ok(key))
                        return nxc_fail_kind(w->err, NXC_ERR_INVALID_SPEC, 0,
                                "config field %s has a key that must be %s", where(w), w->field->key->words);
                r = visit(w, item, rest, &here);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* rest is what of the row's path lies below j, which is at this place. Parents are earlier rows, so a j of another
 * type has been refused. */
static int visit(struct walk *w, const json_t *j, const char *rest, const struct place *at)
{
        struct place here = { .above = at, .before = at ? "." : "", .after = "" };
        json_t *child;

        w->place = at;
        if (!*rest)
                return check_value(w, j);
        if (nxc_starts_with(rest, "[]"))
                return visit_elements(w, j, rest + 2, at);
        if (nxc_starts_with(rest, "{}"))
                return visit_members(w, j, rest + 2, at);
        here.text = rest + (*rest == '.');
        here.len = strcspn(here.text, ".[{");
        rest = here.text + here.len;
        child = json_object_getn(j, here.text, here.len);
        if (json_is_null(child))
                child = NULL;
        if (!child && (*rest || !w->field->required))
                return 0;
        w->place = &here;
        if (!child)
                return nxc_fail_kind(w->err, NXC_ERR_INVALID_SPEC, 0,
                        "config field %s is required, and missing", where(w));
        return visit(w, child, rest, &here);
}

int nxc_spec_check_fields(const json_t *doc, struct nxc_error *err)
{
        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                struct walk w = { .field = &nxc_spec_fields[i], .err = err };
                int r = visit(&w, doc, w.field->path, NULL);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The rows of the part, and of what lies below it. */
static const char *beneath(const struct nxc_spec_field *field, const char *place)
{
        size_t n = strlen(place);

        if (!nxc_starts_with(field->path, place) || (field->path[n] && field->path[n] != '.'))
                return NULL;
        return field->path + n;
}

int nxc_spec_check_part(const char *place, const json_t *part, struct nxc_error *err)
{
        for (size_t i = 0; i < nxc_spec_n_fields; i++) {
                struct walk w = { .field = &nxc_spec_fields[i], .err = err };
                const struct place root = { NULL, "", place, "", strlen(place) };
                const char *rest = beneath(w.field, place);
                int r = rest ? visit(&w, part, rest, &root) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- the document --- */

static int describe(struct nxc_buf *out, const struct nxc_spec_field *f)
{
        int r = 0;

        if (f->type == NXC_SPEC_INTEGER)
                r = nxc_buf_printf(out, "%lld to %llu", (long long)f->min, (unsigned long long)f->max);
        if (r == 0 && f->values) {
                r = nxc_buf_puts(out, "one of ");
                if (r == 0)
                        r = list_values(out, f->values, ", ");
        }
        if (r == 0 && f->non_empty)
                r = nxc_buf_puts(out, f->rule ? "not empty, " : "not empty");
        if (r == 0 && f->rule)
                r = nxc_buf_puts(out, f->rule->words);
        if (r == 0 && f->key)
                r = nxc_buf_printf(out, "%skeys: %s", f->rule ? "; " : "", f->key->words);
        return r;
}

int nxc_spec_fields_document(struct nxc_buf *out)
{
        int r = nxc_buf_puts(out,
                "# Fields of config.json\n\n"
                "Generated from the table in `src/oci/spec-fields.c`; do not edit. Each row is a property "
                "of the OCI\n"
                "runtime specification (1.0.0 to 1.3.x) with what nexcage checks before it does anything "
                "else. A field\n"
                "that breaks its row is InvalidSpec, and the message names it. `[]` stands for each element "
                "of an\n"
                "array, `{}` for each value of a map. *Required* means: whenever the object around it is "
                "there.\n"
                "Unknown properties are ignored, and null counts as absent, as in runc and crun.\n\n"
                "| Field | Type | Required | Must be |\n|---|---|---|---|\n");

        for (size_t i = 0; r == 0 && i < nxc_spec_n_fields; i++) {
                const struct nxc_spec_field *f = &nxc_spec_fields[i];

                r = nxc_buf_printf(out, "| `%s` | %s | %s | ", f->path,
                        f->type == NXC_SPEC_MAP ? "map" : type_names[f->type], f->required ? "yes" : "");
                if (r == 0)
                        r = describe(out, f);
                if (r == 0)
                        r = nxc_buf_puts(out, " |\n");
        }
        return r;
}
