#!/usr/bin/env bats
# Every way in which a command line is wrong, with its message and exit status.
# shellcheck disable=SC2154,SC2016  # bats' variables; scripts for another shell

load helpers
setup() { cli_setup; }

@test "no command, or one that does not exist" {
        refuses 1 "Usage: no command given (hint: nexcage --help lists the commands)"
        refuses 1 "Usage: unknown command 'frobnicate' (hint: nexcage --help lists the commands)" frobnicate
        refuses 1 "Usage: unknown command 'craete' (hint: did you mean nexcage create?)" craete
        refuses 1 "Usage: unknown command 'nosuch' (hint: nexcage --help lists the commands)" nosuch
        refuses 1 "Usage: unknown command 'x'" help x
}

@test "an unknown option is named, with the nearest one" {
        refuses 1 "Usage: unknown option --rot (hint: did you mean --root?)" --rot=/x state y
        refuses 1 "Usage: create: unknown option --bundel (hint: did you mean --bundle?)" create --bundel . x
        refuses 1 "Usage: state: unknown option -z (hint: see nexcage state --help)" state -z x
        refuses 125 "Usage: run: unknown option --privilegd (hint: did you mean --privileged?)" run --privilegd image
        refuses 125 "Usage: exec: unknown option --usr (hint: did you mean --user?)" exec --usr x y z
}

@test "values that cannot be read" {
        refuses 125 "Usage: run: value of option --memory: not understood 'lots' (hint: it takes a size such as 512m or 1.5g)" \
                run --memory=lots image
        refuses 125 "Usage: run: value of option --cpus: not understood '-1' (hint: it takes a number such as 0.5)" \
                run --cpus -1 image
        refuses 125 "Usage: run: value of option --pids-limit: out of range '-2' (hint: it takes a whole number)" \
                run --pids-limit=-2 image
        refuses 125 "Usage: run: value of option --pull: not understood 'often' (hint: it takes one of: missing, always, never, newer)" \
                run --pull often image
        refuses 125 "Usage: run: value of option --timings: not understood 'svg' (hint: it takes one of: no, text, json, mermaid, chrome)" \
                run --timings=svg image
        refuses 1 "Usage: value of option --log-format: not understood 'xml' (hint: it takes one of: text, json)" \
                --log-format xml state x
        refuses 1 "Usage: create: value missing after option --pid-file" create --pid-file
        refuses 1 "Usage: create: value of option --preserve-fds: out of range '5000' (hint: it takes a whole number)" \
                create --preserve-fds 5000 x
        refuses 1 "Usage: events: --interval has to be above 0 and below 24 days" events --interval=0s x
        refuses 1 "Usage: update: value of option --blkio-weight: out of range '1001' (hint: it takes a whole number)" \
                update --blkio-weight 1001 x
}

@test "what exists elsewhere is refused by name" {
        refuses 125 "NotImplemented: run: option -p is not implemented (hint: ports cannot be published yet; --network host shares the host's)" \
                run -p 80:80 image
        refuses 125 "Usage: run: option --creds is refused (hint: every user of the host can read a command line; give the secret with --creds-file)" \
                run --creds me:secret image
        refuses 1 "NotImplemented: option --criu is not implemented (hint: crun and runc look for criu in PATH themselves; leave the option out)" \
                --criu /usr/sbin/criu checkpoint x
        refuses 1 "NotImplemented: update: option --l3-cache-schema is not implemented (hint: cache partitioning is set when the container is made, by linux.intelRdt of config.json)" \
                update --l3-cache-schema=x y
        refuses 1 "NotImplemented: update: option --mem-bw-schema is not implemented (hint: memory bandwidth is set when the container is made, by linux.intelRdt of config.json)" \
                update --mem-bw-schema=x y
}

@test "too few and too many arguments" {
        refuses 1 "Usage: state: an argument is missing (hint: nexcage state ID)" state
        refuses 1 "Usage: state: unexpected argument 'y' (hint: nexcage state ID)" state x y
        refuses 1 "Usage: list: unexpected argument 'y' (hint: nexcage list [OPTION...])" list y
        refuses 125 "Usage: run: an argument is missing (hint: nexcage run [OPTION...] IMAGE [COMMAND [ARG...]])" run
        refuses 1 "Usage: tag: an argument is missing (hint: nexcage tag IMAGE NAME...)" tag x
        refuses 1 "Usage: kill: unexpected argument 'z' (hint: nexcage kill [OPTION...] ID [SIGNAL])" kill x TERM z
        refuses 125 "Usage: exec: a command or --process is needed" exec x
}

@test "a bundle and what composes one from an image" {
        refuses 1 "Usage: run: option --env only goes with an image (hint: run --bundle DIR ID takes all this from config.json)" \
                run --bundle . -e A=1 x
        refuses 1 "Usage: run: unexpected argument 'sh' after --bundle DIR ID (hint: the program of a bundle is in its config.json)" \
                run --bundle . x sh
        refuses 1 "Usage: create: option --memory only goes with an image (hint: name one with --image)" create -m 64m x
        refuses 1 "Usage: create: option --user only goes with an image (hint: with --bundle, its config.json says this)" \
                create --bundle . --image y -u 0 x
        refuses 1 "Usage: create: a command ('sh') only goes with an image (hint: the program of a bundle is in its config.json)" \
                create x sh
}

@test "what contradicts itself" {
        refuses 125 "Usage: run: options --rm and --keep contradict each other" run --rm --keep image
}

@test "a process and its parts" {
        refuses 255 "Usage: exec: a command ('sh') does not go with --process" exec --process p.json x sh
        refuses 255 "Usage: exec: option --user does not go with --process" exec --process p.json --user 0 x
        refuses 255 "ContainerNotFound: container does not exist: x" exec --process p.json x
}

@test "a terminal needs one" {
        refuses 125 "Usage: run: the input device is not a TTY (hint: leave out -t, or -i)" run -it image </dev/null
        refuses 125 "Usage: exec: the input device is not a TTY (hint: leave out -t)" exec -it x sh </dev/null
}

@test "signals" {
        for signal in NOSUCH 65 -9 ''; do
                run --separate-stderr nexcage kill x "$signal"
                [ "$status" = 1 ]
                [[ $stderr == "nexcage: Usage: "*signal* ]]
        done
}

@test "containers that do not exist" {
        for verb in start state pause resume delete 'kill' 'ps' 'events --stats' 'update --memory 64m' 'checkpoint'; do
                # shellcheck disable=SC2086  # words
                refuses 1 "ContainerNotFound: container does not exist: x" $verb x
        done
        refuses 125 "ContainerNotFound: container does not exist: x" exec x sh
        run nexcage delete --force x
        [ "$status" = 0 ] && [ -z "$output" ]
        [ ! -e "$NEXCAGE_ROOT" ]
}

@test "ids" {
        for id in ../x . .x a/b 'a b' ''; do
                run --separate-stderr nexcage state "$id"
                [ "$status" = 1 ]
                [[ $stderr == "nexcage: "* ]] && [[ $stderr == *Usage* || $stderr == *ContainerNotFound* ]]
                run --separate-stderr nexcage create --bundle . "$id"
                [ "$status" = 1 ] && [[ $stderr == "nexcage: "* ]]
        done
        [ ! -e "$NEXCAGE_ROOT" ] || [ -z "$(ls -A "$NEXCAGE_ROOT")" ]
}

@test "update reads strict JSON, and wants something to do" {
        refuses 1 "Usage: update: nothing to change was given" update x
        refuses 1 "InvalidSpec: update: resources are not a JSON object" update --resources=- x <<<'[]'
        run --separate-stderr nexcage update --resources - x <<<'{"cpu":'
        [ "$status" = 1 ] && [[ $stderr == "nexcage: InvalidJson: "* ]]
}

@test "an archive does not go to a terminal, nor a directory to standard output" {
        refuses 1 "Usage: save: a directory cannot go to standard output (hint: name it with --output DIR)" \
                save --format oci-dir image
        run --separate-stderr script -qec "'$NEXCAGE' save image" /dev/null
        [[ $output == *"save: an archive is not for a terminal"* ]]
}

@test "credentials come from a file, whole" {
        printf 'nocolon\n' >creds
        refuses 1 "Usage: credentials in 'creds' are not USER:PASSWORD" pull --creds-file creds 127.0.0.1:1/x
        run --separate-stderr nexcage pull --creds-file missing 127.0.0.1:1/x
        [ "$status" = 1 ] && [[ $stderr == "nexcage: FileError: "*missing* ]]
}

@test "references that are none" {
        run --separate-stderr nexcage pull x/UPPER
        [ "$status" = 1 ] && [[ $stderr == "nexcage: Usage: "* ]]
        run --separate-stderr nexcage run 'a b'
        [ "$status" = 125 ] && [[ $stderr == "nexcage: Usage"* ]]
}

@test "--root / is refused" {
        run --separate-stderr nexcage --root / state x
        [ "$status" = 1 ] && [[ $stderr == "nexcage: Usage: "* ]]
}

@test "completion of an unknown shell" {
        refuses 1 "Usage: completion: unknown shell 'csh' (hint: known are bash, zsh and fish)" completion csh
}

@test "verify --all and names" {
        refuses 1 "Usage: verify: --all and the names of images" verify --all x
}

@test "layers: an unknown format" {
        run --separate-stderr nexcage layers --format svg
        [ "$status" = 1 ] && [[ $stderr == "nexcage: Usage: "*table*json*dot* ]]
}
