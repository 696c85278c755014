/* See registry-args.h. */
#include "cli/registry-args.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "image/reference.h"

#include <fcntl.h>
#include <string.h>

#define CREDENTIALS_MAX 8192 /* tokens used as passwords are up to some kilobytes */

static int read_credentials(struct nxc_registry_args *a, struct nxc_error *err)
{
        size_t len;
        int r;

        if (nxc_streq(a->creds_file, "-"))
                r = nxc_read_fd(STDIN_FILENO, CREDENTIALS_MAX, &a->credentials, &len, err,
                        "credentials from standard input");
        else
                r = nxc_read_file_at(AT_FDCWD, a->creds_file, CREDENTIALS_MAX, &a->credentials, &len, err);
        if (r < 0)
                return r;
        a->credentials[strcspn(a->credentials, "\r\n")] = '\0';
        if (!strchr(a->credentials, ':') || a->credentials[0] == ':') {
                r = nxc_fail_kind(
                        err, NXC_ERR_USAGE, 0, "credentials in '%s' are not USER:PASSWORD", a->creds_file);
                return r;
        }
        a->opts.credentials = a->credentials;
        return 0;
}

static bool is_insecure(const struct nxc_config *config, const char *image)
{
        struct nxc_reference ref;

        if (config->insecure.n == 0 || nxc_reference_parse(image, &ref, NULL) < 0)
                return false;
        for (size_t i = 0; i < config->insecure.n; i++)
                if (nxc_streq(config->insecure.v[i], ref.host))
                        return true;
        return false;
}

int nxc_registry_args_complete(struct nxc_registry_args *a, const struct nxc_config *config,
        const char *image, struct nxc_error *err)
{
        a->opts.retries = (int)a->retries;
        if (!a->opts.authfile)
                a->opts.authfile = config->authfile;
        if (!a->opts.cert_dir)
                a->opts.cert_dir = config->cert_dir;
        if (a->opts.tls_verify < 0 && image && is_insecure(config, image))
                a->opts.tls_verify = 0;
        return a->creds_file ? read_credentials(a, err) : 0;
}

void nxc_registry_args_done(struct nxc_registry_args *a)
{
        if (a->credentials)
                explicit_bzero(a->credentials, strlen(a->credentials));
        nxc_freep(&a->credentials);
        a->opts.credentials = NULL;
}
