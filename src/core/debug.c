/* See debug.h. The environment is read once; the copy is cut up in place, so that values can be borrowed. */
#include "core/debug.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct nxc_debug_switch switches[] = {
        { "help", NULL, "list these switches" },
        { "fail-at", "STEP", "a step of a flow fails after it has done its work" },
        { "fail-before", "STEP", "a step fails before it does anything" },
        { "kill-at", "STEP", "the process is killed (SIGKILL) after a step" },
        { "kill-before", "STEP", "the process is killed before a step" },
        { "fake-backend", NULL, "let --runtime fake be found: a backend in the process, for tests" },
        { "fake-fail", "OPERATION", "an operation of the fake backend fails" },
        { "trace-backend", NULL, "log each call of a backend and its time, at debug" },
};

static struct {
        const char *value; /* NULL: not given */
} given[NXC_ARRAY_SIZE(switches)];

static void read_environment(void)
{
        static char *copy; /* lives as long as the process: the values point into it */
        const char *env = secure_getenv("NXC_DEBUG");
        char *item, *rest;

        if (!env || !*env || copy)
                return;
        copy = strdup(env);
        for (rest = copy; rest && (item = strsep(&rest, ","));) {
                size_t n = strcspn(item, "=");

                for (size_t i = 0; i < NXC_ARRAY_SIZE(switches); i++)
                        if (strlen(switches[i].name) == n && memcmp(item, switches[i].name, n) == 0)
                                given[i].value = item[n] ? item + n + 1 : "";
        }
}

const char *nxc_debug_flag(const char *name)
{
        static bool read;

        if (!read)
                read_environment();
        read = true;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(switches); i++)
                if (nxc_streq(switches[i].name, name))
                        return given[i].value;
        assert(!"a debug switch that is not in the table");
        return NULL;
}

const struct nxc_debug_switch *nxc_debug_switches(size_t *ret_n)
{
        *ret_n = NXC_ARRAY_SIZE(switches);
        return switches;
}
