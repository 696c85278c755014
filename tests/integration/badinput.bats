# Bad input: each with one clear error (kind, stage, words), and the machine as before.
load helpers

setup_file()
{
        nxc_setup_file
        import_image busybox
        # What a first command makes for good.
        nexcage run --rm localhost/busybox true
}

teardown_file()
{
        nxc_teardown_file
}

setup()
{
        BUNDLE=$BATS_TEST_TMPDIR/bundle
        make_bundle "$BUNDLE"
        snapshot_machine
}

teardown()
{
        assert_machine_unchanged
}

create()
{
        nexcage create --bundle "$BUNDLE" bad
}

@test "no bundle" {
        fails_with BundleNotFound validate-bundle /nosuch/bundle -- nexcage create --bundle /nosuch/bundle bad
        assert_status 1
        fails_with BundleNotFound validate-bundle "$BUNDLE/config.json" -- nexcage create --bundle "$BUNDLE/config.json" bad
}

@test "no config.json" {
        rm "$BUNDLE/config.json"
        fails_with BundleNotFound read-config config.json -- create
        assert_output_has "nexcage spec"
}

@test "config.json is a directory, a FIFO, a link to nowhere" {
        rm "$BUNDLE/config.json"
        mkdir "$BUNDLE/config.json"
        fails_with InvalidSpec read-config config.json -- create
        rmdir "$BUNDLE/config.json"
        mkfifo "$BUNDLE/config.json"
        fails_with InvalidSpec read-config config.json -- timeout 10 "$NEXCAGE" --root "$NXC_ROOT" create --bundle "$BUNDLE" bad
        rm "$BUNDLE/config.json"
        ln -s nowhere "$BUNDLE/config.json"
        run create
        assert_status 1
}

@test "broken JSON: line and column" {
        printf '{\n  "ociVersion": "1.0.2",\n  "process": {,}\n}\n' >"$BUNDLE/config.json"
        fails_with InvalidJson parse-config "line 3" -- create
        assert_output_has column
        printf '[1, 2]' >"$BUNDLE/config.json"
        fails_with InvalidSpec parse-config object -- create
        : >"$BUNDLE/config.json"
        fails_with InvalidJson parse-config config.json -- create
}

@test "100 MB of JSON" {
        { printf '{"ociVersion": "1.0.2", "annotations": {"x": "'; head -c 100000000 /dev/zero | tr '\0' x; printf '"}}'; } \
                >"$BUNDLE/config.json"
        fails_with InvalidSpec read-config config.json -- create
}

@test "deeply nested JSON" {
        python3 -c 'print("[" * 1000000)' >"$BUNDLE/config.json"
        fails_with InvalidJson parse-config config.json -- create
}

@test "an unknown ociVersion" {
        local version
        for version in 2.0.0 1.4.0 0.9 1 one 1.0.2.3; do
                edit_bundle "$BUNDLE" ".ociVersion = \"$version\""
                fails_with InvalidSpec check-version "$version" -- create
        done
        edit_bundle "$BUNDLE" 'del(.ociVersion)'
        fails_with InvalidSpec - ociVersion -- create
}

@test "missing process, root, args, cwd" {
        local field
        for field in process.args process.cwd root.path; do
                cp "$BUNDLE/config.json" "$BATS_TEST_TMPDIR/saved"
                edit_bundle "$BUNDLE" "del(.$field)"
                fails_with InvalidSpec check-required "$field" -- create
                cp "$BATS_TEST_TMPDIR/saved" "$BUNDLE/config.json"
        done
        edit_bundle "$BUNDLE" 'del(.root)'
        fails_with InvalidSpec check-required root -- create
}

@test "a process.cwd that is not absolute, args that are no strings" {
        edit_bundle "$BUNDLE" '.process.cwd = "tmp"'
        fails_with InvalidSpec check-required process.cwd -- create
        edit_bundle "$BUNDLE" '.process.cwd = "/" | .process.args = [1]'
        fails_with InvalidSpec check-required process.args -- create
        edit_bundle "$BUNDLE" '.process.args = []'
        fails_with InvalidSpec check-required process.args -- create
}

@test "a rootfs that is missing, a file, a link out of the bundle" {
        edit_bundle "$BUNDLE" '.root.path = "nosuch"'
        fails_with InvalidRootfs - nosuch -- create
        edit_bundle "$BUNDLE" '.root.path = "config.json"'
        fails_with InvalidRootfs - config.json -- create
        ln -s / "$BUNDLE/out"
        edit_bundle "$BUNDLE" '.root.path = "out"'
        fails_with InvalidRootfs - out -- create
        ln -s ../../../.. "$BUNDLE/up"
        edit_bundle "$BUNDLE" '.root.path = "up"'
        fails_with InvalidRootfs - up -- create
}

@test "a root whose /dev, /proc or /sys is a link or a file" {
        local name
        for name in dev proc sys; do
                rmdir "$BUNDLE/rootfs/$name"
                ln -s "$BATS_TEST_TMPDIR" "$BUNDLE/rootfs/$name"
                fails_with InvalidRootfs check-required "/$name" -- create
                rm "$BUNDLE/rootfs/$name"
                touch "$BUNDLE/rootfs/$name"
                fails_with InvalidRootfs check-required "/$name" -- create
                rm "$BUNDLE/rootfs/$name"
        done
}

@test "an id that is no name" {
        local id
        for id in ../x . .. /x a/b '' $'a\nb' 'a b' .hidden "$(printf 'x%.0s' {1..2000})"; do
                run nexcage create --bundle "$BUNDLE" "$id"
                assert_status 1
        done
        fails_with Usage - ../x -- nexcage create --bundle "$BUNDLE" ../x
        fails_with Usage - ../x -- nexcage state ../x
        fails_with Usage - ../x -- nexcage delete --force ../x
}

@test "an image that does not exist: in the store, in the registry" {
        fails_with ImageNotFound - localhost/nosuch -- nexcage run --rm --pull=never localhost/nosuch true
        fails_with ImageNotFound pull-image nosuch -- nexcage run --rm "$NXC_REGISTRY/nosuch:latest" true
        fails_with ImageNotFound pull-image nosuch -- nexcage run --rm "$NXC_REGISTRY/busybox:nosuch" true
        assert_status 125
}

@test "references that are none" {
        local reference
        for reference in UPPER/case 'a b' a@sha256:12 'host:99999999/x' '-x' "$(printf 'a%.0s' {1..3000})"; do
                run nexcage pull "$reference"
                [ "$status" -ne 0 ]
        done
        fails_with Usage - UPPER -- nexcage run --rm -- localhost/UPPER true
}

@test "a registry that is down" {
        local port
        port=$(free_port)
        run timeout 60 "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" run --rm "127.0.0.1:$port/x:latest" true
        assert_status 125
        [[ $output == *NetworkError* || $output == *RegistryError* ]] || fail "$output"
        assert_output_has "127.0.0.1:$port"
}

@test "a full disk" {
        local disk=$BATS_TEST_TMPDIR/disk
        mkdir "$disk"
        mount -t tmpfs -o size=1m tmpfs "$disk"
        run "$NEXCAGE" --root "$NXC_ROOT" --store "$disk/store" pull "$NXC_REGISTRY/busybox:latest"
        local status_of_pull=$status said=$output left
        left=$(find "$disk/store" -type f -size +16k 2>/dev/null)
        umount "$disk"
        output=$said
        [ "$status_of_pull" -ne 0 ]
        assert_output_has "No space left"
        [ -z "$left" ] || fail "left behind:" "$left"
}

@test "a missing runtime: what to install" {
        # No runtime in the fixed system path, as in a mount namespace where they are covered.
        fails_with RuntimeNotAvailable choose-runtime "install" -- unshare -m bash -c "
                for f in /usr/bin/$NXC_TEST_RUNTIME /usr/sbin/$NXC_TEST_RUNTIME /usr/lib/*/lib$NXC_TEST_RUNTIME.so.1; do
                        [ -e \$f ] && mount --bind /dev/null \$f
                done
                '$NEXCAGE' --root '$NXC_ROOT' --store '$NXC_STORE' run --rm --runtime $NXC_TEST_RUNTIME localhost/busybox true"
        assert_output_has "$NXC_TEST_RUNTIME"
}

@test "an option that is unknown, a command that is unknown, arguments that are missing" {
        fails_with Usage - --nosuch -- nexcage run --nosuch localhost/busybox
        assert_status 125
        fails_with Usage - nosuch -- nexcage nosuch
        run nexcage start
        [ "$status" -ne 0 ]
        run nexcage run --rm
        assert_status 125
        fails_with Usage - --pull -- nexcage run --pull=sometimes localhost/busybox true
}

@test "a configuration that is wrong: file and line" {
        printf '[runtime]\ndefault = crun\nnosuch = 1\n' >"$BATS_TEST_TMPDIR/conf"
        NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/conf fails_with InvalidConfig - "$BATS_TEST_TMPDIR/conf:3" -- nexcage list
        NEXCAGE_CONFIG=/nosuch/conf fails_with ConfigError - /nosuch/conf -- nexcage list
}

@test "storage drivers: one that this host lacks, and an unknown one" {
        [ -e /dev/zfs ] || fails_with RuntimeNotAvailable - /dev/zfs -- nexcage run --rm --storage zfs localhost/busybox true
        fails_with Usage - overlay -- nexcage run --rm --storage nosuch localhost/busybox true
}
