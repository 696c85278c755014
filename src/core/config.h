/* The configuration: /etc/nexcage/nexcage.conf and conf.d/ *.conf beside it (INI, libinih), later files win.
 * NEXCAGE_CONFIG names another main file (then no conf.d). Every key is a row of the table in config.c; an
 * unknown section or key, or a bad value, is InvalidConfig with file and line; an unreadable file is
 * ConfigError. */
#pragma once

#include "core/error.h"
#include "core/str.h"

#include <stdbool.h>
#include <stdint.h>

struct nxc_config_route {
        char *pattern; /* fnmatch(3) against the image reference, or the id where there is no image */
        char *runtime;
};

struct nxc_config {
        char *runtime;             /* [runtime] default = auto */
        char *storage;             /* [storage] driver = overlay; or NULL: nothing said */
        uint64_t storage_size;     /* [storage] size = 10g: of each root; 0: the driver's own choice */
        char *zfs_parent;          /* [storage] zfs.parent = POOL/..., or NULL */
        char *root, *store;        /* [paths] root, store; or NULL: the built-in ones */
        char *authfile, *cert_dir; /* [registry] authfile, cert_dir; or NULL */
        struct nxc_strv
                insecure;    /* [registry] insecure = host[:port] ...: as --tls-verify=false for these */
        char *layer_format;  /* [layerfs] format = auto | erofs | dir; or NULL: auto */
        bool hooks_continue; /* [hooks] on_failure = abort | continue */
        struct nxc_config_route *routes; /* [routes] PATTERN = RUNTIME, first match wins */
        size_t n_routes;
};

int nxc_config_load(struct nxc_config **ret, struct nxc_error *err);
void nxc_config_free(struct nxc_config *c);
