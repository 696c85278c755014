# Where containers keep their writable roots: every driver with every kind of root, the choice among them, sizes, what is used
# and what is free, and the ways in which it can go wrong.
load helpers

setup_file()
{
        requires_root
        nxc_setup_file
        # A user namespace's root has to come through to its root, which bats keeps closed.
        NXC_OPEN_DIR=$(mktemp -d "${TMPDIR:-/tmp}/nxc-open-XXXXXX")
        export NXC_OPEN_DIR NXC_STORE=$NXC_OPEN_DIR/store
        chmod 711 "$NXC_OPEN_DIR"
        import_image busybox
        import_image everything
        # What first commands make for good.
        nexcage create --image localhost/busybox box 3>&-
        nexcage delete --force box
        export NXC_BUNDLE=$BATS_FILE_TMPDIR/bundle
        make_bundle "$NXC_BUNDLE" .
        make_orphans
}

# For the test of prune, which leaves alone what is younger than a minute: made at the start, in a store of their own.
make_orphans()
{
        local driver NXC_ROOT=$NXC_OPEN_DIR/orphans/root NXC_STORE=$NXC_OPEN_DIR/orphans/store BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
        mkdir -p "$NXC_ROOT" "$NXC_STORE"
        import_image busybox
        for driver in dir raw; do # what first commands make for good
                nexcage run --rm --storage "$driver" localhost/busybox true >/dev/null 2>&1 || return 0
        done
        snapshot_machine
        for driver in dir raw; do
                NXC_DEBUG=fake-backend nexcage create --runtime fake --storage $driver --image localhost/busybox box.$driver 3>&-
                NXC_DEBUG=fake-backend nexcage kill box.$driver KILL
                NXC_DEBUG=fake-backend wait_status box.$driver stopped
                rm -rf "${NXC_ROOT:?}/box.$driver"
        done
}

teardown_file()
{
        nxc_teardown_file
        awk -v p="$NXC_OPEN_DIR/" 'index($5, p) == 1 { print $5 }' /proc/self/mountinfo | xargs -r umount -l
        rm -rf "$NXC_OPEN_DIR"
}

teardown()
{
        nexcage delete --force box >/dev/null 2>&1 || true
        awk -v p="$BATS_TEST_TMPDIR/" 'index($5, p) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r -n1 umount -l
}

requires_driver()
{
        local why
        why=$(nexcage info --format json | jq -r --arg d "$1" '.storageDrivers[] | select(.name == $d) | .missing // empty')
        [ -z "$why" ] || skip "$1: $why"
}

# ---- every backend with every driver

# The cells: RUNTIME DRIVER ROOT NAMESPACE, then "runs", or the kind and a word of the refusal.
matrix()
{
        cat <<'CELLS'
crun overlay rw   host   runs
crun overlay ro   host   runs
crun overlay rw   userns runs
crun overlay ro   userns runs
crun dir     rw   host   runs
crun dir     ro   host   runs
crun dir     rw   userns runs
crun dir     ro   userns runs
crun raw     rw   host   runs
crun raw     ro   host   runs
crun raw     rw   userns runs
crun raw     ro   userns runs
runc overlay rw   host   runs
runc overlay ro   host   runs
runc overlay rw   userns runs
runc overlay ro   userns runs
runc dir     rw   host   runs
runc dir     ro   host   runs
runc dir     rw   userns runs
runc dir     ro   userns runs
runc raw     rw   host   runs
runc raw     ro   host   runs
runc raw     rw   userns runs
runc raw     ro   userns runs
lxc  overlay rw   host   runs
lxc  overlay ro   host   runs
lxc  overlay rw   userns runs
lxc  overlay ro   userns runs
lxc  dir     rw   host   runs
lxc  dir     ro   host   runs
lxc  dir     rw   userns runs
lxc  dir     ro   userns runs
lxc  raw     rw   host   runs
lxc  raw     ro   host   runs
lxc  raw     rw   userns runs
lxc  raw     ro   userns runs
CELLS
}

# A program that sees its own owner on the image's files, and writes where it may.
matrix_bundle()
{
        local dir=$BATS_TEST_TMPDIR/bundle root=$1 namespace=$2
        # shellcheck disable=SC2016
        local script='stat -c "%u:%g" /bin/busybox / /tmp; if (echo new >/etc/new) 2>/dev/null; then cat /etc/new; else echo read-only; fi'
        rm -rf "$dir"
        mkdir -p "$dir"
        cp "$NXC_BUNDLE/config.json" "$dir/"
        edit_bundle "$dir" --arg script "$script" --argjson ro "$([ "$root" = ro ] && echo true || echo false)" \
                '.process.args = ["sh", "-c", $script] | .root.readonly = $ro | .annotations["org.nexcage.image"] = "localhost/busybox"'
        [ "$namespace" = host ] || edit_bundle "$dir" '.linux.namespaces += [{"type": "user"}]
                | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
                | .linux.gidMappings = .linux.uidMappings'
        echo "$dir"
}

edit_bundle()
{
        local dir=$1
        shift
        jq "$@" "$dir/config.json" >"$dir/config.json.new" && mv "$dir/config.json.new" "$dir/config.json"
}

try_cell()
{
        local driver=$1 root=$2 namespace=$3 kind=$4 words=$5 dir wanted
        dir=$(matrix_bundle "$root" "$namespace")
        run nexcage run --runtime "$NXC_TEST_RUNTIME" --storage "$driver" --bundle "$dir" box
        if [ "$kind" != runs ]; then
                [ "$status" -ne 0 ] || fail "runs" || return 1
                assert_output_has "$kind" "$words"
                return
        fi
        wanted=$([ "$root" = ro ] && echo read-only || echo new)
        # Progress lines of the copy come before.
        [ "$(tail -n 4 <<<"$output" | tr '\n' ' ')" = "0:0 0:0 0:0 $wanted " ] || fail "$output"
}

@test "storage: every driver x read-only and writable x user namespace runs, or is refused by name" {
        local runtime driver root namespace kind words met=0
        # The first one opens the store's own directories.
        nexcage run --bundle "$(matrix_bundle rw userns)" box >/dev/null 2>&1 || true
        snapshot_machine
        while read -r runtime driver root namespace kind words <&4; do
                [ "$runtime" = "$NXC_TEST_RUNTIME" ] || continue
                try_cell "$driver" "$root" "$namespace" "$kind" "$words" ||
                        fail "cell $runtime $driver $root $namespace" || return 1
                met=$((met + 1))
        done 4< <(matrix)
        [ "$met" -ge 12 ] || fail "the table has $met cells for $NXC_TEST_RUNTIME"
        assert_machine_unchanged
}

@test "storage: the table has every driver that is built" {
        local driver
        for driver in $(nexcage info --format json | jq -r '.storageDrivers[].name'); do
                grep -q " $driver " < <(matrix) || [ "$driver" = zfs ] || fail "no cell for '$driver'"
        done
}

@test "storage: a user namespace that cannot reach the store, or that maps no root" {
        local dir
        dir=$(matrix_bundle rw userns)
        chmod 700 "$NXC_OPEN_DIR"
        snapshot_machine
        fails_with InvalidRootfs attach-root "'$NXC_OPEN_DIR'" -- nexcage run --bundle "$dir" box
        assert_output_has "chmod o+x"
        chmod 711 "$NXC_OPEN_DIR"
        edit_bundle "$dir" '.linux.uidMappings[0].size = 10 | .linux.gidMappings[0].size = 10'
        fails_with InvalidRootfs prepare-storage "which the user namespace does not map" -- \
                nexcage create --storage dir --bundle "$dir" --image localhost/everything box
        edit_bundle "$dir" '.linux.uidMappings[0].containerID = 5'
        fails_with InvalidRootfs - "user namespace" -- nexcage run --bundle "$dir" box
        assert_machine_unchanged
}

# ---- the tree

# The tree of an image, and of a container's root as it is handed to a backend that does nothing to it.
image_tree()
{
        mkdir -p "$BATS_TEST_TMPDIR/m"
        nexcage mount "$1" "$BATS_TEST_TMPDIR/m" >/dev/null
        tree_digest --list --mtimes "$BATS_TEST_TMPDIR/m" >"$BATS_TEST_TMPDIR/image.list"
        nexcage umount "$BATS_TEST_TMPDIR/m"
}

root_tree()
{
        local driver=$1 image=$2
        NXC_DEBUG=fake-backend nexcage create --runtime fake --storage "$driver" --image "$image" box 3>&-
        tree_digest --list --mtimes "$NXC_STORE/containers/box/rootfs" >"$BATS_TEST_TMPDIR/root.list"
        NXC_DEBUG=fake-backend nexcage delete --force box
}

# same_as_image DRIVER IMAGE: but for the directories that the flow makes where an image has none.
same_as_image()
{
        image_tree "$2"
        root_tree "$1" "$2"
        diff "$BATS_TEST_TMPDIR/image.list" "$BATS_TEST_TMPDIR/root.list" |
                grep '^[<>]' | grep -Ev '^> /(dev|proc|sys|tmp|var|run) d ' >"$BATS_TEST_TMPDIR/diff" || true
        [ ! -s "$BATS_TEST_TMPDIR/diff" ] || fail "$1: the image (<) is not the root (>):" "$(head -n 20 "$BATS_TEST_TMPDIR/diff")"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/root.list")" -gt 300 ]
}

@test "storage: the tree of a copy is the image's" {
        same_as_image dir localhost/everything
}

@test "storage: the tree of an image file is the image's" {
        requires_driver raw
        same_as_image raw localhost/everything
}

@test "storage: the tree of a copy is the image's, from layers that are EROFS images" {
        grep -qw erofs /proc/filesystems || skip "this kernel has no EROFS"
        local NXC_STORE=$BATS_TEST_TMPDIR/store NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/erofs.conf
        export NXC_STORE NEXCAGE_CONFIG
        printf '[layerfs]\nformat = erofs\n' >"$NEXCAGE_CONFIG"
        import_image everything
        same_as_image dir localhost/everything
}

@test "storage: a copy is made where there can be no overlay, and its tree is the image's" {
        NXC_FEATURE_OVERLAY=0 same_as_image dir localhost/everything
        [ ! -e "$NXC_STORE/containers/box" ]
}

@test "storage: Debian as a copy and as an image file" {
        requires_image debian
        requires_driver raw
        import_image debian
        same_as_image dir localhost/debian
        same_as_image raw localhost/debian
}

# on_fs MKFS [OPTION...] [-- MOUNT-OPTION]: a file system of its own at $BATS_TEST_TMPDIR/fs, and the store on it.
on_fs()
{
        local mkfs=$1 options=()
        shift
        requires "$mkfs"
        [ -w /dev/loop-control ] || skip "no loop devices"
        while [ $# -gt 0 ] && [ "$1" != -- ]; do
                options+=("$1")
                shift
        done
        truncate -s 2G "$BATS_TEST_TMPDIR/fs.img"
        "$mkfs" -q "${options[@]}" "$BATS_TEST_TMPDIR/fs.img" 2>/dev/null
        mkdir "$BATS_TEST_TMPDIR/fs"
        mount -o "loop${2:+,$2}" "$BATS_TEST_TMPDIR/fs.img" "$BATS_TEST_TMPDIR/fs" ||
                skip "this kernel does not mount what $mkfs makes${2:+ with $2}"
        export NXC_STORE=$BATS_TEST_TMPDIR/fs/store
}

# Mounted anew: XFS keeps room at the end of what was just written, for a while.
used()
{
        wait_for 10 umount "$BATS_TEST_TMPDIR/fs" 2>/dev/null
        mount -o loop "$BATS_TEST_TMPDIR/fs.img" "$BATS_TEST_TMPDIR/fs"
        df --output=used -B1 "$BATS_TEST_TMPDIR/fs" | tail -n 1
}

# reflinks FORMAT: the content of an image is there once, however many copies there are, whatever its layers are kept as.
reflinks()
{
        local before after NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/layers.conf
        export NEXCAGE_CONFIG
        requires_image debian
        printf '[layerfs]\nformat = %s\n' "$1" >"$NEXCAGE_CONFIG"
        nexcage rmi localhost/debian 2>/dev/null || true
        import_image debian
        before=$(used)
        NXC_DEBUG=fake-backend nexcage create --runtime fake --storage dir --image localhost/debian box 3>&-
        after=$(used)
        [ "$(du -s --apparent-size -B1 "$NXC_STORE/containers/box/rootfs" | cut -f 1)" -gt 100000000 ]
        [ $((after - before)) -lt 50000000 ] || fail "the copy took $((after - before)) bytes"
        NXC_DEBUG=fake-backend nexcage delete --force box
        same_as_image dir localhost/debian
        import_image everything
        same_as_image dir localhost/everything
}

@test "storage: a copy on btrfs is made of reflinks" {
        on_fs mkfs.btrfs
        reflinks dir
        reflinks auto
}

@test "storage: a copy on XFS is made of reflinks" {
        on_fs mkfs.xfs
        reflinks dir
        reflinks auto
}

# ---- the choice

# chosen ARGUMENT...: "DRIVER (WHY)" of a dry run.
chosen()
{
        nexcage create --dry-run=json "$@" box 2>/dev/null | jq -r '"\(.storage) (\(.storageWhy)) \(.storageSize)"'
}

# with_bundle FILTER ARGUMENT...: the same with a bundle's config.json.
with_bundle()
{
        local filter=$1
        shift
        rm -rf "$BATS_TEST_TMPDIR/bundle"
        mkdir "$BATS_TEST_TMPDIR/bundle"
        cp "$NXC_BUNDLE/config.json" "$BATS_TEST_TMPDIR/bundle/"
        edit_bundle "$BATS_TEST_TMPDIR/bundle" "$filter"
        chosen --bundle "$BATS_TEST_TMPDIR/bundle" --image localhost/busybox "$@"
}

@test "storage: option, annotation, mount at /, configuration, overlay: in this order" {
        requires_driver raw
        local annotation='.annotations = {"org.nexcage.storage": "dir", "org.nexcage.storage.size": "3g", "proxmox.storage": "overlay"}'
        local older='.annotations = {"proxmox.storage": "dir"}'
        local mount='.mounts += [{"destination": "/", "source": "dir:", "options": ["size=2g"]}]'
        [ "$(chosen --image localhost/busybox)" = "overlay (the default) null" ]
        [ "$(with_bundle "$annotation | $mount" --storage raw --storage-size 4g)" = "raw (asked for) 4294967296" ]
        [ "$(with_bundle "$annotation | $mount")" = "dir (an annotation) 3221225472" ]
        [ "$(with_bundle "$older")" = "dir (an annotation) null" ]
        [ "$(chosen --image localhost/busybox --annotation org.nexcage.storage=dir)" = "dir (an annotation) null" ]
        printf '[storage]\ndriver = raw\nsize = 1g\n' >"$BATS_TEST_TMPDIR/conf"
        export NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/conf
        [ "$(chosen --image localhost/busybox)" = "raw (the configuration) 1073741824" ]
        [ "$(with_bundle "$mount")" = "dir (the mount at '/') 2147483648" ]
        [ "$(with_bundle "$annotation")" = "dir (an annotation) 3221225472" ]
}

@test "storage: the mount at / that chooses is no mount of the container's" {
        local dir=$BATS_TEST_TMPDIR/bundle
        mkdir "$dir"
        cp "$NXC_BUNDLE/config.json" "$dir/"
        edit_bundle "$dir" '.process.args = ["cat", "/etc/os-release"] | .mounts += [{"destination": "/", "source": "dir:"}]
                | .annotations["org.nexcage.image"] = "localhost/busybox"'
        nexcage run --bundle "$dir" box | grep -q NAME
}

@test "storage: what is asked of a bundle's own root is refused by name" {
        local dir=$BATS_TEST_TMPDIR/bundle
        make_bundle "$dir" .
        snapshot_machine
        fails_with Usage - "--storage only goes with an image" -- nexcage create --storage raw --bundle "$dir" box
        fails_with Usage - "--storage-size" -- nexcage create --storage-size 1g --bundle "$dir" box
        edit_bundle "$dir" '.annotations = {"org.nexcage.storage": "dir"}'
        fails_with Usage check-required "annotation org.nexcage.storage" -- nexcage create --bundle "$dir" box
        edit_bundle "$dir" '.annotations = {} | .mounts += [{"destination": "/", "source": "zfs:tank"}]'
        fails_with Usage check-required "the mount at '/'" -- nexcage create --bundle "$dir" box
        assert_machine_unchanged
}

@test "storage: what is not known, or not to be had, is an error and never another driver" {
        local dir=$BATS_TEST_TMPDIR/bundle
        snapshot_machine
        mkdir "$dir"
        fails_with Usage parse-options "known drivers: overlay" -- nexcage run --storage nosuch localhost/busybox true
        fails_with Usage - "known drivers: overlay" -- nexcage run --annotation org.nexcage.storage=nosuch localhost/busybox true
        cp "$NXC_BUNDLE/config.json" "$dir/"
        edit_bundle "$dir" '.mounts += [{"destination": "/", "source": "dir:/srv/x"}]'
        fails_with NotImplemented - "dir:/srv/x" -- nexcage create --bundle "$dir" --image localhost/busybox box
        edit_bundle "$dir" '.mounts[-1] = {"destination": "/", "source": "raw:", "options": ["size=1g", "discard"]}'
        fails_with NotImplemented - "option 'discard'" -- nexcage create --bundle "$dir" --image localhost/busybox box
        edit_bundle "$dir" '.mounts[-1].options = ["size=many"]'
        fails_with InvalidSpec - "'many'" -- nexcage create --bundle "$dir" --image localhost/busybox box
        printf '[storage]\nsize = 12\n' >"$BATS_TEST_TMPDIR/conf"
        NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/conf fails_with InvalidConfig - "$BATS_TEST_TMPDIR/conf:2" -- nexcage list
        rm -rf "$dir" "$BATS_TEST_TMPDIR/conf"
        assert_machine_unchanged
}

@test "storage: without mke2fs, without loop devices" {
        requires_driver raw
        local script
        # shellcheck disable=SC2016
        script='mount --bind "$1" /usr/sbin/mke2fs && shift && exec "$@"'
        touch "$BATS_TEST_TMPDIR/empty"
        fails_with RuntimeNotAvailable - "apt install e2fsprogs" -- unshare -m sh -c "$script" sh "$BATS_TEST_TMPDIR/empty" \
                "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" run --storage raw localhost/busybox true
        # shellcheck disable=SC2016
        script='mount -t tmpfs dev /dev && mknod /dev/null c 1 3 && exec "$@"'
        fails_with RuntimeNotAvailable - "/dev/loop-control" -- unshare -m sh -c "$script" sh \
                "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" run --storage raw localhost/busybox true
        run unshare -m sh -c "$script" sh "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" doctor
        assert_output_has "storage raw: there are no loop devices" "modprobe loop"
}

# ---- sizes

@test "storage: an image file has the size that was asked for, and no more" {
        requires_driver raw
        local blocks
        nexcage run --rm --storage raw --storage-size 64m localhost/busybox sh -c \
                'df -k / | tail -n 1; dd if=/dev/zero of=/big bs=1M count=100' >"$BATS_TEST_TMPDIR/out" 2>&1 && fail "it fits"
        output=$(cat "$BATS_TEST_TMPDIR/out")
        assert_output_has "No space left on device"
        blocks=$(awk '$NF == "/" { print $(NF - 4) }' "$BATS_TEST_TMPDIR/out")
        [ "$blocks" -gt 40000 ] && [ "$blocks" -le 65536 ] || fail "$output"
}

@test "storage: sizes that are none, too small, too large" {
        requires_driver raw
        local size
        snapshot_machine
        for size in "" x 1x -1 1gg "1 g" 0x10 nan; do
                fails_with Usage - "--storage-size" -- nexcage run --storage raw --storage-size "$size" localhost/busybox true
        done
        fails_with Usage - "--storage-size is 0" -- nexcage run --storage raw --storage-size 0 localhost/busybox true
        fails_with Usage - "1 MiB" -- nexcage run --storage raw --storage-size 2000 localhost/busybox true
        fails_with Usage - "16 TiB" -- nexcage run --storage raw --storage-size 17t localhost/busybox true
        fails_with InvalidRootfs create-raw-file "a root of 2097152 bytes" -- \
                nexcage run --storage raw --storage-size 2m localhost/everything true
        assert_output_has "--storage-size"
        assert_machine_unchanged
}

@test "storage: a size where the file system has no quotas is refused by name" {
        snapshot_machine
        fails_with NotImplemented mount-layers "no project quotas" -- \
                nexcage run --storage overlay --storage-size 1g localhost/busybox true
        fails_with NotImplemented mount-layers "'dir'" -- nexcage run --storage dir --storage-size 1g localhost/busybox true
        assert_output_has "prjquota" "--storage raw"
        assert_machine_unchanged
}

# quota_limits: the projects of the file system that have a limit.
quota_limits()
{
        repquota -P -n "$BATS_TEST_TMPDIR/fs" | awk '$1 ~ /^#[0-9]+$/ && $1 != "#0" && $5 > 0'
}

# limited DRIVER: a container with a quota of 24 MiB, which it meets, and which goes with it.
limited()
{
        import_image busybox
        import_image everything
        nexcage run --rm --storage "$1" --storage-size 24m localhost/busybox true
        [ -z "$(quota_limits)" ]
        nexcage run -d --storage "$1" --storage-size 24m --name box localhost/busybox sleep 1000 3>&-
        run nexcage exec box dd if=/dev/zero of=/big bs=1M count=40
        [ "$status" -ne 0 ]
        [[ $output == *"No space left on device"* || $output == *"quota exceeded"* ]] || fail "$output"
        output=$(nexcage list --size --format json)
        assert_json '.[0].storage.limit' 25165824
        assert_json '.[0].storage.bytes > 15000000 and .[0].storage.bytes <= 25165824' true
        fails_with InvalidState - "has" -- nexcage update --storage-size 4m box
        nexcage update --storage-size 64m box
        nexcage exec box dd if=/dev/zero of=/big bs=1M count=40
        nexcage delete --force box
        [ -z "$(quota_limits)" ]
        [ "$1" = overlay ] || fails_with InvalidRootfs prepare-storage "into a root of 1048576 bytes" -- \
                nexcage run --storage "$1" --storage-size 1m localhost/everything true
        [ -z "$(quota_limits)" ]
}

# bats test_tags=guest
@test "storage: sizes of overlays and copies on ext4 by project quotas" {
        requires repquota
        on_fs mkfs.ext4 -O quota,project -E quotatype=prjquota -- prjquota
        limited overlay
        limited dir
}

# bats test_tags=guest
@test "storage: sizes of overlays and copies on XFS by project quotas" {
        requires repquota
        on_fs mkfs.xfs -- prjquota
        limited overlay
        limited dir
}

# bats test_tags=guest
@test "storage: a create with a quota that is killed leaves no limit" {
        requires repquota
        local step
        on_fs mkfs.ext4 -O quota,project -E quotatype=prjquota -- prjquota
        import_image busybox
        for step in prepare-storage attach-root create-container pid-file; do
                NXC_DEBUG=kill-at=$step nexcage create --storage dir --storage-size 24m --image localhost/busybox box || true
                nexcage list >/dev/null
                [ -z "$(quota_limits)" ] || fail "after $step: $(quota_limits)"
                [ ! -e "$NXC_STORE/containers/box" ]
        done
}

# bats test_tags=guest
@test "storage: update --storage-size" {
        requires_driver raw
        nexcage run -d --storage raw --storage-size 64m --name box localhost/busybox sleep 1000 3>&-
        fails_with NotImplemented - "smaller" -- nexcage update --storage-size 32m box
        fails_with Usage - "1 MiB" -- nexcage update --storage-size 3 box
        run nexcage update --storage-size 128m box
        [[ $output != *CAP_SYS_RESOURCE* ]] || skip "growing ext4 needs CAP_SYS_RESOURCE"
        assert_status 0
        [ "$(nexcage exec box df -k / | awk '$NF == "/" { print $(NF - 4) }')" -gt 90000 ]
        [ "$(nexcage list --size --format json | jq '.[0].storage.limit')" = 134217728 ]
        nexcage exec box sh -c 'dd if=/dev/zero of=/big bs=1M count=80 && cat /etc/os-release' | grep -q NAME
}

@test "storage: update --storage-size of what has no size" {
        nexcage run -d --name box localhost/busybox sleep 1000 3>&-
        fails_with NotImplemented - "which was made without one" -- nexcage update --storage-size 1g box
        nexcage delete --force box
        nexcage create --bundle "$NXC_BUNDLE" box 3>&-
        fails_with InvalidState - "bundle" -- nexcage update --storage-size 1g box
}

# ---- what is used, what is free

@test "storage: list --size, inspect: what a container has beside its image" {
        requires_driver raw
        local driver
        for driver in overlay dir raw; do
                nexcage run -d --storage "$driver" --name box localhost/busybox sh -c \
                        'dd if=/dev/zero of=/big bs=1M count=8; sync; exec sleep 1000' 3>&-
                wait_for 10 nexcage exec box test -s /big
                wait_for 20 eval "[ \"\$(nexcage list --size --format json | jq '.[0].storage.bytes > 8000000')\" = true ]"
                output=$(nexcage list --size --format json)
                assert_json '.[0].storage.driver' "$driver"
                assert_json '.[0].storage.bytes < 40000000' true
                assert_json '.[0].storage.limit' "$([ "$driver" = raw ] && echo 10737418240 || echo null)"
                output=$(nexcage list --size)
                assert_output_has SIZE "($driver)"
                output=$(nexcage inspect box)
                assert_json '.[0].storage.driver' "$driver"
                nexcage delete --force box
        done
        output=$(nexcage list --format json)
        nexcage create --bundle "$NXC_BUNDLE" box 3>&-
        output=$(nexcage list --size --format json)
        assert_json '.[0].storage' null
}

@test "storage: info and doctor" {
        local driver
        output=$(nexcage info --format json)
        for driver in overlay dir raw; do
                assert_json ".storageDrivers[] | select(.name == \"$driver\") | .usable" true
                assert_json ".storageDrivers[] | select(.name == \"$driver\") | .availableBytes > 0 and .totalBytes >= .availableBytes" true
                assert_json ".storageDrivers[] | select(.name == \"$driver\") | .where" "$NXC_STORE"
        done
        output=$(nexcage doctor)
        assert_output_has "storage overlay: ok" "storage dir: ok" "storage raw: ok"
}

# ---- what goes wrong on the way

# A store on a disk of its own, too small for a copy of the image.
@test "storage: the disk is full in the middle of a copy, and of filling an image file" {
        requires_image debian
        requires_driver raw
        local driver free
        export NXC_STORE=$BATS_TEST_TMPDIR/disk/store
        mkdir "$BATS_TEST_TMPDIR/disk"
        mount -t tmpfs -o mode=700,size=2g full "$BATS_TEST_TMPDIR/disk"
        import_image debian
        free=$(df --output=avail -k "$BATS_TEST_TMPDIR/disk" | tail -n 1)
        dd if=/dev/zero of="$BATS_TEST_TMPDIR/disk/fill" bs=1M count=$((free / 1024 - 60)) status=none
        nexcage create --image localhost/debian box 3>&-
        nexcage delete --force box
        snapshot_machine
        for driver in dir raw; do
                run nexcage create --storage "$driver" --image localhost/debian box
                [ "$status" -ne 0 ]
                assert_output_has FileError "No space left on device"
                assert_machine_unchanged
        done
}

@test "storage: a command that is killed while it copies leaves nothing that the next does not take" {
        requires_image debian
        requires_driver raw
        import_image debian
        local driver after
        nexcage create --image localhost/debian box 3>&-
        nexcage delete --force box
        snapshot_machine
        for driver in dir raw; do
                for after in 0.03 0.1 0.2 0.4; do
                        "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" create --storage "$driver" \
                                --image localhost/debian box </dev/null >/dev/null 2>&1 3>&- &
                        sleep $after
                        kill -KILL $! 2>/dev/null || true
                        wait $! || true
                        nexcage delete --force box
                        nexcage list >/dev/null
                        assert_machine_unchanged || fail "$driver, killed after $after s" || return 1
                done
        done
}

@test "storage: of racing creates one wins, and the others make no copy" {
        local driver i won=0
        requires_driver raw
        for driver in dir raw; do
                for i in 1 2 3 4 5 6; do
                        nexcage create --storage $driver --image localhost/busybox box >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &&
                                touch "$BATS_TEST_TMPDIR/won.$driver.$i" &
                done
                wait
                won=$(find "$BATS_TEST_TMPDIR" -name "won.$driver.*" | wc -l)
                [ "$won" -eq 1 ] || fail "$won of them won"
                [ "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -c ContainerExists)" -eq 5 ]
                [ "$(find "$NXC_STORE/containers" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
                nexcage delete --force box
        done
}

@test "storage: a progress bar on a terminal, lines elsewhere" {
        output=$(nexcage run --rm --storage dir localhost/busybox true 2>&1)
        assert_output_has "root " ": started" ": done"
        output=$(nexcage --progress=json run --rm --storage dir localhost/busybox true 2>&1)
        [ "$(jq -r 'select(.what == "root") | .event' <<<"$output" | sort -u | tr '\n' ' ')" = "done start " ] ||
                assert_output_has '"event":"bytes"'
        output=$(nexcage --progress=quiet run --rm --storage dir localhost/busybox true 2>&1)
        assert_output_is ""
}

@test "storage: prune takes roots that no record stands for, with what they are mounted from" {
        requires_driver raw
        export NXC_ROOT=$NXC_OPEN_DIR/orphans/root NXC_STORE=$NXC_OPEN_DIR/orphans/store BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
        local age
        age=$(($(date +%s) - $(stat -c %Z "$NXC_STORE/containers/box.raw")))
        [ $age -gt 60 ] || sleep $((61 - age))
        NXC_DEBUG=fake-backend nexcage prune --format json | jq -e '.containers == 2'
        assert_machine_unchanged
}
