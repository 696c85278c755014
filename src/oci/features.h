/* The OCI features document (runtime-spec, features.md): what engines read before they choose options. */
#pragma once

#include "core/error.h"

#include <jansson.h>

/* A new reference. What is listed works with each of the runtimes below us (crun 1.8, runc 1.1), and so is
 * less than what one of them can do. */
int nxc_features_json(json_t **ret, struct nxc_error *err);
