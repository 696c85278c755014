/* Layers from blob to composed root: naming, locks, sweeping, verification, overlays in all the ways there
 * are. */
#include "../core/temp-dir.h"
#include "tar-writer.h"

#include "core/cleanup.h"
#include "layerfs/erofs-internal.h"
#include "layerfs/intake.h"
#include "layerfs/layerfs-internal.h"
#include "layerfs/treehash-internal.h"
#include "sys/mount.h"

#include <sys/wait.h>
#include <sys/xattr.h>

#if defined(__has_feature) /* clang's way to say what gcc says with __SANITIZE_THREAD__ */
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

/* Passing layers by descriptor, by lowerdir+, and by mount(2) in a child that shares our memory, which
 * ThreadSanitizer cannot follow. */
static const char *const ways[][2] = {
        { "1", "1" },
        { "0", "1" },
#if !defined(__SANITIZE_THREAD__)
        { "0", "0" },
#endif
};

struct store {
        struct temp_dir *t;
        struct nxc_layerfs *lfs;
};

static int open_store(void **state, enum nxc_layer_format format)
{
        struct store *s = calloc(1, sizeof(*s));
        void *made = NULL;

        make_temp_dir(&made);
        s->t = made;
        assert_int_equal(nxc_layerfs_open(s->t->fd, true, &s->lfs, NULL), 0);
        nxc_layerfs_set_format(s->lfs, format);
        *state = s;
        return 0;
}

static int open_directory_store(void **state)
{
        return open_store(state, NXC_LAYER_DIR);
}

/* Images, where the kernel has EROFS. */
static int open_image_store(void **state)
{
        return open_store(state, NXC_LAYER_AUTO);
}

static int close_store(void **state)
{
        struct store *s = *state;
        void *made = s->t;

        nxc_layerfs_close(s->lfs);
        remove_temp_dir(&made);
        free(s);
        return 0;
}

static bool skip_unless_root(void)
{
        if (geteuid() == 0)
                return false;
        print_message("# skipped: owners, devices and mounts need root\n");
        skip();
        return true;
}

static int blob_of(struct store *s, const struct tar_entry *entries, struct nxc_digest *diff_id)
{
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        int fd = openat(s->t->fd, "blob", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        tar_all(&tar, entries);
        assert_int_equal(nxc_write_all(fd, tar.data, tar.len), 0);
        assert_int_equal(nxc_hash_buffer("sha256", tar.data, tar.len, diff_id, NULL), 0);
        return fd;
}

static void add_layer(struct store *s, const struct tar_entry *entries, struct nxc_digest *diff_id)
{
        _cleanup_close_ int fd = blob_of(s, entries, diff_id);
        struct nxc_staged_layer *staged;
        struct nxc_error err = { 0 };

        if (nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, diff_id, NULL, &staged, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(nxc_staged_layer_commit(staged, &err), 0);
}

static const struct tar_entry base[] = {
        { '5', "./", .mode = 0555 },
        { '5', "etc" },
        { '0', "etc/passwd", "root" },
        { '0', "etc/gone", "gone" },
        { '5', "opq" },
        { '0', "opq/old", "old" },
        { 0 },
};
static const struct tar_entry top[] = {
        { '5', "etc" },
        { '0', "etc/.wh.gone" },
        { '0', "opq/.wh..wh..opq" },
        { '0', "opq/new", "new" },
        { '0', "run", "run" },
        { 0 },
};

static size_t count_staged(struct store *s)
{
        DIR *dir = fdopendir(openat(s->lfs->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct dirent *de;
        size_t n = 0;

        while ((de = readdir(dir)))
                n += nxc_starts_with(de->d_name, ".staging-");
        closedir(dir);
        return n;
}

static int count_one(void *arg, const struct nxc_digest *diff_id)
{
        ++*(int *)arg;
        return 0;
}

static void test_life_of_a_layer(void **state)
{
        struct store *s = *state;
        struct nxc_layer_chain *chain;
        struct nxc_digest id;
        struct nxc_error err = { 0 };
        uint64_t size = 0;
        int n = 0;

        if (skip_unless_root())
                return;
        add_layer(s, base, &id);
        assert_true(nxc_layerfs_has(s->lfs, &id));
        assert_int_equal(count_staged(s), 0);
        assert_int_equal(nxc_layerfs_size(s->lfs, &id, &size, &err), 0);
        assert_true(size >= 3 * 4096);
        assert_int_equal(nxc_layerfs_each(s->lfs, count_one, &n, &err), 0);
        assert_int_equal(n, 1);
        assert_int_equal(nxc_layerfs_verify(s->lfs, &id, &err), 0);
        assert_int_equal(nxc_layerfs_hold(s->lfs, &id, 1, &chain, &err), 0);
        assert_int_equal(nxc_layerfs_remove(s->lfs, &id, &err), -EBUSY);
        assert_int_equal(err.kind, NXC_ERR_BUSY);
        nxc_layer_chain_release(chain);
        nxc_error_reset(&err);
        assert_int_equal(nxc_layerfs_remove(s->lfs, &id, &err), 0);
        assert_int_equal(nxc_layerfs_remove(s->lfs, &id, &err), 0);
        assert_false(nxc_layerfs_has(s->lfs, &id));
        assert_int_equal(count_entries(s->lfs->fd), 0);
        assert_int_equal(nxc_layerfs_hold(s->lfs, &id, 1, &chain, &err), -ENOENT);
        assert_int_equal(err.kind, NXC_ERR_IMAGE_NOT_FOUND);
        assert_non_null(strstr(err.message, id.text));
}

static void test_wrong_diff_id(void **state)
{
        struct store *s = *state;
        struct nxc_digest id, other;
        struct nxc_staged_layer *staged = NULL;
        struct nxc_error err = { 0 };
        _cleanup_close_ int fd = -EBADF;

        if (skip_unless_root())
                return;
        fd = blob_of(s, base, &id);
        other = id;
        other.text[10] = other.text[10] == '0' ? '1' : '0';
        assert_true(nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &other, NULL, &staged, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        assert_non_null(strstr(err.message, id.text));
        assert_non_null(strstr(err.message, other.text));
        assert_int_equal(count_entries(s->lfs->fd), 0);

        /* Also where the layer is there already: the blob was not what it should be. */
        add_layer(s, base, &id);
        nxc_error_reset(&err);
        close(fd);
        fd = blob_of(s, top, &other);
        assert_true(nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &id, NULL, &staged, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
}

static void test_refused_leaves_nothing(void **state)
{
        static const struct tar_entry bad[] = { { '0', "good", "x" }, { '0', "../bad", "x" }, { 0 } };
        struct store *s = *state;
        struct nxc_digest id;
        struct nxc_staged_layer *staged = NULL;
        struct nxc_error err = { 0 };
        _cleanup_close_ int fd = -EBADF;

        if (skip_unless_root())
                return;
        fd = blob_of(s, bad, &id);
        assert_true(nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &id, NULL, &staged, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        assert_int_equal(count_entries(s->lfs->fd), 0);
}

static void test_two_at_once(void **state)
{
        struct store *s = *state;
        struct nxc_digest id;
        struct nxc_staged_layer *one, *two;
        struct nxc_error err = { 0 };
        _cleanup_close_ int fd = -EBADF;

        if (skip_unless_root())
                return;
        fd = blob_of(s, base, &id);
        assert_int_equal(nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &id, NULL, &one, &err), 0);
        assert_int_equal(nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &id, NULL, &two, &err), 0);
        assert_int_equal(nxc_staged_layer_commit(two, &err), 0);
        assert_int_equal(nxc_staged_layer_commit(one, &err), 0);
        assert_int_equal(count_staged(s), 0);
        assert_true(nxc_layerfs_has(s->lfs, &id));
        assert_int_equal(nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &id, NULL, &one, &err), 0);
        assert_null(one);
        assert_int_equal(nxc_staged_layer_commit(NULL, &err), 0);
}

static void test_sweep(void **state)
{
        struct store *s = *state;
        struct nxc_error err = { 0 };
        char name[NXC_STAGING_NAME_MAX];
        int locked;

        assert_int_equal(nxc_layerfs_stage(s->lfs, name, &locked, &err), 0);
        assert_int_equal(mkdirat(s->lfs->fd, ".staging-1-1", 0700), 0);
        assert_int_equal(mkdirat(s->lfs->fd, ".staging-1-1/root", 0700), 0);
        assert_int_equal(nxc_layerfs_sweep(s->lfs, &err), 0);
        assert_false(exists_at(s->lfs->fd, ".staging-1-1"));
        assert_true(exists_at(s->lfs->fd, name));
        close(locked); /* as when its process was killed */
        assert_int_equal(nxc_layerfs_sweep(s->lfs, &err), 0);
        assert_int_equal(count_entries(s->lfs->fd), 0);
}

static void test_absent_store(void **state)
{
        struct store *s = *state;
        struct nxc_layerfs *none;
        struct nxc_digest id = { "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" };
        struct nxc_error err = { 0 };
        struct nxc_layer_chain *chain;
        int n = 0;

        assert_int_equal(unlinkat(s->t->fd, "layers", AT_REMOVEDIR), 0);
        assert_int_equal(nxc_layerfs_open(s->t->fd, false, &none, &err), 0);
        assert_false(nxc_layerfs_has(none, &id));
        assert_int_equal(nxc_layerfs_each(none, count_one, &n, &err), 0);
        assert_int_equal(nxc_layerfs_sweep(none, &err), 0);
        assert_int_equal(nxc_layerfs_remove(none, &id, &err), 0);
        assert_int_equal(nxc_layerfs_hold(none, &id, 1, &chain, &err), -ENOENT);
        nxc_layerfs_close(none);
}

/* Any byte of the image, its index and its record. */
static void check_damaged_image(struct store *s, const struct nxc_digest *id)
{
        char name[NXC_LAYER_IMAGE_NAME_MAX];
        struct stat st;
        int fd;

        nxc_layer_image_name(id, name);
        fd = openat(s->lfs->fd, name, O_RDWR | O_CLOEXEC);
        assert_int_equal(fstat(fd, &st), 0);
        for (off_t pos = 1; pos < st.st_size; pos += 127) {
                struct nxc_error err = { 0 };
                unsigned char byte, changed;
                bool found;

                assert_int_equal(pread(fd, &byte, 1, pos), 1);
                changed = byte ^ 0x10;
                assert_int_equal(pwrite(fd, &changed, 1, pos), 1);
                found = nxc_layerfs_verify(s->lfs, id, &err) < 0;
                /* Between the index and the record there is nothing. */
                if (!found && pos < st.st_size / 4096 * 4096 - 4096)
                        fail_msg("byte %lld", (long long)pos);
                assert_int_equal(pwrite(fd, &byte, 1, pos), 1);
        }
        assert_int_equal(nxc_layerfs_verify(s->lfs, id, NULL), 0);
        assert_int_equal(ftruncate(fd, st.st_size - 4096), 0);
        assert_true(nxc_layerfs_verify(s->lfs, id, NULL) < 0);
        close(fd);
}

static void test_verify_finds(void **state)
{
        struct store *s = *state;
        char path[512], name[NXC_DIGEST_MAX];
        struct nxc_digest id;
        struct nxc_error err = { 0 };
        struct timespec times[2] = { { .tv_sec = 1500000000 }, { .tv_sec = 1500000000 } };
        int fd;

        if (skip_unless_root())
                return;
        add_layer(s, base, &id);
        if (s->lfs->format == NXC_LAYER_EROFS) {
                check_damaged_image(s, &id);
                return;
        }
        nxc_layer_dir_name(&id, name);
        snprintf(path, sizeof(path), "%s/layers/%s/root/etc/passwd", s->t->path, name);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "toor", 4, 0), 4);
        assert_int_equal(futimens(fd, times), 0);
        assert_true(nxc_layerfs_verify(s->lfs, &id, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        assert_non_null(strstr(err.message, id.text));
        assert_int_equal(pwrite(fd, "root", 4, 0), 4);
        assert_int_equal(futimens(fd, times), 0);
        nxc_error_reset(&err);
        assert_int_equal(nxc_layerfs_verify(s->lfs, &id, &err), 0);
        assert_int_equal(fsetxattr(fd, "user.new", "1", 1, 0), 0);
        assert_true(nxc_layerfs_verify(s->lfs, &id, &err) < 0);
        close(fd);
}

/* What a record says of a layer whose entries replaced each other, or that has holes, holds when it is read
 * again. */
static void test_verify_of_odd_layers(void **state)
{
        static const struct tar_entry replaced[] = {
                { '0', "a", "1" },
                { '0', "a", "two" },
                { '0', "b", "3" },
                { '5', "a" },
                { '1', "c", "b" },
                { 0 },
        };
        static const struct tar_entry marked[] = {
                { '0', "x", "1", .pax = { "SCHILY.xattr.user.a=1" } },
                { '0', ".wh.y" },
                { '0', "z/.wh..wh..opq" },
                { 0 },
        };
        struct store *s = *state;
        struct nxc_digest id;
        struct nxc_error err = { 0 };

        if (skip_unless_root())
                return;
        add_layer(s, replaced, &id);
        if (nxc_layerfs_verify(s->lfs, &id, &err) < 0)
                fail_msg("%s", err.message);
        add_layer(s, marked, &id);
        if (nxc_layerfs_verify(s->lfs, &id, &err) < 0)
                fail_msg("%s", err.message);
}

static bool has(int root, const char *path)
{
        struct stat st;

        return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int compose(struct store *s, const struct nxc_digest *ids, size_t n, int upper, int work)
{
        struct nxc_layer_chain *chain;
        struct nxc_error err = { 0 };
        int mount_fd = -1;

        if (nxc_layerfs_hold(s->lfs, ids, n, &chain, &err) < 0 ||
                nxc_layer_chain_compose(chain, upper, work, upper >= 0, &mount_fd, &err) < 0)
                fail_msg("%s (%s)", err.message, err.hint);
        nxc_layer_chain_release(chain);
        return mount_fd;
}

static void assert_root_mode(int root, mode_t mode)
{
        struct stat st;

        assert_int_equal(fstat(root, &st), 0);
        assert_int_equal(st.st_mode & 07777, mode);
}

static int make_dir(struct store *s, const char *name)
{
        nxc_remove_tree_at(s->t->fd, name, NULL);
        assert_int_equal(mkdirat(s->t->fd, name, 0700), 0);
        return openat(s->t->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void check_composed(struct store *s, const struct nxc_digest *ids, const struct nxc_digest *doubled)
{
        int root = compose(s, ids, 2, -1, -1), upper = make_dir(s, "upper"), work = make_dir(s, "work"), fd;

        assert_true(has(root, "etc/passwd"));
        assert_false(has(root, "etc/gone"));
        assert_true(has(root, "opq/new"));
        assert_false(has(root, "opq/old"));
        assert_true(has(root, "run"));
        assert_root_mode(root, 0555); /* the base says so, and nobody above it */
        assert_int_equal(openat(root, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
        assert_int_equal(errno, EROFS);
        close(root);

        root = compose(s, ids, 2, upper, work);
        assert_root_mode(root, 0555);
        fd = openat(root, "etc/written", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(fchmodat(root, ".", 0700, 0), 0);
        close(root);
        assert_true(has(upper, "etc/written"));
        /* volatile: only a new upper may be mounted again; the container's own mode of "/" stays */
        assert_int_equal(nxc_remove_tree_at(work, "work", NULL), 0);
        assert_int_equal(mkdirat(work, "work", 0), 0);
        root = compose(s, ids, 2, upper, work);
        assert_root_mode(root, 0700);
        assert_true(has(root, "etc/written"));
        close(root);

        root = compose(s, doubled, 3, -1, -1); /* overlayfs refuses the same directory twice */
        assert_false(has(root, "etc/gone"));
        close(root);
        root = compose(s, ids, 1, -1, -1);
        assert_root_mode(root, 0555);
        assert_true(has(root, "etc/gone"));
        close(root);
        root = compose(s, ids + 1, 1, -1, -1); /* whiteouts, and nothing below */
        assert_false(has(root, "etc/gone"));
        assert_root_mode(root, 0755);
        close(root);
        close(upper);
        close(work);
}

static void test_compose(void **state)
{
        struct store *s = *state;
        struct nxc_digest ids[2], doubled[3];

        if (skip_unless_root())
                return;
        add_layer(s, base, &ids[0]);
        add_layer(s, top, &ids[1]);
        doubled[0] = ids[1];
        doubled[1] = ids[0];
        doubled[2] = ids[1];
        for (size_t i = 0; i < NXC_ARRAY_SIZE(ways); i++) {
                setenv("NXC_FEATURE_LOWERDIR_FD", ways[i][0], 1);
                setenv("NXC_FEATURE_LOWERDIR_PLUS", ways[i][1], 1);
                check_composed(s, ids, doubled);
        }
        unsetenv("NXC_FEATURE_LOWERDIR_FD");
        unsetenv("NXC_FEATURE_LOWERDIR_PLUS");
}

/* An opaque "/" hides all layers below, which overlayfs itself does not see to. */
static void test_opaque_root(void **state)
{
        static const struct tar_entry opaque[] = { { '0', ".wh..wh..opq" }, { '0', "only", "1" }, { 0 } };
        struct store *s = *state;
        struct nxc_digest ids[3];
        int root;

        if (skip_unless_root())
                return;
        add_layer(s, base, &ids[0]);
        add_layer(s, opaque, &ids[1]);
        add_layer(s, top, &ids[2]);
        root = compose(s, ids, 2, -1, -1);
        assert_true(has(root, "only"));
        assert_false(has(root, "etc"));
        close(root);
        root = compose(s, ids, 3, -1, -1);
        assert_true(has(root, "only"));
        assert_true(has(root, "run"));
        assert_false(has(root, "etc/passwd"));
        close(root);
}

static void assert_same_tree(int a, int b)
{
        const struct nxc_treehash_opts opts = { .mtimes = true, .content = nxc_treehash_sha256 };
        struct nxc_treehash of_a, of_b;

        assert_int_equal(nxc_treehash(a, &opts, &of_a, NULL), 0);
        assert_int_equal(nxc_treehash(b, &opts, &of_b, NULL), 0);
        assert_true(of_a.entries > 5);
        assert_true(nxc_digest_equal(&of_a.digest, &of_b.digest));
}

static int flatten(struct store *s, const struct nxc_digest *ids, size_t n, int upper,
        const struct nxc_flatten_opts *opts, struct nxc_error *err)
{
        struct nxc_layer_chain *chain;
        int fd, r;

        assert_int_equal(nxc_remove_tree_at(s->t->fd, "flat", NULL), 0);
        assert_int_equal(mkdirat(s->t->fd, "flat", 0700), 0);
        fd = openat(s->t->fd, "flat", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(nxc_layerfs_hold(s->lfs, ids, n, &chain, NULL), 0);
        r = nxc_layer_chain_flatten(chain, upper, fd, opts, err);
        nxc_layer_chain_release(chain);
        if (r == 0)
                return fd;
        close(fd);
        return r;
}

/* A copy of the layers is what their overlay shows, with and without an upper directory. */
static void check_flattened(struct store *s, const struct nxc_digest *ids, size_t n)
{
        const struct nxc_flatten_opts as_is = { 0 };
        int root = compose(s, ids, n, -1, -1), flat = flatten(s, ids, n, -1, &as_is, NULL), upper, work;

        assert_true(flat >= 0);
        assert_same_tree(root, flat);
        close(root);
        close(flat);
        assert_int_equal(mkdirat(s->t->fd, "upper", 0755), 0);
        assert_int_equal(mkdirat(s->t->fd, "work", 0755), 0);
        upper = openat(s->t->fd, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        work = openat(s->t->fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        root = compose(s, ids, n, upper, work);
        assert_int_equal(unlinkat(root, "run", 0), 0);
        assert_int_equal(mkdirat(root, "run", 0711), 0);
        put_file(root, "opq/new", "newer");
        assert_int_equal(nxc_remove_tree_at(root, "etc", NULL), 0);
        assert_int_equal(mkdirat(root, "etc", 0700), 0);
        assert_int_equal(fchmodat(root, ".", 0705, 0), 0);
        flat = flatten(s, ids, n, upper, &as_is, NULL);
        assert_same_tree(root, flat);
        close(root);
        close(flat);
        close(upper);
        close(work);
}

static void test_flatten(void **state)
{
        static const struct tar_entry linked[] = {
                { '5', "etc" },
                { '0', "etc/one", "1" },
                { '1', "etc/two", "etc/one" },
                { '2', "swap", "etc" },
                { 0 },
        };
        static const struct tar_entry swapped[] = {
                { '0', "etc/one", "no longer linked" },
                { '5', "swap" },
                { '0', "swap/inside", "x" },
                { 0 },
        };
        struct store *s = *state;
        struct nxc_digest ids[4];

        if (skip_unless_root())
                return;
        add_layer(s, base, &ids[0]);
        add_layer(s, linked, &ids[1]);
        add_layer(s, swapped, &ids[2]);
        add_layer(s, top, &ids[3]);
        check_flattened(s, ids, 4);
}

/* Owners are those of the user namespace; one that it does not map is named. */
static void test_flatten_mapped(void **state)
{
        struct nxc_id_range range = { 0, 100000, 1000 };
        struct nxc_idmap ids = { &range, &range, 1, 1 };
        const struct nxc_flatten_opts opts = { .ids = &ids };
        struct nxc_error err = { 0 };
        struct store *s = *state;
        struct nxc_digest id;
        struct stat st;
        int flat;

        if (skip_unless_root())
                return;
        add_layer(s, base, &id);
        flat = flatten(s, &id, 1, -1, &opts, &err);
        assert_true(flat >= 0);
        assert_int_equal(fstatat(flat, "etc/passwd", &st, 0), 0);
        assert_int_equal(st.st_uid, 100000);
        assert_int_equal(fstat(flat, &st), 0);
        assert_int_equal(st.st_uid, 100000);
        assert_int_equal(st.st_mode & 07777, 0555);
        close(flat);
        range.inside = 1;
        assert_true(flatten(s, &id, 1, -1, &opts, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_ROOTFS);
        assert_non_null(strstr(err.message, "maps no root"));
}

static void test_many_layers(void **state)
{
        struct store *s = *state;
        _cleanup_free_ struct nxc_digest *ids = calloc(501, sizeof(*ids));
        struct nxc_layer_chain *chain;
        struct nxc_error err = { 0 };

        if (skip_unless_root())
                return;
        for (int i = 0; i < 200; i++) {
                _cleanup_free_ char *name = nxc_strf("file-%d", i);
                struct tar_entry entries[] = { { '0', name, "x" }, { 0 } };

                add_layer(s, entries, &ids[i]);
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(ways); i++) {
                int root;

                setenv("NXC_FEATURE_LOWERDIR_FD", ways[i][0], 1);
                setenv("NXC_FEATURE_LOWERDIR_PLUS", ways[i][1], 1);
                root = compose(s, ids, 200, -1, -1);
                assert_true(has(root, "file-0"));
                assert_true(has(root, "file-199"));
                close(root);
        }
        unsetenv("NXC_FEATURE_LOWERDIR_FD");
        unsetenv("NXC_FEATURE_LOWERDIR_PLUS");
        assert_true(nxc_layerfs_hold(s->lfs, ids, 501, &chain, &err) < 0);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        assert_non_null(strstr(err.message, "501"));
}

/* Someone who may not set owners gets one clear error, and nothing stays. */
static void test_without_rights(void **state)
{
        struct store *s = *state;
        struct nxc_digest id;
        _cleanup_close_ int fd = -EBADF;
        int status;
        pid_t pid;

        if (skip_unless_root())
                return;
        fd = blob_of(s, (const struct tar_entry[]){ { '0', "f", .uid = 5 }, { 0 } }, &id);
        assert_int_equal(fchown(s->lfs->fd, 1000, 1000), 0);
        assert_int_equal(fchown(s->t->fd, 1000, 1000), 0);
        pid = fork();
        if (pid == 0) {
                struct nxc_staged_layer *staged;
                struct nxc_error err = { 0 };
                bool good;

                if (setgid(1000) < 0 || setuid(1000) < 0)
                        _exit(2);
                good = nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &id, NULL, &staged, &err) ==
                               -EPERM &&
                       err.kind == NXC_ERR_FILE && strstr(err.message, "unpack 'f': set its owner") &&
                       strstr(err.hint, "needs root");
                _exit(good ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_equal(count_entries(s->lfs->fd), 0);
}

/* A directory from before, and images above it; then the same layer in both forms. */
static void test_forms_side_by_side(void **state)
{
        struct store *s = *state;
        struct nxc_digest ids[2];
        struct nxc_staged_layer *staged;
        _cleanup_close_ int fd = -EBADF;
        struct nxc_error err = { 0 };
        int root, n = 0;

        if (skip_unless_root())
                return;
        nxc_layerfs_set_format(s->lfs, NXC_LAYER_DIR);
        add_layer(s, base, &ids[0]);
        nxc_layerfs_set_format(s->lfs, NXC_LAYER_AUTO);
        add_layer(s, top, &ids[1]);
        for (size_t i = 0; i < NXC_ARRAY_SIZE(ways); i++) {
                setenv("NXC_FEATURE_LOWERDIR_FD", ways[i][0], 1);
                setenv("NXC_FEATURE_LOWERDIR_PLUS", ways[i][1], 1);
                root = compose(s, ids, 2, -1, -1);
                assert_true(has(root, "etc/passwd"));
                assert_true(has(root, "run"));
                assert_false(has(root, "etc/gone"));
                close(root);
        }
        unsetenv("NXC_FEATURE_LOWERDIR_FD");
        unsetenv("NXC_FEATURE_LOWERDIR_PLUS");

        assert_int_equal(nxc_layerfs_remove(s->lfs, &ids[0], &err), 0);
        fd = blob_of(s, base, &ids[0]);
        assert_int_equal(
                nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &ids[0], NULL, &staged, &err), 0);
        nxc_layerfs_set_format(s->lfs, NXC_LAYER_DIR);
        add_layer(s, base, &ids[0]);
        assert_int_equal(nxc_staged_layer_commit(staged, &err), 0);
        assert_int_equal(nxc_layerfs_each(s->lfs, count_one, &n, &err), 0);
        assert_int_equal(n, 2);
        assert_int_equal(nxc_layerfs_remove(s->lfs, &ids[0], &err), 0);
        assert_false(nxc_layerfs_has(s->lfs, &ids[0]));
}

/* Names beyond what is held in memory: a directory, unless images were asked for. */
static void test_too_many_names(void **state)
{
        struct store *s = *state;
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        _cleanup_close_ int fd = openat(s->t->fd, "blob", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        struct nxc_staged_layer *staged;
        struct nxc_error err = { 0 };
        struct nxc_digest id;

        if (skip_unless_root())
                return;
        for (int i = 0; i < 500; i++) {
                _cleanup_free_ char *name = nxc_strf("some/directory/file-%d", i);

                tar_add(&tar, &(struct tar_entry){ '0', name, "x" });
        }
        tar_end(&tar);
        assert_int_equal(nxc_write_all(fd, tar.data, tar.len), 0);
        assert_int_equal(nxc_hash_buffer("sha256", tar.data, tar.len, &id, NULL), 0);
        nxc_erofs_trees_max_bytes = 8192;
        nxc_layerfs_set_format(s->lfs, NXC_LAYER_EROFS);
        assert_int_equal(
                nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &id, NULL, &staged, &err), -E2BIG);
        assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
        nxc_error_reset(&err);
        nxc_layerfs_set_format(s->lfs, NXC_LAYER_AUTO);
        if (nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, &id, NULL, &staged, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(nxc_staged_layer_commit(staged, &err), 0);
        nxc_erofs_trees_max_bytes = NXC_EROFS_TREES_MAX_BYTES;
        assert_true(nxc_layer_has_mark(s->lfs, &id, NXC_LAYER_ROOT "/some/directory/file-499"));
        assert_int_equal(nxc_layerfs_verify(s->lfs, &id, &err), 0);
}

/* The ways of older kernels: over a loop device, and directories. */
static void test_without_features(void **state)
{
        struct store *s = *state;
        struct nxc_digest ids[2];
        struct nxc_error err = { 0 };
        struct nxc_layer_chain *chain;
        int root, mount_fd;

        if (skip_unless_root())
                return;
        setenv("NXC_FEATURE_EROFS", "0", 1);
        add_layer(s, base, &ids[0]);
        assert_int_equal(s->lfs->format, NXC_LAYER_DIR);
        unsetenv("NXC_FEATURE_EROFS");

        nxc_layerfs_set_format(s->lfs, NXC_LAYER_AUTO);
        add_layer(s, top, &ids[1]);
        if (s->lfs->format == NXC_LAYER_DIR) {
                print_message("# skipped: no EROFS here\n");
                return;
        }
        setenv("NXC_FEATURE_EROFS", "0", 1);
        assert_int_equal(nxc_layerfs_hold(s->lfs, ids, 2, &chain, &err), 0);
        assert_int_equal(nxc_layer_chain_compose(chain, -1, -1, false, &mount_fd, &err), -ENODEV);
        assert_int_equal(err.kind, NXC_ERR_INVALID_ROOTFS);
        assert_non_null(strstr(err.hint, "format = dir"));
        nxc_layer_chain_release(chain);
        unsetenv("NXC_FEATURE_EROFS");

        if (access("/dev/loop-control", R_OK | W_OK) < 0) {
                print_message("# skipped: no loop devices here\n");
                return;
        }
        setenv("NXC_FEATURE_EROFS_FILE", "0", 1);
        root = compose(s, ids, 2, -1, -1);
        assert_true(has(root, "etc/passwd"));
        assert_true(has(root, "opq/new"));
        assert_false(has(root, "opq/old"));
        close(root);
        unsetenv("NXC_FEATURE_EROFS_FILE");
}

#define with_store(test)                                                          \
        { #test "(directories)", test, open_directory_store, close_store, NULL }, \
        {                                                                         \
#test "(images)", test, open_image_store, close_store, NULL       \
        }
#define with_image_store(test) cmocka_unit_test_setup_teardown(test, open_image_store, close_store)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_store(test_life_of_a_layer),
                with_store(test_wrong_diff_id),
                with_store(test_refused_leaves_nothing),
                with_store(test_two_at_once),
                with_store(test_sweep),
                with_store(test_absent_store),
                with_store(test_verify_finds),
                with_store(test_verify_of_odd_layers),
                with_store(test_compose),
                with_store(test_opaque_root),
                with_store(test_flatten),
                with_store(test_flatten_mapped),
                with_store(test_many_layers),
                with_store(test_without_rights),
                with_image_store(test_forms_side_by_side),
                with_image_store(test_too_many_names),
                with_image_store(test_without_features),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
