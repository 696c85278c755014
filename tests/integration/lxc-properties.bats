#!/usr/bin/env bats
# Every property of config.json that the lxc backend honours, seen from inside a container (or from its /proc and cgroups), and
# every one that it refuses. tests/style/properties demands a "# property:" line for each row of src/backend/lxc/properties.c.
# shellcheck disable=SC2016
load helpers
load lxc-helpers

setup_file()
{
        requires_runtime lxc
        lxc_setup_file
}

teardown_file()
{
        nxc_teardown_file
}

teardown()
{
        nexcage delete --force c
}

# cgroup_value CONTROLLER FILE [V2-FILE]: of c's own cgroup, on either version.
cgroup_value()
{
        local dir=/sys/fs/cgroup/$1/nexcage/c
        if [ -d "$dir" ]; then cat "$dir/$2"; else cat "/sys/fs/cgroup/nexcage/c/${3:-$2}"; fi
}

# refused FILTER WORDS: create fails with NotImplemented and these words, and nothing is left.
refused()
{
        new_config "$1"
        snapshot_machine
        run nexcage create --bundle "$BUNDLE" c
        [ "$status" -ne 0 ] || fail "taken: $1" || return 1
        assert_output_has NotImplemented "$2" || return 1
        [ "${#lines[@]}" -eq 1 ] || fail "not one line:" "$output" || return 1
        assert_machine_unchanged
}

# property: process.args process.env process.cwd process.user.umask
@test "process: args, env, cwd, umask" {
        in_container '.process.env += ["A=b c", "EMPTY="] | .process.cwd = "/etc" | .process.user.umask = 63' \
                'echo "$0 $# $A-$EMPTY-"; pwd; umask'
        assert_output_is "$(printf 'sh 0 b c--\n/etc\n0077')"
}

# property: process.user.uid process.user.gid process.user.additionalGids
@test "process: user" {
        in_container '.process.user = {"uid": 1000, "gid": 1001, "additionalGids": [7, 8]}' 'id -u; id -g; id -G'
        assert_output_is "$(printf '1000\n1001\n1001 7 8')"
}

# property: process.terminal process.consoleSize
@test "process: terminal and consoleSize" {
        new_config '.process.terminal = true | .process.consoleSize = {"height": 33, "width": 111}
                | .process.args = ["sh", "-c", "tty; stty size; tty </dev/console"]'
        run on_pty -- "$NEXCAGE" --root "$NXC_ROOT" run --bundle "$BUNDLE" c
        assert_output_has /dev/pts/0
        nexcage delete --force c
        local socket=$BATS_TEST_TMPDIR/console
        python3 "$NXC_TOOLS/console.py" "$socket" >"$BATS_TEST_TMPDIR/terminal" 3>&- &
        local receiver=$!
        wait_for 5 test -S "$socket"
        nexcage create --bundle "$BUNDLE" --console-socket "$socket" c
        nexcage start c
        wait_for 5 grep -q '33 111' "$BATS_TEST_TMPDIR/terminal"
        nexcage delete --force c
        wait "$receiver" || true
}

# property: process.capabilities.bounding process.capabilities.effective process.capabilities.inheritable
# property: process.capabilities.permitted process.capabilities.ambient process.noNewPrivileges
@test "process: capabilities, all five sets, and noNewPrivileges" {
        in_container '.process.user = {"uid": 1000, "gid": 1000} | .process.noNewPrivileges = true | .process.capabilities = {
                "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"], "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID"],
                "inheritable": ["CAP_CHOWN"], "effective": ["CAP_CHOWN", "CAP_KILL"], "ambient": ["CAP_CHOWN"]}' \
                'grep -E "Cap|NoNewPrivs" /proc/self/status'
        # A program that is executed without being root has its ambient capabilities.
        assert_output_is "$(printf 'CapInh:\t%016x\nCapPrm:\t%016x\nCapEff:\t%016x\nCapBnd:\t%016x\nCapAmb:\t%016x\nNoNewPrivs:\t1' \
                1 1 1 $((1 + 32 + 64 + 128)) 1)"
        in_container '.process.noNewPrivileges = false | .process.capabilities = {"bounding": ["CAP_CHOWN", "CAP_KILL"],
                "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]}' 'grep -E "CapBnd|NoNewPrivs" /proc/self/status'
        assert_output_is "$(printf 'CapBnd:\t%016x\nNoNewPrivs:\t0' $((1 + 32)))"
}

# property: process.rlimits process.oomScoreAdj
@test "process: rlimits, oomScoreAdj" {
        in_container '.process.oomScoreAdj = 321
                | .process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 100}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 4096}]' \
                'cat /proc/self/oom_score_adj; awk "/open files|core file/ { print \$(NF - 2), \$(NF - 1) }" /proc/self/limits | sort'
        assert_output_is "$(printf '321\n0 4096\n99 100')"
}

# property: process.scheduler process.ioPriority
@test "process: scheduler, ioPriority" {
        start_c '.ociVersion = "1.2.0" | .process.scheduler = {"policy": "SCHED_BATCH", "nice": 5}
                | .process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 6}'
        local pid
        pid=$(nexcage state c | jq .pid)
        run chrt -p "$pid"
        assert_output_has SCHED_BATCH
        run ionice -p "$pid"
        assert_output_is "best-effort: prio 6"
        [ "$(awk '{ print $19 }' "/proc/$pid/stat")" -eq 5 ]
}

# property: process.execCPUAffinity
@test "process: execCPUAffinity, of exec" {
        start_c
        jq '.process | .execCPUAffinity = {"final": "0"} | .args = ["grep", "Cpus_allowed_list", "/proc/self/status"]' \
                "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
        run --separate-stderr nexcage exec --process "$BATS_TEST_TMPDIR/process.json" c
        assert_output_is "$(printf 'Cpus_allowed_list:\t0')"
}

# property: process.apparmorProfile process.selinuxLabel
@test "process: AppArmor profile, SELinux label: applied, or an error, never ignored" {
        local enabled=N
        [ ! -r /sys/module/apparmor/parameters/enabled ] || enabled=$(cat /sys/module/apparmor/parameters/enabled)
        if [ "$enabled" = Y ]; then
                in_container '.process.apparmorProfile = "unconfined"' 'cat /proc/self/attr/current'
                assert_output_has unconfined
        else
                fails_with LXCError - "set the AppArmor profile" -- lsm_container apparmorProfile
        fi
        [ ! -d /sys/fs/selinux/initial_contexts ] || skip "SELinux is enabled here"
        fails_with LXCError - "set the SELinux label" -- lsm_container selinuxLabel
}

lsm_container()
{
        new_config ".process.$1 = \"nosuch\" | .process.args = [\"true\"]"
        nexcage run --bundle "$BUNDLE" c
}

# property: root.path root.readonly
@test "root: path, readonly" {
        echo mine >"$BUNDLE/rootfs/etc/marker"
        in_container '.root.readonly = true' 'cat /etc/marker; touch /x 2>&1; true'
        assert_output_has mine "Read-only file system"
        in_container '.root.readonly = false' 'touch /x && echo made'
        assert_output_is made
        rm "$BUNDLE/rootfs/x" "$BUNDLE/rootfs/etc/marker"
}

# property: hostname domainname
@test "hostname, domainname" {
        in_container '.hostname = "inside" | .domainname = "example.org"' \
                'hostname; cat /proc/sys/kernel/domainname'
        assert_output_is "$(printf 'inside\nexample.org')"
}

# property: mounts[].destination mounts[].source mounts[].type mounts[].options
@test "mounts: types and options" {
        mkdir -p "$BATS_TEST_TMPDIR/tree/below"
        echo content >"$BATS_TEST_TMPDIR/tree/file"
        in_container ".root.readonly = false | .mounts += [
                {\"destination\": \"/m/bind\", \"type\": \"bind\", \"source\": \"$BATS_TEST_TMPDIR/tree\", \"options\": [\"rbind\", \"ro\", \"nosuid\", \"noexec\", \"rslave\"]},
                {\"destination\": \"/m/file\", \"type\": \"bind\", \"source\": \"$BATS_TEST_TMPDIR/tree/file\", \"options\": [\"bind\"]},
                {\"destination\": \"/m/tmp\", \"type\": \"tmpfs\", \"source\": \"tmpfs\", \"options\": [\"nodev\", \"size=64k\", \"mode=700\", \"noatime\"]}]" \
                'cat /m/file /m/bind/file; touch /m/bind/x 2>&1; df /m/tmp | tail -1 | awk "{ print \$2 }"; stat -c %a /m/tmp
                awk "\$5 ~ /^\/m\// { print \$5, \$6 }" /proc/self/mountinfo; touch /m/file'
        assert_output_has "$(printf 'content\ncontent')" "Read-only file system" 64 700 "/m/bind ro,nosuid,noexec" "/m/tmp rw,nodev,noatime"
        rm -rf "$BUNDLE/rootfs/m"
}

# property: mounts[].uidMappings mounts[].gidMappings
@test "mounts: id mappings of their own" {
        local mapping='[{"containerID": 0, "hostID": 5000, "size": 10}]'
        mkdir "$BATS_TEST_TMPDIR/mapped"
        touch "$BATS_TEST_TMPDIR/mapped/file"
        in_container ".ociVersion = \"1.2.0\" | .root.readonly = false | .mounts += [{\"destination\": \"/mapped\", \"type\": \"bind\",
                \"source\": \"$BATS_TEST_TMPDIR/mapped\", \"options\": [\"bind\"], \"uidMappings\": $mapping, \"gidMappings\": $mapping}]" \
                'stat -c %u:%g /mapped/file'
        assert_output_is 5000:5000
        rm -rf "$BUNDLE/rootfs/mapped"
}

# property: hooks.prestart hooks.createRuntime hooks.createContainer hooks.startContainer hooks.poststart hooks.poststop
@test "hooks: all six, in order, in their namespaces" {
        local log=$BATS_TEST_TMPDIR/hooks point filter=.
        : >"$log"
        for point in prestart createRuntime createContainer startContainer poststart poststop; do
                filter+=" | .hooks.$point = [{\"path\": \"/bin/sh\", \"args\": [\"sh\", \"-c\", \"echo $point \$(readlink /proc/self/ns/mnt) >>$log\"]}]"
        done
        # The last of create and start stand in the container: the log is there, too.
        start_c "$filter | .root.readonly = false | .mounts += [{\"destination\": \"$log\", \"type\": \"bind\", \"source\": \"$log\", \"options\": [\"bind\"]}]"
        local inside
        inside=$(readlink "/proc/$(nexcage state c | jq .pid)/ns/mnt")
        nexcage delete --force c
        [ "$(cut -d' ' -f1 "$log" | tr '\n' ' ')" = "prestart createRuntime createContainer startContainer poststart poststop " ]
        [ "$(awk -v ns="$inside" '$2 == ns { print $1 }' "$log" | tr '\n' ' ')" = "createContainer startContainer " ]
        rm -rf "$BUNDLE/rootfs${log%/*/*/*/*}"
}

# property: annotations
@test "annotations are in the state, for hooks as well" {
        start_c ".annotations = {\"a.b\": \"c d\"} | .hooks.createRuntime = [{\"path\": \"/bin/sh\",
                \"args\": [\"sh\", \"-c\", \"cat >$BATS_TEST_TMPDIR/state\"]}]"
        [ "$(nexcage state c | jq -r '.annotations["a.b"]')" = "c d" ]
        [ "$(jq -r '.annotations["a.b"]' "$BATS_TEST_TMPDIR/state")" = "c d" ]
}

# property: linux.namespaces[].type linux.timeOffsets
@test "linux: new namespaces, and only those that are named; timeOffsets" {
        in_container '.linux.namespaces = [{"type": "mount"}, {"type": "pid"}, {"type": "time"}] | del(.hostname)
                | .linux.timeOffsets = {"boottime": {"secs": 1000000, "nanosecs": 0}}' \
                'for n in mnt pid time net ipc uts; do readlink /proc/self/ns/$n; done; cut -d. -f1 /proc/uptime'
        local n i=0
        for n in mnt pid time net ipc uts; do
                if [ $i -lt 3 ]; then
                        [ "${lines[$i]}" != "$(readlink /proc/self/ns/$n)" ]
                else
                        [ "${lines[$i]}" = "$(readlink /proc/self/ns/$n)" ]
                fi
                i=$((i + 1))
        done
        [ "${lines[6]}" -ge 1000000 ]
        fails_with NotImplemented - "seconds and nanoseconds together" -- both_units
}

both_units()
{
        new_config '.linux.namespaces += [{"type": "time"}] | .linux.timeOffsets = {"boottime": {"secs": 1, "nanosecs": 1}}'
        nexcage create --bundle "$BUNDLE" c
}

# property: linux.namespaces[].path
@test "linux: a namespace by path" {
        in_container '.linux.namespaces |= map(if .type == "ipc" then .path = "/proc/self/ns/ipc" else . end)' 'readlink /proc/self/ns/ipc'
        assert_output_is "$(readlink /proc/self/ns/ipc)"
}

# property: linux.uidMappings linux.gidMappings
@test "linux: id mappings" {
        chown -R 100000:200000 "$BUNDLE/rootfs"
        in_container '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
                | .linux.gidMappings = [{"containerID": 0, "hostID": 200000, "size": 65536}]' \
                'awk "{ print \$1, \$2, \$3 }" /proc/self/uid_map /proc/self/gid_map; stat -c %u:%g /bin'
        chown -R 0:0 "$BUNDLE/rootfs"
        assert_output_is "$(printf '0 100000 65536\n0 200000 65536\n0:0')"
}

# property: linux.devices
@test "linux: devices" {
        in_container '.linux.devices = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 416, "uid": 5, "gid": 6},
                {"path": "/dev/sub/pipe", "type": "p"}]' \
                'stat -c "%F %a %u:%g %t,%T" /dev/mine; stat -c %F /dev/sub/pipe; stat -c "%t,%T" /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty'
        assert_output_is "$(printf 'character special file 640 5:6 1,3\nfifo\n1,3\n1,5\n1,7\n1,8\n1,9\n5,0')"
}

# property: linux.cgroupsPath
@test "linux: cgroupsPath" {
        start_c '.linux.cgroupsPath = "/nexcage-test/deep/c"'
        run cat "/proc/$(nexcage state c | jq .pid)/cgroup"
        [ "$(cut -d: -f3 <<<"$output" | sort -u)" = /nexcage-test/deep/c ] || fail "$output"
        nexcage delete --force c
        find /sys/fs/cgroup -depth -type d \( -path '*/nexcage-test/deep' -o -path '*/nexcage-test' \) -exec rmdir {} +
}

# property: linux.resources.memory linux.resources.cpu linux.resources.pids
@test "resources: memory, cpu, pids" {
        start_c '.linux.resources += {"memory": {"limit": 67108864, "reservation": 33554432}, "pids": {"limit": 55},
                "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"}}'
        [ "$(cgroup_value memory memory.limit_in_bytes memory.max)" = 67108864 ]
        [ "$(cgroup_value memory memory.soft_limit_in_bytes memory.low)" = 33554432 ]
        [ "$(cgroup_value pids pids.max)" = 55 ]
        [ "$(cgroup_value cpu cpu.shares cpu.weight)" = "$([ -d /sys/fs/cgroup/cpu ] && echo 512 || echo 20)" ]
        [ "$(cgroup_value cpu cpu.cfs_quota_us cpu.max)" = "$([ -d /sys/fs/cgroup/cpu ] && echo 50000 || echo 50000 100000)" ]
        [ "$(cgroup_value cpuset cpuset.cpus)" = 0 ]
}

# property: linux.resources.devices
@test "resources: devices" {
        in_container '.linux.devices = [{"path": "/dev/denied", "type": "c", "major": 1, "minor": 11}]
                | .linux.resources.devices = [{"allow": false, "access": "rwm"}]' 'head -c1 /dev/zero >/dev/null && echo zero; cat /dev/denied 2>&1 | head -c 100'
        assert_output_has zero "Operation not permitted"
}

# property: linux.resources.blockIO
@test "resources: blockIO" {
        local device
        device=$(awk '$3 ~ /^(vd|sd|nvme)/ { print $1, $2; exit }' /proc/diskstats)
        [ -n "$device" ] || skip "no disk here"
        start_c ".linux.resources.blockIO = {\"throttleReadBpsDevice\": [{\"major\": ${device% *}, \"minor\": ${device#* }, \"rate\": 1048576}]}"
        run cgroup_value blkio blkio.throttle.read_bps_device io.max
        assert_output_has "${device% *}:${device#* }" 1048576
}

# property: linux.resources.hugepageLimits linux.resources.network linux.resources.rdma
@test "resources of controllers: set, or an error where the kernel has none" {
        controller hugetlb '.hugepageLimits = [{"pageSize": "2MB", "limit": 4194304}]' hugetlb.2MB.limit_in_bytes hugetlb.2MB.max 4194304
        controller net_cls '.network = {"classID": 1048577}' net_cls.classid - 1048577
        controller rdma '.rdma = {"mlx5_1": {"hcaHandles": 3}}' - - -
}

# controller NAME FILTER V1-FILE V2-FILE VALUE
controller()
{
        if [ "$1" != rdma ] && { [ -d "/sys/fs/cgroup/$1" ] || grep -qw "$1" /sys/fs/cgroup/cgroup.controllers 2>/dev/null; }; then
                start_c ".linux.resources$2"
                [ "$(cgroup_value "$1" "$3" "$4")" = "$5" ]
                nexcage delete --force c
        else
                new_config ".linux.resources$2"
                fails_with LXCError - c -- nexcage create --bundle "$BUNDLE" c
        fi
}

# property: linux.resources.unified
@test "resources: unified, on cgroup v2" {
        [ -e /sys/fs/cgroup/cgroup.controllers ] || skip "cgroup v1 here"
        start_c '.linux.resources.unified = {"pids.max": "44"}'
        [ "$(cgroup_value pids pids.max)" = 44 ]
}

# property: linux.sysctl
@test "linux: sysctl" {
        in_container '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "123"}' \
                'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni'
        assert_output_is "$(printf '1\n123')"
        [ "$(cat /proc/sys/kernel/shmmni)" != 123 ]
}

# property: linux.seccomp
@test "linux: seccomp" {
        in_container '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}' \
                'grep ^Seccomp: /proc/self/status; mkdir /tmp/x 2>&1; true'
        assert_output_has "$(printf 'Seccomp:\t2')" "Function not implemented"
}

# property: linux.rootfsPropagation
@test "linux: rootfsPropagation" {
        local value words
        while read -r value words; do
                in_container ".linux.rootfsPropagation = \"$value\"" \
                        'awk "\$5 == \"/\" { for (i = 7; \$i != \"-\"; i++) printf \"%s \", \$i; print \"end\" }" /proc/self/mountinfo'
                [[ $output =~ ^$words ]] || fail "$value: $output"
        done <<'EOT'
private end
rprivate end
shared .*shared:
rshared .*shared:
unbindable .*unbindable
EOT
}

# property: linux.maskedPaths linux.readonlyPaths
@test "linux: maskedPaths, readonlyPaths" {
        in_container '.linux.maskedPaths = ["/proc/version", "/sys/kernel"] | .linux.readonlyPaths = ["/proc/sys"]' \
                'wc -c </proc/version; ls /sys/kernel | wc -l; echo 1 2>&1 >/proc/sys/kernel/printk; grep -c . /proc/cpuinfo >/dev/null && echo other'
        assert_output_has "$(printf '0\n0\n')" other
        [[ $stderr == *"Read-only file system"* || $output == *"Read-only file system"* ]]
}

# property: linux.personality
@test "linux: personality" {
        in_container '.linux.personality = {"domain": "LINUX32"}' 'uname -m'
        assert_output_is i686
}

# property: vm solaris windows zos freebsd
@test "refused: other kinds of machines" {
        local key
        for key in vm solaris windows zos freebsd; do
                refused ".$key = {\"x\": {\"y\": 1}, \"kernel\": {\"path\": \"/x\"}, \"layerFolders\": [\"x\"]}" "$key"
        done
}

# property: linux.namespaces[]=user-path linux.namespaces[]=mount-path linux.namespaces[]=no-mount
@test "refused: namespaces that liblxc makes itself" {
        refused '.linux.namespaces += [{"type": "user", "path": "/proc/self/ns/user"}]' "makes the user namespace itself"
        refused '.linux.namespaces |= map(if .type == "mount" then .path = "/proc/self/ns/mnt" else . end)' "makes the mount namespace itself"
        refused '.linux.namespaces |= map(select(.type != "mount"))' "always makes a mount namespace"
}

# property: linux.mountLabel linux.intelRdt linux.memoryPolicy linux.netDevices linux.personality.flags
@test "refused: what no part of us does" {
        refused '.linux.mountLabel = "x"' linux.mountLabel
        refused '.linux.intelRdt = {"closID": "x"}' linux.intelRdt
        refused '.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0"}' linux.memoryPolicy
        refused '.linux.netDevices = {"eth9": {"name": "eth0"}}' linux.netDevices
        refused '.linux.personality = {"domain": "LINUX", "flags": ["X"]}' linux.personality.flags
}

# property: linux.seccomp.listenerPath linux.seccomp.syscalls[].action=SCMP_ACT_NOTIFY
# property: linux.seccomp.flags[]=SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
@test "refused: the notify socket of seccomp" {
        local base='.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW"}'
        refused "$base | .linux.seccomp.listenerPath = \"/x\"" linux.seccomp.listenerPath
        refused "$base | .linux.seccomp.syscalls = [{\"names\": [\"mkdir\"], \"action\": \"SCMP_ACT_NOTIFY\"}]" SCMP_ACT_NOTIFY
        refused "$base | .linux.seccomp.flags = [\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]" WAIT_KILLABLE_RECV
}

@test "features --runtime lxc is the table" {
        run --separate-stderr nexcage features --runtime lxc
        assert_json '.[] | select(.property == "hostname").by' "liblxc: lxc.uts.name"
        assert_json '.[] | select(.property == "linux.netDevices").refused' "no device of the host is moved"
        fails_with NotImplemented - "cannot tell" -- nexcage features --runtime crun
}
