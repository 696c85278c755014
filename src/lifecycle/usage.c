/* See usage-internal.h. A container's directory in the store names the state root of its record, so a store
 * that several roots share (two engines, say) is pruned with all of them in view. */
#include "lifecycle/usage-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define STAGING_GRACE_S 60 /* between mkdir and its lock a staging directory looks abandoned */

static void user_done(struct nxc_user_of_image *u)
{
        nxc_freep(&u->what);
        nxc_freep(&u->image_digest);
        nxc_strv_done(&u->diff_ids);
}

void nxc_usage_done(struct nxc_usage *u)
{
        for (size_t i = 0; i < u->n; i++)
                user_done(&u->users[i]);
        free(u->users);
        *u = (struct nxc_usage){ 0 };
}

int nxc_usage_add(struct nxc_usage *u, struct nxc_user_of_image *user)
{
        if (user->what && u->n == u->cap) {
                size_t cap = u->cap ? 2 * u->cap : 16;
                struct nxc_user_of_image *v = reallocarray(u->users, cap, sizeof(*v));

                u->users = v ? v : u->users;
                u->cap = v ? cap : u->cap;
        }
        if (!user->what || u->n == u->cap) {
                user_done(user);
                return -ENOMEM;
        }
        u->users[u->n++] = *user;
        *user = (struct nxc_user_of_image){ 0 };
        return 0;
}

const struct nxc_user_of_image *nxc_usage_find(const struct nxc_usage *u, const struct nxc_digest *image)
{
        for (size_t i = 0; i < u->n; i++)
                if (nxc_streq(u->users[i].image_digest, image->text))
                        return &u->users[i];
        return NULL;
}

/* The record of a container's directory, when it is this very container's: both carry the same .owner.
 * Only -ENOENT says that there is none; who could not look knows nothing. */
static int load_record_of(int dir_fd, const char *id, struct nxc_record **ret, struct nxc_error *err)
{
        _cleanup_free_ char *root = NULL, *ours = NULL, *theirs = NULL, *owner_path = NULL;
        _cleanup_close_ int root_fd = -EBADF;
        struct nxc_error why = { 0 };
        int r = nxc_read_file_at(dir_fd, NXC_ROOT_FILE, 4096, &root, NULL, &why);

        if (r == 0)
                r = nxc_read_file_at(dir_fd, NXC_OWNER_FILE, 64, &ours, NULL, &why);
        if (r == 0) {
                root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                owner_path = nxc_path_join(id, NXC_OWNER_FILE);
                if (root_fd < 0)
                        r = nxc_fail(&why, errno, "open state root '%s'", root);
                else
                        r = owner_path ? nxc_read_file_at(root_fd, owner_path, 64, &theirs, NULL, &why)
                                       : nxc_oom(&why);
        }
        if (r == 0)
                r = nxc_streq(ours, theirs) ? nxc_state_load(root_fd, id, ret, &why) : -ENOENT;
        if (r == -ENOENT || r == -ENOTDIR)
                return -ENOENT;
        if (r == 0)
                return 0;
        nxc_error_wrap(&why, "look for the record of container '%s'", id);
        if (r == -EINVAL)
                nxc_error_hint(&why, "nexcage --root %s delete --force %s", root, id);
        if (err)
                *err = why;
        return r;
}

/* Its creator holds the lock of a staging directory for as long as it lives. */
static bool is_being_made(int dir_fd)
{
        struct stat st;

        if (fstat(dir_fd, &st) == 0 && st.st_ctime > time(NULL) - STAGING_GRACE_S)
                return true;
        if (flock(dir_fd, LOCK_EX | LOCK_NB) < 0)
                return true;
        flock(dir_fd, LOCK_UN);
        return false;
}

static int gather_one(int containers_fd, const char *name, struct nxc_usage *u, struct nxc_strv *orphans,
        struct nxc_error *err)
{
        _cleanup_close_ int fd = openat(
                containers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct nxc_user_of_image user = { 0 };
        struct nxc_record *rec = NULL;
        int r;

        if (fd < 0)
                return 0;
        r = name[0] == '.' ? -ENOENT : load_record_of(fd, name, &rec, err);
        if (r == -ENOENT && orphans && !is_being_made(fd) && nxc_strv_add(orphans, name) < 0)
                return nxc_oom(err);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        user.what = nxc_strf("container '%s'", rec->id);
        user.image_digest = TAKE_PTR(rec->image_digest);
        user.diff_ids = rec->diff_ids;
        rec->diff_ids = (struct nxc_strv){ 0 };
        nxc_record_free(rec);
        return nxc_usage_add(u, &user) < 0 ? nxc_oom(err) : 0;
}

int nxc_usage_gather(
        struct nxc_host *h, struct nxc_usage *ret, struct nxc_strv *orphans, struct nxc_error *err)
{
        _cleanup_(nxc_usage_done) struct nxc_usage u = { 0 };
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int fd, r = nxc_host_store_fd(h, false, err);

        if (r < 0)
                return r;
        if (h->store_fd < 0)
                return 0;
        fd = openat(h->store_fd, "containers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir && errno != ENOENT) {
                r = nxc_fail(err, errno, "read '%s/containers'", h->store);
                nxc_closep(&fd);
                return r;
        }
        while (dir && (de = readdir(dir))) {
                if (nxc_streq(de->d_name, ".") || nxc_streq(de->d_name, ".."))
                        continue;
                r = gather_one(dirfd(dir), de->d_name, &u, orphans, err);
                if (r < 0)
                        return r;
        }
        r = nxc_usage_add_mounts(h, &u, err);
        if (r < 0)
                return r;
        *ret = u;
        u = (struct nxc_usage){ 0 };
        return 0;
}
