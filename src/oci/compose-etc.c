/* The files that podman mounts over those of the image: etc/hostname, etc/hosts and etc/resolv.conf. */
#include "oci/compose-internal.h"

#include "core/fs.h"
#include "core/publish.h"

#include <fcntl.h>
#include <string.h>

#define RESOLV_CONF_MAX_BYTES (64u << 10)

static int write_hostname(const struct nxc_compose_result *r, struct nxc_buf *b, struct nxc_error *err)
{
        return nxc_buf_printf(b, "%s\n", r->hostname) < 0 ? nxc_oom(err) : 0;
}

static int write_hosts(const struct nxc_compose_result *r, struct nxc_buf *b, struct nxc_error *err)
{
        return nxc_buf_printf(b,
                       "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t%s\n",
                       r->hostname) < 0
                       ? nxc_oom(err)
                       : 0;
}

/* The host's own; a host without one has none to give. */
static int write_resolv_conf(const struct nxc_compose_result *r, struct nxc_buf *b, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        struct nxc_error local = { 0 };
        int k = nxc_read_file_at(AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_MAX_BYTES, &text, NULL, &local);

        if (k == -ENOENT)
                return nxc_buf_puts(b, "") < 0 ? nxc_oom(err) : 0;
        if (k < 0)
                return nxc_fail_kind(err, local.kind, 0, "%s", local.message);
        return nxc_buf_puts(b, text) < 0 ? nxc_oom(err) : 0;
}

static const struct {
        const char *name;
        int (*write)(const struct nxc_compose_result *, struct nxc_buf *, struct nxc_error *);
} etc_files[] = {
        { "hostname", write_hostname },
        { "hosts", write_hosts },
        { "resolv.conf", write_resolv_conf },
};

int nxc_compose_write_etc(const struct nxc_compose_result *r, int etc_dir_fd, struct nxc_error *err)
{
        int k = 0;

        for (size_t i = 0; k == 0 && i < r->etc_files.n; i++) {
                for (size_t j = 0; k == 0 && j < NXC_ARRAY_SIZE(etc_files); j++) {
                        _cleanup_buf_ struct nxc_buf b = { 0 };

                        if (!nxc_streq(r->etc_files.v[i], etc_files[j].name))
                                continue;
                        k = etc_files[j].write(r, &b, err);
                        if (k == 0)
                                k = nxc_publish_at(
                                        etc_dir_fd, etc_files[j].name, b.data, b.len, 0644, 0, err);
                }
        }
        return k;
}
