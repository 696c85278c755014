/* Where the rows of the table of commands are defined. */
#pragma once

#include "cli/command.h"

/* cmd-create.c */
extern const struct nxc_command nxc_command_run, nxc_command_create, nxc_command_clone;
/* cmd-container.c */
extern const struct nxc_command nxc_command_start, nxc_command_state, nxc_command_kill, nxc_command_delete,
        nxc_command_pause, nxc_command_resume, nxc_command_stop, nxc_command_rm;
/* cmd-exec.c, cmd-list.c, cmd-ps.c, cmd-update.c, cmd-events.c, cmd-checkpoint.c, cmd-spec.c */
extern const struct nxc_command nxc_command_exec, nxc_command_list, nxc_command_ps, nxc_command_update,
        nxc_command_events, nxc_command_checkpoint, nxc_command_restore, nxc_command_spec,
        nxc_command_features;
/* cmd-snapshot.c */
extern const struct nxc_command nxc_command_snapshot, nxc_command_rollback;
/* cmd-pull.c, cmd-images.c, cmd-inspect.c, cmd-archive.c, cmd-layers.c, cmd-mount.c, cmd-store.c */
extern const struct nxc_command nxc_command_pull, nxc_command_images, nxc_command_tag, nxc_command_rmi,
        nxc_command_inspect, nxc_command_import, nxc_command_save, nxc_command_mount, nxc_command_umount,
        nxc_command_layers, nxc_command_history, nxc_command_verify, nxc_command_prune;
/* cmd-info.c, completion.c, introspect.c, help.c, manpage.c */
extern const struct nxc_command nxc_command_info, nxc_command_doctor, nxc_command_completion,
        nxc_command_introspect, nxc_command_help, nxc_command_manpage;
