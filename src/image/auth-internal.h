/* docker-credential-NAME, the program that keeps credentials elsewhere. This folder only. */
#pragma once

#include "image/auth.h"

#include <jansson.h>

bool nxc_credential_helper_name_is_valid(const char *name);
/* Runs `docker-credential-NAME get` with server on its stdin. It knowing nothing of the server is success
 * with nothing set. ConfigError when it cannot be run or fails. */
int nxc_credential_helper_get(
        const char *name, const char *server, struct nxc_credentials *ret, struct nxc_error *err);
/* Overwrites every string in a document that held secrets. */
void nxc_json_wipe(json_t *j);
