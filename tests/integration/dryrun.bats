# --dry-run prints the plan and writes nothing: the disk is compared.
load helpers

setup_file()
{
        nxc_setup_file
        import_image busybox
        export BUNDLE=$BATS_FILE_TMPDIR/bundle
        make_bundle "$BUNDLE"
        nexcage run --rm localhost/busybox true
}

teardown_file()
{
        nxc_teardown_file
}

setup()
{
        snapshot_machine
        disk >"$BATS_TEST_TMPDIR/disk.before"
}

teardown()
{
        disk | diff "$BATS_TEST_TMPDIR/disk.before" -
        assert_machine_unchanged
}

# Every file of root, store and bundle, with its times.
disk()
{
        find "$NXC_ROOT" "$NXC_STORE" "$BUNDLE" -printf '%p %y %m %U %s %T@ %C@\n' | sort
}

@test "create --bundle --dry-run" {
        run --separate-stderr nexcage create --dry-run --bundle "$BUNDLE" dry
        assert_status 0
        assert_output_has "$NXC_TEST_RUNTIME" "$BUNDLE"
}

@test "run --dry-run IMAGE: digest, runtime and why, mounts" {
        run --separate-stderr nexcage run --rm --dry-run -v /etc:/mnt:ro localhost/busybox true
        assert_status 0
        assert_output_has sha256: "$NXC_TEST_RUNTIME" /mnt
}

@test "--dry-run=json" {
        run --separate-stderr nexcage run --dry-run=json --name dry localhost/busybox true
        assert_json .id dry
        assert_json '.runtime.name // .runtime' "$NXC_TEST_RUNTIME"
}

@test "--dry-run of an image that would be pulled, and of one that is not there" {
        run nexcage run --dry-run "$NXC_REGISTRY/everything:latest" true
        assert_status 0
        run nexcage run --dry-run --pull=never "$NXC_REGISTRY/everything:latest" true
        assert_status 125
        assert_output_has ImageNotFound
}

@test "--dry-run finds what is wrong" {
        edit_bundle "$BUNDLE" '.ociVersion = "9.9.9"'
        disk >"$BATS_TEST_TMPDIR/disk.before"
        fails_with InvalidSpec check-version 9.9.9 -- nexcage create --dry-run --bundle "$BUNDLE" dry
        edit_bundle "$BUNDLE" '.ociVersion = "1.0.2"'
        disk >"$BATS_TEST_TMPDIR/disk.before"
}

@test "--dry-run on a machine where nexcage never ran makes neither root nor store" {
        run "$NEXCAGE" --root "$BATS_TEST_TMPDIR/r" --store "$BATS_TEST_TMPDIR/s" create --dry-run --bundle "$BUNDLE" dry
        assert_status 0
        [ ! -e "$BATS_TEST_TMPDIR/r" ]
        [ ! -e "$BATS_TEST_TMPDIR/s" ]
}
