/* The table of storage drivers. */
#include "storage/storage.h"

#include "core/str.h"

static const struct nxc_storage_ops *const drivers[] = { &nxc_storage_overlay, NULL };

/* Names that the design has and this build has not: refused as such, not as a typing error. */
static const char *const planned[] = { "zfs", "raw", "dir" };

const struct nxc_storage_ops *const *nxc_storage_drivers(void)
{
        return drivers;
}

int nxc_storage_find(const char *name, const struct nxc_storage_ops **ret, struct nxc_error *err)
{
        int r;

        for (size_t i = 0; drivers[i]; i++) {
                if (nxc_streq(drivers[i]->name, name)) {
                        *ret = drivers[i];
                        return 0;
                }
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(planned); i++) {
                if (nxc_streq(planned[i], name)) {
                        r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                                "storage driver '%s' is not part of this build", name);
                        nxc_error_hint(err, "use --storage overlay");
                        return r;
                }
        }
        r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "unknown storage driver '%s'", name);
        nxc_error_hint(err, "known drivers: overlay");
        return r;
}
