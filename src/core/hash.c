/* See hash.h. */
#include "core/hash.h"

#include "core/cleanup.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#define HASH_CHUNK (256 * 1024) /* past this, larger reads gain nothing */

struct nxc_hash {
        EVP_MD_CTX *ctx;
        const char *name;
};

struct nxc_hash *nxc_hash_new(const char *algorithm)
{
        bool is_512 = __builtin_strcmp(algorithm, "sha512") == 0;
        struct nxc_hash *h;

        if (!is_512 && __builtin_strcmp(algorithm, "sha256") != 0)
                return NULL;
        /* libcrypto initialises itself, too, but goes on to its end when that finds no memory. */
        if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) != 1 || !OSSL_LIB_CTX_get0_global_default())
                return NULL;
        h = calloc(1, sizeof(*h));
        if (!h)
                return NULL;
        h->name = is_512 ? "sha512" : "sha256";
        h->ctx = EVP_MD_CTX_new();
        if (!h->ctx || EVP_DigestInit_ex(h->ctx, is_512 ? EVP_sha512() : EVP_sha256(), NULL) != 1) {
                nxc_hash_free(h);
                return NULL;
        }
        return h;
}

void nxc_hash_update(struct nxc_hash *h, const void *data, size_t len)
{
        EVP_DigestUpdate(h->ctx, data, len);
}

void nxc_hash_finish(struct nxc_hash *h, struct nxc_digest *ret)
{
        unsigned char md[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        int off;

        EVP_DigestFinal_ex(h->ctx, md, &n);
        off = snprintf(ret->text, sizeof(ret->text), "%s:", h->name);
        for (unsigned i = 0; i < n; i++)
                off += snprintf(ret->text + off, sizeof(ret->text) - (size_t)off, "%02x", md[i]);
}

void nxc_hash_free(struct nxc_hash *h)
{
        if (!h)
                return;
        EVP_MD_CTX_free(h->ctx);
        free(h);
}

int nxc_hash_buffer(
        const char *algorithm, const void *data, size_t len, struct nxc_digest *ret, struct nxc_error *err)
{
        struct nxc_hash *h = nxc_hash_new(algorithm);

        if (!h)
                return nxc_oom(err);
        nxc_hash_update(h, data, len);
        nxc_hash_finish(h, ret);
        nxc_hash_free(h);
        return 0;
}

int nxc_hash_fd(
        const char *algorithm, int fd, struct nxc_digest *ret, uint64_t *ret_size, struct nxc_error *err)
{
        _cleanup_free_ char *chunk = malloc(HASH_CHUNK);
        struct nxc_hash *h = nxc_hash_new(algorithm);
        uint64_t size = 0;
        ssize_t n = 0;

        if (!h || !chunk) {
                nxc_hash_free(h);
                return nxc_oom(err);
        }
        while ((n = pread(fd, chunk, HASH_CHUNK, (off_t)size)) > 0 || (n < 0 && errno == EINTR)) {
                if (n < 0)
                        continue;
                nxc_hash_update(h, chunk, (size_t)n);
                size += (uint64_t)n;
        }
        if (n < 0) {
                n = errno;
                nxc_hash_free(h);
                return nxc_fail(err, (int)n, "read for its digest");
        }
        nxc_hash_finish(h, ret);
        nxc_hash_free(h);
        if (ret_size)
                *ret_size = size;
        return 0;
}
