/* The registry client alone, by hand: prints a manifest's digest, size and type, and takes one blob into a
 * store.
 *
 *   registry-get STORE REFERENCE [manifest | head | blob DIGEST SIZE]...
 *
 * REGISTRY_TLS_VERIFY=0|1, REGISTRY_CERT_DIR, REGISTRY_CREDENTIALS, REGISTRY_RETRIES, REGISTRY_DEBUG=1 in
 * the environment. */
#include "core/log.h"
#include "core/str.h"
#include "image/registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int show_manifest(struct nxc_registry *r, const struct nxc_reference *ref, struct nxc_error *err)
{
        _cleanup_free_ char *data = NULL;
        struct nxc_descriptor desc;
        int result = nxc_registry_get_manifest(
                r, ref->digest.text[0] ? ref->digest.text : ref->tag, &data, &desc, err);

        if (result == 0)
                printf("%s %llu %s\n", desc.digest.text, (unsigned long long)desc.size, desc.media_type);
        return result;
}

static int show_head(struct nxc_registry *r, const struct nxc_reference *ref, struct nxc_error *err)
{
        struct nxc_digest digest;
        int result = nxc_registry_head_manifest(
                r, ref->digest.text[0] ? ref->digest.text : ref->tag, &digest, err);

        if (result == 0)
                printf("%s\n", digest.text);
        return result;
}

static int take_blob(struct nxc_registry *r, struct nxc_image_store *store, const char *digest,
        const char *size, struct nxc_error *err)
{
        struct nxc_descriptor desc = { 0 };
        struct nxc_blob_writer *w = NULL;
        struct nxc_intake *in = NULL;
        int result = nxc_digest_parse(digest, &desc.digest, err);

        if (result == 0 && nxc_parse_u64(size, &desc.size) < 0)
                result = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "size '%s'", size);
        if (result == 0)
                result = nxc_intake_begin(store, &in, err);
        if (result == 0)
                result = nxc_blob_writer_open(in, &desc, &w, err);
        if (result == 0)
                result = nxc_registry_get_blob(r, &desc, w, NULL, NULL, err);
        if (result == 0) {
                result = nxc_blob_writer_close(w, err);
                w = NULL;
        }
        if (result == 0)
                printf("%s ok\n", digest);
        nxc_blob_writer_discard(w);
        nxc_intake_abandon(in);
        return result;
}

static int run(struct nxc_image_store *store, const struct nxc_reference *ref,
        const struct nxc_registry_opts *opts, char **verbs, struct nxc_error *err)
{
        struct nxc_registry *r = NULL;
        int result = nxc_registry_open(ref, opts, &r, err);

        for (; result == 0 && *verbs; verbs++) {
                if (nxc_streq(*verbs, "manifest")) {
                        result = show_manifest(r, ref, err);
                } else if (nxc_streq(*verbs, "head")) {
                        result = show_head(r, ref, err);
                } else if (nxc_streq(*verbs, "blob") && verbs[1] && verbs[2]) {
                        result = take_blob(r, store, verbs[1], verbs[2], err);
                        verbs += 2;
                } else {
                        result = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "verb '%s'", *verbs);
                }
        }
        nxc_registry_close(r);
        return result;
}

int main(int argc, char **argv)
{
        const char *verify = getenv("REGISTRY_TLS_VERIFY"), *retries = getenv("REGISTRY_RETRIES");
        const struct nxc_registry_opts opts = {
                .tls_verify = verify ? atoi(verify) : -1,
                .cert_dir = getenv("REGISTRY_CERT_DIR"),
                .credentials = getenv("REGISTRY_CREDENTIALS"),
                .retries = retries ? atoi(retries) : -1,
        };
        struct nxc_log_config log = { .level = getenv("REGISTRY_DEBUG") ? NXC_LOG_DEBUG : NXC_LOG_WARN,
                .fd = -1 };
        struct nxc_image_store *store = NULL;
        struct nxc_reference ref;
        struct nxc_error err = { 0 };
        int store_fd, r;

        if (argc < 4) {
                fprintf(stderr, "usage: %s STORE REFERENCE [manifest | head | blob DIGEST SIZE]...\n",
                        argv[0]);
                return 2;
        }
        nxc_log_setup(&log);
        store_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = store_fd < 0 ? nxc_fail(&err, errno, "open store '%s'", argv[1])
                         : nxc_reference_parse(argv[2], &ref, &err);
        if (r == 0)
                r = nxc_image_store_open(store_fd, true, &store, &err);
        if (r == 0)
                r = run(store, &ref, &opts, argv + 3, &err);
        nxc_image_store_close(store);
        if (r < 0)
                nxc_log_error(&err);
        return r < 0;
}
