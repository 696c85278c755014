#!/usr/bin/env bats
# --userns: an image's container in a user namespace of its own, on each runtime.
load helpers

setup_file()
{
        requires_root
        nxc_setup_file
        import_image busybox
        # The namespace's root is nobody here, and has to pass.
        chmod 711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$BATS_FILE_TMPDIR")"
        # The first of a store lets others through its directories, for good.
        nexcage run --rm --userns 0:5000:70000 localhost/busybox:latest true
        export IMAGE=localhost/busybox:latest SUBIDS=$BATS_FILE_TMPDIR/subids
        # The host's own files stay as they are; this mount namespace is the tests'.
        echo containers:1000000:262144 >"$SUBIDS"
        mount --bind "$SUBIDS" /etc/subuid
        mount --bind "$SUBIDS" /etc/subgid
}

teardown_file()
{
        nxc_teardown_file
        umount /etc/subuid /etc/subgid
}

setup()
{
        echo containers:1000000:262144 >"$SUBIDS"
}

# run_image OPTIONS... -- SCRIPT
run_image()
{
        local options=()
        while [ "$1" != -- ]; do
                options+=("$1")
                shift
        done
        run --separate-stderr nexcage run --rm "${options[@]}" "$IMAGE" sh -c "$2"
}

# The mapping as /proc shows it, in words.
mapping()
{
        nexcage exec "$1" cat /proc/self/uid_map | awk '{ print $1, $2, $3 }'
}

@test "auto: root inside, a range of /etc/subuid outside, and the image's files are root's" {
        snapshot_machine
        run_image --userns auto -- 'id -u; awk "{ print \$1, \$2, \$3 }" /proc/self/uid_map /proc/self/gid_map
                stat -c %u:%g / /bin/busybox /etc/hosts; touch /new /bin/new && stat -c %u /new'
        assert_status 0
        assert_output_is "$(printf '%s\n' 0 "0 1000000 65536" "0 1000000 65536" 0:0 0:0 0:0 0)"
        assert_machine_unchanged
}

@test "auto: each container has a range of its own, and leaves it to the next" {
        local i
        for i in 1 2 3; do
                nexcage run -d --name "u$i" --userns auto "$IMAGE" sleep 1000 >/dev/null
        done
        [ "$(mapping u1) $(mapping u2) $(mapping u3)" = "0 1000000 65536 0 1065536 65536 0 1131072 65536" ]
        nexcage delete --force u2
        nexcage run -d --name u2 --userns auto "$IMAGE" sleep 1000 >/dev/null
        [ "$(mapping u2)" = "0 1065536 65536" ]
        nexcage run -d --name u4 --userns auto "$IMAGE" sleep 1000 >/dev/null
        fails_with Busy mount-layers "all 4 ranges" -- nexcage run -d --name u5 --userns auto "$IMAGE" true
        for i in 1 2 3 4; do
                nexcage delete --force "u$i"
        done
}

@test "auto: many at once get different ranges" {
        local i
        for i in 1 2 3 4; do
                nexcage create --image "$IMAGE" --userns auto "u$i" sleep 1000 >/dev/null 3>&- &
        done
        wait
        [ "$(for i in 1 2 3 4; do jq .linux.uidMappings[0].hostID "$NXC_STORE/containers/u$i/bundle/config.json"; done | sort -u |
                wc -l)" -eq 4 ]
        for i in 1 2 3 4; do nexcage delete --force "u$i"; done
}

@test "a mapping; host is none; the host's network" {
        run_image --userns 0:5000:100,1000:9000:50 -- 'awk "{ print \$1, \$2, \$3 }" /proc/self/uid_map'
        assert_output_is "$(printf '0 5000 100\n1000 9000 50')"
        run_image --userns host -- 'readlink /proc/self/ns/user'
        assert_output_is "$(readlink /proc/self/ns/user)"
        run_image --userns 0:5000:70000 --network host -- 'readlink /proc/self/ns/net; ls -d /sys/class/net/lo'
        assert_output_is "$(printf '%s\n/sys/class/net/lo' "$(readlink /proc/self/ns/net)")"
}

@test "no file of the image is changed, and a process is nobody on the host" {
        local before after pid
        before=$(find "$NXC_STORE/layers" -printf '%p %u %g %m %s\n' | sort)
        nexcage run -d --name u --userns auto "$IMAGE" sleep 1000 >/dev/null
        pid=$(nexcage state u | jq .pid)
        [ "$(stat -c %u "/proc/$pid")" -eq 1000000 ]
        [ "$(nexcage exec --user 7:8 u sh -c 'id -u; id -g' | tr '\n' ' ')" = "7 8 " ]
        nexcage pause u
        nexcage resume u
        nexcage delete --force u
        after=$(find "$NXC_STORE/layers" -printf '%p %u %g %m %s\n' | sort)
        [ "$before" = "$after" ]
}

@test "bad input: one error, and nothing left" {
        snapshot_machine
        fails_with Usage parse-options "is no mapping" -- nexcage run --rm --userns 0:1 "$IMAGE" true
        fails_with Usage parse-options "is no mapping" -- nexcage run --rm --userns 0:1:0 "$IMAGE" true
        fails_with Usage parse-options "is no mapping" -- nexcage run --rm --userns 0:4294967295:9 "$IMAGE" true
        fails_with Usage parse-options "does not map id 0" -- nexcage run --rm --userns 5:1000:9 "$IMAGE" true
        echo nobody:1:2 >"$SUBIDS"
        fails_with Usage mount-layers "no range for 'containers' or 'root'" -- nexcage run --rm --userns auto "$IMAGE" true
        echo containers:x:2 >"$SUBIDS"
        fails_with Usage mount-layers "no usable range" -- nexcage run --rm --userns auto "$IMAGE" true
        assert_machine_unchanged
}
