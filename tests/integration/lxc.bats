#!/usr/bin/env bats
# What is about the lxc backend alone: liblxc's tools see the containers, the monitor goes with them, properties hold inside.

load helpers

setup_file()
{
        requires_root
        requires_runtime lxc
        nxc_setup_file
        export BUNDLE=$BATS_FILE_TMPDIR/bundle
        make_bundle "$BUNDLE"
}

teardown_file()
{
        nxc_teardown_file
}

teardown()
{
        nexcage delete --force c
}

# in_container FILTER SCRIPT: the output of a script in a container whose config.json the filter has changed.
in_container()
{
        rm -f "$BUNDLE/config.json"
        nexcage spec --bundle "$BUNDLE"
        edit_bundle "$BUNDLE" '.process.terminal = false'
        edit_bundle "$BUNDLE" "$1"
        jq --arg script "$2" '.process.args = ["sh", "-c", $script]' "$BUNDLE/config.json" >"$BUNDLE/new"
        mv "$BUNDLE/new" "$BUNDLE/config.json"
        run --separate-stderr nexcage run --bundle "$BUNDLE" c
}

start_c()
{
        in_container . true
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
        nexcage run -d --bundle "$BUNDLE" c >/dev/null 2>&1 3>&-
}

@test "liblxc's tools list, describe, enter, freeze and stop it" {
        requires lxc-ls lxc-info lxc-attach lxc-stop
        start_c
        run lxc-ls -P "$NXC_ROOT" -1
        assert_output_has c
        run lxc-info -P "$NXC_ROOT" -n c -p -H
        assert_output_is "$(nexcage state c | jq .pid)"
        nexcage pause c
        run lxc-info -P "$NXC_ROOT" -n c -s -H
        assert_output_is FROZEN
        nexcage resume c
        lxc-attach -P "$NXC_ROOT" -n c -- /bin/true
        timeout 10 lxc-stop -P "$NXC_ROOT" -n c -k
        run nexcage list -q
        [[ $output != *c* ]] || wait_status c stopped
}

@test "the init is the caller's in the end, and the monitor ends with it" {
        local monitor pid
        start_c
        pid=$(nexcage state c | jq .pid)
        monitor=$(jq .monitor "$NXC_ROOT/c/rt/lxc.json")
        [ "$(awk '{ print $4 }' "/proc/$pid/stat")" != "$monitor" ]
        grep -q lxc-monitor "/proc/$monitor/comm"
        kill -KILL "$pid"
        wait_for 5 test ! -e "/proc/$monitor/exe"
}

@test "a signal death is the exit status" {
        in_container . true
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
        nexcage run --bundle "$BUNDLE" c 3>&- &
        local runner=$!
        wait_status c running
        nexcage kill c KILL
        status=0
        wait "$runner" || status=$?
        assert_status 137
}

@test "nothing of nexcage-init is left in the container" {
        in_container . 'ls -l /proc/self/fd /proc/1/exe; cat /proc/self/maps'
        [[ $output != *memfd* && $output != *nexcage* ]]
}

@test "properties: names, ids, limits, capabilities" {
        in_container '.process.user.umask = 63 | .process.oomScoreAdj = 500 | .process.user.uid = 1000
                | .process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 99}]' \
                'umask; cat /proc/self/oom_score_adj; id -u; ulimit -n; grep -E "Cap(Inh|Eff)" /proc/self/status'
        assert_output_is "$(printf '0077\n500\n1000\n99\nCapInh:\t0000000000000000\nCapEff:\t0000000000000000')"
}

@test "properties: namespaces by path, sysctl, seccomp" {
        in_container '.linux.namespaces |= map(if .type == "ipc" then .path = "/proc/self/ns/ipc" else . end)
                | .linux.sysctl = {"net.ipv4.ip_forward": "1"}
                | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}' \
                'readlink /proc/self/ns/ipc; cat /proc/sys/net/ipv4/ip_forward; mkdir /tmp/x 2>&1'
        assert_output_has "$(readlink /proc/self/ns/ipc)" $'\n1\n' "not implemented"
}

# A root that belongs to the namespace's root, as runc wants it, too.
@test "a user namespace: root inside, nobody outside; the state directory stays root's" {
        local mapping='[{"containerID": 0, "hostID": 100000, "size": 65536}]' pid
        cp -a "$BUNDLE" "$BATS_TEST_TMPDIR/mapped"
        chown -R 100000:100000 "$BATS_TEST_TMPDIR/mapped/rootfs"
        local BUNDLE=$BATS_TEST_TMPDIR/mapped
        snapshot_machine
        in_container ".root.readonly = false | .linux.namespaces += [{\"type\": \"user\"}]
                | .linux.uidMappings = $mapping | .linux.gidMappings = $mapping | .linux.sysctl = {\"net.ipv4.ip_forward\": \"1\"}" \
                'id -u; awk "{ print \$2, \$3 }" /proc/self/uid_map; touch /tmp/x && stat -c %u /tmp/x; echo >/dev/null
                cat /proc/sys/net/ipv4/ip_forward; grep CapEff /proc/self/status; mount -t tmpfs x /tmp || echo refused'
        assert_output_is "$(printf '0\n100000 65536\n0\n1\nCapEff:\t0000000020000420\nrefused')"
        rm -f "$BUNDLE/rootfs/tmp/x"
        assert_machine_unchanged
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
        nexcage run -d --bundle "$BUNDLE" c >/dev/null 2>&1 3>&-
        pid=$(nexcage state c | jq .pid)
        [ "$(stat -c %u "/proc/$pid") $(stat -c %u:%a "$NXC_ROOT/c")" = "100000 0:700" ]
        [ "$(nexcage exec --user 7:8 c sh -c 'id -u; id -g' | tr '\n' ' ')" = "7 8 " ]
        [ "$(lxc-attach -P "$NXC_ROOT" -n c -- /bin/id -u)" = 0 ]
        run on_pty -- "$NEXCAGE" --root "$NXC_ROOT" exec -t c tty
        assert_output_has /dev/pts/
}

@test "namespaces by path: network, ipc, uts, cgroup, time and pid of a process; the monitor stays outside" {
        local pid types=network:net\ ipc:ipc\ uts:uts\ cgroup:cgroup\ time:time\ pid:pid kind filter=.
        unshare --net --ipc --uts --cgroup --time --pid --fork sleep 100 3>&- &
        local unshared=$!
        wait_for 5 pgrep -P $unshared
        pid=$(pgrep -P $unshared)
        for kind in $types; do
                filter+=" | .linux.namespaces |= map(select(.type != \"${kind%:*}\"))
                        + [{\"type\": \"${kind%:*}\", \"path\": \"/proc/$pid/ns/${kind#*:}\"}]"
        done
        in_container "$filter | del(.hostname)" \
                'for n in net ipc uts cgroup time pid; do readlink /proc/self/ns/$n; done'
        assert_output_is "$(for kind in $types; do readlink "/proc/$pid/ns/${kind#*:}"; done)"
        kill "$pid"
        wait $unshared || true
}

@test "mounts: recursive and read-only ones, a tmpfs with what was there, nothing on the host" {
        snapshot_machine
        in_container '.root.readonly = false | .mounts += [
                {"destination": "/a/b", "type": "bind", "source": "/etc", "options": ["rbind", "rro"]},
                {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "size=1m"]}]' \
                'touch /a/b/x 2>&1; ls /etc | head -1; touch /etc/new && echo new'
        assert_output_has "Read-only file system" new
        rm -rf "$BUNDLE/rootfs/a"
        assert_machine_unchanged
}

@test "cgroups: a container without a cgroup namespace sees its own only" {
        [ -d /sys/fs/cgroup/pids ] || skip "cgroup v1 only"
        in_container '.linux.resources.pids.limit = 50
                | .mounts += [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]}]' \
                'cat /sys/fs/cgroup/pids/pids.max'
        assert_output_is 50
}

@test "bad input: one error each, and nothing left" {
        local filter words
        while IFS='|' read -r filter words; do
                rm -f "$BUNDLE/config.json"
                nexcage spec --bundle "$BUNDLE"
                edit_bundle "$BUNDLE" '.process.terminal = false'
                edit_bundle "$BUNDLE" "${filter//;/|}"
                snapshot_machine
                run nexcage run --bundle "$BUNDLE" c
                [ "$status" -ne 0 ] || fail "succeeded: $filter" || return 1
                assert_output_has "$words" || return 1
                [ "${#lines[@]}" -eq 1 ] || fail "not one line:" "$output" || return 1
                assert_machine_unchanged || return 1
        done <<'EOF'
.linux.namespaces[0].path = "/etc/passwd"|is no pid namespace
.linux.namespaces[0].path = "/proc/1/ns/nosuch"|open the pid namespace
.mounts += [{"destination": "/x", "type": "bind", "source": "/nosuch", "options": ["bind"]}]|open the source '/nosuch'
.process.capabilities.bounding += ["CAP_FLY"]|unknown capability
.linux.cgroupsPath = "../.."|linux.cgroupsPath
.process.args = ["/bin/nosuch"]|no such file or directory
.process.args = ["nosuch"]|executable file not found in $PATH
.process.args = ["/etc"]|permission denied
.linux.mountLabel = "x"|cannot honour linux.mountLabel
.linux.namespaces += [{"type": "user"}]|a user namespace has to map id 0
EOF
}
