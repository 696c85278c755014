# nexcage as podman's OCI runtime, on each of the runtimes beneath. podman's exit codes are what it makes of our words.
load helpers

setup_file()
{
        requires podman conmon
        nxc_setup_file
        # A state root of this file's own for all of podman's calls: its clean-up when a container has ended does not know
        # of --runtime-flag, and what podman calls directly gets an environment without ours.
        export RUNTIME=$BATS_FILE_TMPDIR/nexcage
        printf '#!/bin/bash\nexport NEXCAGE_CONFIG=%q\nexec %q --root %q --store %q "$@"\n' "$NEXCAGE_CONFIG" "$NEXCAGE" "$NXC_ROOT" \
                "$NXC_STORE" >"$RUNTIME"
        chmod 755 "$RUNTIME"
        podman_ pull -q "oci:$NXC_TEST_CACHE/busybox:latest" >&2
        IMAGE=$(podman_ images -q | head -n 1)
        export IMAGE
}

teardown_file()
{
        p rm --all --force --time 0 >/dev/null 2>&1 || true
        nxc_teardown_file
}

setup()
{
        C=nxc-$BATS_SUITE_TEST_NUMBER-$$
}

teardown()
{
        p rm --force --ignore --time 0 "$C" >/dev/null
}

p()
{
        podman_ --runtime "$RUNTIME" "$@" 3>&-
}

podman_run()
{
        p run "${PODMAN_RUN_OPTS[@]}" "$@"
}

# A container that says when it is ready, and takes TERM as a reason to end with 3.
run_patient()
{
        podman_run -d --name "$C" "$@" "$IMAGE" sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
        wait_for 5 is_ready
}

is_ready()
{
        [[ $(p logs "$C" 2>&1) == *ready* ]]
}

status()
{
        p inspect --format '{{.State.Status}}' "$C"
}

@test "podman run --rm, with the program itself as the runtime" {
        run --separate-stderr podman_ --runtime "$NEXCAGE" run "${PODMAN_RUN_OPTS[@]}" --rm "$IMAGE" cat /etc/os-release
        assert_status 0
        assert_output_has ID=busybox
}

@test "podman run --rm" {
        run --separate-stderr podman_run --rm "$IMAGE" cat /etc/os-release
        assert_status 0
        assert_output_has ID=busybox
        [ "$(echo from stdin | podman_run --rm -i "$IMAGE" cat)" = "from stdin" ]
}

@test "podman run: the program's exit codes, 125, 126, 127" {
        local code
        for code in 0 1 42 255; do
                run podman_run --rm "$IMAGE" sh -c "exit $code"
                assert_status $code
        done
        run podman_run --rm "$IMAGE" sh -c 'sh -c "kill -9 \$\$"; exit $?'
        assert_status 137
        run -127 podman_run --rm "$IMAGE" /nosuch
        run -127 podman_run --rm "$IMAGE" nosuch
        run -126 podman_run --rm "$IMAGE" /etc/passwd
        run -126 podman_run --rm "$IMAGE" /etc
        run podman_run --rm --nosuch "$IMAGE" true
        assert_status 125
        # The runtime's own "no".
        run podman_run --rm --annotation org.nexcage.runtime=nosuch "$IMAGE" true
        [ "$status" -ge 125 ] || fail "$status: $output"
        assert_output_has "unknown runtime"
}

@test "podman run --rm leaves nothing" {
        podman_run --rm "$IMAGE" true # podman's own files are there now
        snapshot_machine
        podman_run --rm "$IMAGE" true
        run -127 podman_run --rm "$IMAGE" /nosuch
        podman_run -d --rm --name "$C" "$IMAGE" sleep 1000 >/dev/null
        p rm --force --time 0 "$C"
        run --separate-stderr nexcage list -q
        assert_output_is ""
        assert_machine_unchanged
}

@test "podman create, start, attach" {
        p create "${PODMAN_RUN_OPTS[@]}" --name "$C" "$IMAGE" sh -c 'echo attached; exit 7' >/dev/null
        [ "$(status)" = created ]
        run --separate-stderr p start --attach "$C"
        assert_output_is attached
        assert_status 7
        # Once more: another container of the same id.
        run --separate-stderr p start --attach "$C"
        assert_output_is attached
        assert_status 7
}

@test "podman kill, wait" {
        podman_run -d --name "$C" "$IMAGE" sleep 1000 >/dev/null
        p kill "$C"
        run p wait "$C"
        assert_output_is 137
        run p kill "$C"
        assert_status 125
        p rm "$C"
        run_patient
        p kill --signal TERM "$C"
        run p wait "$C"
        assert_output_is 3
}

@test "podman stop, restart, inspect, logs" {
        run_patient
        run p inspect --format '{{.State.Status}} {{.State.Pid}} {{.OCIRuntime}}' "$C"
        [[ $output =~ ^running\ [0-9]+\ .*nexcage$ ]] || fail "$output"
        p restart --time 5 "$C"
        wait_for 5 is_ready
        p stop --time 5 "$C"
        run p inspect --format '{{.State.Status}} {{.State.ExitCode}}' "$C"
        assert_output_is "exited 3"
        # Who does not listen is killed.
        p rm "$C"
        podman_run -d --name "$C" "$IMAGE" sleep 1000 >/dev/null
        p stop --time 0 "$C"
        run p inspect --format '{{.State.ExitCode}}' "$C"
        assert_output_is 137
}

@test "podman exec: exit codes, 126, 127, user, directory, environment, input" {
        local code
        podman_run -d --name "$C" "$IMAGE" sleep 1000 >/dev/null
        for code in 0 1 5 255; do
                run p exec "$C" sh -c "exit $code"
                assert_status $code
        done
        run -127 p exec "$C" /nosuch
        run -127 p exec "$C" nosuch
        run -126 p exec "$C" /etc/passwd
        run p exec nosuch-$$ true
        assert_status 125
        run --separate-stderr p exec --user 1000:50 --workdir /tmp --env A=b "$C" sh -c 'echo $(id -u):$(id -g) $(pwd) $A'
        assert_output_is "1000:50 /tmp b"
        [ "$(echo words | p exec -i "$C" cat)" = words ]
        run p exec -t "$C" tty
        assert_output_has /dev/pts/
        p exec -d "$C" touch /tmp/detached
        wait_for 5 p exec "$C" test -e /tmp/detached
}

@test "podman pause, unpause" {
        run_patient
        p pause "$C"
        [ "$(status)" = paused ]
        run p exec "$C" true
        [ "$status" -ne 0 ]
        run p pause "$C"
        [ "$status" -ne 0 ]
        p unpause "$C"
        [ "$(status)" = running ]
        p exec "$C" true
        p pause "$C"
        # Removed all the same.
        p rm --force --time 0 "$C"
        run p inspect "$C"
        [ "$status" -ne 0 ]
}

@test "podman top, stats, ps" {
        podman_run -d --name "$C" "$IMAGE" sleep 1000 >/dev/null
        run p top "$C" pid args
        assert_output_has "sleep 1000"
        run --separate-stderr p stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' "$C"
        [[ $output =~ ^"$C"\ 1\ [0-9.]+[kM]?B ]] || fail "$output"
        run p ps --format '{{.Names}} {{.Status}}'
        [[ $output == "$C Up "* ]] || fail "$output"
}

@test "podman rm: refused while it runs, --force" {
        podman_run -d --name "$C" "$IMAGE" sleep 1000 >/dev/null
        run p rm "$C"
        [ "$status" -ne 0 ]
        [ "$(status)" = running ]
        p rm --force --time 0 "$C"
        run --separate-stderr nexcage list -q
        assert_output_is ""
}

@test "podman run -t: a terminal" {
        run podman_run --rm -t "$IMAGE" tty
        assert_output_has /dev/pts/
        run on_pty --size 31x97 -- podman --root "$BATS_FILE_TMPDIR/podman/root" --runroot "$NXC_PODMAN_RUN/run" --tmpdir "$NXC_PODMAN_RUN/tmp" \
                --storage-driver "${NXC_PODMAN_STORAGE:-overlay}" --cgroup-manager cgroupfs --events-backend file --runtime "$RUNTIME" \
                run "${PODMAN_RUN_OPTS[@]}" --rm -it "$IMAGE" sh -c 'sleep 0.5; stty size'
        assert_output_has "31 97"
}

@test "podman run with limits, volumes, users, capabilities, read-only root" {
        echo outside >"$BATS_TEST_TMPDIR/file"
        run --separate-stderr podman_run --rm --memory 64m --pids-limit 50 -v "$BATS_TEST_TMPDIR:/mnt:ro" "$IMAGE" sh -c \
                'cat /mnt/file; touch /mnt/x 2>/dev/null || echo refused'
        assert_output_is $'outside\nrefused'
        run --separate-stderr podman_run --rm --user 1000 "$IMAGE" id -u
        assert_output_is 1000
        run --separate-stderr podman_run --rm --cap-drop all "$IMAGE" grep CapEff /proc/self/status
        assert_output_has 0000000000000000
        run --separate-stderr podman_run --rm --read-only "$IMAGE" sh -c 'touch /x 2>/dev/null || echo refused; touch /tmp/x && echo tmp'
        assert_output_is $'refused\ntmp'
        run --separate-stderr podman_run --rm --pids-limit -1 --cpu-quota -1 "$IMAGE" echo unlimited
        assert_output_is unlimited
        run --separate-stderr podman_run --rm --privileged "$IMAGE" sh -c 'grep CapEff /proc/self/status'
        assert_status 0
}

@test "podman run --preserve-fds" {
        echo preserved >"$BATS_TEST_TMPDIR/file"
        podman_run_with_fd() { podman_ --runtime "$RUNTIME" run "${PODMAN_RUN_OPTS[@]}" "$@" 3<"$BATS_TEST_TMPDIR/file"; }
        run --separate-stderr podman_run_with_fd --rm --preserve-fds 1 "$IMAGE" sh -c 'cat <&3'
        assert_output_is preserved
}
