/* See step.h. */
#include "lifecycle/step.h"

#include "core/debug.h"
#include "core/log.h"
#include "core/str.h"

#include <signal.h>
#include <time.h>

static uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The tests' faults, before or after a step's own work. */
static int inject(const char *name, const char *fail_flag, const char *kill_flag, struct nxc_error *err)
{
        if (nxc_streq(nxc_debug_flag(kill_flag), name))
                raise(SIGKILL);
        if (nxc_streq(nxc_debug_flag(fail_flag), name))
                return nxc_fail(err, EIO, "injected failure (NXC_DEBUG=%s=%s)", fail_flag, name);
        return 0;
}

static int run_step(const struct nxc_step *s, void *flow, struct nxc_error *err)
{
        int r = inject(s->name, "fail-before", "kill-before", err);

        if (r == 0)
                r = s->run(flow, err);
        if (r == 0)
                r = inject(s->name, "fail-at", "kill-at", err);
        return r;
}

int nxc_steps_run(const struct nxc_step_runner *runner, void *flow, struct nxc_error *err)
{
        for (size_t i = 0; i < runner->n_steps; i++) {
                const struct nxc_step *s = &runner->steps[i];
                uint64_t start;
                int r;

                if (s->applies && !s->applies(flow))
                        continue;
                if (runner->dry_run && (s->flags & NXC_STEP_WRITES))
                        continue;
                start = now_ns();
                nxc_debug("step %s", s->name);
                r = run_step(s, flow, err);
                if (runner->times)
                        runner->times[i] = (struct nxc_step_time){ start, now_ns() - start, true };
                if (r < 0) {
                        if (err && !err->stage)
                                err->stage = s->name;
                        return r;
                }
        }
        return 0;
}
