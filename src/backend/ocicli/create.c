/* create and run. */
#include "backend/ocicli/ocicli-internal.h"

#include "core/fs.h"
#include "core/path.h"

#include <fcntl.h>
#include <string.h>

static int add_bundle(struct ocicli_call *call, const struct ocicli_copy *copy, struct nxc_error *err)
{
        int r = ocicli_arg(call, "--bundle", copy->bundle, err);

        return r == 0 && copy->config_path[0] ? ocicli_arg(call, "--config", copy->config_path, err) : r;
}

/* The runtime changes its working directory to the bundle before it uses some of its paths. */
static int add_path(struct ocicli_call *call, const char *option, const char *path, struct nxc_error *err)
{
        _cleanup_free_ char *absolute = path ? nxc_path_absolute(path) : NULL;

        if (path && !absolute)
                return nxc_oom(err);
        return path ? ocicli_arg(call, option, absolute, err) : 0;
}

static int add_options(struct ocicli_call *call, const struct nxc_backend_create *c, struct nxc_error *err)
{
        int r = add_path(call, "--console-socket", c->console_socket, err);

        if (r == 0 && c->no_pivot)
                r = ocicli_arg(call, "--no-pivot", NULL, err);
        if (r == 0 && c->no_new_keyring)
                r = ocicli_arg(call, "--no-new-keyring", NULL, err);
        return r == 0 ? ocicli_pass_fds(call, c->stdio, c->preserve_fds, err) : r;
}

/* What a hook said, where the runtime sends it to a file. */
static void add_hook_words(
        const struct ocicli *rt, const struct nxc_backend_target *t, struct nxc_error *err)
{
        _cleanup_free_ char *path = NULL, *text = NULL;
        size_t len, from;

        if (!err || err->kind != NXC_ERR_HOOK || !rt->hooks_to_file)
                return;
        path = nxc_path_join(t->state_dir, "hooks.err");
        if (!path || nxc_read_file_at(AT_FDCWD, path, 1 << 20, &text, &len, NULL) < 0)
                return;
        while (len > 0 && strchr(" \t\r\n", text[len - 1]))
                text[--len] = '\0';
        from = len > 512 ? len - 512 : 0;
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20)
                        *p = ' ';
        len = strlen(err->message);
        if (text[from])
                snprintf(err->message + len, sizeof(err->message) - len, ", stderr: %s", text + from);
}

int ocicli_create(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, struct nxc_error *err)
{
        _cleanup_ocicli_call_ struct ocicli_call call = OCICLI_CALL_INIT;
        _cleanup_ocicli_copy_ struct ocicli_copy copy = OCICLI_COPY_INIT;
        int r = ocicli_copy_make(rt, t, c, &copy, err);

        if (r == 0)
                r = ocicli_call_init(&call, rt, t, "create", err);
        if (r == 0)
                r = add_bundle(&call, &copy, err);
        if (r == 0)
                r = add_options(&call, c, err);
        if (r == 0)
                r = ocicli_arg_id(&call, err);
        if (r < 0)
                return r;
        call.makes = true;
        r = ocicli_call_run(&call, err);
        if (r < 0)
                add_hook_words(rt, t, err);
        if (r < 0 && (!err || err->kind != NXC_ERR_CONTAINER_EXISTS))
                ocicli_remove(rt, t, true,
                        NULL); /* runtimes leave parts behind when a late step of theirs fails */
        return r;
}

/* The runtime has removed what it had in it. */
static void remove_root(const struct nxc_backend_target *t)
{
        _cleanup_free_ char *root = nxc_path_join(t->state_dir, "rt");

        if (root)
                rmdir(root);
}

/* runc writes DIR/.NAME first, and leaves it when the disk is full. NULL when that name is somebody
 * else's. */
static char *partial_pid_file(const char *pid_file)
{
        const char *base = nxc_path_basename(pid_file);
        char *partial = nxc_strf("%.*s.%s", (int)(base - pid_file), pid_file, base);

        if (partial && access(partial, F_OK) == 0)
                nxc_freep(&partial);
        return partial;
}

/* .keep needs nothing: what the runtime removes of a container that has ended is what `stopped` means for
 * us. */
int ocicli_run(const struct ocicli *rt, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, int *ret_code, struct nxc_error *err)
{
        _cleanup_ocicli_call_ struct ocicli_call call = OCICLI_CALL_INIT;
        _cleanup_ocicli_copy_ struct ocicli_copy copy = OCICLI_COPY_INIT;
        _cleanup_free_ char *pid_file = c->pid_file ? nxc_path_absolute(c->pid_file)
                                                    : nxc_path_join(t->state_dir, "init.pid");
        _cleanup_free_ char *partial = NULL;
        int r;

        if (!pid_file)
                return nxc_oom(err);
        r = ocicli_copy_make(rt, t, c, &copy, err);
        if (r == 0)
                r = ocicli_call_init(&call, rt, t, "run", err);
        if (r == 0)
                r = add_bundle(&call, &copy, err);
        if (r == 0)
                r = ocicli_arg(&call, "--pid-file", pid_file, err);
        if (r == 0 && c->detach)
                r = ocicli_arg(&call, "--detach", NULL, err);
        if (r == 0 && c->no_subreaper)
                r = ocicli_arg(&call, "--no-subreaper", NULL, err);
        if (r == 0)
                r = add_options(&call, c, err);
        if (r == 0)
                r = ocicli_arg_id(&call, err);
        if (r < 0)
                return r;
        call.makes = true;
        unlink(pid_file); /* its appearance is the sign that the container exists */
        partial = partial_pid_file(pid_file);
        r = c->detach ? ocicli_call_run(&call, err) : ocicli_call_wait(&call, pid_file, ret_code, err);
        if (r == 0 && c->detach)
                *ret_code = 0;
        if (r == 0 && !c->detach)
                remove_root(t);
        if (r < 0 && partial)
                unlink(partial);
        if (r < 0)
                add_hook_words(rt, t, err);
        if (r < 0 && (!err || err->kind != NXC_ERR_CONTAINER_EXISTS))
                ocicli_remove(rt, t, true, NULL);
        return r;
}
