/* OCI hooks (runtime-spec, config.md "POSIX-platform Hooks"): all six points, run by nexcage itself where
 * the backend does not run them (or where hooks.on_failure = continue asks for the flow diagram's edge). */
#pragma once

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>

enum nxc_hook_point {
        NXC_HOOK_PRESTART,
        NXC_HOOK_CREATE_RUNTIME,
        NXC_HOOK_CREATE_CONTAINER,
        NXC_HOOK_START_CONTAINER,
        NXC_HOOK_POSTSTART,
        NXC_HOOK_POSTSTOP,
        _NXC_HOOK_MAX,
};
const char *nxc_hook_point_name(
        enum nxc_hook_point point); /* "prestart", "createRuntime", ... as in config.json */

struct nxc_hook_context {
        json_t *state; /* the state document given on stdin; its "status" is what the caller says */
        bool on_failure_continue; /* log and go on */
};

bool nxc_hooks_exist(
        const json_t *hooks, enum nxc_hook_point point); /* hooks: the "hooks" object, or NULL */

/* Runs the hooks of one point in the listed order, each with its args, env and timeout in seconds (its whole
 * process group is killed then). The first failure is HookError with the point, index, path, how it ended
 * and the hook's stderr (at most 4 KiB), and ends it; with on_failure_continue it is a warning. */
int nxc_hooks_run(const json_t *hooks, enum nxc_hook_point point, const struct nxc_hook_context *ctx,
        struct nxc_error *err);
