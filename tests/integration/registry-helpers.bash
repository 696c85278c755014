# shellcheck shell=bash
# The registry with faults (tests/servers/registry-fault.py), for the bats files that need one.

# fault_server NAME [--tls]: sets FAULT, FAULT_BLOBS and FAULT_PLAIN (HOST:PORT each) and FAULT_DIR with requests (its
# log) and, with --tls, ca.crt. It serves the busybox image, ends with the file's teardown, and knows user:secret.
fault_server()
{
        local dir=$BATS_FILE_TMPDIR/registry-$1 tls=() ports i
        requires python3
        requires_image busybox
        mkdir "$dir"
        if [ "${2-}" = --tls ]; then
                requires openssl
                openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                        -subj /CN=localhost -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' \
                        -keyout "$dir/key.pem" -out "$dir/ca.crt" 2>/dev/null || return 1
                tls=(--tls "$dir/ca.crt" "$dir/key.pem")
        fi
        : >"$dir/requests"
        "$NXC_TESTS/servers/registry-fault.py" "${tls[@]}" --log "$dir/requests" "$NXC_TEST_CACHE/busybox" \
                >"$dir/ports" 2>"$dir/stderr" </dev/null 3>&- &
        echo $! >"$dir/pid"
        for ((i = 0; i < 200 && $(wc -l <"$dir/ports") == 0; i++)); do
                sleep 0.05
        done
        read -ra ports <"$dir/ports" || fail "no registry with faults:" "$(cat "$dir/stderr")" || return 1
        export FAULT=127.0.0.1:${ports[0]} FAULT_BLOBS=127.0.0.1:${ports[1]} FAULT_PLAIN=127.0.0.1:${ports[2]}
        export FAULT_DIR=$dir
}

# requests JQ-CONDITION: how many requests were made, since the log was emptied, for which it holds.
requests()
{
        jq -s "map(select($1)) | length" "$FAULT_DIR/requests"
}

# auth_file FILE HOST JSON-OF-ENTRY
auth_file()
{
        mkdir -p "$(dirname "$1")"
        printf '{"auths": {"%s": %s}}\n' "$2" "$3" >"$1"
}

# pull FAULTS [OPTION...]: the image from a repository with these faults, within a minute and a half.
pull()
{
        local faults=$1
        shift
        timeout 90 "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" \
                pull "$@" "$FAULT/$faults/busybox:latest" </dev/null
}

# Nothing of an image: no name, no blob, no layer, nothing staged.
assert_store_empty()
{
        local left
        left=$(find "$NXC_STORE" -type f \( -path '*/blobs/*' -o -path '*/layers/*' \) ! -name '*lock' 2>/dev/null
                find "$NXC_STORE" -name '.staging*' 2>/dev/null
                [ ! -e "$NXC_STORE/images/index.json" ] || jq -r '.manifests[]' "$NXC_STORE/images/index.json")
        [ -z "$left" ] || fail "left in the store:" "$left"
}

# pulls FAULTS [OPTION...]: it succeeds, and the image is whole.
pulls()
{
        run pull "$@"
        assert_status 0 || return 1
        run nexcage verify "$FAULT/$1/busybox:latest"
        assert_status 0
}

# pull_fails KIND WORDS FAULTS [OPTION...]: it fails so, and nothing is left.
pull_fails()
{
        local kind=$1 words=$2
        shift 2
        fails_with "$kind" - "$words" -- pull "$@" || return 1
        assert_output_has "$FAULT" || return 1
        assert_store_empty
}
