/* mount IMAGE DIR and umount DIR: an image's root, read-only. Each mount is a small file in <store>/mounts,
 * written before it is made, which keeps its layers from being pruned; one whose mount is gone is forgotten
 * by the next that looks. */
#include "lifecycle/usage-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "core/publish.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define MOUNT_RECORD_MAX_BYTES (128 * 1024) /* 500 diff_ids and a path */

static json_t *mount_record(const struct nxc_image *image, const char *dir)
{
        json_t *ids = json_array();

        for (size_t i = 0; i < image->config.n_diff_ids; i++)
                json_array_append_new(ids, json_string(image->config.diff_ids[i].text));
        return json_pack("{s:s, s:s, s:o}", "dir", dir, "image", image->digest.text, "diffIds", ids);
}

static int open_mounts(struct nxc_host *h, bool create, int *ret_fd, struct nxc_error *err)
{
        if (create && mkdirat(h->store_fd, "mounts", 0700) < 0 && errno != EEXIST)
                return nxc_fail(err, errno, "create '%s/mounts'", h->store);
        *ret_fd = openat(h->store_fd, "mounts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*ret_fd < 0 && (create || errno != ENOENT))
                return nxc_fail(err, errno, "open '%s/mounts'", h->store);
        return 0;
}

static int save_mount(int mounts_fd, const char *name, const struct nxc_image *image, const char *dir,
        struct nxc_error *err)
{
        _cleanup_json_ json_t *j = mount_record(image, dir);
        _cleanup_free_ char *text = j ? nxc_json_format(j, false) : NULL;

        return text ? nxc_publish_at(mounts_fd, name, text, strlen(text), 0600, NXC_PUBLISH_EXCLUSIVE, err)
                    : nxc_oom(err);
}

static int mount_chain(struct nxc_host *h, const struct nxc_image *image, int dir_fd, struct nxc_error *err)
{
        struct nxc_layer_chain *chain = NULL;
        _cleanup_close_ int mount_fd = -EBADF;
        struct nxc_layerfs *layers;
        int r = nxc_host_layers(h, false, &layers, err);

        if (r == 0)
                r = nxc_layerfs_hold(layers, image->config.diff_ids, image->config.n_diff_ids, &chain, err);
        if (r == 0)
                r = nxc_layer_chain_compose(chain, -1, -1, false, &mount_fd, err);
        if (r == 0)
                r = nxc_mount_harden(mount_fd, err); /* the host looks into it: no devices, no setuid */
        if (r == 0)
                r = nxc_mount_attach(mount_fd, dir_fd, ".", err);
        nxc_layer_chain_release(chain);
        return r;
}

int nxc_image_mount(struct nxc_host *h, const char *name, const char *dir, struct nxc_error *err)
{
        _cleanup_free_ char *path = realpath(dir, NULL);
        _cleanup_close_ int mounts = -EBADF, dir_fd = -EBADF;
        struct nxc_image_store *images;
        struct nxc_image *image = NULL;
        char record[24], token[13];
        int r;

        if (!path)
                return nxc_fail(err, errno, "find the directory '%s'", dir);
        dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return nxc_fail(err, errno, "open the directory '%s'", path);
        r = nxc_host_images(h, false, &images, err);
        if (r == 0)
                r = nxc_image_find(images, name, &image, err);
        if (r == 0)
                r = open_mounts(h, true, &mounts, err);
        if (r == 0)
                r = nxc_id_generate(token, err);
        if (r < 0)
                goto out;
        snprintf(record, sizeof(record), "%s.json", token);
        r = save_mount(mounts, record, image, path, err);
        if (r < 0)
                goto out;
        r = mount_chain(h, image, dir_fd, err);
        if (r < 0)
                unlinkat(mounts, record, 0);
out:
        nxc_image_free(image);
        return r;
}

/* Calls fn for each record with its parsed JSON; 1 from it ends the walk. */
static int each_mount(struct nxc_host *h,
        int (*fn)(void *arg, int mounts_fd, const char *name, const json_t *j), void *arg,
        struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int fd, r = open_mounts(h, false, &fd, err);

        if (r < 0 || fd < 0)
                return r;
        dir = fdopendir(fd);
        if (!dir) {
                nxc_closep(&fd);
                return nxc_fail(err, errno, "read '%s/mounts'", h->store);
        }
        while (r == 0 && (de = readdir(dir))) {
                _cleanup_json_ json_t *j = NULL;

                if (!nxc_ends_with(de->d_name, ".json"))
                        continue;
                r = nxc_json_load_at(dirfd(dir), de->d_name, MOUNT_RECORD_MAX_BYTES, &j, NULL);
                if (r == 0)
                        r = fn(arg, dirfd(dir), de->d_name, j);
                else if (r != -ENOMEM)
                        r = 0; /* another's, or damaged */
        }
        return r < 0 ? nxc_oom(err) : r;
}

static int add_mount(void *arg, int mounts_fd, const char *name, const json_t *j)
{
        const char *dir = nxc_json_str(j, "dir"), *image = nxc_json_str(j, "image");
        struct nxc_user_of_image user = { 0 };
        json_t *id;
        int r = 0;
        size_t i;

        if (!dir || !image || !nxc_is_mount_point(dir)) {
                unlinkat(mounts_fd, name, 0);
                return 0;
        }
        user.what = nxc_strf("the mount at '%s'", dir);
        user.image_digest = strdup(image);
        json_array_foreach (json_object_get(j, "diffIds"), i, id)
                r |= json_is_string(id) ? nxc_strv_add(&user.diff_ids, json_string_value(id)) : 0;
        if (r < 0 || !user.image_digest)
                nxc_freep(&user.what); /* which nxc_usage_add takes as the failure */
        return nxc_usage_add(arg, &user);
}

int nxc_usage_add_mounts(struct nxc_host *h, struct nxc_usage *u, struct nxc_error *err)
{
        return each_mount(h, add_mount, u, err);
}

struct forget {
        const char *dir;
        char *name; /* of the record */
};

static int match_mount(void *arg, int mounts_fd, const char *name, const json_t *j)
{
        struct forget *f = arg;

        if (!nxc_streq(nxc_json_str(j, "dir"), f->dir))
                return 0;
        f->name = strdup(name);
        return f->name ? 1 : -ENOMEM;
}

int nxc_image_umount(struct nxc_host *h, const char *dir, struct nxc_error *err)
{
        _cleanup_free_ char *path = realpath(dir, NULL);
        struct forget f = { .dir = path };
        _cleanup_close_ int mounts = -EBADF;
        int r;

        if (!path)
                return nxc_fail(err, errno, "find the directory '%s'", dir);
        r = nxc_host_store_fd(h, false, err);
        if (r == 0 && h->store_fd >= 0)
                r = each_mount(h, match_mount, &f, err);
        if (r < 0)
                return r;
        if (!f.name) {
                r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "no image is mounted at '%s'", path);
                nxc_error_hint(
                        err, "only what `nexcage mount` mounted from the store '%s' is unmounted", h->store);
                return r;
        }
        r = nxc_umount(path, err);
        if (r == 0 && open_mounts(h, false, &mounts, err) == 0 && mounts >= 0)
                unlinkat(mounts, f.name, 0);
        free(f.name);
        return r;
}
