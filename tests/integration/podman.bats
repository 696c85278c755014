# nexcage as podman's OCI runtime, on each of the runtimes beneath.
load helpers

setup_file()
{
        nxc_setup_file
        # podman passes its own --root of the state; NEXCAGE_CONFIG reaches us through conmon's environment.
        podman_ pull -q "oci:$NXC_TEST_CACHE/busybox:latest" >&2
        IMAGE=$(podman_ images -q | head -n 1)
        export IMAGE
}

teardown_file()
{
        podman_ rm --all --force >/dev/null 2>&1 || true
        nxc_teardown_file
}

podman_run()
{
        podman_ --runtime "$NEXCAGE" run "${PODMAN_RUN_OPTS[@]}" "$@"
}

@test "podman run --rm" {
        run --separate-stderr podman_run --rm "$IMAGE" cat /etc/os-release
        assert_status 0
        assert_output_has ID=busybox
}

@test "podman run: exit codes, 126, 127" {
        run podman_run --rm "$IMAGE" sh -c 'exit 42'
        assert_status 42
        run podman_run --rm "$IMAGE" /nosuch
        assert_status 127
        run podman_run --rm "$IMAGE" /etc/passwd
        assert_status 126
}

@test "podman run -d, exec, kill, wait, rm" {
        local id
        id=$(podman_run -d "$IMAGE" sleep 1000)
        run --separate-stderr podman_ --runtime "$NEXCAGE" exec "$id" sh -c 'echo inside; exit 5'
        assert_output_is inside
        assert_status 5
        podman_ --runtime "$NEXCAGE" kill "$id"
        run podman_ --runtime "$NEXCAGE" wait "$id"
        assert_output_is 137
        podman_ --runtime "$NEXCAGE" rm -f "$id"
}

@test "podman stop, inspect, logs, top" {
        local id
        id=$(podman_run -d "$IMAGE" sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done')
        wait_for 5 eval '[[ $(podman_ logs "$id" 2>&1) == *ready* ]]'
        run podman_ --runtime "$NEXCAGE" inspect --format '{{.State.Status}} {{.State.Pid}}' "$id"
        [[ $output =~ ^running\ [0-9]+$ ]] || fail "$output"
        podman_ --runtime "$NEXCAGE" stop -t 5 "$id"
        run podman_ --runtime "$NEXCAGE" inspect --format '{{.State.ExitCode}}' "$id"
        assert_output_is 3
        podman_ --runtime "$NEXCAGE" rm -f "$id"
}

@test "podman run -t: a terminal" {
        run podman_run --rm -t "$IMAGE" tty
        assert_output_has /dev/pts/
}

@test "podman run with limits and volumes" {
        echo outside >"$BATS_TEST_TMPDIR/file"
        run --separate-stderr podman_run --rm --memory 64m --pids-limit 50 -v "$BATS_TEST_TMPDIR:/mnt:ro" "$IMAGE" sh -c \
                'cat /mnt/file; touch /mnt/x 2>/dev/null || echo refused'
        assert_output_is $'outside\nrefused'
}

@test "nothing is left in the runtime's state" {
        podman_run --rm "$IMAGE" true
        run --separate-stderr "$NEXCAGE" list -q
        assert_output_is ""
}
