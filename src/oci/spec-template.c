/* What `nexcage spec` prints: the same container that `runc spec` describes, and with --rootless the same
 * changes to it, so that what people do to the one works on the other. */
#include "oci/spec.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/str.h"

#include <string.h>

#define JSON(...) #__VA_ARGS__

/* clang-format off */
static const char template[] = JSON({
        "ociVersion": "1.0.2",
        "process": {
                "terminal": true,
                "user": { "uid": 0, "gid": 0 },
                "args": ["sh"],
                "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
                "cwd": "/",
                "capabilities": {
                        "bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
                        "effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
                        "permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
                        "ambient": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
                },
                "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
                "noNewPrivileges": true
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "nexcage",
        "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                  "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
                { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                  "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
                { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                  "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
                { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
                  "options": ["nosuid", "noexec", "nodev"] },
                { "destination": "/sys", "type": "sysfs", "source": "sysfs",
                  "options": ["nosuid", "noexec", "nodev", "ro"] },
                { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                  "options": ["nosuid", "noexec", "nodev", "relatime", "ro"] }
        ],
        "linux": {
                "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
                "namespaces": [
                        { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" },
                        { "type": "mount" }
                ],
                "maskedPaths": [
                        "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"
                ],
                "readonlyPaths": [
                        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"
                ]
        }
});
/* clang-format on */

/* Removes from a list what one of its members says, or what the text itself begins with. */
static void remove_matching(json_t *list, const char *member, const char *text)
{
        for (size_t i = json_array_size(list); i-- > 0;) {
                json_t *item = json_array_get(list, i);
                const char *s = member ? nxc_json_str(item, member) : json_string_value(item);

                if (s && (member ? nxc_streq(s, text) : nxc_starts_with(s, text)))
                        json_array_remove(list, i);
        }
}

/* One id is all that an unprivileged user may map, and with it go the host's network, no cgroup limits, and
 * a bind mount of /sys, which a user namespace over the host's network may not mount afresh. */
static int make_rootless(json_t *doc)
{
        json_t *linux_ = json_object_get(doc, "linux"), *namespaces = json_object_get(linux_, "namespaces"),
               *mount;
        size_t i;
        int r;

        remove_matching(namespaces, "type", "network");
        r = json_array_append_new(namespaces, json_pack("{s:s}", "type", "user"));
        r |= json_object_set_new(linux_, "uidMappings",
                json_pack(
                        "[{s:i, s:I, s:i}]", "containerID", 0, "hostID", (json_int_t)geteuid(), "size", 1));
        r |= json_object_set_new(linux_, "gidMappings",
                json_pack(
                        "[{s:i, s:I, s:i}]", "containerID", 0, "hostID", (json_int_t)getegid(), "size", 1));
        json_object_del(linux_, "resources");
        json_array_foreach (json_object_get(doc, "mounts"), i, mount) {
                remove_matching(json_object_get(mount, "options"), NULL, "uid=");
                remove_matching(json_object_get(mount, "options"), NULL, "gid=");
                if (nxc_streq(nxc_json_str(mount, "destination"), "/sys"))
                        r |= json_array_set_new(json_object_get(doc, "mounts"), i,
                                json_pack("{s:s, s:s, s:s, s:[s, s, s, s, s]}", "destination", "/sys",
                                        "type", "none", "source", "/sys", "options", "rbind", "nosuid",
                                        "noexec", "nodev", "ro"));
        }
        return r;
}

json_t *nxc_spec_template(bool rootless)
{
        _cleanup_json_ json_t *doc = json_loads(template, 0, NULL);

        if (!doc || (rootless && make_rootless(doc) < 0) || nxc_json_starved())
                return NULL;
        return TAKE_PTR(doc);
}
