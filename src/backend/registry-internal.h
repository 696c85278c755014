/* What the files of this folder know of each other. */
#pragma once

#include "backend/backend.h"

#include <stdint.h>

/* trace.c: with NXC_DEBUG=trace-backend the checked calls say at debug what was called, how it ended and how
 * long it took. begin returns the time, 0 when off. */
uint64_t nxc_trace_begin(void);
int nxc_trace_end(uint64_t began, const struct nxc_backend_ops *b, const char *operation, const char *id,
        int r, const struct nxc_error *err);
