/* The lxc backend as the program has it: what needs liblxc is in a module, opened when it is first asked
 * for. It stays open.
 *
 * RTLD_DEEPBIND: for liblxc, functions of the module come before libc's (see lever.c). */
#include "backend/lxc/lxc-record-internal.h"

#include "core/cleanup.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>

#define MODULE "backends/lxc.so"
#define INSTALL_HINT "apt install liblxc1"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEEPBIND 0 /* the sanitizers refuse it */
#else
#define DEEPBIND RTLD_DEEPBIND
#endif

extern const struct nxc_backend_ops nxc_backend_lxc;

/* Beside the program as it lies in the build directory, else where it is installed. */
static void find_module(char ret[PATH_MAX])
{
        ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - sizeof(MODULE) - 1);

        if (n > 0) {
                ret[n] = '\0';
                strcpy(strrchr(ret, '/') + 1, MODULE);
                if (access(ret, R_OK) == 0)
                        return;
        }
        snprintf(ret, PATH_MAX, "%s", NXC_MODULE_DIR "/" MODULE);
}

static int fail_to_load(const char *path, const char *why, struct nxc_error *err)
{
        int r;

        if (access(path, F_OK) < 0)
                r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0,
                        "runtime 'lxc' is not installed: there is no '%s'", path);
        else if (why && strstr(why, "liblxc"))
                r = nxc_fail_kind(
                        err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "runtime 'lxc' needs liblxc: %s", why);
        else
                r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "load '%s': %s", path,
                        why ? why : "no such symbol");
        nxc_error_hint(err, INSTALL_HINT "%s",
                access(path, F_OK) < 0 ? ", and nexcage's module for it (built with lxc-dev)" : "");
        return r;
}

static int load(const struct nxc_backend_ops **ret, struct nxc_error *err)
{
        static const struct nxc_backend_ops *loaded;
        const struct nxc_backend_ops *ops;
        char path[PATH_MAX];
        void *module;

        if (loaded) {
                *ret = loaded;
                return 0;
        }
        find_module(path);
        module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | DEEPBIND);
        ops = module ? dlsym(module, "nxc_backend_module") : NULL;
        if (!ops)
                return fail_to_load(path, dlerror(), err);
        if (ops->abi != NXC_BACKEND_ABI)
                return nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0,
                        "load '%s': it has ABI %d, not %d", path, ops->abi, NXC_BACKEND_ABI);
        *ret = loaded = ops;
        return 0;
}

#define FORWARD(operation, ...)                                    \
        do {                                                       \
                const struct nxc_backend_ops *ops_;                \
                int r_ = load(&ops_, err);                         \
                return r_ < 0 ? r_ : ops_->operation(__VA_ARGS__); \
        } while (0)

static int probe(bool full, struct nxc_backend_info *ret, struct nxc_error *err)
{
        FORWARD(probe, full, ret, err);
}

static int check_spec(const struct nxc_spec *spec, struct nxc_error *err)
{
        FORWARD(check_spec, spec, err);
}

static int properties(json_t **ret, struct nxc_error *err)
{
        FORWARD(properties, ret, err);
}

static int create(
        const struct nxc_backend_target *t, const struct nxc_backend_create *c, struct nxc_error *err)
{
        FORWARD(create, t, c, err);
}

static int run(const struct nxc_backend_target *t, const struct nxc_backend_create *c, int *ret_code,
        struct nxc_error *err)
{
        FORWARD(run, t, c, ret_code, err);
}

static int start(const struct nxc_backend_target *t, struct nxc_error *err)
{
        FORWARD(start, t, err);
}

static int exec(const struct nxc_backend_target *t, const struct nxc_backend_exec *e, int *ret_code,
        struct nxc_error *err)
{
        FORWARD(exec, t, e, ret_code, err);
}

static int pause_(const struct nxc_backend_target *t, struct nxc_error *err)
{
        FORWARD(pause, t, err);
}

static int resume(const struct nxc_backend_target *t, struct nxc_error *err)
{
        FORWARD(resume, t, err);
}

static int update(const struct nxc_backend_target *t, json_t *resources, struct nxc_error *err)
{
        FORWARD(update, t, resources, err);
}

const struct nxc_backend_ops nxc_backend_lxc = {
        .abi = NXC_BACKEND_ABI,
        .name = "lxc",
        .summary = "LXC: system containers with liblxc's monitor",
        .install_hint = INSTALL_HINT,
        .error_kind = NXC_ERR_LXC,
        .accepts = 1u << NXC_ROOTFS_DIR,
        .runs_hooks = true,
        .probe = probe,
        .check_spec = check_spec,
        .properties = properties,
        .configuration = lxc_configuration,
        .create = create,
        .run = run,
        .start = start,
        .status = lxc_status,
        .kill = lxc_kill,
        .remove = lxc_remove,
        .exec = exec,
        .pause = pause_,
        .resume = resume,
        .update = update,
};
