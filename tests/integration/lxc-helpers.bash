# shellcheck shell=bash disable=SC2154  # status and output are bats'
# For the files that look at one container on LXC, "c", from inside.

lxc_setup_file()
{
        requires_root
        requires_runtime lxc
        nxc_setup_file
        export BUNDLE=$BATS_FILE_TMPDIR/bundle
        make_bundle "$BUNDLE"
}

# new_config FILTER: the template, without a terminal, and changed.
new_config()
{
        rm -f "$BUNDLE/config.json"
        nexcage spec --bundle "$BUNDLE"
        edit_bundle "$BUNDLE" '.process.terminal = false'
        edit_bundle "$BUNDLE" "$1"
}

# in_container FILTER SCRIPT: the output of a script in a container whose config.json the filter has changed.
in_container()
{
        new_config "$1"
        jq --arg script "$2" '.process.args = ["sh", "-c", $script]' "$BUNDLE/config.json" >"$BUNDLE/new"
        mv "$BUNDLE/new" "$BUNDLE/config.json"
        run --separate-stderr nexcage run --bundle "$BUNDLE" c
        [ "$status" -eq 0 ] || fail "exit status $status:" "$stderr" "$output"
}

# start_c [FILTER]: a container that sleeps.
start_c()
{
        new_config "${1:-.}"
        edit_bundle "$BUNDLE" '.process.args = ["sleep", "1000"]'
        nexcage run -d --bundle "$BUNDLE" c >/dev/null 2>&1 3>&-
}
