/* Reading cgroups of v1, hybrid and v2 hosts: where a process is, who else is there, what they used, frozen
 * or not. */
#pragma once

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum nxc_cgroup_mode { NXC_CGROUP_NONE, NXC_CGROUP_V1, NXC_CGROUP_HYBRID, NXC_CGROUP_V2 };

enum nxc_cgroup_mode nxc_cgroup_mode(void);
const char *nxc_cgroup_mode_name(enum nxc_cgroup_mode mode); /* "none", "v1", "hybrid", "v2" */

/* Where a process' cgroup lies, absolute: the v2 directory, or the v1 directory of a controller ("pids",
 * "memory", "freezer", ...). malloc'ed. -ENOENT (FileError) when there is none. */
int nxc_cgroup_dir_of(pid_t pid, const char *controller, char **ret, struct nxc_error *err);

/* Every process in the container's cgroup and those below it. *ret malloc'ed. A container that shares our
 * own cgroup (its runtime made none): only init, never the others there. */
int nxc_cgroup_pids(pid_t init, pid_t **ret, size_t *ret_n, struct nxc_error *err);

/* Whether the container's freezer is frozen. */
int nxc_cgroup_is_frozen(pid_t init, bool *ret, struct nxc_error *err);

/* The "data" member of runc's `events --stats` (cpu, memory, pids, blkio, hugetlb); new reference. A
 * controller that is absent leaves its member empty. */
int nxc_cgroup_stats(pid_t init, json_t **ret, struct nxc_error *err);

/* How many OOM kills the container's cgroup has seen; for `events`, which looks whether it grew. An error
 * when the cgroup is gone. */
int nxc_cgroup_oom_count(pid_t init, unsigned long long *ret, struct nxc_error *err);

/* To be called when a process is about to be moved into another cgroup, by us or by a runtime. After a quiet
 * spell the first such move waits 10 to 20 ms for an RCU grace period of the kernel (percpu_down_write of
 * cgroup_threadgroup_rwsem), in which nothing else is done. This begins one now, in a thread that moves
 * itself to where it is: by the time of the real move most of it is over. Best effort, and only for v1 and
 * hybrid hosts, since a v2 runtime may start its process in the cgroup and move none (clone3(2),
 * CLONE_INTO_CGROUP). NXC_FEATURE_CGROUP_EXPECT=0 leaves it out. */
void nxc_cgroup_expect_move(void);
