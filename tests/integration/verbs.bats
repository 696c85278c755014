# The runc verbs, as engines call them (docs: the man pages): flags, texts, documents.
load helpers

setup_file()
{
        nxc_setup_file
        import_image busybox
        export BUNDLE=$BATS_FILE_TMPDIR/bundle
        make_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
}

teardown_file()
{
        nxc_teardown_file
}

teardown()
{
        nexcage delete --force c >/dev/null 2>&1 || true
}

create_c()
{
        nexcage create --bundle "$BUNDLE" "$@" c
}

running_c()
{
        create_c "$@"
        nexcage start c
}

# bats test_tags=guest
@test "create leaves a created container, whose PID is in the file before create returns" {
        local pid
        create_c --pid-file "$BATS_TEST_TMPDIR/pid"
        pid=$(cat "$BATS_TEST_TMPDIR/pid")
        [ -d "/proc/$pid" ]
        run nexcage state c
        assert_json .status created
        assert_json .pid "$pid"
        assert_json .id c
        assert_json .bundle "$BUNDLE"
        assert_json .rootfs "$BUNDLE/rootfs"
        assert_json '.ociVersion | test("^1\\.")' true
        assert_json '.created | fromdateiso8601? // (sub("\\.[0-9]+";"") | fromdateiso8601) > 0' true
        assert_json .owner root
}

# bats test_tags=guest
@test "start, kill, delete; the states on the way" {
        create_c
        nexcage start c
        [ "$(status_of c)" = running ]
        fails_with InvalidState - "running" -- nexcage delete c
        assert_output_has "cannot delete container c that is not stopped: running"
        assert_status 1
        nexcage kill c KILL
        wait_status c stopped
        fails_with InvalidState - "container not running" -- nexcage kill c TERM
        nexcage delete c
        fails_with ContainerNotFound - "does not exist" -- nexcage state c
        assert_status 1
}

@test "start twice is refused" {
        running_c
        run nexcage start c
        assert_status 1
        assert_output_has InvalidState
}

@test "kill: by number, by name in any case, with and without SIG, --all; TERM by default" {
        local how
        for how in 9 KILL sigkill SIGKILL kill; do
                running_c
                nexcage kill c "$how"
                wait_status c stopped
                nexcage delete c
        done
        running_c
        nexcage kill --all c 9
        wait_status c stopped
        nexcage delete c
        running_c
        run nexcage kill c NOSUCH
        assert_status 1
        assert_output_has NOSUCH
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "trap \"exit 3\" TERM; while :; do sleep 0.1; done"]'
        nexcage delete --force c
        running_c
        sleep 0.3
        nexcage kill c
        wait_status c stopped
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
}

@test "delete of a created container kills it; --force of what does not exist is success" {
        create_c
        nexcage delete c
        run nexcage state c
        assert_status 1
        nexcage delete --force nosuch
        run nexcage delete nosuch
        assert_status 1
        assert_output_has "does not exist"
        running_c
        nexcage delete --force c
}

@test "an id that is in use" {
        create_c
        fails_with ContainerExists - "container with given ID already exists" -- create_c
        assert_status 1
        # The first one is untouched.
        [ "$(status_of c)" = created ]
}

@test "list: a table, JSON, ids" {
        running_c
        run nexcage list
        assert_output_has "ID" "PID" "STATUS" "BUNDLE" "CREATED" "OWNER"
        [[ ${lines[0]} =~ ^ID[[:space:]]+PID[[:space:]]+STATUS[[:space:]]+BUNDLE[[:space:]]+CREATED[[:space:]]+OWNER ]]
        [[ ${lines[1]} =~ ^c[[:space:]]+[0-9]+[[:space:]]+running ]]
        run nexcage list --format=json
        assert_json '.[] | select(.id == "c") | .status' running
        run nexcage list -q
        assert_output_is c
        nexcage delete --force c
        run --separate-stderr nexcage list --format json
        [ "$output" = "[]" ] || [ "$output" = null ]
}

@test "ps: a table from ps(1), and JSON" {
        running_c
        run nexcage ps --format json c
        assert_json length 1
        assert_json '.[0]' "$(nexcage state c | jq .pid)"
        run nexcage ps c
        assert_output_has PID "sleep 1000"
        run nexcage ps --format table c -o pid,comm
        assert_output_has COMMAND sleep
        [ "${#lines[@]}" -eq 2 ]
}

# bats test_tags=guest,cgroup
@test "pause and resume; what a paused container refuses" {
        running_c
        nexcage pause c
        [ "$(status_of c)" = paused ]
        run nexcage exec c true
        assert_status 125
        assert_output_has "container paused"
        nexcage resume c
        [ "$(status_of c)" = running ]
        nexcage exec c true
        # A frozen container can be killed all the same.
        nexcage pause c
        nexcage kill c KILL
        nexcage resume c 2>/dev/null || true
        wait_status c stopped
        nexcage delete c
}

# bats test_tags=guest,cgroup
@test "update: flags and --resources on standard input" {
        local cgroup
        running_c
        cgroup=$(awk -F: '$2 ~ /pids/ || $1 == 0 { print $3; exit }' "/proc/$(nexcage state c | jq .pid)/cgroup")
        nexcage update --pids-limit 55 c
        [ "$(cat "/sys/fs/cgroup/pids$cgroup/pids.max" "/sys/fs/cgroup$cgroup/pids.max" 2>/dev/null)" = 55 ]
        echo '{"pids": {"limit": 66}}' | nexcage_stdin update --resources=- c
        [ "$(cat "/sys/fs/cgroup/pids$cgroup/pids.max" "/sys/fs/cgroup$cgroup/pids.max" 2>/dev/null)" = 66 ]
        echo '{"pids": {"limit": 67}}' | nexcage_stdin update --resources - c
        [ "$(cat "/sys/fs/cgroup/pids$cgroup/pids.max" "/sys/fs/cgroup$cgroup/pids.max" 2>/dev/null)" = 67 ]
        fails_with InvalidJson - line -- bash -c "echo '{' | '$NEXCAGE' --root '$NXC_ROOT' update --resources=- c"
}

# bats test_tags=guest,cgroup
@test "events --stats: one object; events --interval: a stream that ends with the container" {
        running_c
        run --separate-stderr nexcage events --stats c
        assert_json .type stats
        assert_json .id c
        assert_json '.data.memory.usage.usage > 0' true
        assert_json '.data.pids.current >= 1' true
        assert_json '.data.cpu.usage.total > 0' true
        nexcage events --interval=100ms c >"$BATS_TEST_TMPDIR/events" 3>&- &
        local events=$!
        sleep 0.5
        nexcage kill c KILL
        wait "$events"
        [ "$(jq -s 'length > 1' "$BATS_TEST_TMPDIR/events")" = true ]
}

# bats test_tags=guest
@test "exec: a command, its exit code, its environment, user and directory" {
        running_c
        run --separate-stderr nexcage exec c sh -c 'echo in; exit 6'
        assert_output_is in
        assert_status 6
        run --separate-stderr nexcage exec --env A=1 -e B=2 --cwd /tmp --user 1000:50 c sh -c 'echo $A$B $(pwd) $(id -u) $(id -g)'
        assert_output_is "12 /tmp 1000 50"
        # podman's codes for people; engines, who send --process, get runc's.
        run -127 nexcage exec c /nosuch
        assert_output_has "no such file or directory"
        run nexcage exec nosuch true
        assert_status 125
        assert_output_has "does not exist"
        echo '{"cwd": "/", "args": ["/nosuch"], "user": {"uid": 0, "gid": 0}}' >"$BATS_TEST_TMPDIR/process.json"
        run nexcage exec --process "$BATS_TEST_TMPDIR/process.json" c
        assert_status 255
        assert_output_has "no such file or directory"
}

@test "exec: --process, --pid-file, --detach as conmon and the shim send them" {
        running_c
        echo '{"terminal": false, "cwd": "/", "args": ["sh", "-c", "echo from a file; exit 8"], "env": ["PATH=/bin"],
                "user": {"uid": 0, "gid": 0}}' >"$BATS_TEST_TMPDIR/process.json"
        run --separate-stderr nexcage exec --process "$BATS_TEST_TMPDIR/process.json" c
        assert_output_is "from a file"
        assert_status 8
        echo '{"cwd": "/", "args": ["sleep", "500"], "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}' \
                >"$BATS_TEST_TMPDIR/process.json"
        nexcage exec --pid-file "$BATS_TEST_TMPDIR/pid" --process "$BATS_TEST_TMPDIR/process.json" --detach c 3>&-
        [ "$(tr '\0' ' ' <"/proc/$(cat "$BATS_TEST_TMPDIR/pid")/cmdline")" = "sleep 500 " ]
        run nexcage ps --format json c
        assert_json length 2
}

@test "exec -t gets a fresh terminal" {
        running_c
        run on_pty -- "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" exec -t c tty
        assert_status 0
        assert_output_has /dev/pts/
}

@test "spec: a config.json that runs; not overwritten" {
        mkdir "$BATS_TEST_TMPDIR/s"
        (cd "$BATS_TEST_TMPDIR/s" && nexcage spec)
        jq -e '.ociVersion and .process.args and .root.path == "rootfs"' "$BATS_TEST_TMPDIR/s/config.json"
        run nexcage spec --bundle "$BATS_TEST_TMPDIR/s"
        assert_status 1
}

@test "features and --version, as go-runc and docker read them" {
        run --separate-stderr nexcage features
        assert_json '.ociVersionMin | test("^1\\.0")' true
        assert_json '.hooks | length' 6
        assert_json '.potentiallyUnsafeConfigAnnotations | index("bundle") != null' true
        run --separate-stderr nexcage --version
        assert_status 0
        [[ ${lines[0]} == "runc version "* ]]
        assert_output_has "commit: " "spec: 1."
}

@test "the log file: JSON objects with level, msg and time; the last error is the reason" {
        local log=$BATS_TEST_TMPDIR/log
        run nexcage --log "$log" --log-format json state nosuch
        assert_status 1
        [ "$(jq -rs '[.[] | select(.level == "error")] | last | .msg | contains("does not exist")' "$log")" = true ]
        [ "$(jq -rs '.[-1].time | sub("\\.[0-9]+"; "") | sub("[+-][0-9:]+$"; "Z") | fromdateiso8601 > 0' "$log")" = true ]
        # Two words or one.
        run nexcage --log="$log" --log-format=json state nosuch
        [ "$(jq -s length "$log")" -ge 2 ]
}

@test "the global flags that engines send" {
        nexcage --debug --log "$BATS_TEST_TMPDIR/log" --log-format json --rootless=false create --bundle "$BUNDLE" \
                --no-pivot --no-new-keyring --detach --pid-file "$BATS_TEST_TMPDIR/pid" c
        nexcage start c
        nexcage delete --force c
}

@test "create --console-socket hands the terminal's master over" {
        edit_bundle "$BUNDLE" '.process.terminal = true | .process.args = ["sh", "-c", "tty; echo on a terminal"]'
        python3 "$NXC_TOOLS/console.py" "$BATS_TEST_TMPDIR/sock" >"$BATS_TEST_TMPDIR/out" 3>&- &
        local console=$!
        wait_for 5 test -S "$BATS_TEST_TMPDIR/sock"
        create_c --console-socket "$BATS_TEST_TMPDIR/sock"
        nexcage start c
        wait "$console"
        edit_bundle "$BUNDLE" '.process.terminal = false | .process.args = ["sleep", "1000"]'
        grep -q "on a terminal" "$BATS_TEST_TMPDIR/out"
}

@test "--preserve-fds: those and no others reach the container" {
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "cat <&3; ls /proc/self/fd | wc -l"]'
        echo preserved >"$BATS_TEST_TMPDIR/file"
        run --separate-stderr bash -c "'$NEXCAGE' --root '$NXC_ROOT' run --preserve-fds 1 --bundle '$BUNDLE' c \
                3<'$BATS_TEST_TMPDIR/file' 4<'$BATS_TEST_TMPDIR/file' 7<'$BATS_TEST_TMPDIR/file' </dev/null"
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
        # 0, 1, 2, 3 and the directory that ls reads
        assert_output_is $'preserved\n5'
}

# bats test_tags=guest
@test "create --image, start, kill, delete; an image and a bundle together" {
        nexcage create --image localhost/busybox c sh -c 'sleep 1000'
        run nexcage state c
        assert_json .status created
        assert_json '.image' localhost/busybox:latest
        nexcage start c
        nexcage kill c KILL
        wait_status c stopped
        nexcage delete c
        mkdir "$BATS_TEST_TMPDIR/both"
        jq '.process.args = ["cat", "/etc/os-release"]' "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/both/config.json"
        nexcage create --image localhost/busybox --bundle "$BATS_TEST_TMPDIR/both" c >"$BATS_TEST_TMPDIR/out" 3>&-
        nexcage start c
        wait_status c stopped
        grep -q ID=busybox "$BATS_TEST_TMPDIR/out"
}

@test "a container that ends by itself is found stopped" {
        edit_bundle "$BUNDLE" '.process.args = ["true"]'
        running_c
        wait_status c stopped
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
        nexcage delete c
}

@test "the container's processes are not nexcage's: create leaves its init to the caller's subreaper" {
        local pid
        create_c --pid-file "$BATS_TEST_TMPDIR/pid"
        pid=$(cat "$BATS_TEST_TMPDIR/pid")
        # Nothing of ours stays resident.
        run pgrep -x nexcage
        assert_status 1
        [ "$(awk '{ print $4 }' "/proc/$pid/stat")" -ge 1 ]
}

@test "--root / is refused" {
        run "$NEXCAGE" --root / list
        assert_status 1
}

@test "checkpoint and restore" {
        requires criu
        criu check >/dev/null 2>&1 || skip "criu cannot work on this kernel: $(criu check 2>&1 | head -n 1)"
        running_c
        nexcage checkpoint --image-path "$BATS_TEST_TMPDIR/img" --work-path "$BATS_TEST_TMPDIR" c
        wait_status c stopped
        nexcage delete c
        nexcage restore -no-subreaper --detach --image-path "$BATS_TEST_TMPDIR/img" --work-path "$BATS_TEST_TMPDIR" \
                --bundle "$BUNDLE" c 3>&-
        [ "$(status_of c)" = running ]
}
