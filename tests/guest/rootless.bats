# A user without privileges, on cgroup v2 with a cgroup of its own, as a login session gives it. In the guest only: it
# makes the user.
load ../integration/helpers

# as_tester COMMAND...: in the user's own cgroup.
as_tester()
{
        (
                echo $BASHPID >"$CGROUP/session/cgroup.procs"
                exec setpriv --reuid tester --regid tester --clear-groups env HOME="$BATS_FILE_TMPDIR" \
                        XDG_RUNTIME_DIR="$BATS_FILE_TMPDIR/run" XDG_DATA_HOME="$BATS_FILE_TMPDIR/data" "$@" </dev/null
        )
}

setup_file()
{
        [ -n "${NXC_GUEST-}" ] || fail "runs in the guest: ./dev guest bats $BATS_TEST_FILENAME"
        useradd --no-create-home --uid 4242 tester
        export BUNDLE=$BATS_FILE_TMPDIR/bundle CGROUP=/sys/fs/cgroup/tester
        mkdir -p "$BUNDLE" "$CGROUP/session" "$BATS_FILE_TMPDIR/run"
        cp -a "$NXC_TEST_CACHE/busybox-root" "$BUNDLE/rootfs"
        chmod 755 "$BATS_RUN_TMPDIR" "$BATS_SUITE_TMPDIR" "$BATS_FILE_TMPDIR"
        echo '+cpu +memory +pids' >"$CGROUP/cgroup.subtree_control"
        chown -R tester: "$BATS_FILE_TMPDIR" "$CGROUP"
        as_tester "$NEXCAGE" spec --rootless --bundle "$BUNDLE"
        edit_bundle "$BUNDLE" '.process.terminal = false'
}

teardown_file()
{
        userdel tester
}

runtimes=(crun runc)

@test "rootless: run --bundle is root in a namespace of the user's, with the runtimes that can" {
        local runtime
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map"]'
        for runtime in "${runtimes[@]}"; do
                run as_tester "$NEXCAGE" run --runtime "$runtime" --bundle "$BUNDLE" "c-$runtime"
                assert_status 0
                [[ $output =~ ^0[[:space:]]+0[[:space:]]+4242[[:space:]]+1$ ]] || fail "$output"
        done
        run as_tester "$NEXCAGE" list -q
        assert_output_is ""
}

@test "rootless: create, start, exec, kill, delete" {
        local runtime
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "100"]'
        for runtime in "${runtimes[@]}"; do
                as_tester "$NEXCAGE" create --runtime "$runtime" --bundle "$BUNDLE" "c-$runtime"
                as_tester "$NEXCAGE" start "c-$runtime"
                run as_tester "$NEXCAGE" exec "c-$runtime" sh -c 'echo in; exit 3'
                assert_status 3
                assert_output_is in
                run as_tester "$NEXCAGE" state "c-$runtime"
                assert_json .status running
                as_tester "$NEXCAGE" kill "c-$runtime" KILL
                as_tester "$NEXCAGE" delete --force "c-$runtime"
        done
        [ -z "$(ls "$BATS_FILE_TMPDIR/run/nexcage")" ] || fail "left: $(ls -A "$BATS_FILE_TMPDIR/run/nexcage")"
}

@test "rootless: what root alone can is refused with what to do" {
        fails_with RuntimeNotAvailable - root -- as_tester "$NEXCAGE" create --runtime lxc --bundle "$BUNDLE" c
}
