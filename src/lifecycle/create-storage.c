/* Where the container's root is to be kept: the choice of a driver, and what it is asked for.
 *
 * Option, then annotation, then a mount at "/" whose source is a driver's name and a colon, then the
 * configuration, then overlay. What is named is what is used: a driver that this host lacks, or that cannot
 * do what is asked, is an error, never a reason to take another one. */
#include "lifecycle/flow-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/path.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define ANNOTATION_STORAGE "org.nexcage.storage"
#define ANNOTATION_SIZE "org.nexcage.storage.size"
#define ANNOTATION_OLDER "proxmox.storage"
#define SIZE_MIN_BYTES (1024 * 1024) /* less is a unit forgotten */

/* From config.json, or from the options that make one. */
static const char *annotation(const struct nxc_flow *f, const char *key)
{
        const struct nxc_strv *given = &f->o->compose.annotations;
        const char *found = f->spec ? nxc_spec_annotation(f->spec, key) : NULL;
        size_t n = strlen(key);

        for (size_t i = 0; !f->spec && i < given->n; i++)
                if (strncmp(given->v[i], key, n) == 0 && given->v[i][n] == '=')
                        found = given->v[i] + n + 1;
        return found;
}

/* The length of the driver's name in "zfs:POOL/x"; 0: the source is something else. */
static size_t driver_prefix(const char *source)
{
        const char *colon = source ? strchr(source, ':') : NULL;
        size_t n = colon ? (size_t)(colon - source) : 0;

        for (size_t i = 0; n && nxc_storage_drivers()[i]; i++)
                if (strlen(nxc_storage_drivers()[i]->name) == n &&
                        strncmp(nxc_storage_drivers()[i]->name, source, n) == 0)
                        return n;
        return 0;
}

/* The index of the mount at "/" that is meant for us; -1: none. */
static int find_root_mount(const struct nxc_flow *f)
{
        const json_t *mounts = f->spec ? json_object_get(nxc_spec_json(f->spec), "mounts") : NULL, *m;
        size_t i;

        json_array_foreach ((json_t *)mounts, i, m)
                if (nxc_streq(nxc_json_str(m, "destination"), "/") &&
                        driver_prefix(nxc_json_str(m, "source")))
                        return (int)i;
        return -1;
}

/* It says what we do; to the runtime it would be a mount over the root, from a source that does not
 * exist. */
static int take_root_mount(struct nxc_flow *f, char **ret_driver, char **ret_size, struct nxc_error *err)
{
        json_t *mounts, *m, *option;
        const char *source, *rest;
        int at = find_root_mount(f);
        size_t i;

        if (at < 0)
                return 0;
        mounts = json_object_get(nxc_spec_json(f->spec), "mounts");
        m = json_array_get(mounts, (size_t)at);
        source = nxc_json_str(m, "source");
        rest = source + driver_prefix(source) + 1;
        *ret_driver = strndup(source, driver_prefix(source));
        if (!*ret_driver)
                return nxc_oom(err);
        json_array_foreach (json_object_get(m, "options"), i, option) {
                const char *text = json_string_value(option);

                if (nxc_starts_with(text, "size=") && !*ret_size) {
                        *ret_size = strdup(text + strlen("size="));
                        if (!*ret_size)
                                return nxc_oom(err);
                } else {
                        return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                                "option '%s' of the mount at '/' from '%s'", text, source);
                }
        }
        if (*rest && !nxc_streq(*ret_driver, "zfs"))
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "a root at a place of its own (the mount at '/' from '%s')", source);
        if (*rest && !(f->zfs_parent = strdup(rest)))
                return nxc_oom(err);
        f->spec_changed = true;
        return json_array_remove(mounts, (size_t)at) < 0 ? nxc_oom(err) : 0;
}

static int choose_size(struct nxc_flow *f, const char *mounted, struct nxc_error *err)
{
        const char *annotated = annotation(f, ANNOTATION_SIZE), *text = annotated ? annotated : mounted;
        int r = 0;

        f->storage_size = f->o->storage_size ? f->o->storage_size : f->host->config->storage_size;
        if (!f->o->storage_size && text)
                r = nxc_parse_size(text, &f->storage_size);
        if (r < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "%s '%s' is no size",
                        annotated ? "annotation " ANNOTATION_SIZE : "option size= of the mount at '/'",
                        text);
        if ((f->storage_size || text) && f->storage_size < SIZE_MIN_BYTES)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "a root of %llu bytes; the least is 1 MiB (1m)",
                        (unsigned long long)f->storage_size);
        return 0;
}

int nxc_flow_find_source(struct nxc_flow *f, struct nxc_error *err)
{
        const char *of = f->o->clone_of, *at = of ? strchr(of, '@') : NULL;
        _cleanup_free_ char *id = of ? strndup(of, at ? (size_t)(at - of) : strlen(of)) : NULL;
        int r;

        if (!of)
                return 0;
        r = id ? nxc_id_check(id, err) : nxc_oom(err);
        if (r == 0)
                r = nxc_host_root_fd(f->host, false, err);
        if (r == 0)
                r = nxc_state_load(f->host->root_fd, id, &f->source, err);
        if (r < 0)
                return r;
        f->source_snapshot = at ? at + 1 : NULL;
        if (f->source->storage && f->source->image)
                return 0;
        return nxc_fail_kind(err, NXC_ERR_INVALID_STATE, 0,
                "clone container '%s', whose root is its bundle's and not ours", id);
}

/* A clone stays where it comes from. */
static int check_source(const struct nxc_flow *f, struct nxc_error *err)
{
        if (!f->source || nxc_streq(f->source->storage, f->storage->name))
                return 0;
        return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                "a clone of container '%s' has its storage driver '%s', not '%s' (%s)", f->source->id,
                f->source->storage, f->storage->name, f->storage_why);
}

int nxc_flow_choose_storage(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_free_ char *mounted = NULL, *mounted_size = NULL;
        const char *annotated = annotation(f, ANNOTATION_STORAGE);
        struct nxc_storage_env env;
        const char *name;
        int r = take_root_mount(f, &mounted, &mounted_size, err);

        if (r < 0)
                return r;
        if (!annotated)
                annotated = annotation(f, ANNOTATION_OLDER);
        name = f->o->storage ? f->o->storage : annotated ? annotated : mounted;
        if (!name && f->source)
                name = f->source->storage;
        f->storage_why = f->o->storage              ? "asked for"
                         : annotated                ? "an annotation"
                         : mounted                  ? "the mount at '/'"
                         : f->source                ? "that of the container which is cloned"
                         : f->host->config->storage ? "the configuration"
                                                    : "the default";
        if (!name)
                name = f->host->config->storage ? f->host->config->storage : "overlay";
        r = nxc_storage_find(name, &f->storage, err);
        if (r == 0)
                r = check_source(f, err);
        if (r == 0)
                r = choose_size(f, mounted_size, err);
        env = nxc_flow_storage_env(f);
        return r < 0 ? r : nxc_storage_probe(f->storage, &env, err);
}

/* The root of a bundle is the caller's, and stays where it is. */
int nxc_flow_refuse_storage(const struct nxc_flow *f, struct nxc_error *err)
{
        const char *what = f->o->storage                       ? "--storage"
                           : f->o->storage_size                ? "--storage-size"
                           : annotation(f, ANNOTATION_STORAGE) ? "annotation " ANNOTATION_STORAGE
                           : annotation(f, ANNOTATION_OLDER)   ? "annotation " ANNOTATION_OLDER
                           : annotation(f, ANNOTATION_SIZE)    ? "annotation " ANNOTATION_SIZE
                           : find_root_mount(f) >= 0           ? "the mount at '/'"
                                                               : NULL;
        int r;

        if (!what)
                return 0;
        r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "%s only goes with an image", what);
        nxc_error_hint(err, "name one with --image; the root of a bundle stays where it is");
        return r;
}

/* --- what the steps ask of the driver --- */

struct nxc_storage_env nxc_flow_storage_env(const struct nxc_flow *f)
{
        struct nxc_storage_env env = nxc_host_storage_env(f->host);

        if (f->zfs_parent)
                env.zfs_parent = f->zfs_parent;
        return env;
}

static void tell(struct nxc_flow *f, enum nxc_progress_kind kind, uint64_t done, uint64_t total)
{
        struct nxc_progress_event ev = { .what = "root",
                .digest = &f->image->digest,
                .done_bytes = done,
                .total_bytes = total,
                .kind = kind };

        f->o->progress(f->o->progress_arg, &ev);
}

/* The first bytes are the start: a driver that has nothing to copy, this time or ever, has no bar. */
static void tell_progress(void *arg, uint64_t done, uint64_t total)
{
        struct nxc_flow *f = arg;

        if (!f->told_root)
                tell(f, NXC_PROGRESS_START, 0, total);
        f->told_root = true;
        tell(f, NXC_PROGRESS_BYTES, done, total);
}

static int find_image_bytes(struct nxc_flow *f, uint64_t *ret, struct nxc_error *err)
{
        const struct nxc_image_config *c = &f->image->config;
        struct nxc_layerfs *layers;
        uint64_t sum = 0, bytes;
        int r = nxc_host_layers(f->host, false, &layers, err);

        for (size_t i = 0; r == 0 && i < c->n_diff_ids; i++) {
                r = nxc_layerfs_size(layers, &c->diff_ids[i], &bytes, err);
                sum += r == 0 ? bytes : 0;
        }
        if (r == 0)
                *ret = sum;
        return r;
}

static int fill_request(struct nxc_flow *f, const struct nxc_storage_env *env, struct nxc_strv *diff_ids,
        struct nxc_storage_request *ret, struct nxc_error *err)
{
        const struct nxc_image_config *c = &f->image->config;
        struct nxc_storage_request q = {
                .env = env,
                .chain = f->chain,
                .diff_ids = diff_ids,
                .dir_fd = f->staging_fd,
                .size_bytes = f->storage_size,
                .ids = f->ids,
                .clone_dir = f->source ? f->source->container_dir : NULL,
                .clone_snapshot = f->source_snapshot,
                .ephemeral = f->is_run && f->o->auto_remove,
        };
        int r = 0;

        for (size_t i = 0; i < c->n_diff_ids; i++)
                if (nxc_strv_add(diff_ids, c->diff_ids[i].text) < 0)
                        return nxc_oom(err);
        if (f->storage->makes != NXC_STORAGE_MAKES_NOTHING)
                r = find_image_bytes(f, &q.image_bytes, err);
        if (f->o->progress)
                q.progress = (struct nxc_storage_progress){ tell_progress, f };
        if (r == 0)
                *ret = q;
        return r;
}

/* A user namespace that is joined has mappings that config.json does not tell. */
static int find_ids(struct nxc_flow *f, struct nxc_error *err)
{
        json_t *doc = f->spec ? nxc_spec_json(f->spec) : NULL, *ns;
        size_t i;

        if (!doc)
                return nxc_flow_choose_ids(f, err);
        json_array_foreach (nxc_json_get(doc, "linux.namespaces"), i, ns) {
                if (!nxc_streq(nxc_json_str(ns, "type"), "user"))
                        continue;
                if (nxc_json_str(ns, "path"))
                        return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                                "an image's root in a user namespace that is joined by path");
                return nxc_idmap_parse(nxc_json_get(doc, "linux.uidMappings"),
                        nxc_json_get(doc, "linux.gidMappings"), &f->ids, err);
        }
        return 0;
}

int nxc_flow_prepare_root(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv diff_ids = { 0 };
        struct nxc_storage_env env = nxc_flow_storage_env(f);
        struct nxc_storage_request q;
        int r = find_ids(f, err);

        if (r == 0)
                r = fill_request(f, &env, &diff_ids, &q, err);
        return r < 0 ? r : nxc_storage_prepare(f->storage, &q, &f->mount_fd, err);
}

int nxc_flow_make_root(struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv diff_ids = { 0 };
        _cleanup_free_ char *undo = nxc_strf("%s %s", f->storage->name, f->container_dir);
        struct nxc_storage_env env = nxc_flow_storage_env(f);
        struct nxc_storage_container c = { &env, f->id, f->container_dir };
        struct nxc_storage_request q;
        int r = undo ? nxc_journal_push(f->journal, NXC_UNDO_STORAGE, undo, err) : nxc_oom(err);

        if (r == 0)
                r = fill_request(f, &env, &diff_ids, &q, err);
        if (r < 0)
                return r;
        r = nxc_storage_make(f->storage, &c, &q, &f->mount_fd, err);
        if (r == 0 && f->told_root)
                tell(f, NXC_PROGRESS_DONE, q.image_bytes, q.image_bytes);
        return r;
}

/* --- the way to the root, for a user namespace's root, who is nobody on the host --- */

struct traveller {
        uid_t uid;
        gid_t gid;
};

static bool may_pass(const struct traveller *t, const struct stat *st)
{
        return st->st_uid == t->uid   ? st->st_mode & 0100
               : st->st_gid == t->gid ? st->st_mode & 0010
                                      : st->st_mode & 0001;
}

/* Of our own directories: all below them are 0700, and a container's lets its own group in alone. */
static int open_store(const struct nxc_flow *f, const struct traveller *t, struct nxc_error *err)
{
        _cleanup_free_ char *containers = nxc_path_join(f->host->store, "containers");
        const char *const ours[] = { f->host->store, containers };

        if (!containers)
                return nxc_oom(err);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(ours); i++) {
                struct stat st;

                if (stat(ours[i], &st) < 0 ||
                        (!may_pass(t, &st) && chmod(ours[i], (st.st_mode & 07777) | 0011) < 0))
                        return nxc_fail(err, errno, "let a user namespace through '%s'", ours[i]);
        }
        if (fchown(f->staging_fd, (uid_t)-1, t->gid) < 0 || fchmod(f->staging_fd, 0710) < 0)
                return nxc_fail(err, errno, "let a user namespace into '%s'", f->container_dir);
        return 0;
}

/* Of what lies above them, which is not ours to open. */
static int check_way(const struct nxc_flow *f, const struct traveller *t, struct nxc_error *err)
{
        _cleanup_free_ char *path = strdup(f->host->store);

        if (!path)
                return nxc_oom(err);
        for (char *slash = strrchr(path, '/'); slash && slash > path; slash = strrchr(path, '/')) {
                struct stat st;
                int r;

                *slash = '\0';
                if (stat(path, &st) < 0)
                        return nxc_fail(err, errno, "look at '%s'", path);
                if (may_pass(t, &st))
                        continue;
                r = nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, 0,
                        "the root of the user namespace (%u:%u) cannot reach the store: '%s' lets it not "
                        "through",
                        t->uid, t->gid, path);
                nxc_error_hint(err, "chmod o+x '%.400s'", path);
                return r;
        }
        return 0;
}

static int let_in(const struct nxc_flow *f, struct nxc_error *err)
{
        struct traveller t = { 0 };
        int r;

        if (nxc_idmap_owner(f->ids, &t.uid, &t.gid) < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                        "an image's root in a user namespace that maps no root (containerID 0)");
        r = check_way(f, &t, err);
        return r < 0 ? r : open_store(f, &t, err);
}

int nxc_flow_attach_root(struct nxc_flow *f, struct nxc_error *err)
{
        struct nxc_storage_env env = nxc_flow_storage_env(f);
        struct nxc_storage_container c = { &env, f->id, f->container_dir };
        int r = f->ids ? let_in(f, err) : 0;

        if (r == 0)
                r = nxc_storage_attach(f->storage, &c, f->rootfs.kind, f->mount_fd, &f->rootfs, err);
        nxc_closep(&f->mount_fd);
        return r;
}
