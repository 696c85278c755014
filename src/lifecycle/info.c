/* info: what this host offers, what is missing, and how to get it. */
#include "lifecycle/host-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "storage/storage.h"
#include "sys/cgroup.h"

#include <sys/utsname.h>

/* What is missing here. Memory is not of that kind: who cannot look does not say that there is nothing. */
static void set_missing(json_t *j, const struct nxc_error *why, const char *hint)
{
        if (why->kind == NXC_ERR_OUT_OF_MEMORY)
                nxc_json_starve();
        json_object_set_new(j, "usable", json_false());
        json_object_set_new(j, "missing", json_string(why->message));
        json_object_set_new(j, "hint", json_string(why->hint[0] ? why->hint : hint));
}

static json_t *describe_backend(const struct nxc_backend_ops *b)
{
        struct nxc_backend_info info = { 0 };
        struct nxc_error why = { 0 };
        json_t *j = json_pack("{s:s, s:s}", "name", b->name, "summary", b->summary);

        if (nxc_backend_probe(b, true, &info, &why) == 0) {
                json_object_set_new(j, "usable", json_true());
                json_object_set_new(j, "version", json_string(info.version));
                json_object_set_new(j, "path", json_string(info.path));
        } else {
                set_missing(j, &why, b->install_hint);
        }
        return j;
}

static json_t *describe_storage(const struct nxc_storage_ops *s, const struct nxc_storage_env *env)
{
        struct nxc_storage_space space = { 0 };
        struct nxc_error why = { 0 };
        json_t *j = json_pack("{s:s, s:s}", "name", s->name, "summary", s->summary);

        if (nxc_storage_probe(s, env, &why) == 0)
                json_object_set_new(j, "usable", json_true());
        else
                set_missing(j, &why, "");
        if (nxc_error_is_set(&why) || nxc_storage_space(s, env, &space, NULL) < 0)
                return j;
        json_object_set_new(j, "where", json_string(space.where));
        json_object_set_new(j, "totalBytes", json_integer((json_int_t)space.total));
        json_object_set_new(j, "availableBytes", json_integer((json_int_t)space.available));
        nxc_storage_space_done(&space);
        return j;
}

static json_t *describe_engine(void)
{
        const struct nxc_engine_ops *engine;
        struct nxc_error why = { 0 };
        json_t *j = json_object();

        if (nxc_engine_load(&engine, &why) == 0) {
                json_object_set_new(j, "usable", json_true());
                json_object_set_new(j, "abi", json_integer(engine->abi));
        } else {
                set_missing(j, &why, "");
        }
        return j;
}

int nxc_host_info(struct nxc_host *h, json_t **ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *backends = json_array(), *drivers = json_array(), *all = NULL;
        struct nxc_storage_env env = nxc_host_storage_env(h);
        struct utsname un;

        uname(&un);
        for (size_t i = 0; nxc_backends()[i]; i++)
                json_array_append_new(backends, describe_backend(nxc_backends()[i]));
        for (size_t i = 0; nxc_storage_drivers()[i]; i++)
                json_array_append_new(drivers, describe_storage(nxc_storage_drivers()[i], &env));
        all = json_pack("{s:{s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:s, s:O, s:O, s:o}", "host", "kernel",
                un.release, "arch", un.machine, "cgroup", nxc_cgroup_mode_name(nxc_cgroup_mode()),
                "hostname", un.nodename, "root", h->root, "store", h->store, "defaultRuntime",
                h->config->runtime ? h->config->runtime : "auto", "defaultStorage",
                h->config->storage ? h->config->storage : "overlay", "runtimes", backends, "storageDrivers",
                drivers, "imageEngine", describe_engine());
        if (!all || nxc_json_starved())
                return nxc_oom(err);
        *ret = TAKE_PTR(all);
        return 0;
}
