# The same registry over TLS: whose certificate counts, and that nothing leads from https to plain http.
load helpers
load registry-helpers

setup_file()
{
        requires_runtime crun # nothing here depends on it: once is enough
        nxc_setup_file
        fault_server tls --tls
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
        CERTS=$BATS_TEST_TMPDIR/certs
        mkdir "$CERTS"
        cp "$FAULT_DIR/ca.crt" "$CERTS/"
}

@test "an unknown certificate is refused, on loopback as well" {
        pull_fails RegistryError "certificate" none
        assert_output_has "--cert-dir" "--tls-verify=false"
        pull_fails RegistryError "certificate" none --tls-verify=true
        [ "$(requests true)" -eq 0 ]
}

@test "--cert-dir, certs.d, SSL_CERT_FILE, --tls-verify=false" {
        pulls none --cert-dir "$CERTS"
        rm -rf "$NXC_STORE"
        mkdir -p "$BATS_TEST_TMPDIR/home/.config/containers/certs.d/$FAULT"
        cp "$FAULT_DIR/ca.crt" "$BATS_TEST_TMPDIR/home/.config/containers/certs.d/$FAULT/"
        HOME=$BATS_TEST_TMPDIR/home pulls none
        rm -rf "$NXC_STORE"
        SSL_CERT_FILE=$FAULT_DIR/ca.crt pulls none
        rm -rf "$NXC_STORE"
        pulls none --tls-verify=false
}

@test "a --cert-dir that is missing, or has something else in it" {
        fails_with ConfigError - nosuch -- pull none --cert-dir "$BATS_TEST_TMPDIR/nosuch"
        echo nothing >"$CERTS/x.crt"
        fails_with ConfigError - PEM -- pull none --cert-dir "$CERTS"
        rm "$CERTS/x.crt"
        cp "$FAULT_DIR/ca.crt" "$CERTS/client.cert"
        fails_with ConfigError - client.key -- pull none --cert-dir "$CERTS"
}

@test "the blob store's certificate is checked like the registry's" {
        pulls basic/redirect --cert-dir "$CERTS" --creds-file "$BATS_TEST_TMPDIR/creds"
        [ "$(requests '.listener == "blobs"')" -ge 1 ]
        [ "$(requests '.listener == "blobs" and .headers.authorization')" -eq 0 ]
}

@test "no redirect from https to plain http" {
        pull_fails RegistryError "plain http" basic/redirect-plain --cert-dir "$CERTS" \
                --creds-file "$BATS_TEST_TMPDIR/creds"
        [ "$(requests '.listener == "plain"')" -eq 0 ]
}

@test "no token server without https, none at a private address" {
        pull_fails RegistryError "not https" realm-plain --cert-dir "$CERTS" --creds-file "$BATS_TEST_TMPDIR/creds"
        pull_fails RegistryError "10.255.255.1" realm-private --cert-dir "$CERTS" --creds-file "$BATS_TEST_TMPDIR/creds"
        [ "$(requests '.path | startswith("/token")')" -eq 0 ]
}

@test "another site's token server is shown no credentials" {
        run pull realm-foreign --cert-dir "$CERTS" --creds-file "$BATS_TEST_TMPDIR/creds"
        [ "$status" -ne 0 ]
        assert_output_has RegistryError token.example.com
}

@test "plain http where TLS is asked for" {
        FAULT=$FAULT_PLAIN pull_fails RegistryError "TLS handshake failed" none --tls-verify=true
}
