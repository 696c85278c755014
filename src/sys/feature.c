/* See feature.h. */
#include "sys/feature.h"

#include "core/str.h"

#include <stdio.h>
#include <stdlib.h>

bool nxc_feature_enabled(const char *name)
{
        char var[64];

        snprintf(var, sizeof(var), "NXC_FEATURE_%s", name);
        return !nxc_streq(secure_getenv(var), "0");
}
