/* The checked calls: defaults for what a backend leaves out, in one place. */
#include "backend/backend.h"

#include "backend/kill-internal.h"
#include "backend/registry-internal.h"

#include <assert.h>

static int cannot(const struct nxc_backend_ops *b, const char *operation, struct nxc_error *err)
{
        return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0, "%s cannot %s", b->name, operation);
}

/* Calls an operation, or says that there is none. */
#define CALL(b, t, operation, ...)                                                                    \
        do {                                                                                          \
                uint64_t began_ = nxc_trace_begin();                                                  \
                int r_ = (b)->operation ? (b)->operation(__VA_ARGS__) : cannot((b), #operation, err); \
                return nxc_trace_end(began_, (b), #operation, (t), r_, err);                          \
        } while (0)

int nxc_backend_probe(
        const struct nxc_backend_ops *b, bool full, struct nxc_backend_info *ret, struct nxc_error *err)
{
        CALL(b, NULL, probe, full, ret, err);
}

int nxc_backend_check_spec(
        const struct nxc_backend_ops *b, const struct nxc_spec *spec, struct nxc_error *err)
{
        if (!b->check_spec)
                return 0;
        CALL(b, NULL, check_spec, spec, err);
}

int nxc_backend_properties(const struct nxc_backend_ops *b, json_t **ret, struct nxc_error *err)
{
        if (!b->properties)
                return cannot(b, "tell which properties it honours", err);
        return b->properties(ret, err);
}

int nxc_backend_configuration(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        char **ret, struct nxc_error *err)
{
        if (!b->configuration)
                return cannot(b, "show a configuration of its own", err);
        return b->configuration(t, ret, err);
}

int nxc_backend_create(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, struct nxc_error *err)
{
        assert(b->accepts & (1u << c->rootfs->kind));
        CALL(b, t->id, create, t, c, err);
}

bool nxc_backend_can_run(const struct nxc_backend_ops *b)
{
        return b->run;
}

int nxc_backend_run(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, int *ret_code, struct nxc_error *err)
{
        assert(b->accepts & (1u << c->rootfs->kind));
        CALL(b, t->id, run, t, c, ret_code, err);
}

int nxc_backend_start(
        const struct nxc_backend_ops *b, const struct nxc_backend_target *t, struct nxc_error *err)
{
        CALL(b, t->id, start, t, err);
}

int nxc_backend_status(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        struct nxc_backend_status *ret, struct nxc_error *err)
{
        CALL(b, t->id, status, t, ret, err);
}

int nxc_backend_kill(const struct nxc_backend_ops *b, const struct nxc_backend_target *t, int signal,
        bool all, struct nxc_error *err)
{
        uint64_t began = nxc_trace_begin();
        int r = b->kill ? b->kill(t, signal, all, err) : nxc_kill_default(b, t, signal, all, err);

        return nxc_trace_end(began, b, "kill", t->id, r, err);
}

int nxc_backend_remove(const struct nxc_backend_ops *b, const struct nxc_backend_target *t, bool force,
        struct nxc_error *err)
{
        CALL(b, t->id, remove, t, force, err);
}

int nxc_backend_exec(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_exec *e, int *ret_code, struct nxc_error *err)
{
        CALL(b, t->id, exec, t, e, ret_code, err);
}

int nxc_backend_pause(
        const struct nxc_backend_ops *b, const struct nxc_backend_target *t, struct nxc_error *err)
{
        CALL(b, t->id, pause, t, err);
}

int nxc_backend_resume(
        const struct nxc_backend_ops *b, const struct nxc_backend_target *t, struct nxc_error *err)
{
        CALL(b, t->id, resume, t, err);
}

int nxc_backend_update(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        json_t *resources, struct nxc_error *err)
{
        CALL(b, t->id, update, t, resources, err);
}

int nxc_backend_checkpoint(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_checkpoint *c, struct nxc_error *err)
{
        CALL(b, t->id, checkpoint, t, c, err);
}

int nxc_backend_restore(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, const struct nxc_backend_checkpoint *k, int *ret_code,
        struct nxc_error *err)
{
        CALL(b, t->id, restore, t, c, k, ret_code, err);
}
