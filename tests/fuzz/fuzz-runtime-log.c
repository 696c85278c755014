/* What a runtime wrote: its log and what we say of it, and a line of /proc/PID/stat. */
#include "backend/alive-internal.h"
#include "backend/ocicli/ocicli-internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(const char *msg)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char text[16384], state;
        struct nxc_error err = { 0 };
        struct ocicli_version version;
        struct nxc_buf spill = { 0 };
        struct ocicli_log log;
        uint64_t start;

        if (size >= sizeof(text))
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        ocicli_log_parse(text, size, ignore, &log);
        if (ocicli_explain(&ocicli_crun, "create", "id", log.error, &err) >= 0 || !err.message[0] ||
                err.errnum <= 0)
                abort();
        ocicli_log_take_spill(text, &size, &spill);
        nxc_buf_done(&spill);
        nxc_error_reset(&err);
        if (ocicli_explain(&ocicli_runc, "create", "id", log.error, &err) >= 0 || !err.message[0])
                abort();
        nxc_stat_parse(text, &state, &start);
        ocicli_version_parse(text, &version);
        return 0;
}
