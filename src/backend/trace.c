/* See registry-internal.h. It sits in the checked calls, which everyone goes through, and so wraps every
 * backend. */
#include "backend/registry-internal.h"

#include "core/debug.h"
#include "core/log.h"

#include <time.h>

static uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t nxc_trace_begin(void)
{
        return nxc_debug_flag("trace-backend") ? now_ns() : 0;
}

int nxc_trace_end(uint64_t began, const struct nxc_backend_ops *b, const char *operation, const char *id,
        int r, const struct nxc_error *err)
{
        if (began)
                nxc_debug("backend %s: %s %s: %s%s, %.3f ms", b->name, operation, id ? id : "-",
                        r < 0 ? "error: " : "ok", r < 0 && err ? err->message : "",
                        (double)(now_ns() - began) / 1e6);
        return r;
}
