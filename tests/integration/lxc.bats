#!/usr/bin/env bats
# What is about the lxc backend alone: liblxc's tools see the containers, the monitor goes with them, properties hold inside.

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

@test "inspect --lxc-config: what liblxc was told, and its tools read" {
        start_c '.hostname = "named"'
        run --separate-stderr nexcage inspect --lxc-config c
        assert_output_has "lxc.uts.name = named" "lxc.rootfs.path = dir:$BUNDLE/rootfs" "lxc.cgroup.dir.container = "
        [ "$(lxc-info -P "$NXC_ROOT" -n c -c lxc.uts.name)" = "lxc.uts.name = named" ]
        fails_with ContainerNotFound - "does not exist" -- nexcage inspect --lxc-config nosuch
}

# In this test's mount namespace there is none.
without_liblxc()
{
        # shellcheck disable=SC2016
        unshare --mount --propagation private sh -c 'for lib in $(ldconfig -p | sed -n "s/.*liblxc\\.so\\.1.*=> //p"); do
                mount --bind /dev/null "$lib"; done; exec "$@"' - "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" "$@" </dev/null
}

@test "without liblxc: one line that says what to install, and everything else works" {
        new_config '.process.args = ["true"]'
        fails_with RuntimeNotAvailable choose-runtime "apt install liblxc1" -- without_liblxc run --runtime lxc --bundle "$BUNDLE" c
        [ "${#lines[@]}" -eq 1 ] || fail "not one line:" "$output"
        without_liblxc run --runtime runc --bundle "$BUNDLE" c
        start_c
        [ "$(without_liblxc state c | jq -r .status)" = running ]
        without_liblxc delete --force c
}

# Every string of a config.json that liblxc could see, with what would end its line: no container, or one whose configuration has
# no line more. NUL is no JSON text for a C program, and refused as such.
@test "injection: newline, carriage return and NUL add no setting" {
        local path evil count
        new_config '.linux.cgroupsPath = "/nexcage/c" | .linux.resources.cpu.cpus = "0" | .domainname = "d" | .annotations = {"a": "b"}'
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
        cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/base.json"
        nexcage create --bundle "$BUNDLE" c
        count=$(nexcage inspect --lxc-config c | wc -l)
        nexcage delete --force c
        # shellcheck disable=SC1003
        for evil in '\n' '\r' '\u0000'; do
                for path in .hostname .domainname .linux.cgroupsPath .linux.resources.cpu.cpus .root.path \
                        .process.env[0] .mounts[0].source .linux.sysctl; do
                        evil_config "$path" "$evil"
                        if nexcage create --bundle "$BUNDLE" c >/dev/null 2>"$BATS_TEST_TMPDIR/err"; then
                                [ "$(nexcage inspect --lxc-config c | wc -l)" -eq "$count" ] || fail "$path takes $evil"
                                run nexcage inspect --lxc-config c
                                [[ $output != *lxc.hook.pre-start* ]] || fail "$path takes $evil:" "$output"
                                nexcage delete --force c
                        else
                                [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ] || fail "$path $evil:" "$(cat "$BATS_TEST_TMPDIR/err")"
                        fi
                done
        done
        [ ! -e /tmp/nexcage-injected ]
}

# evil_config PATH ESCAPE: a string of the base with a line of liblxc's behind what would end its own.
evil_config()
{
        local value='"x'$2'lxc.hook.pre-start = /bin/touch /tmp/nexcage-injected'$2'"'
        [ "$1" != .linux.sysctl ] || value="{\"net.ipv4.ip_forward\": $value}"
        jq "$1 = $value" "$BATS_TEST_TMPDIR/base.json" >"$BUNDLE/config.json"
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

@test "hooks in the container are told the init's PID as the host has it" {
        start_c ".root.readonly = false
                | .hooks.createContainer = [{\"path\": \"/bin/sh\", \"args\": [\"sh\", \"-c\", \"cat >$BATS_TEST_TMPDIR/state\"]}]
                | .hooks.startContainer = [{\"path\": \"/bin/sh\", \"args\": [\"sh\", \"-c\", \"cat >/state\"]}]"
        local init
        init=$(nexcage state c | jq .pid)
        run cat "$BATS_TEST_TMPDIR/state"
        assert_json .pid "$init"
        run cat "$BUNDLE/rootfs/state"
        rm "$BUNDLE/rootfs/state"
        assert_json .pid "$init"
        assert_json .status created
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
        kill -KILL "$pid"
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
