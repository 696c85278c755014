/* Whether a process that was once written down is still that one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A line of /proc/PID/stat: the state (field 3) and the start time (field 22). -EINVAL. */
int nxc_stat_parse(const char *text, char *ret_state, uint64_t *ret_start);
/* Those of a process; -ESRCH when there is none. */
int nxc_stat_read(pid_t pid, char *ret_state, uint64_t *ret_start);
/* It runs, is no zombie, and began at start_time (0: whenever). */
bool nxc_is_alive(pid_t pid, uint64_t start_time);
