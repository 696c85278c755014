# shellcheck shell=bash
# What these files need is made on the host: the images in build/test-cache.

setup_suite()
{
        modprobe zfs
}
