/* Kernel features that can be switched off, so that the path for an older kernel is tested on a new one:
 * NXC_FEATURE_<NAME>=0 in the environment. Only ever takes away. */
#pragma once

#include <stdbool.h>

/* name: upper case, as in the environment variable ("LOWERDIR_FD"). */
bool nxc_feature_enabled(const char *name);
