# Hooks: the six points, their order, their input, and what a failing one does.
load helpers

setup_file()
{
        nxc_setup_file
        export BUNDLE=$BATS_FILE_TMPDIR/bundle
        make_bundle "$BUNDLE"
        cp "$BUNDLE/config.json" "$BATS_FILE_TMPDIR/plain.json"
        nexcage run --bundle "$BUNDLE" first
}

teardown_file()
{
        nxc_teardown_file
}

teardown()
{
        nexcage delete --force h
}

setup()
{
        LOG=$BATS_TEST_TMPDIR/log
        cp "$BATS_FILE_TMPDIR/plain.json" "$BUNDLE/config.json"
        printf '#!/bin/sh\nstate=$(cat)\necho "$1 $state" >>"%s"\n' "$LOG" >"$BATS_TEST_TMPDIR/hook"
        chmod +x "$BATS_TEST_TMPDIR/hook"
        # In the container's own namespaces.
        printf '#!/bin/sh\ncat >/dev/null\necho "$1" >>/hooklog\n' >"$BUNDLE/rootfs/bin/hook"
        chmod +x "$BUNDLE/rootfs/bin/hook"
        rm -f "$BUNDLE/rootfs/hooklog"
}

# host_hooks POINT...: each writes its point and its standard input to LOG.
host_hooks()
{
        local point
        for point; do
                edit_bundle "$BUNDLE" ".hooks.$point = [{\"path\": \"$BATS_TEST_TMPDIR/hook\", \"args\": [\"hook\", \"$point\"]}]"
        done
}

failing_hook()
{
        printf '#!/bin/sh\ncat >/dev/null\necho "no good reason" >&2\nexit 7\n' >"$BATS_TEST_TMPDIR/failing"
        chmod +x "$BATS_TEST_TMPDIR/failing"
        edit_bundle "$BUNDLE" ".hooks.$1 = [{\"path\": \"$BATS_TEST_TMPDIR/failing\"}]"
}

@test "all points on the host, in order, with the state on standard input" {
        host_hooks prestart createRuntime poststart poststop
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "sleep 0.2"] | .annotations = {"note": "yes"}'
        nexcage run --bundle "$BUNDLE" h
        run cut -d' ' -f1 "$LOG"
        assert_output_is $'prestart\ncreateRuntime\npoststart\npoststop'
        run sed -n 's/^createRuntime //p' "$LOG"
        assert_json .id h
        # crun runs it at the right place, but calls it created.
        assert_json '.status | test("^creat(ing|ed)$")' true
        # runc gets a copy of the bundle when its spec had to be changed: here poststart, which it would run too early.
        assert_json ".bundle | . == \"$BUNDLE\" or startswith(\"$NXC_ROOT/\")" true
        assert_json '.pid > 0' true
        assert_json .annotations.note yes
        assert_json '.ociVersion | test("^1\\.")' true
        run sed -n 's/^poststart //p' "$LOG"
        assert_json .status running
        run sed -n 's/^poststop //p' "$LOG"
        assert_json .status stopped
}

@test "create runs prestart and createRuntime, start runs poststart, delete runs poststop" {
        host_hooks prestart createRuntime poststart poststop
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "100"]'
        nexcage create --bundle "$BUNDLE" h
        run cut -d' ' -f1 "$LOG"
        assert_output_is $'prestart\ncreateRuntime'
        nexcage start h
        run cut -d' ' -f1 "$LOG"
        assert_output_is $'prestart\ncreateRuntime\npoststart'
        nexcage delete --force h
        run cut -d' ' -f1 "$LOG"
        assert_output_is $'prestart\ncreateRuntime\npoststart\npoststop'
}

@test "createContainer and startContainer run in the container's namespaces" {
        edit_bundle "$BUNDLE" '.root.readonly = false | .hooks.startContainer = [{"path": "/bin/hook", "args": ["hook", "start"]}]'
        nexcage run --bundle "$BUNDLE" h
        [ "$(cat "$BUNDLE/rootfs/hooklog")" = start ]
        host_hooks createContainer
        nexcage run --bundle "$BUNDLE" h
        grep -q '^createContainer ' "$LOG"
}

@test "env and args are the hook's own" {
        printf '#!/bin/sh\ncat >/dev/null\necho "$0 $* [$A] [$HOME]" >>"%s"\n' "$LOG" >"$BATS_TEST_TMPDIR/hook"
        edit_bundle "$BUNDLE" ".hooks.createRuntime = [{\"path\": \"$BATS_TEST_TMPDIR/hook\", \"args\": [\"x\", \"1\", \"two words\"], \"env\": [\"A=b\"]}]"
        nexcage run --bundle "$BUNDLE" h
        grep -q '1 two words \[b\] \[\]' "$LOG" || fail "$(cat "$LOG")"
}

@test "a failing hook before the start aborts, with its point and its words, and nothing is left" {
        local point
        for point in prestart createRuntime createContainer; do
                cp "$BATS_FILE_TMPDIR/plain.json" "$BUNDLE/config.json"
                failing_hook $point
                snapshot_machine
                run nexcage create --bundle "$BUNDLE" h
                assert_status 1
                assert_output_has hook
                assert_machine_unchanged
        done
        cp "$BATS_FILE_TMPDIR/plain.json" "$BUNDLE/config.json"
        failing_hook startContainer
        run nexcage run --bundle "$BUNDLE" h
        [ "$status" -ne 0 ]
        nexcage delete --force h
        fails_with ContainerNotFound - "does not exist" -- nexcage state h
}

@test "a hook that does not end is killed at its timeout" {
        printf '#!/bin/sh\nexec sleep 4711\n' >"$BATS_TEST_TMPDIR/slow"
        chmod +x "$BATS_TEST_TMPDIR/slow"
        edit_bundle "$BUNDLE" ".hooks.createRuntime = [{\"path\": \"$BATS_TEST_TMPDIR/slow\", \"timeout\": 1}]"
        snapshot_machine
        run timeout 20 "$NEXCAGE" --root "$NXC_ROOT" create --bundle "$BUNDLE" h
        assert_status 1
        assert_machine_unchanged
}

@test "a hook that nexcage runs is killed at its timeout with its whole process group" {
        printf '#!/bin/sh\nsleep 4711 &\nsleep 4711\n' >"$BATS_TEST_TMPDIR/slow"
        chmod +x "$BATS_TEST_TMPDIR/slow"
        edit_bundle "$BUNDLE" ".hooks.createRuntime = [{\"path\": \"$BATS_TEST_TMPDIR/slow\", \"timeout\": 1}]"
        run timeout 20 "$NEXCAGE" --root "$NXC_ROOT" run --hook-failure=continue --bundle "$BUNDLE" h
        assert_status 0
        run pgrep -f 'sleep 4711'
        assert_status 1
}

@test "--hook-failure=continue: logged, and the flow goes on" {
        failing_hook createRuntime
        edit_bundle "$BUNDLE" '.process.args = ["echo", "went on"]'
        run nexcage run --hook-failure=continue --bundle "$BUNDLE" h
        assert_status 0
        assert_output_has "went on" "no good reason"
        printf '[runtime]\ndefault = %s\n[hooks]\non_failure = continue\n' "$NXC_TEST_RUNTIME" >"$BATS_TEST_TMPDIR/conf"
        NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/conf run nexcage run --bundle "$BUNDLE" h
        assert_status 0
        # What the command line says is stronger.
        NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/conf run nexcage create --hook-failure=abort --bundle "$BUNDLE" h
        assert_status 1
}

@test "a failing poststop only warns" {
        failing_hook poststop
        nexcage run --bundle "$BUNDLE" h
        fails_with ContainerNotFound - "does not exist" -- nexcage state h
}

@test "a hook that is not there" {
        edit_bundle "$BUNDLE" '.hooks.createRuntime = [{"path": "/nosuch/hook"}]'
        snapshot_machine
        run nexcage create --bundle "$BUNDLE" h
        assert_status 1
        assert_output_has hook
        assert_machine_unchanged
        edit_bundle "$BUNDLE" '.hooks.createRuntime = [{"path": "relative"}]'
        fails_with InvalidSpec check-required hooks.createRuntime -- nexcage create --bundle "$BUNDLE" h
}
