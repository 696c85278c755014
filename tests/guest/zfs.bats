# The zfs driver, on a real pool. In the guest only: it makes pools, and puts a program of its own before zfs.
load ../integration/helpers

setup_file()
{
        [ -n "${NXC_GUEST-}" ] || fail "runs in the guest: ./dev guest bats $BATS_TEST_FILENAME"
        nxc_setup_file
        # A pool without space makes writers wait for what the next transaction frees.
        echo 1 >/sys/module/zfs/parameters/zfs_txg_timeout
        truncate -s 2G "$BATS_FILE_TMPDIR/pool"
        zpool create -O mountpoint=none tank "$BATS_FILE_TMPDIR/pool"
        use_parent tank/nexcage
        import_image busybox
        import_image everything
        # What the first container of an image makes for good.
        nexcage run --rm localhost/busybox true
        zfs_between
}

teardown_file()
{
        nxc_teardown_file
        rm -f /usr/local/sbin/zfs
        zpool destroy -f tank
}

teardown()
{
        local id
        rm -f /run/zfs-log /run/zfs-kill
        for id in $(nexcage list -q); do
                nexcage delete --force -- "$id"
        done
        use_parent tank/nexcage
        umount /run/filler 2>/dev/null || true
        zpool destroy -f small 2>/dev/null || true
}

use_parent()
{
        printf '[runtime]\ndefault = %s\n[storage]\ndriver = zfs\nzfs.parent = %s\n' "$NXC_TEST_RUNTIME" "$1" >"$NEXCAGE_CONFIG"
}

# A zfs that keeps a log in /run/zfs-log, and kills who called it around the command that /run/zfs-kill names.
zfs_between()
{
        cat >/usr/local/sbin/zfs <<'SCRIPT'
#!/bin/bash
[ ! -e /run/zfs-log ] || echo "$*" >>/run/zfs-log
read -r when command 2>/dev/null </run/zfs-kill
[ "$when $command" != "before $1" ] || { kill -9 $PPID; exit 1; }
/usr/sbin/zfs "$@"
status=$?
[ "$when $command" != "after $1" ] || kill -9 $PPID
exit $status
SCRIPT
        chmod 755 /usr/local/sbin/zfs
}

datasets()
{
        /usr/sbin/zfs list -H -r -o name -t all tank | sort
}

containers()
{
        datasets | grep /containers/ || true
}


assert_no_container()
{
        [ -z "$(containers)" ] || fail "left: $(containers)"
        ! datasets | grep /images/.new- || fail "left over from filling"
}

@test "zfs: a container is a clone of its image, with our properties, and is gone with it" {
        snapshot_machine
        nexcage create --image localhost/busybox box sleep 100
        run zfs get -H -o value origin,canmount,mountpoint,org.nexcage:id,org.nexcage:dir tank/nexcage/containers/box
        assert_output_has @ready noauto legacy box "$NXC_STORE/containers/box"
        nexcage start box
        nexcage exec box sh -c 'echo kept >/file; cat /file'
        [ "$(cat "$NXC_STORE/containers/box/rootfs/file")" = kept ]
        run nexcage inspect box
        assert_json '.[0].storage.driver' zfs
        nexcage delete --force box
        assert_no_container
        assert_machine_unchanged
}

# bats test_tags=long
@test "zfs: the tree is the overlay's, entry by entry" {
        nexcage create --storage overlay --image localhost/everything over true
        nexcage create --image localhost/everything clone true
        tree_digest "$NXC_STORE/containers/over/rootfs" >"$BATS_TEST_TMPDIR/over"
        tree_digest "$NXC_STORE/containers/clone/rootfs" >"$BATS_TEST_TMPDIR/clone"
        diff "$BATS_TEST_TMPDIR/over" "$BATS_TEST_TMPDIR/clone"
}

@test "zfs: a size is kept, grown, and refused when the image does not fit" {
        nexcage create --storage-size 16m --image localhost/busybox box sleep 100
        nexcage start box
        run nexcage exec box dd if=/dev/urandom of=/x bs=1M count=30
        [ "$status" -ne 0 ]
        assert_output_has "xceeded"
        nexcage update --storage-size 64m box
        nexcage exec box dd if=/dev/urandom of=/x bs=1M count=30
        run nexcage inspect box
        assert_json '.[0].storage.limit' $((64 << 20))
        fails_with ZFSError create-dataset "out of space" -- \
                nexcage create --storage-size 1m --image localhost/busybox small true
        assert_output_has "more than --storage-size"
        [ "$(containers)" = tank/nexcage/containers/box ]
}

# bats test_tags=long
@test "zfs: many containers of one image: the last takes as long as the first, and nothing is left" {
        local i n=${NXC_ZFS_CONTAINERS:-12} start times=()
        for ((i = 0; i < n; i++)); do
                start=${EPOCHREALTIME/./}
                nexcage create --image localhost/busybox "c$i" true
                times+=($((${EPOCHREALTIME/./} - start)))
        done
        [ "$(containers | wc -l)" -eq "$n" ]
        local first last
        first=$(printf '%s\n' "${times[@]:0:n/4}" | sort -n | sed -n "$((n / 8 + 1))p")
        last=$(printf '%s\n' "${times[@]:n-n/4}" | sort -n | sed -n "$((n / 8 + 1))p")
        echo "# $n containers; median of the first quarter: $((first / 1000)) ms, of the last: $((last / 1000)) ms" >&3
        [ "$last" -lt $((first * 3)) ] || fail "first: $first us, last: $last us"
        for ((i = 0; i < n; i++)); do
                nexcage delete --force "c$i"
        done
        assert_no_container
}

@test "zfs: two creates of a new image at once fill it once" {
        local pids=() pid i
        use_parent tank/twice
        : >/run/zfs-log
        for i in 1 2 3; do
                nexcage create --image localhost/everything "twin$i" true >"$BATS_TEST_TMPDIR/out$i" 2>&1 3>&- &
                pids+=($!)
        done
        for pid in "${pids[@]}"; do wait "$pid" || fail "$(cat "$BATS_TEST_TMPDIR"/out*)" || return 1; done
        [ "$(grep -c '^rename' /run/zfs-log)" -eq 1 ]
        [ "$(datasets | grep -c '^tank/twice/images/[^@]*$')" -eq 1 ]
        [ "$(datasets | grep -c '^tank/twice/containers/twin')" -eq 3 ]
        for i in 1 2 3; do nexcage delete --force "twin$i"; done
        /usr/sbin/zfs destroy -r tank/twice
}

# bats test_tags=long
@test "zfs: kill -9 around the zfs commands of a create, then the next command" {
        local point
        use_parent tank/killed
        for point in "after create" "before snapshot" "before rename" "after rename" "before clone" "after clone"; do
                echo "$point" >/run/zfs-kill
                run nexcage create --image localhost/busybox victim true
                [ "$status" -ne 0 ] || fail "$point: was not met" || return 1
                rm /run/zfs-kill
                nexcage list >/dev/null
                ! datasets | grep -e /containers/ -e '/images/\.new-' || fail "left by kill -9 $point" || return 1
        done
        # The image is there, and whole.
        nexcage run --rm localhost/busybox true
        /usr/sbin/zfs destroy -r tank/killed
}

@test "zfs: fail and kill -9 at every step of the flow" {
        local step flag
        for step in claim-id create-dataset attach-root; do
                for flag in fail-at kill-at; do
                        NXC_DEBUG=$flag=$step run nexcage create --image localhost/busybox victim true
                        [ "$status" -ne 0 ]
                        nexcage list >/dev/null
                        assert_no_container || fail "after $flag=$step" || return 1
                done
        done
}

# bats test_tags=long
@test "zfs: the space ends in the middle of a copy" {
        use_parent tank/tight
        zfs create -o mountpoint=none -o quota=600k tank/tight
        fails_with FileError create-dataset "quota exceeded" -- nexcage create --image localhost/busybox box true
        assert_output_has "fill dataset" "nexcage prune"
        ! datasets | grep -e /containers/ -e '/images/\.new-' || fail "something is left"
        zfs set quota=none tank/tight
        nexcage run --rm localhost/busybox true
        /usr/sbin/zfs destroy -r tank/tight
}

# bats test_tags=long
@test "zfs: the pool is full at a create, and while a container runs" {
        truncate -s 80M "$BATS_FILE_TMPDIR/small"
        zpool create -O mountpoint=none small "$BATS_FILE_TMPDIR/small"
        use_parent small/nexcage
        nexcage create --image localhost/busybox before sleep 1000
        nexcage start before
        zfs create -o mountpoint=/run/filler small/filler
        cat /dev/urandom >/run/filler/all 2>/dev/null || true
        zpool sync small
        fails_with ZFSError create-dataset "out of space" -- nexcage create --image localhost/busybox box true
        run nexcage exec before dd if=/dev/urandom of=/x bs=1M count=1
        assert_output_has "No space left"
        nexcage delete --force before
        ! /usr/sbin/zfs list -H -o name -r small | grep -e 'containers/' -e '/.new-' || fail "something is left"
}

@test "zfs: a dataset that another process holds: who it is; and once it has ended" {
        local holder
        nexcage create --image localhost/busybox box true
        unshare -m --propagation private sleep 1000 3>&- &
        holder=$!
        wait_for 60 grep -q "tank/nexcage/containers/box" "/proc/$holder/mountinfo"
        fails_with Busy - "process $holder (sleep)" -- nexcage delete --force box
        assert_output_has tank/nexcage/containers/box
        kill "$holder"
        wait "$holder" || true
        nexcage delete --force box
        assert_no_container
}

@test "zfs: names of datasets: every character of an id, the longest, another store's, too long" {
        local long store
        long=$(printf 'x%.0s' {1..255})
        for id in a+b a_b -lead +lead "$long" "${long%x}y"; do
                nexcage create --image localhost/busybox -- "$id" true || fail "id $id" || return 1
        done
        [ "$(containers | wc -l)" -eq 6 ]
        [ "$(containers | awk '{ print length }' | sort -n | tail -n 1)" -lt 192 ]
        fails_with Usage - 255 -- nexcage create --image localhost/busybox "$(printf 'x%.0s' {1..1024})" true
        # The same id under another store is another container, whose dataset this one must not take.
        store=$BATS_TEST_TMPDIR/store
        "$NEXCAGE" --root "$NXC_ROOT.2" --store "$store" import --progress=quiet "oci:$NXC_TEST_CACHE/busybox:latest" localhost/busybox
        fails_with ContainerExists create-dataset "$NXC_STORE/containers/a+b" -- \
                "$NEXCAGE" --root "$NXC_ROOT.2" --store "$store" create --image localhost/busybox a+b true
        [ "$(containers | wc -l)" -eq 6 ]
}

# bats test_tags=long
@test "zfs: prune destroys what no container and no image stand for, and nothing of others" {
        nexcage create --image localhost/busybox box true
        zfs create -o org.nexcage:store="$NXC_STORE" -o org.nexcage:dir="$NXC_STORE/containers/gone" tank/nexcage/containers/gone
        zfs create -o org.nexcage:store=/other -o org.nexcage:dir=/other/containers/x tank/nexcage/containers/other
        zfs create tank/nexcage/containers/foreign
        nexcage run --rm localhost/everything true
        [ "$(datasets | grep -c '/images/[^@]*$')" -eq 2 ]
        nexcage rmi localhost/everything
        nexcage prune
        [ "$(datasets | grep -c '/images/[^@]*$')" -eq 1 ]
        run containers
        assert_output_is $'tank/nexcage/containers/box\ntank/nexcage/containers/foreign\ntank/nexcage/containers/other'
        zfs destroy tank/nexcage/containers/foreign
        zfs destroy tank/nexcage/containers/other
        import_image everything
}

@test "zfs: the pool is exported: what is said, and what is found again" {
        nexcage create --image localhost/busybox box true
        run zpool export tank
        [ "$status" -ne 0 ] || fail "exported under a container"
        nexcage kill box KILL
        wait_status box stopped
        zpool export tank
        fails_with RuntimeNotAvailable find-image "no pool 'tank' is imported" -- nexcage create --image localhost/busybox other true
        assert_output_has "zpool import tank"
        run nexcage info
        assert_output_has "no pool 'tank' is imported"
        run nexcage delete --force box
        assert_status 0
        assert_output_has "tank/nexcage/containers/box' stays"
        zpool import -d "$BATS_FILE_TMPDIR" tank
        [ "$(containers)" = tank/nexcage/containers/box ]
        nexcage prune
        assert_no_container
}

@test "zfs: a configuration that is wrong" {
        use_parent 'tank//x'
        fails_with InvalidConfig find-image "'tank//x'" -- nexcage create --image localhost/busybox box true
        use_parent -tank
        fails_with InvalidConfig - "'-tank'" -- nexcage create --image localhost/busybox box true
        use_parent "tank/$(printf 'x%.0s' {1..150})"
        fails_with InvalidConfig - "more than" -- nexcage create --image localhost/busybox box true
        use_parent nosuch/nexcage
        fails_with RuntimeNotAvailable - "no pool 'nosuch'" -- nexcage create --image localhost/busybox box true
        printf '[storage]\ndriver = zfs\n' >"$NEXCAGE_CONFIG"
        fails_with RuntimeNotAvailable - zfs.parent -- nexcage create --image localhost/busybox box true
        use_parent tank/nexcage
}

@test "zfs: snapshot, change, rollback: the tree is the snapshot's" {
        local root=$NXC_STORE/containers/box/rootfs before
        nexcage create --user 0 --image localhost/everything box sh -c 'rm -rf /srv /opt /home; echo new >/new; sleep 1000'
        before=$(tree_digest "$root")
        nexcage snapshot box first
        nexcage start box
        wait_for 60 test -e "$root/new"
        nexcage snapshot box second
        [ "$(tree_digest "$root")" != "$before" ]
        fails_with InvalidState - running -- nexcage rollback box first
        run nexcage snapshot --list --format json box
        assert_json 'map(.name) | join(" ")' "first second"
        nexcage kill box KILL
        wait_status box stopped
        nexcage rollback box first
        [ "$(tree_digest "$root")" = "$before" ]
        run nexcage snapshot --list --format json box
        assert_json 'map(.name) | join(" ")' first
        fails_with ZFSError - "dataset already exists" -- nexcage snapshot box first
        fails_with ZFSError - "could not find any snapshots" -- nexcage snapshot --remove box nosuch
        fails_with Usage - "'a/b' is no name" -- nexcage snapshot box a/b
        nexcage snapshot --remove box first
        fails_with ZFSError - "does not exist" -- nexcage rollback box first
        nexcage delete --force box
        assert_no_container
}

# bats test_tags=long
@test "zfs: a clone has the other's root, now or at a snapshot, and outlives it" {
        nexcage create --image localhost/busybox box sh -c 'echo one >/state; sleep 1000'
        nexcage start box
        wait_for 60 test -s "$NXC_STORE/containers/box/rootfs/state"
        nexcage snapshot box first
        nexcage exec box sh -c 'echo two >/state'
        nexcage clone box now sh -c 'cat /state >/out; sleep 1000'
        nexcage clone box@first then sh -c 'cat /state >/out; sleep 1000'
        run datasets
        [[ $output != *@clone-* ]] || assert_output_has "containers/box@clone-"
        nexcage delete --force box
        nexcage start now
        nexcage start then
        wait_for 60 grep -q two "$NXC_STORE/containers/now/rootfs/out"
        wait_for 60 grep -q one "$NXC_STORE/containers/then/rootfs/out"
        nexcage delete --force now
        nexcage delete --force then
        assert_no_container
}

# bats test_tags=long
@test "zfs: clones of what cannot be cloned; kill -9 around the commands of a clone" {
        local point
        nexcage create --image localhost/busybox box true
        fails_with ContainerNotFound - nosuch -- nexcage clone nosuch new
        fails_with ContainerExists - box -- nexcage clone box box
        fails_with ZFSError create-dataset "does not exist" -- nexcage clone box@nosuch new
        fails_with Usage find-image "'overlay'" -- nexcage clone --storage overlay box new
        for point in "after snapshot" "after clone"; do
                echo "$point" >/run/zfs-kill
                run nexcage clone box new true
                [ "$status" -ne 0 ] || fail "$point: was not met" || return 1
                rm /run/zfs-kill
                nexcage list >/dev/null
                run containers
                assert_output_is tank/nexcage/containers/box
        done
        nexcage create --storage overlay --image localhost/busybox plain true
        fails_with NotImplemented - "driver 'overlay'" -- nexcage clone plain new
}

@test "zfs: snapshots of what has none" {
        nexcage create --storage overlay --image localhost/busybox box true
        fails_with NotImplemented - "driver 'overlay'" -- nexcage snapshot box first
        fails_with ContainerNotFound - nosuch -- nexcage rollback nosuch first
        fails_with Usage - NAME -- nexcage snapshot box
}

# bats test_tags=long
@test "zfs: read-only and writable roots, a user namespace, with crun, runc and lxc: runs, or is refused by name" {
        local dir=$BATS_TEST_TMPDIR/bundle runtime
        make_bundle "$dir" '.annotations["org.nexcage.image"] = "localhost/busybox"
                | .process.args = ["sh", "-c", "(echo new >/new) 2>/dev/null && cat /new || echo read-only"]'
        for runtime in crun runc lxc; do
                edit_bundle "$dir" '.root.readonly = false'
                run --separate-stderr nexcage run --runtime "$runtime" --bundle "$dir" box
                [ "$output" = new ] || fail "$runtime, writable: $output $stderr" || return 1
                edit_bundle "$dir" '.root.readonly = true'
                run --separate-stderr nexcage run --runtime "$runtime" --bundle "$dir" box
                [ "$output" = read-only ] || fail "$runtime, read-only: $output $stderr" || return 1
        done
        edit_bundle "$dir" '.linux.namespaces += [{"type": "user"}]
                | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
                | .linux.gidMappings = .linux.uidMappings'
        fails_with NotImplemented - "ZFS before 2.2" -- nexcage run --bundle "$dir" box
        assert_no_container
}
