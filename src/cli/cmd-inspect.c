/* inspect: everything known of containers and images, as a JSON array with one element per name. */
#include "cli/commands.h"
#include "cli/image-json.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "image/image.h"

#include <stdio.h>

enum inspect_type { INSPECT_ALL, INSPECT_CONTAINER, INSPECT_IMAGE };
static const char *const types[] = { "all", "container", "image", NULL };
static const char *const formats[] = { "json", NULL };

struct inspect_args {
        int type, format;
        bool lxc_config;
};

static const struct nxc_option options[] = {
        { "type", .choices = types, NXC_OPT(CHOICE, struct inspect_args, type),
                .help = "what the names are; all: a container, or else an image" },
        { "format", 'f', .choices = formats, NXC_OPT(CHOICE, struct inspect_args, format),
                .help = "json it always is" },
        { "lxc-config", NXC_OPT(FLAG, struct inspect_args, lxc_config),
                .help = "print the settings that a container on LXC was made with, as lxc.container.conf(5) "
                        "has them" },
        { 0 },
};

static int inspect_image(struct nxc_host *host, const char *name, json_t **ret, struct nxc_error *err)
{
        struct nxc_image_store *store;
        struct nxc_image *image;
        int r = nxc_host_images(host, false, &store, err);

        if (r == 0)
                r = nxc_image_find(store, name, &image, err);
        if (r < 0)
                return r;
        *ret = nxc_image_detail_json(image);
        nxc_image_free(image);
        return *ret ? 0 : nxc_oom(err);
}

/* A name that is no id cannot be a container: "debian:12". */
static bool may_be_container(const char *name, int type)
{
        return type == INSPECT_CONTAINER || (type == INSPECT_ALL && nxc_id_check(name, NULL) == 0);
}

static int inspect_one(
        struct nxc_host *host, const char *name, int type, json_t **ret, struct nxc_error *err)
{
        if (may_be_container(name, type)) {
                int r = nxc_inspect_container(host, name, ret, err);

                if (r == 0 && json_object_set_new(*ret, "type", json_string("container")) < 0)
                        return nxc_oom(err);
                if (r == 0 || type == INSPECT_CONTAINER || err->kind != NXC_ERR_CONTAINER_NOT_FOUND)
                        return r;
                nxc_error_reset(err);
        }
        return inspect_image(host, name, ret, err);
}

static int print_configurations(const struct nxc_call *call, struct nxc_host *host, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; i < call->n_args && r == 0; i++) {
                _cleanup_free_ char *text = NULL;

                r = nxc_inspect_configuration(host, call->args[i], &text, err);
                if (r == 0)
                        fputs(text, stdout);
        }
        return r;
}

static int run_inspect(struct nxc_call *call, struct nxc_error *err)
{
        const struct inspect_args *a = call->opts;
        _cleanup_json_ json_t *list = json_array();
        struct nxc_host *host;
        int r = list ? nxc_call_host(call, &host, err) : nxc_oom(err);

        if (r == 0 && a->lxc_config)
                return print_configurations(call, host, err);
        for (size_t i = 0; i < call->n_args && r == 0; i++) {
                json_t *one;

                r = inspect_one(host, call->args[i], a->type, &one, err);
                if (r == 0 && json_array_append_new(list, one) < 0)
                        r = nxc_oom(err);
        }
        return r < 0 ? r : nxc_print_json(list, true, err);
}

const struct nxc_command nxc_command_inspect = {
        .name = "inspect",
        .synopsis = "[OPTION...] NAME...",
        .summary = "print all that is known of containers or images",
        .options = options,
        .opts_size = sizeof(struct inspect_args),
        .min_args = 1,
        .max_args = NXC_MANY_ARGS,
        .group = NXC_GROUP_IMAGE,
        .args = NXC_ARGS_IMAGES,
        .run = run_inspect,
};
