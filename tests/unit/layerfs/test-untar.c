/* The extractor against every kind of archive that has hurt others: each row is refused with its reason or
 * harmless, and whatever it does, what lies outside of the root stays as it was. */
#include "../core/temp-dir.h"
#include "tar-writer.h"

#include "core/cleanup.h"
#include "layerfs/erofs-internal.h"
#include "layerfs/treehash-internal.h"
#include "layerfs/untar-internal.h"
#include "sys/mount.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define CANARY "untouched"
#define LONG_255                                                                                            \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
        "aaaaaaaaaaaaa"                                                                                     \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
        "aaaaaaaaaaaaa"                                                                                     \
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct memory {
        const struct nxc_buf *data;
        size_t pos;
};

static ssize_t next_of_memory(void *arg, const void **ret, struct nxc_error *err)
{
        struct memory *m = arg;
        size_t n = m->data->len - m->pos;

        n = n < 10000 ? n : 10000; /* headers and data across the blocks' borders */
        *ret = m->data->data + m->pos;
        m->pos += n;
        return (ssize_t)n;
}

/* The same archive as an image: taken or refused with the same words, and the same tree when mounted. */
static void check_image(
        struct temp_dir *t, const struct nxc_buf *tar, int root, int expected, const struct nxc_error *said)
{
        struct memory memory = { tar, 0 };
        struct nxc_tar_source source = { next_of_memory, &memory };
        struct nxc_tar_limits limits = { .entries = 1000, .bytes = 100 << 20 };
        struct nxc_treehash_opts opts = { .overlay_marks = true, .content = nxc_treehash_sha256 };
        struct nxc_tar_result result;
        struct nxc_erofs_image image;
        struct nxc_erofs_writer *w;
        struct nxc_treehash ours, theirs;
        struct nxc_error err = { 0 };
        uint8_t uuid[16] = { 0 };
        _cleanup_close_ int fd = openat(t->fd, "image", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        _cleanup_close_ int mount_fd = -EBADF;
        int r;

        assert_int_equal(nxc_erofs_open(fd, &w, &err), 0);
        r = nxc_erofs_from_tar(w, &source, &limits, uuid, &result, &image, &err);
        nxc_erofs_close(w);
        assert_int_equal(unlinkat(t->fd, "image", 0), 0);
        if (r != expected)
                fail_msg("as an image: %d, %s", r, err.message);
        if (r < 0)
                assert_string_equal(err.message, said->message);
        if (r < 0 || nxc_mount_erofs(fd, NULL, 0, &mount_fd, NULL) < 0) /* no EROFS here, or no rights */
                return;
        assert_int_equal(nxc_treehash(root, &opts, &ours, &err), 0);
        if (nxc_treehash(mount_fd, &opts, &theirs, &err) < 0)
                fail_msg("%s", err.message);
        assert_string_equal(ours.digest.text, theirs.digest.text);
}

/* The temporary directory has: canary, a file; root, where the archive goes. */
static int unpack_buf(
        struct temp_dir *t, const struct nxc_buf *tar, struct nxc_tar_result *ret, struct nxc_error *err)
{
        struct memory memory = { tar, 0 };
        struct nxc_tar_source source = { next_of_memory, &memory };
        struct nxc_tar_limits limits = { .entries = 1000, .bytes = 100 << 20 };
        struct nxc_content_index content = { 0 };
        _cleanup_close_ int root = -EBADF;
        int r;

        nxc_remove_tree_at(t->fd, "root", NULL);
        assert_int_equal(mkdirat(t->fd, "root", 0755), 0);
        put_file(t->fd, "canary", CANARY);
        root = openat(t->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = nxc_untar(root, &source, &limits, &content, ret, err);
        nxc_content_index_done(&content);
        check_image(t, tar, root, r, err);
        return r;
}

static int unpack(struct temp_dir *t, const struct tar_entry *entries, struct nxc_error *err)
{
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        struct nxc_tar_result result;

        tar_all(&tar, entries);
        return unpack_buf(t, &tar, &result, err);
}

static void assert_canary(struct temp_dir *t)
{
        _cleanup_free_ char *text = NULL;
        struct stat st;

        assert_int_equal(nxc_read_file_at(t->fd, "canary", 100, &text, NULL, NULL), 0);
        assert_string_equal(text, CANARY);
        assert_int_equal(fstatat(t->fd, "canary", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0600);
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(count_entries(t->fd), 2);
}

static bool skip_unless_root(void)
{
        if (geteuid() == 0)
                return false;
        print_message("# skipped: owners and devices need root\n");
        skip();
        return true;
}

struct row {
        const char *what;
        const char *message; /* what the refusal says; NULL: it is taken */
        struct tar_entry entries[6];
};

static const struct row rows[] = {
        /* out by name */
        { "dot-dot", "has a '..'", { { '0', "../canary", "x" } } },
        { "dot-dot in the middle", "has a '..'", { { '0', "a/../../canary", "x" } } },
        { "dot-dot at the end", "has a '..'", { { '5', "a/.." } } },
        { "dot-dot in PAX", "has a '..'", { { '0', "a", "x", .pax = { "path=../canary" } } } },
        { "absolute", NULL, { { '0', "/canary", "x" } } },
        { "many slashes", NULL, { { '0', "//..a//b", "x" } } },
        { "no name", "the name is empty", { { '0', "" } } },
        /* out by links */
        { "file through a link out", "'out' is a symlink to no",
                { { '2', "out", "../canary" }, { '0', "out/x", "x" } } },
        { "file over a link out", NULL, { { '2', "f", "../canary" }, { '0', "f", "x" } } },
        { "link to the directory above", NULL, { { '2', "up", ".." }, { '0', "up/canary", "x" } } },
        { "absolute link", "'up' is a symlink to nothing", { { '2', "up", "/tmp" }, { '0', "up/x", "x" } } },
        { "chain of links", NULL,
                { { '2', "a", "b" }, { '2', "b", "../.." }, { '0', "a/canary", "x" },
                        { '0', "b/canary", "y" } } },
        { "link in a loop", "'a' is a symlink to itself",
                { { '2', "a", "b" }, { '2', "b", "a" }, { '0', "a/x" } } },
        { "magic link", "'p' is a symlink to nothing",
                { { '2', "p", "/proc/self/root" }, { '0', "p/tmp/x" } } },
        { "dangling link", "'l' is a symlink to nothing", { { '2', "l", "gone" }, { '0', "l/x" } } },
        { "directory over a link out", NULL,
                { { '2', "d", "../.." }, { '5', "d", .mode = 0700 }, { '0', "d/x" } } },
        { "empty link", "a symlink to an empty name", { { '2', "l", "" } } },
        /* out by hard links */
        { "hard link out", "has a '..'", { { '1', "h", "../canary" } } },
        { "absolute hard link", "not in this layer", { { '1', "h", "/etc/passwd" } } },
        { "hard link through a link", "not in this layer",
                { { '2', "l", "../" }, { '1', "h", "l/canary" } } },
        { "hard link to a link out, then over it", NULL,
                { { '2', "l", "../canary" }, { '1', "h", "l" }, { '0', "h", "x" } } },
        { "hard link to nothing", "not in this layer", { { '1', "h", "gone" } } },
        { "hard link to a directory", "a directory", { { '5', "d" }, { '1', "h", "d" } } },
        { "hard link to the root", "not in this layer", { { '1', "h", "/" } } },
        { "hard link over its target's directory", "which it replaces",
                { { '5', "d" }, { '0', "d/f" }, { '1', "d", "d/f" } } },
        { "hard link to itself", NULL, { { '0', "f", "x" }, { '1', "f", "f" } } },
        { "hard link to a removed file", "not in this layer", { { '0', ".wh.f" }, { '1', "h", "f" } } },
        /* the root */
        { "link for a root", "the root can only be a directory", { { '2', ".", "/" } } },
        { "link for a root, absolute", "the root can only be a directory", { { '2', "/", "/etc" } } },
        { "file for a root", "the root can only be a directory", { { '0', ".", "x" } } },
        { "hard link for a root", "the root can only be a directory", { { '1', ".", "a" } } },
        /* whiteouts */
        { "bare whiteout", "a whiteout of nothing", { { '0', ".wh." } } },
        { "bare whiteout below", "a whiteout of nothing", { { '0', "d/.wh." } } },
        { "whiteout of dot", "a whiteout of nothing", { { '0', "d/.wh.." } } },
        { "whiteout of dot-dot", "a whiteout of nothing", { { '0', "d/.wh..." } } },
        { "whiteout as a directory", "a whiteout has to be a file", { { '5', ".wh.x" } } },
        { "whiteout as a link", "a whiteout has to be a file", { { '2', ".wh.x", "/etc" } } },
        { "opaque as a directory", "a whiteout has to be a file", { { '5', "d/.wh..wh..opq" } } },
        { "opaque as a link", "a whiteout has to be a file", { { '2', "d/.wh..wh..opq", "x" } } },
        { "in a whiteout", "lies in a whiteout", { { '0', ".wh.x/f" } } },
        { "aufs' own", NULL,
                { { '5', ".wh..wh.plnk" }, { '0', ".wh..wh.plnk/1.2" }, { '0', "d/.wh..wh.aufs" } } },
        /* limits */
        { "component of 256", "a component of more than 255",
                { { '0', "x", .pax = { "path=a" LONG_255 } } } },
        { "component of 255", NULL, { { '0', "x", .pax = { "path=" LONG_255 } } } },
        { "owner beyond", "is no user", { { '0', "f", .pax = { "uid=4294967295" } } } },
        { "negative owner", "is no user", { { '0', "f", .pax = { "gid=-2" } } } },
        { "size beyond", "files are larger than", { { '0', "f", .size = 101 << 20 } } },
        { "below a file", "'f' is not a directory", { { '0', "f" }, { '0', "f/x" } } },
        { "below a device", "'c' is not a directory",
                { { '3', "c", .major = 1, .minor = 3 }, { '0', "c/x" } } },
        { "directory over a file and back", NULL,
                { { '0', "f", "1" }, { '5', "f" }, { '0', "f/x" }, { '0', "f", "2" }, { '5', "f" } } },
};

static void test_corpus(void **state)
{
        struct temp_dir *t = *state;

        if (skip_unless_root())
                return;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(rows); i++) {
                const struct row *row = &rows[i];
                struct nxc_error err = { 0 };
                int r = unpack(t, row->entries, &err);

                if (!row->message && r != 0)
                        fail_msg("%s: refused: %s", row->what, err.message);
                if (row->message && (r == 0 || !strstr(err.message, row->message)))
                        fail_msg("%s: '%s', not '%s'", row->what, r == 0 ? "taken" : err.message,
                                row->message);
                if (row->message && err.kind != NXC_ERR_INVALID_IMAGE)
                        fail_msg("%s: %s", row->what, nxc_error_kind_name(err.kind));
                assert_canary(t);
        }
}

static struct stat look(struct temp_dir *t, const char *path)
{
        struct stat st;

        if (fstatat(t->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                fail_msg("no '%s'", path);
        return st;
}

static bool is_opaque(struct temp_dir *t, const char *path)
{
        char full[512], y = 0;

        snprintf(full, sizeof(full), "%s/%s", t->path, path);
        return lgetxattr(full, "trusted.overlay.opaque", &y, 1) == 1 && y == 'y';
}

static void test_kinds(void **state)
{
        static const struct tar_entry entries[] = {
                { '5', "./", .mode = 0711, .uid = 3, .gid = 4 },
                { '5', "d", .mode = 02775, .gid = 50 },
                { '0', "d/f", "text", .mode = 04755, .uid = 7 },
                { '0', "d/big-id", .pax = { "uid=70000", "gid=4294967294", "mtime=1600000000.123456789" } },
                { '1', "h", "d/f" },
                { '2', "l", "d/f", .uid = 9 },
                { '3', "null", .mode = 0666, .major = 1, .minor = 3 },
                { '4', "loop", .major = 7, .minor = 300 },
                { '6', "fifo", .mode = 0600 },
                { '0', "new/implicit/f" },
                { '0', "later/f" },
                { '5', "later", .mode = 01777 },
                { '0', "latin-\xff", .pax = { "path=k\xc3\xb6rper-\xc3\xa9/e\xcc\x81-\xff" } },
                { '5', "d", .mode = 02770, .gid = 50 },
                { 0 },
        };
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        struct stat st, link;

        if (skip_unless_root())
                return;
        if (unpack(t, entries, &err) < 0)
                fail_msg("%s", err.message);
        st = look(t, "root");
        assert_int_equal(st.st_mode, S_IFDIR | 0711);
        assert_int_equal(st.st_uid, 3);
        assert_int_equal(st.st_mtime, 1500000000);
        st = look(t, "root/d");
        assert_int_equal(st.st_mode, S_IFDIR | 02770);
        assert_int_equal(st.st_gid, 50);
        assert_int_equal(st.st_mtime, 1500000000);
        st = look(t, "root/d/f");
        assert_int_equal(st.st_mode, S_IFREG | 04755);
        assert_int_equal(st.st_uid, 7);
        assert_int_equal(st.st_gid, 0); /* not the directory's, though that is set-group-ID */
        assert_int_equal(st.st_size, 4);
        link = look(t, "root/h");
        assert_int_equal(link.st_ino, st.st_ino);
        st = look(t, "root/d/big-id");
        assert_int_equal(st.st_uid, 70000);
        assert_int_equal(st.st_gid, 4294967294u);
        assert_int_equal(st.st_mtim.tv_sec, 1600000000);
        assert_int_equal(st.st_mtim.tv_nsec, 123456789);
        st = look(t, "root/l");
        assert_true(S_ISLNK(st.st_mode));
        assert_int_equal(st.st_uid, 9);
        st = look(t, "root/null");
        assert_int_equal(st.st_mode, S_IFCHR | 0666);
        assert_int_equal(st.st_rdev, makedev(1, 3));
        assert_int_equal(look(t, "root/loop").st_rdev, makedev(7, 300));
        assert_int_equal(look(t, "root/fifo").st_mode, S_IFIFO | 0600);
        st = look(t, "root/new/implicit");
        assert_int_equal(st.st_mode, S_IFDIR | 0755);
        assert_int_equal(st.st_uid, 0);
        st = look(t, "root/later");
        assert_int_equal(st.st_mode, S_IFDIR | 01777);
        assert_int_equal(st.st_mtime, 1500000000);
        /* byte for byte, whatever they are */
        look(t, "root/k\xc3\xb6rper-\xc3\xa9/e\xcc\x81-\xff");
}

static void test_whiteouts(void **state)
{
        static const struct tar_entry entries[] = {
                { '0', ".wh.gone" },
                { '0', "d/.wh.gone" },
                { '0', "implicit/.wh..wh..opq" },
                { '5', "implicit", .mode = 0700 }, /* keeps the mark */
                { '0', ".wh.back" },
                { '5', "back" }, /* takes the whiteout's place */
                { '0', "back/f" },
                { '5', "mine" },
                { '0', "mine/f" },
                { '0', ".wh.mine" }, /* of what is below only */
                { '0', "file" },
                { '0', ".wh.file" },
                { '0', ".wh.tree" },
                { '0', "tree/.wh.sub" }, /* said twice */
                { '0', ".wh.parent" },
                { '0', "parent/f" },
                { 0 },
        };
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        struct nxc_tar_result result;
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        struct stat st;

        if (skip_unless_root())
                return;
        tar_all(&tar, entries);
        if (unpack_buf(t, &tar, &result, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(result.whiteouts);
        assert_false(result.explicit_root);
        st = look(t, "root/gone");
        assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
        assert_true(S_ISCHR(look(t, "root/d/gone").st_mode));
        assert_true(is_opaque(t, "root/implicit"));
        assert_int_equal(look(t, "root/implicit").st_mode, S_IFDIR | 0700);
        assert_false(exists_at(t->fd, "root/implicit/.wh..wh..opq"));
        assert_true(is_opaque(t, "root/back"));
        look(t, "root/back/f");
        assert_true(is_opaque(t, "root/mine"));
        look(t, "root/mine/f");
        assert_true(S_ISREG(look(t, "root/file").st_mode));
        assert_true(S_ISCHR(look(t, "root/tree").st_mode));
        assert_true(is_opaque(t, "root/parent"));
        look(t, "root/parent/f");
        assert_false(is_opaque(t, "root/d"));
}

/* A link in the layer itself is followed, and never out of the root. */
static void test_parent_links(void **state)
{
        static const struct tar_entry entries[] = {
                { '2', "bin", "usr/bin" },
                { '5', "usr/bin" },
                { '0', "bin/sh", "sh" },
                { '2', "abs", "/usr" },
                { '0', "abs/bin/env", "env" },
                { '2', "up", "../../../usr" },
                { '0', "up/top", "top" },
                { '1', "hard", "bin/sh" },
                { 0 },
        };
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };

        if (skip_unless_root())
                return;
        if (unpack(t, entries, &err) < 0)
                fail_msg("%s", err.message);
        look(t, "root/usr/bin/sh");
        look(t, "root/usr/bin/env");
        look(t, "root/usr/top");
        assert_int_equal(look(t, "root/hard").st_ino, look(t, "root/usr/bin/sh").st_ino);
        assert_canary(t);
}

static void test_xattrs(void **state)
{
        static const struct tar_entry entries[] = {
                { '5', "d",
                        .pax = { "SCHILY.xattr.trusted.overlay.redirect=/etc",
                                "SCHILY.xattr.user.kept=1" } },
                { '0', "d/f",
                        .pax = { "SCHILY.xattr.user.overlay.opaque=y", "SCHILY.xattr.user.kept=2",
                                "SCHILY.xattr.security.selinux=x" } },
                { '0', "cap",
                        .pax = { "LIBARCHIVE.xattr.security.capability=AQAAAgAgAAAAAAAAAAAAAAAAAAA" } },
                { '0', "trusted", .pax = { "SCHILY.xattr.trusted.x=1" } },
                { 0 },
        };
        struct temp_dir *t = *state;
        char path[512], value[64];
        struct nxc_error err = { 0 };

        if (skip_unless_root())
                return;
        if (unpack(t, entries, &err) < 0)
                fail_msg("%s", err.message);
        snprintf(path, sizeof(path), "%s/root/d", t->path);
        assert_int_equal(listxattr(path, value, sizeof(value)), sizeof("user.kept"));
        assert_string_equal(value, "user.kept");
        snprintf(path, sizeof(path), "%s/root/d/f", t->path);
        assert_int_equal(listxattr(path, value, sizeof(value)), sizeof("user.kept"));
        assert_int_equal(getxattr(path, "user.kept", value, sizeof(value)), 1);
        assert_int_equal(value[0], '2');
        snprintf(path, sizeof(path), "%s/root/cap", t->path);
        assert_int_equal(getxattr(path, "security.capability", value, sizeof(value)), 20);
        snprintf(path, sizeof(path), "%s/root/trusted", t->path);
        assert_int_equal(listxattr(path, value, sizeof(value)), 0);
}

static void test_limits(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        struct nxc_tar_result result;
        _cleanup_buf_ struct nxc_buf tar = { 0 }, deep = { 0 }, long_link = { 0 }, step = { 0 };
        struct tar_entry e = { '0', "f" };

        if (skip_unless_root())
                return;
        for (int i = 0; i <= 1000; i++)
                tar_add(&tar, &e);
        tar_end(&tar);
        assert_int_equal(unpack_buf(t, &tar, &result, &err), -E2BIG);
        assert_non_null(strstr(err.message, "more than 1000 entries"));
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);

        nxc_error_reset(&err);
        tar.len = 0;
        (void)!nxc_buf_puts(&deep, "path=d");
        for (int i = 0; i < NXC_TAR_MAX_DEPTH; i++)
                (void)!nxc_buf_puts(&deep, "/d");
        e.pax[0] = deep.data;
        tar_add(&tar, &e);
        assert_int_equal(unpack_buf(t, &tar, &result, &err), -EINVAL);
        assert_non_null(strstr(err.message, "directories deep"));

        /* Deep by links: each step enters what the last one made. */
        nxc_error_reset(&err);
        tar.len = 0;
        for (int i = 0; i < 200; i++)
                (void)!nxc_buf_puts(&step, "/d");
        for (int i = 0; i < 4; i++) {
                _cleanup_free_ char *path = nxc_strf("path=s%d%s", i, step.data),
                                    *name = nxc_strf("s%d", i + 1);
                _cleanup_free_ char *target = nxc_strf("linkpath=s%d%s", i, step.data);

                tar_add(&tar, &(struct tar_entry){ '5', "x", .pax = { path } });
                tar_add(&tar, &(struct tar_entry){ '2', name, "s", .pax = { target } });
        }
        tar_end(&tar);
        assert_int_not_equal(unpack_buf(t, &tar, &result, &err), 0);
        if (!strstr(err.message, "too deep"))
                fail_msg("%s", err.message);

        nxc_error_reset(&err);
        tar.len = 0;
        (void)!nxc_buf_puts(&long_link, "linkpath=");
        for (int i = 0; i < 5000; i++)
                (void)!nxc_buf_puts(&long_link, "l");
        tar_add(&tar, &(struct tar_entry){ '2', "l", "l", .pax = { long_link.data } });
        assert_int_equal(unpack_buf(t, &tar, &result, &err), -EINVAL);
        if (!strstr(err.message, "a symlink to a name of more"))
                fail_msg("%s", err.message);
        assert_canary(t);
}

static void test_damaged(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        struct nxc_tar_result result;
        _cleanup_buf_ struct nxc_buf tar = { 0 };

        if (skip_unless_root())
                return;
        assert_true(unpack_buf(t, &tar, &result, &err) < 0); /* nothing at all */
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);

        nxc_error_reset(&err);
        tar_end(&tar); /* an empty archive is one */
        assert_int_equal(unpack_buf(t, &tar, &result, &err), 0);
        assert_int_equal(result.entries, 0);

        tar.len = 0;
        tar_add(&tar, &(struct tar_entry){ '0', "f", .size = 5000 });
        tar.len -= 1000;
        assert_true(unpack_buf(t, &tar, &result, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);

        nxc_error_reset(&err);
        tar.len = 0;
        tar_add(&tar, &(struct tar_entry){ '0', "f" });
        tar_add(&tar, &(struct tar_entry){ '0', "g" });
        tar.data[512 + 3] ^= 1; /* the checksum no longer fits */
        assert_true(unpack_buf(t, &tar, &result, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        assert_canary(t);
}

/* umoci's `insert` leaves out the last padding and the end mark; Go's readers take that, so we do. */
static void test_missing_padding(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        struct nxc_tar_result result;
        _cleanup_buf_ struct nxc_buf tar = { 0 };

        if (skip_unless_root())
                return;
        tar_add(&tar, &(struct tar_entry){ '0', "f", .size = 30 });
        tar.len -= 512 - 30;
        assert_int_equal(unpack_buf(t, &tar, &result, &err), 0);
        assert_int_equal(look(t, "root/f").st_size, 30);
}

static void test_missing_data(void **state)
{
        struct temp_dir *t = *state;
        struct nxc_error err = { 0 };
        struct nxc_tar_result result;
        _cleanup_buf_ struct nxc_buf tar = { 0 };

        if (skip_unless_root())
                return;
        tar_add(&tar, &(struct tar_entry){ '0', "f", .size = 30 });
        tar.len -= 512 - 29;
        assert_true(unpack_buf(t, &tar, &result, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        assert_non_null(strstr(err.message, "the archive ends within it"));
}

/* Headers that want gigabytes of memory are refused by libarchive, at 1 MiB; and a name ends at a NUL. */
static void test_large_headers(void **state)
{
        static const char with_nul[] = "24 path=inside\0/../canary\n";
        static const char *const keys[] = { "path=", "linkpath=", "comment=", "SCHILY.xattr.user.x=" };
        struct temp_dir *t = *state;
        struct nxc_tar_result result;
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        struct nxc_error err = { 0 };

        if (skip_unless_root())
                return;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(keys); i++) {
                _cleanup_buf_ struct nxc_buf record = { 0 };

                (void)!nxc_buf_puts(&record, keys[i]);
                for (int k = 0; k < 2 << 20; k += 16)
                        (void)!nxc_buf_puts(&record, "0123456789abcdef");
                tar.len = 0;
                nxc_error_reset(&err);
                tar_add(&tar, &(struct tar_entry){ '0', "f", .pax = { record.data } });
                tar_end(&tar);
                assert_true(unpack_buf(t, &tar, &result, &err) < 0);
                assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        }
        tar.len = 0;
        nxc_error_reset(&err);
        tar_header(&tar, &(struct tar_entry){ 'x' }, 'x', "pax", sizeof(with_nul) - 1);
        tar_data(&tar, with_nul, sizeof(with_nul) - 1);
        tar_add(&tar, &(struct tar_entry){ '0', "f", "x" });
        tar_end(&tar);
        (void)!unpack_buf(t, &tar, &result, &err);
        assert_canary(t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_temp_dir(test_missing_padding),
                with_temp_dir(test_missing_data),
                with_temp_dir(test_corpus),
                with_temp_dir(test_kinds),
                with_temp_dir(test_whiteouts),
                with_temp_dir(test_parent_links),
                with_temp_dir(test_xattrs),
                with_temp_dir(test_limits),
                with_temp_dir(test_damaged),
                with_temp_dir(test_large_headers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
