/* The table of commands. */
#include "cli/commands.h"

#include "core/cleanup.h"

#include <string.h>

const struct nxc_command *const nxc_commands[] = {
        &nxc_command_run,
        &nxc_command_create,
        &nxc_command_start,
        &nxc_command_state,
        &nxc_command_kill,
        &nxc_command_delete,
        &nxc_command_exec,
        &nxc_command_list,
        &nxc_command_ps,
        &nxc_command_pause,
        &nxc_command_resume,
        &nxc_command_update,
        &nxc_command_events,
        &nxc_command_checkpoint,
        &nxc_command_restore,
        &nxc_command_spec,
        &nxc_command_features,
        &nxc_command_stop,
        &nxc_command_rm,
        &nxc_command_snapshot,
        &nxc_command_rollback,
        &nxc_command_clone,
        &nxc_command_pull,
        &nxc_command_images,
        &nxc_command_layers,
        &nxc_command_history,
        &nxc_command_inspect,
        &nxc_command_tag,
        &nxc_command_rmi,
        &nxc_command_import,
        &nxc_command_save,
        &nxc_command_mount,
        &nxc_command_umount,
        &nxc_command_verify,
        &nxc_command_prune,
        &nxc_command_info,
        &nxc_command_doctor,
        &nxc_command_completion,
        &nxc_command_introspect,
        &nxc_command_help,
        &nxc_command_manpage,
        NULL,
};

const char *const nxc_formats[] = { "table", "json", NULL };

const struct nxc_command *nxc_command_find(const char *name)
{
        for (size_t i = 0; nxc_commands[i]; i++)
                if (nxc_streq(nxc_commands[i]->name, name))
                        return nxc_commands[i];
        return NULL;
}

const char *nxc_command_group_title(enum nxc_command_group group)
{
        static const char *const titles[] = {
                [NXC_GROUP_OCI] = "Containers",
                [NXC_GROUP_IMAGE] = "Images",
                [NXC_GROUP_HOST] = "This host",
        };
        _Static_assert(NXC_ARRAY_SIZE(titles) == _NXC_GROUP_MAX, "every group has a title");

        return titles[group];
}
