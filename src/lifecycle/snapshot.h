/* Snapshots of the roots of containers, the facade. A driver without any: NotImplemented. */
#pragma once

#include "core/error.h"
#include "lifecycle/lifecycle.h"

#include <jansson.h>

/* Keeps the root of a container under a name, running or not. */
int nxc_snapshot(struct nxc_host *h, const char *id, const char *name, struct nxc_error *err);
int nxc_snapshot_forget(struct nxc_host *h, const char *id, const char *name, struct nxc_error *err);
/* An array of name, bytes, created, the oldest first (new reference). */
int nxc_snapshot_list(struct nxc_host *h, const char *id, json_t **ret, struct nxc_error *err);
/* Takes it back, and what was kept later is gone. InvalidState while a program runs in it. */
int nxc_rollback(struct nxc_host *h, const char *id, const char *name, struct nxc_error *err);
