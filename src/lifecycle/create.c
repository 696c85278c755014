/* The create flow: from options to a container whose init waits for `start`.
 *
 * The table is the specification's main flow diagram, box by box (docs/create-flow.md); the functions follow
 * in the same order. Until the id is claimed everything lies in places that only this process knows: a
 * detached mount, a staging directory in the store, one in the state root. The claim renames them to the id,
 * so that of many racing creates exactly one wins and nobody ever sees a container half made. */
#include "lifecycle/flow-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "core/publish.h"
#include "hooks/hooks.h"
#include "lifecycle/own-hooks-internal.h"
#include "lifecycle/pidfd-internal.h"
#include "lifecycle/usage-internal.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define ANNOTATION_IMAGE "org.nexcage.image"
#define ANNOTATION_RUNTIME "org.nexcage.runtime"

#define STEP(fn) static int fn(void *flow, struct nxc_error *err)
STEP(step_parse_options);
STEP(step_validate_bundle);
STEP(step_read_config);
STEP(step_parse_config);
STEP(step_check_version);
STEP(step_check_required);
STEP(step_find_image);
STEP(step_resolve_image);
STEP(step_pull_image);
STEP(step_validate_image);
STEP(step_setup_layerfs);
STEP(step_mount_layers);
STEP(step_create_filesystem);
STEP(step_container_metadata);
STEP(step_write_bundle);
STEP(step_choose_runtime);
STEP(step_check_exists);
STEP(step_claim_id);
STEP(step_prepare_storage);
STEP(step_create_raw_file);
STEP(step_create_dataset);
STEP(step_attach_root);
STEP(step_create_container);
STEP(step_pre_start_hooks);
STEP(step_start_container);
STEP(step_pid_file);

static bool has_bundle(const void *flow);
static bool has_image(const void *flow);
static bool wants_resolve(const void *flow);
static bool wants_pull(const void *flow);
static bool has_image_found(const void *flow);
static bool is_image_only(const void *flow);
static bool makes_plain(const void *flow);
static bool makes_file(const void *flow);
static bool makes_dataset(const void *flow);
static bool is_in_parts(const void *flow);
static bool has_own_hooks(const void *flow);
static bool has_not_exited(const void *flow);
static bool has_pid(const void *flow);

/* clang-format off */
const struct nxc_step nxc_create_steps[] = {
        { "parse-options",      "B",  step_parse_options,      NULL,            0,               "reads only" },
        { "validate-bundle",    "C",  step_validate_bundle,    has_bundle,      0,               "reads only" },
        { "read-config",        "D",  step_read_config,        has_bundle,      0,               "reads only" },
        { "parse-config",       "E",  step_parse_config,       has_bundle,      0,               "reads only" },
        { "check-version",      "F",  step_check_version,      has_bundle,      0,               "reads only" },
        { "check-required",     "G",  step_check_required,     has_bundle,      0,               "reads only" },
        { "find-image",         "H",  step_find_image,         has_image,       0,               "reads only" },
        { "resolve-image",      "H",  step_resolve_image,      wants_resolve,   0,               "reads only" },
        { "pull-image",         "I",  step_pull_image,         wants_pull,      NXC_STEP_WRITES, "all or nothing; then a shared cache that prune empties" },
        { "validate-image",     "J",  step_validate_image,     has_image_found, 0,               "reads only" },
        { "setup-layerfs",      "K",  step_setup_layerfs,      has_image_found, 0,               "a lock that dies with its fd" },
        { "mount-layers",       "L",  step_mount_layers,       has_image,       NXC_STEP_WRITES, "tree; the mount is detached and dies with its fd" },
        { "create-filesystem",  "M",  step_create_filesystem,  has_image,       NXC_STEP_WRITES, "lies in mount-layers' tree" },
        { "container-metadata", "N",  step_container_metadata, NULL,            0,               "in memory" },
        { "write-bundle",       "N",  step_write_bundle,       is_image_only,   NXC_STEP_WRITES, "lies in mount-layers' tree" },
        { "choose-runtime",     "O",  step_choose_runtime,     NULL,            0,               "reads only" },
        { "check-exists",       "T",  step_check_exists,       NULL,            0,               "reads only" },
        { "claim-id",           "U",  step_claim_id,           NULL,            NXC_STEP_WRITES, "tree, then owned" },
        { "prepare-storage",    "W",  step_prepare_storage,    makes_plain,     NXC_STEP_WRITES, "storage" },
        { "create-raw-file",    "X",  step_create_raw_file,    makes_file,      NXC_STEP_WRITES, "storage" },
        { "create-dataset",     "Y",  step_create_dataset,     makes_dataset,   NXC_STEP_WRITES, "storage" },
        { "attach-root",        "BB", step_attach_root,        has_image,       NXC_STEP_WRITES, "storage" },
        { "create-container",   "CC", step_create_container,   is_in_parts,     NXC_STEP_WRITES, "backend" },
        { "pre-start-hooks",    "FF", step_pre_start_hooks,    has_own_hooks,   NXC_STEP_WRITES, "a hook's effects are the hook's own" },
        { "start-container",    "GG", step_start_container,    has_not_exited,  NXC_STEP_WRITES, "backend" },
        { "pid-file",           "HH", step_pid_file,           has_pid,         NXC_STEP_WRITES, "file" },
};
/* clang-format on */
const size_t nxc_create_n_steps = NXC_ARRAY_SIZE(nxc_create_steps);

static bool has_bundle(const void *flow)
{
        return ((const struct nxc_flow *)flow)->o->bundle != NULL;
}

static bool has_image(const void *flow)
{
        return ((const struct nxc_flow *)flow)->image_name != NULL;
}

static bool has_image_found(const void *flow)
{
        return ((const struct nxc_flow *)flow)->image != NULL;
}

static bool is_image_only(const void *flow)
{
        return has_image(flow) && !has_bundle(flow);
}

static bool wants_resolve(const void *flow)
{
        const struct nxc_flow *f = flow;

        return f->image_name && !f->image && f->o->dry_run;
}

static bool wants_pull(const void *flow)
{
        const struct nxc_flow *f = flow;

        return f->image_name &&
               (!f->image || f->is_unfit || f->o->pull == NXC_PULL_ALWAYS || f->o->pull == NXC_PULL_NEWER);
}

/* The branches of box W. */
static bool makes(const struct nxc_flow *f, enum nxc_storage_makes what)
{
        return f->storage && f->image_name && f->storage->makes == what;
}

static bool makes_plain(const void *flow)
{
        return makes(flow, NXC_STORAGE_MAKES_NOTHING) || makes(flow, NXC_STORAGE_MAKES_TREE);
}

static bool makes_file(const void *flow)
{
        return makes(flow, NXC_STORAGE_MAKES_FILE);
}

static bool makes_dataset(const void *flow)
{
        return makes(flow, NXC_STORAGE_MAKES_DATASET);
}

static bool is_in_parts(const void *flow)
{
        return !((const struct nxc_flow *)flow)->fused;
}

static bool has_own_hooks(const void *flow)
{
        return ((const struct nxc_flow *)flow)->own_hooks;
}

static bool has_not_exited(const void *flow)
{
        return !((const struct nxc_flow *)flow)->has_exited;
}

static bool has_pid(const void *flow)
{
        return ((const struct nxc_flow *)flow)->pid > 0;
}

STEP(step_parse_options)
{
        struct nxc_flow *f = flow;
        const char *on_failure = f->o->hook_failure;
        int r = f->o->id ? nxc_id_check(f->o->id, err) : 0;

        if (r < 0)
                return r;
        if (f->o->id)
                snprintf(f->id, sizeof(f->id), "%s", f->o->id);
        else {
                char id[13];

                r = nxc_id_generate(id, err);
                if (r < 0)
                        return r;
                snprintf(f->id, sizeof(f->id), "%s", id);
        }
        if (!f->o->bundle && !f->o->image && !f->o->clone_of)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "neither a bundle nor an image is named");
        if (on_failure && !nxc_streq(on_failure, "abort") && !nxc_streq(on_failure, "continue"))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "--hook-failure is 'abort' or 'continue', not '%s'", on_failure);
        f->hooks_continue = on_failure ? nxc_streq(on_failure, "continue") : f->host->config->hooks_continue;
        if (f->o->cid_file && access(f->o->cid_file, F_OK) == 0)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "container ID file '%s' exists; is another container using it?", f->o->cid_file);
        r = nxc_flow_find_source(f, err);
        if (r < 0)
                return r;
        f->image_name = f->source ? f->source->image : f->o->image;
        if (f->o->userns && !nxc_streq(f->o->userns, "auto")) /* that needs the container's directory */
                r = nxc_flow_choose_ids(f, err);
        if (r < 0)
                return r;
        if (f->is_run && f->o->detach && f->o->compose.terminal && !f->o->console_socket)
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "a terminal (-t) for a detached container (-d): nobody would hold its other end");
        return f->o->storage ? nxc_storage_find(f->o->storage, &f->storage, err) : 0;
}

STEP(step_validate_bundle)
{
        struct nxc_flow *f = flow;

        return nxc_bundle_open(f->o->bundle, &f->bundle_fd, &f->bundle, err);
}

STEP(step_read_config)
{
        struct nxc_flow *f = flow;

        return nxc_spec_read(f->bundle_fd, f->o->config ? f->o->config : "config.json", &f->config_text,
                &f->config_len, err);
}

STEP(step_parse_config)
{
        struct nxc_flow *f = flow;
        int r = nxc_spec_parse(f->config_text, f->config_len, &f->spec, err);

        nxc_freep(&f->config_text);
        f->spec_changed = f->o->config != NULL;
        return r;
}

STEP(step_check_version)
{
        return nxc_spec_check_version(((struct nxc_flow *)flow)->spec, err);
}

static int check_bundles_root(const struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_close_ int root = open(f->rootfs.path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (root < 0)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_ROOTFS, errno, "open the root '%s'", f->rootfs.path);
        return nxc_flow_check_directories(root, err);
}

STEP(step_check_required)
{
        struct nxc_flow *f = flow;
        int r = nxc_spec_check_required(f->spec, err);

        if (r < 0)
                return r;
        if (!f->image_name)
                f->image_name = nxc_spec_annotation(f->spec, ANNOTATION_IMAGE);
        if (f->image_name)
                return 0;
        f->rootfs.kind = NXC_ROOTFS_DIR;
        r = nxc_flow_refuse_storage(f, err);
        if (r == 0)
                r = nxc_spec_resolve_root(f->spec, f->bundle_fd, f->bundle, &f->rootfs.path, err);
        if (r == 0)
                r = check_bundles_root(f, err);
        return r;
}

static bool is_wanted_platform(const struct nxc_flow *f, const struct nxc_platform *want)
{
        return !f->o->platform || nxc_streq(want->arch, f->image->config.platform.arch);
}

/* One of another platform, or one whose layers are not all unpacked, is the engine's to mend: it makes
 * layers again from the store's own blobs before it asks a registry. */
static int judge_found(struct nxc_flow *f, struct nxc_error *err)
{
        const struct nxc_image_config *c = &f->image->config;
        struct nxc_layerfs *layers;
        struct nxc_platform want;
        int r = nxc_platform_parse(f->o->platform, &want, err);

        if (r == 0)
                r = nxc_host_layers(f->host, false, &layers, err);
        if (r < 0)
                return r;
        f->is_unfit = !is_wanted_platform(f, &want);
        for (size_t i = 0; r == 0 && i < c->n_diff_ids; i++)
                f->is_unfit |= !nxc_layerfs_has(layers, &c->diff_ids[i]);
        return r;
}

STEP(step_find_image)
{
        struct nxc_flow *f = flow;
        struct nxc_image_store *images;
        struct nxc_error why = { 0 };
        int r = nxc_flow_choose_storage(f, err);

        if (r == 0)
                r = nxc_host_images(f->host, false, &images, err);
        if (r < 0)
                return r;
        r = nxc_image_find(images, f->image_name, &f->image, &why);
        if (r == 0)
                return judge_found(f, err);
        if (why.kind == NXC_ERR_IMAGE_NOT_FOUND && f->o->pull != NXC_PULL_NEVER)
                return 0;
        if (why.kind == NXC_ERR_IMAGE_NOT_FOUND)
                nxc_error_hint(&why, "nexcage pull %.400s", f->image_name);
        *err = why;
        return -why.errnum;
}

static struct nxc_pull_opts pull_opts(const struct nxc_flow *f)
{
        return (struct nxc_pull_opts){
                .reference = f->image_name,
                .platform = f->o->platform,
                .policy = f->o->pull,
                .registry = f->o->registry,
        };
}

/* A dry run of an image that is not there: which one would it be? */
STEP(step_resolve_image)
{
        struct nxc_flow *f = flow;
        struct nxc_pull_opts opts = pull_opts(f);
        const struct nxc_engine_ops *engine;
        int r = nxc_engine_load(&engine, err);

        return r < 0 ? r : engine->resolve(&opts, &f->resolved, err);
}

STEP(step_pull_image)
{
        struct nxc_flow *f = flow;
        struct nxc_pull_opts opts = pull_opts(f);
        const struct nxc_engine_ops *engine;
        struct nxc_engine_ctx ctx;
        int r = nxc_host_engine(f->host, f->o->progress, f->o->progress_arg, &engine, &ctx, err);

        if (r < 0)
                return r;
        nxc_image_free(TAKE_PTR(f->image));
        return engine->pull(&ctx, &opts, &f->image, err);
}

/* The bytes were verified when the image came in (engine/validate.c); here it is checked that it is whole
 * and fits. */
STEP(step_validate_image)
{
        struct nxc_flow *f = flow;
        const struct nxc_image_config *c = &f->image->config;
        struct nxc_layerfs *layers;
        struct nxc_platform want;
        int r = nxc_image_check_consistent(&f->image->manifest, c, err);

        if (r == 0)
                r = nxc_platform_parse(f->o->platform, &want, err);
        if (r == 0 && !is_wanted_platform(f, &want))
                r = nxc_fail_kind(err, NXC_ERR_IMAGE_NOT_FOUND, 0,
                        "image '%s' is there for %s/%s only, not for %s", f->image_name, c->platform.os,
                        c->platform.arch, f->o->platform);
        if (r == 0)
                r = nxc_host_layers(f->host, false, &layers, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < c->n_diff_ids; i++) {
                if (nxc_layerfs_has(layers, &c->diff_ids[i]))
                        continue;
                r = nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "image '%s' has no unpacked layer %s",
                        f->image_name, c->diff_ids[i].text);
                nxc_error_hint(err, "nexcage verify --repair %.400s", f->image_name);
                return r;
        }
        return 0;
}

STEP(step_setup_layerfs)
{
        struct nxc_flow *f = flow;
        const struct nxc_image_config *c = &f->image->config;
        struct nxc_layerfs *layers;
        int r = nxc_host_layers(f->host, false, &layers, err);

        return r < 0 ? r : nxc_layerfs_hold(layers, c->diff_ids, c->n_diff_ids, &f->chain, err);
}

/* When the first thing is about to be acquired. */
static int open_journal(struct nxc_flow *f, struct nxc_error *err)
{
        int r = f->journal ? 0 : nxc_host_root_fd(f->host, true, err);

        return r < 0 || f->journal ? r : nxc_journal_open(f->host, &f->journal, err);
}

STEP(step_mount_layers)
{
        struct nxc_flow *f = flow;
        _cleanup_free_ char *parent = NULL;
        int r = open_journal(f, err);

        if (r < 0)
                return r;
        parent = nxc_path_join(f->host->store, "containers");
        f->staging = nxc_strf("%s/containers/.new-%s", f->host->store, nxc_journal_token(f->journal));
        if (!parent || !f->staging)
                return nxc_oom(err);
        r = nxc_mkdir_p(parent, 0700, err);
        if (r == 0)
                r = nxc_journal_push(f->journal, NXC_UNDO_TREE, f->staging, err);
        if (r < 0)
                return r;
        if (mkdir(f->staging, 0700) < 0)
                return nxc_fail(err, errno, "create '%s'", f->staging);
        r = nxc_open_dir_p(f->staging, 0700, &f->staging_fd, err);
        if (r < 0)
                return r;
        /* So prune sees that somebody is at it, and in which state root to look for the record. */
        if (flock(f->staging_fd, LOCK_SH | LOCK_NB) < 0)
                return nxc_fail(err, errno, "lock '%s'", f->staging);
        r = nxc_publish_at(f->staging_fd, NXC_ROOT_FILE, f->host->root, strlen(f->host->root), 0600, 0, err);
        return r < 0 ? r : nxc_flow_prepare_root(f, err);
}

STEP(step_create_filesystem)
{
        return nxc_flow_make_directories(flow, err);
}

STEP(step_container_metadata)
{
        return nxc_flow_describe(flow, err);
}

STEP(step_write_bundle)
{
        return nxc_flow_write_bundle(flow, err);
}

/* --runtime, then the annotation, then the configuration's routes, then its default, then auto. */
static const char *chosen_runtime(const struct nxc_flow *f)
{
        const struct nxc_config *c = f->host->config;
        const char *annotated = f->spec ? nxc_spec_annotation(f->spec, ANNOTATION_RUNTIME) : NULL;
        const char *subject = f->image ? f->image->name : f->image_name;

        if (f->o->runtime || annotated)
                return f->o->runtime ? f->o->runtime : annotated;
        for (size_t i = 0; i < c->n_routes; i++)
                if (fnmatch(c->routes[i].pattern, subject ? subject : f->id, 0) == 0)
                        return c->routes[i].runtime;
        return c->runtime ? c->runtime : "auto";
}

/* Those that the backend runs at their place are its own, unless a failure is to be survived. In the
 * foreground of a terminal it does all in one go, and nobody else can stand between its steps. */
static bool takes_hook(const struct nxc_flow *f, enum nxc_hook_point point)
{
        if (!f->backend->runs_hooks || f->hooks_continue)
                return true;
        if (f->is_run && !f->o->detach && nxc_spec_terminal(f->spec))
                return false;
        return f->backend->hooks_misplaced & (1u << point);
}

/* Hooks that nexcage runs are taken out of what the backend gets. Those of the container's own namespaces
 * stay with a backend that can run them: only it stands there. */
static int take_hooks(struct nxc_flow *f, struct nxc_error *err)
{
        static const enum nxc_hook_point ours[] = { NXC_HOOK_PRESTART, NXC_HOOK_CREATE_RUNTIME,
                NXC_HOOK_POSTSTART, NXC_HOOK_POSTSTOP };
        json_t *hooks = nxc_spec_hooks(f->spec);

        if (!hooks)
                return 0;
        f->hooks = json_object();
        if (!f->hooks)
                return nxc_oom(err);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(ours); i++) {
                const char *name = nxc_hook_point_name(ours[i]);

                if (!nxc_hooks_exist(hooks, ours[i]) || !takes_hook(f, ours[i]))
                        continue;
                if (json_object_set(f->hooks, name, json_object_get(hooks, name)) < 0)
                        return nxc_oom(err);
                json_object_del(hooks, name);
                f->own_hooks = f->spec_changed = true;
        }
        return 0;
}

/* The form in which the root is handed over: the driver's first that the backend takes. */
static int choose_root_kind(struct nxc_flow *f, struct nxc_error *err)
{
        bool fits = f->image_name
                            ? nxc_storage_choose_kind(f->storage, f->backend->accepts, &f->rootfs.kind) == 0
                            : f->backend->accepts & (1u << f->rootfs.kind);

        if (fits)
                return 0;
        return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, 0,
                "runtime '%s' does not take a root of storage '%s' (%s)", f->backend->name,
                f->image_name ? f->storage->name : "bundle",
                nxc_rootfs_kind_name(f->image_name ? f->storage->offers[0] : f->rootfs.kind));
}

STEP(step_choose_runtime)
{
        struct nxc_flow *f = flow;
        const char *name = chosen_runtime(f);
        int r;

        if (nxc_streq(name, "auto"))
                r = nxc_backend_auto(&f->backend, err);
        else
                r = nxc_backend_find(name, &f->backend, err);
        if (r == 0 && !nxc_streq(name, "auto"))
                r = nxc_backend_probe(f->backend, false, NULL, err);
        if (r < 0)
                return r;
        r = choose_root_kind(f, err);
        if (r < 0)
                return r;
        f->record->backend = strdup(f->backend->name);
        if (!f->record->backend)
                return nxc_oom(err);
        if (!f->spec)
                return 0; /* a dry run of an image that is not there yet */
        r = nxc_backend_check_spec(f->backend, f->spec, err);
        if (r == 0)
                r = take_hooks(f, err);
        if (r == 0 && f->own_hooks && f->is_run && !f->o->detach && nxc_spec_terminal(f->spec))
                r = nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "a terminal together with hooks that nexcage runs itself (hooks.on_failure = "
                        "continue)");
        f->fused = f->is_run && !f->restore && !f->own_hooks && nxc_backend_can_run(f->backend);
        return r;
}

STEP(step_check_exists)
{
        struct nxc_flow *f = flow;
        int r = nxc_host_root_fd(f->host, false, err);

        if (r < 0 || f->host->root_fd < 0)
                return r;
        if (faccessat(f->host->root_fd, f->id, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        return nxc_fail_kind(
                err, NXC_ERR_CONTAINER_EXISTS, EEXIST, "container with given ID already exists: %s", f->id);
}

static int write_owner(struct nxc_flow *f, int dir_fd, struct nxc_error *err)
{
        const char *token = nxc_journal_token(f->journal);

        return nxc_publish_at(dir_fd, NXC_OWNER_FILE, token, strlen(token), 0600, 0, err);
}

static int claim_container_dir(struct nxc_flow *f, struct nxc_error *err)
{
        int r = write_owner(f, f->staging_fd, err);

        if (r == 0)
                r = nxc_journal_push(f->journal, NXC_UNDO_OWNED, f->container_dir, err);
        if (r < 0)
                return r;
        if (renameat2(AT_FDCWD, f->staging, AT_FDCWD, f->container_dir, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EEXIST && errno != ENOTEMPTY)
                return nxc_fail(err, errno, "claim '%s'", f->container_dir);
        r = nxc_fail_kind(err, NXC_ERR_CONTAINER_EXISTS, EEXIST,
                "container with given ID already exists: %s (in the store, under another --root)", f->id);
        nxc_error_hint(err, "choose another id; `nexcage prune` removes what no container uses any more");
        return r;
}

static int write_undoable(struct nxc_flow *f, const char *path, const char *text, struct nxc_error *err)
{
        _cleanup_free_ char *absolute = nxc_path_absolute(path);
        int r;

        if (!absolute)
                return nxc_oom(err);
        r = nxc_journal_push(f->journal, NXC_UNDO_FILE, absolute, err);
        return r < 0 ? r : nxc_publish_at(AT_FDCWD, absolute, text, strlen(text), 0644, 0, err);
}

STEP(step_claim_id)
{
        struct nxc_flow *f = flow;
        _cleanup_free_ char *staged = NULL;
        _cleanup_close_ int dir = -EBADF;
        int r = open_journal(f, err);

        if (r < 0)
                return r;
        f->state_dir = nxc_path_join(f->host->root, f->id);
        staged = nxc_strf("%s/.new-%s", f->host->root, nxc_journal_token(f->journal));
        if (!f->state_dir || !staged)
                return nxc_oom(err);
        r = nxc_journal_push(f->journal, NXC_UNDO_TREE, staged, err);
        if (r == 0)
                r = nxc_state_stage(f->host->root_fd, f->record, nxc_journal_token(f->journal), &dir, err);
        if (r == 0)
                r = write_owner(f, dir, err);
        if (r == 0 && f->own_hooks)
                r = nxc_own_hooks_save(dir, f->hooks, err);
        if (r == 0)
                r = nxc_journal_push(f->journal, NXC_UNDO_OWNED, f->state_dir, err);
        if (r == 0)
                r = nxc_state_claim(f->host->root_fd, nxc_journal_token(f->journal), f->id, err);
        if (r == 0)
                r = nxc_state_lock(f->host->root_fd, f->id, 0, &f->lock_fd, err);
        if (r == 0 && f->staging)
                r = claim_container_dir(f, err);
        if (r == 0 && f->o->cid_file)
                r = write_undoable(f, f->o->cid_file, f->id, err);
        return r;
}

STEP(step_prepare_storage)
{
        return nxc_flow_make_root(flow, err);
}

STEP(step_create_raw_file)
{
        return nxc_flow_make_root(flow, err);
}

STEP(step_create_dataset)
{
        return nxc_flow_make_root(flow, err);
}

/* What the root lies on, for the next container of the same image. */
static int share_layers(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(f->container_dir, NXC_STORAGE_LOWER);
        int r = path ? nxc_journal_push(f->journal, NXC_UNDO_LOWER, path, err) : nxc_oom(err);

        return r < 0 ? r : nxc_layer_chain_share(f->chain, path, err);
}

STEP(step_attach_root)
{
        struct nxc_flow *f = flow;
        int r = nxc_flow_attach_root(f, err);

        if (r == 0 && f->storage->makes == NXC_STORAGE_MAKES_NOTHING && nxc_layer_chain_can_share(f->chain))
                r = share_layers(f, err);
        return r;
}

struct nxc_backend_target nxc_flow_target(const struct nxc_flow *f)
{
        return (struct nxc_backend_target){
                .id = f->id,
                .state_dir = f->state_dir,
                .bundle = f->bundle,
                .rootless = f->host->rootless,
                .systemd_cgroup = f->host->systemd_cgroup,
                .debug = f->host->debug,
        };
}

static struct nxc_backend_create backend_create(const struct nxc_flow *f)
{
        /* What runs on its own must not keep the caller's pipe open; of a bundle, runc's caller decides. */
        bool alone = f->log_fd >= 0;

        return (struct nxc_backend_create){
                .spec = f->spec,
                .spec_changed = f->spec_changed,
                .seccomp_is_default = f->composed.seccomp_is_default,
                .rootfs = &f->rootfs,
                .console_socket = f->o->console_socket,
                .pid_file = f->fused ? f->o->pid_file : NULL,
                .preserve_fds = f->o->preserve_fds,
                .no_pivot = f->o->no_pivot,
                .no_new_keyring = f->o->no_new_keyring,
                .no_subreaper = f->o->no_subreaper,
                .detach = f->o->detach,
                .keep = f->o->keep,
                .stdio = { f->o->interactive && !alone ? STDIN_FILENO : -1,
                        alone ? f->log_fd : STDOUT_FILENO, alone ? f->log_fd : STDERR_FILENO },
        };
}

STEP(step_create_container)
{
        struct nxc_flow *f = flow;
        struct nxc_backend_target target = nxc_flow_target(f);
        struct nxc_backend_create create = backend_create(f);
        int r;

        /* A program that we are to wait for is re-parented to us; one that an engine waits for, to the
         * engine. */
        if (f->is_run)
                prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        r = nxc_journal_push(f->journal, NXC_UNDO_BACKEND, f->id, err);
        if (r == 0 && f->restore) {
                r = nxc_backend_restore(f->backend, &target, &create, f->restore, &f->exit_code, err);
                f->has_exited = r == 0 && !f->o->detach;
        } else if (r == 0) {
                r = nxc_backend_create(f->backend, &target, &create, err);
        }
        return r;
}

static int find_pid(struct nxc_flow *f, struct nxc_error *err)
{
        struct nxc_backend_target target = nxc_flow_target(f);
        struct nxc_backend_status st;
        int r = nxc_backend_status(f->backend, &target, &st, err);

        if (r < 0)
                return r;
        f->pid = st.pid;
        if (st.pid > 0)
                return 0;
        return nxc_fail_kind(err, f->backend->error_kind, 0,
                "the init of container '%s' ended before it was started", f->id);
}

STEP(step_pre_start_hooks)
{
        struct nxc_flow *f = flow;
        struct nxc_hook_context ctx = { .on_failure_continue = f->hooks_continue };
        int r = find_pid(f, err);

        if (r < 0)
                return r;
        ctx.state = nxc_state_document(f->record, NXC_STATUS_CREATING, f->pid);
        if (!ctx.state)
                return nxc_oom(err);
        r = nxc_hooks_run(f->hooks, NXC_HOOK_PRESTART, &ctx, err);
        if (r == 0)
                r = nxc_hooks_run(f->hooks, NXC_HOOK_CREATE_RUNTIME, &ctx, err);
        json_decref(ctx.state);
        return r;
}

static int push_barrier(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_free_ char *arg = nxc_strf("%s %s", f->erase_at_exit ? "erase" : "keep", f->id);

        return arg ? nxc_journal_push(f->journal, NXC_UNDO_BARRIER, arg, err) : nxc_oom(err);
}

/* create: the container's init exists and waits. run: the program runs, and where the backend does all in
 * one go it has ended when this returns. */
STEP(step_start_container)
{
        struct nxc_flow *f = flow;
        struct nxc_backend_target target;
        struct nxc_backend_create create;
        int r;

        if (!f->fused)
                return find_pid(f, err);
        target = nxc_flow_target(f);
        create = backend_create(f);
        r = nxc_journal_push(f->journal, NXC_UNDO_BACKEND, f->id, err);
        if (r == 0 && create.pid_file)
                r = nxc_journal_push(f->journal, NXC_UNDO_FILE, create.pid_file, err);
        if (r == 0)
                r = push_barrier(f, err);
        nxc_closep(&f->lock_fd); /* kill, exec and delete come from outside while it runs */
        if (r == 0)
                r = nxc_backend_run(f->backend, &target, &create, &f->exit_code, err);
        f->has_exited = r == 0 && !f->o->detach;
        return r < 0 || f->has_exited ? r : find_pid(f, err);
}

STEP(step_pid_file)
{
        struct nxc_flow *f = flow;
        char text[32];
        int r = 0;

        snprintf(text, sizeof(text), "%d", (int)f->pid);
        if (f->o->pid_file)
                r = write_undoable(f, f->o->pid_file, text, err);
        if (r == 0 && f->o->pidfd_socket)
                r = nxc_pidfd_send(f->o->pidfd_socket, f->pid, err);
        return r;
}
