/* Which backends there are, in the order in which `auto` tries them; and which we know of that are not built
 * here. */
#include "backend/registry-internal.h"

#include "core/cleanup.h"
#include "core/debug.h"

#include <assert.h>
#include <string.h>

extern const struct nxc_backend_ops nxc_backend_crun, nxc_backend_runc, nxc_backend_lxc, nxc_backend_fake;

static const struct nxc_backend_ops *const built[] = { &nxc_backend_crun, &nxc_backend_runc,
        &nxc_backend_lxc, NULL };
/* Of the design, and not here yet: a name that is known is not "unknown". */
static const char *const others[] = { "vm", "proxmox" };

const struct nxc_backend_ops *const *nxc_backends(void)
{
        return built;
}

static void hint_known(struct nxc_error *err)
{
        char names[256] = "";
        size_t n = 0;

        for (size_t i = 0; built[i]; i++)
                n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", built[i]->name);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(others); i++)
                n += (size_t)snprintf(
                        names + n, sizeof(names) - n, "%s%s", i ? ", " : " (not built: ", others[i]);
        nxc_error_hint(err, "known runtimes: %s)", names);
}

int nxc_backend_find(const char *name, const struct nxc_backend_ops **ret, struct nxc_error *err)
{
        int r;

        for (size_t i = 0; built[i]; i++) {
                if (!nxc_streq(built[i]->name, name))
                        continue;
                assert(built[i]->abi == NXC_BACKEND_ABI);
                *ret = built[i];
                return 0;
        }
        if (nxc_streq(name, nxc_backend_fake.name) && nxc_debug_flag("fake-backend")) {
                *ret = &nxc_backend_fake;
                return 0;
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(others); i++) {
                if (!nxc_streq(others[i], name))
                        continue;
                r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "runtime '%s' is not built into this nexcage", name);
                hint_known(err);
                return r;
        }
        r = nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "unknown runtime '%.64s'",
                nxc_has_control(name) ? "?" : name);
        hint_known(err);
        return r;
}

int nxc_backend_auto(const struct nxc_backend_ops **ret, struct nxc_error *err)
{
        char missing[512] = "", hint[256] = "";
        size_t n = 0, k = 0;
        int r;

        for (size_t i = 0; built[i]; i++) {
                struct nxc_error why = { 0 };

                if (built[i]->probe(false, NULL, &why) == 0) {
                        *ret = built[i];
                        return 0;
                }
                n += (size_t)snprintf(missing + n, sizeof(missing) - n, "%s%s: %.150s", n ? "; " : "",
                        built[i]->name, why.message);
                k += (size_t)snprintf(
                        hint + k, sizeof(hint) - k, "%s%s", k ? ", or " : "", built[i]->install_hint);
                assert(n < sizeof(missing) && k < sizeof(hint));
        }
        r = nxc_fail_kind(
                err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "no runtime is usable on this host (%s)", missing);
        nxc_error_hint(err, "%s", hint);
        return r;
}
