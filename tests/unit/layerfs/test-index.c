/* The index of a chain: it shows what its layers mounted one on the other show, fsck.erofs accepts it, and
 * it is used for its own layers only. */
#include "../core/temp-dir.h"
#include "tar-writer.h"

#include "core/cleanup.h"
#include "core/process.h"
#include "layerfs/intake.h"
#include "layerfs/layerfs-internal.h"
#include "layerfs/treehash-internal.h"
#include "sys/mount.h"

#include <sys/vfs.h>

#define VALUE_50 "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
#define VALUE_600                                                                                          \
        VALUE_50 VALUE_50 VALUE_50 VALUE_50 VALUE_50 VALUE_50 VALUE_50 VALUE_50 VALUE_50 VALUE_50 VALUE_50 \
                VALUE_50

/* Every kind of entry, and every way in which a layer can meet what lies below it. */
static const struct tar_entry layers[][24] = {
        { { '5', "./", .mode = 0711, .uid = 3 }, { '5', "kept", .mode = 0700 },
                { '0', "kept/small", "text" }, { '0', "kept/block", .size = 4096 },
                { '0', "kept/large", .size = 3000000 }, { '0', "kept/hidden", "x" }, { '5', "opq/sub" },
                { '0', "opq/sub/old", "old" }, { '0', "gone", "x" }, { '5', "gone-dir" },
                { '0', "gone-dir/f", "x" }, { '5', "dir-to-file" }, { '0', "dir-to-file/f", "x" },
                { '0', "file-to-dir", "x" }, { '2', "link-to-dir", "kept" }, { '0', "hard1", .size = 9000 },
                { '1', "hard2", "hard1" }, { '1', "hard3", "hard1" },
                { '3', "null", .mode = 0666, .major = 1, .minor = 3 }, { '6', "fifo" },
                { '5', "attrs", .pax = { "SCHILY.xattr.user.a=1" } },
                { '0', "big-attr", "text", .pax = { "SCHILY.xattr.user.l=" VALUE_600 } }, { 0 } },
        { { '0', "kept/added", "2" }, { '0', "kept/.wh.hidden" }, { '0', "opq/.wh..wh..opq" },
                { '0', "opq/new", "new" }, { '0', ".wh.gone" }, { '0', ".wh.gone-dir" },
                { '0', "dir-to-file", "now" }, { '5', "file-to-dir" }, { '0', "file-to-dir/f", "x" },
                { '5', "link-to-dir", .mode = 0750 }, { '0', "link-to-dir/f", "x" }, { '0', ".wh.hard2" },
                { '5', "attrs", .mode = 0711, .pax = { "SCHILY.xattr.user.b=2" } }, { 0 } },
        { { '0', "gone", "back" }, { '5', "gone-dir" }, { '0', "gone-dir/other", "x" },
                { '0', "sparse", "data",
                        .pax = { "GNU.sparse.size=120000", "GNU.sparse.map=20000,2,100000,2" } },
                { '0', ".wh.never-there" }, { '2', "kept/link", "small" }, { '0', "hard4", "x" },
                { '1', "hard5", "hard4" }, { 0 } },
};
#define LAYERS NXC_ARRAY_SIZE(layers)

struct store {
        struct temp_dir *t;
        struct nxc_layerfs *lfs;
        struct nxc_digest ids[LAYERS];
};

static void add_layer(struct store *s, const struct tar_entry *entries, struct nxc_digest *diff_id)
{
        _cleanup_buf_ struct nxc_buf tar = { 0 };
        _cleanup_close_ int fd = openat(s->t->fd, "blob", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        struct nxc_staged_layer *staged;
        struct nxc_error err = { 0 };

        tar_all(&tar, entries);
        assert_int_equal(nxc_write_all(fd, tar.data, tar.len), 0);
        assert_int_equal(nxc_hash_buffer("sha256", tar.data, tar.len, diff_id, NULL), 0);
        if (nxc_layerfs_unpack(s->lfs, fd, NXC_COMPRESSION_NONE, diff_id, NULL, &staged, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(nxc_staged_layer_commit(staged, &err), 0);
}

static int open_store(void **state)
{
        struct store *s = calloc(1, sizeof(*s));
        void *made = NULL;

        make_temp_dir(&made);
        s->t = made;
        assert_int_equal(nxc_layerfs_open(s->t->fd, true, &s->lfs, NULL), 0);
        nxc_layerfs_set_format(s->lfs, NXC_LAYER_EROFS);
        for (size_t i = 0; i < LAYERS; i++)
                add_layer(s, layers[i], &s->ids[i]);
        *state = s;
        return 0;
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

static void make_index(struct store *s, const struct nxc_digest *ids, size_t n)
{
        struct nxc_error err = { 0 };

        if (nxc_layerfs_index(s->lfs, ids, n, &err) < 0)
                fail_msg("%s", err.message);
}

static struct nxc_layer_chain *hold(struct store *s, const struct nxc_digest *ids, size_t n)
{
        struct nxc_layer_chain *chain;
        struct nxc_error err = { 0 };

        if (nxc_layerfs_hold(s->lfs, ids, n, &chain, &err) < 0)
                fail_msg("%s", err.message);
        return chain;
}

static bool has_index(struct store *s, const struct nxc_digest *ids, size_t n)
{
        struct nxc_layer_chain *chain = hold(s, ids, n);
        bool has = chain->index_fd >= 0;

        nxc_layer_chain_release(chain);
        return has;
}

static bool can_mount(struct store *s)
{
        struct nxc_layer_chain *chain;
        int fd = -1, r = -EPERM;

        if (geteuid() == 0) {
                chain = hold(s, s->ids, 1);
                r = nxc_mount_erofs(chain->layers[0].fd, NULL, 0, &fd, NULL);
                nxc_layer_chain_release(chain);
                nxc_closep(&fd);
        }
        if (r < 0)
                print_message("# skipped: mounting EROFS images needs root and a kernel that has it\n");
        return r == 0;
}

static void list_line(void *arg, const char *text, size_t len)
{
        assert_int_equal(nxc_buf_add(arg, text, len), 0);
        assert_int_equal(nxc_buf_add(arg, "\n", 1), 0);
}

static void list_root(
        struct store *s, const struct nxc_digest *ids, size_t n, bool with_index, struct nxc_buf *ret)
{
        struct nxc_treehash_opts opts = {
                .content = nxc_treehash_sha256, .mtimes = true, .line = list_line, .arg = ret
        };
        struct nxc_layer_chain *chain;
        struct nxc_treehash hash;
        struct nxc_error err = { 0 };
        int root;

        setenv("NXC_FEATURE_EROFS_INDEX", with_index ? "1" : "0", 1);
        chain = hold(s, ids, n);
        unsetenv("NXC_FEATURE_EROFS_INDEX");
        assert_int_equal(chain->index_fd >= 0, with_index);
        if (nxc_layer_chain_compose(chain, -1, -1, false, &root, &err) < 0 ||
                nxc_treehash(root, &opts, &hash, &err) < 0)
                fail_msg("%s", err.message);
        nxc_layer_chain_release(chain);
        close(root);
}

static void compare_roots(struct store *s, const struct nxc_digest *ids, size_t n)
{
        _cleanup_buf_ struct nxc_buf one = { 0 }, many = { 0 };

        make_index(s, ids, n);
        list_root(s, ids, n, true, &one);
        list_root(s, ids, n, false, &many);
        assert_string_equal(one.data, many.data);
}

static void test_same_tree(void **state)
{
        struct store *s = *state;
        struct nxc_digest turned[] = { s->ids[2], s->ids[0], s->ids[1], s->ids[0] };

        if (!can_mount(s))
                return;
        compare_roots(s, s->ids, LAYERS);
        compare_roots(s, s->ids, 2);
        compare_roots(s, turned, NXC_ARRAY_SIZE(turned)); /* and one of them twice */
}

/* Every byte of data is where the index says, without a kernel. */
static void test_fsck(void **state)
{
        struct store *s = *state;
        const char *argv[LAYERS + 4] = { "fsck.erofs", "--extract" };
        char name[NXC_LAYER_IMAGE_NAME_MAX], index[NXC_INDEX_NAME_MAX];
        _cleanup_strv_ struct nxc_strv args = { 0 };
        struct nxc_process_opts opts = NXC_PROCESS_OPTS_INIT;
        _cleanup_free_ char *fsck = NULL;
        struct nxc_error err = { 0 };
        int status;

        make_index(s, s->ids, LAYERS);
        if (nxc_process_find("fsck.erofs", &fsck) < 0) {
                print_message("# skipped: fsck.erofs (package erofs-utils) is not installed\n");
                return;
        }
        for (size_t i = 0; i < LAYERS; i++) {
                nxc_layer_image_name(&s->ids[i], name);
                assert_int_equal(nxc_strv_addf(&args, "--device=%s/layers/%s", s->t->path, name), 0);
        }
        nxc_index_name(s->ids, LAYERS, index);
        assert_int_equal(nxc_strv_addf(&args, "%s/layers/%s", s->t->path, index), 0);
        for (size_t i = 0; i < args.n; i++)
                argv[2 + i] = args.v[i];
        opts.argv = argv;
        opts.stdout_fd = opts.stderr_fd = 2;
        assert_int_equal(nxc_process_run(&opts, &status, &err), 0);
        assert_int_equal(nxc_process_exit_code(status), 0);
}

static void test_needs_its_layers(void **state)
{
        struct store *s = *state;
        struct nxc_digest other[LAYERS];
        char index[NXC_INDEX_NAME_MAX], turned[NXC_INDEX_NAME_MAX];

        assert_false(has_index(s, s->ids, LAYERS));
        make_index(s, s->ids, 1); /* of one layer there is none */
        make_index(s, s->ids, LAYERS);
        assert_true(has_index(s, s->ids, LAYERS));
        assert_false(has_index(s, s->ids, 2));

        /* One that has another chain's name. */
        for (size_t i = 0; i < LAYERS; i++)
                other[i] = s->ids[LAYERS - 1 - i];
        nxc_index_name(s->ids, LAYERS, index);
        nxc_index_name(other, LAYERS, turned);
        assert_int_equal(renameat(s->lfs->fd, index, s->lfs->fd, turned), 0);
        assert_false(has_index(s, other, LAYERS));
        make_index(s, other, LAYERS);
        assert_true(has_index(s, other, LAYERS));
}

/* A layer that lies elsewhere in its image than when the index was made. */
static void test_layer_made_anew(void **state)
{
        struct store *s = *state;
        char name[NXC_LAYER_IMAGE_NAME_MAX];
        struct nxc_layer_record record;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        make_index(s, s->ids, LAYERS);
        nxc_layer_image_name(&s->ids[0], name);
        fd = openat(s->lfs->fd, name, O_RDWR | O_CLOEXEC);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(
                pread(fd, &record, sizeof(record), st.st_size - (off_t)sizeof(record)), sizeof(record));
        record.crc ^= 1;
        assert_int_equal(
                pwrite(fd, &record, sizeof(record), st.st_size - (off_t)sizeof(record)), sizeof(record));
        assert_false(has_index(s, s->ids, LAYERS));
}

/* A layer damaged on the disk: an error that names it, or an index that nothing else notices; never a
 * crash. */
static void test_damaged_layers(void **state)
{
        struct store *s = *state;
        char name[NXC_LAYER_IMAGE_NAME_MAX], index[NXC_INDEX_NAME_MAX];
        _cleanup_close_ int fd = -EBADF;
        unsigned seed = 1;
        int refused = 0;
        struct stat st;

        nxc_index_name(s->ids, LAYERS, index);
        nxc_layer_image_name(&s->ids[1], name);
        fd = openat(s->lfs->fd, name, O_RDWR | O_CLOEXEC);
        assert_int_equal(fstat(fd, &st), 0);
        for (int i = 0; i < 400; i++) {
                off_t at = (off_t)((unsigned)rand_r(&seed) % (unsigned)(st.st_size - 4096));
                uint8_t was, now = (uint8_t)rand_r(&seed);
                struct nxc_error err = { 0 };
                int r;

                assert_int_equal(pread(fd, &was, 1, at), 1);
                assert_int_equal(pwrite(fd, &now, 1, at), 1);
                r = nxc_layerfs_index(s->lfs, s->ids, LAYERS, &err);
                if (r < 0 && (err.kind != NXC_ERR_INVALID_IMAGE || !strstr(err.message, s->ids[1].text)))
                        fail_msg("byte %lld: %s", (long long)at, err.message);
                refused += r < 0;
                assert_int_equal(pwrite(fd, &was, 1, at), 1);
                unlinkat(s->lfs->fd, index, 0);
        }
        assert_true(refused > 0);
        make_index(s, s->ids, LAYERS);
}

static long superblock_of(int fd)
{
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        return (long)st.st_dev;
}

static int links_in(struct store *s)
{
        DIR *dir = fdopendir(openat(s->lfs->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct dirent *de;
        int n = 0;

        while ((de = readdir(dir)))
                n += nxc_starts_with(de->d_name, NXC_SHARED_PREFIX);
        closedir(dir);
        return n;
}

static void test_shared(void **state)
{
        struct store *s = *state;
        struct nxc_layer_chain *a, *b;
        _cleanup_free_ char *place = nxc_strf("%s/lower", s->t->path),
                            *second = nxc_strf("%s/2", s->t->path);
        struct nxc_error err = { 0 };
        int root_a, root_b;

        if (!can_mount(s))
                return;
        make_index(s, s->ids, LAYERS);
        a = hold(s, s->ids, LAYERS);
        assert_int_equal(nxc_layer_chain_compose(a, -1, -1, false, &root_a, &err), 0);
        assert_true(nxc_layer_chain_can_share(a));
        if (nxc_layer_chain_share(a, place, &err) < 0)
                fail_msg("%s", err.message);

        b = hold(s, s->ids, LAYERS);
        assert_int_equal(nxc_layer_chain_compose(b, -1, -1, false, &root_b, &err), 0);
        assert_int_equal(superblock_of(root_a), superblock_of(root_b));
        assert_true(b->lower_is_joined);
        assert_int_equal(nxc_layer_chain_share(b, second, &err), 0);
        nxc_layer_chain_release(b);
        close(root_b);
        assert_int_equal(nxc_umount(second, &err), 0);

        /* Another image's mount in that place is not taken for it. */
        assert_int_equal(nxc_umount(place, &err), 0);
        b = hold(s, s->ids, 1);
        assert_int_equal(nxc_layer_chain_compose(b, -1, -1, false, &root_b, &err), 0);
        assert_int_equal(nxc_layer_chain_share(b, place, &err), 0);
        nxc_layer_chain_release(b);
        b = hold(s, s->ids, LAYERS);
        close(root_b);
        assert_int_equal(nxc_layer_chain_compose(b, -1, -1, false, &root_b, &err), 0);
        assert_false(b->lower_is_joined);
        assert_int_not_equal(superblock_of(root_a), superblock_of(root_b));
        nxc_layer_chain_release(b);
        nxc_layer_chain_release(a);
        close(root_a);
        close(root_b);
        assert_int_equal(links_in(s), 2);
        nxc_layerfs_unshare(s->lfs, place);
        assert_int_equal(links_in(s), 1);
        assert_int_equal(nxc_umount(place, &err), 0);
        assert_int_equal(nxc_layerfs_sweep(s->lfs, &err), 0); /* the other leads nowhere */
        assert_int_equal(links_in(s), 0);
}

static void test_verify(void **state)
{
        struct store *s = *state;
        char index[NXC_INDEX_NAME_MAX];
        _cleanup_close_ int fd = -EBADF;
        struct nxc_error err = { 0 };
        struct stat st;
        off_t places[3];

        assert_int_equal(
                nxc_layerfs_verify_index(s->lfs, s->ids, LAYERS, false, &err), 0); /* there is none */
        make_index(s, s->ids, LAYERS);
        assert_int_equal(nxc_layerfs_verify_index(s->lfs, s->ids, LAYERS, false, &err), 0);
        nxc_index_name(s->ids, LAYERS, index);
        assert_int_equal(fstatat(s->lfs->fd, index, &st, 0), 0);
        places[0] = 5000;
        places[1] = 1024 + 48; /* the uuid */
        places[2] = st.st_size - (off_t)sizeof(struct nxc_layer_record) + 60;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(places); i++) {
                uint8_t byte;

                fd = openat(s->lfs->fd, index, O_RDWR | O_CLOEXEC);
                assert_int_equal(pread(fd, &byte, 1, places[i]), 1);
                byte ^= 1;
                assert_int_equal(pwrite(fd, &byte, 1, places[i]), 1);
                nxc_closep(&fd);
                assert_int_equal(nxc_layerfs_verify_index(s->lfs, s->ids, LAYERS, false, &err), -EINVAL);
                assert_int_equal(err.kind, NXC_ERR_INVALID_IMAGE);
                assert_non_null(strstr(err.message, index));
                err = (struct nxc_error){ 0 };
                assert_int_equal(nxc_layerfs_verify_index(s->lfs, s->ids, LAYERS, true, &err), 0);
                assert_false(nxc_error_is_set(&err));
                assert_int_equal(nxc_layerfs_verify_index(s->lfs, s->ids, LAYERS, false, &err), 0);
        }
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
        const struct CMUnitTest tests[] = {
                with_store(test_same_tree),
                with_store(test_fsck),
                with_store(test_needs_its_layers),
                with_store(test_layer_made_anew),
                with_store(test_damaged_layers),
                with_store(test_shared),
                with_store(test_verify),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
