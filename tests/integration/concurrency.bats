# Many at once.
load helpers

setup_file()
{
        nxc_setup_file
        import_image busybox
        export BUNDLE=$BATS_FILE_TMPDIR/bundle
        make_bundle "$BUNDLE" '.process.args = ["sleep", "100"]'
        nexcage run --rm localhost/busybox true
}

teardown_file()
{
        nxc_teardown_file
}

@test "of 100 racing creates exactly one wins; the others say why, and leave nothing" {
        local i pids=() won=0
        snapshot_machine
        for ((i = 0; i < 100; i++)); do
                nexcage create --bundle "$BUNDLE" race >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
                pids+=($!)
        done
        for i in "${pids[@]}"; do
                wait "$i" && won=$((won + 1))
        done
        [ $won -eq 1 ] || fail "$won won"
        [ "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -c 'already exists')" -eq 99 ] ||
                fail "$(cat "$BATS_TEST_TMPDIR"/out.* | sort | uniq -c)"
        [ "$(status_of race)" = created ]
        nexcage delete --force race
        assert_machine_unchanged
}

@test "20 creates of an image under one name" {
        local i pids=() won=0
        snapshot_machine
        for ((i = 0; i < 20; i++)); do
                nexcage create --image localhost/busybox race sleep 100 >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
                pids+=($!)
        done
        for i in "${pids[@]}"; do
                wait "$i" && won=$((won + 1))
        done
        [ $won -eq 1 ] || fail "$won won" "$(cat "$BATS_TEST_TMPDIR"/out.* | sort | uniq -c)"
        nexcage delete --force race
        assert_machine_unchanged
}

@test "20 containers at once, each with its own output" {
        local i pids=()
        snapshot_machine
        for ((i = 0; i < 20; i++)); do
                nexcage run --rm localhost/busybox sh -c "echo $i; exit $i" >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
                pids+=($!)
        done
        for ((i = 0; i < 20; i++)); do
                local code=0
                wait "${pids[i]}" || code=$?
                [ $code -eq $i ] || fail "container $i ended with $code:" "$(cat "$BATS_TEST_TMPDIR/out.$i")"
                [ "$(cat "$BATS_TEST_TMPDIR/out.$i")" = $i ]
        done
        assert_machine_unchanged
}

@test "10 pulls of one image: one download, all succeed" {
        local i pids=()
        for ((i = 0; i < 10; i++)); do
                nexcage pull "$NXC_REGISTRY/everything:latest" >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
                pids+=($!)
        done
        for i in "${pids[@]}"; do
                wait "$i" || fail "$(cat "$BATS_TEST_TMPDIR"/out.*)"
        done
        nexcage verify "$NXC_REGISTRY/everything:latest"
        run nexcage images -q
        [ "${#lines[@]}" -eq 2 ]
}

@test "prune and rmi beside running containers take nothing from them" {
        local i
        nexcage run -d --name user localhost/busybox sleep 100
        for ((i = 0; i < 5; i++)); do
                nexcage prune >/dev/null 3>&- &
        done
        wait
        nexcage exec user cat /etc/os-release
        run nexcage rmi localhost/busybox
        [ "$status" -ne 0 ]
        assert_output_has InvalidState user
        nexcage delete --force user
        nexcage run --rm localhost/busybox true
}

@test "kill and delete race: both end, nothing is left" {
        local i
        snapshot_machine
        for ((i = 0; i < 5; i++)); do
                nexcage create --bundle "$BUNDLE" k
                nexcage start k
                nexcage kill k KILL >/dev/null 2>&1 3>&- &
                nexcage delete --force k >/dev/null 2>&1 3>&- &
                nexcage delete --force k >/dev/null 2>&1 3>&- &
                wait
        done
        assert_machine_unchanged
}
