/* start, pause, resume, update: what changes a container that exists. */
#include "backend/lxc/lxc-internal.h"

#include "core/json.h"
#include "core/path.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <string.h>

struct in_container {
        const struct nxc_backend_target *t;
        const json_t *spec;
        pid_t init;
};

/* In the container's namespaces and with its root, before its program runs. The state directory is not there:
 * a file of its name is the image's. */
static int start_container_hooks(void *arg, int report_fd, struct nxc_error *err)
{
        const struct in_container *c = arg;
        int r = lxc_ns_find(c->spec, "user") ? lxc_become_root(err) : 0;

        return r < 0 ? r : lxc_run_hooks(c->t, c->spec, NXC_HOOK_START_CONTAINER, "created", c->init, err);
}

int lxc_start_init(const struct nxc_backend_target *t, const json_t *spec, pid_t init, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, LXC_START);
        struct in_container c = { t, spec, init };
        _cleanup_close_ int sock = -EBADF;
        int r = path ? 0 : nxc_oom(err);

        if (r == 0 && nxc_hooks_exist(json_object_get(spec, "hooks"), NXC_HOOK_START_CONTAINER))
                r = lxc_run_inside(init, start_container_hooks, &c, err);
        if (r == 0)
                r = lxc_connect(path, &sock, err);
        if (r == 0)
                r = lxc_report_read(sock, err);
        if (r < 0)
                return r;
        unlink(path);
        return lxc_run_hooks(t, spec, NXC_HOOK_POSTSTART, "running", init, err);
}

int lxc_start(const struct nxc_backend_target *t, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(t->state_dir, "rt/config.json");
        struct nxc_backend_status st = { 0 };
        _cleanup_json_ json_t *spec = NULL;
        int r = path ? nxc_json_load_at(AT_FDCWD, path, NXC_SPEC_MAX_BYTES, &spec, err) : nxc_oom(err);

        if (r == 0)
                r = lxc_status(t, &st, err);
        return r == 0 ? lxc_start_init(t, spec, st.pid, err) : r;
}

/* ---- pause, resume */

static int freeze(const struct nxc_backend_target *t, bool frozen, struct nxc_error *err)
{
        _cleanup_free_ char *lxcpath = strndup(
                t->state_dir, (size_t)(strrchr(t->state_dir, '/') - t->state_dir));
        struct lxc_log log = { .name = t->id,
                .lxcpath = lxcpath,
                .file = "none",
                .level = "FATAL",
                .prefix = "nexcage",
                .quiet = true };
        struct lxc_container *c;
        bool done;

        if (!lxcpath)
                return nxc_oom(err);
        lxc_log_init(&log);
        c = lxc_container_new(t->id, lxcpath);
        if (!c)
                return nxc_fail_kind(err, NXC_ERR_LXC, 0, "open container '%s'", t->id);
        done = frozen ? c->freeze(c) : c->unfreeze(c);
        lxc_container_put(c);
        return done ? 0
                    : nxc_fail_kind(
                              err, NXC_ERR_LXC, 0, "%s container '%s'", frozen ? "freeze" : "thaw", t->id);
}

int lxc_pause(const struct nxc_backend_target *t, struct nxc_error *err)
{
        return freeze(t, true, err);
}

int lxc_resume(const struct nxc_backend_target *t, struct nxc_error *err)
{
        return freeze(t, false, err);
}

/* ---- update */

static int write_file(pid_t pid, const struct lxc_item *item, struct nxc_error *err)
{
        _cleanup_free_ char *controller = strndup(item->key, strcspn(item->key, ".")), *dir = NULL,
                            *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!controller)
                return nxc_oom(err);
        r = nxc_cgroup_dir_of(pid, controller, &dir, err);
        if (r < 0)
                return nxc_error_wrap(err, "set %s", item->key);
        path = nxc_path_join(dir, item->key);
        fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -EBADF;
        if (fd < 0 || write(fd, item->value, strlen(item->value)) < 0)
                return nxc_fail_kind(err, NXC_ERR_LXC, errno, "set %s to %s", item->key, item->value);
        return 0;
}

/* In two rounds: of memory and memory+swap one may be refused before the other is changed. */
int lxc_update(const struct nxc_backend_target *t, json_t *resources, struct nxc_error *err)
{
        _cleanup_lxc_items_ struct lxc_items files = { 0 };
        _cleanup_json_ json_t *doc = json_pack("{s:{s:O}}", "linux", "resources", resources);
        struct nxc_backend_status st;
        size_t failed = 0;
        int r = doc ? lxc_check_document(doc, err) : nxc_oom(err);

        if (r == 0)
                r = lxc_status(t, &st, err);
        if (r == 0)
                r = lxc_resources(resources, nxc_cgroup_mode() == NXC_CGROUP_V2, &files, err);
        for (size_t i = 0; r == 0 && i < files.n; i++) {
                struct nxc_error why = { 0 };

                if (write_file(st.pid, &files.v[i], &why) < 0)
                        failed |= 1ull << (i % 64);
        }
        for (size_t i = 0; r == 0 && failed && i < files.n; i++)
                if (failed & (1ull << (i % 64)))
                        r = write_file(st.pid, &files.v[i], err);
        return r;
}
