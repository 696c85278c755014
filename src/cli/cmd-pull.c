/* pull: brings an image into the store and prints the digest of its manifest, which is what pins it
 * (`name@sha256:...`). */
#include "cli/commands.h"
#include "cli/image-json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/registry-args.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "engine/engine.h"

#include <stdio.h>

struct pull_args {
        struct nxc_registry_args registry;
        int policy, format;
        bool quiet;
};
static const struct pull_args defaults = { .registry = NXC_REGISTRY_ARGS_INIT, .policy = NXC_PULL_ALWAYS };

static const char *const policies[] = { "missing", "always", "never", "newer", NULL };

static const struct nxc_option options[] = {
        { "policy", .alias = "pull", .choices = policies, NXC_OPT(CHOICE, struct pull_args, policy),
                .help = "when to ask the registry; here it is always, unless said otherwise" },
        { "quiet", 'q', NXC_OPT(FLAG, struct pull_args, quiet),
                .help = "show no progress; as --progress=quiet" },
        { "format", .choices = nxc_formats, NXC_OPT(CHOICE, struct pull_args, format),
                .help = "json: print the image as `images` does, instead of its digest" },
        NXC_REGISTRY_OPTIONS(struct pull_args, registry),
        { 0 },
};

static int pull_one(struct nxc_call *call, struct pull_args *a, const char *reference,
        struct nxc_image **ret, struct nxc_error *err)
{
        _cleanup_progress_ struct nxc_progress progress = { 0 };
        const struct nxc_engine_ops *engine;
        struct nxc_engine_ctx ctx;
        struct nxc_host *host;
        struct nxc_pull_opts opts;
        struct nxc_reference ref;
        int r;

        r = nxc_reference_parse(reference, &ref, err); /* before the engine is loaded */
        if (r == 0)
                r = nxc_call_host(call, &host, err);
        if (r == 0)
                r = nxc_registry_args_complete(&a->registry, nxc_host_config(host), reference, err);
        if (r < 0)
                return r;
        nxc_progress_init(
                &progress, a->quiet ? NXC_PROGRESS_QUIET : (enum nxc_progress_mode)call->globals->progress);
        r = nxc_host_engine(host, nxc_progress_event, &progress, &engine, &ctx, err);
        if (r < 0)
                return r;
        opts = (struct nxc_pull_opts){ .reference = reference,
                .platform = a->registry.platform,
                .policy = (enum nxc_pull_policy)a->policy,
                .registry = a->registry.opts };
        return engine->pull(&ctx, &opts, ret, err);
}

static int run_pull(struct nxc_call *call, struct nxc_error *err)
{
        struct pull_args *a = call->opts;
        _cleanup_json_ json_t *j = NULL;
        struct nxc_image *image = NULL;
        int r = pull_one(call, a, call->args[0], &image, err);

        nxc_registry_args_done(&a->registry);
        if (r < 0)
                return r;
        if (a->format == NXC_FORMAT_JSON)
                j = nxc_image_row_json(image);
        else
                puts(image->digest.text);
        nxc_image_free(image);
        if (a->format != NXC_FORMAT_JSON)
                return 0;
        return j ? nxc_print_json(j, true, err) : nxc_oom(err);
}

const struct nxc_command nxc_command_pull = {
        .name = "pull",
        .synopsis = "[OPTION...] IMAGE",
        .summary = "bring an image from a registry into the store",
        .options = options,
        .defaults = &defaults,
        .opts_size = sizeof(struct pull_args),
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_IMAGES,
        .run = run_pull,
};
