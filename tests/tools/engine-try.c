/* The engine by hand, below the command line: engine-try STORE
 * pull|import|save|verify|repair|find|list|rm|collect ... Linked statically to everything, so that a
 * debugger and the sanitizers see all of it. */
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"
#include "engine/engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

extern const struct nxc_engine_ops nxc_engine;

static void print_image(const struct nxc_image *im)
{
        printf("%s %s %.19s layers=%zu bytes=%llu index=%.19s\n", im->name ? im->name : "-", im->id.text,
                im->digest.text, im->manifest.n_layers, (unsigned long long)im->size_bytes,
                im->index_digest.text[0] ? im->index_digest.text : "-");
}

static void show_progress(void *arg, const struct nxc_progress_event *ev)
{
        static const char *const kinds[] = { "start", "bytes", "done", "cached" };

        if (ev->kind != NXC_PROGRESS_BYTES)
                fprintf(stderr, "%s %s %.19s %llu\n", kinds[ev->kind], ev->what,
                        ev->digest ? ev->digest->text : "", (unsigned long long)ev->total_bytes);
}

static int pull(struct nxc_engine_ctx *ctx, char **argv, struct nxc_image **ret, struct nxc_error *err)
{
        struct nxc_pull_opts opts = { .reference = argv[0],
                .policy = NXC_PULL_MISSING,
                .registry = { .tls_verify = -1, .retries = -1 } };

        for (argv++; *argv; argv++) {
                if (strcmp(*argv, "always") == 0)
                        opts.policy = NXC_PULL_ALWAYS;
                else if (strcmp(*argv, "never") == 0)
                        opts.policy = NXC_PULL_NEVER;
                else if (strcmp(*argv, "newer") == 0)
                        opts.policy = NXC_PULL_NEWER;
                else
                        opts.platform = *argv;
        }
        return nxc_engine.pull(ctx, &opts, ret, err);
}

static int list(struct nxc_engine_ctx *ctx, struct nxc_error *err)
{
        struct nxc_image **images;
        size_t n;
        int r = nxc_image_list(ctx->images, &images, &n, err);

        for (size_t i = 0; r == 0 && i < n; i++) {
                print_image(images[i]);
                nxc_image_free(images[i]);
        }
        if (r == 0)
                free(images);
        return r;
}

static int run(struct nxc_engine_ctx *ctx, const char *verb, char **argv, struct nxc_error *err)
{
        struct nxc_image *im = NULL;
        struct nxc_reference name;
        uint64_t bytes = 0;
        int r;

        if (strcmp(verb, "list") == 0)
                return list(ctx, err);
        if (strcmp(verb, "collect") == 0) {
                r = nxc_image_collect(ctx->images, &bytes, err);
                printf("%llu\n", (unsigned long long)bytes);
                return r;
        }
        if (!argv[0])
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s what?", verb);
        if (strcmp(verb, "pull") == 0) {
                r = pull(ctx, argv, &im, err);
        } else if (strcmp(verb, "import") == 0) {
                r = argv[1] ? nxc_reference_parse(argv[1], &name, err) : 0;
                r = r < 0 ? r : nxc_engine.import(ctx, argv[0], argv[1] ? &name : NULL, NULL, &im, err);
        } else {
                r = nxc_image_find(ctx->images, argv[0], &im, err);
                if (r == 0 && strcmp(verb, "save") == 0 && argv[1] && argv[2])
                        r = nxc_engine.save(ctx, im, argv[1], argv[2], err);
                else if (r == 0 && strcmp(verb, "verify") == 0)
                        r = nxc_engine.verify(ctx, im, false, err);
                else if (r == 0 && strcmp(verb, "repair") == 0)
                        r = nxc_engine.verify(ctx, im, true, err);
                else if (r == 0 && strcmp(verb, "rm") == 0)
                        r = nxc_image_untag(ctx->images, im, NULL, err);
        }
        if (r == 0 && strcmp(verb, "save") != 0)
                print_image(im);
        nxc_image_free(im);
        return r;
}

int main(int argc, char **argv)
{
        struct nxc_log_config log = { .level = getenv("NXC_TRY_DEBUG") ? NXC_LOG_DEBUG : NXC_LOG_INFO,
                .fd = -1 };
        struct nxc_engine_ctx ctx = { .progress = getenv("NXC_TRY_PROGRESS") ? show_progress : NULL };
        struct nxc_error err = { 0 };
        bool create;
        int r;

        if (argc < 3) {
                fprintf(stderr,
                        "usage: engine-try STORE pull|import|save|verify|repair|find|list|rm|collect ...\n");
                return 2;
        }
        nxc_log_setup(&log);
        create = strcmp(argv[2], "pull") == 0 || strcmp(argv[2], "import") == 0;
        r = nxc_open_dir_p(argv[1], 0700, &ctx.store_fd, &err);
        if (r == 0)
                r = nxc_image_store_open(ctx.store_fd, create, &ctx.images, &err);
        if (r == 0)
                r = nxc_layerfs_open(ctx.store_fd, create, &ctx.layers, &err);
        if (r == 0)
                r = run(&ctx, argv[2], argv + 3, &err);
        nxc_layerfs_close(ctx.layers);
        nxc_image_store_close(ctx.images);
        if (r < 0)
                nxc_log_error(&err);
        return r < 0;
}
