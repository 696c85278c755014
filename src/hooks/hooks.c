/* See hooks.h. A hook is a child with the state document on stdin, the environment that the bundle gives it
 * and nothing else, in a process group of its own: its timeout ends all of the group. */
#include "hooks/hooks.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/log.h"
#include "core/process.h"
#include "core/str.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <sys/wait.h>

#define STDERR_KEPT 4096 /* what of a hook's words is read; an error shows what fits into its message */

static const char *const point_names[] = {
        [NXC_HOOK_PRESTART] = "prestart",
        [NXC_HOOK_CREATE_RUNTIME] = "createRuntime",
        [NXC_HOOK_CREATE_CONTAINER] = "createContainer",
        [NXC_HOOK_START_CONTAINER] = "startContainer",
        [NXC_HOOK_POSTSTART] = "poststart",
        [NXC_HOOK_POSTSTOP] = "poststop",
};
static_assert(sizeof(point_names) / sizeof(point_names[0]) == _NXC_HOOK_MAX, "every point has a name");

const char *nxc_hook_point_name(enum nxc_hook_point point)
{
        assert(point >= 0 && point < _NXC_HOOK_MAX);
        return point_names[point];
}

bool nxc_hooks_exist(const json_t *hooks, enum nxc_hook_point point)
{
        return json_array_size(json_object_get(hooks, nxc_hook_point_name(point))) > 0;
}

/* An array of strings as a vector; absent is empty. */
static int strings_of(const json_t *hook, const char *key, struct nxc_strv *ret, struct nxc_error *err)
{
        const json_t *array = json_object_get(hook, key), *item;
        size_t i;

        if (array && !json_is_array(array))
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "%s: not an array", key);
        json_array_foreach ((json_t *)array, i, item) {
                if (!json_is_string(item))
                        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "%s[%zu]: not a string", key, i);
                if (nxc_strv_add(ret, json_string_value(item)) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

static int timeout_of(const json_t *hook, int *ret_ms, struct nxc_error *err)
{
        const json_t *timeout = json_object_get(hook, "timeout");
        json_int_t seconds = json_integer_value(timeout);

        if (timeout && (!json_is_integer(timeout) || seconds <= 0))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_SPEC, 0, "timeout: not a number of seconds above 0");
        *ret_ms = seconds > INT_MAX / 1000 ? INT_MAX : (int)seconds * 1000;
        return 0;
}

static void trim(struct nxc_buf *b)
{
        while (b->len > 0 && strchr(" \t\r\n", b->data[b->len - 1]))
                b->data[--b->len] = '\0';
}

/* How it ended, and its last words. */
static int hook_failed(
        int status, int timeout_ms, bool timed_out, struct nxc_buf *words, struct nxc_error *err)
{
        char how[64];

        if (timed_out)
                snprintf(how, sizeof(how), "killed after its timeout of %d s", timeout_ms / 1000);
        else if (WIFSIGNALED(status))
                snprintf(how, sizeof(how), "killed by signal %d (SIG%s)", WTERMSIG(status),
                        sigabbrev_np(WTERMSIG(status)));
        else
                snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status));
        trim(words);
        return nxc_fail_kind(err, NXC_ERR_HOOK, timed_out ? ETIMEDOUT : 0, "%s%s%s", how,
                words->len ? ", stderr: " : "", words->len ? words->data : "");
}

static int run_one(const json_t *hook, const char *state, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv args = { 0 }, env = { 0 };
        _cleanup_buf_ struct nxc_buf words = { .limit = STDERR_KEPT };
        static const char *const no_env[] = { NULL };
        const char *path = json_string_value(json_object_get(hook, "path"));
        struct nxc_process_opts opts = NXC_PROCESS_OPTS_INIT;
        struct nxc_error why = { 0 };
        int r, status;

        if (!path || path[0] != '/')
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "path: not an absolute path");
        r = strings_of(hook, "args", &args, err);
        if (r == 0)
                r = strings_of(hook, "env", &env, err);
        if (r == 0)
                r = timeout_of(hook, &opts.timeout_ms, err);
        if (r == 0 && args.n == 0 && nxc_strv_add(&args, path) < 0)
                r = nxc_oom(err);
        if (r < 0)
                return r;
        opts.program = path;
        opts.argv = (const char *const *)args.v;
        opts.envp = env.n ? (const char *const *)env.v : no_env;
        opts.input = state;
        opts.input_len = strlen(state);
        opts.capture_stderr = &words;
        opts.new_group = true;
        r = nxc_process_run(&opts, &status, &why);
        if (r == -ENOMEM)
                return nxc_oom(err);
        if (r == -ETIMEDOUT)
                return hook_failed(0, opts.timeout_ms, true, &words, err);
        if (r < 0)
                return nxc_fail_kind(err, NXC_ERR_HOOK, 0, "%s", why.message);
        return status == 0 ? 0 : hook_failed(status, 0, false, &words, err);
}

int nxc_hooks_run(const json_t *hooks, enum nxc_hook_point point, const struct nxc_hook_context *ctx,
        struct nxc_error *err)
{
        const json_t *list = json_object_get(hooks, nxc_hook_point_name(point)), *hook;
        _cleanup_free_ char *state = NULL;
        size_t i;

        if (!nxc_hooks_exist(hooks, point))
                return 0;
        state = nxc_json_format(ctx->state, false);
        if (!state)
                return nxc_oom(err);
        json_array_foreach ((json_t *)list, i, hook) {
                const char *path = json_string_value(json_object_get(hook, "path"));
                struct nxc_error why = { 0 };
                int r = run_one(hook, state, &why);

                if (r == 0)
                        continue;
                nxc_error_wrap(
                        &why, "%s hook %zu '%.200s'", nxc_hook_point_name(point), i, path ? path : "");
                if (ctx->on_failure_continue && why.kind != NXC_ERR_OUT_OF_MEMORY) {
                        nxc_warn("%s, ignoring", why.message);
                        continue;
                }
                if (err && !nxc_error_is_set(err))
                        *err = why;
                return r;
        }
        return 0;
}
