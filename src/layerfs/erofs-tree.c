/* See erofs-internal.h: the names of a layer, in memory, while its image is written; tar.c has what an
 * archive means, untar.c the same for directories.
 *
 * Of what is no directory there are the name, the number of its inode and its type; the inode is in the
 * image already. Names are found by a hash of directory and name. A name that is replaced keeps its node; a
 * directory that is replaced loses its record, so that nothing finds what was in it.
 *
 * Memory: 24 bytes for a name and some 10 in the table, and the name itself; 80 more for a directory. */
#include "layerfs/erofs-tree-internal.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define MAX_LINKS 40 /* symlinks followed for one path, as the kernel does (MAXSYMLINKS) */

/* --- names --- */

static int grow(struct nxc_erofs_tree *t, void *v, size_t n, size_t *cap, size_t size)
{
        return nxc_grow(v, n, cap, size) < 0 ? nxc_oom(t->err) : 0;
}

static int grow32(struct nxc_erofs_tree *t, void *v, uint32_t n, uint32_t *cap, size_t size)
{
        size_t c = *cap;
        int r = grow(t, v, n, &c, size);

        *cap = (uint32_t)c;
        return r;
}

/* Keyed, so that an archive cannot choose names which all meet in one place. */
static uint32_t hash(const struct nxc_erofs_tree *t, uint32_t dir, const char *name, size_t len)
{
        uint64_t h = t->key[0] ^ dir, word;

        for (; len > 0; len -= len < 8 ? len : 8) {
                word = 0;
                memcpy(&word, name, len < 8 ? len : 8);
                name += 8;
                h = (h ^ word ^ (uint64_t)len << 56) * t->key[1];
                h ^= h >> 29;
        }
        h *= t->key[1];
        return (uint32_t)(h >> 32);
}

static const char *name_of(const struct nxc_erofs_tree *t, const struct nxc_erofs_node *n, size_t *ret_len)
{
        *ret_len = (uint8_t)t->names.data[n->text];
        return t->names.data + n->text + 1;
}

/* The slot of the table where it is, or is to be. */
static uint32_t *find_slot(struct nxc_erofs_tree *t, uint32_t dir, const char *name, size_t len)
{
        for (uint32_t i = hash(t, dir, name, len);; i++) {
                uint32_t *slot = &t->table[i & (t->table_size - 1)];
                const struct nxc_erofs_node *n = &t->nodes[*slot];
                const char *text;
                size_t n_text;

                if (!*slot)
                        return slot;
                if (n->dir != dir)
                        continue;
                text = name_of(t, n, &n_text);
                if (n_text == len && memcmp(text, name, len) == 0)
                        return slot;
        }
}

struct nxc_erofs_node *nxc_erofs_tree_find(
        struct nxc_erofs_tree *t, uint32_t dir, const char *name, size_t len)
{
        uint32_t found = *find_slot(t, dir, name, len);

        return found ? &t->nodes[found] : NULL;
}

static int grow_table(struct nxc_erofs_tree *t)
{
        uint32_t size = t->table_size ? 2 * t->table_size : 256;
        uint32_t *table;

        if (t->table_size && t->n_nodes < t->table_size / 3 * 2)
                return 0;
        table = calloc(size, sizeof(*table));
        if (!table)
                return nxc_oom(t->err);
        free(t->table);
        t->table = table;
        t->table_size = size;
        for (uint32_t i = 1; i < t->n_nodes; i++) {
                size_t len;
                const char *name = name_of(t, &t->nodes[i], &len);

                *find_slot(t, t->nodes[i].dir, name, len) = i;
        }
        return 0;
}

size_t nxc_erofs_trees_max_bytes = NXC_EROFS_TREES_MAX_BYTES;
static atomic_size_t all_trees; /* bytes */

static int check_size(struct nxc_erofs_tree *t)
{
        size_t size = t->cap_nodes * sizeof(*t->nodes) + t->table_size * sizeof(*t->table) +
                      t->cap_dirs * sizeof(*t->dirs) + t->names.cap;

        if (size == t->size)
                return 0;
        atomic_fetch_add(&all_trees, size - t->size);
        t->size = size;
        if (atomic_load(&all_trees) <= nxc_erofs_trees_max_bytes)
                return 0;
        return nxc_fail_kind(t->err, NXC_ERR_INVALID_IMAGE, E2BIG,
                "hold the names of %u files and directories in memory", t->n_nodes);
}

/* A new name in a directory; valid until the next. */
static int add_node(
        struct nxc_erofs_tree *t, uint32_t dir, const char *name, size_t len, struct nxc_erofs_node **ret)
{
        char prefix = (char)(uint8_t)len;
        uint32_t text = (uint32_t)t->names.len;
        int r = grow32(t, &t->nodes, t->n_nodes, &t->cap_nodes, sizeof(*t->nodes));

        if (r == 0)
                r = grow_table(t);
        if (r == 0)
                r = check_size(t);
        if (r < 0)
                return r;
        if (nxc_buf_add(&t->names, &prefix, 1) < 0 || nxc_buf_add(&t->names, name, len) < 0)
                return nxc_oom(t->err);
        t->nodes[t->n_nodes] = (struct nxc_erofs_node){
                .next = t->dirs[dir].first, .text = text, .dir = dir
        };
        *find_slot(t, dir, name, len) = t->n_nodes;
        t->dirs[dir].first = t->n_nodes;
        t->dirs[dir].count++;
        *ret = &t->nodes[t->n_nodes++];
        return 0;
}

/* The node of a name, cleared if it was something else. */
int nxc_erofs_tree_take_name(
        struct nxc_erofs_tree *t, uint32_t dir, const char *name, struct nxc_erofs_node **ret)
{
        struct nxc_erofs_node *n = nxc_erofs_tree_find(t, dir, name, strlen(name));

        if (!n)
                return add_node(t, dir, name, strlen(name), ret);
        n->child = 0;
        n->linked = n->whiteout = 0;
        *ret = n;
        return 0;
}

int nxc_erofs_tree_add_dir(struct nxc_erofs_tree *t, uint32_t parent, bool opaque, uint32_t *ret)
{
        int r = grow32(t, &t->dirs, t->n_dirs, &t->cap_dirs, sizeof(*t->dirs));

        if (r < 0)
                return r;
        t->dirs[t->n_dirs] = (struct nxc_erofs_dir){ .parent = parent,
                .depth = parent == t->n_dirs ? 0 : t->dirs[parent].depth + 1,
                .opaque = opaque,
                .mode = 0755 };
        *ret = t->n_dirs++;
        return 0;
}

/* --- attributes --- */

static bool split_xattr(const struct nxc_tar_xattr *x, mode_t type, struct nxc_erofs_xattr *ret)
{
        static const struct {
                const char *name;
                uint8_t prefix;
        } prefixes[] = {
                { "user.", NXC_EROFS_XATTR_USER },
                { "security.", NXC_EROFS_XATTR_SECURITY },
                { "system.posix_acl_access", NXC_EROFS_XATTR_ACL_ACCESS },
                { "system.posix_acl_default", NXC_EROFS_XATTR_ACL_DEFAULT },
        };
        size_t i = 0, skip;

        while (i < NXC_ARRAY_SIZE(prefixes) && !nxc_starts_with(x->name, prefixes[i].name))
                i++;
        if (i == NXC_ARRAY_SIZE(prefixes))
                return false;
        /* What Linux does not let anybody set. */
        if (prefixes[i].prefix == NXC_EROFS_XATTR_USER && type != S_IFREG && type != S_IFDIR)
                return false;
        if (prefixes[i].prefix == NXC_EROFS_XATTR_ACL_ACCESS && type == S_IFLNK)
                return false;
        if (prefixes[i].prefix == NXC_EROFS_XATTR_ACL_DEFAULT && type != S_IFDIR)
                return false;
        skip = strlen(prefixes[i].name);
        *ret = (struct nxc_erofs_xattr){ .prefix = prefixes[i].prefix,
                .name = x->name + skip,
                .name_len = (uint8_t)strlen(x->name + skip),
                .value = x->value,
                .value_len = (uint16_t)x->len };
        return true;
}

/* Adds one; of the same name the last counts. */
static size_t put_xattr(struct nxc_erofs_xattr *v, size_t n, const struct nxc_erofs_xattr *x)
{
        for (size_t i = 0; i < n; i++) {
                if (v[i].prefix == x->prefix && v[i].name_len == x->name_len &&
                        memcmp(v[i].name, x->name, x->name_len) == 0) {
                        v[i] = *x;
                        return n;
                }
        }
        if (n < NXC_TAR_MAX_XATTRS)
                v[n++] = *x;
        return n;
}

static size_t collect_xattrs(const struct nxc_tar_entry *e, struct nxc_erofs_xattr *v, size_t n)
{
        struct nxc_erofs_xattr x;

        for (size_t i = 0; i < e->n_xattrs; i++)
                if (split_xattr(&e->xattrs[i], e->type, &x))
                        n = put_xattr(v, n, &x);
        return n;
}

/* Those of a directory, from memory. */
static size_t load_dir_xattrs(
        const struct nxc_erofs_tree *t, const struct nxc_erofs_dir *d, struct nxc_erofs_xattr *v)
{
        const char *p = d->xattr_len ? t->xattrs.data + d->xattrs : "";
        size_t n = 0;

        for (const char *end = p + d->xattr_len; p < end; n++) {
                struct nxc_erofs_xattr_entry e;

                memcpy(&e, p, sizeof(e));
                p += sizeof(e);
                v[n] = (struct nxc_erofs_xattr){ e.prefix, e.name_len, e.value_len, p, p + e.name_len };
                p += e.name_len + e.value_len;
        }
        return n;
}

int nxc_erofs_tree_set_xattrs(
        struct nxc_erofs_tree *t, uint32_t dir, const char *path, const struct nxc_erofs_xattr *v, size_t n)
{
        _cleanup_buf_ struct nxc_buf text = { 0 };
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                struct nxc_erofs_xattr_entry entry = { v[i].name_len, v[i].prefix, v[i].value_len };

                r = nxc_buf_add(&text, &entry, sizeof(entry));
                if (r == 0)
                        r = nxc_buf_add(&text, v[i].name, v[i].name_len);
                if (r == 0)
                        r = nxc_buf_add(&text, v[i].value, v[i].value_len);
        }
        if (r == 0 && t->xattrs.len + text.len > NXC_EROFS_DIR_XATTRS_MAX_BYTES)
                return nxc_tar_refuse(t->err, path,
                        "directories have more than %u bytes of extended attributes",
                        NXC_EROFS_DIR_XATTRS_MAX_BYTES);
        t->dirs[dir].xattrs = (uint32_t)t->xattrs.len;
        t->dirs[dir].xattr_len = (uint32_t)text.len;
        if (r == 0 && text.len)
                r = nxc_buf_add(&t->xattrs, text.data, text.len);
        return r < 0 ? nxc_oom(t->err) : 0;
}

/* Its earlier ones stay, unless they come again. */
static int save_dir_xattrs(struct nxc_erofs_tree *t, uint32_t dir, const struct nxc_tar_entry *e)
{
        struct nxc_erofs_xattr v[NXC_TAR_MAX_XATTRS];

        if (e->n_xattrs == 0)
                return 0;
        return nxc_erofs_tree_set_xattrs(
                t, dir, e->path, v, collect_xattrs(e, v, load_dir_xattrs(t, &t->dirs[dir], v)));
}

static int set_dir(struct nxc_erofs_tree *t, uint32_t dir, const struct nxc_tar_entry *e)
{
        struct nxc_erofs_dir *d = &t->dirs[dir];

        d->mode = (uint16_t)e->mode;
        d->uid = e->uid;
        d->gid = e->gid;
        d->mtime = e->mtime.tv_sec;
        d->mtime_nsec = (uint32_t)e->mtime.tv_nsec;
        return save_dir_xattrs(t, dir, e);
}

/* --- paths --- */

/* Where a path leads from the root, all its links followed as after a chroot: a directory, or -errno as
 * openat2 has it. */
static int resolve(struct nxc_erofs_tree *t, const char *path, uint32_t *ret)
{
        char rest[PATH_MAX], target[PATH_MAX];
        uint32_t dir = NXC_EROFS_ROOT;
        int links = 0;
        size_t len = strlen(path);

        if (len >= sizeof(rest))
                return -ENAMETOOLONG;
        memcpy(rest, path, len + 1);
        for (char *p = rest + strspn(rest, "/"); *p; p += strspn(p, "/")) {
                size_t n = strcspn(p, "/"), left;
                const struct nxc_erofs_node *node;
                int r;

                if (n > NAME_MAX)
                        return -ENAMETOOLONG;
                if (n == 2 && p[0] == '.' && p[1] == '.') {
                        dir = t->dirs[dir].parent;
                        p += n;
                        continue;
                }
                node = n == 1 && p[0] == '.' ? NULL : nxc_erofs_tree_find(t, dir, p, n);
                if (!node && !(n == 1 && p[0] == '.'))
                        return -ENOENT;
                p += n;
                if (!node)
                        continue;
                if (node->child) {
                        dir = node->child;
                        continue;
                }
                if ((mode_t)node->type << 12 != S_IFLNK)
                        return -ENOTDIR;
                if (++links > MAX_LINKS)
                        return -ELOOP;
                r = nxc_erofs_read_symlink(t->w, node->nid, target, sizeof(target));
                if (r < 0)
                        return r;
                len = strlen(target);
                left = strlen(p);
                if (len + left >= sizeof(rest))
                        return -ENAMETOOLONG;
                memmove(rest + len, p, left + 1);
                memcpy(rest, target, len);
                if (target[0] == '/')
                        dir = NXC_EROFS_ROOT;
                p = rest;
        }
        *ret = dir;
        return 0;
}

static int follow_link(
        struct nxc_erofs_tree *t, const struct nxc_tar_entry *e, const char *prefix, uint32_t *ret)
{
        int r = resolve(t, prefix, ret);

        if (r < 0 && nxc_error_is_set(t->err))
                return r;
        if (r < 0)
                return nxc_tar_refuse(t->err, e->path, "'%s' is a symlink to %s", prefix,
                        r == -ENOENT  ? "nothing"
                        : r == -ELOOP ? "itself"
                                      : "no directory");
        /* After a link was followed, names no longer say how deep we are. */
        if (t->dirs[*ret].depth > 2 * NXC_TAR_MAX_DEPTH)
                return nxc_tar_refuse(t->err, e->path, "its directory is too deep");
        return 0;
}

/* A directory that has no entry (yet), 0755 and root's as everybody makes it, and as old as what needs
 * it. */
static int make_implicit(struct nxc_erofs_tree *t, const struct nxc_tar_entry *e, uint32_t parent,
        const char *name, bool opaque, uint32_t *ret)
{
        struct nxc_erofs_node *n;
        int r = nxc_erofs_tree_add_dir(t, parent, opaque, ret);

        if (r == 0)
                r = nxc_erofs_tree_take_name(t, parent, name, &n);
        if (r < 0)
                return r;
        n->child = *ret;
        n->type = S_IFDIR >> 12;
        t->dirs[*ret].mtime = e->mtime.tv_sec;
        t->dirs[*ret].mtime_nsec = (uint32_t)e->mtime.tv_nsec;
        return 0;
}

static int enter_directory(struct nxc_erofs_tree *t, struct nxc_tar_entry *e, const char *name,
        const char *prefix, uint32_t *dir)
{
        const struct nxc_erofs_node *n = nxc_erofs_tree_find(t, *dir, name, strlen(name));

        if (n && n->child) {
                *dir = n->child;
                return 0;
        }
        if (n && (mode_t)n->type << 12 == S_IFLNK)
                return follow_link(t, e, prefix, dir);
        if (n && !n->whiteout)
                return nxc_tar_refuse(t->err, e->path, "'%s' is not a directory", prefix);
        if (n && e->whiteout) {
                e->moot = true; /* all below is removed already; some builders say it twice */
                return -ENOENT;
        }
        return make_implicit(t, e, *dir, name, n != NULL, dir);
}

static int enter(void *arg, struct nxc_tar_entry *e)
{
        char prefix[PATH_MAX], name[NAME_MAX + 1];
        struct nxc_erofs_tree *t = arg;
        size_t len = nxc_tar_split(e->path, &e->base);
        uint32_t dir = NXC_EROFS_ROOT;

        if (t->cwd && strncmp(t->cwd_path, e->path, len) == 0 && t->cwd_path[len] == '\0')
                return 0;
        t->cwd = 0;
        memcpy(t->cwd_path, e->path, len);
        t->cwd_path[len] = '\0';
        for (const char *p = t->cwd_path; *p; p += strspn(p, "/")) {
                size_t n = strcspn(p, "/"), end = (size_t)(p - t->cwd_path) + n;
                int r;

                memcpy(name, p, n);
                name[n] = '\0';
                memcpy(prefix, t->cwd_path, end);
                prefix[end] = '\0';
                r = enter_directory(t, e, name, prefix, &dir);
                if (r < 0)
                        return r;
                p += n;
        }
        t->cwd = dir;
        return 0;
}

/* --- entries --- */

/* Writes the inode and gives it the entry's name. */
static int add_entry(struct nxc_erofs_tree *t, const struct nxc_tar_entry *e, uint64_t size)
{
        struct nxc_erofs_xattr xattrs[NXC_TAR_MAX_XATTRS];
        struct nxc_erofs_attrs a = {
                .mode = e->type | (e->type == S_IFLNK ? 0777 : e->mode),
                .uid = e->uid,
                .gid = e->gid,
                .mtime = e->mtime,
                .size = size,
                .device = e->device,
                .nlink = 1,
                .xattrs = xattrs,
                .n_xattrs = collect_xattrs(e, xattrs, 0),
        };
        struct nxc_erofs_node *n;
        uint64_t nid;
        int r = nxc_erofs_add_inode(t->w, &a, &nid);

        if (r == 0)
                r = nxc_erofs_tree_take_name(t, t->cwd, e->base, &n);
        if (r < 0)
                return r;
        n->nid = nid;
        n->type = e->type >> 12;
        n->whiteout = e->type == S_IFCHR && e->device == 0; /* it is one to overlayfs, and to podman */
        t->result->whiteouts |= n->whiteout;
        t->result->xattrs |= a.n_xattrs > 0;
        return 0;
}

static int set_root(void *arg, const struct nxc_tar_entry *e)
{
        return set_dir(arg, NXC_EROFS_ROOT, e);
}

static int add_file(void *arg, const struct nxc_tar_entry *e, struct nxc_tar *tar)
{
        struct nxc_erofs_tree *t = arg;
        const void *data;
        uint64_t offset;
        size_t len;
        int r;

        while ((r = nxc_tar_data(tar, &data, &len, &offset)) > 0) {
                r = nxc_erofs_add_data(t->w, offset, data, len);
                if (r < 0)
                        break;
        }
        return r < 0 ? r : add_entry(t, e, e->size);
}

/* A directory keeps what is in it when its entry comes again. One that takes another thing's place hides
 * what layers below have there, as that thing did. */
static int add_directory(void *arg, const struct nxc_tar_entry *e)
{
        struct nxc_erofs_tree *t = arg;
        struct nxc_erofs_node *n = nxc_erofs_tree_find(t, t->cwd, e->base, strlen(e->base));
        uint32_t dir = n ? n->child : 0;
        int r = 0;

        if (!dir)
                r = make_implicit(t, e, t->cwd, e->base, n != NULL, &dir);
        return r < 0 ? r : set_dir(t, dir, e);
}

static int add_symlink(void *arg, const struct nxc_tar_entry *e)
{
        struct nxc_erofs_tree *t = arg;
        int r = nxc_erofs_add_data(t->w, 0, e->target, strlen(e->target));

        return r < 0 ? r : add_entry(t, e, strlen(e->target));
}

static int add_node_entry(void *arg, const struct nxc_tar_entry *e)
{
        return add_entry(arg, e, 0);
}

static bool is_beneath(const struct nxc_erofs_tree *t, uint32_t dir, uint32_t above)
{
        while (dir != above && dir != NXC_EROFS_ROOT)
                dir = t->dirs[dir].parent;
        return dir == above;
}

/* Owner, mode and time are those of the target, of whose inode this is another name. */
static int add_hardlink(void *arg, const struct nxc_tar_entry *e)
{
        struct nxc_erofs_tree *t = arg;
        const char *base;
        size_t len = nxc_tar_split(e->link, &base);
        struct nxc_erofs_node *target = NULL, *n;
        char dir_path[PATH_MAX];
        uint32_t dir = 0;
        uint64_t nid, type;
        int r;

        memcpy(dir_path, e->link, len);
        dir_path[len] = '\0';
        r = resolve(t, dir_path, &dir);
        if (r < 0 && nxc_error_is_set(t->err))
                return r;
        if (base[0] && r == 0)
                target = nxc_erofs_tree_find(t, dir, base, strlen(base));
        if (!target || target->whiteout)
                return nxc_tar_refuse(t->err, e->path,
                        "it is a hard link to '%.300s', which is not in this layer", e->link);
        if (target->child)
                return nxc_tar_refuse(
                        t->err, e->path, "it is a hard link to '%.300s', a directory", e->link);
        n = nxc_erofs_tree_find(t, t->cwd, e->base, strlen(e->base));
        if (n && !n->child && n->nid == target->nid)
                return 0; /* said twice, or a link to itself */
        if (n && n->child && is_beneath(t, dir, n->child))
                return nxc_tar_refuse(
                        t->err, e->path, "it is a hard link to '%.300s', which it replaces", e->link);
        target->linked = 1;
        nid = target->nid;
        type = target->type;
        r = nxc_erofs_tree_take_name(t, t->cwd, e->base, &n);
        if (r < 0)
                return r;
        n->nid = nid;
        n->type = type & 0xf;
        n->linked = 1;
        return 0;
}

static int add_whiteout(void *arg, const struct nxc_tar_entry *e, const char *name)
{
        struct nxc_erofs_attrs a = { .mode = S_IFCHR, .nlink = 1 };
        struct nxc_erofs_tree *t = arg;
        struct nxc_erofs_node *n = nxc_erofs_tree_find(t, t->cwd, name, strlen(name));
        uint64_t nid;
        int r;

        (void)e;
        t->result->whiteouts = true;
        if (n) { /* this layer's own: it stays, and hides what is below in full */
                if (n->child)
                        t->dirs[n->child].opaque = true;
                return 0;
        }
        r = nxc_erofs_add_inode(t->w, &a, &nid);
        if (r == 0)
                r = nxc_erofs_tree_take_name(t, t->cwd, name, &n);
        if (r < 0)
                return r;
        n->nid = nid;
        n->type = S_IFCHR >> 12;
        n->whiteout = 1;
        return 0;
}

static int set_opaque(void *arg, const struct nxc_tar_entry *e)
{
        struct nxc_erofs_tree *t = arg;

        (void)e;
        t->dirs[t->cwd].opaque = true;
        return 0;
}

/* --- the end: directories --- */

/* The sorted names of a directory, with "." and "..". */
static int list_names(struct nxc_erofs_tree *t, uint32_t dir, size_t *ret_n)
{
        const struct nxc_erofs_dir *d = &t->dirs[dir];
        size_t n = 0;

        if (d->count + 2 > t->cap_list) {
                size_t cap = d->count + 2 + d->count / 2;
                struct nxc_erofs_name *list = reallocarray(t->list, cap, sizeof(*list));

                if (!list)
                        return nxc_oom(t->err);
                t->list = list;
                t->cap_list = cap;
        }
        t->list[n++] = (struct nxc_erofs_name){ ".", 1, d->place.nid, S_IFDIR };
        t->list[n++] = (struct nxc_erofs_name){ "..", 2, t->dirs[d->parent].place.nid, S_IFDIR };
        for (uint32_t i = d->first; i; i = t->nodes[i].next) {
                const struct nxc_erofs_node *node = &t->nodes[i];
                size_t len;
                const char *name = name_of(t, node, &len);

                if (!node->type)
                        continue; /* taken away */
                t->list[n++] = (struct nxc_erofs_name){ name, (uint8_t)len,
                        node->child ? t->dirs[node->child].place.nid : node->nid, (mode_t)node->type << 12 };
        }
        nxc_erofs_sort_names(t->list, n);
        *ret_n = n;
        return 0;
}

/* Directories below it get in line in the order of their names. */
static int queue_children(struct nxc_erofs_tree *t, uint32_t dir, size_t n)
{
        t->dirs[dir].nlink = 2;
        for (size_t i = 0; i < n; i++) {
                const struct nxc_erofs_name *name = &t->list[i];
                const struct nxc_erofs_node *node;
                int r;

                if (name->name[0] == '.' && (name->len == 1 || (name->len == 2 && name->name[1] == '.')))
                        continue;
                node = nxc_erofs_tree_find(t, dir, name->name, name->len);
                if (node->child) {
                        t->order[t->n_order++] = node->child;
                        t->dirs[dir].nlink++;
                        continue;
                }
                if (!node->linked)
                        continue;
                r = grow(t, &t->links, t->n_links, &t->cap_links, sizeof(*t->links));
                if (r < 0)
                        return r;
                t->links[t->n_links++].pos = node->nid;
        }
        return 0;
}

static int encode_dir_xattrs(struct nxc_erofs_tree *t, struct nxc_erofs_dir *d)
{
        struct nxc_erofs_xattr opaque = { NXC_EROFS_XATTR_TRUSTED, strlen("overlay.opaque"), 1,
                "overlay.opaque", "y" };
        struct nxc_erofs_xattr v[NXC_TAR_MAX_XATTRS + 1];
        uint8_t body[NXC_EROFS_XATTR_BODY_MAX];
        size_t n = load_dir_xattrs(t, d, v), len;
        int r;

        if (d->opaque) { /* before all others: it is not lost where there are too many */
                n = n < NXC_TAR_MAX_XATTRS ? n : NXC_TAR_MAX_XATTRS - 1;
                memmove(v + 1, v, n++ * sizeof(v[0]));
                v[0] = opaque;
        }
        if (n == 0)
                return 0;
        r = nxc_erofs_encode_xattrs(t->w, v, n, body, &len);
        if (r < 0)
                return r;
        d->xattrs = (uint32_t)t->xattrs.len;
        d->xattr_len = (uint32_t)len;
        return nxc_buf_add(&t->xattrs, body, len) < 0 ? nxc_oom(t->err) : 0;
}

static int place_directories(struct nxc_erofs_tree *t)
{
        int r = nxc_erofs_begin_directories(t->w);

        t->order = reallocarray(NULL, t->n_dirs, sizeof(*t->order));
        if (!t->order)
                return nxc_oom(t->err);
        t->order[t->n_order++] = NXC_EROFS_ROOT;
        for (uint32_t i = 0; r == 0 && i < t->n_order; i++) {
                struct nxc_erofs_dir *d = &t->dirs[t->order[i]];
                size_t n;

                r = list_names(t, t->order[i], &n);
                if (r == 0)
                        r = queue_children(t, t->order[i], n);
                if (r == 0)
                        r = encode_dir_xattrs(t, d);
                if (r == 0)
                        r = nxc_erofs_place_directory(t->w, t->list, n, d->xattr_len, &d->place);
        }
        return r;
}

static int by_pos(const void *a, const void *b)
{
        const struct nxc_erofs_patch *x = a, *y = b;

        return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static int count_links(struct nxc_erofs_tree *t)
{
        size_t n = 0;

        if (t->n_links)
                qsort(t->links, t->n_links, sizeof(*t->links), by_pos);
        for (size_t i = 0; i < t->n_links; i++) {
                if (n == 0 || t->links[n - 1].pos != t->links[i].pos)
                        t->links[n++] = (struct nxc_erofs_patch){ .pos = t->links[i].pos };
                t->links[n - 1].value++;
        }
        return nxc_erofs_set_links(t->w, t->links, n);
}

static int end_placing(struct nxc_erofs_tree *t)
{
        int r = nxc_erofs_end_placing(t->w);

        for (uint32_t i = 0; r == 0 && i < t->n_order; i++)
                nxc_erofs_settle(t->w, &t->dirs[t->order[i]].place);
        return r;
}

static int write_directory_blocks(struct nxc_erofs_tree *t)
{
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < t->n_order; i++) {
                const struct nxc_erofs_dir *d = &t->dirs[t->order[i]];
                size_t n;

                if (d->place.start == NXC_EROFS_NO_BLOCK)
                        continue;
                r = list_names(t, t->order[i], &n);
                if (r == 0)
                        r = nxc_erofs_add_directory_blocks(t->w, &d->place, t->list, n);
        }
        return r;
}

static int write_directory_inodes(struct nxc_erofs_tree *t)
{
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < t->n_order; i++) {
                const struct nxc_erofs_dir *d = &t->dirs[t->order[i]];
                struct nxc_erofs_attrs a = {
                        .mode = S_IFDIR | d->mode,
                        .uid = d->uid,
                        .gid = d->gid,
                        .mtime = { d->mtime, d->mtime_nsec },
                        .nlink = d->nlink,
                };
                size_t n;

                r = list_names(t, t->order[i], &n);
                if (r == 0)
                        r = nxc_erofs_add_directory_inode(t->w, &d->place, &a,
                                d->xattr_len ? (const uint8_t *)t->xattrs.data + d->xattrs : NULL,
                                d->xattr_len, t->list, n);
        }
        return r;
}

int nxc_erofs_tree_finish(struct nxc_erofs_tree *t)
{
        int r = place_directories(t);

        if (r == 0)
                r = count_links(t);
        if (r == 0)
                r = end_placing(t);
        if (r == 0)
                r = write_directory_blocks(t);
        if (r == 0)
                r = write_directory_inodes(t);
        return r < 0 ? r : nxc_erofs_finish(t->w, t->uuid, &t->inodes);
}

void nxc_erofs_tree_done(struct nxc_erofs_tree *t)
{
        atomic_fetch_sub(&all_trees, t->size);
        free(t->nodes);
        free(t->table);
        free(t->dirs);
        free(t->list);
        free(t->links);
        free(t->order);
        nxc_buf_done(&t->names);
        nxc_buf_done(&t->xattrs);
}

static int finish(void *arg)
{
        return nxc_erofs_tree_finish(arg);
}

static const struct nxc_tar_sink sink = {
        .root = set_root,
        .enter = enter,
        .file = add_file,
        .directory = add_directory,
        .symlink = add_symlink,
        .node = add_node_entry,
        .hardlink = add_hardlink,
        .whiteout = add_whiteout,
        .opaque = set_opaque,
        .finish = finish,
};

int nxc_erofs_tree_init(struct nxc_erofs_tree *t)
{
        uint32_t root;
        int r;

        if (getrandom(t->key, sizeof(t->key), 0) < 0)
                return nxc_fail(t->err, errno, "get random bytes");
        t->key[1] |= 1;
        t->n_nodes = 1;
        t->n_dirs = NXC_EROFS_ROOT;
        r = grow32(t, &t->nodes, 1, &t->cap_nodes, sizeof(*t->nodes));
        if (r == 0)
                r = grow32(t, &t->dirs, 1, &t->cap_dirs, sizeof(*t->dirs));
        if (r == 0)
                r = grow_table(t);
        return r < 0 ? r : nxc_erofs_tree_add_dir(t, NXC_EROFS_ROOT, false, &root);
}

int nxc_erofs_from_tar(struct nxc_erofs_writer *w, const struct nxc_tar_source *source,
        const struct nxc_tar_limits *limits, const uint8_t uuid[16], struct nxc_tar_result *ret,
        struct nxc_erofs_image *ret_image, struct nxc_error *err)
{
        struct nxc_tar_result result = { 0 };
        struct nxc_erofs_tree t = { .w = w, .err = err, .result = &result, .uuid = uuid };
        int r = nxc_erofs_tree_init(&t);

        if (r == 0)
                r = nxc_tar_read(source, limits, &sink, &t, &result, err);
        if (r == 0) {
                const struct nxc_erofs_dir *root = &t.dirs[NXC_EROFS_ROOT];

                *ret = result;
                *ret_image = (struct nxc_erofs_image){ S_IFDIR | root->mode, root->uid, root->gid,
                        root->opaque, t.inodes };
        }
        nxc_erofs_tree_done(&t);
        return r;
}
