/* spec and features: documents of the runtime-spec. */
#include "backend/backend.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/publish.h"
#include "oci/features.h"
#include "oci/spec.h"

#include <string.h>

struct spec_args {
        const char *bundle;
        bool rootless;
};

static const struct nxc_option options[] = {
        { "bundle", 'b', .metavar = "DIR", NXC_OPT(STRING, struct spec_args, bundle),
                .help = "write it there (.)" },
        { "rootless", NXC_OPT(FLAG, struct spec_args, rootless),
                .help = "one that works without root's powers" },
        { 0 },
};

static int run_spec(struct nxc_call *call, struct nxc_error *err)
{
        const struct spec_args *a = call->opts;
        _cleanup_free_ char *path = NULL, *text = NULL;
        _cleanup_json_ json_t *doc = NULL;
        _cleanup_close_ int dir = -EBADF;
        int r = nxc_bundle_open(a->bundle ? a->bundle : ".", &dir, &path, err);

        if (r < 0)
                return r;
        doc = nxc_spec_template(a->rootless);
        text = doc ? nxc_json_format(doc, true) : NULL;
        if (!text)
                return nxc_oom(err);
        r = nxc_publish_at(dir, "config.json", text, strlen(text), 0644, NXC_PUBLISH_EXCLUSIVE, err);
        if (r == -EEXIST)
                nxc_error_hint(err, "remove %s/config.json first", path);
        return r;
}

struct features_args {
        const char *runtime;
};

static const struct nxc_option features_options[] = {
        { "runtime", .metavar = "NAME", NXC_OPT(STRING, struct features_args, runtime),
                .help = "print instead how this backend (lxc) honours each property of config.json" },
        { 0 },
};

static int run_features(struct nxc_call *call, struct nxc_error *err)
{
        const struct features_args *a = call->opts;
        const struct nxc_backend_ops *backend;
        _cleanup_json_ json_t *doc = NULL;
        int r;

        if (a->runtime) {
                r = nxc_backend_find(a->runtime, &backend, err);
                if (r == 0)
                        r = nxc_backend_properties(backend, &doc, err);
        } else {
                r = nxc_features_json(&doc, err);
        }
        return r < 0 ? r : nxc_print_json(doc, true, err);
}

const struct nxc_command nxc_command_spec = {
        .name = "spec",
        .synopsis = "[OPTION...]",
        .summary = "write an example config.json",
        .options = options,
        .opts_size = sizeof(struct spec_args),
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_NONE,
        .run = run_spec,
};

const struct nxc_command nxc_command_features = {
        .name = "features",
        .synopsis = "[OPTION...]",
        .options = features_options,
        .opts_size = sizeof(struct features_args),
        .summary = "print what of the runtime-spec is supported, as JSON",
        .group = NXC_GROUP_OCI,
        .args = NXC_ARGS_NONE,
        .run = run_features,
};
