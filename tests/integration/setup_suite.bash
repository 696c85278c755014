# shellcheck shell=bash
# Once for all files: the images (kept between runs), and a plain registry that holds them, NXC_REGISTRY.

setup_suite()
{
        # shellcheck source=tests/integration/helpers.bash
        . "$(dirname "${BASH_SOURCE[0]}")/helpers.bash"
        "$NXC_TOOLS/make-test-images.sh" "$NXC_TEST_CACHE" || return 1
        [ -z "${NXC_GUEST-}" ] || return 0 # what runs there needs no registry, and it is slow
        registry_start plain || return 1
        export NXC_REGISTRY=$REGISTRY NXC_REGISTRY_PID=$REGISTRY_PID NXC_REGISTRY_DIR=$REGISTRY_DIR
        local image
        for image in busybox everything built debian; do
                [ -e "$NXC_TEST_CACHE/$image/index.json" ] || continue
                skopeo copy -q --dest-tls-verify=false "oci:$NXC_TEST_CACHE/$image:latest" \
                        "docker://$NXC_REGISTRY/$image:latest" || return 1
        done
}

teardown_suite()
{
        [ -n "${NXC_REGISTRY_PID-}" ] || return 0
        kill "$NXC_REGISTRY_PID"
        rm -rf "$NXC_REGISTRY_DIR"
}
