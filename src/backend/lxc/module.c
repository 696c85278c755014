/* backends/lxc.so: what liblxc is needed for. load.c opens it when the first such operation is called. */
#include "backend/lxc/lxc-internal.h"

#include "backend/seccomp-internal.h"
#include "core/json.h"

#include <dlfcn.h>
#include <lxc/lxccontainer.h>
#include <string.h>

static int check_cgroups(struct nxc_error *err)
{
        int r;

        if (geteuid() != 0) {
                r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "containers on LXC need root here");
                nxc_error_hint(err, "run as root, or with --runtime crun");
                return r;
        }
        if (access("/sys/fs/cgroup", W_OK) < 0)
                return nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, errno, "write to /sys/fs/cgroup");
        return 0;
}

static int probe(bool full, struct nxc_backend_info *ret, struct nxc_error *err)
{
        Dl_info info;
        int r = check_cgroups(err);

        if (r < 0 || !ret)
                return r;
        snprintf(ret->version, sizeof(ret->version), "%s", lxc_get_version());
        if (dladdr((void *)lxc_get_version, &info) && info.dli_fname)
                snprintf(ret->path, sizeof(ret->path), "%s", info.dli_fname);
        return 0;
}

int lxc_plan_seccomp(const json_t *spec, struct lxc_plan_opts *o, struct nxc_error *err)
{
        static json_t *compiled; /* a reference: no other object gets its address */
        static void *program;
        static size_t len;
        static unsigned flags;
        json_t *seccomp = nxc_json_get(spec, "linux.seccomp");
        int r;

        if (!json_is_object(seccomp))
                return 0;
        if (seccomp != compiled) {
                json_decref(compiled);
                compiled = NULL;
                nxc_freep(&program);
                r = nxc_seccomp_compile(seccomp, &program, &len, &flags, err);
                if (r < 0)
                        return r;
                compiled = json_incref(seccomp);
        }
        o->seccomp = program;
        o->seccomp_len = len;
        o->seccomp_flags = flags;
        return 0;
}

static int check_spec(const struct nxc_spec *spec, struct nxc_error *err)
{
        _cleanup_free_ char *cgroup = NULL;
        struct lxc_plan_opts o = { 0 };
        int r = lxc_check_document(nxc_spec_json(spec), err);

        if (r == 0)
                r = lxc_plan_seccomp(nxc_spec_json(spec), &o, err);
        if (r == 0)
                r = lxc_cgroup_path(nxc_spec_json(spec), "x", &cgroup, err);
        return r;
}

extern const struct nxc_backend_ops nxc_backend_module;
const struct nxc_backend_ops nxc_backend_module = {
        .abi = NXC_BACKEND_ABI,
        .name = "lxc",
        .probe = probe,
        .check_spec = check_spec,
        .properties = lxc_properties_json,
        .create = lxc_create,
        .run = lxc_run,
        .start = lxc_start,
        .exec = lxc_exec,
        .pause = lxc_pause,
        .resume = lxc_resume,
        .update = lxc_update,
};
