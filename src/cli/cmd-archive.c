/* import and save: images from and to files. */
#include "cli/commands.h"
#include "cli/image-json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "engine/engine.h"

#include <stdio.h>

struct import_args {
        const char *platform;
        int format;
};

static const struct nxc_option import_options[] = {
        { "platform", .metavar = "OS/ARCH[/VARIANT]", NXC_OPT(STRING, struct import_args, platform),
                .help = "take the image for this platform instead of the host's" },
        { "format", .choices = nxc_formats, NXC_OPT(CHOICE, struct import_args, format),
                .help = "json: print the image as `images` does, instead of its digest" },
        { 0 },
};

static int import_image(struct nxc_call *call, struct nxc_image **ret, struct nxc_error *err)
{
        const struct import_args *a = call->opts;
        _cleanup_progress_ struct nxc_progress progress = { 0 };
        const struct nxc_engine_ops *engine;
        struct nxc_engine_ctx ctx;
        struct nxc_reference name;
        struct nxc_host *host;
        int r = 0;

        if (call->n_args > 1)
                r = nxc_reference_parse(call->args[1], &name, err);
        if (r == 0)
                r = nxc_call_host(call, &host, err);
        if (r < 0)
                return r;
        nxc_progress_init(&progress, (enum nxc_progress_mode)call->globals->progress);
        r = nxc_host_engine(host, nxc_progress_event, &progress, &engine, &ctx, err);
        if (r < 0)
                return r;
        return engine->import(&ctx, call->args[0], call->n_args > 1 ? &name : NULL, a->platform, ret, err);
}

static int run_import(struct nxc_call *call, struct nxc_error *err)
{
        const struct import_args *a = call->opts;
        _cleanup_json_ json_t *j = NULL;
        struct nxc_image *image;
        int r = import_image(call, &image, err);

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

struct save_args {
        const char *format, *output;
};
static const char *const archive_formats[] = { "oci-archive", "oci-dir", "docker-archive", NULL };
static const struct save_args save_defaults = { .format = "oci-archive", .output = "-" };

static const struct nxc_option save_options[] = {
        { "output", 'o', .metavar = "FILE", NXC_OPT(STRING, struct save_args, output),
                .help = "write there; - is standard output, and what happens without the option" },
        { "format", .choices = archive_formats, NXC_OPT(WORD, struct save_args, format),
                .help = "what to write (oci-archive)" },
        { 0 },
};

static int check_target(const struct save_args *a, struct nxc_error *err)
{
        bool to_stdout = nxc_streq(a->output, "-");
        int r;

        if (to_stdout && nxc_streq(a->format, "oci-dir")) {
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "save: a directory cannot go to standard output");
                nxc_error_hint(err, "name it with --output DIR");
                return r;
        }
        if (to_stdout && isatty(STDOUT_FILENO)) {
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "save: an archive is not for a terminal");
                nxc_error_hint(err, "use --output FILE, or redirect standard output");
                return r;
        }
        return 0;
}

static int run_save(struct nxc_call *call, struct nxc_error *err)
{
        const struct save_args *a = call->opts;
        const struct nxc_engine_ops *engine;
        struct nxc_image *image = NULL;
        struct nxc_image_store *store;
        struct nxc_engine_ctx ctx;
        struct nxc_host *host;
        int r = check_target(a, err);

        if (r == 0)
                r = nxc_call_host(call, &host, err);
        if (r == 0)
                r = nxc_host_images(host, false, &store, err);
        if (r == 0)
                r = nxc_image_find(store, call->args[0], &image, err);
        if (r == 0)
                r = nxc_host_engine(host, NULL, NULL, &engine, &ctx, err);
        if (r == 0)
                r = engine->save(&ctx, image, a->format, a->output, err);
        nxc_image_free(image);
        return r;
}

const struct nxc_command nxc_command_import = {
        .name = "import",
        .synopsis = "[OPTION...] SOURCE [NAME]",
        .summary = "bring an image from files into the store",
        .options = import_options,
        .opts_size = sizeof(struct import_args),
        .min_args = 1,
        .max_args = 2,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_FILES,
        .run = run_import,
};

const struct nxc_command nxc_command_save = {
        .name = "save",
        .synopsis = "[OPTION...] IMAGE",
        .summary = "write an image to a file or directory",
        .options = save_options,
        .defaults = &save_defaults,
        .opts_size = sizeof(struct save_args),
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_IMAGES,
        .run = run_save,
};
