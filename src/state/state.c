/* See state.h: records on disk. Nothing here is synced: live state does not outlive a boot (it lies on a
 * tmpfs). */
#include "state/state.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/lock.h"
#include "core/path.h"
#include "core/publish.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define RECORD_NAME "state.json"
#define RECORD_MAX_BYTES (4u << 20) /* annotations are the engine's, and it may have many */
#define NEW_PREFIX ".new-"
#define OLD_PREFIX ".old-"

static int not_found(struct nxc_error *err, const char *id)
{
        return nxc_fail_kind(err, NXC_ERR_CONTAINER_NOT_FOUND, 0, "container does not exist: %s", id);
}

int nxc_state_root_open(const char *root, bool create, int *ret_fd, struct nxc_error *err)
{
        _cleanup_free_ char *absolute = nxc_path_absolute(root);
        int fd, r;

        if (!absolute)
                return nxc_oom(err);
        if (nxc_streq(absolute, "/"))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "the state root cannot be '/'");
        if (create) {
                r = nxc_open_dir_p(absolute, 0700, ret_fd, err);
                return r < 0 ? nxc_error_wrap(err, "state root") : 0;
        }
        fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
                return nxc_fail(err, errno, "open the state root '%s'", absolute);
        *ret_fd = fd < 0 ? -EBADF : fd;
        return 0;
}

static int write_record(int dir_fd, const struct nxc_record *rec, struct nxc_error *err)
{
        _cleanup_json_ json_t *j = nxc_record_to_json(rec);
        _cleanup_free_ char *text = j ? nxc_json_format(j, false) : NULL;

        if (!text)
                return nxc_oom(err);
        return nxc_publish_at(dir_fd, RECORD_NAME, text, strlen(text), 0600, 0, err);
}

int nxc_state_stage(
        int root_fd, const struct nxc_record *rec, const char *token, int *ret_fd, struct nxc_error *err)
{
        _cleanup_free_ char *name = nxc_strf(NEW_PREFIX "%s", token);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!name)
                return nxc_oom(err);
        if (mkdirat(root_fd, name, 0700) < 0)
                return nxc_fail(err, errno, "create the state directory of '%s'", rec->id);
        fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? nxc_fail(err, errno, "open the state directory of '%s'", rec->id)
                   : write_record(fd, rec, err);
        if (r < 0) {
                nxc_remove_tree_at(root_fd, name, NULL);
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int nxc_state_claim(int root_fd, const char *token, const char *id, struct nxc_error *err)
{
        _cleanup_free_ char *name = nxc_strf(NEW_PREFIX "%s", token);

        if (!name)
                return nxc_oom(err);
        if (renameat2(root_fd, name, root_fd, id, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno == EEXIST || errno == ENOTEMPTY) {
                nxc_fail_kind(
                        err, NXC_ERR_CONTAINER_EXISTS, 0, "container with given ID already exists: %s", id);
                nxc_error_hint(
                        err, "choose another id, or remove that container with `nexcage delete %.255s`", id);
                return -EEXIST;
        }
        return nxc_fail(err, errno, "claim the container id '%s'", id);
}

int nxc_state_update(int root_fd, const struct nxc_record *rec, struct nxc_error *err)
{
        _cleanup_close_ int fd = openat(root_fd, rec->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT)
                return not_found(err, rec->id);
        if (fd < 0)
                return nxc_fail(err, errno, "open the state directory of '%s'", rec->id);
        return write_record(fd, rec, err);
}

static int load_from(int dir_fd, const char *id, struct nxc_record **ret, struct nxc_error *err)
{
        __attribute__((cleanup(nxc_record_freep))) struct nxc_record *rec = NULL;
        _cleanup_json_ json_t *j = NULL;
        int r = nxc_json_load_at(dir_fd, RECORD_NAME, RECORD_MAX_BYTES, &j, err);

        if (r < 0)
                return nxc_error_set_kind(
                        err, err && err->errnum == ENOMEM ? NXC_ERR_OUT_OF_MEMORY : NXC_ERR_FILE);
        r = nxc_record_from_json(j, &rec, err);
        if (r < 0)
                return r;
        if (!nxc_streq(rec->id, id))
                return nxc_fail_kind(err, NXC_ERR_FILE, 0, "container record: it is of '%s'", rec->id);
        *ret = TAKE_PTR(rec);
        return 0;
}

int nxc_state_load(int root_fd, const char *id, struct nxc_record **ret, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;
        struct nxc_error why = { 0 };
        int r = nxc_id_check(id, err);

        if (r < 0)
                return r;
        if (root_fd < 0)
                return not_found(err, id);
        fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return not_found(err, id);
        if (fd < 0)
                return nxc_fail(err, errno, "open the state directory of '%s'", id);
        r = load_from(fd, id, ret, &why);
        if (r == 0)
                return 0;
        nxc_error_wrap(&why, "load the container '%s'", id);
        if (why.kind == NXC_ERR_FILE)
                nxc_error_hint(&why,
                        "its record is damaged; `nexcage delete --force %.255s` removes what is left", id);
        if (err && !nxc_error_is_set(err))
                *err = why;
        return r;
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int nxc_state_list(int root_fd, struct nxc_strv *ret_ids, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv ids = { 0 };
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int fd;

        if (root_fd >= 0) {
                fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                dir = fd < 0 ? NULL : fdopendir(fd);
                if (!dir) {
                        nxc_closep(&fd);
                        return nxc_fail(err, errno, "list the containers");
                }
        }
        while (dir && (errno = 0, de = readdir(dir))) {
                if ((de->d_type != DT_DIR && de->d_type != DT_UNKNOWN) || nxc_id_check(de->d_name, NULL) < 0)
                        continue;
                if (nxc_strv_add(&ids, de->d_name) < 0)
                        return nxc_oom(err);
        }
        if (dir && errno)
                return nxc_fail(err, errno, "list the containers");
        if (ids.n)
                qsort(ids.v, ids.n, sizeof(*ids.v), compare);
        *ret_ids = ids;
        ids = (struct nxc_strv){ 0 };
        return 0;
}

/* Whoever waited may hold the lock of a container that was deleted meanwhile: then the one that has its id
 * now counts. */
int nxc_state_lock(int root_fd, const char *id, int timeout_ms, int *ret_lock_fd, struct nxc_error *err)
{
        int r = nxc_id_check(id, err);

        if (r < 0)
                return r;
        if (root_fd < 0)
                return not_found(err, id);
        for (;;) {
                _cleanup_close_ int fd = openat(
                                            root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                                    lock = -EBADF;
                struct nxc_error why = { 0 };

                if (fd < 0 && errno == ENOENT)
                        return not_found(err, id);
                if (fd < 0)
                        return nxc_fail(err, errno, "open the state directory of '%s'", id);
                r = nxc_lock_at(fd, "lock", NXC_LOCK_EXCLUSIVE, timeout_ms, &lock, &why);
                if (r < 0 && r != -ENOENT) {
                        nxc_error_wrap(&why, "container '%s'", id);
                        if (err && !nxc_error_is_set(err))
                                *err = why;
                        return r;
                }
                if (r == 0 && nxc_has_name_at(root_fd, id, fd)) {
                        *ret_lock_fd = TAKE_FD(lock);
                        return 0;
                }
        }
}

int nxc_state_remove(int root_fd, const char *id, struct nxc_error *err)
{
        char token[13];
        _cleanup_free_ char *old = NULL;
        int r = nxc_id_check(id, err);

        if (r < 0 || root_fd < 0)
                return r;
        r = nxc_id_generate(token, err);
        if (r < 0)
                return r;
        old = nxc_strf(OLD_PREFIX "%s", token);
        if (!old)
                return nxc_oom(err);
        if (renameat(root_fd, id, root_fd, old) < 0) {
                if (errno == ENOENT)
                        return 0;
                return nxc_fail(err, errno, "remove the state of '%s'", id);
        }
        r = nxc_remove_tree_at(root_fd, old, err);
        return r < 0 ? nxc_error_wrap(err, "remove the state of '%s'", id) : 0;
}

int nxc_state_sweep(int root_fd, struct nxc_error *err)
{
        int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!dir) {
                r = nxc_fail(err, errno, "read the state root");
                nxc_closep(&fd);
                return r;
        }
        while (r == 0 && (de = readdir(dir)))
                if (nxc_starts_with(de->d_name, OLD_PREFIX))
                        r = nxc_remove_tree_at(root_fd, de->d_name, err);
        return r;
}
