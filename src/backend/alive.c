/* See alive-internal.h. */
#include "backend/alive-internal.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <fcntl.h>
#include <string.h>

/* "PID (COMM) STATE PPID ..."; the command may hold blanks and parentheses. */
int nxc_stat_parse(const char *text, char *ret_state, uint64_t *ret_start)
{
        const char *p = strrchr(text, ')');
        char number[24];
        size_t n;

        if (!p || p[1] != ' ' || !p[2] || p[3] != ' ')
                return -EINVAL;
        *ret_state = p[2];
        p += 4; /* at field 4 */
        for (int field = 4; field < 22; field++) {
                p = strchr(p, ' ');
                if (!p)
                        return -EINVAL;
                p++;
        }
        n = strcspn(p, " \n");
        if (n == 0 || n >= sizeof(number))
                return -EINVAL;
        memcpy(number, p, n);
        number[n] = '\0';
        return nxc_parse_u64(number, ret_start);
}

int nxc_stat_read(pid_t pid, char *ret_state, uint64_t *ret_start)
{
        char path[32], text[1024];
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return -ESRCH;
        text[n] = '\0';
        return nxc_stat_parse(text, ret_state, ret_start) < 0 ? -ESRCH : 0;
}

bool nxc_is_alive(pid_t pid, uint64_t start_time)
{
        uint64_t start;
        char state;

        if (pid <= 0 || nxc_stat_read(pid, &state, &start) < 0 || state == 'Z' || state == 'X')
                return false;
        return start_time == 0 || start == start_time;
}
