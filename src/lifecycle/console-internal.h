/* The terminal of a process to be. */
#pragma once

#include "core/error.h"

#include <jansson.h>

/* Puts the size of our terminal, where we have one, into a process object of the runtime-spec. */
int nxc_console_set_size(json_t *process, struct nxc_error *err);
