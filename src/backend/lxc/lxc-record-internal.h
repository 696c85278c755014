/* What of a container on LXC is known without liblxc: its record, its state, its end. Linked into the
 * program, so that state, kill, list and delete load nothing. */
#pragma once

#include "backend/backend-ops.h"
#include "hooks/hooks.h"

#include <stdint.h>

#define LXC_RECORD "rt/lxc.json"
#define LXC_START "rt/start" /* the socket on which the init waits; gone once it was started */

struct lxc_record {
        pid_t pid, monitor;            /* 0: none yet */
        uint64_t start, monitor_start; /* field 22 of /proc/PID/stat */
        struct nxc_strv cgroups; /* absolute directories: the container's, the monitor's, its last refuge */
        char *lock;              /* liblxc's lock file, or NULL */
};
void lxc_record_done(struct lxc_record *r);
#define _cleanup_lxc_record_ __attribute__((cleanup(lxc_record_done)))

/* Absent: -ENOENT without err. */
int lxc_record_load(const struct nxc_backend_target *t, struct lxc_record *ret, struct nxc_error *err);
int lxc_record_save(const struct nxc_backend_target *t, const struct lxc_record *r, struct nxc_error *err);

int lxc_status(const struct nxc_backend_target *t, struct nxc_backend_status *ret, struct nxc_error *err);
int lxc_configuration(const struct nxc_backend_target *t, char **ret, struct nxc_error *err);
int lxc_kill(const struct nxc_backend_target *t, int signal, bool all, struct nxc_error *err);
/* Waits for liblxc's monitor to tidy up after its init, then kills it; one that is not there is fine. */
void lxc_end_monitor(const struct lxc_record *rec, int patience_ms);
/* While liblxc makes its monitor's cgroups, their common parent must stay. A descriptor to close, or
 * negative. */
int lxc_hold_monitor_cgroups(void);
int lxc_remove(const struct nxc_backend_target *t, bool force, struct nxc_error *err);
/* Those of config.json at one point; the state that they get says this status, and pid (0: it has ended) as
 * the init. After the container's end they can only warn. */
int lxc_run_hooks(const struct nxc_backend_target *t, const json_t *spec, enum nxc_hook_point point,
        const char *status, pid_t pid, struct nxc_error *err);
