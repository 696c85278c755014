/* See tls-internal.h. */
#include "net/tls-internal.h"

#include "core/fs.h"

#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define MAX_CERT_BYTES (4u << 20)
#define MAX_CERT_FILES 64

static int append_file(struct nxc_buf *buf, const char *path, bool need_pem, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r = nxc_read_file_at(AT_FDCWD, path, MAX_CERT_BYTES, &text, &len, err);

        if (r < 0)
                return r;
        if (need_pem && !strstr(text ? text : "", "-----BEGIN"))
                return nxc_fail_kind(err, NXC_ERR_CONFIG, 0, "certificate '%s' is not in PEM form", path);
        if (nxc_buf_add(buf, text, len) < 0 || nxc_buf_puts(buf, "\n") < 0)
                return nxc_oom(err);
        return 0;
}

static const char *system_bundle(const struct nxc_tls *tls)
{
        return tls->ca_file ? tls->ca_file : curl_version_info(CURLVERSION_NOW)->cainfo;
}

static int add_ca(struct nxc_tls *tls, const char *path, struct nxc_error *err)
{
        const char *bundle = system_bundle(tls);

        /* a blob stands in for the bundle, so the bundle goes first into it */
        if (tls->ca_blob.len == 0 && bundle && access(bundle, R_OK) == 0) {
                int r = append_file(&tls->ca_blob, bundle, false, err);

                if (r < 0)
                        return r;
        }
        return append_file(&tls->ca_blob, path, true, err);
}

static int add_client_cert(struct nxc_tls *tls, const char *cert, struct nxc_error *err)
{
        _cleanup_free_ char *key = nxc_strf("%.*s.key", (int)(strlen(cert) - strlen(".cert")), cert);

        if (!key)
                return nxc_oom(err);
        if (access(key, R_OK) < 0) {
                int r = nxc_fail(err, errno, "read the key '%s' of client certificate '%s'", key, cert);

                nxc_error_set_kind(err, NXC_ERR_CONFIG);
                return r;
        }
        if (tls->client_cert)
                return 0; /* the first in order of names */
        tls->client_cert = strdup(cert);
        tls->client_key = TAKE_PTR(key);
        return tls->client_cert ? 0 : nxc_oom(err);
}

static int is_certificate(const struct dirent *d)
{
        return nxc_ends_with(d->d_name, ".crt") || nxc_ends_with(d->d_name, ".cert");
}

static int load_cert_dir(struct nxc_tls *tls, const char *dir, struct nxc_error *err)
{
        struct dirent **names;
        int n = scandir(dir, &names, is_certificate, alphasort), r = 0;

        if (n < 0 && errno == ENOENT)
                return 0;
        if (n < 0) {
                nxc_fail(err, errno, "read certificate directory '%s'", dir);
                return nxc_error_set_kind(err, NXC_ERR_CONFIG);
        }
        if (n > MAX_CERT_FILES)
                r = nxc_fail_kind(err, NXC_ERR_CONFIG, 0,
                        "certificate directory '%s' has more than %d certificates", dir, MAX_CERT_FILES);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = nxc_strf("%s/%s", dir, names[i]->d_name);

                if (r == 0 && !path)
                        r = nxc_oom(err);
                else if (r == 0)
                        r = nxc_ends_with(path, ".crt") ? add_ca(tls, path, err)
                                                        : add_client_cert(tls, path, err);
                free(names[i]);
        }
        free(names);
        return r;
}

void nxc_tls_apply(const struct nxc_tls *tls, void *c)
{
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, tls->verify ? 1L : 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, tls->verify ? 2L : 0L);
        curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        if (tls->ca_file)
                curl_easy_setopt(c, CURLOPT_CAINFO, tls->ca_file);
        if (tls->ca_path)
                curl_easy_setopt(c, CURLOPT_CAPATH, tls->ca_path);
        if (tls->ca_blob.len > 0) {
                struct curl_blob blob = { tls->ca_blob.data, tls->ca_blob.len, CURL_BLOB_NOCOPY };

                curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob);
        }
        if (tls->client_cert) {
                curl_easy_setopt(c, CURLOPT_SSLCERT, tls->client_cert);
                curl_easy_setopt(c, CURLOPT_SSLKEY, tls->client_key);
        }
}

static char *env_copy(const char *name)
{
        const char *v = getenv(name);

        return v && *v ? strdup(v) : NULL;
}

int nxc_tls_init(struct nxc_tls *tls, bool verify, const char *cert_dir, struct nxc_error *err)
{
        *tls = (struct nxc_tls){ .verify = verify };
        tls->ca_file = env_copy("SSL_CERT_FILE");
        tls->ca_path = env_copy("SSL_CERT_DIR");
        return cert_dir ? load_cert_dir(tls, cert_dir, err) : 0;
}

void nxc_tls_done(struct nxc_tls *tls)
{
        nxc_buf_done(&tls->ca_blob);
        nxc_freep(&tls->ca_file);
        nxc_freep(&tls->ca_path);
        nxc_freep(&tls->client_cert);
        nxc_freep(&tls->client_key);
}
