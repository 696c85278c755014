# Failing and dying at every step of the flow: nothing is left behind, by the command itself or by the next one.
load helpers

setup_file()
{
        nxc_setup_file
        export BUNDLE=$BATS_FILE_TMPDIR/bundle
        make_bundle "$BUNDLE" '.process.args = ["sleep", "100"]'
        import_image busybox
        # What first commands make for good, the pulled image among it.
        nexcage run --rm "$NXC_REGISTRY/busybox:latest" true
        nexcage create --bundle "$BUNDLE" first
        nexcage delete --force first
}

teardown_file()
{
        nxc_teardown_file
}

# All of them, or those from which on a driver differs from another.
steps()
{
        "$NXC_TESTS/style/flow" --list | sed -n "/^${NXC_FIRST_STEP:-.*}\$/,\$p"
}

# The three ways into the flow. The steps that a way does not take inject nothing: the command succeeds and is undone here.
create_image()
{
        nexcage create --pid-file "$BATS_TEST_TMPDIR/pid" --pull=always --image "$NXC_REGISTRY/busybox:latest" victim
}

create_bundle()
{
        nexcage create --pid-file "$BATS_TEST_TMPDIR/pid" --bundle "$BUNDLE" victim
}

create_dir()
{
        nexcage create --pid-file "$BATS_TEST_TMPDIR/pid" --storage dir --image localhost/busybox victim
}

create_raw()
{
        nexcage create --pid-file "$BATS_TEST_TMPDIR/pid" --storage raw --storage-size 64m --image localhost/busybox victim
}

run_raw()
{
        nexcage run --rm --pidfile "$BATS_TEST_TMPDIR/pid" --storage raw --name victim localhost/busybox true
}

run_image()
{
        nexcage run --rm --pidfile "$BATS_TEST_TMPDIR/pid" --name victim --pull=always -v /var/tmp \
                "$NXC_REGISTRY/busybox:latest" true
}

# inject FLAG STEP COMMAND: whether the fault was met.
injected()
{
        local flag=$1 step=$2
        shift 2
        rm -f "$BATS_TEST_TMPDIR/pid"
        # Not by `run`: a created container would keep its pipe open.
        status=0
        NXC_DEBUG=$flag=$step "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- || status=$?
        output=$(cat "$BATS_TEST_TMPDIR/out")
        if [ "$status" -eq 0 ]; then
                nexcage delete --force victim
                return 1
        fi
}

fail_at_each()
{
        local flag=$1 command=$2 step met=0
        snapshot_machine
        for step in $(steps); do
                if injected "$flag" "$step" "$command"; then
                        met=$((met + 1))
                        assert_output_has "injected failure" "$step" || return 1
                fi
                rm -f "$BATS_TEST_TMPDIR/pid"
                assert_machine_unchanged || fail "after $flag=$step" || return 1
        done
        [ "$met" -ge "${NXC_LEAST_STEPS:-9}" ] || fail "only $met steps were met"
}

kill_at_each()
{
        local flag=$1 command=$2 step met=0
        snapshot_machine
        for step in $(steps); do
                injected "$flag" "$step" "$command" && met=$((met + 1))
                rm -f "$BATS_TEST_TMPDIR/pid"
                # The next command, whatever it is.
                nexcage list >/dev/null || return 1
                assert_machine_unchanged || fail "after $flag=$step" || return 1
                run nexcage state victim
                assert_output_has "does not exist" || return 1
        done
        [ "$met" -ge "${NXC_LEAST_STEPS:-9}" ] || fail "only $met steps were met"
}

@test "create --image: fail after every step" {
        fail_at_each fail-at create_image
}

@test "create --image: fail before every step" {
        fail_at_each fail-before create_image
}

@test "create --bundle: fail after every step" {
        fail_at_each fail-at create_bundle
}

@test "run IMAGE: fail after every step" {
        fail_at_each fail-at run_image
}

@test "create --image: kill -9 after every step, then the next command" {
        kill_at_each kill-at create_image
}

@test "create --image: kill -9 before every step, then the next command" {
        kill_at_each kill-before create_image
}

@test "create --bundle: kill -9 after every step, then the next command" {
        kill_at_each kill-at create_bundle
}

@test "run IMAGE: kill -9 after every step, then the next command" {
        kill_at_each kill-at run_image
}

# From the first step that knows its driver on: prepare, make, attach, and what comes above them.
each_driver()
{
        local command driver=$1
        shift
        [ -z "$(nexcage info --format json | jq -r --arg d "$driver" '.storageDrivers[] | select(.name == $d) | .missing // empty')" ] ||
                skip "no usable storage driver '$driver' here: nexcage doctor"
        export NXC_FIRST_STEP=mount-layers NXC_LEAST_STEPS=7
        for command; do
                "${command%%:*}" "${command#*:}" "create_$driver" || return 1
        done
}

@test "create --storage dir: fail and kill -9, after and before every step" {
        each_driver dir fail_at_each:fail-at kill_at_each:kill-at kill_at_each:kill-before
}

@test "create --storage raw: fail after and before every step" {
        each_driver raw fail_at_each:fail-at fail_at_each:fail-before
}

@test "create --storage raw: kill -9 after and before every step" {
        each_driver raw kill_at_each:kill-at kill_at_each:kill-before
}

@test "run --storage raw: kill -9 after every step" {
        NXC_FIRST_STEP=mount-layers NXC_LEAST_STEPS=6 kill_at_each kill-at run_raw
}

@test "a pull that is killed leaves nothing that the next prune does not take" {
        snapshot_machine
        local image=$NXC_REGISTRY/everything:latest i
        for i in 0.01 0.03 0.06 0.1 0.15; do
                timeout -s KILL $i "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" pull "$image" || true
        done
        nexcage rmi "$image" 2>/dev/null || true
        nexcage prune
        assert_machine_unchanged
}

@test "signals: an interrupted run ends its container and leaves nothing" {
        local signal
        snapshot_machine
        for signal in INT TERM HUP; do
                "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" run --rm --name victim localhost/busybox sh -c \
                        'trap "exit 3" INT TERM HUP; while :; do sleep 0.05; done' </dev/null >/dev/null 2>&1 3>&- &
                local pid=$!
                wait_for 5 eval '[ "$(status_of victim 2>/dev/null)" = running ]'
                sleep 0.2
                kill -s "$signal" $pid
                wait $pid && fail "exit status 0 after $signal"
                assert_machine_unchanged
        done
}
