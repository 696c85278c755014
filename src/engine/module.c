/* The one symbol that the module exports. */
#include "engine/engine-internal.h"

extern const struct nxc_engine_ops nxc_engine;

const struct nxc_engine_ops nxc_engine = {
        .abi = NXC_ENGINE_ABI,
        .pull = nxc_engine_pull,
        .resolve = nxc_engine_resolve,
        .import = nxc_engine_import,
        .save = nxc_engine_save,
        .list = nxc_engine_list,
        .verify_rest = nxc_engine_verify_rest,
        .verify = nxc_engine_verify,
};
