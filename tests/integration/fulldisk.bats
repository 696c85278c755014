# Full disks, each in a place of its own: the error says what could not be written, with "No space left on device", and
# nothing is left behind; what frees space works on them all the same.
load helpers

setup_file()
{
        nxc_setup_file
        export BUNDLE=$BATS_FILE_TMPDIR/bundle IMAGE=localhost/busybox:latest
        make_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
        import_image busybox
        nexcage create --image "$IMAGE" full
        nexcage delete --force full
}

teardown_file()
{
        nxc_teardown_file
}

setup()
{
        requires_root
        DISK=$BATS_TEST_TMPDIR/disk
        mkdir "$DISK"
}

teardown()
{
        nexcage delete --force full >/dev/null 2>&1 || true
        grep -q " $DISK " /proc/self/mountinfo && umount -l "$DISK"
        return 0
}

# disk OPTION...: a tmpfs of its own.
disk()
{
        mount -t tmpfs -o mode=700,"$1" fulldisk "$DISK"
}

# fill [LEFT]: all of it but so many bytes.
fill()
{
        rm -f "$DISK/fill"
        dd if=/dev/zero of="$DISK/fill" bs=4k 2>/dev/null || true
        truncate -s "-${1:-0}" "$DISK/fill"
}

things()
{
        awk -v p="$BATS_FILE_TMPDIR/" 'index($5, p) == 1 { print "mount", $5 }' /proc/self/mountinfo | sort
        find "$NXC_ROOT" "$NXC_STORE" "$DISK" -mindepth 1 \( -name .inflight -o -name locks -o -name .lock -o -name fill \) -prune -o -print | sort
}

# no_space WORDS COMMAND...: fails for want of it, saying WORDS, and nothing is left behind.
no_space()
{
        local words=$1 before
        shift
        before=$(things)
        run "$@"
        [ "$status" -ne 0 ] || fail "succeeded: $*" || return 1
        grep -qi "no space left on device" <<<"$output" || fail "nothing of space in:" "$output" || return 1
        assert_output_has "$words" || return 1
        [ "$(things)" = "$before" ] || fail "left behind by $*:" "$(diff <(echo "$before") <(things))"
}

to_dev_full()
{
        nexcage "$@" >/dev/full
}

@test "standard output: every command that prints fails, also when it printed more than stdio holds" {
        local command
        nexcage create --bundle "$BUNDLE" full
        nexcage start full
        for command in features info 'info --format=json' doctor introspect 'completion bash' help --help --version \
                'create --help' list 'list -q' 'list --format=json' 'state full' 'ps full' 'ps --format=json full' \
                'events --stats full' 'inspect full' images 'images -q' 'images --format=json' "inspect $IMAGE" \
                verify prune "save $IMAGE" 'create --dry-run --bundle '"$BUNDLE"' other'; do
                # shellcheck disable=SC2086
                run to_dev_full $command
                [ "$status" -eq 1 ] || fail "exit status $status of $command:" "$output" || return 1
                assert_output_has "write" "standard output" "No space left on device" || fail "$command" || return 1
        done
        run to_dev_full run --dry-run "$IMAGE" true
        assert_status 125
        assert_output_has "write standard output: No space left on device"
}

@test "the store: an import fails wherever the disk ends, and prune has nothing left to take" {
        local size before
        requires_image everything
        NXC_STORE=$DISK
        for size in 8k 16k 64k 200k 700k 1m 1500k 2m 2500k 3m 3500k; do
                disk "size=$size"
                run nexcage import "oci:$NXC_TEST_CACHE/everything:latest" localhost/everything
                [ "$status" -eq 1 ] || fail "exit status $status with $size:" "$output" || return 1
                assert_output_has "No space left on device" || return 1
                run nexcage images -q
                assert_output_is "" || return 1
                before=$(things)
                nexcage prune
                [ "$(things)" = "$before" ] || fail "$size: prune took" "$(diff <(echo "$before") <(things))" || return 1
                [ -z "$(find "$DISK" -name '.staging*' -o -name '*.tmp-*')" ] || fail "$(find "$DISK")" || return 1
                umount "$DISK"
        done
        # Of inodes.
        disk nr_inodes=16
        run nexcage pull "$NXC_REGISTRY/everything:latest"
        assert_status 1
        assert_output_has "No space left on device"
        [ -z "$(find "$DISK" -name '.staging*' -o -name '*.tmp-*')" ]
        umount "$DISK"
        disk size=20m
        nexcage pull "$NXC_REGISTRY/everything:latest"
}

@test "the store: create, run, tag with it full, or full at the bundle; a full upper is the container's error" {
        local left
        NXC_STORE=$DISK
        disk size=8m
        nexcage import "oci:$NXC_TEST_CACHE/busybox:latest" "$IMAGE"
        nexcage run --rm "$IMAGE" true
        fill
        no_space index.json nexcage tag "$IMAGE" localhost/other
        for left in 0 4096 16384 32768 36864 40960; do
                fill $left
                no_space "$DISK/" nexcage create --image "$IMAGE" full
                no_space "$DISK/" nexcage run --name full -v /v "$IMAGE" true
        done
        fill 8192
        no_space write-bundle nexcage run --rm "$IMAGE" true
        fill 65536
        run nexcage run --rm "$IMAGE" dd if=/dev/zero of=/file bs=64k count=4
        assert_status 1
        assert_output_has "No space left on device"
}

@test "the store: rmi, delete and prune free a full one" {
        NXC_STORE=$DISK
        disk size=8m
        nexcage import "oci:$NXC_TEST_CACHE/busybox:latest" "$IMAGE"
        nexcage tag "$IMAGE" localhost/other
        fill
        nexcage rmi localhost/other # whose layers went, though $IMAGE had them as well
        nexcage rmi "$IMAGE"
        [ -z "$(nexcage images -q)" ]
        rm "$DISK/fill"
        nexcage import "oci:$NXC_TEST_CACHE/busybox:latest" "$IMAGE"
        nexcage create --image "$IMAGE" full sleep 1000
        fill
        nexcage start full
        nexcage kill full KILL
        wait_status full stopped
        nexcage delete full
        fill
        nexcage prune --all
        [ -z "$(nexcage images -q)" ]
}

@test "the state root: full of bytes, and of inodes" {
        local left
        NXC_ROOT=$DISK
        disk size=64k
        for left in 0 4096 8192; do
                fill $left
                no_space "$DISK/" nexcage create --bundle "$BUNDLE" full
                no_space "$DISK/" nexcage create --image "$IMAGE" full
                no_space "" nexcage run --rm --name full "$IMAGE" true
        done
        umount "$DISK"
        for left in 2 3 4 5 6 7; do
                disk "nr_inodes=$left"
                mkdir "$DISK/.inflight" 2>/dev/null || true
                no_space "" nexcage create --bundle "$BUNDLE" full
                umount "$DISK"
        done
}

@test "the state root: what the runtime cannot write is undone, whatever it says" {
        local left before
        NXC_ROOT=$DISK
        disk size=64k
        for left in 12288 16384 20480 24576 28672; do
                fill $left
                before=$(things)
                run nexcage create --image "$IMAGE" full
                if [ "$status" -eq 0 ]; then
                        nexcage delete --force full
                else
                        [[ $output == *"No space left on device"* ]] || assert_output_has "hardly any space" "$DISK/" || return 1
                fi
                [ "$(things)" = "$before" ] || fail "$left" "$(diff <(echo "$before") <(things))" || return 1
        done
}

@test "pid file, cidfile, spec, save" {
        disk size=64k
        fill
        no_space "$DISK/pid" nexcage create --bundle "$BUNDLE" --pid-file "$DISK/pid" full
        no_space "$DISK/pid" nexcage create --image "$IMAGE" --pid-file "$DISK/pid" full
        no_space "$DISK/" nexcage run --rm --name full --pidfile "$DISK/pid" "$IMAGE" true
        no_space "$DISK/" nexcage run -d --name full --pidfile "$DISK/pid" "$IMAGE" sleep 100
        no_space "$DISK/cid" nexcage run --rm --name full --cidfile "$DISK/cid" "$IMAGE" true
        no_space "$DISK/config.json" nexcage spec --bundle "$DISK"
        no_space "$DISK/out.tar" nexcage save -o "$DISK/out.tar" "$IMAGE"
        mkdir "$DISK/layout"
        no_space "$DISK/layout" nexcage save -o "$DISK/layout" --format oci-dir "$IMAGE"
}

@test "the log: it does not keep a command from its work, and errors are on standard error as well" {
        disk size=64k
        fill
        nexcage --log "$DISK/fill" --log-format json create --bundle "$BUNDLE" full
        nexcage --log "$DISK/fill" delete --force full
        run nexcage --log "$DISK/fill" --log-format json state full
        assert_status 1
        assert_output_has ContainerNotFound "does not exist"
}
