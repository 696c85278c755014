/* A PID as a file descriptor, for engines that ask for it (runc's --pidfd-socket). */
#pragma once

#include "core/error.h"

#include <sys/types.h>

/* Connects to the socket and sends a pidfd of the process (SCM_RIGHTS). */
int nxc_pidfd_send(const char *socket_path, pid_t pid, struct nxc_error *err);
