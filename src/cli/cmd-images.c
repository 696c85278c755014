/* images, tag, rmi: the names in the store. */
#include "cli/commands.h"
#include "cli/image-json.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "image/image.h"
#include "lifecycle/store.h"

#include <stdio.h>
#include <time.h>

#define SHORT_ID 12

struct images_args {
        int format;
        bool quiet, names, digests, no_trunc;
};

static const struct nxc_option images_options[] = {
        { "format", .choices = nxc_formats, NXC_OPT(CHOICE, struct images_args, format),
                .help = "json: an array of images" },
        { "quiet", 'q', NXC_OPT(FLAG, struct images_args, quiet), .help = "print the ids only" },
        { "names", NXC_OPT(FLAG, struct images_args, names), .help = "print the full names only" },
        { "digests", NXC_OPT(FLAG, struct images_args, digests),
                .help = "show the digests of the manifests" },
        { "no-trunc", NXC_OPT(FLAG, struct images_args, no_trunc), .help = "do not shorten ids" },
        { 0 },
};

struct image_list {
        struct nxc_image_summary *v;
        size_t n;
};

static void image_list_done(struct image_list *l)
{
        nxc_image_summaries_free(l->v, l->n);
        *l = (struct image_list){ 0 };
}

static const char *shown_id(
        const struct images_args *a, const struct nxc_image_summary *image, char *buf, size_t size)
{
        if (a->no_trunc)
                return image->id.text;
        snprintf(buf, size, "%.*s", SHORT_ID, nxc_digest_hex(&image->id));
        return buf;
}

static void add_row(struct nxc_table *t, const struct images_args *a, const struct nxc_image_summary *image)
{
        char repository[800], tag[130], id[SHORT_ID + 1], age[32], size[16];
        const char *cells[NXC_TABLE_COLUMNS_MAX];
        size_t n = 0;

        nxc_image_split_name(image->name, repository, sizeof(repository), tag, sizeof(tag));
        nxc_format_age(image->created, (int64_t)time(NULL), age, sizeof(age));
        nxc_format_size(image->size_bytes, size, sizeof(size));
        cells[n++] = repository;
        cells[n++] = tag;
        if (a->digests)
                cells[n++] = image->digest.text;
        cells[n++] = shown_id(a, image, id, sizeof(id));
        cells[n++] = age;
        cells[n++] = size;
        nxc_table_add(t, cells);
}

static int print_table(const struct images_args *a, const struct image_list *l, struct nxc_error *err)
{
        static const char *const plain[] = { "REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE" };
        static const char *const digests[] = { "REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED",
                "SIZE" };
        _cleanup_table_ struct nxc_table t = { .n_columns = a->digests ? 6 : 5 };

        nxc_table_add(&t, a->digests ? digests : plain);
        for (size_t i = 0; i < l->n; i++)
                add_row(&t, a, &l->v[i]);
        return nxc_table_print(&t, err);
}

static int print_json(const struct image_list *l, struct nxc_error *err)
{
        _cleanup_json_ json_t *list = json_array();

        for (size_t i = 0; i < l->n; i++)
                if (json_array_append_new(list, nxc_image_summary_json(&l->v[i])) < 0)
                        return nxc_oom(err);
        return nxc_print_json(list, true, err);
}

static void print_words(const struct images_args *a, const struct image_list *l)
{
        char id[SHORT_ID + 1];

        for (size_t i = 0; i < l->n; i++) {
                if (a->quiet)
                        puts(shown_id(a, &l->v[i], id, sizeof(id)));
                else if (l->v[i].name)
                        puts(l->v[i].name);
        }
}

static int run_images(struct nxc_call *call, struct nxc_error *err)
{
        const struct images_args *a = call->opts;
        _cleanup_(image_list_done) struct image_list l = { 0 };
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_store_images(host, &l.v, &l.n, err);
        if (r < 0)
                return r;
        if (a->format == NXC_FORMAT_JSON)
                return print_json(&l, err);
        if (!a->quiet && !a->names)
                return print_table(a, &l, err);
        print_words(a, &l);
        return 0;
}

static int run_tag(struct nxc_call *call, struct nxc_error *err)
{
        struct nxc_image_store *store;
        struct nxc_image *image = NULL;
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_host_images(host, false, &store, err);
        if (r == 0)
                r = nxc_image_find(store, call->args[0], &image, err);
        for (size_t i = 1; i < call->n_args && r == 0; i++) {
                struct nxc_reference name;

                r = nxc_reference_parse(call->args[i], &name, err);
                if (r == 0 && name.digest.text[0])
                        r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "tag: the new name '%s' has a digest in it",
                                call->args[i]);
                if (r == 0)
                        r = nxc_image_tag(store, image, &name, err);
        }
        nxc_image_free(image);
        return r;
}

struct rmi_args {
        bool force;
};

static const struct nxc_option rmi_options[] = {
        { "force", 'f', NXC_OPT(FLAG, struct rmi_args, force),
                .help = "take the name away even if a container or mount uses the image, which then stays "
                        "without it" },
        { 0 },
};

static int run_rmi(struct nxc_call *call, struct nxc_error *err)
{
        const struct rmi_args *a = call->opts;
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        for (size_t i = 0; i < call->n_args && r == 0; i++)
                r = nxc_image_remove(host, call->args[i], a->force, err);
        return r;
}

const struct nxc_command nxc_command_images = {
        .name = "images",
        .synopsis = "[OPTION...]",
        .summary = "list the images in the store",
        .options = images_options,
        .opts_size = sizeof(struct images_args),
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_NONE,
        .run = run_images,
};

const struct nxc_command nxc_command_tag = {
        .name = "tag",
        .synopsis = "IMAGE NAME...",
        .summary = "give an image further names",
        .min_args = 2,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_IMAGES,
        .run = run_tag,
};

const struct nxc_command nxc_command_rmi = {
        .name = "rmi",
        .synopsis = "[OPTION...] IMAGE...",
        .summary = "remove images, name by name",
        .options = rmi_options,
        .opts_size = sizeof(struct rmi_args),
        .min_args = 1,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_IMAGES,
        .run = run_rmi,
};
