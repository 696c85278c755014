/* The monitor's side of create. */
#pragma once

#include "backend/lxc/lxc-internal.h"

enum {
        LXC_FD_PID,  /* to create: the init's PID; or, before that, the setting that liblxc refused */
        LXC_FD_INIT, /* nexcage-init */
        LXC_FD_PLAN,
        LXC_FD_REPORT,  /* nexcage-init to create */
        LXC_FD_SYNC,    /* the hook to create and back */
        LXC_FD_LISTEN,  /* where the init waits for start */
        LXC_FD_CONSOLE, /* or -1 */
        LXC_FD_STDIN,   /* the container's; liblxc itself has /dev/null */
        LXC_FD_STDOUT,
        LXC_FD_STDERR,
        LXC_MONITOR_FDS
};

struct lxc_monitor {
        const char *id, *lxcpath, *log, *config;
        const struct lxc_items *items;
        int fds[LXC_MONITOR_FDS];
        int keep_fds;
        struct lxc_ns_path paths[LXC_NS_KINDS]; /* they follow the descriptors above */
        size_t n_paths;
        bool debug, userns;
};
/* The number that a descriptor has in the monitor and in the container's init. */
int lxc_monitor_number(const struct lxc_monitor *m, int which);
__attribute__((noreturn)) void lxc_monitor_run(struct lxc_monitor *m);
