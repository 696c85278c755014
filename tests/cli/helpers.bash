# shellcheck shell=bash disable=SC2154  # status, output and stderr are bats'
# What the command-line tests share: they need no root, no network, no store and no image. A file begins with
#
#         load helpers
#         setup() { cli_setup; }

bats_require_minimum_version 1.5.0

NXC_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
: "${NEXCAGE:=$(dirname "$NXC_TESTS")/build/nexcage}"
: "${NXC_MAN_DIR:=$(dirname "$NEXCAGE")/man}"

# A root and a store that do not exist, an empty configuration, an empty directory to work in.
cli_setup()
{
        cd "$BATS_TEST_TMPDIR" || return 1
        : >nexcage.conf
        export NEXCAGE_ROOT=$BATS_TEST_TMPDIR/root NEXCAGE_STORE=$BATS_TEST_TMPDIR/store
        export NEXCAGE_CONFIG=$BATS_TEST_TMPDIR/nexcage.conf
        unset NXC_DEBUG
}

nexcage()
{
        "$NEXCAGE" "$@"
}

# refuses STATUS ERROR ARG...: the command fails so, says exactly this on standard error, and nothing on standard output.
refuses()
{
        local want=$1 text=$2
        shift 2
        run --separate-stderr nexcage "$@"
        if [ "$status" != "$want" ] || [ "$stderr" != "nexcage: $text" ] || [ -n "$output" ]; then
                printf 'nexcage %s\n  status %s, wanted %s\n  said   %s\n  wanted nexcage: %s\n  stdout %s\n' \
                        "$*" "$status" "$want" "$stderr" "$text" "$output"
                return 1
        fi
}

# commands: their names, one a line.
commands()
{
        nexcage introspect | jq -r '.commands[] | select(.hidden | not) | .name'
}

# shown_options COMMAND: the long names in its --help, one a line.
shown_options()
{
        nexcage "$1" --help | sed -n '/^Options:/,/^$/p' | grep -o '^ .\{5\}--[a-z0-9-]*\(, --[a-z-]*\)\?' | grep -o -- '--[a-z0-9-]*'
}
