/* See catalog.h.
 *
 * Theory of operation. "entry" has the entries of index.json in their order, "image" what each leads to:
 * manifests never change, so a row stays right as long as an entry names it. "state" has the stamp of the
 * index.json that was read: index.json is replaced by rename, so another one has another inode or time. The
 * stamp is taken before index.json is read: what changes in between is seen the next time. One transaction
 * replaces one state by the next; nothing is synced, for a damaged file is found out and made again. */
#include "image/catalog.h"

#include "core/cleanup.h"
#include "core/log.h"
#include "core/str.h"
#include "image/store-internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION 1
#define BUSY_MS 2000
#define STAMP_MAX 96
#define PATH_SIZE 64

static const char schema[] =
        "CREATE TABLE state(stamp TEXT NOT NULL);"
        "CREATE TABLE entry(pos INTEGER PRIMARY KEY, image INTEGER NOT NULL, name TEXT, index_digest TEXT);"
        "CREATE TABLE image(number INTEGER PRIMARY KEY, entry TEXT UNIQUE NOT NULL, digest TEXT NOT NULL,"
        " id TEXT NOT NULL, created TEXT, platform TEXT NOT NULL, size INTEGER NOT NULL, layers TEXT NOT "
        "NULL);"
        "PRAGMA user_version = 1;";

struct catalog {
        sqlite3 *db;
        struct nxc_image_store *store;
        char path[PATH_SIZE];
        char stamp[STAMP_MAX]; /* of index.json now */
};

/* --- SQLite --- */

static int execute(struct catalog *c, const char *sql)
{
        return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

static sqlite3_stmt *prepare(struct catalog *c, const char *sql)
{
        sqlite3_stmt *st = NULL;

        sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);
        return st;
}

static void finalizep(sqlite3_stmt **st)
{
        sqlite3_finalize(*st);
}
#define _cleanup_stmt_ _cleanup_(finalizep)

/* For an insert: runs it, and makes it ready for the next. */
static int step_once(sqlite3_stmt *st)
{
        int code = sqlite3_step(st);

        sqlite3_reset(st);
        return code == SQLITE_DONE ? 0 : -EIO;
}

static const char *text(sqlite3_stmt *st, int column)
{
        return (const char *)sqlite3_column_text(st, column);
}

static int read_version(struct catalog *c)
{
        _cleanup_stmt_ sqlite3_stmt *st = prepare(c, "PRAGMA user_version");

        return st && sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int(st, 0) : -1;
}

/* Another process may be about the same. */
static int make_tables(struct catalog *c)
{
        int r = execute(c, "BEGIN IMMEDIATE");

        if (r == 0 && read_version(c) == 0)
                r = execute(c, schema);
        return r < 0 ? r : execute(c, "COMMIT");
}

static int open_once(struct catalog *c)
{
        int version;

        if (sqlite3_open_v2(c->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
                return -EIO;
        sqlite3_busy_timeout(c->db, BUSY_MS);
        if (execute(c, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;") < 0)
                return -EIO;
        version = read_version(c);
        if (version == 0)
                return make_tables(c);
        return version == VERSION ? 0 : -EIO;
}

static void close_catalog(struct catalog *c)
{
        sqlite3_close(c->db);
        c->db = NULL;
}

static void name_catalog(struct catalog *c, int store_fd)
{
        snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d/meta.db", store_fd);
}

void nxc_catalog_drop(int store_fd)
{
        static const char *const files[] = { "meta.db", "meta.db-wal", "meta.db-shm" };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(files); i++)
                unlinkat(store_fd, files[i], 0);
}

int nxc_catalog_check(int store_fd)
{
        struct catalog c = { 0 };
        sqlite3_stmt *st = NULL;
        bool right = false;

        if (faccessat(store_fd, "meta.db", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        name_catalog(&c, store_fd);
        if (sqlite3_open_v2(c.path, &c.db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
                sqlite3_busy_timeout(c.db, BUSY_MS);
                st = prepare(&c, "PRAGMA integrity_check(1)");
                right = st && sqlite3_step(st) == SQLITE_ROW && nxc_streq(text(st, 0), "ok");
        }
        sqlite3_finalize(st);
        close_catalog(&c);
        return right ? 0 : -EINVAL;
}

/* A file that is of no use is replaced. */
static int open_catalog(int store_fd, struct catalog *c)
{
        name_catalog(c, store_fd);
        if (open_once(c) == 0)
                return 0;
        nxc_debug("meta.db: %s; making it anew", sqlite3_errmsg(c->db));
        close_catalog(c);
        nxc_catalog_drop(store_fd);
        return open_once(c);
}

/* --- what index.json says --- */

static int read_stamp(struct nxc_image_store *s, char ret[static STAMP_MAX])
{
        struct stat st;

        if (fstatat(s->dir_fd, "index.json", &st, 0) < 0)
                return -errno;
        snprintf(ret, STAMP_MAX, "%" PRIu64 " %" PRId64 " %" PRId64 ".%09ld", (uint64_t)st.st_ino,
                (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        return 0;
}

static bool is_current(struct catalog *c)
{
        _cleanup_stmt_ sqlite3_stmt *st = prepare(c, "SELECT stamp FROM state");

        return st && sqlite3_step(st) == SQLITE_ROW && nxc_streq(text(st, 0), c->stamp);
}

static int insert_image(sqlite3_stmt *st, const char *entry, const struct nxc_image *image)
{
        _cleanup_buf_ struct nxc_buf layers = { 0 };
        char platform[NXC_PLATFORM_TEXT_MAX];
        int r = nxc_buf_puts(&layers, "");

        for (size_t i = 0; r == 0 && i < image->config.n_diff_ids; i++)
                r = nxc_buf_printf(&layers, "%s%s", i ? " " : "", image->config.diff_ids[i].text);
        if (r < 0)
                return r;
        nxc_platform_text(&image->config.platform, platform);
        sqlite3_bind_text(st, 1, entry, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 2, image->digest.text, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 3, image->id.text, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 4, image->config.created, -1, SQLITE_STATIC);
        sqlite3_bind_text(st, 5, platform, -1, SQLITE_STATIC);
        sqlite3_bind_int64(st, 6, (sqlite3_int64)image->size_bytes);
        sqlite3_bind_text(st, 7, layers.data ? layers.data : "", -1, SQLITE_STATIC);
        return step_once(st);
}

/* 0: there is none. */
static sqlite3_int64 find_row(sqlite3_stmt *st, const char *entry)
{
        sqlite3_int64 number = 0;

        sqlite3_bind_text(st, 1, entry, -1, SQLITE_STATIC);
        if (sqlite3_step(st) == SQLITE_ROW)
                number = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
        return number;
}

static int add_entry(struct catalog *c, const struct nxc_layout_entry *e, sqlite3_stmt *find,
        sqlite3_stmt *entry, sqlite3_stmt *image)
{
        struct nxc_image *im = NULL;
        struct nxc_error why = { 0 };
        sqlite3_int64 number = find_row(find, e->digest);
        int r = 0;

        if (!number) {
                if (nxc_image_load(c->store, e, &im, &why) < 0) {
                        nxc_warn("%s, ignoring", why.message);
                        return why.kind == NXC_ERR_OUT_OF_MEMORY ? -ENOMEM : 0;
                }
                r = insert_image(image, e->digest, im);
                nxc_image_free(im);
                number = sqlite3_last_insert_rowid(c->db);
        }
        sqlite3_bind_int64(entry, 1, number);
        sqlite3_bind_text(entry, 2, e->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(entry, 3, e->index_digest, -1, SQLITE_STATIC);
        return r < 0 ? r : step_once(entry);
}

static int replace_entries(struct catalog *c, const struct nxc_layout *l)
{
        _cleanup_stmt_ sqlite3_stmt *find = prepare(c, "SELECT number FROM image WHERE entry = ?"),
                                    *entry = prepare(c,
                                            "INSERT INTO entry(image, name, index_digest) VALUES(?, ?, ?)"),
                                    *image = prepare(
                                            c, "INSERT INTO image VALUES(NULL, ?, ?, ?, ?, ?, ?, ?)"),
                                    *stamp = prepare(c, "INSERT INTO state VALUES(?)");
        int r = find && entry && image && stamp ? 0 : -EIO;

        if (r == 0)
                r = execute(c, "DELETE FROM entry; DELETE FROM state;");
        for (size_t i = 0; r == 0 && i < l->n; i++)
                r = add_entry(c, &l->entries[i], find, entry, image);
        if (r == 0)
                r = execute(c, "DELETE FROM image WHERE number NOT IN (SELECT image FROM entry)");
        if (r < 0)
                return r;
        sqlite3_bind_text(stamp, 1, c->stamp, -1, SQLITE_STATIC);
        return step_once(stamp);
}

static int refresh(struct catalog *c, struct nxc_error *err)
{
        struct nxc_layout l = { 0 };
        int r = nxc_layout_load(c->store, &l, err);

        if (r < 0)
                return r;
        r = execute(c, "BEGIN IMMEDIATE");
        if (r == 0)
                r = replace_entries(c, &l);
        if (r == 0)
                r = execute(c, "COMMIT");
        if (r < 0)
                execute(c, "ROLLBACK");
        nxc_layout_done(&l);
        return r;
}

/* --- the answer --- */

static int split_layers(struct nxc_image_summary *im, const char *layers)
{
        size_t n = 0;

        for (const char *p = layers; *p; p += strcspn(p, " "), p += strspn(p, " "))
                n++;
        im->diff_ids = calloc(n + 1, sizeof(*im->diff_ids));
        if (!im->diff_ids)
                return -ENOMEM;
        for (const char *p = layers; *p; p += strspn(p, " ")) {
                size_t len = strcspn(p, " ");
                struct nxc_digest *d = &im->diff_ids[im->n_diff_ids++];

                if (len >= sizeof(d->text))
                        return -EIO;
                memcpy(d->text, p, len);
                p += len;
        }
        return 0;
}

static int read_row(sqlite3_stmt *st, struct nxc_image_summary *im)
{
        const char *name = text(st, 0), *index = text(st, 2), *created = text(st, 4), *layers = text(st, 7);

        if (!text(st, 5) || !layers || nxc_digest_parse(text(st, 1), &im->digest, NULL) < 0 ||
                nxc_digest_parse(text(st, 3), &im->id, NULL) < 0 ||
                (index && nxc_digest_parse(index, &im->index_digest, NULL) < 0))
                return -EIO;
        snprintf(im->platform, sizeof(im->platform), "%s", text(st, 5));
        im->size_bytes = (uint64_t)sqlite3_column_int64(st, 6);
        if ((name && !(im->name = strdup(name))) || (created && !(im->created = strdup(created))))
                return -ENOMEM;
        return split_layers(im, layers);
}

static int read_rows(struct catalog *c, struct nxc_image_summary **ret, size_t *ret_n)
{
        _cleanup_stmt_ sqlite3_stmt *st = prepare(c,
                "SELECT e.name, i.digest, e.index_digest, i.id, i.created, i.platform, i.size, i.layers"
                " FROM entry e JOIN image i ON i.number = e.image ORDER BY e.pos");
        struct nxc_image_summary *v = NULL;
        size_t n = 0, cap = 0;
        int r = st ? 0 : -EIO, code = SQLITE_DONE;

        while (r == 0 && (code = sqlite3_step(st)) == SQLITE_ROW) {
                r = nxc_grow(&v, n, &cap, sizeof(*v));
                if (r < 0)
                        break;
                v[n] = (struct nxc_image_summary){ 0 };
                r = read_row(st, &v[n++]);
        }
        if (r == 0 && code != SQLITE_DONE)
                r = -EIO;
        if (r < 0) {
                nxc_image_summaries_free(v, n);
                return r;
        }
        *ret = v;
        *ret_n = n;
        return 0;
}

static int try_list(int store_fd, struct catalog *c, struct nxc_image_summary **ret, size_t *ret_n,
        struct nxc_error *err)
{
        int r = open_catalog(store_fd, c);

        if (r == 0 && !is_current(c))
                r = refresh(c, err);
        if (r == 0)
                r = read_rows(c, ret, ret_n);
        if (r < 0)
                nxc_debug("meta.db: %s", c->db ? sqlite3_errmsg(c->db) : "not to be had");
        return r;
}

int nxc_catalog_list(int store_fd, struct nxc_image_store *s, struct nxc_image_summary **ret, size_t *ret_n,
        struct nxc_error *err)
{
        int r = -EIO;

        for (int i = 0; r == -EIO && i < 2 && !(err && nxc_error_is_set(err)); i++) {
                struct catalog c = { .store = s };

                r = read_stamp(s, c.stamp);
                if (r < 0)
                        return -EIO;
                r = try_list(store_fd, &c, ret, ret_n, err);
                if (r == -EIO && i == 0)
                        nxc_catalog_drop(store_fd); /* damaged in the middle, perhaps */
                close_catalog(&c);
        }
        return r == -ENOMEM ? nxc_oom(err) : r;
}
