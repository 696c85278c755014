/* What `nexcage --version` says. */
#pragma once

#include "core/error.h"

int nxc_print_version(struct nxc_error *err);
