/* linux.seccomp to a BPF program, by libseccomp: linked by what depends on that library, the lxc module and
 * the program that compiles the default profile when nexcage is built. */
#pragma once

#include "core/error.h"

#include <jansson.h>
#include <stddef.h>

/* *ret: an array of struct sock_filter, malloc'ed; *ret_flags: for seccomp(2). A name that is not known:
 * InvalidSpec; system calls that this architecture lacks are skipped, as runc and crun have it. What
 * libseccomp refuses: LXCError. */
int nxc_seccomp_compile(
        const json_t *seccomp, void **ret, size_t *ret_len, unsigned *ret_flags, struct nxc_error *err);
