#!/usr/bin/env bats
# nexcage as the runtime of containerd: with ctr, and for a pod of its CRI plugin. Everything of containerd's lies in this file's
# directory, but for the sockets of its shims.
load helpers

setup_file()
{
        requires_root
        requires containerd ctr containerd-shim-runc-v2 skopeo umoci
        nxc_setup_file
        export D=$BATS_FILE_TMPDIR/containerd
        mkdir -p "$D/logs"
        printf '#!/bin/bash\nexport NEXCAGE_CONFIG=%q\nexec %q --store %q "$@"\n' "$NEXCAGE_CONFIG" "$NEXCAGE" "$NXC_STORE" >"$D/nexcage"
        chmod 755 "$D/nexcage"
        configuration >"$D/config.toml"
        containerd -c "$D/config.toml" >"$D/log" 2>&1 3>&- &
        echo $! >"$D/pid"
        wait_for 20 c version >/dev/null 2>&1 || fail "containerd does not start:" "$(tail -n 5 "$D/log")"
        cp -a "$NXC_TEST_CACHE/busybox" "$D/layout"
        umoci config --image "$D/layout:latest" --tag pause --config.cmd sleep --config.cmd 100000
        local image
        for image in latest pause; do
                skopeo copy -q "oci:$D/layout:$image" "oci-archive:$D/$image.tar:localhost/test:$image"
                c images import "$D/$image.tar" >&2
                c -n k8s.io images import "$D/$image.tar" >&2
        done
        export IMAGE=localhost/test:latest
}

teardown_file()
{
        kill "$(cat "$D/pid")" && wait_for 5 test ! -e "/proc/$(cat "$D/pid")"
        rmdir /run/containerd/s /run/containerd/fifo /run/containerd 2>/dev/null || true
        nxc_teardown_file
}

configuration()
{
        cat <<EOT
version = 2
root = "$D/root"
state = "$D/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
        "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
address = "$D/sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/test:pause"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "nexcage"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nexcage]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nexcage.options]
BinaryName = "$D/nexcage"
Root = "$NXC_ROOT"
EOT
}

c()
{
        timeout 60 ctr -a "$D/sock" "$@" 3>&-
}

ctr_run()
{
        c run --runc-binary "$D/nexcage" --runc-root "$NXC_ROOT" "$@"
}

task_state()
{
        c task ls | awk -v id="$1" '$1 == id { print $3 }'
}

is_task()
{
        [ "$(task_state "$1")" = "$2" ]
}

# What is left of containers: records, shims and monitors; not containerd's own files.
nothing_left()
{
        local dir
        for dir in "$NXC_ROOT"/*/*; do
                [ ! -e "$dir" ] || return 1
        done
        ! pgrep -f "containerd-shim-runc-v2 .*$D/sock" >/dev/null
}

@test "ctr run: output, exit status" {
        run --separate-stderr ctr_run --rm "$IMAGE" c1 sh -c 'echo hello; exit 7'
        assert_status 7
        assert_output_is hello
        wait_for 10 nothing_left
}

@test "ctr: exec, pause, resume, metrics, ps, kill" {
        ctr_run -d "$IMAGE" c2 sleep 1000
        is_task c2 RUNNING
        run --separate-stderr c task exec --exec-id e1 c2 sh -c 'echo in exec; exit 3'
        assert_status 3
        assert_output_is "in exec"
        c task pause c2
        is_task c2 PAUSED
        c task resume c2
        is_task c2 RUNNING
        run c task metrics c2
        [[ $output =~ pids.current[[:space:]]+1 ]] || fail "$output"
        [ "$(c task ps c2 | wc -l)" -eq 2 ]
        c task kill -s KILL c2
        wait_for 5 is_task c2 STOPPED
        run c task rm c2
        assert_output_has "code 137"
        c containers rm c2
        wait_for 10 nothing_left
}

@test "ctr run: a program that is not there is an error, and nothing is left" {
        run ctr_run --rm "$IMAGE" c3 nosuch
        [ "$status" -ne 0 ]
        assert_output_has "executable file not found in \$PATH"
        c containers rm c3 2>/dev/null || true
        wait_for 10 nothing_left
}

# ---- CRI: fields by number, as cri-api's runtime.v1 has them

cri()
{
        timeout 60 "$NXC_TOOLS/cri.py" "$D/sock" "$@" 3>&-
}

@test "CRI: a pod, a container in it: logs, exec, status, stop, remove" {
        /usr/bin/python3 -c 'import grpc' 2>/dev/null || skip "python3-grpcio is not installed"
        # metadata, log_directory, linux.security_context.namespace_options.network = NODE: no CNI is needed.
        local config='{"1": {"1": "pod", "2": "uid", "3": "default"}, "3": "'$D'/logs", "8": {"2": {"1": {"1": 2}}}}' pod container
        pod=$(cri RunPodSandbox "{\"1\": $config}" 1)
        container=$(cri CreateContainer "$(jq -n --arg pod "$pod" --argjson config "$config" --arg image "$IMAGE" '{"1": $pod, "3": $config,
                "2": {"1": {"1": "box"}, "2": {"1": $image}, "11": "box.log", "15": {"2": {"3": {"1": 2}}},
                "3": ["sh", "-c", "trap \"exit 5\" TERM; echo started; while :; do sleep 0.1; done"]}}')" 1)
        cri StartContainer "{\"1\": \"$container\"}"
        wait_for 5 grep -q 'stdout F started' "$D/logs/box.log"
        [ "$(cri ContainerStatus "{\"1\": \"$container\"}" 1.3)" = 1 ] # CONTAINER_RUNNING
        local exec='{"1": "'$container'", "2": ["sh", "-c", "echo out; exit 4"], "3": 20}'
        [ "$(cri ExecSync "$exec" 1)" = out ]
        [ "$(cri ExecSync "$exec" 3)" = 4 ]
        # The pod's namespaces, by path.
        local inside sandbox
        inside=$(cri ExecSync '{"1": "'$container'", "2": ["readlink", "/proc/self/ns/ipc"], "3": 20}' 1)
        sandbox=$(jq .pid <<<"$(nexcage --root "$NXC_ROOT/k8s.io" state "$pod")")
        [ "$inside" = "$(readlink "/proc/$sandbox/ns/ipc")" ]
        cri StopContainer "{\"1\": \"$container\", \"2\": 10}"
        [ "$(cri ContainerStatus "{\"1\": \"$container\"}" 1.3)" = 2 ] # CONTAINER_EXITED
        [ "$(cri ContainerStatus "{\"1\": \"$container\"}" 1.7)" = 5 ]
        cri RemoveContainer "{\"1\": \"$container\"}"
        cri StopPodSandbox "{\"1\": \"$pod\"}"
        cri RemovePodSandbox "{\"1\": \"$pod\"}"
        wait_for 10 nothing_left
}
