/* The undo journal: every acquisition is written down before it is made, in <root>/.inflight/<token>, a file
 * that its owner holds locked. Unwinding plays it backwards; so does the next command that finds one whose
 * owner is dead. Each entry's undo succeeds when the thing is not there. */
#pragma once

#include "core/error.h"
#include "lifecycle/lifecycle.h"

enum nxc_undo_kind {
        NXC_UNDO_TREE,    /* remove a directory tree (absolute path) that only we can have made */
        NXC_UNDO_OWNED,   /* the same for one that others may have claimed: only when its .owner is our token
                           */
        NXC_UNDO_FILE,    /* remove a file */
        NXC_UNDO_STORAGE, /* "DRIVER DIR": the driver's release of the container whose directory is DIR,
                           * while that has our token */
        NXC_UNDO_LOWER,   /* unmount what containers share of their layers, and the link to it */
        NXC_UNDO_BACKEND, /* force-remove in its backend (the id; only when the record is ours) */
        NXC_UNDO_BARRIER, /* "erase ID" or "keep ID": the program was started, and only its owner undoes what
                           * lies before it. erase (run --rm): a later command does so once the container has
                           * stopped. keep: it stays. */
        _NXC_UNDO_MAX,
};

#define NXC_OWNER_FILE ".owner" /* in a claimed directory: the token of the journal that made it */

struct nxc_journal;
int nxc_journal_open(struct nxc_host *h, struct nxc_journal **ret, struct nxc_error *err);
int nxc_journal_push(struct nxc_journal *j, enum nxc_undo_kind kind, const char *arg, struct nxc_error *err);
/* Its name, 16 hex digits: unique among all creates, so other temporary names are made from it. */
const char *nxc_journal_token(const struct nxc_journal *j);
/* Plays it backwards and ends it. Failures are warnings. NULL is fine. */
void nxc_journal_unwind(struct nxc_host *h, struct nxc_journal *j);
/* All is well: forgets it. NULL is fine. */
void nxc_journal_commit(struct nxc_journal *j);
/* Leaves it for a later command, its last entry being a barrier: a detached --rm container. NULL is fine. */
void nxc_journal_release(struct nxc_journal *j);
/* Unwinds the journals of dead owners. Cheap when there are none: one readdir. */
int nxc_journal_recover(struct nxc_host *h, struct nxc_error *err);
