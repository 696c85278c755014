/* auth.json and .dockercfg: no input makes credentials of control characters, or a helper's name with a
 * slash. */
#include "image/auth.h"

#include "core/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const hosts[] = { "docker.io", "r.io", "127.0.0.1:5000" };

        if (size > 16384)
                return 0;
        for (size_t i = 0; i < 2 * NXC_ARRAY_SIZE(hosts); i++) {
                struct nxc_auth_answer a = { 0 };
                struct nxc_error err = { 0 };

                if (nxc_auth_file_lookup((const char *)data, size, "auth.json", i % 2, hosts[i / 2], "a/b",
                            &a, &err) < 0) {
                        if (err.kind != NXC_ERR_INVALID_CONFIG)
                                abort();
                        continue;
                }
                if (strchr(a.helper, '/'))
                        abort();
                if (a.credentials.identity_token && nxc_has_control(a.credentials.identity_token))
                        abort();
                nxc_credentials_done(&a.credentials);
        }
        return 0;
}
