/* See journal.h. A journal is a text file of lines "KIND ARGUMENT", appended with one write(2) each and
 * never synced: it lives on the state root's tmpfs, and what it describes does not outlive the machine's
 * uptime either (what does, the store's directories, prune finds by itself).
 *
 * A thing that is claimed by its name (an id) cannot be undone by its name alone, since the claim may have
 * been lost to somebody else. Such things carry a file ".owner" with the journal's token, and are undone
 * only when it matches. */
#include "lifecycle/journal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/path.h"
#include "lifecycle/host-internal.h"
#include "storage/storage.h"
#include "sys/mount.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#define INFLIGHT_DIR ".inflight"
#define JOURNAL_MAX_BYTES (256 * 1024) /* some dozen lines with paths of at most 4 KiB */

struct nxc_journal {
        int dir_fd, fd;
        char token[17];
        struct nxc_strv lines;
};

/* What an undo may return besides 0 and -errno: the unwinding ends there, and the journal stays or goes. */
enum { UNDO_LATER = 1, UNDO_FORGET = 2 };
typedef int (*undo_fn)(struct nxc_host *h, const char *token, const char *arg, struct nxc_error *err);

static int undo_tree(struct nxc_host *h, const char *token, const char *arg, struct nxc_error *err)
{
        return nxc_remove_tree_at(AT_FDCWD, arg, err);
}

/* 1, 0, or -ENOMEM: who cannot look does not know. */
static int is_owned(const char *dir, const char *token)
{
        _cleanup_free_ char *path = nxc_path_join(dir, NXC_OWNER_FILE), *text = NULL;
        int r = path ? nxc_read_file_at(AT_FDCWD, path, 64, &text, NULL, NULL) : -ENOMEM;

        return r == -ENOMEM ? r : r == 0 && nxc_streq(text, token);
}

/* Renamed first, to a name that only this journal uses: a removal that is killed half way is then found
 * again. */
static int undo_owned(struct nxc_host *h, const char *token, const char *arg, struct nxc_error *err)
{
        const char *base = nxc_path_basename(arg);
        _cleanup_free_ char *gone = nxc_strf("%.*s.gone-%s", (int)(base - arg), arg, token);
        int owned = gone ? is_owned(arg, token) : -ENOMEM;

        if (owned < 0)
                return nxc_oom(err);
        if (owned && rename(arg, gone) < 0)
                return nxc_fail(err, errno, "remove '%s'", arg);
        return nxc_remove_tree_at(AT_FDCWD, gone, err);
}

static int undo_file(struct nxc_host *h, const char *token, const char *arg, struct nxc_error *err)
{
        if (unlink(arg) < 0 && errno != ENOENT)
                return nxc_fail(err, errno, "remove '%s'", arg);
        return 0;
}

static int undo_storage(struct nxc_host *h, const char *token, const char *arg, struct nxc_error *err)
{
        const char *dir = strchr(arg, ' ');
        _cleanup_free_ char *name = dir ? strndup(arg, (size_t)(dir - arg)) : NULL;
        struct nxc_storage_env env = nxc_host_storage_env(h);
        const struct nxc_storage_ops *storage;
        int r;

        if (!dir)
                return 0;
        if (!name)
                return nxc_oom(err);
        r = is_owned(++dir, token);
        if (r <= 0)
                return r < 0 ? nxc_oom(err) : 0;
        r = nxc_storage_find(name, &storage, err);
        return r < 0 ? r
                     : nxc_storage_release(storage,
                               &(struct nxc_storage_container){ &env, nxc_path_basename(dir), dir }, err);
}

static int undo_lower(struct nxc_host *h, const char *token, const char *arg, struct nxc_error *err)
{
        nxc_host_unshare_layers(h, arg);
        return nxc_umount(arg, err);
}

/* -ENOENT and the like: there is no such container, or none of ours; -ENOMEM: an error. */
static int load_owned(struct nxc_host *h, const char *token, const char *id, struct nxc_subject *ret,
        struct nxc_error *err)
{
        _cleanup_free_ char *dir = nxc_path_join(h->root, id);
        int r = dir ? is_owned(dir, token) : -ENOMEM;

        if (r >= 0)
                r = r ? nxc_subject_load(h, id, ret, NULL) : -ENOENT;
        return r == -ENOMEM ? nxc_oom(err) : r;
}

static int undo_backend(struct nxc_host *h, const char *token, const char *arg, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;

        int r = load_owned(h, token, arg, &s, err);

        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return nxc_backend_remove(s.backend, &s.target, true, err);
}

/* "erase ID" or "keep ID", met by a later command. */
static int meet_barrier(struct nxc_host *h, const char *token, const char *arg, struct nxc_error *err)
{
        _cleanup_subject_ struct nxc_subject s = NXC_SUBJECT_INIT;
        struct nxc_backend_status st;
        int r;

        if (nxc_starts_with(arg, "keep "))
                return UNDO_FORGET;
        r = load_owned(h, token, arg + strlen("erase "), &s, err);
        if (r == 0)
                r = nxc_backend_status(s.backend, &s.target, &st, err);
        if (r == 0)
                return st.status == NXC_STATUS_STOPPED ? 0 : UNDO_LATER;
        return r == -ENOMEM ? r : 0;
}

static const struct {
        const char *name;
        undo_fn undo;
} kinds[] = {
        [NXC_UNDO_TREE] = { "tree", undo_tree },
        [NXC_UNDO_OWNED] = { "owned", undo_owned },
        [NXC_UNDO_FILE] = { "file", undo_file },
        [NXC_UNDO_STORAGE] = { "storage", undo_storage },
        [NXC_UNDO_LOWER] = { "lower", undo_lower },
        [NXC_UNDO_BACKEND] = { "backend", undo_backend },
        [NXC_UNDO_BARRIER] = { "barrier", meet_barrier },
};
static_assert(sizeof(kinds) / sizeof(kinds[0]) == _NXC_UNDO_MAX, "every kind can be undone");

static int open_inflight(struct nxc_host *h, bool create, int *ret_fd, struct nxc_error *err)
{
        int fd;

        if (create && mkdirat(h->root_fd, INFLIGHT_DIR, 0700) < 0 && errno != EEXIST)
                return nxc_fail(err, errno, "create '%s/%s'", h->root, INFLIGHT_DIR);
        fd = openat(h->root_fd, INFLIGHT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (create || errno != ENOENT))
                return nxc_fail(err, errno, "open '%s/%s'", h->root, INFLIGHT_DIR);
        *ret_fd = fd;
        return 0;
}

static void journal_free(struct nxc_journal *j)
{
        nxc_strv_done(&j->lines);
        nxc_closep(&j->fd);
        nxc_closep(&j->dir_fd);
        free(j);
}

/* Creates and locks the file. 1: somebody who recovers met it before we had the lock, and took it away. */
static int make_file(struct nxc_journal *j, struct nxc_error *err)
{
        unsigned char seed[8];
        int r;

        if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
                return nxc_fail(err, errno, "get random bytes");
        for (size_t i = 0; i < sizeof(seed); i++)
                snprintf(j->token + 2 * i, 3, "%02x", seed[i]);
        r = nxc_lock_at(j->dir_fd, j->token, NXC_LOCK_EXCLUSIVE, -1, &j->fd, err);
        if (r == 0 && faccessat(j->dir_fd, j->token, F_OK, 0) < 0) {
                nxc_closep(&j->fd);
                return 1;
        }
        return r;
}

int nxc_journal_open(struct nxc_host *h, struct nxc_journal **ret, struct nxc_error *err)
{
        struct nxc_journal *j = calloc(1, sizeof(*j));
        int r;

        if (!j)
                return nxc_oom(err);
        j->fd = j->dir_fd = -EBADF;
        r = open_inflight(h, true, &j->dir_fd, err);
        if (r == 0)
                do
                        r = make_file(j, err);
                while (r > 0);
        if (r < 0) {
                journal_free(j);
                return r;
        }
        *ret = j;
        return 0;
}

const char *nxc_journal_token(const struct nxc_journal *j)
{
        return j->token;
}

int nxc_journal_push(struct nxc_journal *j, enum nxc_undo_kind kind, const char *arg, struct nxc_error *err)
{
        _cleanup_free_ char *line = NULL;
        char shown[NXC_SHOWN_MAX];
        int r;

        if (strchr(arg, '\n'))
                return nxc_fail_kind(
                        err, NXC_ERR_USAGE, 0, "a path with a newline cannot be journaled: '%s'", arg);
        line = nxc_strf("%s %s\n", kinds[kind].name, arg);
        if (!line)
                return nxc_oom(err);
        r = nxc_write_all(j->fd, line, strlen(line));
        if (r < 0)
                return nxc_fail(
                        err, -r, "write the undo journal '%s'", nxc_show_at(j->dir_fd, j->token, shown));
        line[strlen(line) - 1] = '\0';
        r = nxc_strv_take(&j->lines, TAKE_PTR(line));
        return r < 0 ? nxc_oom(err) : 0;
}

static int undo_line(struct nxc_host *h, const char *token, const char *line, bool is_owner)
{
        struct nxc_error err = { 0 };
        int r;

        for (size_t k = 0; k < NXC_ARRAY_SIZE(kinds); k++) {
                size_t n = strlen(kinds[k].name);

                if (strncmp(line, kinds[k].name, n) != 0 || line[n] != ' ' ||
                        (is_owner && k == NXC_UNDO_BARRIER))
                        continue;
                nxc_debug("undo: %s", line);
                r = kinds[k].undo(h, token, line + n + 1, &err);
                if (r == -ENOMEM) { /* what lies below it may be needed to do it then */
                        nxc_warn("undo '%s': %s, leaving it to a later command", line, err.message);
                        return UNDO_LATER;
                }
                if (r < 0)
                        nxc_warn("undo '%s': %s, ignoring", line, err.message);
                return r > 0 ? r : 0;
        }
        return 0;
}

/* Backwards; true when the journal has done its work. */
static bool play(struct nxc_host *h, const char *token, const struct nxc_strv *lines, bool is_owner)
{
        for (size_t i = lines->n; i > 0; i--) {
                int r = undo_line(h, token, lines->v[i - 1], is_owner);

                if (r > 0)
                        return r == UNDO_FORGET;
        }
        return true;
}

void nxc_journal_unwind(struct nxc_host *h, struct nxc_journal *j)
{
        if (!j)
                return;
        if (play(h, j->token, &j->lines, true))
                unlinkat(j->dir_fd, j->token, 0);
        journal_free(j);
}

void nxc_journal_release(struct nxc_journal *j)
{
        if (j)
                journal_free(j);
}

void nxc_journal_commit(struct nxc_journal *j)
{
        if (!j)
                return;
        unlinkat(j->dir_fd, j->token, 0);
        journal_free(j);
}

static int split_lines(char *text, struct nxc_strv *ret)
{
        /* A last line without its end was being written when its owner died: what it announces was not done
         * yet. */
        for (char *nl = strchr(text, '\n'); nl; nl = strchr(text, '\n')) {
                *nl = '\0';
                if (nxc_strv_add(ret, text) < 0)
                        return -ENOMEM;
                text = nl + 1;
        }
        return 0;
}

static void recover_one(struct nxc_host *h, int dir_fd, const char *token)
{
        _cleanup_close_ int fd = openat(dir_fd, token, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_strv_ struct nxc_strv lines = { 0 };
        _cleanup_free_ char *text = NULL;

        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return; /* its owner lives, or somebody else is at it */
        if (nxc_read_fd(fd, JOURNAL_MAX_BYTES, &text, NULL, NULL, token) < 0 ||
                split_lines(text, &lines) < 0) {
                nxc_warn("read the undo journal '%s', ignoring", token);
                return;
        }
        if (lines.n)
                nxc_debug("undo what a killed command left (journal %s)", token);
        if (play(h, token, &lines, false))
                unlinkat(dir_fd, token, 0);
}

int nxc_journal_recover(struct nxc_host *h, struct nxc_error *err)
{
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *de;
        int fd, r = open_inflight(h, false, &fd, err);

        if (r < 0 || fd < 0)
                return r;
        dir = fdopendir(fd);
        if (!dir) {
                close(fd);
                return nxc_fail(err, errno, "read '%s/%s'", h->root, INFLIGHT_DIR);
        }
        while ((de = readdir(dir)))
                if (de->d_name[0] != '.')
                        recover_one(h, dirfd(dir), de->d_name);
        return 0;
}
