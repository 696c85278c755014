/* Opening what a command works on: paths, configuration, state root, store. All of it lazily: `state` must
 * not pay for the store. */
#include "lifecycle/host-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#define DEFAULT_ROOT "/run/nexcage"
#define DEFAULT_STORE "/var/lib/nexcage"

/* The first that is set of: option, environment, configuration, built-in default (a user's under XDG_*). */
static char *choose_path(const char *option, const char *env_name, const char *configured, const char *xdg,
        const char *home_below, const char *fallback)
{
        const char *env = getenv(env_name), *base = xdg ? getenv(xdg) : NULL, *home = getenv("HOME");

        if (option)
                return nxc_path_absolute(option);
        if (env && *env)
                return nxc_path_absolute(env);
        if (configured)
                return nxc_path_absolute(configured);
        if (geteuid() != 0 && base && *base)
                return nxc_path_join(base, "nexcage");
        if (geteuid() != 0 && home_below && home && *home)
                return nxc_strf("%s/%s/nexcage", home, home_below);
        return strdup(fallback);
}

int nxc_host_open(const struct nxc_host_opts *o, struct nxc_host **ret, struct nxc_error *err)
{
        struct nxc_host *h = calloc(1, sizeof(*h));
        int r;

        if (!h)
                return nxc_oom(err);
        h->root_fd = h->store_fd = -EBADF;
        h->systemd_cgroup = o->systemd_cgroup;
        h->debug = o->debug;
        r = nxc_config_load(&h->config, err);
        if (r < 0) {
                nxc_host_close(h);
                return r;
        }
        h->rootless = o->rootless ? strdup(o->rootless) : NULL;
        h->root = choose_path(
                o->root, "NEXCAGE_ROOT", h->config->root, "XDG_RUNTIME_DIR", NULL, DEFAULT_ROOT);
        h->store = choose_path(
                o->store, "NEXCAGE_STORE", h->config->store, "XDG_DATA_HOME", ".local/share", DEFAULT_STORE);
        if (!h->root || !h->store || (o->rootless && !h->rootless)) {
                nxc_host_close(h);
                return nxc_oom(err);
        }
        *ret = h;
        return 0;
}

void nxc_host_close(struct nxc_host *h)
{
        if (!h)
                return;
        nxc_layerfs_close(h->layers);
        nxc_image_store_close(h->images);
        nxc_closep(&h->root_fd);
        nxc_closep(&h->store_fd);
        nxc_config_free(h->config);
        free(h->root);
        free(h->store);
        free(h->rootless);
        free(h);
}

const char *nxc_host_root(const struct nxc_host *h)
{
        return h->root;
}

const char *nxc_host_store(const struct nxc_host *h)
{
        return h->store;
}

const struct nxc_config *nxc_host_config(const struct nxc_host *h)
{
        return h->config;
}

int nxc_host_root_fd(struct nxc_host *h, bool create, struct nxc_error *err)
{
        int r;

        if (h->root_fd < 0) {
                r = nxc_state_root_open(h->root, create, &h->root_fd, err);
                if (r < 0)
                        return r;
        }
        if (h->root_fd >= 0 && !h->recovered) {
                h->recovered = true;
                return nxc_journal_recover(h, err);
        }
        return 0;
}

int nxc_host_store_fd(struct nxc_host *h, bool create, struct nxc_error *err)
{
        if (h->store_fd >= 0)
                return 0;
        if (create)
                return nxc_open_dir_p(h->store, 0700, &h->store_fd, err);
        h->store_fd = open(h->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (h->store_fd < 0 && errno != ENOENT)
                return nxc_fail(err, errno, "open the store '%s'", h->store);
        return 0;
}

struct nxc_storage_env nxc_host_storage_env(const struct nxc_host *h)
{
        return (struct nxc_storage_env){ .store = h->store, .zfs_parent = h->config->zfs_parent };
}

int nxc_host_images(struct nxc_host *h, bool create, struct nxc_image_store **ret, struct nxc_error *err)
{
        int r = nxc_host_store_fd(h, create, err);

        if (r < 0)
                return r;
        if (!h->images) {
                r = nxc_image_store_open(h->store_fd, create, &h->images, err);
                if (r < 0)
                        return r;
        }
        *ret = h->images;
        return 0;
}

static enum nxc_layer_format layer_format(const struct nxc_config *c)
{
        if (nxc_streq(c->layer_format, "erofs"))
                return NXC_LAYER_EROFS;
        return nxc_streq(c->layer_format, "dir") ? NXC_LAYER_DIR : NXC_LAYER_AUTO;
}

int nxc_host_layers(struct nxc_host *h, bool create, struct nxc_layerfs **ret, struct nxc_error *err)
{
        int r = nxc_host_store_fd(h, create, err);

        if (r < 0)
                return r;
        if (!h->layers) {
                r = nxc_layerfs_open(h->store_fd, create, &h->layers, err);
                if (r < 0)
                        return r;
                nxc_layerfs_set_format(h->layers, layer_format(h->config));
        }
        *ret = h->layers;
        return 0;
}

void nxc_host_unshare_layers(struct nxc_host *h, const char *path)
{
        struct nxc_layerfs *layers;

        if (nxc_host_layers(h, false, &layers, NULL) == 0)
                nxc_layerfs_unshare(layers, path);
}

int nxc_host_engine(struct nxc_host *h, nxc_progress_fn progress, void *arg,
        const struct nxc_engine_ops **ret_ops, struct nxc_engine_ctx *ret_ctx, struct nxc_error *err)
{
        struct nxc_engine_ctx ctx = { .progress = progress, .progress_arg = arg };
        int r = nxc_engine_load(ret_ops, err);

        if (r < 0)
                return r;
        /* Ones that were opened before their directories existed are of no use for writing. */
        nxc_image_store_close(TAKE_PTR(h->images));
        nxc_layerfs_close(TAKE_PTR(h->layers));
        r = nxc_host_images(h, true, &ctx.images, err);
        if (r == 0)
                r = nxc_host_layers(h, true, &ctx.layers, err);
        if (r < 0)
                return r;
        ctx.store_fd = h->store_fd;
        *ret_ctx = ctx;
        return 0;
}

void nxc_now_rfc3339(char ret[40])
{
        struct timespec ts;
        struct tm tm;
        size_t n;

        clock_gettime(CLOCK_REALTIME, &ts);
        gmtime_r(&ts.tv_sec, &tm);
        n = strftime(ret, 40, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(ret + n, 40 - n, ".%09ldZ", ts.tv_nsec);
}
