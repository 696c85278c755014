/* runc: what is its own. Verified with 1.1.5; see docs/backends.md. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/json.h"

static int parse_record(const json_t *j, struct ocicli_record *ret)
{
        const json_t *pid = json_object_get(j, "init_process_pid"),
                     *start = json_object_get(j, "init_process_start");
        const char *key;
        json_t *path;

        if (!json_is_integer(pid) || json_integer_value(pid) <= 0 || json_integer_value(pid) > INT32_MAX)
                return -EINVAL;
        ret->pid = (pid_t)json_integer_value(pid);
        ret->start_time = json_is_integer(start) ? (uint64_t)json_integer_value(start) : 0;
        json_object_foreach (json_object_get(j, "cgroup_paths"), key, path)
                if (json_is_string(path) && nxc_strv_add(&ret->cgroups, json_string_value(path)) < 0)
                        return -ENOMEM;
        return 0;
}

static const struct ocicli_phrase phrases[] = {
        { "error running hook", NXC_ERR_HOOK, 0, NULL },
        { "executable file not found in $PATH", NXC_ERR_NONE, ENOENT, NULL },
        { "exec format error", NXC_ERR_NONE, EACCES, NULL },
        { "cannot exec in a paused", NXC_ERR_INVALID_STATE, 0, "container paused" },
        { "cannot exec in a stopped", NXC_ERR_INVALID_STATE, 0, "container not running" },
        { "container not running", NXC_ERR_INVALID_STATE, 0, NULL },
        { "container not paused", NXC_ERR_INVALID_STATE, 0, NULL },
        { "cannot start a", NXC_ERR_INVALID_STATE, 0, NULL },
        { "process already finished", NXC_ERR_INVALID_STATE, 0, "os: process already finished" },
        { "container does not exist", NXC_ERR_CONTAINER_NOT_FOUND, 0, NULL },
        { "container with given ID already exists", NXC_ERR_CONTAINER_EXISTS, EEXIST, NULL },
        { "permission denied", NXC_ERR_NONE, EACCES, NULL },
        { "operation not permitted", NXC_ERR_NONE, EPERM, NULL },
        { "no such file or directory", NXC_ERR_NONE, ENOENT, NULL },
        { NULL },
};

const struct ocicli ocicli_runc = {
        .name = "runc",
        .install_hint = "apt install runc",
        .error_kind = NXC_ERR_RUNC,
        .status_file = "state.json",
        .parse_record = parse_record,
        .phrases = phrases,
        .has_rootless = true,
        .has_ignore_paused = true,
        .has_checkpoint = true,
};

OCICLI_OPERATIONS(ocicli_runc)

extern const struct nxc_backend_ops nxc_backend_runc;
const struct nxc_backend_ops nxc_backend_runc = {
        .abi = NXC_BACKEND_ABI,
        .name = "runc",
        .summary = "containers of namespaces and cgroups, by runc",
        .install_hint = "apt install runc",
        .error_kind = NXC_ERR_RUNC,
        .accepts = 1u << NXC_ROOTFS_DIR,
        .runs_hooks = true,
        .hooks_misplaced = 1u << NXC_HOOK_POSTSTART, /* it runs them at create (as of 1.1) */
        OCICLI_OPERATION_MEMBERS,
};
