# Registries that want credentials, fail, lie, or lead elsewhere: each ends in the image or in one clear error, and
# credentials reach nobody but the registry they belong to.
load helpers
load registry-helpers

setup_file()
{
        requires_runtime crun # nothing here depends on it: once is enough
        nxc_setup_file
        fault_server plain
        # It takes as long as we wait for a registry, and nothing else needs to wait for it.
        mkdir -m 700 "$BATS_FILE_TMPDIR/stalled"
        {
                NXC_STORE=$BATS_FILE_TMPDIR/stalled pull stall --retry 0 >"$BATS_FILE_TMPDIR/stalled.out" 2>&1 || true
                touch "$BATS_FILE_TMPDIR/stalled.done"
        } 3>&- &
}

# What began in setup_file.
stalled_pull()
{
        wait_for 90 test -e "$BATS_FILE_TMPDIR/stalled.done" || return 0
        cat "$BATS_FILE_TMPDIR/stalled.out"
        return 1
}

teardown_file()
{
        nxc_teardown_file
}

setup()
{
        export NXC_STORE=$BATS_TEST_TMPDIR/store
        mkdir -m 700 "$NXC_STORE"
        : >"$FAULT_DIR/requests"
        printf 'user:secret\n' >"$BATS_TEST_TMPDIR/creds"
        printf 'user:wrong\n' >"$BATS_TEST_TMPDIR/wrong"
}

blob_size()
{
        jq -r '.layers[0].size' "$NXC_TEST_CACHE/busybox/blobs/sha256/$(jq -r '.manifests[0].digest' \
                "$NXC_TEST_CACHE/busybox/index.json" | cut -d: -f2)"
}

# ---- authentication

@test "no authentication" {
        pulls none
}

@test "Bearer: an anonymous token, token and access_token" {
        pulls token-anonymous
        pulls token-access
}

@test "Bearer: credentials for the token server, wrong ones, none" {
        pulls token --creds-file "$BATS_TEST_TMPDIR/creds"
        export NXC_STORE=$BATS_TEST_TMPDIR/store2
        mkdir "$NXC_STORE"
        pull_fails Unauthorized "401" token --creds-file "$BATS_TEST_TMPDIR/wrong"
        pull_fails Unauthorized "incorrect username or password" token
        assert_output_has "auth.json" "--creds-file"
}

@test "Bearer: a token that expires early is fetched again" {
        pulls token-once
}

@test "Bearer: a token that the registry does not take, no token, a broken token server" {
        pull_fails Unauthorized "authentication required" token-denied
        pull_fails RegistryError "no token" token-none
        pull_fails RegistryError "500" token-500 --retry 0
}

@test "Bearer: an identity token goes to the token server in a POST" {
        auth_file "$BATS_TEST_TMPDIR/auth.json" "$FAULT" '{"identitytoken": "identity-secret"}'
        pulls token-identity --authfile "$BATS_TEST_TMPDIR/auth.json"
        [ "$(requests '.method == "POST" and (.body | contains("grant_type=refresh_token"))')" -ge 1 ]
        [ "$(requests '.path | contains("identity-secret")')" -eq 0 ]
}

@test "Basic: right, wrong, none" {
        pulls basic --creds-file "$BATS_TEST_TMPDIR/creds"
        export NXC_STORE=$BATS_TEST_TMPDIR/store2
        mkdir "$NXC_STORE"
        pull_fails Unauthorized "401" basic --creds-file "$BATS_TEST_TMPDIR/wrong"
        pull_fails Unauthorized "authentication required" basic
}

@test "credentials: from standard input, from the usual files in their order" {
        local entry='{"auth": "dXNlcjpzZWNyZXQ="}' wrong='{"auth": "dXNlcjp3cm9uZw=="}' store=$NXC_STORE
        run nexcage_stdin pull --creds-file - "$FAULT/basic/busybox" <"$BATS_TEST_TMPDIR/creds"
        assert_status 0
        export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run HOME=$BATS_TEST_TMPDIR/home
        auth_file "$HOME/.docker/config.json" "http://$FAULT/v2/" "$entry"
        NXC_STORE=$store-1 run pull basic
        assert_status 0
        auth_file "$XDG_RUNTIME_DIR/containers/auth.json" "$FAULT" "$wrong"
        NXC_STORE=$store-2 run pull basic
        assert_output_has Unauthorized
        auth_file "$XDG_RUNTIME_DIR/containers/auth.json" "$FAULT/basic/busybox" "$entry"
        NXC_STORE=$store-3 run pull basic
        assert_status 0
        auth_file "$BATS_TEST_TMPDIR/env.json" "$FAULT" "$wrong"
        NXC_STORE=$store-4 REGISTRY_AUTH_FILE=$BATS_TEST_TMPDIR/env.json run pull basic
        assert_output_has Unauthorized
        # Of another host, another port, or the name with something after it: not ours.
        for host in localhost "${FAULT%:*}" "${FAULT}0" "evil-$FAULT"; do
                auth_file "$BATS_TEST_TMPDIR/auth.json" "$host" "$entry"
                NXC_STORE=$store-4 run pull basic --authfile "$BATS_TEST_TMPDIR/auth.json"
                assert_output_has Unauthorized
        done
}

@test "credentials: a file that is missing or broken, without its text" {
        pull_fails_named() { fails_with "$1" - "$2" -- pull basic --authfile "$BATS_TEST_TMPDIR/auth.json"; }
        pull_fails_named FileError auth.json
        echo '{"auths": {"x": {"auth": "dXNlcjpzZWNyZXQ=" "y"}}}' >"$BATS_TEST_TMPDIR/auth.json"
        pull_fails_named InvalidConfig "line 1"
        [[ $output != *dXNl* ]]
}

@test "credentials: a helper is asked on its stdin; one that is missing is named" {
        requires_root
        cat >"$BATS_TEST_TMPDIR/docker-credential-nxctest" <<'END'
#!/bin/sh
read -r server
echo "$* for $server" >>"$NXC_HELPER_LOG"
echo '{"ServerURL": "x", "Username": "user", "Secret": "secret"}'
END
        chmod 755 "$BATS_TEST_TMPDIR/docker-credential-nxctest"
        printf '{"credHelpers": {"%s": "nxctest"}}' "$FAULT" >"$BATS_TEST_TMPDIR/auth.json"
        fails_with ConfigError - docker-credential-nxctest -- pull basic --authfile "$BATS_TEST_TMPDIR/auth.json"
        # Programs are looked for in the system's directories only.
        export NXC_HELPER_LOG=$BATS_TEST_TMPDIR/helper.log
        run unshare -m sh -c 'mount -t tmpfs none /usr/local/sbin && cp "$1" /usr/local/sbin/ && shift && exec "$@"' - \
                "$BATS_TEST_TMPDIR/docker-credential-nxctest" "$NEXCAGE" --store "$NXC_STORE" --root "$NXC_ROOT" \
                pull --authfile "$BATS_TEST_TMPDIR/auth.json" "$FAULT/basic/busybox"
        assert_status 0
        [ "$(cat "$NXC_HELPER_LOG")" = "get for $FAULT" ]
}

@test "a secret is in no argument list, no debug line and no error" {
        run nexcage --debug pull --creds-file "$BATS_TEST_TMPDIR/creds" "$FAULT/token/redirect/busybox"
        assert_status 0
        [[ $output == *"/v2/"* ]]
        [[ $output != *secret* && $output != *dXNlcjpzZWNyZXQ* && $output != *token-0* && $output != *s3cret* ]]
        nexcage pull --creds-file "$BATS_TEST_TMPDIR/creds" "$FAULT/basic/slow-100/busybox" &
        local pid=$!
        for _ in 1 2 3 4 5; do
                ! grep -qz 'secret' /proc/[0-9]*/cmdline
                sleep 0.05
        done
        wait "$pid"
}

# ---- whom the registry may send us to (SECURITY: SSRF by realm, credentials on redirects)

@test "realm: link-local, private, not http" {
        pull_fails RegistryError "169.254.169.254" realm-linklocal --creds-file "$BATS_TEST_TMPDIR/creds"
        pull_fails RegistryError "10.255.255.1" realm-private --creds-file "$BATS_TEST_TMPDIR/creds"
        pull_fails RegistryError "http or https" realm-file --creds-file "$BATS_TEST_TMPDIR/creds"
}

@test "redirects: to the blob store without credentials" {
        pulls basic/redirect --creds-file "$BATS_TEST_TMPDIR/creds"
        [ "$(requests '.listener == "blobs"')" -ge 1 ]
        [ "$(requests '.listener == "blobs" and .headers.authorization')" -eq 0 ]
        [ "$(requests '.listener == "registry" and .headers.authorization')" -ge 1 ]
}

@test "redirects: Bearer tokens stay at home as well, also under another name of the same host" {
        pulls token/redirect-localhost --creds-file "$BATS_TEST_TMPDIR/creds"
        [ "$(requests '.listener == "blobs"')" -ge 1 ]
        [ "$(requests '.listener == "blobs" and .headers.authorization')" -eq 0 ]
}

@test "redirects: a blob store that answers 401 gets no credentials" {
        pull_fails RegistryError "401" basic/redirect-401 --creds-file "$BATS_TEST_TMPDIR/creds"
        [ "$(requests '.listener == "blobs" and .headers.authorization')" -eq 0 ]
        [ "$(requests '.path | startswith("/token")')" -eq 0 ]
}

@test "redirects: five are followed, six are not, a loop ends" {
        pulls redirect-hops-5
        export NXC_STORE=$BATS_TEST_TMPDIR/store2
        mkdir "$NXC_STORE"
        pull_fails RegistryError "more than 5" redirect-hops-6
        pull_fails RegistryError "more than 5" redirect-loop
}

@test "redirects: not to link-local addresses, not to files" {
        pull_fails RegistryError "169.254.169.254" redirect-linklocal
        pull_fails RegistryError "http or https" redirect-file
}

# ---- what may pass, and is tried again

@test "retries: 500, resets, 429 with seconds and with a date" {
        pulls status-500-2
        pulls reset-2
        local before=$SECONDS
        pulls retry-after-1-1
        [ $((SECONDS - before)) -ge 1 ]
        pulls retry-date-2-1
}

@test "retries: a cut blob goes on where it stopped" {
        pulls truncate-100000
        [ "$(requests '.headers.range == "bytes=100000-"')" -ge 1 ]
}

@test "retries: a cut blob starts over where Range is ignored or answered wrongly" {
        pulls norange/truncate-100000
        pulls badrange/truncate-100000
}

@test "retries end: 500, 503, resets, 429, blobs always cut" {
        pull_fails RegistryError "500 Internal Server Error" status-500
        assert_output_has "attempt 4"
        pull_fails RegistryError "503" status-503 --retry 0
        pull_fails RegistryError "reset" reset --retry 1
        pull_fails RegistryError "429" retry-after-1 --retry 1
        pull_fails RegistryError "cut off" norange/truncate-each-1000 --retry 1
        pull_fails RegistryError "500" blob-status-500 --retry 0
}

# ---- what will not pass

@test "answers: 401, 403, 404, with the registry's own words" {
        pull_fails Unauthorized "401 Unauthorized: UNAUTHORIZED" status-401
        pull_fails Unauthorized "403 Forbidden: DENIED: the fault that was asked for" status-403
        pull_fails ImageNotFound "404 Not Found: MANIFEST_UNKNOWN" status-404
        pull_fails RegistryError "404" blob-status-404
        [ "$(requests '.path | contains("/status-404/")')" -eq 1 ]
}

@test "answers: control characters of a registry do not reach the terminal" {
        pull_fails ImageNotFound "MANIFEST_UNKNOWN" rude-error
        [[ $output != *$'\e'* && $output != *$'\nnexcage: forged'* ]]
}

@test "a registry that is down, one that is no registry, a name that does not exist" {
        FAULT=127.0.0.1:$(free_port) pull_fails RegistryError "no connection" none
        pull_fails RegistryError "HTTP" garbage
        FAULT=registry.invalid pull_fails RegistryError "not resolved" none
}

@test "endless manifest, headers, error text" {
        pull_fails RegistryError "more than 4194304 bytes" endless-manifest
        pull_fails RegistryError "headers" endless-headers
        pull_fails RegistryError "400" endless-error
}

@test "other bytes: manifest, blob, more than there should be" {
        pull_fails InvalidImage "sha256:" wrong-manifest
        pull_fails InvalidImage "as it says" wrong-header
        fails_with InvalidImage - "has digest" -- pull wrong-blob
        assert_store_empty
        pull_fails InvalidImage "more than" long-blob
}

@test "content types: generic ones are looked through, others are not" {
        pulls type-json
        export NXC_STORE=$BATS_TEST_TMPDIR/store2
        mkdir "$NXC_STORE"
        pull_fails InvalidImage "text/html" type-html
        pull_fails InvalidImage "schema 1" type-schema1
}

@test "by digest: what has another digest is refused" {
        local digest
        digest=$(jq -r '.manifests[0].digest' "$NXC_TEST_CACHE/busybox/index.json")
        run nexcage pull "$FAULT/none/busybox@$digest"
        assert_status 0
        NXC_STORE=$BATS_TEST_TMPDIR/store2 fails_with InvalidImage - "not $digest" -- \
                nexcage pull "$FAULT/wrong-manifest/busybox@$digest"
}

# ---- what others are doing, or did not finish

# kill_pull: a pull that is killed in the middle of the layer; sets part, the file that it leaves.
kill_pull()
{
        local pid
        "$NEXCAGE" --root "$NXC_ROOT" --store "$NXC_STORE" pull "$FAULT/slow-40/app/busybox:latest" 2>/dev/null </dev/null &
        pid=$!
        wait_for 20 half_a_layer || fail "no half blob:" "$(find "$NXC_STORE")" || return 1
        kill -9 "$pid"
        wait "$pid" || true
        part=$(half_a_layer)
}

half_a_layer()
{
        find "$NXC_STORE/images" -path '*/.staging-*' -name 'sha256:*.part' -size +200k 2>/dev/null | grep .
}

ranges()
{
        jq -r 'select(.path | contains("/blobs/")) | .headers.range // empty' "$FAULT_DIR/requests"
}

@test "a pull that was killed goes on where it was" {
        local part size
        kill_pull
        size=$(stat -c %s "$part")
        : >"$FAULT_DIR/requests"
        pulls app
        [ "$(ranges)" = "bytes=$size-" ]
        nexcage prune
        [ -z "$(find "$NXC_STORE" -name '.staging*' -o -name '.turn-*' -o -name 'pull-*')" ]
}

@test "a pull that was killed, and what it left is damaged" {
        local part
        kill_pull
        printf x | dd of="$part" bs=1 seek=1000 conv=notrunc status=none
        pulls app
        [ -z "$(find "$NXC_STORE" -name '.staging*')" ]
}

@test "a pull that was killed: prune takes what it left" {
        local part
        kill_pull
        nexcage prune
        assert_store_empty
        [ -z "$(find "$NXC_STORE" -name '.turn-*' -o -name 'pull-*')" ]
}

@test "one layer for two images at once: it comes once" {
        local first second
        : >"$FAULT_DIR/requests"
        pull slow-5/one &
        first=$!
        pull slow-5/two &
        second=$!
        wait "$first"
        wait "$second"
        nexcage verify "$FAULT/slow-5/one/busybox:latest"
        nexcage verify "$FAULT/slow-5/two/busybox:latest"
        jq -r 'select(.path | contains("/blobs/")) | .path | sub(".*/"; "")' "$FAULT_DIR/requests" | sort | uniq -d >"$BATS_TEST_TMPDIR/twice"
        # The configuration is small, and may come twice.
        layer=$(nexcage inspect "$FAULT/slow-5/one/busybox:latest" | jq -r '.. | .layers? // empty | .[0] | .digest? // .' | head -n 1)
        ! grep -q "${layer#sha256:}" "$BATS_TEST_TMPDIR/twice"
        [ -z "$(find "$NXC_STORE" -name '.staging*' -o -name '.turn-*' -o -name 'pull-*')" ]
}

@test "a server that stalls is given up" {
        fails_with RegistryError - "stalled" -- stalled_pull
        assert_output_has "$FAULT"
        export NXC_STORE=$BATS_FILE_TMPDIR/stalled
        assert_store_empty
}
