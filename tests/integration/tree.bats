# The composed root of an image is what umoci and podman make of it: one digest over every path, type, mode, owner, size,
# content, link and xattr.
load helpers

setup_file()
{
        nxc_setup_file
}

teardown_file()
{
        nxc_teardown_file
}

# our_tree NAME, umoci_tree NAME, podman_tree NAME: the list with the digest of the image's root.
our_tree()
{
        mkdir -p "$BATS_TEST_TMPDIR/ours"
        import_image "$1"
        nexcage mount "localhost/$1" "$BATS_TEST_TMPDIR/ours" >/dev/null
        tree_digest --list "$BATS_TEST_TMPDIR/ours" >"$BATS_TEST_TMPDIR/ours.list"
        nexcage umount "$BATS_TEST_TMPDIR/ours"
}

umoci_tree()
{
        umoci unpack --image "$NXC_TEST_CACHE/$1:latest" "$BATS_TEST_TMPDIR/umoci" >&2
        tree_digest --list "$BATS_TEST_TMPDIR/umoci/rootfs" >"$BATS_TEST_TMPDIR/umoci.list"
        rm -rf "$BATS_TEST_TMPDIR/umoci"
}

podman_tree()
{
        local id dir
        requires podman
        id=$(podman_ pull -q "oci:$NXC_TEST_CACHE/$1:latest" | tail -n 1)
        dir=$(podman_ image mount "$id")
        tree_digest --list "$dir" >"$BATS_TEST_TMPDIR/podman.list"
        podman_ image unmount "$id" >/dev/null
        podman_ rmi -f "$id" >/dev/null
}

same_tree()
{
        cmp -s "$BATS_TEST_TMPDIR/ours.list" "$BATS_TEST_TMPDIR/$1.list" ||
                fail "ours (<) is not $1's (>):" \
                        "$(diff "$BATS_TEST_TMPDIR/ours.list" "$BATS_TEST_TMPDIR/$1.list" | head -n 40)"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/ours.list")" -gt "$2" ]
}

@test "tree: everything, as umoci" {
        our_tree everything
        umoci_tree everything
        same_tree umoci 300
}

@test "tree: everything, as podman" {
        our_tree everything
        podman_tree everything
        same_tree podman 300
}

@test "tree: Debian, as umoci" {
        requires_image debian
        our_tree debian
        umoci_tree debian
        same_tree umoci 3000
}

@test "tree: Debian, as podman" {
        requires_image debian
        our_tree debian
        podman_tree debian
        same_tree podman 3000
}

@test "tree: what the everything image is there for" {
        import_image everything
        mkdir "$BATS_TEST_TMPDIR/m"
        nexcage mount localhost/everything "$BATS_TEST_TMPDIR/m" >/dev/null
        cd "$BATS_TEST_TMPDIR/m"
        [ ! -e gone-dir ] && [ ! -e swap/dir-gone ] && [ ! -e swap/file-gone ] && [ ! -e a/hard-two ]
        [ -d swap/file-to-dir ] && [ -f swap/dir-to-file ] && [ -L swap/dir-to-link ] && [ -d swap/link-to-dir ]
        [ "$(ls opq)" = new ] && [ "$(cat a/one)" = one ] && [ "$(cat a/hard-one)" = "no longer linked" ]
        [ "$(ls back/dir)" = again ] && [ "$(cat back/file)" = again ]
        [ "$(stat -c %i linked/first)" = "$(stat -c %i linked/second)" ]
        [ "$(stat -c %s a/sparse-pax)" = 5242880 ]
        # EROFS has no number for it: its images are sparse files themselves.
        [ "$(stat -f -c %T a/sparse-pax)" = erofs ] || [ -n "$(find "$NXC_STORE/layers" -maxdepth 1 -name "*.erofs")" ] ||
                [ "$(stat -c %b a/sparse-pax)" -lt 100 ]
        [ "$(getfattr -n user.test --only-values a/xattr)" = changed ]
        getfattr -n security.capability a/capable
        [ "$(stat -c '%t %T %a' devs/null)" = "1 3 666" ] && [ -p devs/fifo ]
        cd /
        nexcage umount "$BATS_TEST_TMPDIR/m"
}

@test "tree: the image's mount is read-only, and keeps its layers from prune" {
        import_image busybox
        mkdir "$BATS_TEST_TMPDIR/m"
        nexcage mount localhost/busybox "$BATS_TEST_TMPDIR/m"
        run touch "$BATS_TEST_TMPDIR/m/x"
        assert_output_has "Read-only"
        run nexcage rmi localhost/busybox
        [ "$status" -ne 0 ]
        nexcage prune --all
        cat "$BATS_TEST_TMPDIR/m/etc/os-release"
        nexcage umount "$BATS_TEST_TMPDIR/m"
}

# ---- the forms of layers

# form_tree FORM IMAGE: the list of the image's root, in a store of its own whose layers have that form.
form_tree()
{
        local NXC_STORE=$BATS_TEST_TMPDIR/store-$1 NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/$1.conf
        export NEXCAGE_CONFIG
        printf '[layerfs]\nformat = %s\n' "$1" >"$NEXCAGE_CONFIG"
        mkdir -p "$BATS_TEST_TMPDIR/m"
        import_image "$2"
        nexcage mount "localhost/$2" "$BATS_TEST_TMPDIR/m" >/dev/null
        tree_digest --list --mtimes "$BATS_TEST_TMPDIR/m" >"$BATS_TEST_TMPDIR/$1.list"
        nexcage umount "$BATS_TEST_TMPDIR/m"
        nexcage verify "localhost/$2"
}

# with_images: this test's layers become EROFS images.
with_images()
{
        requires_erofs
        export NXC_STORE=$BATS_TEST_TMPDIR/store NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/erofs.conf
        printf '[layerfs]\nformat = erofs\n' >"$NEXCAGE_CONFIG"
}

requires_erofs()
{
        grep -qw erofs /proc/filesystems || skip "this kernel has no EROFS"
        [ "${NXC_FEATURE_EROFS-}" != 0 ] || skip "EROFS is switched off"
}

@test "tree: images and directories, everything and Debian" {
        requires_erofs
        local name
        for name in everything debian; do
                [ -e "$NXC_TEST_CACHE/$name/index.json" ] || continue
                form_tree dir "$name"
                form_tree erofs "$name"
                cmp "$BATS_TEST_TMPDIR/dir.list" "$BATS_TEST_TMPDIR/erofs.list"
        done
        [ -z "$(find "$BATS_TEST_TMPDIR/store-dir/layers" -maxdepth 1 -name '*.erofs')" ]
        [ -z "$(find "$BATS_TEST_TMPDIR/store-erofs/layers" -maxdepth 2 -name meta.json)" ]
}

@test "tree: every image of a layer is right to fsck.erofs and dump.erofs" {
        with_images
        requires fsck.erofs dump.erofs
        local name image
        for name in busybox everything built debian; do
                [ -e "$NXC_TEST_CACHE/$name/index.json" ] && import_image "$name"
        done
        for image in "$NXC_STORE"/layers/sha256-*.erofs; do
                fsck.erofs --extract "$image"
                dump.erofs -s -S "$image"
        done
}

@test "tree: images over loop devices, as on a kernel before 6.12" {
        with_images
        [ -w /dev/loop-control ] || skip "no loop devices"
        local before after
        import_image everything
        mkdir "$BATS_TEST_TMPDIR/m"
        before=$(losetup --list --noheadings | wc -l)
        NXC_FEATURE_EROFS_FILE=0 NXC_FEATURE_LOWERDIR_FD=0 NXC_FEATURE_LOWERDIR_PLUS=0 \
                nexcage mount localhost/everything "$BATS_TEST_TMPDIR/m" >/dev/null
        [ "$(cat "$BATS_TEST_TMPDIR/m/a/one")" = one ]
        [ "$(losetup --list --noheadings | wc -l)" -gt "$before" ]
        nexcage umount "$BATS_TEST_TMPDIR/m"
        for ((i = 0; i < 50; i++)); do
                after=$(losetup --list --noheadings | wc -l)
                [ "$after" -le "$before" ] && return 0
                sleep 0.1
        done
        fail "loop devices are left: $(losetup --list)"
}

# layered_image NAME: Debian or busybox with layers above it that change what is below.
layered_image()
{
        local dir=$BATS_TEST_TMPDIR/$1
        cp -r "$NXC_TEST_CACHE/busybox" "$dir"
        "$NXC_TOOLS/layered.py" "$dir"
        nexcage import "oci:$dir:latest" "localhost/$1"
}

@test "tree: an index shows what the layers one by one show" {
        with_images
        layered_image layered
        [ "$(find "$NXC_STORE/layers" -name 'index-*.erofs' | wc -l)" -eq 1 ]
        mkdir "$BATS_TEST_TMPDIR/m"
        nexcage mount localhost/layered "$BATS_TEST_TMPDIR/m" >/dev/null
        [ "$(findmnt -n -o FSTYPE "$BATS_TEST_TMPDIR/m")" = erofs ]
        tree_digest --list --mtimes "$BATS_TEST_TMPDIR/m" >"$BATS_TEST_TMPDIR/index.list"
        nexcage umount "$BATS_TEST_TMPDIR/m"
        NXC_FEATURE_EROFS_INDEX=0 nexcage mount localhost/layered "$BATS_TEST_TMPDIR/m" >/dev/null
        [ "$(findmnt -n -o FSTYPE "$BATS_TEST_TMPDIR/m")" = overlay ]
        tree_digest --list --mtimes "$BATS_TEST_TMPDIR/m" >"$BATS_TEST_TMPDIR/layers.list"
        nexcage umount "$BATS_TEST_TMPDIR/m"
        cmp "$BATS_TEST_TMPDIR/index.list" "$BATS_TEST_TMPDIR/layers.list"
}

@test "tree: containers of an image share its superblock, and leave no mount" {
        with_images
        layered_image shared
        local a b before
        before=$(grep -c . /proc/self/mountinfo)
        nexcage run -d --name one localhost/shared sleep 1000
        nexcage run -d --name two localhost/shared sleep 1000
        a=$(findmnt -n -o MAJ:MIN "$NXC_STORE/containers/one/lower")
        b=$(findmnt -n -o MAJ:MIN "$NXC_STORE/containers/two/lower")
        [ -n "$a" ] && [ "$a" = "$b" ]
        nexcage delete --force one
        [ "$(nexcage exec two cat /srv/2)" = 2 ]
        nexcage run -d --name three localhost/shared sleep 1000 # the one that was found first is gone
        [ "$(findmnt -n -o MAJ:MIN "$NXC_STORE/containers/three/lower")" = "$b" ]
        nexcage delete --force two
        nexcage delete --force three
        [ -z "$(find "$NXC_STORE/layers" -name '.shared-*')" ]
        [ "$(grep -c . /proc/self/mountinfo)" -eq "$before" ]
}

@test "tree: an index goes with its image" {
        with_images
        layered_image going
        nexcage rmi localhost/going
        [ -z "$(find "$NXC_STORE/layers" -mindepth 1 -name '*.erofs')" ]
}
