/* What nexcage-init is told to do, and how it answers.
 *
 * A plan is a sequence of records, each a verb with its arguments: u32 n, then n times (u32 length, bytes,
 * NUL). Numbers are those of the machine: a plan never leaves it. Arguments are text, but for a seccomp
 * program. The verbs are the rows of the table in nexcage-init.c; they are carried out in order, "wait" ends
 * what belongs to create, "exec" is the last. Every length is checked against what is left
 * (CVE-2021-43784). */
#pragma once

#include <stdint.h>

#define NXC_PLAN_MAX_BYTES (32u << 20) /* a spec of 16 MiB with every string once more */
#define NXC_PLAN_MAX_ARGS (1u << 20)

/* One answer; written at once, below PIPE_BUF. */
struct nxc_report {
        int32_t kind;   /* an enum nxc_error_kind; 0: the backend's own */
        int32_t errnum; /* 0: all is well so far: it waits for start */
        char text[1016];
};
