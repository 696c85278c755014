/* Command lines: lines of the input are arguments, the first byte picks the command. */
#include "cli/command.h"

#include "core/cleanup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const struct nxc_command *c, int argc, char **argv)
{
        struct nxc_globals globals = { 0 };
        _cleanup_free_ void *values = calloc(1, c->opts_size + 1);
        struct nxc_parse p = { .options = c->options,
                .values = values,
                .shared = nxc_global_options,
                .shared_values = &globals,
                .command = c->name,
                .stop_at_arg = c->flags & NXC_CMD_STOP_AT_ARG };
        struct nxc_error err = { 0 };

        if ((nxc_options_parse(&p, argc, argv, &err) < 0) != nxc_error_is_set(&err) ||
                p.n_args > (size_t)argc)
                abort();
        nxc_options_done(c->options, values);
        nxc_parse_done(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = size ? strndup((const char *)data + 1, size < 4096 ? size - 1 : 4096)
                                         : NULL;
        char *argv[64], *rest = text;
        int argc = 0, n = size ? *data : 0;

        while (rest && argc < 64)
                argv[argc++] = strsep(&rest, "\n");
        for (size_t i = 0; argc && nxc_commands[i]; i++)
                if (n-- == 0)
                        parse(nxc_commands[i], argc, argv);
        return 0;
}
