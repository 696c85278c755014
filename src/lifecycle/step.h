/* The step runner: a flow is a table of steps; the runner names the stage in errors, times each step,
 * honours dry-run, unwinds the journal in reverse when one fails, and keeps the first error. So the steps
 * stay short.
 *
 * Checklist for a new step: its row and function in the flow's file, its box in docs/create-flow.md, and for
 * all that it acquires a journal entry pushed first. Two tests wait: the table equals the diagram; failing
 * at every step, and kill -9 at every step, leaves nothing behind. */
#pragma once

#include "core/error.h"
#include "lifecycle/lifecycle.h"

#include <stdbool.h>
#include <stdint.h>

enum nxc_step_flags {
        NXC_STEP_WRITES = 1 << 0, /* changes the world: left out of a dry run */
};

struct nxc_step {
        const char *name; /* the stage in errors and timings: "validate-bundle" */
        const char *box;  /* the node of the main flow diagram: "C" */
        int (*run)(void *flow, struct nxc_error *err);
        /* Whether the step applies: an image is named, ... NULL: always. */
        bool (*applies)(const void *flow);
        unsigned flags;
        const char *undo; /* how what it acquires is undone: a journal entry's kind, or why nothing needs to
                             be */
};

struct nxc_step_time {
        uint64_t start_ns, duration_ns;
        bool ran;
};

struct nxc_step_runner {
        const struct nxc_step *steps;
        size_t n_steps;
        struct nxc_step_time *times; /* one per step; may be NULL */
        bool dry_run;
};

/* Runs the table. NXC_DEBUG=fail-at=STEP makes a step fail after it has done its work, kill-at=STEP ends the
 * process there with SIGKILL, and fail-before/kill-before do so before it: for the tests of the undo. */
int nxc_steps_run(const struct nxc_step_runner *r, void *flow, struct nxc_error *err);
