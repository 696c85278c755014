/* The options that every command which may talk to a registry has. */
#pragma once

#include "cli/command.h"
#include "image/registry-opts.h"

struct nxc_registry_args {
        struct nxc_registry_opts opts;
        const char *platform;
        const char *creds_file;
        uint64_t retries;
        char *credentials; /* read from creds_file; owned */
};
#define NXC_REGISTRY_RETRIES 3
#define NXC_REGISTRY_ARGS_INIT                                                \
        {                                                                     \
                .opts = { .tls_verify = -1 }, .retries = NXC_REGISTRY_RETRIES \
        }

/* clang-format off */
/* Rows of a table; F is the struct nxc_registry_args in T. */
#define NXC_REGISTRY_OPTIONS(T, F)                                                                          \
        { "platform", .metavar = "OS/ARCH[/VARIANT]", NXC_OPT(STRING, T, F.platform),                       \
                .help = "take the image for this platform instead of the host's" },                         \
        { "tls-verify", NXC_OPT(TRISTATE, T, F.opts.tls_verify),                                            \
                .help = "demand a valid certificate of the registry; false also allows plain "              \
                "http. Unset: yes, but "                                                                    \
                "plain http is tried on loopback" },                                                        \
        { "cert-dir", .metavar = "DIR", NXC_OPT(STRING, T, F.opts.cert_dir),                                \
                .help = "*.crt files of certificate authorities, *.cert and *.key of the client" },         \
        { "authfile", .metavar = "FILE", NXC_OPT(STRING, T, F.opts.authfile),                               \
                .help = "credentials, in the format of containers-auth.json(5)" },                          \
        { "creds-file", .metavar = "FILE", NXC_OPT(STRING, T, F.creds_file),                                \
                .help = "read USER:PASSWORD from FILE; - is standard input" },                              \
        { "creds", .metavar = "USER:PASSWORD", .type = NXC_OPT_REFUSED, .flags = NXC_OPT_MISUSE,            \
                .help = "every user of the host can read a command line; give the secret with "             \
                "--creds-file" },                                                                           \
        { "retry", .metavar = "N", NXC_OPT(UINT, T, F.retries), .max = 20,                                  \
                .help = "try a request that failed for a passing reason N more times (3)" }
/* clang-format on */

/* Completes opts: reads the credentials, and takes from the configuration what the command line leaves open.
 * image: the reference that is meant, or NULL. */
int nxc_registry_args_complete(struct nxc_registry_args *a, const struct nxc_config *config,
        const char *image, struct nxc_error *err);
/* Wipes the credentials; may run twice. */
void nxc_registry_args_done(struct nxc_registry_args *a);
