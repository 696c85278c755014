# shellcheck shell=bash disable=SC2154  # status and output are bats'
# What the bats files share. A file begins with
#
#         load helpers
#         setup_file() { nxc_setup_file; }
#         teardown_file() { nxc_teardown_file; }
#
# and gets a root, a store and a configuration of its own under BATS_FILE_TMPDIR; `nexcage` runs with them. What the whole
# suite shares (the images, one plain registry) is made by setup_suite.bash. The runtime is NXC_TEST_RUNTIME: the suite
# runs once for each line of tests/integration/backends, so no test names one unless it is about choosing.

bats_require_minimum_version 1.5.0

NXC_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
NXC_TOOLS=$NXC_TESTS/tools
: "${NEXCAGE:=$(dirname "$NXC_TESTS")/build/nexcage}"
: "${NXC_TEST_RUNTIME:=crun}"
: "${NXC_TEST_CACHE:=$(dirname "$NEXCAGE")/test-cache}"
export NXC_TESTS NXC_TOOLS NEXCAGE NXC_TEST_RUNTIME NXC_TEST_CACHE

# ---- the environment of a file

nxc_setup_file()
{
        export NXC_ROOT=$BATS_FILE_TMPDIR/root NXC_STORE=$BATS_FILE_TMPDIR/store
        export NEXCAGE_CONFIG=$BATS_FILE_TMPDIR/nexcage.conf
        # podman wants a short path for its run directory.
        NXC_PODMAN_RUN=$(mktemp -d /tmp/nxc-XXXXXX)
        export NXC_PODMAN_RUN
        export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/xdg HOME=$BATS_FILE_TMPDIR/home
        unset NXC_DEBUG REGISTRY_AUTH_FILE DOCKER_CONFIG NEXCAGE_ROOT NEXCAGE_STORE
        mkdir -m 700 "$NXC_ROOT" "$NXC_STORE" "$XDG_RUNTIME_DIR" "$HOME"
        printf '[runtime]\ndefault = %s\n' "$NXC_TEST_RUNTIME" >"$NEXCAGE_CONFIG"
}

nxc_teardown_file()
{
        local id registry
        for registry in "$BATS_FILE_TMPDIR"/registry-*/pid; do
                [ -e "$registry" ] && kill "$(cat "$registry")" 2>/dev/null
        done
        for id in $(nexcage list -q 2>/dev/null); do
                nexcage delete --force -- "$id" || true
        done
        # What a test left mounted would keep bats from removing its directory.
        awk -v p="$BATS_FILE_TMPDIR/" -v q="$NXC_PODMAN_RUN/" 'index($5, p) == 1 || index($5, q) == 1 { print $5 }' \
                /proc/self/mountinfo | sort -r | while read -r id; do umount -l "$(printf '%b' "$id")"; done
        rm -rf "$NXC_PODMAN_RUN"
}

# The program with this file's root, store and configuration; never with the terminal that runs the tests.
nexcage()
{
        "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" "$@" </dev/null
}

# The same, with the caller's standard input.
nexcage_stdin()
{
        "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" "$@"
}

# import_image NAME [REFERENCE]: one of the suite's images into this file's store.
import_image()
{
        requires_image "$1"
        nexcage import "oci:$NXC_TEST_CACHE/$1:latest" "${2:-localhost/$1:latest}" >&2
}

# ---- skipping, with a reason

requires()
{
        local what
        for what; do
                command -v "$what" >/dev/null || skip "$what is not installed"
        done
}

requires_root()
{
        [ "$(id -u)" -eq 0 ] || skip "needs root"
}

requires_image()
{
        [ -e "$NXC_TEST_CACHE/$1/index.json" ] || skip "image '$1' could not be made: see $NXC_TEST_CACHE/$1.log"
}

# In setup_file: the file is run once, for this runtime. ./dev reads it, since bats cannot skip a file.
requires_runtime()
{
        [ "$NXC_TEST_RUNTIME" = "$1" ] || fail "run this file with NXC_TEST_RUNTIME=$1"
}

# ---- assertions: each prints what it saw

fail()
{
        printf '%s\n' "$@" >&2
        return 1
}

# The words in $output, somewhere.
assert_output_has()
{
        local words
        for words; do
                [[ $output == *"$words"* ]] || fail "no '$words' in:" "$output" || return 1
        done
}

assert_output_is()
{
        [ "$output" = "$1" ] || fail "expected: $1" "got:      $output"
}

assert_status()
{
        [ "$status" -eq "$1" ] || fail "expected exit status $1, got $status:" "$output"
}

# assert_json FILTER EXPECTED: jq -r of $output.
assert_json()
{
        local got
        got=$(jq -r "$1" <<<"$output") || fail "no JSON:" "$output" || return 1
        [ "$got" = "$2" ] || fail "$1: expected '$2', got '$got' in:" "$output"
}

# fails_with KIND STAGE WORDS -- COMMAND...: fails, and its error line says kind, stage ("-": none looked for) and words.
fails_with()
{
        local kind=$1 stage=$2 words=$3
        shift 4
        run "$@"
        [ "$status" -ne 0 ] || fail "succeeded, expected $kind:" "$output" || return 1
        assert_output_has "$kind" "$words" || return 1
        [ "$stage" = - ] || assert_output_has "$stage"
}

# status_of ID, and wait_status ID STATUS [SECONDS]
status_of()
{
        nexcage state "$1" | jq -r .status
}

wait_status()
{
        local i
        for ((i = 0; i < ${3:-5} * 20; i++)); do
                [ "$(status_of "$1")" = "$2" ] && return 0
                sleep 0.05
        done
        fail "'$1' is $(status_of "$1"), not $2 after ${3:-5} s"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for()
{
        local i seconds=$1
        shift
        for ((i = 0; i < seconds * 20; i++)); do
                "$@" && return 0
                sleep 0.05
        done
        fail "not true after $seconds s: $*"
}

# ---- bundles

# make_bundle DIR [JQ-FILTER]: a classic bundle with busybox as its root; the filter edits config.json.
make_bundle()
{
        local dir=$1 filter=${2:-.}
        mkdir -p "$dir/rootfs"
        cp -a "$NXC_TEST_CACHE/busybox-root/." "$dir/rootfs/"
        nexcage spec --bundle "$dir"
        edit_bundle "$dir" '.process.terminal = false | .process.args = ["true"]'
        edit_bundle "$dir" "$filter"
}

edit_bundle()
{
        jq "$2" "$1/config.json" >"$1/config.json.new" && mv "$1/config.json.new" "$1/config.json"
}

# ---- the machine before and after

# snapshot_machine: what a command must not leave behind. Files are those of this file's root and store.
snapshot_machine()
{
        machine_list | LC_ALL=C sort >"$BATS_TEST_TMPDIR/machine.before"
}

# What has come, and what has gone; a cgroup or a process that has gone is an earlier test's, ending late.
machine_difference()
{
        machine_list | LC_ALL=C sort >"$BATS_TEST_TMPDIR/machine.after"
        LC_ALL=C comm -13 "$BATS_TEST_TMPDIR/machine.before" "$BATS_TEST_TMPDIR/machine.after" | sed 's/^/> /'
        LC_ALL=C comm -23 "$BATS_TEST_TMPDIR/machine.before" "$BATS_TEST_TMPDIR/machine.after" |
                grep -av -e '^cgroup ' -e '^process ' | sed 's/^/< /'
}

# Compares with the last snapshot; a moment is given to what ends by itself, as a killed process does.
assert_machine_unchanged()
{
        local i difference
        for ((i = 0; i < 20; i++)); do
                difference=$(machine_difference)
                [ -z "$difference" ] && return 0
                sleep 0.1
        done
        fail "the machine is not as before:" "$difference"
}

machine_list()
{
        # podman mounts its store's home for as long as one of its processes has it open.
        awk '$5 !~ /\/podman\/root\/overlay$/ { print "mount", $5 }' /proc/self/mountinfo | sort
        # Lock files and the directories of both kinds of lock stay, as they must: see src/core/lock.h.
        find "$NXC_ROOT" "$NXC_STORE" -xdev -printf 'file %p %y %m %U %s\n' |
                grep -av -e '/\.inflight d' -e '/store/locks d' -e '/store/locks/pull-[0-9a-f]* f' -e '/store/locks/zfs-[0-9a-f]* f' |
                sed -E 's/ d ([0-9]+ [0-9]+) [0-9]+$/ d \1/' | sort
        # libpod_parent is podman's own, which it never removes. NXC_TEST_SHARED=1: others run containers here, too.
        [ -n "${NXC_TEST_SHARED-}" ] || find /sys/fs/cgroup -type d \( -fstype cgroup -o -fstype cgroup2 \) -printf 'cgroup %p\n' 2>/dev/null | grep -v libpod_parent | sort
        [ -n "${NXC_TEST_SHARED-}" ] || losetup -a 2>/dev/null | sed 's/^/loop /'
        container_processes | sed 's/^/process /'
}

# Processes in another mount namespace than ours, and runtimes that still run.
container_processes()
{
        local pid ours
        ours=$(readlink /proc/self/ns/mnt)
        for pid in /proc/[0-9]*; do
                case $(cat "$pid/comm" 2>/dev/null):$(readlink "$pid/ns/mnt" 2>/dev/null) in
                nexcage:* | conmon:* | runc:* | crun:*) ;;
                *: | *:"$ours") continue ;;
                esac
                printf '%s %s\n' "${pid#/proc/}" "$(tr '\0' ' ' <"$pid/cmdline" 2>/dev/null)"
        done
}

# ---- registries

# registry_start [plain|tls|htpasswd|tls-htpasswd]: sets REGISTRY (HOST:PORT), REGISTRY_DIR, REGISTRY_PID. The user of
# htpasswd is test:secret; the certificate is REGISTRY_DIR/ca.crt. Ended by registry_stop or the file's teardown.
registry_start()
{
        local kind=${1:-plain} port i
        requires docker-registry
        REGISTRY_DIR=$(mktemp -d "${BATS_FILE_TMPDIR:-$BATS_SUITE_TMPDIR}/registry-XXXXXX")
        port=$(free_port)
        REGISTRY=127.0.0.1:$port
        export REGISTRY REGISTRY_DIR
        registry_config "$kind" >"$REGISTRY_DIR/config.yml" || return 1
        # 3>&-: bats waits for whoever holds its descriptor 3.
        docker-registry serve "$REGISTRY_DIR/config.yml" >"$REGISTRY_DIR/log" 2>&1 </dev/null 3>&- &
        export REGISTRY_PID=$!
        echo "$REGISTRY_PID" >"$REGISTRY_DIR/pid"
        for ((i = 0; i < 200; i++)); do
                (: </dev/tcp/127.0.0.1/"$port") 2>/dev/null && return 0
                sleep 0.05
        done
        fail "the registry does not answer:" "$(cat "$REGISTRY_DIR/log")"
}

registry_config()
{
        printf 'version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\n'
        printf 'storage: {filesystem: {rootdirectory: %s/data}, delete: {enabled: true}}\n' "$REGISTRY_DIR"
        printf 'http:\n  addr: %s\n' "$REGISTRY"
        case $1 in
        plain | htpasswd) ;;
        tls | tls-htpasswd)
                openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                        -subj /CN=localhost -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' \
                        -keyout "$REGISTRY_DIR/key.pem" -out "$REGISTRY_DIR/ca.crt" 2>/dev/null || return 1
                printf '  tls: {certificate: %s/ca.crt, key: %s/key.pem}\n' "$REGISTRY_DIR" "$REGISTRY_DIR"
                ;;
        *) fail "unknown kind of registry: $1" || return 1 ;;
        esac
        case $1 in
        *htpasswd)
                htpasswd -Bbn test secret >"$REGISTRY_DIR/htpasswd" 2>/dev/null || return 1
                printf 'auth: {htpasswd: {realm: test, path: %s/htpasswd}}\n' "$REGISTRY_DIR"
                ;;
        esac
}

registry_stop()
{
        kill "$REGISTRY_PID"
        wait "$REGISTRY_PID" 2>/dev/null || true # 143 it is
        rm -f "$REGISTRY_DIR/pid"
}

# registry_push NAME [REFERENCE]: one of the suite's images, by skopeo.
registry_push()
{
        requires_image "$1"
        skopeo copy -q --dest-tls-verify=false "oci:$NXC_TEST_CACHE/$1:latest" "docker://$REGISTRY/${2:-$1:latest}"
}

free_port()
{
        python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ---- peers and terminals

# podman with a storage of its own, which goes away with the file, and nothing that this kind of machine may lack.
podman_()
{
        podman --root "$BATS_FILE_TMPDIR/podman/root" --runroot "$NXC_PODMAN_RUN/run" \
                --tmpdir "$NXC_PODMAN_RUN/tmp" --storage-driver "${NXC_PODMAN_STORAGE:-overlay}" \
                --cgroup-manager cgroupfs --events-backend file "$@"
}

# Limits that a machine without CAP_SYS_RESOURCE lets podman set; no network, no log daemon.
# shellcheck disable=SC2034
PODMAN_RUN_OPTS=(--ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --network none --log-driver k8s-file)

# on_pty [OPTIONS] -- COMMAND...: see tests/tools/on-pty.py.
on_pty()
{
        python3 "$NXC_TOOLS/on-pty.py" "$@" 3>&-
}

# The digest of a whole tree: every path, type, mode, owner, size, content, link and xattr.
tree_digest()
{
        "$(dirname "$NEXCAGE")/tests/tools/tree-digest" "$@"
}
