/* See own-hooks-internal.h. */
#include "lifecycle/own-hooks-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/path.h"
#include "core/publish.h"

#include <fcntl.h>
#include <string.h>

#define HOOKS_FILE "hooks.json"

int nxc_own_hooks_save(int state_dir_fd, const json_t *hooks, struct nxc_error *err)
{
        _cleanup_free_ char *text = nxc_json_format(hooks, false);

        return text ? nxc_publish_at(state_dir_fd, HOOKS_FILE, text, strlen(text), 0600, 0, err)
                    : nxc_oom(err);
}

int nxc_own_hooks_run(struct nxc_subject *s, enum nxc_hook_point point, enum nxc_status status, pid_t pid,
        struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(s->state_dir, HOOKS_FILE);
        struct nxc_hook_context ctx = { .on_failure_continue = s->record->hooks_continue };
        _cleanup_json_ json_t *hooks = NULL, *state = NULL;
        int r;

        if (!path)
                return nxc_oom(err);
        if (access(path, F_OK) < 0)
                return 0;
        r = nxc_json_load_at(AT_FDCWD, path, NXC_SPEC_MAX_BYTES, &hooks, err);
        if (r < 0)
                return r;
        ctx.state = state = nxc_state_document(s->record, status, (int)pid);
        return state ? nxc_hooks_run(hooks, point, &ctx, err) : nxc_oom(err);
}
