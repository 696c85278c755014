/* rmi and prune: what nothing uses any more goes. Names first, then blobs and layers that nothing
 * reaches. */
#include "lifecycle/usage-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/path.h"
#include "storage/storage.h"

#include <fcntl.h>

static int remove_layer(struct nxc_layerfs *layers, const struct nxc_graph_layer *l,
        struct nxc_prune_report *report, struct nxc_error *err)
{
        struct nxc_error why = { 0 };
        struct nxc_digest digest;
        int r = nxc_digest_parse(l->diff_id, &digest, err);

        if (r < 0)
                return r;
        r = nxc_layerfs_remove(layers, &digest, &why);
        if (r == 0) {
                report->layers++;
                report->bytes += l->bytes;
        } else if (why.kind != NXC_ERR_BUSY) { /* busy: a create has just taken it up */
                *err = why;
                return r;
        }
        return 0;
}

/* What drivers keep outside the store, for images and containers that are gone. */
static int sweep_storage(struct nxc_host *h, const struct nxc_strv *used, struct nxc_prune_report *report,
        struct nxc_error *err)
{
        struct nxc_storage_env env = nxc_host_storage_env(h);
        int r = 0;

        for (size_t i = 0; r == 0 && nxc_storage_drivers()[i]; i++)
                if (nxc_storage_probe(nxc_storage_drivers()[i], &env, NULL) == 0)
                        r = nxc_storage_sweep(nxc_storage_drivers()[i], &env, used, &report->bytes, err);
        return r;
}

/* Containers that use one whose image is gone need no name for it: they hold the mount. */
static int remove_indexes(struct nxc_layerfs *layers, const struct nxc_image_summary *images, size_t n,
        struct nxc_prune_report *report, struct nxc_error *err)
{
        _cleanup_free_ struct nxc_chain_ids *wanted = calloc(n + 1, sizeof(*wanted));

        if (!wanted)
                return nxc_oom(err);
        for (size_t i = 0; i < n; i++)
                wanted[i] = (struct nxc_chain_ids){ images[i].diff_ids, images[i].n_diff_ids };
        return nxc_layerfs_prune_indexes(layers, wanted, n, &report->bytes, err);
}

static int remove_unused(struct nxc_host *h, struct nxc_layerfs *layers, const struct nxc_usage *u,
        const struct nxc_image_summary *images, size_t n, struct nxc_prune_report *report,
        struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv used = { 0 };
        struct nxc_graph *graph = NULL;
        int r = nxc_store_graph(h, images, n, &graph, err);

        if (r == 0 && nxc_store_graph_use(graph, u) < 0)
                r = nxc_oom(err);
        for (uint32_t i = 0; r == 0 && i < nxc_graph_n_layers(graph); i++) {
                const struct nxc_graph_layer *l = nxc_graph_layer(graph, i);

                if (l->is_used || l->n_images > 0)
                        r = nxc_strv_add(&used, l->diff_id) < 0 ? nxc_oom(err) : 0;
                else if (l->is_there)
                        r = remove_layer(layers, l, report, err);
        }
        nxc_graph_free(graph);
        if (r == 0)
                r = remove_indexes(layers, images, n, report, err);
        return r < 0 ? r : sweep_storage(h, &used, report, err);
}

/* An image that comes in now gets its name only when we are done; its layers are held until then. */
static int collect_layers(struct nxc_host *h, struct nxc_image_store *store, struct nxc_layerfs *layers,
        const struct nxc_usage *u, const struct nxc_image *leaving, struct nxc_prune_report *report,
        struct nxc_error *err)
{
        struct nxc_image_summary *images = NULL;
        _cleanup_close_ int lock = -EBADF;
        size_t n = 0, staying = 0;
        int r = nxc_image_store_lock(store, &lock, err);

        if (r == 0)
                r = nxc_store_images(h, &images, &n, err);
        for (size_t i = 0; r == 0 && leaving && i < n; i++) { /* the others first */
                struct nxc_image_summary im = images[i];

                if (nxc_digest_equal(&im.digest, &leaving->digest))
                        continue;
                images[i] = images[staying];
                images[staying++] = im;
        }
        if (r == 0)
                r = remove_unused(h, layers, u, images, leaving ? staying : n, report, err);
        nxc_image_summaries_free(images, n);
        return r;
}

static int collect(struct nxc_host *h, const struct nxc_usage *u, const struct nxc_image *leaving,
        struct nxc_prune_report *report, struct nxc_error *err)
{
        struct nxc_image_store *images;
        struct nxc_layerfs *layers;
        int r = nxc_host_images(h, false, &images, err);

        if (r == 0)
                r = nxc_host_layers(h, false, &layers, err);
        if (r == 0)
                r = nxc_image_collect(images, &report->bytes, err);
        if (r == 0)
                r = nxc_layerfs_sweep(layers, err);
        return r < 0 ? r : collect_layers(h, images, layers, u, leaving, report, err);
}

int nxc_store_collect(struct nxc_host *h, const struct nxc_usage *u, struct nxc_prune_report *report,
        struct nxc_error *err)
{
        return collect(h, u, NULL, report, err);
}

/* On a full disk there is no room for the new index.json either, until something went: the layers, which
 * could be made again if we do not get further. */
static int untag(struct nxc_host *h, struct nxc_image_store *images, const struct nxc_image *image,
        const struct nxc_usage *u, struct nxc_prune_report *report, struct nxc_error *err)
{
        struct nxc_error why = { 0 };
        int r = nxc_image_untag(images, image, image->name, &why);

        if (r == -ENOSPC || r == -EDQUOT) {
                r = collect(h, u, image, report, err);
                return r < 0 ? r : nxc_image_untag(images, image, image->name, err);
        }
        if (r < 0 && err)
                *err = why;
        return r;
}

/* An image that cannot be read is in nobody's use: its name goes, and what it leads to. */
static int remove_damaged(struct nxc_host *h, struct nxc_image_store *images, const char *name,
        const struct nxc_usage *u, struct nxc_error *err)
{
        struct nxc_prune_report report = { 0 };
        int r = nxc_image_forget(images, name, err);

        return r < 0 ? r : nxc_store_collect(h, u, &report, err);
}

int nxc_image_remove(struct nxc_host *h, const char *name, bool force, struct nxc_error *err)
{
        _cleanup_(nxc_usage_done) struct nxc_usage u = { 0 };
        const struct nxc_user_of_image *user;
        struct nxc_prune_report report = { 0 };
        struct nxc_image_store *images;
        struct nxc_image *image = NULL;
        struct nxc_error why = { 0 };
        int r = nxc_host_images(h, false, &images, err);

        if (r < 0)
                return r;
        r = nxc_image_find(images, name, &image, &why);
        if (r < 0 && why.kind != NXC_ERR_INVALID_IMAGE) {
                *err = why;
                return r;
        }
        r = nxc_usage_gather(h, &u, NULL, err);
        if (r == 0 && !image)
                return remove_damaged(h, images, name, &u, err);
        if (r < 0)
                goto out;
        user = nxc_usage_find(&u, &image->digest);
        if (user && !force) {
                r = nxc_fail_kind(
                        err, NXC_ERR_INVALID_STATE, 0, "image '%s' is in use by %s", name, user->what);
                nxc_error_hint(err, "remove that first, or use --force to take only the name away");
                goto out;
        }
        r = untag(h, images, image, &u, &report, err);
        if (r == 0)
                r = nxc_store_collect(h, &u, &report, err);
out:
        nxc_image_free(image);
        return r;
}

/* By whoever kept its root. 1: that is a driver which this build has not; it stays for one that has. */
static int release_orphan(struct nxc_host *h, const char *name, const char *dir, struct nxc_error *err)
{
        struct nxc_storage_env env = nxc_host_storage_env(h);
        struct nxc_storage_container c = { &env, name, dir };
        const struct nxc_storage_ops *storage;
        struct nxc_error why = { 0 };
        int r = nxc_storage_of_dir(dir, &storage, &why);

        if (r == 0)
                return nxc_storage_release(storage, &c, err);
        if (why.kind == NXC_ERR_OUT_OF_MEMORY)
                return nxc_oom(err);
        nxc_warn("remove '%s': %s, ignoring", dir, why.message);
        return 1;
}

static int remove_orphans(struct nxc_host *h, const struct nxc_strv *orphans,
        struct nxc_prune_report *report, struct nxc_error *err)
{
        for (size_t i = 0; i < orphans->n; i++) {
                _cleanup_free_ char *dir = nxc_strf("%s/containers/%s", h->store, orphans->v[i]);
                int r = dir ? release_orphan(h, orphans->v[i], dir, err) : nxc_oom(err);

                if (r == 0)
                        r = nxc_remove_tree_at(AT_FDCWD, dir, err);
                if (r < 0)
                        return r;
                report->containers += r == 0;
        }
        return 0;
}

static int remove_unused_images(struct nxc_host *h, const struct nxc_usage *u,
        struct nxc_prune_report *report, struct nxc_error *err)
{
        struct nxc_image_store *images;
        struct nxc_image **list;
        size_t n;
        int r = nxc_host_images(h, false, &images, err);

        if (r == 0)
                r = nxc_image_list(images, &list, &n, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (r == 0 && !nxc_usage_find(u, &list[i]->digest)) {
                        r = untag(h, images, list[i], u, report, err);
                        report->images += r == 0;
                }
                nxc_image_free(list[i]);
        }
        free(list);
        return r;
}

/* Of pulls that were killed. */
static void sweep_locks(struct nxc_host *h)
{
        _cleanup_close_ int fd = openat(h->store_fd, "locks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0)
                nxc_lock_sweep(fd, "pull-");
}

int nxc_prune(struct nxc_host *h, bool all, struct nxc_prune_report *ret, struct nxc_error *err)
{
        _cleanup_(nxc_usage_done) struct nxc_usage u = { 0 };
        _cleanup_strv_ struct nxc_strv orphans = { 0 };
        struct nxc_prune_report report = { 0 };
        int r = nxc_host_root_fd(h, false, err); /* undoes dead creates first */

        if (r == 0 && h->root_fd >= 0)
                r = nxc_state_sweep(h->root_fd, err);
        if (r == 0)
                r = nxc_host_store_fd(h, false, err);
        if (r < 0)
                return r;
        if (h->store_fd >= 0) {
                sweep_locks(h);
                r = nxc_usage_gather(h, &u, &orphans, err);
                if (r == 0)
                        r = remove_orphans(h, &orphans, &report, err);
                if (r == 0 && all)
                        r = remove_unused_images(h, &u, &report, err);
                if (r == 0)
                        r = nxc_store_collect(h, &u, &report, err);
        }
        if (r < 0)
                return r;
        *ret = report;
        return 0;
}
