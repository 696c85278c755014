/* See features.h. The document says what nexcage recognises, not what this host has. */
#include "oci/features.h"

#include "core/cleanup.h"
#include "core/json.h"

#define JSON(...) #__VA_ARGS__

/* clang-format off */
static const char document[] = JSON({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.3.0",
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": [
                "async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "mand", "noatime", "nodev",
                "nodiratime", "noexec", "nomand", "norelatime", "nostrictatime", "nosuid", "private", "ratime",
                "rbind", "rdev", "rdiratime", "relatime", "remount", "rexec", "rnoatime", "rnodev", "rnodiratime",
                "rnoexec", "rnorelatime", "rnostrictatime", "rnosuid", "ro", "rprivate", "rrelatime", "rro", "rrw",
                "rshared", "rslave", "rstrictatime", "rsuid", "runbindable", "rw", "shared", "slave", "strictatime",
                "suid", "sync", "tmpcopyup", "unbindable"
        ],
        "linux": {
                "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"],
                "capabilities": [
                        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
                        "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
                        "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
                        "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
                        "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
                        "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
                        "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
                        "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
                        "CAP_CHECKPOINT_RESTORE"
                ],
                "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true },
                "seccomp": {
                        "enabled": true,
                        "actions": [
                                "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                                "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
                                "SCMP_ACT_TRAP"
                        ],
                        "operators": [
                                "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
                                "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"
                        ],
                        "archs": [
                                "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64",
                                "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64",
                                "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE",
                                "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_X32", "SCMP_ARCH_X86",
                                "SCMP_ARCH_X86_64"
                        ]
                },
                "apparmor": { "enabled": true },
                "selinux": { "enabled": true },
                "intelRdt": { "enabled": true },
                "mountExtensions": { "idmap": { "enabled": false } }
        },
        "annotations": { "org.opencontainers.runc.checkpoint.enabled": "true" },
        "potentiallyUnsafeConfigAnnotations": [
                "bundle", "org.systemd.property.", "org.criu.config", "org.nexcage.", "run.oci."
        ]
});
/* clang-format on */

int nxc_features_json(json_t **ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = json_loads(document, 0, NULL);

        json_object_set_new(
                json_object_get(doc, "annotations"), "org.nexcage.version", json_string(NXC_VERSION));
        if (!doc || nxc_json_starved())
                return nxc_oom(err);
        *ret = TAKE_PTR(doc);
        return 0;
}
