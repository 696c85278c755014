/* Signals by the names that kill(1), docker and podman take. */
#include "oci/compose.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
        const char *name;
        int number;
} aliases[] = { { "IOT", SIGIOT }, { "CLD", SIGCHLD }, { "POLL", SIGPOLL }, { "UNUSED", SIGSYS } };

/* "RTMIN", "RTMIN+3", "RTMAX-1"; the kernel's numbers 34 to 64, as libc has left them. */
static int real_time(const char *name)
{
        bool from_min = strncasecmp(name, "RTMIN", 5) == 0;
        uint64_t offset = 0;

        if (!from_min && strncasecmp(name, "RTMAX", 5) != 0)
                return -EINVAL;
        name += 5;
        if (*name && (*name != (from_min ? '+' : '-') || nxc_parse_u64(name + 1, &offset) < 0))
                return -EINVAL;
        if (offset > (uint64_t)(SIGRTMAX - SIGRTMIN))
                return -EINVAL;
        return from_min ? SIGRTMIN + (int)offset : SIGRTMAX - (int)offset;
}

static int by_name(const char *name)
{
        if (strncasecmp(name, "SIG", 3) == 0)
                name += 3;
        for (int i = 1; i < SIGRTMIN; i++) {
                const char *known = sigabbrev_np(i);

                if (known && strcasecmp(name, known) == 0)
                        return i;
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(aliases); i++)
                if (strcasecmp(name, aliases[i].name) == 0)
                        return aliases[i].number;
        return real_time(name);
}

int nxc_signal_parse(const char *text, int *ret, struct nxc_error *err)
{
        uint64_t number;
        int sig;

        if (nxc_parse_u64(text, &number) == 0)
                sig = number <= (uint64_t)SIGRTMAX ? (int)number : -EINVAL;
        else
                sig = by_name(text);
        if (sig < 0)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "invalid signal: %.64s", text);
        *ret = sig;
        return 0;
}
