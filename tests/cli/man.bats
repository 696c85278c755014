#!/usr/bin/env bats
# The man pages and completions have what --help has, command by command.
# shellcheck disable=SC2154,SC2016  # bats' variables; scripts for another shell

load helpers
setup() { cli_setup; }

@test "every command has a page, and every page a command" {
        for c in $(commands); do
                [ -e "$NXC_TESTS/../man/nexcage-$c.scd.in" ]
        done
        for page in "$NXC_TESTS"/../man/nexcage-*.scd.in; do
                c=${page##*/nexcage-}
                commands | grep -qx "${c%.scd.in}"
        done
}

@test "every page has a description, its options and an exit status" {
        for page in "$NXC_TESTS"/../man/*.scd.in; do
                grep -qx '# DESCRIPTION' "$page"
                grep -qx '@OPTIONS@' "$page"
                grep -qx '# EXIT STATUS' "$page"
        done
}

@test "the pages of the build are well made and have every option" {
        command -v scdoc >/dev/null || skip "scdoc is not installed: apt install scdoc"
        for c in $(commands); do
                page=$NXC_MAN_DIR/nexcage-$c.1
                [ -s "$page" ]
                text=$(sed 's/\\\(f.\)\?//g' "$page") # without roff's escapes
                for option in $(shown_options "$c"); do
                        grep -q -e "$option" <<<"$text" || { echo "nexcage-$c.1 lacks $option"; return 1; }
                done
        done
        [ -s "$NXC_MAN_DIR/nexcage.1" ]
}

@test "help has what introspect has" {
        nexcage introspect >tables
        for c in $(commands); do
                diff <(shown_options "$c" | sort -u) <({
                        jq -r --arg c "$c" '.commands[] | select(.name == $c) | .options[] | select(.hidden | not)
                                | .name, .alias // empty | "--" + .' tables
                        echo --help
                } | sort -u)
        done
}

@test "the scripts for bash, zsh and fish are scripts" {
        for shell in bash zsh fish; do
                nexcage completion $shell >script
                [ -s script ]
                if command -v $shell >/dev/null; then
                        $shell -n script
                fi
        done
}

@test "they have every command and every option that can be used" {
        for shell in bash zsh fish; do
                nexcage completion $shell >script
                for c in $(commands); do
                        grep -qw -- "$c" script
                done
                for option in $(nexcage introspect | jq -r '.options, .commands[].options | .[]
                        | select(.hidden or .type == "refused" | not) | .name, .alias // empty' | sort -u); do
                        grep -q -e "--$option\b" -e "-l $option\b" script || { echo "$shell lacks --$option"; return 1; }
                done
        done
}

# complete WORD...: what bash offers for the last one.
complete_words()
{
        COMP_WORDS=(nexcage "$@")
        COMP_CWORD=$#
        _nexcage
        printf '%s\n' "${COMPREPLY[@]}"
}

@test "bash completes commands, options and values" {
        eval "$(nexcage completion bash)"
        [ "$(complete_words crea)" = create ]
        [ "$(complete_words --log-f)" = --log-format ]
        [ "$(complete_words --log-format j)" = json ]
        [ "$(complete_words run --memo)" = --memory ]
        [ "$(complete_words run --pull nev)" = never ]
        [ "$(complete_words run --pull = nev)" = never ]
        [ "$(complete_words --root /x run --rm --ent)" = --entrypoint ]
        : >aa-file
        [ "$(complete_words create --pid-file aa)" = aa-file ]
}
