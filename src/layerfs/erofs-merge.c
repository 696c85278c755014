/* See erofs-internal.h: the index of a chain.
 *
 * Theory of operation. A container over many layers would mount each of them, and overlayfs would look for
 * each name in each of them. The index is one more EROFS image, which has the tree that all layers of a
 * chain make together: its directories, its inodes, and what follows the inodes, the content of small files.
 * The data of the others stay where they are: the layers' images are the *devices* of the index, and an
 * inode names the device and the block where its data begin. So one superblock is mounted, whatever the
 * number of layers, and a name is looked up in one directory.
 *
 * It is made in two passes, each of which reads front to back. First the directories of every layer, base
 * first, into a tree in memory, as overlayfs would put them on each other: what comes later replaces what
 * was there, a whiteout takes it away, an opaque directory begins anew, and of two directories the later
 * one's attributes count. A node then has the number of its layer and of its inode there. Then the inodes
 * which are still named, sorted by that number: names of one inode meet, and get one inode again. Last come
 * the directories, as in every image.
 *
 * Nothing marks a whiteout or an opaque directory any more: there is nothing below. */
#include "layerfs/erofs-read-internal.h"
#include "layerfs/erofs-tree-internal.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <string.h>
#include <sys/stat.h>

#define NID_BITS 39 /* in a node, beside the layer: 16 TiB of slots */
#define NID_MASK (((uint64_t)1 << NID_BITS) - 1)

struct pending { /* a directory of the layer being added, whose names are not read yet */
        uint64_t nid;
        uint32_t dir; /* what it is in the tree */
};

struct merge {
        struct nxc_erofs_tree t;
        const struct nxc_erofs_chain_layer *layers;
        size_t n;
        size_t layer; /* being read */
        struct nxc_erofs_reader rd;
        struct nxc_error *err;
        /* of the layer being added */
        struct pending *queue;
        size_t n_queue, cap_queue;
        uint32_t dir; /* whose names are being read */
};

static int open_layer(struct merge *m, size_t i)
{
        nxc_erofs_reader_done(&m->rd);
        m->layer = i;
        return nxc_erofs_reader_open(
                &m->rd, m->layers[i].fd, m->layers[i].name, m->layers[i].blocks, m->err);
}

/* --- names --- */

static bool is_opaque_mark(const struct nxc_erofs_xattr *x)
{
        static const char name[] = "overlay.opaque";

        return x->prefix == NXC_EROFS_XATTR_TRUSTED && x->name_len == strlen(name) &&
               memcmp(x->name, name, x->name_len) == 0;
}

/* Takes the mark out of the attributes. */
static bool take_opaque_mark(struct nxc_erofs_stat *st)
{
        for (size_t i = 0; i < st->attrs.n_xattrs; i++) {
                if (!is_opaque_mark(&st->xattrs[i]))
                        continue;
                memmove(&st->xattrs[i], &st->xattrs[i + 1],
                        (--st->attrs.n_xattrs - i) * sizeof(st->xattrs[0]));
                return true;
        }
        return false;
}

static int set_attributes(struct merge *m, uint32_t dir, const struct nxc_erofs_stat *st)
{
        struct nxc_erofs_dir *d = &m->t.dirs[dir];

        d->mode = (uint16_t)(st->attrs.mode & 07777);
        d->uid = st->attrs.uid;
        d->gid = st->attrs.gid;
        d->mtime = st->attrs.mtime.tv_sec;
        d->mtime_nsec = (uint32_t)st->attrs.mtime.tv_nsec;
        return nxc_erofs_tree_set_xattrs(&m->t, dir, "/", st->xattrs, st->attrs.n_xattrs);
}

static int enqueue(struct merge *m, uint64_t nid, uint32_t dir)
{
        if (nxc_grow(&m->queue, m->n_queue, &m->cap_queue, sizeof(*m->queue)) < 0)
                return nxc_oom(m->err);
        m->queue[m->n_queue++] = (struct pending){ nid, dir };
        return 0;
}

static int add_directory(struct merge *m, const char *name, uint64_t nid)
{
        const struct nxc_erofs_node *there = nxc_erofs_tree_find(&m->t, m->dir, name, strlen(name));
        uint32_t dir = there ? there->child : 0;
        struct nxc_erofs_stat st;
        struct nxc_erofs_node *n;
        int r = nxc_erofs_read_inode(&m->rd, nid, &st);

        if (r < 0)
                return r;
        if (!S_ISDIR(st.attrs.mode))
                return nxc_fail_kind(m->err, NXC_ERR_INVALID_IMAGE, 0,
                        "read layer '%s': a directory is none", m->rd.name);
        if (take_opaque_mark(&st) || !dir) {
                r = nxc_erofs_tree_add_dir(&m->t, m->dir, false, &dir);
                if (r == 0)
                        r = nxc_erofs_tree_take_name(&m->t, m->dir, name, &n);
                if (r < 0)
                        return r;
                n->child = dir;
                n->type = S_IFDIR >> 12;
        }
        r = set_attributes(m, dir, &st);
        return r < 0 ? r : enqueue(m, nid, dir);
}

static int is_whiteout(struct merge *m, uint64_t nid, mode_t type, bool *ret)
{
        struct nxc_erofs_stat st;
        int r;

        *ret = false;
        if (type != S_IFCHR)
                return 0;
        r = nxc_erofs_read_inode(&m->rd, nid, &st);
        *ret = r == 0 && st.attrs.device == 0;
        return r;
}

static int add_name(void *arg, const char *name, uint64_t nid, mode_t type)
{
        struct merge *m = arg;
        struct nxc_erofs_node *n;
        bool whiteout;
        int r;

        if (type == S_IFDIR)
                return add_directory(m, name, nid);
        r = is_whiteout(m, nid, type, &whiteout);
        if (r < 0 || (whiteout && !nxc_erofs_tree_find(&m->t, m->dir, name, strlen(name))))
                return r;
        r = nxc_erofs_tree_take_name(&m->t, m->dir, name, &n);
        if (r < 0)
                return r;
        n->type = whiteout ? 0 : (uint64_t)(type >> 12) & 0xf;
        n->nid = whiteout ? 0 : (uint64_t)m->layer << NID_BITS | (nid & NID_MASK);
        return 0;
}

/* In the order in which the directories lie in the image. */
static int add_layer(struct merge *m, size_t i)
{
        struct nxc_erofs_stat st;
        int r = open_layer(m, i);

        if (r == 0)
                r = nxc_erofs_read_inode(&m->rd, m->rd.root_nid, &st);
        if (r < 0)
                return r;
        take_opaque_mark(&st); /* a chain begins with the last layer that has it on its root */
        if (i == 0 || !m->layers[i].implicit_root)
                r = set_attributes(m, NXC_EROFS_ROOT, &st);
        m->n_queue = 0;
        if (r == 0)
                r = enqueue(m, m->rd.root_nid, NXC_EROFS_ROOT);
        for (size_t k = 0; r == 0 && k < m->n_queue; k++) {
                m->dir = m->queue[k].dir;
                r = nxc_erofs_read_inode(&m->rd, m->queue[k].nid, &st);
                if (r == 0)
                        r = nxc_erofs_read_directory(&m->rd, &st, add_name, m);
                if (r == 0 && m->n_queue > m->rd.inodes)
                        r = nxc_fail_kind(m->err, NXC_ERR_INVALID_IMAGE, 0,
                                "read layer '%s': its directories contain each other", m->rd.name);
        }
        return r;
}

/* --- inodes --- */

/* A copy of it, or for its data a pointer. */
static int copy_inode(struct merge *m, uint64_t nid, uint64_t *ret)
{
        uint8_t content[NXC_EROFS_BLOCK];
        struct nxc_erofs_stat st;
        int r = nxc_erofs_read_inode(&m->rd, nid, &st);

        if (r < 0)
                return r;
        st.attrs.nlink = 1; /* of those with more all names are counted */
        if (S_ISREG(st.attrs.mode) && st.format == NXC_EROFS_PLAIN && st.attrs.size > 0)
                return nxc_erofs_add_remote_inode(
                        m->t.w, &st.attrs, (uint16_t)(m->layer + 1), st.start, ret);
        if (S_ISREG(st.attrs.mode) || S_ISLNK(st.attrs.mode)) {
                r = nxc_erofs_read_small(&m->rd, &st, content);
                if (r == 0)
                        r = nxc_erofs_add_data(m->t.w, 0, content, (size_t)st.attrs.size);
        }
        return r < 0 ? r : nxc_erofs_add_inode(m->t.w, &st.attrs, ret);
}

/* The names that the tree still has, but of directories. */
static int collect_nodes(struct merge *m, uint32_t **ret, size_t *ret_n)
{
        struct nxc_erofs_tree *t = &m->t;
        uint32_t *nodes = malloc((size_t)t->n_nodes * sizeof(*nodes));
        size_t n = 0;

        if (!nodes)
                return nxc_oom(m->err);
        m->n_queue = 0;
        if (enqueue(m, 0, NXC_EROFS_ROOT) < 0) {
                free(nodes);
                return -ENOMEM;
        }
        for (size_t k = 0; k < m->n_queue; k++) {
                for (uint32_t i = t->dirs[m->queue[k].dir].first; i; i = t->nodes[i].next) {
                        if (t->nodes[i].child && enqueue(m, 0, t->nodes[i].child) < 0) {
                                free(nodes);
                                return -ENOMEM;
                        }
                        if (!t->nodes[i].child && t->nodes[i].type)
                                nodes[n++] = i;
                }
        }
        *ret = nodes;
        *ret_n = n;
        return 0;
}

static int by_nid(const void *a, const void *b, void *arg)
{
        const struct nxc_erofs_node *nodes = arg, *x = &nodes[*(const uint32_t *)a],
                                    *y = &nodes[*(const uint32_t *)b];

        return x->nid < y->nid ? -1 : x->nid > y->nid;
}

static int copy_inodes(struct merge *m)
{
        _cleanup_free_ uint32_t *nodes = NULL;
        struct nxc_erofs_node *all = m->t.nodes;
        uint64_t there = 0, made = 0;
        size_t n = 0;
        int r = collect_nodes(m, &nodes, &n);

        if (r < 0)
                return r;
        qsort_r(nodes, n, sizeof(*nodes), by_nid, all);
        for (size_t i = 0; i < n; i++) {
                struct nxc_erofs_node *node = &all[nodes[i]];

                if (i == 0 || node->nid != there) {
                        there = node->nid;
                        r = m->layer == there >> NID_BITS ? 0 : open_layer(m, (size_t)(there >> NID_BITS));
                        if (r == 0)
                                r = copy_inode(m, there & NID_MASK, &made);
                        if (r < 0)
                                return r;
                } else {
                        node->linked = all[nodes[i - 1]].linked = 1;
                }
                node->nid = made;
        }
        return 0;
}

/* --- all of it --- */

static int add_devices(struct merge *m)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < m->n; i++)
                r = nxc_erofs_add_device(m->t.w, strchr(m->layers[i].name, ':') + 1, m->layers[i].blocks);
        return r < 0 ? r : nxc_erofs_end_devices(m->t.w);
}

int nxc_erofs_merge(struct nxc_erofs_writer *w, const struct nxc_erofs_chain_layer *layers, size_t n,
        const uint8_t uuid[16], struct nxc_erofs_image *ret_image, struct nxc_error *err)
{
        struct merge m = { .t = { .w = w, .err = err, .uuid = uuid }, .layers = layers, .n = n, .err = err };
        int r = nxc_erofs_tree_init(&m.t);

        if (r == 0)
                r = add_devices(&m);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = add_layer(&m, i);
        if (r == 0)
                r = copy_inodes(&m);
        if (r == 0)
                r = nxc_erofs_tree_finish(&m.t);
        if (r == 0) {
                const struct nxc_erofs_dir *root = &m.t.dirs[NXC_EROFS_ROOT];

                *ret_image = (struct nxc_erofs_image){ S_IFDIR | root->mode, root->uid, root->gid, false,
                        m.t.inodes };
        }
        nxc_erofs_reader_done(&m.rd);
        nxc_erofs_tree_done(&m.t);
        free(m.queue);
        return r;
}
