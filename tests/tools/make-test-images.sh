#!/bin/bash
# Makes the images that the tests use as OCI layouts under OUT, each tagged `latest`; those that are there already and
# not older than these scripts are kept.
#
#   busybox      one layer, made by umoci from Debian's busybox-static   (and OUT/busybox-root: the same, unpacked)
#   everything   every kind of entry that a layer may hold, whiteouts and swaps: make-everything.py
#   built        made by buildah: COPY and a configuration, docker schema on push
#   debian       a real root filesystem, mmdebstrap --variant=minbase
#
# An image whose maker fails is left out with a word on stderr; the tests that need it skip. The first two must succeed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: make-test-images.sh OUT}
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ $# -eq 1 ]; then
        exec 9>"$out/.lock"
        flock 9
        work=$(mktemp -d "$out/.work-XXXXXX")
        trap 'rm -rf "$work"' EXIT
fi

make_busybox_root()
{
        local root=$1 applet
        mkdir -p "$root"/{bin,etc,tmp,root,home/app,proc,sys,dev,run,var/tmp,usr/bin}
        chmod 1777 "$root/tmp" "$root/var/tmp"
        cp /bin/busybox "$root/bin/busybox"
        for applet in $(/bin/busybox --list); do
                [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
        done
        printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n' >"$root/etc/passwd"
        printf 'root:x:0:\napp:x:1000:\nstaff:x:50:app\n' >"$root/etc/group"
        printf 'NAME="nexcage test image"\nID=busybox\n' >"$root/etc/os-release"
        chown 1000:1000 "$root/home/app"
}

make_busybox()
{
        make_busybox_root "$work/busybox-root"
        umoci init --layout "$1"
        umoci new --image "$1:latest"
        umoci insert --image "$1:latest" "$work/busybox-root" /
        umoci config --image "$1:latest" --config.cmd /bin/sh --config.env PATH=/bin:/usr/bin \
                --config.label org.nexcage.test=busybox --architecture "$(go_arch)"
        umoci gc --layout "$1"
        rm -rf "$out/busybox-root"
        mv "$work/busybox-root" "$out/busybox-root"
}

make_everything()
{
        python3 "$here/make-everything.py" "$1" "$(go_arch)"
}

make_built()
{
        local container storage=(--root "$work/storage" --runroot "$work/runroot" --storage-driver vfs)
        container=$(buildah "${storage[@]}" from scratch)
        buildah "${storage[@]}" copy "$container" "$out/busybox-root" / >/dev/null
        buildah "${storage[@]}" config --cmd '["/bin/cat", "/etc/os-release"]' --env BUILT=yes --workingdir /home/app \
                --user app:staff --port 8080/tcp "$container"
        buildah "${storage[@]}" commit -q --format oci "$container" "oci:$1:latest" >/dev/null
}

make_debian()
{
        mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Retries "5"' bookworm "$work/debian.tar" >&2
        umoci init --layout "$1"
        umoci new --image "$1:latest"
        mkdir "$work/debian-root"
        tar -C "$work/debian-root" --xattrs --xattrs-include='*' --numeric-owner --exclude='./dev/*' -xf "$work/debian.tar"
        umoci insert --image "$1:latest" "$work/debian-root" /
        umoci config --image "$1:latest" --config.cmd /bin/bash --config.env PATH=/usr/sbin:/usr/bin:/sbin:/bin \
                --architecture "$(go_arch)"
        umoci gc --layout "$1"
        rm -rf "$work/debian-root" "$work/debian.tar"
}

go_arch()
{
        case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64) echo arm64 ;;
        *) uname -m ;;
        esac
}

# make NAME: unless there is a right one. It appears whole, by rename.
make()
{
        local name=$1 stamp
        stamp=$(cat "$0" "$here/make-everything.py" /bin/busybox | sha256sum)
        # A real distribution takes half a minute and does not depend on how the others are made.
        [ "$name" = debian ] && stamp=debian
        [ -e "$out/$name/index.json" ] && [ "$(cat "$out/$name.stamp" 2>/dev/null)" = "$stamp" ] && return 0
        rm -rf "${out:?}/$name"
        # A process of its own: in a condition the shell forgets about errexit.
        if ! "$0" "$out" "$work" "$name" >"$out/$name.log" 2>&1; then
                echo "make-test-images: '$name' failed, see $out/$name.log" >&2
                return 1
        fi
        mv "$work/$name" "$out/$name"
        echo "$stamp" >"$out/$name.stamp"
}

if [ $# -eq 3 ]; then
        work=$2
        # mmdebstrap hands a descriptor to a shell that knows one digit only, so none of bats' may be in its way.
        for fd in {3..20}; do
                eval "exec $fd>&-"
        done
        "make_$3" "$work/$3"
        exit
fi
make busybox
make everything
make built || true
make debian || true
