# shellcheck disable=SC2016,SC2317
# Want of memory is an error like another: each of the allocations of a command fails, one run after the other (all of them
# where they are few, else a sample), or all from there on. The command says OutOfMemory, or succeeds with the result that it
# always has; it never dies of it; and what it began is gone after the next command. See tests/tools/oom-preload.c.
load helpers

setup_file()
{
        nxc_setup_file
        OOM_PRELOAD=$(dirname "$NEXCAGE")/tests/tools/oom-preload.so
        export OOM_PRELOAD BUNDLE=$BATS_FILE_TMPDIR/bundle IMAGE=localhost/busybox:latest
        make_bundle "$BUNDLE" '.process.args = ["sleep", "1000"] | .annotations = {"a": "b"}'
        import_image busybox
        import_image everything
        # What first commands make for good.
        nexcage create --image "$IMAGE" oom
        nexcage delete --force oom
        cp -a "$NXC_STORE" "$BATS_FILE_TMPDIR/store.before"
}

teardown_file()
{
        nxc_teardown_file
}

setup()
{
        [ -e "$OOM_PRELOAD" ] || skip "not built: $OOM_PRELOAD"
        # The world before each run, and what a later command does after one that failed.
        world() { :; }
        later() { nexcage list >/dev/null; }
        # What a run that succeeded has made.
        result() { :; }
        OOM_ALL='' OOM_OTHER_WORDS='[^ -~]'
}

teardown()
{
        nexcage delete --force oom >/dev/null 2>&1 || true
}

# starved VARIABLE=VALUE COMMAND...
starved()
{
        env ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0" LD_PRELOAD="$OOM_PRELOAD" ${OOM_ALL:+NXC_OOM_ALL=1} "$1" \
                "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" "${@:2}" </dev/null >"$OUT" 2>"$ERR"
}

# Files and mounts of this file's own; the machine as a whole is looked at once per test.
things()
{
        awk -v p="$BATS_FILE_TMPDIR/" 'index($5, p) == 1 { print "mount", $5 }' /proc/self/mountinfo | sort
        find "$NXC_ROOT" "$NXC_STORE" -xdev \( -name .inflight -o -path "$NXC_STORE/locks" -o -name .lock \) -prune -o \
                -printf '%p %y %m %l' \( -type f -printf ' %s\n' -o -printf '\n' \) | sort
}

# The loader and libarchive have no other way to say it; and libcurl says what it could not do, not why.
says_so()
{
        grep -q -e OutOfMemory -e 'Fatal Internal Error in libarchive' -e 'cannot allocate memory for thread-local' \
                -e "RegistryError.*$OOM_OTHER_WORDS" "$ERR"
}

# What a command printed, but for the free space of a disk that others write to.
printed()
{
        sed '/availableBytes/d' "$1"
}

# one N COMMAND...: with the N-th allocation failing.
one()
{
        local n=$1 status=0
        shift
        world
        starved NXC_OOM_AT="$n" "$@" || status=$?
        if [ $status -eq 0 ]; then
                cmp -s <(printed "$OUT") <(printed "$OUT.good") ||
                        fail "$n: succeeds with" "$(diff "$OUT.good" "$OUT")" || return 1
                [ "$(result)" = "$GOOD" ] || fail "$n: succeeds with another result" "$(diff - <(result) <<<"$GOOD")"
                return
        fi
        [ $status -lt 128 ] && says_so || fail "$n: exit status $status" "$(cat "$ERR")" || return 1
        later
        cmp -s <(things) "$OUT.before" || fail "$n: left behind" "$(diff "$OUT.before" <(things))" "$(cat "$ERR")"
}

# sweep MOST COMMAND...: at most so many runs.
sweep()
{
        local most=$1 n count step
        shift
        [ "$NXC_TEST_RUNTIME" = crun ] || most=$((most / 3 + 1))
        OUT=$BATS_TEST_TMPDIR/out ERR=$BATS_TEST_TMPDIR/err
        world
        things >"$OUT.before"
        starved NXC_OOM_COUNT="$BATS_TEST_TMPDIR/count" "$@" || fail "without a fault:" "$(cat "$ERR")" || return 1
        cp "$OUT" "$OUT.good"
        GOOD=$(result)
        count=$(cat "$BATS_TEST_TMPDIR/count")
        step=$(((count + most - 1) / most))
        for ((n = 1; n <= count; n += step)); do
                one "$n" "$@" || fail "nexcage $*" || return 1
        done
        echo "# $count allocations, $((1 + (count - 1) / step)) of them failed: $*"
}

# liblxc repeats an allocation until it succeeds, so that it never ends here.
all_from_there()
{
        [ "$NXC_TEST_RUNTIME" != lxc ] || return 0
        OOM_ALL=1
        sweep "$@"
}

@test "what prints without a store: features, spec, info, help, introspect" {
        sweep 30 features
        sweep 12 info --format=json
        sweep 6 info
        sweep 18 --help
        sweep 18 introspect
        world() { rm -f "$BUNDLE/spec/config.json"; }
        result() { cat "$BUNDLE/spec/config.json"; }
        later() { rm -f "$BUNDLE/spec/config.json"; }
        mkdir "$BUNDLE/spec"
        sweep 36 spec --bundle "$BUNDLE/spec"
}

@test "what prints images: images, inspect" {
        sweep 66 images --format=json
        sweep 24 images -q
        sweep 24 inspect "$IMAGE"
        all_from_there 12 inspect "$IMAGE"
}

@test "what prints containers: list, state, ps, events" {
        nexcage create --bundle "$BUNDLE" oom
        sweep 42 list
        sweep 24 list --format=json
        sweep 54 state oom
        sweep 24 ps --format=json oom
        sweep 12 ps oom
        all_from_there 12 state oom
}

@test "--dry-run" {
        sweep 36 run --dry-run=json --name oom "$IMAGE" true
        sweep 12 run --dry-run --name oom "$IMAGE" true
        sweep 12 create --dry-run=json --bundle "$BUNDLE" oom
}

state_of_it()
{
        nexcage state oom | jq 'del(.pid, .created)'
        cat "$NXC_STORE"/containers/oom/bundle/config.json 2>/dev/null || true
}

@test "create --bundle" {
        snapshot_machine
        world() { nexcage delete --force oom 2>/dev/null || true; }
        result() { state_of_it; }
        rm -f "$BATS_TEST_TMPDIR/pid"
        sweep 36 create --pid-file "$BATS_TEST_TMPDIR/pid" --bundle "$BUNDLE" oom
        all_from_there 9 create --bundle "$BUNDLE" oom
        world
        assert_machine_unchanged
}

@test "create --image" {
        snapshot_machine
        world() { nexcage delete --force oom 2>/dev/null || true; }
        result() { state_of_it; }
        sweep 42 create -e A=b -v /var/tmp:/mnt:ro --memory 64m --image localhost/everything oom
        all_from_there 9 create --image "$IMAGE" oom
        world
        assert_machine_unchanged
}

@test "run --rm: nothing stays, whatever happens" {
        snapshot_machine
        result() { later; cmp <(things) "$OUT.before"; }
        sweep 36 run --rm --name oom "$IMAGE" echo hello
        all_from_there 9 run --rm --name oom "$IMAGE" echo hello
        assert_machine_unchanged
}

@test "exec" {
        nexcage create --bundle "$BUNDLE" oom
        nexcage start oom
        sweep 42 exec --user 1:1 -e A=b --cwd /tmp oom sh -c 'id -u; pwd; echo "$A"'
}

@test "verbs that change a container: start, kill, delete; what failed can be repeated" {
        # What failed may have been done in part; so only its end is compared.
        things() { :; }
        world() { nexcage delete --force oom 2>/dev/null || true; nexcage create --bundle "$BUNDLE" oom; }
        later() { nexcage start oom 2>/dev/null || true; [ "$(status_of oom)" = running ]; }
        sweep 9 start oom
        later() { nexcage kill oom KILL 2>/dev/null || true; wait_status oom stopped; }
        sweep 9 kill oom KILL
        later() { nexcage delete --force oom 2>/dev/null || true; ! nexcage state oom 2>/dev/null; }
        sweep 12 delete oom
        later
        snapshot_machine
        world() { nexcage delete --force oom 2>/dev/null || true; nexcage create --image "$IMAGE" oom; }
        sweep 12 delete --force oom
        all_from_there 6 delete --force oom
        later
        assert_machine_unchanged
}

fresh_store()
{
        rm -rf "$NXC_STORE"
        cp -a "$BATS_FILE_TMPDIR/store.before" "$NXC_STORE"
}

@test "import, pull, save, verify" {
        local layout=$NXC_TEST_CACHE/everything:latest
        world() { nexcage rmi -f "$name" >/dev/null 2>&1 || true; }
        later() { nexcage prune >/dev/null; }
        result() { nexcage verify >&2 && things; }
        name=localhost/everything
        sweep 12 import "oci:$layout" "$name"
        all_from_there 6 import "oci:$layout" "$name"
        skopeo copy -q "oci:$layout" "oci-archive:$BATS_TEST_TMPDIR/in.tar"
        sweep 7 import "$BATS_TEST_TMPDIR/in.tar" "$name"
        world
        name=$NXC_REGISTRY/everything:latest
        OOM_OTHER_WORDS=
        sweep 9 pull "$name"
        OOM_OTHER_WORDS='[^ -~]'
        fresh_store
        world() { rm -f "$BATS_TEST_TMPDIR/out.tar"; }
        result() { sha256sum "$BATS_TEST_TMPDIR/out.tar"; }
        sweep 12 save -o "$BATS_TEST_TMPDIR/out.tar" "$IMAGE"
        result() { :; }
        sweep 12 verify "$IMAGE"
}

@test "tag, rmi, prune" {
        world() { fresh_store; }
        result() { cat "$NXC_STORE/images/index.json"; }
        sweep 12 tag "$IMAGE" localhost/other:1
        sweep 6 prune
        # Half of it may have been done; the next rmi and prune do the rest.
        result() { things; }
        things() { :; }
        later() { nexcage rmi "$IMAGE" >/dev/null 2>&1 || true; nexcage prune >/dev/null; cmp <(store_files) "$OUT.end"; }
        store_files() { find "$NXC_STORE/images/blobs" "$NXC_STORE/layers" "$NXC_STORE/images/index.json" | sort; }
        world
        nexcage rmi "$IMAGE"
        store_files >"$BATS_TEST_TMPDIR/out.end"
        sweep 12 rmi "$IMAGE"
        fresh_store
}
