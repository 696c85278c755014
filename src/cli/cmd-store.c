/* verify and prune: whether the store is right, and what of it is not needed. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "engine/engine.h"
#include "image/image.h"
#include "lifecycle/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verify_args {
        bool repair, all;
        int format;
};

static const struct nxc_option verify_options[] = {
        { "all", 'a', NXC_OPT(FLAG, struct verify_args, all),
                .help = "check the whole store: all images, the layers that no image has, and meta.db" },
        { "repair", NXC_OPT(FLAG, struct verify_args, repair),
                .help = "unpack layers that are wrong again" },
        { "format", .choices = nxc_formats, NXC_OPT(CHOICE, struct verify_args, format),
                .help = "json: an array with the result of each image" },
        { 0 },
};

struct verdicts {
        json_t *list;
        size_t n, bad;
        struct nxc_error first; /* what is wrong with the first bad one */
};

static int verify_one(const struct nxc_engine_ops *engine, struct nxc_engine_ctx *ctx,
        const struct nxc_image *image, bool repair, struct verdicts *v)
{
        struct nxc_error bad = { 0 };
        json_t *j;

        v->n++;
        if (engine->verify(ctx, image, repair, &bad) < 0 && v->bad++ == 0)
                v->first = bad;
        j = json_pack("{s:s?, s:s, s:b, s:s?, s:s?}", "name", image->name, "digest", image->digest.text,
                "ok", !nxc_error_is_set(&bad), "kind",
                nxc_error_is_set(&bad) ? nxc_error_kind_name(bad.kind) : NULL, "message",
                nxc_error_is_set(&bad) ? bad.message : NULL);
        return json_array_append_new(v->list, j);
}

static int verify_named(const struct nxc_call *call, const struct nxc_engine_ops *engine,
        struct nxc_engine_ctx *ctx, struct verdicts *v, struct nxc_error *err)
{
        const struct verify_args *a = call->opts;

        for (size_t i = 0; i < call->n_args; i++) {
                struct nxc_image *image;
                int r = nxc_image_find(ctx->images, call->args[i], &image, err);

                if (r < 0)
                        return r;
                r = verify_one(engine, ctx, image, a->repair, v);
                nxc_image_free(image);
                if (r < 0)
                        return nxc_oom(err);
        }
        return 0;
}

static int verify_all(const struct nxc_call *call, const struct nxc_engine_ops *engine,
        struct nxc_engine_ctx *ctx, struct verdicts *v, struct nxc_error *err)
{
        const struct verify_args *a = call->opts;
        struct nxc_image **images = NULL;
        size_t n = 0;
        int r = nxc_image_list(ctx->images, &images, &n, err);

        for (size_t i = 0; i < n; i++) {
                if (r == 0 && verify_one(engine, ctx, images[i], a->repair, v) < 0)
                        r = nxc_oom(err);
                nxc_image_free(images[i]);
        }
        free(images);
        return r;
}

static int by_text(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int verify_rest(struct nxc_host *host, const struct nxc_engine_ops *engine,
        struct nxc_engine_ctx *ctx, bool repair, struct nxc_error *err)
{
        _cleanup_(nxc_store_layers_done) struct nxc_store_layers s = { 0 };
        _cleanup_free_ const char **known = NULL;
        size_t n = 0;
        int r = nxc_store_layers(host, &s, err);

        if (r < 0)
                return r;
        known = calloc(nxc_graph_n_layers(s.graph) + 1, sizeof(*known));
        if (!known)
                return nxc_oom(err);
        for (uint32_t i = 0; i < nxc_graph_n_layers(s.graph); i++)
                if (nxc_graph_layer(s.graph, i)->n_images > 0)
                        known[n++] = nxc_graph_layer(s.graph, i)->diff_id;
        qsort(known, n, sizeof(*known), by_text);
        return engine->verify_rest(ctx, known, n, repair, err);
}

static int print_verdicts(const struct verdicts *v, int format, struct nxc_error *err)
{
        const json_t *one;
        size_t i;

        if (format == NXC_FORMAT_JSON)
                return nxc_print_json(v->list, true, err);
        json_array_foreach (v->list, i, one) {
                const char *name = nxc_json_str(one, "name"), *message = nxc_json_str(one, "message");

                printf("%s: %s\n", name ? name : nxc_json_str(one, "digest"), message ? message : "ok");
        }
        return 0;
}

static int run_verify(struct nxc_call *call, struct nxc_error *err)
{
        const struct verify_args *a = call->opts;
        struct verdicts v = { .list = json_array() };
        _cleanup_json_ json_t *list = v.list;
        const struct nxc_engine_ops *engine;
        struct nxc_engine_ctx ctx;
        struct nxc_host *host;
        int r = list ? nxc_call_host(call, &host, err) : nxc_oom(err);

        if (r == 0)
                r = nxc_host_engine(host, NULL, NULL, &engine, &ctx, err);
        if (r == 0 && a->all && call->n_args)
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "verify: --all and the names of images");
        if (r == 0)
                r = call->n_args ? verify_named(call, engine, &ctx, &v, err)
                                 : verify_all(call, engine, &ctx, &v, err);
        if (r == 0 && a->all)
                r = verify_rest(host, engine, &ctx, a->repair, err);
        if (r == 0 && (v.n > 1 || v.bad == 0))
                r = print_verdicts(&v, a->format, err);
        if (r < 0 || v.bad == 0)
                return r;
        *err = v.first; /* of one image it is the whole story; of several, the lines above tell the rest */
        return v.n == 1 ? -err->errnum
                        : nxc_error_wrap(err, "%zu of %zu images are not right, first", v.bad, v.n);
}

struct prune_args {
        bool all;
        int format;
};

static const struct nxc_option prune_options[] = {
        { "all", 'a', NXC_OPT(FLAG, struct prune_args, all), .help = "also images that no container uses" },
        { "format", .choices = nxc_formats, NXC_OPT(CHOICE, struct prune_args, format),
                .help = "json: the numbers as JSON" },
        { 0 },
};

static int run_prune(struct nxc_call *call, struct nxc_error *err)
{
        const struct prune_args *a = call->opts;
        struct nxc_prune_report report = { 0 };
        _cleanup_json_ json_t *j = NULL;
        struct nxc_host *host;
        char size[16];
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_prune(host, a->all, &report, err);
        if (r < 0)
                return r;
        if (a->format == NXC_FORMAT_JSON) {
                j = json_pack("{s:I, s:I, s:I, s:I}", "images", (json_int_t)report.images, "layers",
                        (json_int_t)report.layers, "containers", (json_int_t)report.containers, "bytes",
                        (json_int_t)report.bytes);
                return j ? nxc_print_json(j, true, err) : nxc_oom(err);
        }
        nxc_format_size(report.bytes, size, sizeof(size));
        printf("removed: %zu images, %zu layers, %zu leftovers of containers; %s freed\n", report.images,
                report.layers, report.containers, size);
        return 0;
}

const struct nxc_command nxc_command_verify = {
        .name = "verify",
        .synopsis = "[OPTION...] [IMAGE...]",
        .summary = "check every byte of images and their layers",
        .options = verify_options,
        .opts_size = sizeof(struct verify_args),
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_IMAGES,
        .run = run_verify,
};

const struct nxc_command nxc_command_prune = {
        .name = "prune",
        .synopsis = "[OPTION...]",
        .summary = "remove what nothing uses from the store",
        .options = prune_options,
        .opts_size = sizeof(struct prune_args),
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_NONE,
        .run = run_prune,
};
