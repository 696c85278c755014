/* Showing transfers on standard error: bars on a terminal, a line per event elsewhere, JSON lines, or
 * nothing. */
#pragma once

#include "cli/command.h"

#include <stdio.h>

#define NXC_PROGRESS_BARS_MAX 64 /* at once; more transfers than that run, but are not drawn */

struct nxc_progress_bar {
        char name[32]; /* "layer 3b4b1d2e9f0a" */
        char digest[NXC_DIGEST_MAX];
        uint64_t done, total;
        uint64_t told_ns; /* when a JSON line was printed for it */
};

struct nxc_progress {
        FILE *out;
        enum nxc_progress_mode mode; /* never AUTO */
        struct nxc_progress_bar bars[NXC_PROGRESS_BARS_MAX];
        size_t n_bars;
        size_t drawn;      /* lines of bars on the screen now */
        uint64_t drawn_ns; /* when */
        unsigned columns;
};

/* mode AUTO becomes TTY when stderr is a terminal that can move the cursor (TERM is not dumb), else
 * PLAIN. */
void nxc_progress_init(struct nxc_progress *p, enum nxc_progress_mode mode);
/* An nxc_progress_fn; arg is the struct. */
void nxc_progress_event(void *arg, const struct nxc_progress_event *ev);
/* Takes unfinished bars off the screen; may run twice. */
void nxc_progress_done(struct nxc_progress *p);
#define _cleanup_progress_ __attribute__((cleanup(nxc_progress_done)))
