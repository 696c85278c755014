# nexcage in runc's place: the same commands go through the real runc and through nexcage, and must come to the same; and what
# an engine sees of a runtime beyond its output: descriptors, parents, logs.
load helpers

setup_file()
{
        requires runc jq python3
        nxc_setup_file
        export BUNDLE=$BATS_FILE_TMPDIR/bundle RUNC_ROOT=$BATS_FILE_TMPDIR/runc
        # Of this run only: runc and crun make the cgroup by the id, and other tests run at the same time.
        export ID=compat-$$
        mkdir -p "$BUNDLE/rootfs" "$RUNC_ROOT"
        cp -a "$NXC_TEST_CACHE/busybox-root/." "$BUNDLE/rootfs/"
        runc spec --bundle "$BUNDLE"
        edit_bundle "$BUNDLE" '.process.terminal = false | .process.args = ["sleep", "1000"] | .annotations = {"org.example": "yes"}'
        cp "$BUNDLE/config.json" "$BATS_FILE_TMPDIR/config.json"
}

teardown_file()
{
        runc --root "$RUNC_ROOT" delete --force "$ID" || true
        nxc_teardown_file
}

setup()
{
        cd "$BATS_TEST_TMPDIR" || return 1
        cp "$BATS_FILE_TMPDIR/config.json" "$BUNDLE/config.json"
}

teardown()
{
        runc --root "$RUNC_ROOT" delete --force "$ID"
        nexcage delete --force "$ID"
}

# ---- the two

# rt ARGS...: the runtime that is being looked at, RT. A container keeps bats' own descriptor 3 from it; closed for the program
# alone, since an error that bats sees while it is closed is one that bats cannot tell.
rt()
{
        "rt_$RT" "$@" </dev/null
}

rt_runc()
{
        runc --root "$RUNC_ROOT" "$@" 3>&-
}

rt_nexcage()
{
        "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" "$@" 3>&-
}

# The phrases by which engines understand an error, and what people know from runc; the telling ones first.
PHRASES=("container does not exist" "container with given ID already exists" "cannot start an already running container"
        "cannot start a container that has stopped" "cannot start a container in the paused state"
        "that is not stopped: running" "that is not stopped: paused" "cannot exec in a stopped container"
        "cannot exec in a paused container" "container not running" "container not paused"
        "executable file not found in \$PATH" "no such file or directory" "permission denied" "signal")

# capture COMMAND...: sets status and output. Through a file: what creates a container leaves its output to it.
capture()
{
        status=0
        "$@" >"$BATS_TEST_TMPDIR/capture.out" 2>&1 </dev/null || status=$?
        output=$(cat "$BATS_TEST_TMPDIR/capture.out")
}

ask()
{
        capture rt "$@"
}

# try ARGS...: prints what was asked, the exit code, and by which phrase an error is known.
try()
{
        local phrase
        ask "$@"
        printf '%s => %s' "${*//$BATS_TEST_TMPDIR/}" "$status"
        if [ "$status" -ne 0 ]; then
                for phrase in "${PHRASES[@]}"; do
                        [[ ${output,,} != *"${phrase,,}"* ]] || { printf ' [%s]' "$phrase" && break; }
                done
        fi
        echo
}

# alike FUNCTION: prints the same for both.
alike()
{
        local RT
        for RT in runc nexcage; do
                "$1" >"$BATS_TEST_TMPDIR/alike.$RT" || return 1
                rt delete --force "$ID"
        done
        diff -u "$BATS_TEST_TMPDIR/alike.runc" "$BATS_TEST_TMPDIR/alike.nexcage" >&2
}

running()
{
        rt create --bundle "$BUNDLE" "$ID" >"$BATS_TEST_TMPDIR/create.out" 2>&1 && rt start "$ID"
}

# await STATUS
await()
{
        # shellcheck disable=SC2317
        is_now() { [ "$(rt state "$ID" | jq -r .status)" = "$1" ]; }
        wait_for 5 is_now "$1"
}

process_file()
{
        jq -c ".process | .args = $1 | ${2:-.}" "$BUNDLE/config.json" >"$BATS_TEST_TMPDIR/process.json"
}

# ---- exit codes and phrases

life()
{
        local verb
        running
        try start "$ID"
        try delete "$ID"
        try create --bundle "$BUNDLE" "$ID"
        try pause "$ID"
        try pause "$ID"
        try start "$ID"
        try delete "$ID"
        try kill "$ID" TERM
        try resume "$ID"
        try resume "$ID"
        try kill "$ID" KILL
        await stopped
        try start "$ID"
        try pause "$ID"
        try resume "$ID"
        try kill "$ID" KILL
        try kill "$ID" 9
        try kill --all "$ID" 9
        try update --pids-limit 9 "$ID"
        try ps --format json "$ID"
        try events --stats "$ID" | sed 's/ \[.*//' # runc 1.1 has other words here than everywhere else
        try delete "$ID"
        for verb in start state delete pause resume kill ps "update --pids-limit=9" "events --stats" "delete --force" "kill --all"; do
                # shellcheck disable=SC2086
                try $verb "$ID"
        done
}

@test "each verb in each state: exit codes and phrases" {
        alike life
}

created()
{
        rt create --bundle "$BUNDLE" "$ID"
        try create --bundle "$BUNDLE" "$ID"
        rt state "$ID" | jq -r .status
        try ps --format json "$ID"
        try delete "$ID"
        try state "$ID"
        rt create --bundle "$BUNDLE" "$ID"
        try kill "$ID" KILL # crun's init has no handler for TERM, which so does not reach the first process of a namespace
        await stopped
        try start "$ID"
        try delete --force "$ID"
}

@test "a created container: delete, kill" {
        alike created
}

signals()
{
        local how
        for how in 9 KILL kill SIGKILL sigkill SigKill 15 TERM; do
                edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "trap \"exit 3\" TERM; while :; do sleep 0.02; done"]'
                running
                sleep 0.3 # the trap is set
                try kill "$ID" $how
                await stopped
                try delete "$ID"
        done
        running
        try kill "$ID" NOSUCH
        try kill "$ID" SIGNOSUCH
        try kill --all "$ID" KILL
        await stopped
}

@test "kill by number and by name in any case" {
        alike signals
}

own_codes()
{
        local code
        running
        for code in 0 1 7 126 127 255; do
                process_file "[\"sh\", \"-c\", \"exit $code\"]"
                try exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        done
        process_file '["sh", "-c", "kill -9 $$"]'
        try exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        process_file '["nosuch"]'
        try exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        process_file '["/etc/passwd"]'
        try exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        process_file '["true"]' '.cwd = "/nosuch"'
        try exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        try exec --process /nosuch "$ID"
        echo '{' >"$BATS_TEST_TMPDIR/broken.json"
        try exec --process "$BATS_TEST_TMPDIR/broken.json" "$ID"
        process_file '["true"]'
        try exec --process "$BATS_TEST_TMPDIR/process.json" nosuch-$$
        rt pause "$ID"
        try exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        rt resume "$ID"
        rt kill "$ID" KILL
        await stopped
        try exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
}

@test "exec --process: the program's code, 255 for what is not the program's" {
        alike own_codes
}

@test "exec of what cannot be executed: the words that podman makes 126 and 127 of" {
        local RT=nexcage
        running
        process_file '["/nosuch"]'
        ask exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        assert_status 255
        [[ $output =~ "executable file not found in "|"no such file or directory" ]] || fail "$output"
        process_file '["/etc/passwd"]'
        ask exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        assert_status 255
        [[ $output =~ "permission denied"|"operation not permitted" ]] || fail "$output"
}

odd_ids()
{
        local id
        for id in ../x x/y . .. "" "a b" "$(printf 'x%.0s' {1..1100})"; do
                ask create --bundle "$BUNDLE" "$id"
                printf '%.40s => %s\n' "$id" "$status"
        done
        for id in -x$$ +x$$ _x$$ x$$.y; do
                rt create --bundle "$BUNDLE" -- "$id"
                rt start -- "$id"
                rt state -- "$id" | jq -r .id
                rt exec -- "$id" true
                rt pause -- "$id"
                rt resume -- "$id"
                rt delete --force -- "$id"
        done
}

@test "ids: the same are refused, and one that begins with a dash is none of an option" {
        alike odd_ids
}

bad_bundles()
{
        local bad=$BATS_TEST_TMPDIR/bad filter
        rm -rf "$bad"
        try create --bundle "$bad" "$ID"
        mkdir "$bad"
        try create --bundle "$bad" "$ID" | sed 's/ \[.*//' # words of its own for a missing config.json
        echo '{"ociVersion": ' >"$bad/config.json"
        try create --bundle "$bad" "$ID" | sed 's/ \[.*//'
        for filter in 'del(.process)' '.process.args = []' '.process.cwd = "x"' '.process.cwd = ""' 'del(.root)' \
                '.root.path = "nosuch"' '.process.args = ["/nosuch"]' '.process.args = ["/etc/passwd"]' \
                '.mounts += [{"destination": "/x", "type": "bind", "source": "/nosuch", "options": ["bind"]}]' \
                '.linux.namespaces += [{"type": "pid"}]' '.linux.namespaces += [{"type": "nosuch"}]' \
                '.linux.resources.memory.limit = "x"' '.process.user.uid = -1' '.process.rlimits[0].type = "RLIMIT_X"'; do
                jq ".root.path = \"$BUNDLE/rootfs\" | $filter" "$BUNDLE/config.json" >"$bad/config.json"
                ask create --bundle "$bad" "$ID"
                printf '%s => %s\n' "$filter" "$status"
                rt delete --force "$ID"
                try state "$ID"
        done
}

@test "create: bundles that are no good leave nothing" {
        alike bad_bundles
}

# ---- what is printed

@test "state: runc's keys and values" {
        local RT
        for RT in runc nexcage; do
                running
                rt state "$ID" >"$RT.json"
                # Ids, times and paths aside. runc 1.1 leaves the owner out here, which it prints in list.
                jq -S 'del(.pid, .created, .owner, .runtime)' "$RT.json" >"$RT.same"
                jq -e '(.pid | type) == "number" and .pid > 0 and (.owner | type) == "string" and
                        (.created | test("^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\\.[0-9]+)?Z$"))' "$RT.json"
                rt delete --force "$ID"
        done
        diff runc.same nexcage.same
}

list()
{
        running
        # The widths are free; the words, their order and their number are not.
        rt list | awk -v root="$(id -un)" '{ print NF, $1, $3, $4, $6 }'
        rt list --format json | jq -S '.[] | del(.pid, .created, .runtime)'
        rt list -f json | jq -r 'type'
        rt list -q
        rt list --quiet
        rt delete --force "$ID"
        rt list | awk '{ print NF, $1, $2, $3, $4, $5, $6 }'
        rt list -q
        try list --format nosuch
}

@test "list: table, JSON, ids" {
        alike list
        # An empty list of runc 1.1 is null; of later ones [].
        run --separate-stderr nexcage list --format=json
        [[ $output = "[]" || $output = null ]]
}

ps()
{
        running
        rt ps "$ID" | awk 'NR == 1 || /sleep/ { print NR, $1, $(NF - 1), $NF }'
        rt ps --format table "$ID" -o pid,comm | awk '{ print NF, $NF }'
        rt ps -f json "$ID" | jq -c 'map(type)'
        [ "$(rt ps --format json "$ID" | jq '.[0]')" = "$(rt state "$ID" | jq .pid)" ]
        try ps "$ID" -o comm
        try ps --format json nosuch-$$
        process_file '["sleep", "900"]'
        rt exec --process "$BATS_TEST_TMPDIR/process.json" --detach "$ID" >&2
        rt ps --format json "$ID" | jq length
        rt kill "$ID" KILL
        await stopped
        rt ps "$ID" | wc -l
        rt ps --format json "$ID" | jq length
}

@test "ps: table with and without arguments, JSON" {
        alike ps
}

@test "events --stats: runc's members, each of its type" {
        local RT
        for RT in runc nexcage; do
                running
                rt events --stats "$ID" >"$RT.json"
                [ "$(wc -l <"$RT.json")" -eq 1 ]
                rt delete --force "$ID"
                jq -r 'paths(type == "object" or type == "array" or type == "number" or type == "string") as $p |
                        select($p | map(type == "string") | all) |
                        "\($p | join(".")) \(getpath($p) | type)"' "$RT.json" | sort >"$RT.shape"
        done
        # All that runc says; we may say more (runc leaves zeros out).
        run comm -23 runc.shape nexcage.shape
        assert_output_is ""
        jq -e '.type == "stats" and .data.pids.current == 1 and .data.memory.usage.usage > 0' nexcage.json
}

@test "events: a stream of stats that ends with the container" {
        local RT=nexcage
        running
        rt events --interval 100ms "$ID" >events &
        wait_for 5 test -s events
        rt kill "$ID" KILL
        wait $!
        jq -e -s "length > 0 and (map(.id == \"$ID\") | all) and .[0].type == \"stats\"" events
}

@test "spec: runc's, but for the name of the host and the version" {
        mkdir r n
        runc spec --bundle r
        nexcage spec --bundle n
        diff <(jq -S 'del(.hostname, .ociVersion)' r/config.json) <(jq -S 'del(.hostname, .ociVersion)' n/config.json)
        runc spec --rootless --bundle "$(mkdir rr && echo rr)"
        nexcage spec --rootless --bundle "$(mkdir nn && echo nn)"
        diff <(jq -S 'del(.hostname, .ociVersion)' rr/config.json) <(jq -S 'del(.hostname, .ociVersion)' nn/config.json)
        run nexcage spec --bundle n
        assert_status 1
}

@test "features: runc's document" {
        runc features >r.json 2>/dev/null || skip "this runc has no features"
        nexcage features >n.json
        # Every key that runc has, of the same type.
        local shape='paths as $p | select($p | map(type == "string") | all) | select($p[0] != "annotations") |
                "\($p | join(".")) \(getpath($p) | type)"'
        run comm -23 <(jq -r "$shape" r.json | sort) <(jq -r "$shape" n.json | sort)
        assert_output_is ""
        jq -e --slurpfile r r.json '.hooks == $r[0].hooks and .linux.namespaces == $r[0].linux.namespaces and
                .linux.capabilities == $r[0].linux.capabilities and .linux.seccomp == $r[0].linux.seccomp and
                (.mountOptions - $r[0].mountOptions) == []' n.json
        jq -e '.potentiallyUnsafeConfigAnnotations | contains(["bundle", "org.systemd.property.", "org.criu.config"])' n.json
}

@test "--version: the lines by which go-runc and podman know a version" {
        run --separate-stderr nexcage --version
        assert_status 0
        [[ ${lines[0]} =~ ^runc\ version\ [0-9]+\.[0-9]+\.[0-9]+ ]] || fail "$output"
        [[ ${lines[1]} =~ ^commit:\ .+ && ${lines[2]} =~ ^spec:\ 1\.[0-9]+\.[0-9]+ ]] || fail "$output"
        run --separate-stderr nexcage -v
        assert_status 0
}

# ---- the log

@test "--log: JSON whose last error is the reason; text; both options in one word or two" {
        local log=$BATS_TEST_TMPDIR/log RT=nexcage
        for_json()
        {
                rm -f "$log"
                run rt "$@" state nosuch-$$
                assert_status 1
                python3 - "$log" <<'PY'
import datetime, json, sys
entries = [json.loads(line) for line in open(sys.argv[1])]
last = [e for e in entries if e['level'] == 'error'][-1]
assert 'container does not exist' in last['msg'], last
for e in entries:  # RFC 3339, as Go's time.Time reads it
    datetime.datetime.strptime(e['time'][:19] + e['time'][-1], '%Y-%m-%dT%H:%M:%SZ')
PY
        }
        for_json --log "$log" --log-format json
        for_json --log="$log" --log-format=json
        for_json --log-format=json --debug --log="$log"
        rm "$log"
        run rt --log "$log" --log-format text state nosuch-$$
        grep -q "container does not exist" "$log"
        run rt --log "$log" --log-format nosuch list
        assert_status 1
        # Appended to, not written anew: the engine reads it all.
        run rt --log "$log" --log-format json state nosuch-$$
        [ "$(grep -c "container does not exist" "$log")" -eq 2 ]
}

@test "--log: a failed create says why, also what the runtime below said; --debug says more" {
        local RT=nexcage log=$BATS_TEST_TMPDIR/log
        edit_bundle "$BUNDLE" '.process.args = ["/nosuch"]'
        ask --log "$log" --log-format json create --bundle "$BUNDLE" "$ID"
        if [ "$status" -eq 0 ]; then # some runtimes find out at start
                run rt --log "$log" --log-format json start "$ID"
        fi
        assert_status 1
        jq -e -s '[.[] | select(.level == "error")] | last | .msg |
                contains("no such file or directory") or contains("executable file not found in")' "$log"
        cp "$BATS_FILE_TMPDIR/config.json" "$BUNDLE/config.json"
        rt delete --force "$ID"
        rm "$log"
        rt --debug --log "$log" --log-format json create --bundle "$BUNDLE" "$ID"
        [ "$(jq -s '[.[] | select(.level == "debug")] | length > 5' "$log")" = true ]
}

# ---- global flags

@test "--rootless=true|false|auto: the container is where it was asked for" {
        local RT=nexcage value
        for value in true false auto; do
                rt --rootless="$value" create --bundle "$BUNDLE" "$ID"
                rt --rootless="$value" start "$ID"
                [ "$(rt --rootless="$value" state "$ID" | jq -r .status)" = running ]
                rt --rootless="$value" exec "$ID" true
                rt --rootless="$value" delete --force "$ID"
        done
        [ -z "$(ls "$BUNDLE" | grep -v -e rootfs -e config.json)" ]
        [ ! -e true ] && [ ! -e false ] && [ ! -e auto ]
        run rt --rootless=maybe list
        assert_status 1
}

@test "--systemd-cgroup without systemd: an error that says what is missing, and nothing left" {
        [ ! -d /run/systemd/system ] || skip "systemd runs here"
        local RT=nexcage
        edit_bundle "$BUNDLE" ".linux.cgroupsPath = \"compat.slice:nexcage:$ID\""
        snapshot_machine
        ask --systemd-cgroup create --bundle "$BUNDLE" "$ID"
        assert_status 1
        [[ ${output,,} =~ systemd|sd-bus|dbus ]] || fail "$output"
        assert_machine_unchanged
}

@test "create: the flags that engines send" {
        local RT=nexcage
        rt --debug --log "$BATS_TEST_TMPDIR/log" --log-format json --rootless=false create --bundle "$BUNDLE" --detach \
                --no-new-keyring --pid-file "$BATS_TEST_TMPDIR/pid" --preserve-fds 0 "$ID"
        [ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$(rt state "$ID" | jq .pid)" ]
        [ "$(wc -l <"$BATS_TEST_TMPDIR/pid")" -eq 0 ]
        rt delete --force "$ID"
        rt create --bundle="$BUNDLE" --no-pivot "$ID"
        rt start "$ID"
        rt delete --force "$ID"
        ask create --bundle "$BUNDLE" --pid-file "$PWD/nosuch/pid" "$ID"
        assert_status 1
        run rt state "$ID"
        assert_output_has "container does not exist"
        cd "$BUNDLE"
        rt create "$ID"
        rt delete "$ID"
}

# ---- limits

limits()
{
        local file
        for file in memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes memory/memory.memsw.limit_in_bytes \
                cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.max cpuset/cpuset.cpus; do
                cgroup_file "${file%%/*}" "${file#*/}"
        done
        for file in memory.max memory.low memory.swap.max cpu.weight cpu.max pids.max cpuset.cpus; do
                cgroup_file "" "$file"
        done
}

# cgroup_file CONTROLLER FILE: of the container, or nothing where this host has none.
cgroup_file()
{
        local dir pid
        pid=$(rt state "$ID" | jq .pid)
        dir=$(awk -F: -v c="$1" '(c == "" && $1 == 0) || (c != "" && index("," $2 ",", "," c ",")) { print $3; exit }' "/proc/$pid/cgroup")
        [ -n "$dir" ] || return 0
        if [ -r "/sys/fs/cgroup/$1$dir/$2" ]; then
                echo "$2 $(cat "/sys/fs/cgroup/$1$dir/$2")"
        fi
}

update()
{
        running
        try update --memory 67108864 --memory-swap 134217728 --memory-reservation 33554432 "$ID"
        try update --cpu-period 100000 --cpu-quota 50000 --cpu-share 512 "$ID"
        try update --pids-limit 77 --cpuset-cpus 0 "$ID"
        limits
        echo '{"memory": {"limit": 99999744}, "pids": {"limit": 42}}' >resources
        "rt_$RT" update --resources - "$ID" <resources
        limits
        echo '{"cpu": {"shares": 300}}' | "rt_$RT" update --resources=- "$ID"
        limits
        try update -r resources "$ID"
        # No limit
        try update --cpu-quota -1 "$ID"
        try update --pids-limit=-1 "$ID"
        try update --memory -1 "$ID"
        limits
        echo '{"cpu": {"quota": 40000, "period": 80000}, "pids": {"limit": -1}}' | "rt_$RT" update --resources=- "$ID"
        limits
        echo '{' | "rt_$RT" update --resources=- "$ID" 2>/dev/null || echo "broken => $?"
        try update --memory nonsense "$ID"
}

@test "update: by options and by --resources; the same in the cgroup" {
        alike update
}

unlimited()
{
        edit_bundle "$BUNDLE" '.linux.resources += {"cpu": {"quota": -1, "shares": 333}, "pids": {"limit": -1}, "memory": {"limit": -1}}'
        running
        limits
}

@test "create with limits that say: none" {
        alike unlimited
}

# ---- descriptors

# leak COUNT COMMAND...: with descriptors of $dir that it did not ask for.
leak()
{
        local count=$1
        shift
        python3 "$NXC_TOOLS/leak-fds.py" "$dir" "$count" -- "$@" 3>&-
}

# fds_of FILE: what is open in the program besides stdio and the directory that ls reads.
fds_of()
{
        awk '/ -> / && $(NF - 2) > 2 { print $(NF - 2), $NF }' "$1"
}

@test "descriptors: those of --preserve-fds get in, the caller's others do not" {
        local RT=nexcage dir=$BATS_TEST_TMPDIR/leak n
        mkdir "$dir" && echo preserved >"$dir/marker"
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "ls -l /proc/self/fd; exec sleep 1000"]'
        process_file '["ls", "-l", "/proc/self/fd"]'
        for n in 0 1 3; do
                leak 20 "$NEXCAGE" --root "$NXC_ROOT" create --preserve-fds $n --bundle "$BUNDLE" \
                        "$ID" >out 2>&1 </dev/null
                rt start "$ID"
                wait_for 5 grep -q ' 0 -> ' out
                [ "$(fds_of out | wc -l)" -eq $n ] || fail "create --preserve-fds $n:" "$(cat out)"
                leak 20 "$NEXCAGE" --root "$NXC_ROOT" exec --preserve-fds $n \
                        --process "$BATS_TEST_TMPDIR/process.json" "$ID" >out 2>&1 </dev/null
                [ "$(fds_of out | wc -l)" -eq $n ] || fail "exec --preserve-fds $n:" "$(cat out)"
                rt delete --force "$ID"
        done
        ask create --preserve-fds 50 --bundle "$BUNDLE" "$ID"
        assert_status 1
}

@test "descriptors: LISTEN_FDS go on, with LISTEN_PID of the container's own" {
        local RT=nexcage
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "echo fds $LISTEN_FDS pid $LISTEN_PID; cat <&3; exec sleep 1000"]'
        echo activated >"$BATS_TEST_TMPDIR/file"
        LISTEN_FDS=1 bash -c 'export LISTEN_PID=$$; exec "$@" 3<'"$BATS_TEST_TMPDIR/file" - "$NEXCAGE" --root "$NXC_ROOT" create \
                --bundle "$BUNDLE" "$ID" >out 2>&1 </dev/null 3>&-
        rt start "$ID"
        wait_for 5 grep -q activated out
        grep -q "^fds 1 pid 1$" out
}

@test "descriptors: create returns while the container holds its stdio, which is what create was given" {
        local RT=nexcage
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "read x; echo got $x; echo to stderr >&2; exec sleep 1000"]'
        mkfifo fifo
        sleep 20 >fifo 3>&- &
        local writer=$!
        timeout 20 "$NEXCAGE" --root "$NXC_ROOT" create --bundle "$BUNDLE" "$ID" <fifo >out 2>err 3>&-
        [ ! -s out ] && [ ! -s err ]
        rt start "$ID"
        echo words >fifo
        wait_for 5 grep -q "to stderr" err
        kill $writer
        [ "$(cat out)" = "got words" ]
}

@test "stdio that is /dev/null stays the host's own, whatever the user" {
        local RT=nexcage before
        before=$(stat -c '%u:%g %a %t:%T' /dev/null)
        edit_bundle "$BUNDLE" '.process.user = {"uid": 1234, "gid": 1234}'
        rt create --bundle "$BUNDLE" "$ID" >/dev/null 2>&1
        rt start "$ID"
        [ "$(stat -c '%u:%g %a %t:%T' /dev/null)" = "$before" ]
        rt exec --user 4321:4321 "$ID" true >/dev/null 2>&1
        process_file '["true"]' '.user = {"uid": 77, "gid": 77}'
        rt exec --process "$BATS_TEST_TMPDIR/process.json" "$ID" >/dev/null 2>&1
        rt exec --process "$BATS_TEST_TMPDIR/process.json" --detach "$ID" >/dev/null 2>&1
        [ "$(stat -c '%u:%g %a %t:%T' /dev/null)" = "$before" ]
}

# ---- terminals and sockets

# receive NAME: a receiver in the background; its words come to NAME.out.
receive()
{
        rm -f "$1.sock"
        python3 "$NXC_TOOLS/receive-fd.py" "$1.sock" >"$1.out" 2>"$1.err" 3>&- &
        RECEIVER=$!
        wait_for 5 test -S "$1.sock"
}

@test "create --console-socket: the master of a terminal that is the container's" {
        local RT=nexcage
        edit_bundle "$BUNDLE" '.process.terminal = true | .process.consoleSize = {"height": 33, "width": 101} |
                .process.args = ["sh", "-c", "tty; stty size; ls -l /proc/self/fd/0 | tail -c 20; echo over"]'
        receive console
        rt create --bundle "$BUNDLE" --console-socket "$PWD/console.sock" "$ID"
        rt start "$ID"
        wait "$RECEIVER"
        [ "$(jq -rRn 'input | fromjson | .kind' console.out)" = terminal ]
        grep -q /dev/pts/0 console.out
        grep -q "33 101" console.out
        grep -q over console.out
        # A terminal without a socket, and a socket without a terminal, are refused as runc does.
        rt delete --force "$ID"
        ask create --bundle "$BUNDLE" "$ID"
        assert_status 1
        ask create --bundle "$BUNDLE" --console-socket "$PWD/nosuch.sock" "$ID"
        assert_status 1
        run rt state "$ID"
        assert_output_has "container does not exist"
}

no_terminal()
{
        try create --bundle "$BUNDLE" --console-socket "$BATS_TEST_TMPDIR/nosuch.sock" "$ID" | sed 's/ \[.*//'
        edit_bundle "$BUNDLE" '.process.terminal = true'
        try create --bundle "$BUNDLE" "$ID"
        cp "$BATS_FILE_TMPDIR/config.json" "$BUNDLE/config.json"
}

@test "create: a socket without a terminal, a terminal without a socket" {
        alike no_terminal
}

@test "exec with a terminal: --console-socket, detached, by --process and by -t" {
        local RT=nexcage
        running
        process_file '["sh", "-c", "tty; echo in exec"]' '.terminal = true'
        receive exec
        rt exec --process "$BATS_TEST_TMPDIR/process.json" --console-socket "$PWD/exec.sock" --detach --pid-file "$PWD/pid" "$ID"
        wait "$RECEIVER"
        grep -q /dev/pts/ exec.out
        grep -q "in exec" exec.out
        [[ $(cat pid) =~ ^[0-9]+$ ]]
        receive exec
        rt exec -t --console-socket "$PWD/exec.sock" --detach "$ID" sh -c 'tty; echo again'
        wait "$RECEIVER"
        grep -q again exec.out
}

@test "a terminal: what a program that ends at once has written is not lost" {
        local RT=nexcage i
        seq 1 150 >"$BUNDLE/rootfs/tmp/numbers"
        running
        for ((i = 0; i < 20; i++)); do
                on_pty -- "$NEXCAGE" --root "$NXC_ROOT" exec -t "$ID" cat /tmp/numbers | tr -d '\r' | cmp - "$BUNDLE/rootfs/tmp/numbers"
        done
        rt delete --force "$ID"
        edit_bundle "$BUNDLE" '.process.terminal = true | .process.args = ["cat", "/tmp/numbers"]'
        for ((i = 0; i < 10; i++)); do
                on_pty -- "$NEXCAGE" --root "$NXC_ROOT" run --bundle "$BUNDLE" "$ID" | tr -d '\r' | cmp - "$BUNDLE/rootfs/tmp/numbers"
        done
}

@test "exec --process --detach --pid-file: returns at once, and the pid is the process" {
        local RT=nexcage
        running
        process_file '["sleep", "800"]'
        rt exec --process "$BATS_TEST_TMPDIR/process.json" --detach --pid-file "$PWD/pid" "$ID" >out 2>&1
        [ "$(tr '\0' ' ' <"/proc/$(cat pid)/cmdline")" = "sleep 800 " ]
        [ ! -s out ]
        # In the container's namespaces and cgroup
        local init
        init=$(rt state "$ID" | jq .pid)
        for ns in mnt pid net ipc uts; do
                [ "$(readlink "/proc/$(cat pid)/ns/$ns")" = "$(readlink "/proc/$init/ns/$ns")" ]
        done
        [ "$(grep -v name= "/proc/$(cat pid)/cgroup" | sort)" = "$(grep -v name= "/proc/$init/cgroup" | sort)" ]
        # Nothing but what belongs there is left in the state directory.
        ls "$NXC_ROOT/$ID" | { ! grep -e tmp -e exec-; }
}

@test "exec --pid-file without --detach: written while the program runs" {
        local RT=nexcage
        running
        process_file '["sh", "-c", "while [ ! -e /proc/1/root/tmp/go ]; do sleep 0.05; done; exit 3"]'
        rt exec --process "$BATS_TEST_TMPDIR/process.json" --pid-file "$PWD/pid" "$ID" &
        wait_for 5 test -s pid
        [ "$(tr '\0' ' ' <"/proc/$(cat pid)/cmdline" | cut -c1-5)" = "sh -c" ]
        kill -KILL "$(cat pid)"
        local code=0
        wait $! || code=$?
        [ $code -eq 137 ] || fail "ended with $code"
}

@test "--pidfd-socket: a pidfd of the init, and of an exec" {
        local RT=nexcage
        receive pidfd
        rt create --bundle "$BUNDLE" --pidfd-socket "$PWD/pidfd.sock" "$ID"
        wait "$RECEIVER"
        [ "$(jq -c . pidfd.out)" = "{\"kind\":\"pidfd\",\"pid\":$(rt state "$ID" | jq .pid)}" ]
        rt start "$ID"
        process_file '["sleep", "700"]'
        receive pidfd
        rt exec --process "$BATS_TEST_TMPDIR/process.json" --detach --pid-file "$PWD/pid" --pidfd-socket "$PWD/pidfd.sock" "$ID"
        wait "$RECEIVER"
        [ "$(jq .pid pidfd.out)" = "$(cat pid)" ]
        rt delete --force "$ID"
        ask create --bundle "$BUNDLE" --pidfd-socket "$PWD/nosuch.sock" "$ID"
        assert_status 1
        run rt state "$ID"
        assert_output_has "container does not exist"
}

@test "exec in a paused container: refused, or with --ignore-paused it waits until resumed" {
        local RT=nexcage
        running
        rt pause "$ID"
        process_file '["true"]'
        ask exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        assert_status 255
        assert_output_has "paused"
        if [ "$NXC_TEST_RUNTIME" = crun ]; then
                run rt exec --ignore-paused --process "$BATS_TEST_TMPDIR/process.json" "$ID"
                assert_status 255
                assert_output_has NotImplemented
        fi
        rt resume "$ID"
        rt exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
}

# ---- an engine's view

# engine OPTIONS...: see tests/tools/engine.py.
engine()
{
        run --separate-stderr timeout 60 python3 "$NXC_TOOLS/engine.py" --bundle "$BUNDLE" --id "$ID" --dir "$BATS_TEST_TMPDIR" "$@" -- \
                "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE"
        assert_status 0 || fail "$stderr"
}

@test "a subreaper: the init is its child, and its exit code is true" {
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "read line; echo $line; echo rest; echo err >&2; exit 37"]'
        engine
        assert_json '[.create, .start, .child, .first, .rest, .end.code] | join(" ")' $'0 0 true hello\n rest\n 37'
        assert_json .stderr $'err'
}

@test "a subreaper: death by a signal is told from an exit code" {
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "read line; echo $line; exec sleep 1000"]'
        engine --signal KILL
        assert_json '[.create, .start, .kill, .end.signal] | join(" ")' "0 0 0 9"
        nexcage delete "$ID"
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "trap \"exit 4\" TERM; read line; echo $line; while :; do sleep 0.02; done"]'
        engine --signal 15
        assert_json '[.child, .kill, .end.code] | join(" ")' "true 0 4"
}

@test "a subreaper: a detached exec is its child, too" {
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "read line; echo $line; exec sleep 1000"]'
        process_file '["sh", "-c", "exit 9"]'
        engine --exec "$BATS_TEST_TMPDIR/process.json" --signal KILL
        assert_json '[.exec, ."exec-end".code, .end.signal] | join(" ")' "0 9 9"
        nexcage delete "$ID"
        process_file '["sh", "-c", "kill -11 $$"]'
        engine --exec "$BATS_TEST_TMPDIR/process.json" --signal KILL
        assert_json '[.exec, ."exec-end".signal] | join(" ")' "0 11"
}

# ---- conmon

# conmon_create: as podman calls it.
conmon_create()
{
        mkdir -p exits
        conmon --api-version 1 -c "$ID" -u "$ID" -n "$ID" -r "$NEXCAGE" -b "$BUNDLE" -p "$PWD/pid" --conmon-pidfile "$PWD/conmon-pid" \
                --exit-dir "$PWD/exits" --full-attach -l "k8s-file:$PWD/log" --log-level warning --socket-dir-path "$PWD" \
                --runtime-arg --root --runtime-arg "$NXC_ROOT" --runtime-arg --log-format=json --runtime-arg --log \
                --runtime-arg="$PWD/runtime-log" "$@" >&2 </dev/null 3>&-
}

@test "conmon: pid file, log, exit file" {
        requires conmon
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "echo to stdout; echo to stderr >&2; exit 42"]'
        conmon_create
        wait_for 5 test -s pid
        [ "$(nexcage state "$ID" | jq .pid)" = "$(cat pid)" ]
        [ "$(awk '{ print $4 }' "/proc/$(cat pid)/stat")" = "$(cat conmon-pid)" ]
        nexcage start "$ID"
        wait_for 5 test -s "exits/$ID"
        [ "$(cat "exits/$ID")" = 42 ]
        grep -q 'stdout F to stdout' log
        grep -q 'stderr F to stderr' log
        nexcage delete "$ID"
}

@test "conmon: killed is 137; with a terminal; a create that fails is told" {
        requires conmon
        conmon_create
        wait_for 5 test -s pid
        nexcage start "$ID"
        nexcage kill "$ID" KILL
        wait_for 5 test -s "exits/$ID"
        [ "$(cat "exits/$ID")" = 137 ]
        nexcage delete "$ID"
        rm -rf exits pid log
        edit_bundle "$BUNDLE" '.process.terminal = true | .process.args = ["sh", "-c", "tty; exit 5"]'
        conmon_create --terminal
        wait_for 5 test -s pid
        nexcage start "$ID"
        wait_for 5 test -s "exits/$ID"
        [ "$(cat "exits/$ID")" = 5 ]
        grep -q /dev/pts/0 log
        nexcage delete "$ID"
        rm -rf exits pid log runtime-log
        edit_bundle "$BUNDLE" '.process.terminal = false | .root.path = "nosuch"'
        run conmon_create --sync
        wait_for 5 test -s runtime-log
        jq -e -s '[.[] | select(.level == "error")] | length > 0' runtime-log
}

# ---- checkpoint and restore

@test "restore takes -no-subreaper with one dash, and says why it cannot" {
        local RT=nexcage
        ask restore --detach --pid-file "$PWD/pid" --image-path "$PWD/nosuch" --work-path "$PWD" --no-pivot -no-subreaper \
                --bundle "$BUNDLE" "$ID"
        assert_status 1
        [[ $output != *"unknown option"* ]] || fail "$output"
        case $NXC_TEST_RUNTIME in
        crun) assert_output_has NotImplemented "without criu" ;;
        lxc) assert_output_has NotImplemented "lxc cannot restore" ;;
        *) assert_output_has "no such file or directory" ;;
        esac
        run rt state "$ID"
        assert_output_has "container does not exist"
        run rt checkpoint "$ID"
        assert_output_has "container does not exist"
}

@test "checkpoint and restore" {
        local RT=nexcage
        [ "$NXC_TEST_RUNTIME" = runc ] || skip "Debian's $NXC_TEST_RUNTIME was built without criu"
        requires criu
        running
        if ! criu check >/dev/null 2>&1; then
                run rt checkpoint --image-path "$PWD/img" --work-path "$PWD" --tcp-established --ext-unix-sk --shell-job --file-locks \
                        --manage-cgroups-mode soft --empty-ns network "$ID"
                assert_status 1
                assert_output_has criu
                # It goes on.
                [ "$(rt state "$ID" | jq -r .status)" = running ]
                skip "criu cannot work on this kernel: $(criu check 2>&1 | head -n 1)"
        fi
        rt checkpoint --image-path "$PWD/img" --work-path "$PWD" "$ID"
        run rt state "$ID"
        assert_output_has "container does not exist"
        rt restore -no-subreaper --detach --image-path "$PWD/img" --work-path "$PWD" --bundle "$BUNDLE" "$ID"
        [ "$(rt state "$ID" | jq -r .status)" = running ]
}

# ---- security, as far as exec and create are concerned

@test "exec --user: what is no user is an error, never root" {
        local RT=nexcage user
        running
        for user in 1000x -1 4294967296 4294967295 2147483648 99999999999999999999 nosuch 0:nosuch 0:-1 1:2:3 0x0 ' 0' '0 ' +0 1e3 : :0 0:; do
                run --separate-stderr rt exec --user "$user" "$ID" id -u
                [ "$status" -ne 0 ] && [ -z "$output" ] || fail "'$user' became '$output'"
        done
        run rt exec --user 1234:567 "$ID" id
        assert_output_has uid=1234 gid=567
        run rt exec --user root "$ID" id -u
        assert_output_is 0
        process_file '["id", "-u"]' '.user = {"uid": -1, "gid": 0}'
        run --separate-stderr rt exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        [ "$status" -ne 0 ] && [ -z "$output" ] || fail "uid -1 became '$output'"
        process_file '["id", "-u"]' '.user = {"uid": 4294967296, "gid": 0}'
        run --separate-stderr rt exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        [ "$status" -ne 0 ] && [ -z "$output" ] || fail "uid 2^32 became '$output'"
        process_file '["id", "-u"]' '.user = {"uid": "1000", "gid": 0}'
        run --separate-stderr rt exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        [ "$status" -ne 0 ] && [ -z "$output" ] || fail "uid \"1000\" became '$output'"
}

@test "inheritable capabilities are empty (CVE-2022-29162)" {
        local RT=nexcage
        edit_bundle "$BUNDLE" '.process.args = ["sh", "-c", "grep CapInh /proc/self/status; exec sleep 1000"]'
        running
        wait_for 5 grep -q CapInh "$BATS_TEST_TMPDIR/create.out"
        grep -q 'CapInh:.0000000000000000$' "$BATS_TEST_TMPDIR/create.out"
        run rt exec --cap CAP_NET_ADMIN --user 1000 "$ID" grep CapInh /proc/self/status
        assert_output_has 0000000000000000
        process_file '["grep", "CapInh", "/proc/self/status"]'
        ask exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
        assert_output_has 0000000000000000
}

@test "cwd that is one of our descriptors, or of the caller's (CVE-2024-21626)" {
        local RT=nexcage dir=$BATS_TEST_TMPDIR/leak fd bad=0
        mkdir "$dir" && echo secret >"$dir/marker"
        running
        for fd in {0..40} 63 127 255 1023; do
                capture leak 10 "$NEXCAGE" --root "$NXC_ROOT" exec --cwd "/proc/self/fd/$fd" "$ID" \
                        cat marker config.json state.json ../../etc/hostname
                [ "$status" -ne 0 ] || { echo "exec $fd: $output" && bad=1; }
        done
        rt delete --force "$ID"
        for fd in {0..25} 63 127 255 1023; do
                edit_bundle "$BUNDLE" ".process.cwd = \"/proc/self/fd/$fd\" | .process.args = [\"sh\", \"-c\", \"cat marker config.json && echo ESCAPED\"]"
                capture leak 10 "$NEXCAGE" --root "$NXC_ROOT" run --bundle "$BUNDLE" "$ID"
                [[ $output != *ESCAPED* ]] || { echo "create $fd: $output" && bad=1; }
                [ "$status" -ne 0 ] || { echo "create $fd succeeded: $output" && bad=1; }
        done
        [ $bad -eq 0 ]
}

@test "a root that becomes a link after create: delete and exec stay away from what it points to" {
        local RT=nexcage canary=$BATS_TEST_TMPDIR/canary
        mkdir "$canary" && echo alive >"$canary/file"
        mkdir "$BATS_TEST_TMPDIR/b"
        cp -a "$BUNDLE/." "$BATS_TEST_TMPDIR/b"
        rt create --bundle "$BATS_TEST_TMPDIR/b" "$ID"
        mv "$BATS_TEST_TMPDIR/b/rootfs" "$BATS_TEST_TMPDIR/b/rootfs.old"
        ln -s "$canary" "$BATS_TEST_TMPDIR/b/rootfs"
        rt start "$ID"
        run rt exec --user app "$ID" id -u
        assert_output_is 1000
        rt delete --force "$ID"
        [ "$(ls -A "$canary")" = file ] && [ "$(cat "$canary/file")" = alive ]
        # And before: a link out of the bundle is no root.
        ask create --bundle "$BATS_TEST_TMPDIR/b" "$ID"
        assert_status 1
        [ "$(ls -A "$canary")" = file ]
}
