/* Signals to a container without a second process: through pidfds, so that a reused PID never gets one. */
#pragma once

#include "backend/backend-ops.h"

/* InvalidState, "container not running". Returns -EINVAL. */
int nxc_kill_not_running(const char *id, struct nxc_error *err);
/* To the process that pidfd refers to, whose PID is pid. SIGKILL also thaws its freezer: a frozen cgroup v1
 * task dies only then. */
int nxc_kill_process(const char *id, int pidfd, pid_t pid, int signal, struct nxc_error *err);
/* What backends without an operation of their own get. */
int nxc_kill_default(const struct nxc_backend_ops *b, const struct nxc_backend_target *t, int signal,
        bool all, struct nxc_error *err);
