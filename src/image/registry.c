/* See registry.h. */
#include "image/registry.h"

#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "image/registry-internal.h"

#include <string.h>

#define DEFAULT_RETRIES 3
#define DOCUMENT_TIMEOUT_S 120    /* a manifest is small; a stall ends earlier */
#define PROGRESS_BYTES (1u << 20) /* so much more than ever before resets the count of retries */

static const char *const accept_manifests[] = {
        NXC_MT_OCI_MANIFEST,
        NXC_MT_OCI_INDEX,
        NXC_MT_DOCKER_MANIFEST,
        NXC_MT_DOCKER_LIST,
};

/* ---- opening */

/* The API of docker.io has a name of its own. */
static const char *api_host(const char *host)
{
        return nxc_streq(host, "docker.io") ? "registry-1.docker.io" : host;
}

/* The first that exists of podman's and docker's directories for a host; NULL: none. */
static char *find_cert_dir(const char *host)
{
        const char *home = getenv("HOME");
        char *dirs[] = {
                home && *home ? nxc_strf("%s/.config/containers/certs.d/%s", home, host) : NULL,
                nxc_strf("/etc/containers/certs.d/%s", host),
                nxc_strf("/etc/docker/certs.d/%s", host),
        };
        char *found = NULL;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(dirs); i++) {
                if (!found && dirs[i] && access(dirs[i], X_OK) == 0)
                        found = TAKE_PTR(dirs[i]);
                free(dirs[i]);
        }
        return found;
}

static int open_http(struct nxc_registry *r, struct nxc_error *err)
{
        _cleanup_free_ char *usual = r->opts->cert_dir ? NULL : find_cert_dir(r->host);
        const struct nxc_http_opts http = {
                .tls_verify = r->opts->tls_verify != 0,
                .cert_dir = r->opts->cert_dir ? r->opts->cert_dir : usual,
        };

        if (r->opts->cert_dir && access(r->opts->cert_dir, R_OK | X_OK) < 0) {
                nxc_fail(err, errno, "open certificate directory '%s'", r->opts->cert_dir);
                return nxc_error_set_kind(err, NXC_ERR_CONFIG);
        }
        return nxc_http_new(&http, &r->http, err);
}

int nxc_registry_open(const struct nxc_reference *ref, const struct nxc_registry_opts *opts,
        struct nxc_registry **ret, struct nxc_error *err)
{
        struct nxc_registry *r = calloc(1, sizeof(*r));
        _cleanup_free_ char *url = nxc_strf("https://%s/", api_host(ref->host));
        int result;

        if (!r)
                return nxc_oom(err);
        pthread_mutex_init(&r->lock, NULL);
        r->where = nxc_strf("%s/%s", ref->host, ref->path);
        r->path = strdup(ref->path);
        r->host = strdup(ref->host);
        r->opts = opts;
        r->retries = opts->retries < 0 ? DEFAULT_RETRIES : opts->retries;
        if (!url || !r->where || !r->path || !r->host)
                result = nxc_oom(err);
        else
                result = nxc_url_parse(url, &r->base, err);
        if (result == 0)
                result = open_http(r, err);
        if (result < 0) {
                nxc_registry_close(r);
                return result;
        }
        *ret = r;
        return 0;
}

void nxc_registry_close(struct nxc_registry *r)
{
        if (!r)
                return;
        nxc_http_free(r->http);
        nxc_url_done(&r->base);
        nxc_credentials_done(&r->credentials);
        nxc_secret_free(r->authorization);
        pthread_mutex_destroy(&r->lock);
        free(r->where);
        free(r->path);
        free(r->host);
        free(r);
}

/* ---- manifests */

struct manifest_job {
        struct nxc_registry *registry;
        struct nxc_registry_request request;
        struct nxc_http_response response;
};

static int attempt_manifest(void *arg, struct nxc_attempt *attempt, struct nxc_error *err)
{
        struct manifest_job *job = arg;

        nxc_http_response_done(&job->response);
        return nxc_registry_attempt(job->registry, &job->request, &job->response, attempt, err);
}

static int request_manifest(struct nxc_registry *r, const char *method, const char *ref,
        struct nxc_http_response *ret, struct nxc_error *err)
{
        _cleanup_free_ char *target = nxc_strf("/v2/%s/manifests/%s", r->path, ref);
        _cleanup_free_ char *what = nxc_strf("get manifest '%s' of %s", ref, r->where);
        _cleanup_strv_ struct nxc_strv headers = { 0 };
        struct manifest_job job = { .registry = r };
        int result;

        if (!target || !what)
                return nxc_oom(err);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(accept_manifests); i++)
                if (nxc_strv_addf(&headers, "Accept: %s", accept_manifests[i]) < 0)
                        return nxc_oom(err);
        job.request = (struct nxc_registry_request){
                .method = method,
                .target = target,
                .headers = &headers,
                .max_body = NXC_MANIFEST_MAX_BYTES,
                .timeout_s = DOCUMENT_TIMEOUT_S,
        };
        result = nxc_registry_retry(r, what, attempt_manifest, &job, err);
        if (result < 0)
                nxc_http_response_done(&job.response);
        else
                *ret = job.response;
        return result;
}

static bool is_manifest_type(const char *type)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(accept_manifests); i++)
                if (nxc_streq(type, accept_manifests[i]))
                        return true;
        return false;
}

/* What a transport says that does not know better; the document's own mediaType decides then. */
static bool is_generic_type(const char *type)
{
        return !*type || nxc_streq(type, "application/json") || nxc_streq(type, "text/plain") ||
               nxc_streq(type, "application/octet-stream");
}

/* The document's own idea; an OCI one need not have any. */
static int own_media_type(const struct nxc_buf *body, struct nxc_descriptor *desc, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = NULL;
        const char *type;
        int r = nxc_json_parse(body->data ? body->data : "", body->len, "manifest", &doc, err);

        if (r < 0) {
                nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
                return r;
        }
        type = nxc_json_str(doc, "mediaType");
        if (!type)
                type = json_is_array(json_object_get(doc, "manifests")) ? NXC_MT_OCI_INDEX
                                                                        : NXC_MT_OCI_MANIFEST;
        if (!is_manifest_type(type))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_IMAGE, 0, "mediaType '%.100s' is not one of an image", type);
        snprintf(desc->media_type, sizeof(desc->media_type), "%s", type);
        return 0;
}

static int find_media_type(
        const struct nxc_http_response *resp, struct nxc_descriptor *desc, struct nxc_error *err)
{
        const char *type = resp->content_type;

        if (is_manifest_type(type)) {
                snprintf(desc->media_type, sizeof(desc->media_type), "%s", type);
                return 0;
        }
        if (is_generic_type(type))
                return own_media_type(&resp->body, desc, err);
        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "the registry sent content type '%.100s'%s",
                type,
                strstr(type, "manifest.v1") ? ": docker schema 1, which is not supported"
                                            : ", not a manifest");
}

/* Compares with the digest asked for, or with the one that the registry claims for a tag. */
static int check_digest(
        const struct nxc_http_response *resp, const char *ref, struct nxc_digest *ret, struct nxc_error *err)
{
        bool asked = nxc_digest_is_valid(ref);
        const char *want = asked ? ref : resp->docker_digest;
        const char *algorithm = nxc_starts_with(want, "sha512:") ? "sha512" : "sha256";
        struct nxc_digest found;
        int r = nxc_hash_buffer(
                algorithm, resp->body.data ? resp->body.data : "", resp->body.len, &found, err);

        if (r < 0)
                return r;
        if ((asked || nxc_digest_is_valid(want)) && !nxc_streq(found.text, want))
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                        "what the registry sent has digest %s, not %s%s", found.text, want,
                        asked ? "" : " as it says");
        *ret = found;
        return 0;
}

int nxc_registry_get_manifest(struct nxc_registry *r, const char *ref, char **ret_data,
        struct nxc_descriptor *ret_desc, struct nxc_error *err)
{
        _cleanup_http_response_ struct nxc_http_response resp = { 0 };
        struct nxc_descriptor desc = { 0 };
        int result = request_manifest(r, "GET", ref, &resp, err);

        if (result < 0)
                return result;
        result = check_digest(&resp, ref, &desc.digest, err);
        if (result == 0)
                result = find_media_type(&resp, &desc, err);
        if (result < 0) {
                nxc_error_wrap(err, "manifest '%s' of %s", ref, r->where);
                return result;
        }
        if (!resp.body.data && nxc_buf_puts(&resp.body, "") < 0)
                return nxc_oom(err);
        desc.size = resp.body.len;
        *ret_data = TAKE_PTR(resp.body.data);
        *ret_desc = desc;
        return 0;
}

int nxc_registry_head_manifest(
        struct nxc_registry *r, const char *ref, struct nxc_digest *ret, struct nxc_error *err)
{
        _cleanup_http_response_ struct nxc_http_response resp = { 0 };
        _cleanup_free_ char *data = NULL;
        struct nxc_descriptor desc;
        int result = request_manifest(r, "HEAD", ref, &resp, err);

        if (result < 0)
                return result;
        if (nxc_digest_is_valid(resp.docker_digest))
                return nxc_digest_parse(resp.docker_digest, ret, err);
        result = nxc_registry_get_manifest(
                r, ref, &data, &desc, err); /* it does not say it: look ourselves */
        if (result == 0)
                *ret = desc.digest;
        return result;
}

/* ---- blobs */

struct blob_job {
        struct nxc_registry *registry;
        const struct nxc_descriptor *desc;
        struct nxc_blob_writer *writer;
        char *target;
        void (*progress)(void *arg, uint64_t bytes);
        void *progress_arg;
        uint64_t offset;  /* where this attempt goes on */
        uint64_t highest; /* the most that was ever there */
        bool started;     /* the answer's place was checked */
        bool no_range;    /* the server got it wrong once: whole blobs only */
};

/* "bytes 100-199/200": that it begins where we stopped, in a blob of the right size. */
static bool continues_at(const char *content_range, uint64_t offset, uint64_t size)
{
        char expect[96];
        size_t n;

        snprintf(expect, sizeof(expect), "bytes %llu-", (unsigned long long)offset);
        n = strlen(expect);
        if (strncasecmp(content_range, expect, n) != 0)
                return false;
        n += strspn(content_range + n, "0123456789");
        snprintf(expect, sizeof(expect), "/%llu", (unsigned long long)size);
        return nxc_streq(content_range + n, expect) || nxc_streq(content_range + n, "/*");
}

static int begin_answer(struct blob_job *job, const struct nxc_http_response *resp, struct nxc_error *err)
{
        job->started = true;
        if (resp->status == 206) {
                if (continues_at(resp->content_range, job->offset, job->desc->size))
                        return 0;
                job->no_range = true;
                return nxc_fail_kind(err, NXC_ERR_REGISTRY, 0,
                        "the server answered with another range: '%s'", resp->content_range);
        }
        return job->offset > 0 ? nxc_blob_writer_rewind(job->writer, err) : 0;
}

static int take_blob_data(
        void *arg, const struct nxc_http_response *resp, const void *data, size_t len, struct nxc_error *err)
{
        struct blob_job *job = arg;
        int r = job->started ? 0 : begin_answer(job, resp, err);

        if (r == 0)
                r = nxc_blob_writer_write(job->writer, data, len, err);
        if (r == 0 && job->progress)
                job->progress(job->progress_arg, nxc_blob_writer_size(job->writer));
        return r;
}

static void judge_blob_attempt(struct blob_job *job, const struct nxc_http_response *resp, bool could_range,
        struct nxc_attempt *attempt)
{
        uint64_t size = nxc_blob_writer_size(job->writer);

        if (resp->status == 416)
                job->no_range = true;
        if (job->no_range && could_range)
                attempt->again = true;
        if (size >= job->highest + PROGRESS_BYTES) {
                job->highest = size;
                attempt->progressed = true;
        }
}

static int attempt_blob(void *arg, struct nxc_attempt *attempt, struct nxc_error *err)
{
        struct blob_job *job = arg;
        _cleanup_http_response_ struct nxc_http_response resp = { 0 };
        _cleanup_strv_ struct nxc_strv headers = { 0 };
        struct nxc_registry_request req = {
                .method = "GET",
                .target = job->target,
                .headers = &headers,
                .sink = take_blob_data,
                .sink_arg = job,
        };
        bool could_range = !job->no_range;
        int r;

        job->started = false;
        job->offset = nxc_blob_writer_size(job->writer);
        if (job->offset > 0 && job->no_range) {
                r = nxc_blob_writer_rewind(job->writer, err);
                if (r < 0)
                        return r;
                job->offset = 0;
        }
        if (job->offset > 0 && job->offset >= job->desc->size)
                return 0;
        if (job->offset > 0 &&
                nxc_strv_addf(&headers, "Range: bytes=%llu-", (unsigned long long)job->offset) < 0)
                return nxc_oom(err);
        r = nxc_registry_attempt(job->registry, &req, &resp, attempt, err);
        if (r == 0 && nxc_blob_writer_size(job->writer) < job->desc->size) {
                attempt->again = true;
                r = nxc_fail_kind(err, NXC_ERR_REGISTRY, 0, "the answer was cut off: %llu of %llu bytes",
                        (unsigned long long)nxc_blob_writer_size(job->writer),
                        (unsigned long long)job->desc->size);
        }
        if (r < 0)
                judge_blob_attempt(job, &resp, could_range, attempt);
        return r;
}

int nxc_registry_get_blob(struct nxc_registry *r, const struct nxc_descriptor *desc,
        struct nxc_blob_writer *w, void (*progress)(void *arg, uint64_t bytes), void *arg,
        struct nxc_error *err)
{
        _cleanup_free_ char *target = nxc_strf("/v2/%s/blobs/%s", r->path, desc->digest.text);
        _cleanup_free_ char *what = nxc_strf("get blob %s of %s", desc->digest.text, r->where);
        struct blob_job job = {
                .registry = r,
                .desc = desc,
                .writer = w,
                .target = target,
                .progress = progress,
                .progress_arg = arg,
        };
        struct nxc_error why = { 0 };
        int result;

        if (!target || !what)
                return nxc_oom(err);
        result = nxc_registry_retry(r, what, attempt_blob, &job, &why);
        if (result < 0 && why.kind == NXC_ERR_IMAGE_NOT_FOUND)
                nxc_error_set_kind(&why, NXC_ERR_REGISTRY); /* the image is there, and not whole */
        if (result < 0 && err)
                *err = why;
        return result;
}
