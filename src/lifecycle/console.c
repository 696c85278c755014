/* See console-internal.h. */
#include "lifecycle/console-internal.h"

#include <sys/ioctl.h>
#include <unistd.h>

/* crun tells the container's terminal of changes only: what the size is at the start has to be in the
 * spec. */
int nxc_console_set_size(json_t *process, struct nxc_error *err)
{
        struct winsize ws;
        json_t *size;

        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_row == 0 || ws.ws_col == 0)
                return 0;
        size = json_pack("{s:i, s:i}", "height", ws.ws_row, "width", ws.ws_col);
        return json_object_set_new(process, "consoleSize", size) < 0 ? nxc_oom(err) : 0;
}
