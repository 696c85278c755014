/* Run when nexcage is built: prints the C source of the default seccomp profile's BPF program, in base64, as
 * crun takes it. */
#include "backend/seccomp-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/str.h"
#include "oci/compose.h"

#include <stdio.h>

static void print_base64(const unsigned char *data, size_t len)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < len; i += 3) {
                unsigned n = (unsigned)data[i] << 16 | (i + 1 < len ? (unsigned)data[i + 1] << 8 : 0) |
                             (i + 2 < len ? data[i + 2] : 0);

                if (i % 72 == 0)
                        printf("%s\n        \"", i ? "\"" : "");
                printf("%c%c%c%c", digits[n >> 18], digits[n >> 12 & 63],
                        i + 1 < len ? digits[n >> 6 & 63] : '=', i + 2 < len ? digits[n & 63] : '=');
        }
}

int main(void)
{
        _cleanup_json_ json_t *profile = NULL;
        _cleanup_free_ void *program = NULL;
        struct nxc_error err = { 0 };
        struct nxc_compose_host host;
        unsigned flags;
        size_t len;

        nxc_compose_host_get(&host);
        if (nxc_seccomp_default(host.arch, nxc_caps_default(), &profile, &err) < 0 ||
                nxc_seccomp_compile(profile, &program, &len, &flags, &err) < 0) {
                fprintf(stderr, "make-filter: %s\n", err.message);
                return 1;
        }
        puts("/* The default seccomp profile as a BPF program. Made by make-filter.c. */\n"
             "#include \"backend/ocicli/ocicli-internal.h\"\n");
        printf("const char ocicli_default_filter[] =");
        print_base64(program, len);
        puts("\";");
        return 0;
}
