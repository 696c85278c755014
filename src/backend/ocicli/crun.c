/* crun: what is its own. Verified with 1.8.1; see docs/backends.md. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/json.h"
#include "sys/cgroup.h"

#include <string.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* crun records one path for all controllers. On v1 it is below each controller's mount. */
static int add_cgroups(const char *path, struct nxc_strv *ret)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;

        if (nxc_cgroup_mode() == NXC_CGROUP_V2)
                return nxc_strv_addf(ret, CGROUP_ROOT "%s", path);
        dir = opendir(CGROUP_ROOT);
        while (dir && (de = readdir(dir))) {
                if (de->d_name[0] == '.' || de->d_type != DT_DIR)
                        continue;
                if (nxc_strv_addf(ret, CGROUP_ROOT "/%s%s", de->d_name, path) < 0)
                        return -ENOMEM;
                if (access(ret->v[ret->n - 1], F_OK) < 0)
                        nxc_freep(&ret->v[--ret->n]);
        }
        return 0;
}

static int parse_record(const json_t *j, struct ocicli_record *ret)
{
        const json_t *pid = json_object_get(j, "pid"), *start = json_object_get(j, "process-start-time");
        const char *cgroup = nxc_json_str(j, "cgroup-path");

        if (!json_is_integer(pid) || json_integer_value(pid) <= 0 || json_integer_value(pid) > INT32_MAX)
                return -EINVAL;
        ret->pid = (pid_t)json_integer_value(pid);
        ret->start_time = json_is_integer(start) ? (uint64_t)json_integer_value(start) : 0;
        return cgroup && cgroup[0] == '/' ? add_cgroups(cgroup, &ret->cgroups) : 0;
}

static const struct ocicli_phrase phrases[] = {
        { "error executing hook", NXC_ERR_HOOK, 0, NULL },
        { "writing to pipe: Broken pipe", NXC_ERR_HOOK, 0, "hook did not read its state" },
        { "not found in $PATH", NXC_ERR_NONE, ENOENT, "executable file not found in $PATH" },
        { "open executable: Operation not permitted", NXC_ERR_NONE, EACCES, "permission denied" },
        { "is paused", NXC_ERR_INVALID_STATE, 0, "container paused" },
        { "is not running", NXC_ERR_INVALID_STATE, 0, "container not running" },
        { "exec.fifo`: No such file", NXC_ERR_INVALID_STATE, 0,
                "cannot start an already running container" },
        { "kill container: No such process", NXC_ERR_INVALID_STATE, 0, "container not running" },
        { "/status`: No such file", NXC_ERR_CONTAINER_NOT_FOUND, 0, "container does not exist" },
        { "cannot open directory", NXC_ERR_CONTAINER_NOT_FOUND, 0, "container does not exist" },
        { "` already exists", NXC_ERR_CONTAINER_EXISTS, EEXIST, "container with given ID already exists" },
        { "ermission denied", NXC_ERR_NONE, EACCES, "permission denied" },
        { "peration not permitted", NXC_ERR_NONE, EPERM, "operation not permitted" },
        { "o such file or directory", NXC_ERR_NONE, ENOENT, "no such file or directory" },
        { "exec container process", NXC_ERR_NONE, EACCES, NULL },
        { NULL },
};

const struct ocicli ocicli_crun = {
        .name = "crun",
        .install_hint = "apt install crun",
        .error_kind = NXC_ERR_CRUN,
        .status_file = "status",
        .cloned_variable = "_LIBCONTAINER_CLONED_BINARY=1",
        .filter_annotation = "run.oci.seccomp_bpf_data",
        .parse_record = parse_record,
        .phrases = phrases,
        .takes_config = true,
        .wants_1_0 = true,
        .refuses_hybrid = true,
        .owns_stdio = true,
        .hooks_to_file = true,
        .spills_terminal = true,
        .cannot_unlimit = true,
        .forgets_listen_fds = true,
};

OCICLI_OPERATIONS(ocicli_crun)

extern const struct nxc_backend_ops nxc_backend_crun;
const struct nxc_backend_ops nxc_backend_crun = {
        .abi = NXC_BACKEND_ABI,
        .name = "crun",
        .summary = "containers of namespaces and cgroups, by crun",
        .install_hint = "apt install crun",
        .error_kind = NXC_ERR_CRUN,
        .accepts = 1u << NXC_ROOTFS_DIR,
        .runs_hooks = true,
        OCICLI_OPERATION_MEMBERS,
};
