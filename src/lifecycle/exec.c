/* exec: one more process in a running container. Its description is the runtime-spec's process object: the
 * engine's own
 * (--process), or the container's with what the options change. */
#include "lifecycle/console-internal.h"
#include "lifecycle/host-internal.h"
#include "lifecycle/pidfd-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"

#include <fcntl.h>
#include <string.h>

static int set_string(json_t *object, const char *key, const char *value)
{
        return value ? json_object_set_new(object, key, json_string(value)) : 0;
}

/* A later K=V replaces an earlier one. */
static int set_env(json_t *process, const struct nxc_strv *env)
{
        json_t *list = json_object_get(process, "env"), *old;

        if (!json_is_array(list)) {
                list = json_array();
                if (json_object_set_new(process, "env", list) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < env->n; i++) {
                size_t key = strcspn(env->v[i], "=") + 1, k;

                json_array_foreach (list, k, old)
                        if (strncmp(json_string_value(old), env->v[i], key) == 0)
                                break;
                if (k < json_array_size(list))
                        json_array_remove(list, k);
                if (json_array_append_new(list, json_string(env->v[i])) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Names are looked up in the container as it is now, beneath its root. */
static int set_user(json_t *process, const char *text, pid_t init, struct nxc_error *err)
{
        char path[64];
        _cleanup_close_ int root = -EBADF;
        struct nxc_user user = { 0 };
        json_t *gids;
        int r;

        snprintf(path, sizeof(path), "/proc/%d/root", (int)init);
        root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return nxc_fail(err, errno, "open the root of process %d", (int)init);
        r = nxc_user_lookup(root, text, &user, err);
        if (r < 0)
                return r;
        gids = json_array();
        for (size_t i = 0; i < user.n_additional; i++)
                json_array_append_new(gids, json_integer(user.additional_gids[i]));
        r = json_object_set_new(process, "user",
                json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)user.uid, "gid", (json_int_t)user.gid,
                        "additionalGids", gids));
        nxc_user_done(&user);
        return r < 0 ? nxc_oom(err) : 0;
}

static int add_gids(json_t *process, const struct nxc_strv *gids, struct nxc_error *err)
{
        json_t *user = json_object_get(process, "user"), *list = json_object_get(user, "additionalGids");

        if (gids->n && !json_is_array(list)) {
                list = json_array();
                json_object_set_new(user, "additionalGids", list);
        }
        for (size_t i = 0; i < gids->n; i++) {
                uint64_t gid;

                if (nxc_parse_u64(gids->v[i], &gid) < 0 || gid > UINT32_MAX)
                        return nxc_fail_kind(
                                err, NXC_ERR_USAGE, 0, "additional gid '%s' is not a number", gids->v[i]);
                json_array_append_new(list, json_integer((json_int_t)gid));
        }
        return 0;
}

static int add_caps(json_t *process, const struct nxc_strv *caps, struct nxc_error *err)
{
        static const char *const sets[] = { "bounding", "effective", "permitted" };
        json_t *all = json_object_get(process, "capabilities");

        if (caps->n && !json_is_object(all)) {
                all = json_object();
                json_object_set_new(process, "capabilities", all);
        }
        for (size_t i = 0; i < caps->n; i++) {
                int cap = nxc_cap_parse(caps->v[i]);

                if (cap < 0)
                        return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "unknown capability '%s'", caps->v[i]);
                for (size_t k = 0; k < NXC_ARRAY_SIZE(sets); k++) {
                        json_t *set = json_object_get(all, sets[k]);

                        if (!set) {
                                set = json_array();
                                json_object_set_new(all, sets[k], set);
                        }
                        json_array_append_new(set, json_string(nxc_cap_name((unsigned)cap)));
                }
        }
        return 0;
}

static int compose_process(const struct nxc_exec_opts *o, const struct nxc_record *rec, pid_t init,
        json_t **ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(rec->bundle, "config.json");
        _cleanup_json_ json_t *config = NULL, *process = NULL;
        json_t *args = json_array();
        int r = path ? nxc_json_load_at(AT_FDCWD, path, NXC_SPEC_MAX_BYTES, &config, err) : nxc_oom(err);

        if (r < 0) {
                json_decref(args);
                return r;
        }
        process = json_deep_copy(json_object_get(config, "process"));
        if (!process)
                process = json_object();
        for (size_t i = 0; i < o->args.n; i++)
                json_array_append_new(args, json_string(o->args.v[i]));
        json_object_set_new(process, "args", args);
        json_object_set_new(process, "terminal", json_boolean(o->terminal));
        json_object_del(process, "consoleSize");
        if (o->no_new_privs)
                json_object_set_new(process, "noNewPrivileges", json_true());
        if (set_string(process, "cwd", o->cwd) < 0 ||
                set_string(process, "apparmorProfile", o->apparmor) < 0 ||
                set_string(process, "selinuxLabel", o->process_label) < 0 || set_env(process, &o->env) < 0)
                return nxc_oom(err);
        r = o->terminal ? nxc_console_set_size(process, err) : 0;
        if (r == 0 && o->user)
                r = set_user(process, o->user, init, err);
        if (r == 0)
                r = add_gids(process, &o->additional_gids, err);
        if (r == 0)
                r = add_caps(process, &o->cap_add, err);
        if (r == 0 && nxc_json_starved())
                r = nxc_oom(err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(process);
        return 0;
}

static int get_process(const struct nxc_exec_opts *o, const struct nxc_record *rec, pid_t init, json_t **ret,
        struct nxc_error *err)
{
        _cleanup_json_ json_t *process = NULL;
        int r = o->process_file
                        ? nxc_json_load_at(AT_FDCWD, o->process_file, NXC_SPEC_MAX_BYTES, &process, err)
                        : compose_process(o, rec, init, &process, err);

        if (r < 0)
                return r;
        /* Strictly: a runtime may take a uid that is no number for root's. */
        r = nxc_spec_check_part("process", process, err);
        if (r < 0)
                return o->process_file ? nxc_error_wrap(err, "'%s'", o->process_file) : r;
        *ret = TAKE_PTR(process);
        return 0;
}

static int check_runs(
        struct nxc_subject *s, const struct nxc_exec_opts *o, pid_t *ret_pid, struct nxc_error *err)
{
        struct nxc_backend_status st;
        int r = nxc_backend_status(s->backend, &s->target, &st, err);

        if (r < 0)
                return r;
        if (st.status == NXC_STATUS_STOPPED)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0,
                        "cannot exec in a stopped container: container not running: %s", o->id);
        if (st.status == NXC_STATUS_PAUSED && !o->ignore_paused)
                return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0,
                        "cannot exec in a paused container: container paused: %s", o->id);
        *ret_pid = st.pid;
        return 0;
}

static int send_exec_pid(const char *pid_file, const char *socket, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        int64_t pid;
        int r = nxc_read_file_at(AT_FDCWD, pid_file, 64, &text, NULL, err);

        if (r < 0)
                return r;
        text[strcspn(text, "\n")] = '\0';
        if (nxc_parse_i64(text, &pid) < 0)
                return nxc_fail(err, EINVAL, "read a process id from '%s'", pid_file);
        return nxc_pidfd_send(socket, (pid_t)pid, err);
}

int nxc_exec(struct nxc_host *h, const struct nxc_exec_opts *o, int *ret_code, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        _cleanup_json_ json_t *process = NULL;
        _cleanup_free_ char *own_pid_file = NULL;
        struct nxc_backend_exec e = {
                .console_socket = o->console_socket,
                .pid_file = o->pid_file,
                .cgroup = o->cgroup,
                .preserve_fds = o->preserve_fds,
                .detach = o->detach,
                .ignore_paused = o->ignore_paused,
                .stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
        };
        pid_t init = 0;
        int r;

        if (o->pidfd_socket && !o->detach)
                return nxc_fail_kind(
                        err, NXC_ERR_NOT_IMPLEMENTED, 0, "--pidfd-socket needs --detach with exec");
        r = nxc_subject_load(h, o->id, &s, err);
        if (r == 0)
                r = check_runs(&s, o, &init, err);
        if (r == 0)
                r = get_process(o, s.record, init, &process, err);
        if (r < 0)
                return r;
        if (o->pidfd_socket && !o->pid_file) {
                own_pid_file = nxc_strf("%s/exec-%d.pid", s.state_dir, (int)getpid());
                if (!own_pid_file)
                        return nxc_oom(err);
                e.pid_file = own_pid_file;
        }
        e.process = process;
        r = nxc_backend_exec(s.backend, &s.target, &e, ret_code, err);
        if (r == 0 && o->pidfd_socket)
                r = send_exec_pid(e.pid_file, o->pidfd_socket, err);
        if (own_pid_file)
                unlink(own_pid_file);
        return r;
}
