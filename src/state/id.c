/* Container ids: what they may look like, and making one. */
#include "state/state.h"

#include <string.h>
#include <sys/random.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.";

int nxc_id_check(const char *id, struct nxc_error *err)
{
        size_t len = strlen(id);

        if (len == 0)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "container id cannot be empty");
        if (len > NXC_ID_MAX)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "container id of %zu characters is too long (at most %d)", len, NXC_ID_MAX);
        if (id[0] != '.' && id[strspn(id, letters)] == '\0')
                return 0;
        nxc_fail_kind(err, NXC_ERR_USAGE, 0, "invalid container id '%.64s'%s",
                nxc_has_control(id) ? "?" : id, len > 64 ? "..." : "");
        nxc_error_hint(err, "letters, digits and _ + - . are allowed, and the first may not be a dot");
        return -EINVAL;
}

int nxc_id_generate(char ret[13], struct nxc_error *err)
{
        unsigned char random[6];

        if (getrandom(random, sizeof(random), 0) != sizeof(random))
                return nxc_fail(err, errno, "make a random id");
        for (size_t i = 0; i < sizeof(random); i++)
                snprintf(ret + 2 * i, 3, "%02x", random[i]);
        return 0;
}
