/* See engine.h: opening the module. It stays open for the life of the process. */
#include "engine/engine.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>

#define MODULE "engine.so"

/* Beside the program as it lies in the build directory, else where it is installed. */
static char *module_path(void)
{
        const char *env = secure_getenv("NXC_ENGINE_MODULE");
        char exe[PATH_MAX];
        ssize_t n;

        if (env && *env)
                return strdup(env);
        n = readlink("/proc/self/exe", exe, sizeof(exe) - sizeof(MODULE));
        if (n > 0) {
                exe[n] = '\0';
                strcpy(strrchr(exe, '/') + 1, MODULE);
                if (access(exe, R_OK) == 0)
                        return strdup(exe);
        }
        return strdup(NXC_MODULE_DIR "/" MODULE);
}

int nxc_engine_load(const struct nxc_engine_ops **ret, struct nxc_error *err)
{
        static const struct nxc_engine_ops *loaded;
        _cleanup_free_ char *path = NULL;
        const struct nxc_engine_ops *ops;
        void *module;

        if (loaded) {
                *ret = loaded;
                return 0;
        }
        path = module_path();
        if (!path)
                return nxc_oom(err);
        module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        ops = module ? dlsym(module, "nxc_engine") : NULL;
        if (!ops) {
                const char *why = dlerror();

                nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "load the image engine '%s': %s", path,
                        why ? why : "no such symbol");
                nxc_error_hint(err, "it is installed with nexcage; NXC_ENGINE_MODULE names another place");
                if (module)
                        dlclose(module);
                return -EINVAL;
        }
        if (ops->abi != NXC_ENGINE_ABI) {
                int abi = ops->abi;

                dlclose(module);
                return nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0,
                        "load the image engine '%s': it has ABI %d, not %d", path, abi, NXC_ENGINE_ABI);
        }
        *ret = loaded = ops;
        return 0;
}
