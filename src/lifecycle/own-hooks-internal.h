/* Hooks that nexcage runs instead of the backend: create keeps them in <state_dir>/hooks.json, so that start
 * and delete do not depend on what has become of the bundle. */
#pragma once

#include "hooks/hooks.h"
#include "lifecycle/host-internal.h"

/* In a directory that becomes the container's state. */
int nxc_own_hooks_save(int state_dir_fd, const json_t *hooks, struct nxc_error *err);
/* Runs those of one point; none kept: success. */
int nxc_own_hooks_run(struct nxc_subject *s, enum nxc_hook_point point, enum nxc_status status, pid_t pid,
        struct nxc_error *err);
