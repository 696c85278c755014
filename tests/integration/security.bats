# SECURITY: hostile bundles, images and roots. Each is refused for its reason, or does no harm: the canary stays as it is.
load helpers

setup_file()
{
        nxc_setup_file
        import_image busybox
        nexcage run --rm localhost/busybox true
}

teardown_file()
{
        nxc_teardown_file
}

setup()
{
        CANARY=$BATS_TEST_TMPDIR/canary
        mkdir "$CANARY"
        echo alive >"$CANARY/file"
        chmod 600 "$CANARY/file"
        canary_list >"$BATS_TEST_TMPDIR/canary.before"
}

teardown()
{
        canary_list | diff "$BATS_TEST_TMPDIR/canary.before" -
}

canary_list()
{
        find "$CANARY" -printf '%p %y %m %U %G %s\n' | sort
        cat "$CANARY/file"
}

# hostile NAME LAYER-SPEC...: an OCI layout with busybox below and the entries of tests/tools/make-hostile.py on top.
hostile()
{
        local name=$1
        shift
        python3 "$NXC_TOOLS/make-hostile.py" "$NXC_TEST_CACHE/busybox" "$BATS_TEST_TMPDIR/$name" "$@"
}

# refused NAME WORDS LAYER-SPEC...: an image that import refuses, leaving no trace in the store.
refused()
{
        local name=$1 words=$2
        shift 2
        hostile "$name" "$@"
        snapshot_machine
        fails_with InvalidImage - "$words" -- nexcage import "oci:$BATS_TEST_TMPDIR/$name:latest" localhost/hostile || return 1
        assert_machine_unchanged
}

# harmless NAME LAYER-SPEC...: an image that may come in; then COMMAND runs in it.
harmless()
{
        hostile "$@"
        nexcage import "oci:$BATS_TEST_TMPDIR/$1:latest" "localhost/$1" >/dev/null
}

@test "layers: names that climb out" {
        refused dotdot .. 'file=../../../../../../../../../../tmp/nexcage-escape'
        refused inner .. 'file=etc/../../escape'
        refused hard-out link "hard=x>../../../../..$CANARY/file"
        [ ! -e /tmp/nexcage-escape ]
}

@test "layers: absolute names stay inside" {
        harmless absolute "file=$CANARY/inside" "file=/etc/absolute"
        [ ! -e "$CANARY/inside" ]
        nexcage run --rm localhost/absolute test -e /etc/absolute
}

@test "layers: writing through a symbolic link" {
        hostile link-then-write "sym=evil>$CANARY" file=evil/new
        run nexcage import "oci:$BATS_TEST_TMPDIR/link-then-write:latest" localhost/hostile
        [ ! -e "$CANARY/new" ]
        hostile link-up 'sym=up>../../../../../../../..' "file=up$CANARY/new"
        run nexcage import "oci:$BATS_TEST_TMPDIR/link-up:latest" localhost/hostile
        [ ! -e "$CANARY/new" ]
        hostile file-link "sym=target>$CANARY/file" file=target
        run nexcage import "oci:$BATS_TEST_TMPDIR/file-link:latest" localhost/hostile
}

@test "layers: a hard link to the host, and through a symbolic link" {
        hostile hard "hard=stolen>$CANARY/file"
        run nexcage import "oci:$BATS_TEST_TMPDIR/hard:latest" localhost/hostile
        [ "$status" -ne 0 ]
        hostile hard-through "sym=d>$CANARY" 'hard=stolen>d/file'
        run nexcage import "oci:$BATS_TEST_TMPDIR/hard-through:latest" localhost/hostile
        [ "$status" -ne 0 ]
        [ "$(stat -c %h "$CANARY/file")" = 1 ]
}

@test "layers: chmod, chown, times, xattrs through links" {
        hostile meta "sym=x>$CANARY/file" "file=x:mode=4777"
        run nexcage import "oci:$BATS_TEST_TMPDIR/meta:latest" localhost/hostile
        hostile meta-dir "sym=x>$CANARY" "dir=x:mode=777"
        run nexcage import "oci:$BATS_TEST_TMPDIR/meta-dir:latest" localhost/hostile
}

@test "layers: the root entry may only be a directory" {
        refused root-link root "sym=.>$CANARY"
        refused root-file root file=.
}

@test "layers: whiteouts of nothing, of the root, of the parent" {
        refused bare-whiteout .wh. file=.wh.
        refused whiteout-dot .wh. file=etc/.wh..
        refused whiteout-dotdot .wh. file=etc/.wh...
        harmless whiteout file=etc/.wh.os-release
        nexcage run --rm localhost/whiteout test ! -e /etc/os-release
}

@test "layers: xattrs of overlayfs are not taken over" {
        hostile overlay-xattr "dir=x:xattr=trusted.overlay.opaque=y" "file=x/f:xattr=trusted.overlay.redirect=/etc"
        run nexcage import "oci:$BATS_TEST_TMPDIR/overlay-xattr:latest" localhost/overlay-xattr
        if [ "$status" -eq 0 ]; then
                run find "$NXC_STORE/layers" -exec getfattr -h -m '^(trusted|user)\.overlay\.redirect' {} +
                assert_output_is ""
        fi
}

@test "layers: a bomb: much from little, and many entries" {
        hostile bomb 'zeros=big:40000000000'
        snapshot_machine
        run timeout 120 bash -c "ulimit -f unlimited; '$NEXCAGE' --root '$NXC_ROOT' --store '$NXC_STORE' import \
                'oci:$BATS_TEST_TMPDIR/bomb:latest' localhost/bomb"
        [ "$status" -ne 0 ] || fail "a bomb of 40 GB came in"
        assert_output_has InvalidImage
        assert_machine_unchanged
}

@test "images: a manifest that is index and manifest at once" {
        hostile confused
        python3 - "$BATS_TEST_TMPDIR/confused" <<'EOF'
import sys
sys.path.insert(0, __import__('os').environ['NXC_TOOLS'])
from ocilayout import edit_manifest
edit_manifest(sys.argv[1], lambda m: m.update(manifests=[]))
EOF
        fails_with InvalidImage - manifests -- nexcage import "oci:$BATS_TEST_TMPDIR/confused:latest" localhost/hostile
}

# edited NAME PYTHON WORDS: an image whose manifest (m) or configuration (c) was edited, with right digests all the way.
edited()
{
        hostile "$1"
        NXC_EDIT=$2 python3 - "$BATS_TEST_TMPDIR/$1" <<'EOF'
import os
import sys
sys.path.insert(0, os.environ['NXC_TOOLS'])
import ocilayout
ocilayout.edit(sys.argv[1], os.environ['NXC_EDIT'])
EOF
        snapshot_machine
        fails_with InvalidImage - "$3" -- nexcage import "oci:$BATS_TEST_TMPDIR/$1:latest" localhost/hostile || return 1
        assert_machine_unchanged
}

@test "images: digests that are paths" {
        edited path-digest "m['layers'][0]['digest'] = 'sha256:../../../../etc/passwd'" digest
        edited short-digest "m['layers'][0]['digest'] = 'sha256:abcd'" digest
        edited md5 "m['config']['digest'] = 'md5:' + '0' * 32" digest
}

@test "images: sizes, diff_ids and counts that are wrong" {
        edited size "m['layers'][0]['size'] += 1" size
        edited diff-id "c['rootfs']['diff_ids'][0] = 'sha256:' + '0' * 64" diff_id
        edited count "c['rootfs']['diff_ids'].pop()" diff_ids
        edited other-os "c['os'] = 'plan9'" os
}

@test "images: a layer whose bytes are others" {
        hostile tampered
        local blob
        blob=$(python3 -c "import sys; sys.path.insert(0, '$NXC_TOOLS'); import ocilayout; print(ocilayout.layer('$BATS_TEST_TMPDIR/tampered', 0))")
        printf 'x' | dd of="$blob" bs=1 seek=100 conv=notrunc status=none
        snapshot_machine
        fails_with InvalidImage - sha256: -- nexcage import "oci:$BATS_TEST_TMPDIR/tampered:latest" localhost/hostile
        assert_machine_unchanged
}

@test "images: control characters in what becomes configuration" {
        edited workdir "c['config']['WorkingDir'] = '/x\nlxc.hook.pre-start = /bin/sh'" WorkingDir
        edited user "c['config']['User'] = 'root\nx'" User
        edited env "c['config']['Env'] = ['A\nB=1']" Env
}

# swapped FROM TO: an image where FROM is a link to TO.
run_with_link()
{
        harmless "$1" "whiteout=$2" "sym=$2>$3"
        run nexcage run --rm --hostname h "localhost/$1" true
        echo "$output" >&2
}

@test "roots: standard directories and management files that are links to the host" {
        local path n=0
        for path in etc/hostname etc/hosts etc/resolv.conf etc/passwd etc/group tmp var run; do
                n=$((n + 1))
                run_with_link "link$n" "$path" "$CANARY/file"
                run_with_link "dirlink$n" "$path" "$CANARY"
        done
}

@test "roots: /proc, /sys, /dev, /dev/null, /dev/console that are links" {
        local path n=0
        for path in proc sys dev; do
                n=$((n + 1))
                run_with_link "pseudo$n" "$path" "$CANARY"
                assert_output_has InvalidRootfs "/$path"
        done
        harmless devnull "sym=dev/null>$CANARY/file" "sym=dev/console>$CANARY/file" "sym=dev/pts>$CANARY"
        run nexcage run --rm localhost/devnull sh -c 'echo x >/dev/null'
        [ "$(stat -c %a "$CANARY/file")" = 600 ]
}

@test "roots: a volume's destination that is a link to the host" {
        harmless voldest "sym=mnt>$CANARY"
        run nexcage run --rm -v "$BATS_TEST_TMPDIR:/mnt/new" localhost/voldest true
        [ ! -e "$CANARY/new" ]
        run nexcage run --rm --workdir /mnt/work localhost/voldest true
        [ ! -e "$CANARY/work" ]
}

@test "roots: users are looked up in the image, never through a link" {
        harmless users 'whiteout=etc/passwd' 'sym=etc/passwd>../../../../../../../../etc/passwd'
        # daemon is known to the host only
        grep -q '^daemon:' /etc/passwd || skip "the host has no user daemon"
        run nexcage run --rm --user daemon localhost/users id
        assert_status 125
}

@test "bundles: process.cwd through leaked descriptors (CVE-2024-21626)" {
        make_bundle "$BATS_TEST_TMPDIR/b" '.process.args = ["sh", "-c", "ls -a /proc/self/cwd/; pwd"]'
        local fd
        for fd in 3 4 5 6 7 8 9 10 12 15 20; do
                edit_bundle "$BATS_TEST_TMPDIR/b" ".process.cwd = \"/proc/self/fd/$fd\""
                run nexcage run --bundle "$BATS_TEST_TMPDIR/b" leak
                [[ $output != *state.json* && $output != *config.json* ]] || fail "descriptor $fd:" "$output"
                nexcage delete --force leak
        done
}

@test "bundles: #!/proc/self/exe cannot open the program (CVE-2019-5736)" {
        local before
        before=$(sha256sum "$NEXCAGE")
        make_bundle "$BATS_TEST_TMPDIR/b" '.process.args = ["/bin/self"]'
        printf '#!/proc/self/exe\n' >"$BATS_TEST_TMPDIR/b/rootfs/bin/self"
        chmod 755 "$BATS_TEST_TMPDIR/b/rootfs/bin/self"
        run timeout 20 "$NEXCAGE" --root "$NXC_ROOT" run --bundle "$BATS_TEST_TMPDIR/b" self
        nexcage delete --force self
        [ "$(sha256sum "$NEXCAGE")" = "$before" ]
}

@test "bundles: none of our descriptors reach the container" {
        run --separate-stderr nexcage run --rm localhost/busybox sh -c 'for f in /proc/self/fd/*; do readlink $f; done'
        [[ $output != *"$NXC_STORE"* && $output != *"$NXC_ROOT"* ]] || fail "$output"
}

@test "bundles: sysctls are keys of namespaces, nothing else (CVE-2022-0811)" {
        make_bundle "$BATS_TEST_TMPDIR/b" '.linux.sysctl = {"kernel.core_pattern": "|/bin/sh"}'
        run nexcage run --bundle "$BATS_TEST_TMPDIR/b" sysctl
        assert_status 1
        edit_bundle "$BATS_TEST_TMPDIR/b" '.linux.sysctl = {"kernel.shm_rmid_forced": "1+kernel.core_pattern=x"}'
        run nexcage run --bundle "$BATS_TEST_TMPDIR/b" sysctl
        [[ $(cat /proc/sys/kernel/core_pattern) != *"/bin/sh"* ]]
}

@test "secrets are not in any command line" {
        registry_start htpasswd
        skopeo copy -q --dest-tls-verify=false --dest-creds test:secret "oci:$NXC_TEST_CACHE/everything:latest" \
                "docker://$REGISTRY/private:latest"
        mkdir -p "$XDG_RUNTIME_DIR/containers"
        printf '{"auths": {"%s": {"auth": "%s"}}}' "$REGISTRY" "$(printf test:secret | base64)" \
                >"$XDG_RUNTIME_DIR/containers/auth.json"
        run nexcage --debug pull "$REGISTRY/private:latest"
        assert_status 0
        [[ $output != *secret* && $output != *"$(printf test:secret | base64)"* ]] || fail "$output"
        run grep -r -l -e test:secret -e "$(printf test:secret | base64)" "$NXC_STORE" "$NXC_ROOT"
        assert_status 1
        rm "$XDG_RUNTIME_DIR/containers/auth.json"
}
