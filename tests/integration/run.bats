# From an image to a running container: `run IMAGE` as podman has it.
load helpers

setup_file()
{
        nxc_setup_file
        import_image busybox
        import_image everything
}

teardown_file()
{
        nxc_teardown_file
}

run_in()
{
        run nexcage run --rm localhost/busybox "$@"
}

@test "run: pulls, verifies, composes, runs and prints; then again without the network" {
        registry_start
        registry_push busybox
        run --separate-stderr nexcage run --rm "$REGISTRY/busybox:latest" cat /etc/os-release
        assert_status 0
        assert_output_has 'NAME="nexcage test image"'
        registry_stop
        run --separate-stderr nexcage run --rm "$REGISTRY/busybox:latest" cat /etc/os-release
        assert_status 0
        assert_output_has 'NAME="nexcage test image"'
}

@test "run: a real Debian root filesystem" {
        requires_image debian
        run nexcage run --rm "$NXC_REGISTRY/debian:latest" cat /etc/os-release
        assert_status 0
        assert_output_has 'NAME="Debian GNU/Linux"'
        run nexcage run --rm "$NXC_REGISTRY/debian:latest" sh -c 'dpkg --version && perl -e "print 6 * 7"'
        assert_output_has 42
}

@test "run: an image that buildah made and pushed" {
        requires_image built
        run --separate-stderr nexcage run --rm "$NXC_REGISTRY/built:latest"
        assert_output_has ID=busybox
        run --separate-stderr nexcage run --rm "$NXC_REGISTRY/built:latest" sh -c 'id -un; id -gn; pwd; echo $BUILT'
        assert_output_is $'app\nstaff\n/home/app\nyes'
}

@test "run: --pull=never, missing, always, newer" {
        registry_start
        registry_push busybox
        local image=$REGISTRY/busybox:latest
        fails_with ImageNotFound - "$image" -- nexcage run --rm --pull=never "$image" true
        nexcage run --rm --pull=missing "$image" true
        nexcage run --rm --pull=always "$image" true
        nexcage run --rm --pull=newer "$image" true
        # Another image under the same name.
        registry_push everything busybox:latest
        run --separate-stderr nexcage run --rm --pull=missing "$image" echo hi
        assert_output_is hi
        run --separate-stderr nexcage run --rm --pull=newer "$image" echo hi
        assert_output_is $'entry: echo hi\nhi'
        registry_stop
        nexcage run --rm --pull=missing "$image" true
        nexcage run --rm --pull=never "$image" true
        # newer means: if the registry can be asked.
        nexcage run --rm --pull=newer "$image" true
        run nexcage run --rm --pull=always "$image" true
        assert_status 125
}

# bats test_tags=guest
@test "run: the program's exit code, 128+n for a signal, 125, 126, 127" {
        run_in sh -c 'exit 0'
        assert_status 0
        run_in sh -c 'exit 42'
        assert_status 42
        # The init of a PID namespace takes no such signal from inside.
        nexcage run --rm --name killed localhost/busybox sleep 50 3>&- &
        wait_for 5 eval '[ "$(status_of killed 2>/dev/null)" = running ]'
        nexcage kill killed KILL
        local code=0
        wait $! || code=$?
        [ $code -eq 137 ] || fail "exit code $code"
        run -127 nexcage run --rm localhost/busybox /bin/nosuch
        run_in /etc/passwd
        assert_status 126
        run nexcage run --rm --user nosuch localhost/busybox true
        assert_status 125
        run nexcage run --rm --pull=never localhost/nosuch true
        assert_status 125
}

@test "run: standard input, output and error" {
        run bash -c "echo hello | '$NEXCAGE' --root '$NXC_ROOT' --store '$NXC_STORE' run --rm -i localhost/busybox cat"
        assert_output_is hello
        run --separate-stderr nexcage run --rm localhost/busybox sh -c 'echo out; echo err >&2'
        assert_output_is out
        # shellcheck disable=SC2154
        [[ $stderr == *err* ]]
        # Without -i there is nothing to read.
        run bash -c "echo hello | '$NEXCAGE' --root '$NXC_ROOT' --store '$NXC_STORE' run --rm localhost/busybox cat"
        assert_output_is ""
}

@test "run: large output arrives whole" {
        run bash -c "'$NEXCAGE' --root '$NXC_ROOT' --store '$NXC_STORE' run --rm localhost/busybox \
                dd if=/dev/zero bs=1M count=8 2>/dev/null | wc -c"
        assert_output_is 8388608
}

@test "run: the image's Entrypoint, Cmd, Env, User, WorkingDir" {
        run --separate-stderr nexcage run --rm localhost/everything
        assert_output_is $'entry: /bin/echo default command\ndefault command'
        run --separate-stderr nexcage run --rm localhost/everything sh -c \
                'id -u; id -g; pwd; echo "$GREETING"; echo "[${EMPTY-unset}]"; echo "$HOME"'
        assert_output_has $'1000\n1000\n/work\nhello world\n[]\n/home/app'
}

@test "run: --entrypoint replaces Entrypoint and Cmd" {
        run --separate-stderr nexcage run --rm --entrypoint /bin/echo localhost/everything one
        assert_output_is one
        run --separate-stderr nexcage run --rm --entrypoint /bin/echo localhost/everything
        assert_output_is ""
        run --separate-stderr nexcage run --rm --entrypoint '["/bin/echo", "-n", "x"]' localhost/everything y
        assert_output_is "x y"
        run --separate-stderr nexcage run --rm --entrypoint "" localhost/everything /bin/echo bare
        assert_output_is bare
}

@test "run: -e and --env-file" {
        printf '# a comment\nFROM_FILE=yes\nBOTH=file\nPASSED\n\n' >"$BATS_TEST_TMPDIR/env"
        PASSED=on run --separate-stderr nexcage run --rm --env-file "$BATS_TEST_TMPDIR/env" -e BOTH=option -e A=1 \
                --env 'B=two words' localhost/busybox env
        assert_output_has FROM_FILE=yes BOTH=option PASSED=on A=1 "B=two words"
        [[ $output != *BATS* ]] || fail "the host's environment came in:" "$output"
        fails_with FileError - /nosuch/env -- nexcage run --rm --env-file /nosuch/env localhost/busybox true
}

@test "run: --user by name, number, with group" {
        run --separate-stderr nexcage run --rm --user app localhost/busybox id
        assert_output_has 'uid=1000(app) gid=1000(app)' '50(staff)'
        run --separate-stderr nexcage run --rm --user 1234:5678 localhost/busybox sh -c 'id -u; id -g'
        assert_output_is $'1234\n5678'
        run --separate-stderr nexcage run --rm --user app:staff localhost/busybox sh -c 'id -u; id -g'
        assert_output_is $'1000\n50'
        run nexcage run --rm --user nosuch localhost/busybox id
        assert_status 125
        assert_output_has nosuch
        run nexcage run --rm --user -1 localhost/busybox id
        assert_status 125
}

@test "run: --workdir, made when it is not there" {
        run --separate-stderr nexcage run --rm --workdir /tmp localhost/busybox pwd
        assert_output_is /tmp
        run nexcage run --rm --workdir relative localhost/busybox pwd
        assert_status 125
}

@test "run: --hostname, --name, --network none and host" {
        run --separate-stderr nexcage run --rm --hostname box localhost/busybox sh -c 'hostname; cat /etc/hostname'
        assert_output_is $'box\nbox'
        run --separate-stderr nexcage run --rm --name my-name localhost/busybox hostname
        assert_status 0
        run --separate-stderr nexcage run --rm --network none localhost/busybox ls /sys/class/net
        assert_output_is lo
        run --separate-stderr nexcage run --rm --network host localhost/busybox readlink /proc/self/ns/net
        assert_output_is "$(readlink /proc/self/ns/net)"
        run nexcage run --rm --network nosuch localhost/busybox true
        assert_status 125
}

@test "run: -v: a directory, a file, read-only, an anonymous volume with the image's content" {
        local dir=$BATS_TEST_TMPDIR/dir
        mkdir "$dir"
        echo outside >"$dir/file"
        run --separate-stderr nexcage run --rm -v "$dir:/mnt/in" localhost/busybox sh -c \
                'cat /mnt/in/file; echo inside >/mnt/in/new'
        assert_output_is outside
        [ "$(cat "$dir/new")" = inside ]
        run nexcage run --rm -v "$dir:/mnt/in:ro" localhost/busybox sh -c 'echo x >/mnt/in/other'
        assert_status 1
        assert_output_has "Read-only file system"
        run --separate-stderr nexcage run --rm -v "$dir/file:/etc/one" localhost/busybox cat /etc/one
        assert_output_is outside
        run nexcage run --rm -v "$dir/nosuch:/mnt" localhost/busybox true
        assert_status 125
        assert_output_has "$dir/nosuch"
        # VOLUME /data of the image.
        run --separate-stderr nexcage run --rm --user 0 localhost/everything sh -c \
                'cat /data/seed; grep -c " /data " /proc/self/mountinfo'
        assert_output_has $'from the image\n1'
}

@test "run: --mount bind and tmpfs, --tmpfs" {
        local dir=$BATS_TEST_TMPDIR/dir
        mkdir "$dir"
        echo outside >"$dir/file"
        run --separate-stderr nexcage run --rm --mount "type=bind,source=$dir,target=/mnt,readonly" localhost/busybox sh -c \
                'cat /mnt/file; touch /mnt/x 2>/dev/null || echo refused'
        assert_output_is $'outside\nrefused'
        run --separate-stderr nexcage run --rm --mount type=tmpfs,target=/scratch,tmpfs-size=1m localhost/busybox sh -c \
                'grep " /scratch " /proc/self/mounts'
        assert_output_has tmpfs size=1024k
        run --separate-stderr nexcage run --rm --tmpfs /scratch:size=2m,mode=700 localhost/busybox sh -c \
                'grep " /scratch " /proc/self/mounts; stat -c %a /scratch'
        assert_output_has size=2048k 700
}

# bats test_tags=guest
@test "run: --read-only" {
        run nexcage run --rm --read-only localhost/busybox touch /file
        assert_status 1
        assert_output_has "Read-only file system"
        nexcage run --rm --read-only --tmpfs /tmp localhost/busybox touch /tmp/file
}

@test "run: what a container writes is gone with it, and the image is as before" {
        nexcage run --rm localhost/busybox sh -c 'rm -rf /etc/os-release; echo x >/new'
        run --separate-stderr nexcage run --rm localhost/busybox sh -c 'ls /new 2>/dev/null; cat /etc/os-release'
        assert_output_has ID=busybox
        [[ $output != */new* ]]
}

cgroup_value()
{
        # NAME-IN-V1 CONTROLLER NAME-IN-V2: read from inside, through the container's own /sys/fs/cgroup
        nexcage run --rm "${@:4}" localhost/busybox sh -c \
                "cat /sys/fs/cgroup/$2/$1 2>/dev/null || cat /sys/fs/cgroup/$3" 2>/dev/null
}

# bats test_tags=guest,cgroup
@test "run: --memory, --cpus, --pids-limit are what the container's cgroup says" {
        [ "$(cgroup_value memory.limit_in_bytes memory memory.max --memory 64m)" = 67108864 ]
        [ "$(cgroup_value pids.max pids pids.max --pids-limit 77)" = 77 ]
        case $(cgroup_value cpu.cfs_quota_us cpu cpu.max --cpus 0.5) in
        50000 | "50000 100000") ;;
        *) fail "cpu quota is $(cgroup_value cpu.cfs_quota_us cpu cpu.max --cpus 0.5)" ;;
        esac
        run nexcage run --rm --memory lots localhost/busybox true
        assert_status 125
        assert_output_has lots
}

# bats test_tags=guest
@test "run: the memory limit is kept" {
        run nexcage run --rm --memory 16m localhost/busybox sh -c 'x=$(head -c 64000000 /dev/zero | tr "\0" x); echo survived'
        assert_status 137
}

# bats test_tags=guest
@test "run: the pids limit is kept" {
        run nexcage run --rm --pids-limit 5 localhost/busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait'
        assert_output_has "fork"
}

caps_of()
{
        nexcage run --rm "$@" localhost/busybox sed -n 's/^Cap\(...\):\t0*/\1 /p' /proc/self/status
}

@test "run: capabilities: podman's default set, none inheritable, --cap-add, --cap-drop, --privileged" {
        # chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot setfcap
        local default=800405fb
        run caps_of
        assert_output_has "Eff $default" "Prm $default" "Bnd $default" "Inh "
        [[ $output == *$'Inh \n'* ]] || fail "inheritable capabilities:" "$output"
        run caps_of --cap-drop all
        assert_output_has $'Eff \n'
        run caps_of --cap-drop ALL --cap-add NET_RAW
        assert_output_has "Eff 2000" "Bnd 2000"
        run caps_of --cap-drop CAP_CHOWN
        assert_output_has "Eff 800405fa"
        run caps_of --privileged
        [[ $output == *"Eff 1f"* || $output == *"Eff 3f"* || $output == *"Eff 1"* ]] || fail "$output"
        run nexcage run --rm --cap-add NOSUCH localhost/busybox true
        assert_status 125
        assert_output_has NOSUCH
}

@test "run: a user other than root has no effective capabilities" {
        run caps_of --user 1000
        assert_output_has $'Eff \n' $'Prm \n'
}

@test "run: a seccomp filter by default, none with unconfined" {
        run --separate-stderr nexcage run --rm localhost/busybox sed -n 's/^Seccomp:\t//p' /proc/self/status
        assert_output_is 2
        run --separate-stderr nexcage run --rm --security-opt seccomp=unconfined localhost/busybox \
                sed -n 's/^Seccomp:\t//p' /proc/self/status
        assert_output_is 0
        echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}' \
                >"$BATS_TEST_TMPDIR/profile.json"
        run nexcage run --rm --security-opt "seccomp=$BATS_TEST_TMPDIR/profile.json" localhost/busybox mkdir /tmp/x
        assert_status 1
        assert_output_has "not permitted"
}

@test "run: the seccomp program that is built in is the one that crun makes of the profile" {
        [ "$NXC_TEST_RUNTIME" = crun ] || skip "for crun only"
        local built
        for built in 0 1; do
                NXC_FEATURE_SECCOMP_BUILT=$built nexcage create --image localhost/busybox "built-$built" true
                cp "$NXC_ROOT/built-$built/rt/built-$built/seccomp.bpf" "$BATS_TEST_TMPDIR/$built.bpf"
                nexcage delete --force "built-$built"
        done
        [ -s "$BATS_TEST_TMPDIR/1.bpf" ]
        cmp "$BATS_TEST_TMPDIR/0.bpf" "$BATS_TEST_TMPDIR/1.bpf"
        # Other capabilities, another profile: the default program would let nothing of this through.
        run nexcage run --rm --cap-add SYS_ADMIN localhost/busybox unshare -u true
        assert_status 0
        run nexcage run --rm localhost/busybox unshare -u true
        assert_status 1
}

@test "run: --security-opt no-new-privileges; an unknown one is refused by name" {
        run --separate-stderr nexcage run --rm --security-opt no-new-privileges localhost/busybox \
                sed -n 's/^NoNewPrivs:\t//p' /proc/self/status
        assert_output_is 1
        run nexcage run --rm --security-opt nosuch=x localhost/busybox true
        assert_status 125
        assert_output_has nosuch
}

@test "run: --ulimit" {
        run --separate-stderr nexcage run --rm --ulimit nofile=100:200 localhost/busybox sh -c 'ulimit -Sn; ulimit -Hn'
        assert_output_is $'100\n200'
        run nexcage run --rm --ulimit nosuch=1 localhost/busybox true
        assert_status 125
}

@test "run: masked and read-only paths; --privileged has none" {
        run nexcage run --rm localhost/busybox sh -c 'echo x >/proc/sys/kernel/hostname'
        assert_output_has "Read-only"
        [ -e /proc/keys ] || skip "this kernel has no /proc/keys"
        run --separate-stderr nexcage run --rm localhost/busybox stat -c '%F %t %T' /proc/keys
        assert_output_is "character special file 1 3"
        run --separate-stderr nexcage run --rm --privileged localhost/busybox sh -c \
                'grep -c " /proc/" /proc/self/mounts; test -b /dev/loop0 && echo devices'
        assert_output_has 0
}

@test "run: --label, --annotation, the image's labels" {
        nexcage run -d --name labelled --label mine=1 --annotation org.example.note=hi localhost/everything sleep 100
        run nexcage state labelled
        assert_json '.annotations["org.example.note"]' hi
        run nexcage inspect labelled
        assert_output_has '"mine"' '"org.nexcage.test"'
        nexcage delete --force labelled
}

@test "run: --cidfile, --pidfile, -d prints the id, --name" {
        local pid
        run --separate-stderr nexcage run -d --cidfile "$BATS_TEST_TMPDIR/cid" --pidfile "$BATS_TEST_TMPDIR/pid" \
                --name named localhost/busybox sleep 100
        assert_status 0
        assert_output_is named
        [ "$(cat "$BATS_TEST_TMPDIR/cid")" = named ]
        pid=$(cat "$BATS_TEST_TMPDIR/pid")
        [ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = "sleep 100 " ]
        [ "$(nexcage state named | jq .pid)" = "$pid" ]
        run nexcage run -d --name named localhost/busybox true
        assert_status 125
        assert_output_has ContainerExists "already exists"
        # A cidfile that is there is not overwritten.
        run nexcage run --rm --cidfile "$BATS_TEST_TMPDIR/cid" localhost/busybox true
        assert_status 125
        nexcage delete --force named
        run --separate-stderr nexcage run -d localhost/busybox sleep 100
        [[ $output =~ ^[0-9a-f]{12}$ ]]
        nexcage delete --force "$output"
}

@test "run: --stop-signal and the image's StopSignal" {
        nexcage run -d --name stopper localhost/everything sh -c 'trap "exit 7" QUIT; while :; do sleep 0.1; done'
        run nexcage inspect stopper
        assert_output_has QUIT
        nexcage delete --force stopper
        run nexcage run --rm --stop-signal NOSUCH localhost/busybox true
        assert_status 125
}

@test "run: without --rm a stopped container stays until it is deleted" {
        nexcage run --name stays localhost/busybox sh -c 'exit 3' && fail "exit code lost"
        run nexcage state stays
        assert_json .status stopped
        assert_json .pid 0
        nexcage delete stays
        fails_with ContainerNotFound - "does not exist" -- nexcage state stays
}

@test "run: --runtime chooses; an unknown one lists the known ones" {
        local runtime
        while read -r runtime _; do
                nexcage run -d --runtime "$runtime" --name "by-$runtime" localhost/busybox sleep 100
                run nexcage state "by-$runtime"
                assert_json .runtime "$runtime"
                nexcage delete --force "by-$runtime"
        done <"$NXC_TESTS/integration/backends"
        fails_with RuntimeNotAvailable choose-runtime nosuch -- nexcage run --rm --runtime nosuch localhost/busybox true
        assert_output_has crun runc
        assert_status 125
        fails_with RuntimeNotAvailable choose-runtime cru -- nexcage run --rm --runtime cru localhost/busybox true
}

@test "run: a script in the runtime's place" {
        requires_root
        [ "$NXC_TEST_RUNTIME" != lxc ] || skip "lxc runs no program of a runtime"
        printf '#!/bin/sh\nexec %s "$@"\n' "$(command -v "$NXC_TEST_RUNTIME")" >"$BATS_TEST_TMPDIR/$NXC_TEST_RUNTIME"
        chmod 755 "$BATS_TEST_TMPDIR/$NXC_TEST_RUNTIME"
        run unshare -m sh -c 'mount -t tmpfs none /usr/local/sbin && cp "$1" /usr/local/sbin/ && shift && exec "$@"' - \
                "$BATS_TEST_TMPDIR/$NXC_TEST_RUNTIME" "$NEXCAGE" --store "$NXC_STORE" --root "$NXC_ROOT" \
                run --rm --runtime "$NXC_TEST_RUNTIME" localhost/busybox echo hello
        assert_status 0
        [ "$output" = hello ]
}

@test "run: the annotation and the routes of the configuration choose a runtime" {
        nexcage run -d --annotation org.nexcage.runtime=runc --name annotated localhost/busybox sleep 100
        run nexcage state annotated
        assert_json .runtime runc
        nexcage delete --force annotated
        printf '[routes]\nlocalhost/every* = runc\n* = crun\n' >"$BATS_TEST_TMPDIR/conf"
        NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/conf nexcage run -d --name routed localhost/everything sleep 100
        run nexcage state routed
        assert_json .runtime runc
        nexcage delete --force routed
}

@test "run -it: a terminal of its own, the size, a resize, ctrl-c" {
        run on_pty --size 30x100 'expect=ready' 'send=stty size\n' 'expect=30 100' 'resize=40x120' 'sleep=0.3' \
                'send=stty size\n' 'expect=40 120' 'send=exit 5\n' -- \
                "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" run --rm -it localhost/busybox sh -c \
                'tty; echo ready; exec sh'
        assert_status 5
        assert_output_has /dev/pts/
        run on_pty 'expect=ready' 'send=\x03' -- "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" run --rm -it \
                localhost/busybox sh -c 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.1; done'
        assert_output_has caught
        assert_status 9
}

@test "run -it: the caller's terminal is as before" {
        run on_pty 'expect=after' -- bash -c "stty -a >'$BATS_TEST_TMPDIR/before'; '$NEXCAGE' --root '$NXC_ROOT' \
                --store '$NXC_STORE' run --rm -it localhost/busybox true; stty -a >'$BATS_TEST_TMPDIR/after'; echo after"
        assert_status 0
        diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "run: signals are forwarded" {
        run on_pty 'expect=ready' 'signal=SIGUSR1' 'expect=caught' 'signal=SIGTERM' -- "$NEXCAGE" --root "$NXC_ROOT" \
                --store "$NXC_STORE" run --rm -i localhost/busybox sh -c \
                'trap "echo caught" USR1; trap "exit 11" TERM; echo ready; while :; do sleep 0.1; done'
        assert_status 11
}

@test "run --bundle: runc's run" {
        make_bundle "$BATS_TEST_TMPDIR/b" '.process.args = ["sh", "-c", "echo from a bundle; exit 4"]'
        run --separate-stderr nexcage run --bundle "$BATS_TEST_TMPDIR/b" classic
        assert_output_is "from a bundle"
        assert_status 4
        fails_with ContainerNotFound - "does not exist" -- nexcage state classic
}

@test "run: nothing of a container is left when it has ended" {
        nexcage run --rm localhost/busybox true
        snapshot_machine
        nexcage run --rm localhost/busybox true
        nexcage run --rm -v /etc:/mnt:ro --tmpfs /x --hostname h localhost/everything /bin/true
        run -127 nexcage run --rm localhost/busybox /bin/nosuch
        assert_machine_unchanged
}

@test "run: --timings shows the boxes of the flow, as text, JSON and a diagram" {
        run nexcage run --rm --timings localhost/busybox true
        assert_output_has choose-runtime claim-id mount-layers
        run --separate-stderr nexcage run --rm --timings=json localhost/busybox true
        jq -e . <<<"$stderr" >/dev/null
        run --separate-stderr nexcage run --rm --timings=mermaid localhost/busybox true
        [[ $stderr == *flowchart* ]]
}
