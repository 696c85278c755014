/* What a container leaves in its cgroups when its init has gone. */
#pragma once

#include "core/str.h"

#include <stddef.h>

/* Kills what is in the directories and removes them. */
void nxc_cgroups_clear(const struct nxc_strv *dirs);
/* Sends a signal to every process in the first of them that has any; returns how many got it. */
size_t nxc_cgroups_signal(const struct nxc_strv *dirs, int signal);
