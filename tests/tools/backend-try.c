/* Calls one operation of a backend by hand: backend-try BACKEND STATE_DIR ID OPERATION [ARG...]
 *   create BUNDLE | run BUNDLE | start | status | kill SIGNAL | killall SIGNAL | remove | exec PROCESS.json
 * | pause | resume | update RESOURCES.json | probe | checkpoint DIR Prints what came back. Exit 0, the
 * program's exit code, or 99 for an error. */
#include "backend/backend.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/log.h"
#include "core/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static int load_spec(
        const char *bundle, struct nxc_spec **spec, struct nxc_rootfs *rootfs, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL, *path = NULL;
        int fd;
        size_t len;
        int r = nxc_bundle_open(bundle, &fd, &path, err);

        if (r == 0)
                r = nxc_spec_read(fd, "config.json", &text, &len, err);
        if (r == 0)
                r = nxc_spec_parse(text, len, spec, err);
        if (r == 0)
                r = nxc_spec_resolve_root(*spec, fd, path, &rootfs->path, err);
        return r;
}

static int with_spec(const struct nxc_backend_ops *b, struct nxc_backend_target *t, const char *op,
        const char *bundle, int *code, struct nxc_error *err)
{
        struct nxc_rootfs rootfs = { .kind = NXC_ROOTFS_DIR };
        struct nxc_spec *spec = NULL;
        struct nxc_backend_create c = { .rootfs = &rootfs,
                .stdio = { 0, 1, 2 },
                .detach = getenv("DETACH"),
                .spec_changed = getenv("CHANGED"),
                .console_socket = getenv("CONSOLE"),
                .preserve_fds = getenv("PRESERVE") ? atoi(getenv("PRESERVE")) : 0 };
        int r = load_spec(bundle, &spec, &rootfs, err);

        c.spec = spec;
        t->bundle = bundle;
        mkdir(t->state_dir, 0700);
        if (r == 0)
                r = nxc_backend_check_spec(b, spec, err);
        if (r < 0)
                return r;
        r = nxc_streq(op, "create") ? nxc_backend_create(b, t, &c, err)
                                    : nxc_backend_run(b, t, &c, code, err);
        nxc_spec_free(spec);
        free(rootfs.path);
        return r;
}

int main(int argc, char **argv)
{
        struct nxc_log_config log = { .level = getenv("DEBUG") ? NXC_LOG_DEBUG : NXC_LOG_WARN, .fd = -1 };
        struct nxc_backend_target t = { 0 };
        const struct nxc_backend_ops *b = NULL;
        struct nxc_backend_status st;
        struct nxc_backend_info info;
        struct nxc_backend_checkpoint k = { .status_fd = -1 };
        struct nxc_error err = { 0 };
        json_t *doc = NULL;
        const char *op, *arg;
        int r, code = 0;

        if (argc < 5 || nxc_process_guard() < 0)
                return 2;
        nxc_log_setup(&log);
        op = argv[4];
        arg = argc > 5 ? argv[5] : "";
        t = (struct nxc_backend_target){
                .state_dir = argv[2], .id = argv[3], .bundle = argv[2], .debug = getenv("DEBUG")
        };
        r = nxc_backend_find(argv[1], &b, &err);
        if (r < 0)
                goto out;
        if (nxc_streq(op, "create") || nxc_streq(op, "run"))
                r = with_spec(b, &t, op, arg, &code, &err);
        else if (nxc_streq(op, "start"))
                r = nxc_backend_start(b, &t, &err);
        else if (nxc_streq(op, "kill") || nxc_streq(op, "killall"))
                r = nxc_backend_kill(b, &t, atoi(arg), nxc_streq(op, "killall"), &err);
        else if (nxc_streq(op, "remove"))
                r = nxc_backend_remove(b, &t, true, &err);
        else if (nxc_streq(op, "pause"))
                r = nxc_backend_pause(b, &t, &err);
        else if (nxc_streq(op, "resume"))
                r = nxc_backend_resume(b, &t, &err);
        else if (nxc_streq(op, "checkpoint")) {
                k.image_path = arg;
                r = nxc_backend_checkpoint(b, &t, &k, &err);
        } else if (nxc_streq(op, "status")) {
                r = nxc_backend_status(b, &t, &st, &err);
                if (r == 0)
                        printf("%s %d\n", nxc_status_name(st.status), (int)st.pid);
        } else if (nxc_streq(op, "probe")) {
                r = nxc_backend_probe(b, true, &info, &err);
                if (r == 0)
                        printf("%s %s\n", info.version, info.path);
        } else if (nxc_streq(op, "update") || nxc_streq(op, "exec")) {
                struct nxc_backend_exec e = { .stdio = { 0, 1, 2 },
                        .detach = getenv("DETACH"),
                        .pid_file = getenv("PIDFILE"),
                        .preserve_fds = getenv("PRESERVE") ? atoi(getenv("PRESERVE")) : 0 };

                r = nxc_json_load_at(AT_FDCWD, arg, 1 << 20, &doc, &err);
                e.process = doc;
                if (r == 0)
                        r = nxc_streq(op, "exec") ? nxc_backend_exec(b, &t, &e, &code, &err)
                                                  : nxc_backend_update(b, &t, doc, &err);
        } else {
                r = nxc_fail_kind(&err, NXC_ERR_USAGE, 0, "unknown operation '%s'", op);
        }
out:
        json_decref(doc);
        if (r < 0) {
                fprintf(stderr, "%s(%d): %s%s%s\n", nxc_error_kind_name(err.kind), err.errnum, err.message,
                        err.hint[0] ? " | hint: " : "", err.hint);
                return 99;
        }
        return code;
}
