/* Backends, the facade: find one, choose one, and the checked calls. Include backend-ops.h for the
 * structs. */
#pragma once

#include "backend/backend-ops.h"

/* All that are built, in the order in which `auto` tries them, NULL terminated. */
const struct nxc_backend_ops *const *nxc_backends(void);
/* Exactly by name. RuntimeNotAvailable: "unknown runtime 'X'", hint: the known ones. */
int nxc_backend_find(const char *name, const struct nxc_backend_ops **ret, struct nxc_error *err);
/* The first usable one. RuntimeNotAvailable listing for each what is missing. */
int nxc_backend_auto(const struct nxc_backend_ops **ret, struct nxc_error *err);

int nxc_backend_probe(
        const struct nxc_backend_ops *b, bool full, struct nxc_backend_info *ret, struct nxc_error *err);
int nxc_backend_check_spec(
        const struct nxc_backend_ops *b, const struct nxc_spec *spec, struct nxc_error *err);
int nxc_backend_properties(const struct nxc_backend_ops *b, json_t **ret, struct nxc_error *err);
int nxc_backend_configuration(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        char **ret, struct nxc_error *err);
int nxc_backend_create(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, struct nxc_error *err);
bool nxc_backend_can_run(const struct nxc_backend_ops *b);
int nxc_backend_run(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, int *ret_code, struct nxc_error *err);
int nxc_backend_start(
        const struct nxc_backend_ops *b, const struct nxc_backend_target *t, struct nxc_error *err);
int nxc_backend_status(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        struct nxc_backend_status *ret, struct nxc_error *err);
int nxc_backend_kill(const struct nxc_backend_ops *b, const struct nxc_backend_target *t, int signal,
        bool all, struct nxc_error *err);
int nxc_backend_remove(const struct nxc_backend_ops *b, const struct nxc_backend_target *t, bool force,
        struct nxc_error *err);
int nxc_backend_exec(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_exec *e, int *ret_code, struct nxc_error *err);
int nxc_backend_pause(
        const struct nxc_backend_ops *b, const struct nxc_backend_target *t, struct nxc_error *err);
int nxc_backend_resume(
        const struct nxc_backend_ops *b, const struct nxc_backend_target *t, struct nxc_error *err);
int nxc_backend_update(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        json_t *resources, struct nxc_error *err);
int nxc_backend_checkpoint(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_checkpoint *c, struct nxc_error *err);
int nxc_backend_restore(const struct nxc_backend_ops *b, const struct nxc_backend_target *t,
        const struct nxc_backend_create *c, const struct nxc_backend_checkpoint *k, int *ret_code,
        struct nxc_error *err);
