/* The undo journal: every acquisition is written down before it is made, in <root>/.inflight/<token>, a file that its
 * owner holds locked. Unwinding plays it backwards; so does the next command that finds one whose owner is dead.
 * Each entry's undo succeeds when the thing is not there. */
#pragma once

#include "core/error.h"
#include "lifecycle/lifecycle.h"

enum nxc_undo_kind {
        NXC_UNDO_TREE,      /* remove a directory tree (absolute path) */
        NXC_UNDO_FILE,      /* remove a file */
        NXC_UNDO_MOUNT,     /* unmount */
        NXC_UNDO_STATE,     /* remove <root>/<id> (the id) */
        NXC_UNDO_BACKEND,   /* force-remove in the backend: "BACKEND ID" */
        NXC_UNDO_AUTOREMOVE, /* not undone by force: the container is deleted once it is found stopped (the id) */
        _NXC_UNDO_MAX,
};

struct nxc_journal;
int nxc_journal_open(struct nxc_host *h, struct nxc_journal **ret, struct nxc_error *err);
int nxc_journal_push(struct nxc_journal *j, enum nxc_undo_kind kind, const char *arg, struct nxc_error *err);
/* Plays it backwards and ends it. Failures are warnings. NULL is fine. */
void nxc_journal_unwind(struct nxc_host *h, struct nxc_journal *j);
/* All is well: forgets it. NULL is fine. */
void nxc_journal_commit(struct nxc_journal *j);
/* Unwinds the journals of dead owners. Cheap when there are none: one readdir. */
int nxc_journal_recover(struct nxc_host *h, struct nxc_error *err);
