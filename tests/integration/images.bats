#!/usr/bin/env bats
# The image store through the command line: in by pull and import, out by save, looked at, renamed, rechecked, removed;
# what is wrong is refused and leaves nothing; what is killed, full or read-only does no harm.

load helpers

setup_file()
{
        requires_runtime crun # none of this runs a container: once is enough
        nxc_setup_file
}
teardown_file() { nxc_teardown_file; }

setup()
{
        rm -rf "${NXC_STORE:?}"
        mkdir -m 700 "$NXC_STORE"
}

teardown()
{
        ! mountpoint -q "$NXC_STORE" || umount -l "$NXC_STORE"
}

# What the store holds of images: blobs, layers, names. Empty when nothing came in.
store_contents()
{
        find "$NXC_STORE/images/blobs/sha256" "$NXC_STORE/layers" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null |
                grep -E '^(sha256-)?[0-9a-f]{64}$' | sort
        find "$NXC_STORE" -name '.staging-*' -o -name '*.tmp-*'
        jq -r '.manifests[].digest' "$NXC_STORE/images/index.json" 2>/dev/null
}

assert_store_empty()
{
        local left
        left=$(store_contents)
        [ -z "$left" ] || fail "left in the store:" "$left"
}

layout() { echo "$NXC_TEST_CACHE/$1"; }

image_id() { nexcage inspect "$1" | jq -r 'if type == "array" then .[0] else . end | .id'; }

# ---- in

@test "pull: prints the digest; images and inspect show it; the store is an OCI layout" {
        run --separate-stderr nexcage pull -q "$NXC_REGISTRY/busybox:latest"
        assert_status 0
        [[ $output =~ ^sha256:[0-9a-f]{64}$ ]]
        local digest=$output
        run nexcage images --format json
        assert_json '.[0].name' "$NXC_REGISTRY/busybox:latest"
        assert_json '.[0].digest' "$digest"
        [ "$(skopeo inspect --raw "oci:$NXC_STORE/images:$NXC_REGISTRY/busybox:latest" | sha256sum | cut -d' ' -f1)" = \
                "${digest#sha256:}" ]
        run umoci ls --layout "$NXC_STORE/images"
        assert_output_is "$NXC_REGISTRY/busybox:latest"
}

@test "pull: policies" {
        fails_with ImageNotFound - "not in the store" -- nexcage pull --policy never "$NXC_REGISTRY/busybox"
        nexcage pull -q --policy missing "$NXC_REGISTRY/busybox"
        nexcage pull -q --policy never "$NXC_REGISTRY/busybox"
        nexcage pull -q --policy newer "$NXC_REGISTRY/busybox"
        nexcage pull -q --policy always "$NXC_REGISTRY/busybox"
        fails_with ImageNotFound - "404" -- nexcage pull --policy missing "$NXC_REGISTRY/nosuch"
}

@test "pull: newer replaces what the registry has replaced, and outlives a registry that is gone" {
        registry_start plain
        registry_push busybox "moving:latest"
        local first second
        first=$(nexcage pull -q "$REGISTRY/moving")
        registry_push built "moving:latest"
        [ "$(nexcage pull -q --policy missing "$REGISTRY/moving")" = "$first" ]
        second=$(nexcage pull -q --policy newer "$REGISTRY/moving")
        [ "$first" != "$second" ]
        registry_stop
        run nexcage pull --policy newer "$REGISTRY/moving"
        assert_status 0
        assert_output_has "warning" "$second"
        fails_with RegistryError - "pull '$REGISTRY/moving:latest'" -- nexcage pull --policy always "$REGISTRY/moving"
        # the older one is still there, without a name
        run nexcage images --format json
        assert_json 'map(select(.name == null)) | length' 1
}

@test "pull: a multi-platform index, by tag and by the digest of the index" {
        local dir=$BATS_TEST_TMPDIR/multi arch
        cp -r "$(layout busybox)" "$dir"
        python3 - "$dir" >"$BATS_TEST_TMPDIR/index-digest" <<'PYTHON'
import hashlib, json, sys
d = sys.argv[1]
def get(x): return json.load(open(f"{d}/blobs/sha256/{x['digest'][7:]}"))
def put(o):
    b = json.dumps(o).encode(); h = hashlib.sha256(b).hexdigest()
    open(f"{d}/blobs/sha256/{h}", "wb").write(b)
    return {"digest": "sha256:" + h, "size": len(b)}
index = json.load(open(f"{d}/index.json"))
manifest = get(index["manifests"][0]); config = get(manifest["config"])
entries = []
for os, arch, variant in (("unknown", "unknown", ""), ("linux", "arm64", "v8"), ("linux", "amd64", "")):
    c = dict(config, os=os, architecture=arch)
    m = dict(manifest, config=dict(manifest["config"], **put(c)), mediaType="application/vnd.oci.image.manifest.v1+json")
    p = {"os": os, "architecture": arch}
    if variant: p["variant"] = variant
    entries.append(dict(put(m), mediaType=m["mediaType"], platform=p))
t = "application/vnd.oci.image.index.v1+json"
top = dict(put({"schemaVersion": 2, "mediaType": t, "manifests": entries}), mediaType=t,
           annotations={"org.opencontainers.image.ref.name": "latest"})
json.dump({"schemaVersion": 2, "manifests": [top]}, open(f"{d}/index.json", "w"))
print(top["digest"])
PYTHON
        local index
        index=$(cat "$BATS_TEST_TMPDIR/index-digest")
        skopeo copy -q --all --dest-tls-verify=false "oci:$dir:latest" "docker://$NXC_REGISTRY/multi:latest"
        nexcage pull -q "$NXC_REGISTRY/multi"
        run nexcage images --format json
        assert_json '.[0].indexDigest' "$index"
        nexcage pull -q --policy never "$NXC_REGISTRY/multi@$index"
        nexcage pull -q --platform linux/arm64 "$NXC_REGISTRY/multi"
        run nexcage images --format json
        assert_json 'map(select(.name != null))[0].platform' linux/arm64
        fails_with ImageNotFound - "only for" -- nexcage pull --platform linux/s390x "$NXC_REGISTRY/multi"
        # the same as a layout
        nexcage import "oci:$dir" localhost/multi:1
        arch=$(uname -m)
        [ "$arch" = x86_64 ] || skip "knows the name of amd64 only"
        [ "$(nexcage images --format json | jq -r '.[] | select(.name == "localhost/multi:1") | .platform')" = linux/amd64 ]
}

@test "import: an OCI layout, an oci-archive, a docker-archive, compressed ones, standard input" {
        local dir=$BATS_TEST_TMPDIR
        skopeo copy -q "oci:$(layout busybox):latest" "oci-archive:$dir/o.tar:docker.io/library/bb:1"
        skopeo copy -q "oci:$(layout busybox):latest" "docker-archive:$dir/d.tar:bb:2"
        gzip -k "$dir/d.tar"
        nexcage import "$(layout busybox)" localhost/bb:0
        nexcage import "$dir/o.tar"
        nexcage import "docker-archive:$dir/d.tar"
        nexcage import "$dir/d.tar.gz" localhost/bb:3
        nexcage_stdin import - localhost/bb:4 <"$dir/o.tar"
        local id name
        id=$(image_id localhost/bb:0)
        for name in docker.io/library/bb:1 docker.io/library/bb:2 localhost/bb:3 localhost/bb:4; do
                [ "$(image_id "$name")" = "$id" ] || fail "$name has another id"
                nexcage verify "$name"
        done
        [ "$(find "$NXC_STORE/layers" -mindepth 1 -maxdepth 1 -name 'sha256-*' | wc -l)" -eq 1 ] # one layer, whatever its blobs are
}

@test "import: several images in one source are told apart by name" {
        local dir=$BATS_TEST_TMPDIR/two
        skopeo copy -q "oci:$(layout busybox):latest" "oci:$dir:one"
        skopeo copy -q "oci:$(layout everything):latest" "oci:$dir:two"
        fails_with Usage - "one, two" -- nexcage import "$dir"
        fails_with Usage - "holds no image 'three'" -- nexcage import "$dir:three"
        nexcage import "$dir:two"
        [ "$(image_id localhost/two:latest)" = "$(skopeo inspect --raw "oci:$dir:two" | jq -r .config.digest)" ]
}

@test "import: sources that are none" {
        printf 'no archive' >"$BATS_TEST_TMPDIR/text"
        mkdir "$BATS_TEST_TMPDIR/empty"
        tar cf "$BATS_TEST_TMPDIR/other.tar" -C "$BATS_TEST_TMPDIR" text
        fails_with FileError - "open image source" -- nexcage import /nonexistent
        fails_with InvalidImage - "read archive" -- nexcage import "$BATS_TEST_TMPDIR/text"
        fails_with InvalidImage - "index.json" -- nexcage import "$BATS_TEST_TMPDIR/empty"
        fails_with InvalidImage - "no manifest.json" -- nexcage import "$BATS_TEST_TMPDIR/other.tar"
        fails_with Usage - "not a directory" -- nexcage import "oci:$BATS_TEST_TMPDIR/other.tar"
        assert_store_empty
}

@test "import: an archive that is cut, and one that grows without end" {
        skopeo copy -q "oci:$(layout busybox):latest" "docker-archive:$BATS_TEST_TMPDIR/d.tar:bb:2"
        head -c 300000 "$BATS_TEST_TMPDIR/d.tar" >"$BATS_TEST_TMPDIR/cut.tar"
        fails_with InvalidImage - "read archive" -- nexcage import "$BATS_TEST_TMPDIR/cut.tar"
        truncate -s 3G "$BATS_TEST_TMPDIR/zeros"
        tar c -C "$BATS_TEST_TMPDIR" zeros | gzip -1 >"$BATS_TEST_TMPDIR/bomb.tar.gz"
        rm "$BATS_TEST_TMPDIR/zeros"
        fails_with InvalidImage - "times its size" -- nexcage import "$BATS_TEST_TMPDIR/bomb.tar.gz"
        assert_store_empty
}

@test "import: names and links of an archive lead nowhere" {
        local dir=$BATS_TEST_TMPDIR/a canary=$BATS_TEST_TMPDIR/canary
        mkdir -p "$dir"
        echo secret >"$canary"
        ln -s "$canary" "$dir/layer.tar"
        echo '[{"Config":"config.json","RepoTags":["x:1"],"Layers":["layer.tar"]}]' >"$dir/manifest.json"
        echo '{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}' >"$dir/config.json"
        tar cPf "$BATS_TEST_TMPDIR/link.tar" -C "$dir" layer.tar manifest.json config.json
        fails_with InvalidImage - "'layer.tar' is named in manifest.json, but not in" -- \
                nexcage import "$BATS_TEST_TMPDIR/link.tar"
        tar cPf "$BATS_TEST_TMPDIR/up.tar" --transform "s,^canary,../../../../../../..$canary.written," \
                -C "$BATS_TEST_TMPDIR" canary -C "$dir" manifest.json config.json
        fails_with InvalidImage - "layer.tar" -- nexcage import "$BATS_TEST_TMPDIR/up.tar"
        [ ! -e "$canary.written" ]
        assert_store_empty
}

wrong_images_are_refused()
{
        local case dir=$BATS_TEST_TMPDIR/spoiled
        nexcage import "$(layout busybox)" localhost/other:1
        # with the right one in the store already, and without
        [ "${WITH_RIGHT_ONE:-}" ] && nexcage import "$(layout everything)" localhost/right:1
        store_contents >"$BATS_TEST_TMPDIR/before"
        for case in $("$NXC_TOOLS/spoil-layout.py"); do
                rm -rf "$dir"
                "$NXC_TOOLS/spoil-layout.py" "$(layout everything)" "$dir" "$case"
                fails_with InvalidImage - "" -- nexcage import "$dir" localhost/spoiled:1 || fail "case $case" || return 1
                store_contents | diff "$BATS_TEST_TMPDIR/before" - || fail "case $case left something" || return 1
                # the same in an archive
                case $case in index-no-json | layer-is-link) continue ;; esac # a link within an archive is fine
                tar cf "$dir.tar" -C "$dir" .
                fails_with InvalidImage - "" -- nexcage import "oci-archive:$dir.tar" localhost/spoiled:1 ||
                        fail "case $case in an archive" || return 1
                store_contents | diff "$BATS_TEST_TMPDIR/before" - || fail "case $case left something" || return 1
        done
}

@test "whatever is wrong in an image: InvalidImage, and nothing of it stays" {
        wrong_images_are_refused
}

@test "whatever is wrong in an image, with the right one in the store already" {
        WITH_RIGHT_ONE=1 wrong_images_are_refused
}

# ---- out

@test "save: three formats that skopeo and podman take; the same bytes every time; what comes back is the same image" {
        local format out=$BATS_TEST_TMPDIR id
        import_image busybox localhost/bb:1
        id=$(image_id localhost/bb:1)
        nexcage save --format oci-archive -o "$out/o.tar" localhost/bb:1
        nexcage save --format docker-archive -o "$out/d.tar" localhost/bb:1
        nexcage save --format oci-dir -o "$out/dir" localhost/bb:1
        sleep 1
        nexcage save --format oci-archive localhost/bb:1 >"$out/again.tar"
        cmp "$out/o.tar" "$out/again.tar"
        skopeo copy -q "oci-archive:$out/o.tar" "dir:$out/1"
        skopeo copy -q "docker-archive:$out/d.tar" "dir:$out/2"
        skopeo copy -q "oci:$out/dir" "dir:$out/3"
        podman_ load -q -i "$out/o.tar"
        podman_ load -q -i "$out/d.tar"
        [ "$(podman_ image inspect --format '{{.Id}}' localhost/bb:1)" = "${id#sha256:}" ]
        nexcage rmi localhost/bb:1
        for format in o.tar d.tar dir; do
                nexcage import "$out/$format"
                [ "$(image_id localhost/bb:1)" = "$id" ]
                nexcage rmi localhost/bb:1
        done
        assert_store_empty
}

@test "save: what is wrong is not written, and no part of it is left" {
        import_image everything localhost/e:1
        mkdir "$BATS_TEST_TMPDIR/full"
        touch "$BATS_TEST_TMPDIR/full/something"
        fails_with FileError - "not empty" -- nexcage save --format oci-dir -o "$BATS_TEST_TMPDIR/full" localhost/e:1
        fails_with FileError - "create" -- nexcage save -o /nonexistent/x localhost/e:1
        spoil_blob "$(nexcage inspect localhost/e:1 | jq -r '.. | .layers? // empty | .[0] | .digest? // .' | head -1)"
        fails_with InvalidImage - "digest" -- nexcage save --format oci-archive -o "$BATS_TEST_TMPDIR/o.tar" localhost/e:1
        fails_with InvalidImage - "" -- nexcage save --format docker-archive -o "$BATS_TEST_TMPDIR/d.tar" localhost/e:1
        fails_with InvalidImage - "digest" -- nexcage save --format oci-dir -o "$BATS_TEST_TMPDIR/dir" localhost/e:1
        [ -z "$(find "$BATS_TEST_TMPDIR" -name 'o.tar*' -o -name 'd.tar*' -o -name dir)" ]
}

@test "save: not to a terminal" {
        import_image busybox localhost/bb:1
        run on_pty -- "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" save localhost/bb:1
        assert_output_has "Usage" "terminal"
}

# ---- names

@test "tag, rmi: blobs go with the last name" {
        import_image busybox localhost/bb:1
        nexcage tag localhost/bb:1 localhost/bb:2
        [ "$(image_id bb:2)" = "$(image_id bb:1)" ]
        nexcage rmi localhost/bb:1
        fails_with ImageNotFound - "localhost/bb:1" -- nexcage inspect localhost/bb:1
        nexcage verify localhost/bb:2
        nexcage rmi bb:2
        assert_store_empty
        fails_with ImageNotFound - "bb:2" -- nexcage rmi bb:2
        fails_with Usage - "" -- nexcage tag "No Name" x
}

@test "an image by its id, a prefix of it, its digest" {
        local id digest
        import_image busybox localhost/bb:1
        id=$(image_id localhost/bb:1)
        digest=$(nexcage images --format json | jq -r '.[0].digest')
        for name in "$id" "${id#sha256:}" "${id:7:12}" "${id:7:6}" "$digest" "localhost/bb@$digest" "bb:1@$digest"; do
                [ "$(image_id "$name")" = "$id" ] || fail "'$name' is not found" || return 1
        done
        fails_with ImageNotFound - "" -- nexcage inspect "${id:7:5}"
}

@test "what skopeo writes into the store is an image like another" {
        import_image busybox localhost/bb:1
        skopeo copy -q "oci:$(layout everything):latest" "oci:$NXC_STORE/images:plain"
        run nexcage images --format json
        assert_json '.[1].name' plain
        fails_with InvalidImage - "not unpacked" -- nexcage verify plain
        nexcage verify --repair plain
        nexcage verify plain
}

# ---- rechecked

# spoil FILE PLACE: another byte, the same size; a file that is too short for the place gets its last one changed.
spoil()
{
        python3 - "$1" "$2" <<'PYTHON'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[min(int(sys.argv[2]), len(data) - 1)] ^= 1
open(sys.argv[1], "r+b").write(data)
PYTHON
}

# spoil_blob DIGEST
spoil_blob()
{
        spoil "$NXC_STORE/images/blobs/sha256/${1#sha256:}" -9
}

@test "verify --repair: a changed layer is unpacked again, a wrong blob is fetched again" {
        nexcage pull -q "$NXC_REGISTRY/everything"
        local layer blob
        layer=$(find "$NXC_STORE/layers" -maxdepth 1 -name 'sha256-*.erofs' | head -1)
        [ -n "$layer" ] || layer=$(find "$NXC_STORE/layers" -path '*/root/etc/passwd' | head -1)
        spoil "$layer" 5000
        fails_with InvalidImage - "were changed" -- nexcage verify
        nexcage verify --repair
        nexcage verify
        rm -rf "$NXC_STORE"/layers/sha256-*
        fails_with InvalidImage - "not unpacked" -- nexcage verify
        nexcage verify --repair
        blob=$(find "$NXC_STORE/images/blobs/sha256" -type f -size +100k)
        spoil_blob "sha256:${blob##*/}"
        fails_with InvalidImage - "digest" -- nexcage verify
        fails_with InvalidImage - "taken away" -- nexcage verify --repair
        nexcage pull -q "$NXC_REGISTRY/everything"
        nexcage verify
}

@test "a damaged image: one error, and rmi takes it away" {
        import_image everything localhost/e:1
        import_image busybox localhost/bb:1
        local id
        id=$(image_id localhost/e:1)
        echo >>"$NXC_STORE/images/blobs/sha256/${id#sha256:}"
        fails_with InvalidImage - "bytes instead of" -- nexcage inspect localhost/e:1
        [ "$(nexcage images -q | wc -l)" -eq 1 ]
        nexcage rmi localhost/e:1
        run nexcage images -q
        [ "${#lines[@]}" -eq 1 ] # and no warning
        [ ! -e "$NXC_STORE/images/blobs/sha256/${id#sha256:}" ]
        nexcage verify
}

# ---- processes, disks

@test "pull: killed at any time, the next command sweeps up and succeeds" {
        requires_image debian
        local delay
        for delay in 0.02 0.05 0.1 0.2 0.4 0.8 1.2 1.6; do
                "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" pull -q "$NXC_REGISTRY/debian" \
                        </dev/null >/dev/null 2>&1 3>&- &
                sleep "$delay"
                kill -9 $! || true
                wait $! || true # until it has let its locks go
                nexcage prune >/dev/null
                [ -z "$(find "$NXC_STORE" -name '.staging-*')" ] || fail "staging areas left after $delay s" || return 1
                nexcage verify
        done
        nexcage pull -q "$NXC_REGISTRY/debian"
        nexcage verify
}

@test "a full disk: FileError, and the store is as before" {
        mount -t tmpfs -o size=3m none "$NXC_STORE" || skip "cannot mount a tmpfs"
        local before
        nexcage pull -q "$NXC_REGISTRY/busybox"
        before=$(store_contents)
        fails_with FileError - "No space left on device" -- nexcage pull "$NXC_REGISTRY/everything"
        fails_with FileError - "No space left on device" -- nexcage import "$(layout everything)" localhost/e:1
        [ "$(store_contents)" = "$before" ]
        nexcage verify
        umount "$NXC_STORE"
}

@test "a read-only store: what is there can be used, what is not cannot be brought" {
        mount -t tmpfs -o size=16m none "$NXC_STORE" || skip "cannot mount a tmpfs"
        nexcage pull -q "$NXC_REGISTRY/busybox"
        mount -o remount,ro "$NXC_STORE"
        nexcage images
        nexcage verify
        nexcage pull -q --policy missing "$NXC_REGISTRY/busybox"
        fails_with FileError - "Read-only file system" -- nexcage pull --policy missing "$NXC_REGISTRY/everything"
        fails_with FileError - "Read-only file system" -- nexcage tag "$NXC_REGISTRY/busybox" x
        umount "$NXC_STORE"
}

@test "pull: at most 64 MiB of memory" {
        requires_image debian
        run python3 - "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" pull -q "$NXC_REGISTRY/debian" <<'PYTHON'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PYTHON
        assert_status 0
        [ "$output" -le 65536 ] || fail "$output KiB"
}

# ---- layers, history, the whole store

# two_layered: localhost/one:1 and localhost/two:1 upon busybox, with layers of their own.
two_layered()
{
        local name
        for name in one two; do
                cp -r "$NXC_TEST_CACHE/busybox" "$BATS_TEST_TMPDIR/$name"
        done
        "$NXC_TOOLS/layered.py" "$BATS_TEST_TMPDIR/one" 2
        "$NXC_TOOLS/layered.py" "$BATS_TEST_TMPDIR/two" 3
        for name in one two; do
                nexcage import "oci:$BATS_TEST_TMPDIR/$name:latest" "localhost/$name:1" 2>/dev/null
        done
}

@test "layers: what is shared, what is an image's own, what nobody uses" {
        two_layered
        nexcage tag localhost/one:1 localhost/uno:1
        run --separate-stderr nexcage layers --format json
        assert_json '(.layers | length) == 4 and (.images | length) == 2' true
        assert_json '[.layers[].sharing] == ["shared", "shared", "shared", "own"]' true
        assert_json 'all(.layers[]; .present and .bytes > 0)' true
        assert_json '.images[0].names == ["localhost/one:1", "localhost/uno:1"] and .images[0].ownBytes == 0' true
        assert_json '.images[1] | .ownBytes > 0 and .bytes == .ownBytes + .sharedBytes and (.layers | length) == 4' true
        run --separate-stderr nexcage layers
        [ "${#lines[@]}" -eq 5 ]
        assert_output_has "localhost/two:1"
        rm "$NXC_STORE/images/index.json"
        echo '{"schemaVersion":2,"manifests":[]}' >"$NXC_STORE/images/index.json"
        run --separate-stderr nexcage layers --format json
        assert_json '.images == [] and all(.layers[]; .sharing == "unused")' true
        nexcage prune
        run --separate-stderr nexcage layers --format json
        assert_json '.layers == []' true
        [ -z "$(find "$NXC_STORE/layers" -name '*.erofs')" ]
}

@test "layers: the graph for Graphviz" {
        two_layered
        run --separate-stderr nexcage layers --format dot
        [ "${lines[0]}" = "digraph layers {" ] && [ "${lines[-1]}" = "}" ]
        [ "$(grep -c 'shape=ellipse' <<<"$output")" -eq 2 ]
        [ "$(grep -c '[il][0-9]* -> l[0-9]*;' <<<"$output")" -eq 5 ] # three upon each other, and two images
        assert_output_has 'label="localhost/two:1"'
}

@test "history: the steps of the configuration, or the layers" {
        two_layered
        run --separate-stderr nexcage history --format json localhost/two:1
        assert_json 'length >= 1 and all(.[]; has("layer") and has("created") and has("createdBy") and has("size"))' true
        run --separate-stderr nexcage history localhost/two:1
        assert_output_has "CREATED BY"
        fails_with ImageNotFound - "nosuch" -- nexcage history nosuch
}

@test "verify --all: layers without an image, and meta.db" {
        two_layered
        local layer
        nexcage verify --all
        echo '{"schemaVersion":2,"manifests":[]}' >"$NXC_STORE/images/index.json"
        layer=$(find "$NXC_STORE/layers" -maxdepth 1 -name 'sha256-*.erofs' | head -1)
        [ -n "$layer" ] || layer=$(find "$NXC_STORE/layers" -path '*/root/srv/last' | head -1)
        spoil "$layer" 5000
        nexcage verify
        fails_with InvalidImage - "were changed" -- nexcage verify --all
        nexcage verify --all --repair
        [ ! -e "$layer" ]
        printf 'SQLite format 3\0 and nothing that is one, at least a hundred bytes of it, so that it is opened at all, and more' \
                >"$NXC_STORE/meta.db"
        fails_with InvalidImage - "meta.db" -- nexcage verify --all
        nexcage verify --all --repair
        [ ! -e "$NXC_STORE/meta.db" ]
}

# So many that they are listed from meta.db.
add_many_names()
{
        python3 - "$NXC_STORE/images/index.json" <<'PYTHON'
import copy, json, sys
path = sys.argv[1]
index = json.load(open(path))
for i in range(400):
    entry = copy.deepcopy(index["manifests"][0])
    entry["annotations"]["org.opencontainers.image.ref.name"] = "localhost/many:%d" % i
    index["manifests"].append(entry)
json.dump(index, open(path, "w"))
PYTHON
}

@test "images: of many, the list is the same from meta.db, and with meta.db gone or read-only" {
        import_image busybox localhost/bb:1
        local direct
        add_many_names
        run nexcage images --names
        [ "${#lines[@]}" -eq 401 ]
        [ -e "$NXC_STORE/meta.db" ]
        direct=$output
        nexcage tag localhost/bb:1 localhost/new:1
        run nexcage images --names
        [ "$output" = "$direct"$'\n'"localhost/new:1" ]
        rm "$NXC_STORE"/meta.db*
        run nexcage images --names
        [ "$output" = "$direct"$'\n'"localhost/new:1" ]
        echo broken >"$NXC_STORE/meta.db"
        run nexcage images --names
        [ "$output" = "$direct"$'\n'"localhost/new:1" ]
        rm "$NXC_STORE"/meta.db*
        NXC_ENGINE_MODULE=/nonexistent run nexcage images --names
        [ "$output" = "$direct"$'\n'"localhost/new:1" ]
}

# bats test_tags=watched
@test "images: of many, prune, rmi and verify --all look at the store that they opened" {
        import_image busybox localhost/bb:1
        add_many_names
        run nexcage prune
        assert_status 0
        assert_output_has "removed: 0 images, 0 layers"
        run nexcage rmi localhost/many:7
        assert_status 0
        run nexcage verify --all
        assert_status 0
        assert_output_has "localhost/many:399: ok"
        run nexcage images --names
        [ "${#lines[@]}" -eq 400 ]
}
