#!/usr/bin/env bats
# How the program speaks: help, version, streams, logs, JSON.
# shellcheck disable=SC2154,SC2016  # bats' variables; scripts for another shell

load helpers
setup() { cli_setup; }

@test "help is on standard output and ends with 0" {
        for words in '--help' '-h' 'help' 'run --help' 'run -h' 'help run' 'kill x --help'; do
                # shellcheck disable=SC2086  # words
                run --separate-stderr nexcage $words
                [ "$status" = 0 ] && [ -z "$stderr" ] || [ "$words" = 'kill x --help' ]
                [[ $output == "Usage: nexcage"* ]] || [ "$words" = 'kill x --help' ]
        done
}

@test "every command has help of at most 100 columns that names it" {
        for c in $(commands); do
                run --separate-stderr nexcage "$c" --help
                [ "$status" = 0 ] && [ -z "$stderr" ]
                [[ $output == "Usage: nexcage $c"* ]]
                [ "$(printf '%s\n' "$output" | wc -L)" -le 100 ]
        done
}

@test "the version is what engines parse" {
        run --separate-stderr nexcage --version
        [ "$status" = 0 ]
        [[ ${lines[0]} == "runc version "[0-9]*.[0-9]*.[0-9]*"+nexcage."[0-9]* ]]
        [[ ${lines[1]} == "commit: "* ]]
        [[ ${lines[2]} == "spec: 1."* ]]
        [[ ${lines[3]} == "nexcage version "* ]]
        [ "$(nexcage -v)" = "$output" ]
}

@test "the options of engines, in their spelling" {
        for words in '--root=R --log=L --log-format=json' '--root R --log L --log-format json --rootless=true' \
                '--root R --systemd-cgroup --log L --log-format json --rootless false --debug'; do
                rm -f L
                # shellcheck disable=SC2086  # words
                run nexcage $words state x
                [ "$status" = 1 ]
                jq -es 'last | .level == "error" and (.msg | contains("container does not exist")) and (.time | test("^[0-9-]+T[0-9:.]+Z$"))' L
        done
}

@test "options with one dash, as Go programs send them" {
        run --separate-stderr nexcage restore -no-subreaper -bundle=. x
        [ "$status" = 1 ]
        [[ $stderr != *"unknown option"* ]]
}

@test "the log is appended to, and has what went wrong in parsing too" {
        run nexcage --log L --log-format json create --nonsense x
        run nexcage --log L --log-format json frobnicate
        run nexcage --log L --log-format json state x
        [ "$(jq -s length L)" = 3 ]
        jq -es '.[0].msg | contains("--nonsense")' L
        refuses 1 "FileError: open the log file 'no/such/dir': No such file or directory" --log no/such/dir state x
}

@test "an error is one line, once" {
        run --separate-stderr nexcage state x
        [ "${#stderr_lines[@]}" = 1 ]
        [ "${stderr_lines[0]}" = "nexcage: ContainerNotFound: container does not exist: x" ]
}

@test "with --format=json an error is JSON as well" {
        run --separate-stderr nexcage run --format=json --bundle nowhere x
        [ "$status" = 1 ] && [ -z "$output" ]
        jq -e '.kind == "BundleNotFound" and (.message | contains("nowhere")) and has("stage") and has("hint") and .errno > 0' \
                <<<"$stderr"
        run --separate-stderr nexcage --log L ps --format json x
        jq -e '.kind == "ContainerNotFound"' <<<"$stderr"
        grep -q ContainerNotFound L
}

@test "no containers, no images" {
        [ "$(nexcage list -q)" = "" ]
        [ "$(nexcage list --format=json)" = "[]" ]
        [[ $(nexcage list) =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
        [ "$(nexcage images -q)" = "" ]
        [ "$(nexcage images --format json)" = "[]" ]
        [[ $(nexcage images) =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
        [[ $(nexcage images --digests) =~ ^REPOSITORY\ +TAG\ +DIGEST\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
        [ ! -e "$NEXCAGE_STORE" ] && [ ! -e "$NEXCAGE_ROOT" ]
}

@test "a full disk under standard output is an error" {
        run --separate-stderr bash -c '"$0" --help >/dev/full' "$NEXCAGE"
        [ "$status" = 1 ]
        [ "$stderr" = "nexcage: FileError: write standard output: No space left on device" ]
}

@test "a reader that goes away is none" {
        run --separate-stderr bash -c '{ "$0" introspect; echo "$?" >status; } | head -c 10 >/dev/null' "$NEXCAGE"
        [ -z "$stderr" ]
        [ "$(cat status)" = 141 ] || [ "$(cat status)" = 0 ]
}

@test "descriptors that are closed at the start stay ours" {
        run bash -c '"$0" list -q <&- >&- 2>&-' "$NEXCAGE"
        [ "$status" = 0 ]
}

@test "spec writes a bundle's config.json, once" {
        mkdir b
        run --separate-stderr nexcage spec --bundle b
        [ "$status" = 0 ] && [ -z "$output$stderr" ]
        jq -e '.ociVersion and .process.args == ["sh"]' b/config.json
        run --separate-stderr nexcage spec --bundle b
        [ "$status" = 1 ] && [[ $stderr == *"File exists"*"remove "* ]]
        nexcage spec --rootless
        jq -e '.linux.uidMappings' config.json
}

@test "features is the document of the runtime-spec" {
        nexcage features | jq -e '.ociVersionMin == "1.0.0" and (.potentiallyUnsafeConfigAnnotations | index("bundle"))'
}

@test "introspect describes every command" {
        run nexcage introspect
        [ "$status" = 0 ]
        jq -e '.options and (.commands | length > 30) and all(.commands[]; .name and .summary and .options)' <<<"$output"
}

@test "nothing is written to a terminal but what was asked for" {
        TERM=xterm run script -qec "'$NEXCAGE' images" /dev/null
        [[ $output != *$'\e'* ]]
}
