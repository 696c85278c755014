/* `nexcage introspect`: the tables of commands and options as JSON, for tools and for our own tests. */
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"

#include <string.h>

static const char *const type_names[] = {
        [NXC_OPT_END] = "",
        [NXC_OPT_FLAG] = "flag",
        [NXC_OPT_STRING] = "string",
        [NXC_OPT_LIST] = "list",
        [NXC_OPT_INT] = "int",
        [NXC_OPT_UINT] = "uint",
        [NXC_OPT_SIZE] = "size",
        [NXC_OPT_DURATION] = "duration",
        [NXC_OPT_DOUBLE] = "number",
        [NXC_OPT_CHOICE] = "choice",
        [NXC_OPT_WORD] = "choice",
        [NXC_OPT_TRISTATE] = "bool",
        [NXC_OPT_REFUSED] = "refused",
};
_Static_assert(NXC_ARRAY_SIZE(type_names) == _NXC_OPT_TYPES, "every type has a name");

static json_t *describe_choices(const struct nxc_option *o)
{
        json_t *list = json_array();

        for (size_t i = o->flags & NXC_OPT_BARE ? 1 : 0; o->choices[i]; i++)
                json_array_append_new(list, json_string(o->choices[i]));
        return list;
}

static json_t *describe_option(const struct nxc_option *o)
{
        const char letter[] = { o->letter, '\0' };
        json_t *j = json_pack("{s:s, s:s, s:b, s:s}", "name", o->name, "type", type_names[o->type],
                "takesValue", nxc_option_takes_value(o), "help", o->help);

        if (o->letter)
                json_object_set_new(j, "letter", json_string(letter));
        if (o->alias)
                json_object_set_new(j, "alias", json_string(o->alias));
        if (o->metavar)
                json_object_set_new(j, "metavar", json_string(o->metavar));
        if (o->choices)
                json_object_set_new(j, "choices", describe_choices(o));
        if (o->flags & NXC_OPT_HIDDEN)
                json_object_set_new(j, "hidden", json_true());
        return j;
}

static json_t *describe_options(const struct nxc_option *options)
{
        json_t *list = json_array();

        NXC_OPT_FOREACH(o, options)
        json_array_append_new(list, describe_option(o));
        return list;
}

static json_t *describe_command(const struct nxc_command *c)
{
        return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "name", c->name, "synopsis", c->synopsis,
                "summary", c->summary, "group", nxc_command_group_title(c->group), "hidden",
                (c->flags & NXC_CMD_HIDDEN) != 0, "options", describe_options(c->options));
}

static int run_introspect(struct nxc_call *call, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = NULL;
        json_t *commands = json_array();

        for (size_t i = 0; nxc_commands[i]; i++)
                if (json_array_append_new(commands, describe_command(nxc_commands[i])) < 0) {
                        json_decref(commands);
                        return nxc_oom(err);
                }
        doc = json_pack("{s:s, s:o, s:o}", "version", NXC_VERSION, "options",
                describe_options(nxc_global_options), "commands", commands);
        return doc ? nxc_print_json(doc, true, err) : nxc_oom(err);
}

const struct nxc_command nxc_command_introspect = {
        .name = "introspect",
        .synopsis = "",
        .summary = "print all commands and options as JSON",
        .group = NXC_GROUP_HOST,
        .args = NXC_ARGS_NONE,
        .run = run_introspect,
};
