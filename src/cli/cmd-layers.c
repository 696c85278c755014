/* layers, history: what images are made of. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "image/image.h"
#include "lifecycle/store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SHORT_ID 12

enum layers_format { LAYERS_TABLE, LAYERS_JSON, LAYERS_DOT };
static const char *const layers_formats[] = { "table", "json", "dot", NULL };

struct layers_args {
        int format;
        bool no_trunc;
};

static const struct nxc_option layers_options[] = {
        { "format", .choices = layers_formats, NXC_OPT(CHOICE, struct layers_args, format),
                .help = "json: an object of layers and images; dot: the graph for Graphviz" },
        { "no-trunc", NXC_OPT(FLAG, struct layers_args, no_trunc), .help = "do not shorten ids" },
        { 0 },
};

static const char *sharing_of(const struct nxc_graph_layer *l)
{
        return l->n_images > 1 ? "shared" : l->n_images == 1 ? "own" : l->is_used ? "used" : "unused";
}

static const char *shown(const char *digest, bool whole, char buf[static SHORT_ID + 1])
{
        const char *colon = strchr(digest, ':');

        if (whole || !colon)
                return digest;
        snprintf(buf, SHORT_ID + 1, "%s", colon + 1);
        return buf;
}

/* An array of the names of each digest. */
static json_t *names_by_digest(const struct nxc_store_layers *s)
{
        json_t *all = json_object();

        for (size_t i = 0; i < s->n_images; i++) {
                json_t *names = json_object_get(all, s->images[i].digest.text);

                if (!names) {
                        names = json_array();
                        json_object_set_new(all, s->images[i].digest.text, names);
                }
                if (s->images[i].name)
                        json_array_append_new(names, json_string(s->images[i].name));
        }
        return all;
}

/* A name of the image, or its digest. */
static const char *name_of(const json_t *names, const struct nxc_graph_image *image)
{
        const char *name = json_string_value(json_array_get(json_object_get(names, image->digest), 0));

        return name ? name : image->digest;
}

/* --- table --- */

static int print_table(const struct nxc_store_layers *s, const json_t *names, const struct layers_args *a,
        struct nxc_error *err)
{
        static const char *const heads[] = { "LAYER", "SIZE", "IMAGES", "SHARING", "IMAGE" };
        _cleanup_table_ struct nxc_table t = { .n_columns = NXC_ARRAY_SIZE(heads) };

        nxc_table_add(&t, heads);
        for (uint32_t i = 0; i < nxc_graph_n_layers(s->graph); i++) {
                const struct nxc_graph_layer *l = nxc_graph_layer(s->graph, i);
                char id[SHORT_ID + 1], size[16], count[16];
                const char *cells[] = { shown(l->diff_id, a->no_trunc, id), size, count, sharing_of(l),
                        l->n_images > 0 ? name_of(names, nxc_graph_image(s->graph, l->last_image)) : "" };

                nxc_format_size(l->bytes, size, sizeof(size));
                snprintf(count, sizeof(count), "%u", l->n_images);
                if (!l->is_there)
                        snprintf(size, sizeof(size), "missing");
                nxc_table_add(&t, cells);
        }
        return nxc_table_print(&t, err);
}

/* --- JSON --- */

static json_t *layer_json(const struct nxc_graph_layer *l)
{
        return json_pack("{s:s, s:I, s:b, s:I, s:s}", "diffId", l->diff_id, "bytes", (json_int_t)l->bytes,
                "present", l->is_there, "images", (json_int_t)l->n_images, "sharing", sharing_of(l));
}

static json_t *image_json(const struct nxc_store_layers *s, uint32_t i, json_t *names)
{
        const struct nxc_graph_image *im = nxc_graph_image(s->graph, i);
        json_t *layers = json_array();
        uint64_t own, shared;

        nxc_graph_sizes(s->graph, i, &own, &shared);
        for (size_t k = 0; k < im->n_layers; k++)
                json_array_append_new(
                        layers, json_string(nxc_graph_layer(s->graph, im->layers[k])->diff_id));
        return json_pack("{s:s, s:o, s:o, s:I, s:I, s:I}", "digest", im->digest, "names", names, "layers",
                layers, "bytes", (json_int_t)(own + shared), "ownBytes", (json_int_t)own, "sharedBytes",
                (json_int_t)shared);
}

static int print_json(const struct nxc_store_layers *s, const json_t *names, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = NULL;
        json_t *layers = json_array(), *images = json_array();

        for (uint32_t i = 0; i < nxc_graph_n_layers(s->graph); i++)
                json_array_append_new(layers, layer_json(nxc_graph_layer(s->graph, i)));
        for (uint32_t i = 0; i < nxc_graph_n_images(s->graph); i++)
                json_array_append_new(images,
                        image_json(s, i,
                                json_incref(json_object_get(names, nxc_graph_image(s->graph, i)->digest))));
        doc = json_pack("{s:o, s:o}", "layers", layers, "images", images);
        return doc ? nxc_print_json(doc, true, err) : nxc_oom(err);
}

/* --- DOT --- */

/* In a string of DOT; names of images have no control characters. */
static void print_quoted(const char *text)
{
        putchar('"');
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        putchar('\\');
                putchar(*text);
        }
        putchar('"');
}

static void print_dot(const struct nxc_store_layers *s, const json_t *names, const struct layers_args *a)
{
        char id[SHORT_ID + 1], size[16];

        printf("digraph layers {\n\trankdir=BT;\n\tnode [shape=box];\n");
        for (uint32_t i = 0; i < nxc_graph_n_steps(s->graph); i++) {
                const struct nxc_graph_step *step = nxc_graph_step(s->graph, i);
                const struct nxc_graph_layer *l = nxc_graph_layer(s->graph, step->layer);

                nxc_format_size(l->bytes, size, sizeof(size));
                printf("\tl%u [label=\"%s\\n%s\"%s];\n", i, shown(l->diff_id, a->no_trunc, id), size,
                        l->n_images > 1 ? ", style=filled" : "");
                if (step->below != NXC_GRAPH_NONE)
                        printf("\tl%u -> l%u;\n", i, step->below);
        }
        for (uint32_t i = 0; i < nxc_graph_n_images(s->graph); i++) {
                const struct nxc_graph_image *im = nxc_graph_image(s->graph, i);

                printf("\ti%u [shape=ellipse, label=", i);
                print_quoted(name_of(names, im));
                printf("];\n\ti%u -> l%u;\n", i, im->top);
        }
        puts("}");
}

static int run_layers(struct nxc_call *call, struct nxc_error *err)
{
        const struct layers_args *a = call->opts;
        _cleanup_(nxc_store_layers_done) struct nxc_store_layers s = { 0 };
        _cleanup_json_ json_t *names = NULL;
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_store_layers(host, &s, err);
        if (r < 0)
                return r;
        names = names_by_digest(&s);
        if (a->format == LAYERS_JSON)
                return print_json(&s, names, err);
        if (a->format == LAYERS_TABLE)
                return print_table(&s, names, a, err);
        print_dot(&s, names, a);
        return 0;
}

/* --- history --- */

struct history_args {
        int format;
        bool no_trunc;
};

static const struct nxc_option history_options[] = {
        { "format", .choices = nxc_formats, NXC_OPT(CHOICE, struct history_args, format),
                .help = "json: an array of steps" },
        { "no-trunc", NXC_OPT(FLAG, struct history_args, no_trunc),
                .help = "do not shorten what made a step" },
        { 0 },
};

#define CREATED_BY_MAX 60

/* The steps, the last one first, as podman and Docker show them; those that made a layer with its digest and
 * size. */
static json_t *history_json(const struct nxc_image *image)
{
        json_t *steps = json_object_get(image->config_json, "history"), *list = json_array(), *step;
        size_t layer = 0, i;

        if (!json_is_array(steps) || json_array_size(steps) == 0) { /* it is not required */
                for (i = 0; i < image->manifest.n_layers; i++)
                        json_array_insert_new(list, 0,
                                json_pack("{s:s, s:n, s:s, s:s, s:I, s:b}", "layer",
                                        image->manifest.layers[i].digest.text, "created", "createdBy", "",
                                        "comment", "", "size", (json_int_t)image->manifest.layers[i].size,
                                        "empty", 0));
                return list;
        }
        json_array_foreach (steps, i, step) {
                bool empty = json_is_true(json_object_get(step, "empty_layer"));
                bool has = !empty && layer < image->manifest.n_layers;
                const char *by = nxc_json_str(step, "created_by"), *comment = nxc_json_str(step, "comment");

                json_array_insert_new(list, 0,
                        json_pack("{s:s?, s:s?, s:s, s:s, s:I, s:b}", "layer",
                                has ? image->manifest.layers[layer].digest.text : NULL, "created",
                                nxc_json_str(step, "created"), "createdBy", by ? by : "", "comment",
                                comment ? comment : "", "size",
                                has ? (json_int_t)image->manifest.layers[layer].size : 0, "empty", empty));
                layer += has;
        }
        return list;
}

static int print_history(const json_t *list, const struct history_args *a, struct nxc_error *err)
{
        static const char *const heads[] = { "LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT" };
        _cleanup_table_ struct nxc_table t = { .n_columns = NXC_ARRAY_SIZE(heads) };
        json_t *step;
        size_t i;

        nxc_table_add(&t, heads);
        json_array_foreach (list, i, step) {
                const char *layer = nxc_json_str(step, "layer"), *created = nxc_json_str(step, "created");
                char id[SHORT_ID + 1], age[32] = "", size[16], by[CREATED_BY_MAX + 4];
                const char *full = nxc_json_str(step, "createdBy");
                const char *cells[] = { layer ? shown(layer, a->no_trunc, id) : "<none>", age,
                        a->no_trunc ? full : by, size, nxc_json_str(step, "comment") };

                snprintf(by, sizeof(by), "%.*s%s", CREATED_BY_MAX, full,
                        strlen(full) > CREATED_BY_MAX ? "..." : "");
                if (created)
                        nxc_format_age(created, (int64_t)time(NULL), age, sizeof(age));
                nxc_format_size(
                        (uint64_t)json_integer_value(json_object_get(step, "size")), size, sizeof(size));
                nxc_table_add(&t, cells);
        }
        return nxc_table_print(&t, err);
}

static int run_history(struct nxc_call *call, struct nxc_error *err)
{
        const struct history_args *a = call->opts;
        _cleanup_json_ json_t *list = NULL;
        struct nxc_image_store *store;
        struct nxc_image *image = NULL;
        struct nxc_host *host;
        int r = nxc_call_host(call, &host, err);

        if (r == 0)
                r = nxc_host_images(host, false, &store, err);
        if (r == 0)
                r = nxc_image_find(store, call->args[0], &image, err);
        if (r < 0)
                return r;
        list = history_json(image);
        nxc_image_free(image);
        return a->format == NXC_FORMAT_JSON ? nxc_print_json(list, true, err) : print_history(list, a, err);
}

const struct nxc_command nxc_command_layers = {
        .name = "layers",
        .synopsis = "[OPTION...]",
        .summary = "show the layers in the store, and which images share them",
        .options = layers_options,
        .opts_size = sizeof(struct layers_args),
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_NONE,
        .run = run_layers,
};

const struct nxc_command nxc_command_history = {
        .name = "history",
        .synopsis = "[OPTION...] IMAGE",
        .summary = "show the steps in which an image was made",
        .options = history_options,
        .opts_size = sizeof(struct history_args),
        .min_args = 1,
        .max_args = 1,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_IMAGES,
        .run = run_history,
};
