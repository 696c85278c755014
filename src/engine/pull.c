/* See engine.h: pulling. The policy decides whether the registry is asked, a lock per reference sees to it
 * that of many processes that want the same image one pulls, and the registry is a source like another
 * (take-in.c). */
#include "engine/engine-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/lock.h"
#include "core/log.h"
#include "image/registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct pull {
        struct nxc_engine_ctx *ctx;
        const struct nxc_pull_opts *opts;
        struct nxc_reference ref;
        char *name;              /* canonical */
        struct nxc_image *local; /* what the store has under that name */
        int lock_fd;
        char lock_path[48];
        struct nxc_registry *registry;
};

struct registry_source {
        struct nxc_source source;
        struct nxc_registry *registry;
};

static int registry_get_document(struct nxc_source *src, const struct nxc_descriptor *desc,
        struct nxc_document *ret, struct nxc_error *err)
{
        struct registry_source *s = (struct registry_source *)src;

        return nxc_registry_get_manifest(s->registry, desc->digest.text, &ret->data, &ret->desc, err);
}

static int registry_get_blob(struct nxc_source *src, const struct nxc_descriptor *desc,
        struct nxc_blob_writer *w, nxc_bytes_fn fn, void *arg, struct nxc_error *err)
{
        struct registry_source *s = (struct registry_source *)src;

        return nxc_registry_get_blob(s->registry, desc, w, fn, arg, err);
}

/* A tag, or the digest, which wins over the tag. */
static const char *what_to_ask(const struct nxc_reference *ref)
{
        return ref->digest.text[0] ? ref->digest.text : ref->tag;
}

static bool is_platform(const struct nxc_image *image, const char *platform)
{
        const struct nxc_platform *have = &image->config.platform;
        struct nxc_platform want;

        if (!platform)
                return true;
        if (nxc_platform_parse(platform, &want, NULL) < 0)
                return false;
        return nxc_streq(have->os, want.os) && nxc_streq(have->arch, want.arch) &&
               (!want.variant[0] || !have->variant[0] || nxc_streq(have->variant, want.variant));
}

/* Leaves p->local NULL when there is none. An image that cannot be read is as good as none where we may
 * pull. */
static int find_local(struct pull *p, const char *name, struct nxc_error *err)
{
        struct nxc_error e = { 0 };
        int r = nxc_image_find(p->ctx->images, name, &p->local, &e);

        if (r == 0 && !is_platform(p->local, p->opts->platform)) {
                nxc_debug("image '%s' is there, but not for %s", name, p->opts->platform);
                nxc_image_free(TAKE_PTR(p->local));
                return 0;
        }
        if (r < 0 && e.kind == NXC_ERR_INVALID_IMAGE && p->opts->policy != NXC_PULL_NEVER) {
                nxc_warn("%s, ignoring", e.message);
                return 0;
        }
        if (r < 0 && e.kind != NXC_ERR_IMAGE_NOT_FOUND && e.kind != NXC_ERR_USAGE) {
                if (err && !nxc_error_is_set(err))
                        *err = e;
                return r;
        }
        return 0;
}

static int use_local(struct pull *p, struct nxc_image **ret, struct nxc_error *err)
{
        int r = nxc_layers_restore(p->ctx, p->local, err);

        if (r < 0)
                return nxc_error_wrap(err, "image '%s'", p->opts->reference);
        nxc_report(p->ctx, NXC_PROGRESS_CACHED, "image", NULL, p->local->size_bytes);
        *ret = TAKE_PTR(p->local);
        return 0;
}

static int not_found(struct pull *p, struct nxc_error *err)
{
        int r = nxc_fail_kind(err, NXC_ERR_IMAGE_NOT_FOUND, 0,
                "image '%s' is not in the store, and may not be pulled", p->opts->reference);

        nxc_error_hint(err, "nexcage pull %s, or --pull=missing", p->opts->reference);
        return r;
}

/* One lock per reference, under the digest of its name. */
static int lock_reference(struct pull *p, struct nxc_error *err)
{
        char *path = p->lock_path;
        struct nxc_digest d;
        int r = nxc_hash_buffer("sha256", p->name, strlen(p->name), &d, err);

        if (r < 0)
                return r;
        if (mkdirat(p->ctx->store_fd, "locks", 0700) < 0 && errno != EEXIST)
                return nxc_fail(err, errno, "create 'locks' in the store");
        snprintf(path, sizeof(p->lock_path), "locks/pull-%.32s", nxc_digest_hex(&d));
        r = nxc_lock_passing_at(p->ctx->store_fd, path, 0, &p->lock_fd, NULL);
        if (r == 0)
                return 0;
        if (r == -EBUSY)
                nxc_info("another process is pulling %s: waiting for it", p->name);
        return nxc_lock_passing_at(p->ctx->store_fd, path, -1, &p->lock_fd, err);
}

static bool is_this_image(const struct nxc_image *image, const struct nxc_digest *digest)
{
        return nxc_digest_equal(&image->digest, digest) || nxc_digest_equal(&image->index_digest, digest);
}

/* A blob that is gone, or has another size, is brought again by taking the image in. */
static bool has_all_blobs(struct pull *p)
{
        for (size_t i = 0; i < p->local->manifest.n_layers; i++) {
                const struct nxc_descriptor *d = &p->local->manifest.layers[i];
                _cleanup_close_ int fd = -EBADF;

                if (nxc_image_blob_open(p->ctx->images, &d->digest, d->size, &fd, NULL) < 0)
                        return false;
        }
        return true;
}

/* Whether the registry has the image of the local digest under that name. */
static int is_current(struct pull *p, bool *ret, struct nxc_error *err)
{
        struct nxc_digest now;
        int r = nxc_registry_head_manifest(p->registry, what_to_ask(&p->ref), &now, err);

        if (r == 0)
                *ret = is_this_image(p->local, &now) && has_all_blobs(p);
        return r;
}

static int fetch(struct pull *p, struct nxc_image **ret, struct nxc_error *err)
{
        struct registry_source source = {
                .source = { .what = p->name,
                        .get_document = registry_get_document,
                        .get_blob = registry_get_blob },
                .registry = p->registry,
        };
        struct nxc_document root = { 0 };
        struct nxc_take_in t = {
                .source = &source.source, .root = &root, .platform = p->opts->platform, .name = &p->ref
        };
        int r = nxc_registry_get_manifest(p->registry, what_to_ask(&p->ref), &root.data, &root.desc, err);

        if (r < 0)
                return r;
        if (p->local && is_this_image(p->local, &root.desc.digest) && nxc_streq(p->local->name, p->name) &&
                has_all_blobs(p)) {
                nxc_document_done(&root);
                return use_local(p, ret, err);
        }
        r = nxc_intake_begin(p->ctx->images, &t.intake, err);
        if (r == 0)
                r = nxc_take_in(p->ctx, &t, ret, err);
        nxc_intake_abandon(t.intake);
        nxc_document_done(&root);
        return r;
}

/* Asks the registry. With `newer` a local image outlives whatever the registry says or does not say. */
static int ask_registry(struct pull *p, struct nxc_image **ret, struct nxc_error *err)
{
        bool may_fall_back = p->opts->policy == NXC_PULL_NEWER && p->local, current = false;
        struct nxc_error e = { 0 };
        int r = nxc_registry_open(&p->ref, &p->opts->registry, &p->registry, &e);

        if (r == 0 && may_fall_back)
                r = is_current(p, &current, &e);
        if (r == 0 && current)
                return use_local(p, ret, err);
        if (r == 0)
                r = fetch(p, ret, &e);
        if (r < 0 && may_fall_back && p->local && e.kind != NXC_ERR_INVALID_IMAGE &&
                e.kind != NXC_ERR_FILE) {
                nxc_warn("look for a newer '%s': %s; using the one in the store", p->name, e.message);
                return use_local(p, ret, err);
        }
        if (r < 0 && err && !nxc_error_is_set(err))
                *err = e;
        return r < 0 ? nxc_error_wrap(err, "pull '%s'", p->name) : 0;
}

static int pull_locked(struct pull *p, struct nxc_image **ret, struct nxc_error *err)
{
        int r = lock_reference(p, err);

        if (r == 0)
                r = find_local(p, p->name, err); /* the one we waited for may have brought it */
        if (r < 0)
                return r;
        if (p->local && p->opts->policy == NXC_PULL_MISSING)
                return use_local(p, ret, err);
        return ask_registry(p, ret, err);
}

static int pull(struct pull *p, struct nxc_image **ret, struct nxc_error *err)
{
        enum nxc_pull_policy policy = p->opts->policy;
        struct nxc_platform platform;
        int r = p->opts->platform ? nxc_platform_parse(p->opts->platform, &platform, err) : 0;

        if (r == 0 && (policy == NXC_PULL_MISSING || policy == NXC_PULL_NEVER))
                r = find_local(p, p->opts->reference, err);
        if (r < 0)
                return r;
        if (p->local)
                return use_local(p, ret, err);
        r = nxc_reference_parse(p->opts->reference, &p->ref, err);
        if (r < 0)
                return r;
        if (policy == NXC_PULL_NEVER)
                return not_found(p, err);
        p->name = nxc_reference_format(&p->ref);
        if (!p->name)
                return nxc_oom(err);
        return pull_locked(p, ret, err);
}

int nxc_engine_pull(struct nxc_engine_ctx *ctx, const struct nxc_pull_opts *opts, struct nxc_image **ret,
        struct nxc_error *err)
{
        struct pull p = { .ctx = ctx, .opts = opts, .lock_fd = -EBADF };
        int r = pull(&p, ret, err);

        nxc_image_free(p.local);
        nxc_registry_close(p.registry);
        nxc_unlock_passing(ctx->store_fd, p.lock_path, &p.lock_fd);
        free(p.name);
        return r;
}

int nxc_engine_resolve(const struct nxc_pull_opts *opts, struct nxc_digest *ret, struct nxc_error *err)
{
        struct nxc_registry *registry = NULL;
        struct nxc_reference ref;
        int r = nxc_reference_parse(opts->reference, &ref, err);

        if (r == 0)
                r = nxc_registry_open(&ref, &opts->registry, &registry, err);
        if (r == 0)
                r = nxc_registry_head_manifest(registry, what_to_ask(&ref), ret, err);
        nxc_registry_close(registry);
        return r < 0 ? nxc_error_wrap(err, "look up '%s'", opts->reference) : 0;
}
