/* NXC_DEBUG: a comma separated list of switches for tests and for the curious
 * ("trace-backend,fail-at=mount-layers"). NXC_DEBUG=help is answered by cli with the list. Never a feature
 * that a user needs. */
#pragma once

#include <stddef.h>

struct nxc_debug_switch {
        const char *name, *arg, *help; /* arg: what follows "=", or NULL */
};

/* The value of a switch: the text behind "=", "" when it is given without one, NULL when it is not given.
 * Borrowed, valid for the life of the process. Only names of the table are asked for. */
const char *nxc_debug_flag(const char *name);

/* All switches, for NXC_DEBUG=help. */
const struct nxc_debug_switch *nxc_debug_switches(size_t *ret_n);
