/* The names of an image while it is written: erofs-tree.c has what is behind it. Made from a tar stream
 * there, from other images in erofs-merge.c. Only for these two. */
#pragma once

#include "core/str.h"
#include "layerfs/erofs-internal.h"

#define NXC_EROFS_ROOT 1 /* the root's directory */

struct nxc_erofs_node {
        uint32_t next;  /* in its directory */
        uint32_t text;  /* where in names: a length byte, and so many more */
        uint32_t dir;   /* in which it is */
        uint32_t child; /* what directory it is; 0: none */
        uint64_t nid : 48;
        uint64_t type : 4; /* S_IFMT >> 12; 0: the name is gone */
        uint64_t linked : 1;
        uint64_t whiteout : 1;
};

struct nxc_erofs_dir {
        uint32_t first, count; /* nodes in it */
        uint32_t parent;
        uint32_t depth;
        uint32_t xattrs, xattr_len; /* where in xattrs */
        uid_t uid;
        gid_t gid;
        uint16_t mode;
        bool opaque;
        uint32_t nlink;
        uint32_t mtime_nsec;
        int64_t mtime;
        struct nxc_erofs_place place;
};

struct nxc_erofs_tree {
        struct nxc_erofs_writer *w;
        struct nxc_error *err;
        struct nxc_tar_result *result;
        const uint8_t *uuid;
        uint64_t inodes;
        size_t size;     /* of what grows with the names, as accounted */
        uint64_t key[2]; /* of the hash; nothing in the image depends on it */
        struct nxc_erofs_node *nodes;
        uint32_t n_nodes, cap_nodes; /* 0 is no node */
        uint32_t *table;
        uint32_t table_size; /* a power of two */
        struct nxc_erofs_dir *dirs;
        uint32_t n_dirs, cap_dirs; /* 0 is no directory */
        struct nxc_buf names;
        struct nxc_buf
                xattrs; /* of directories: struct nxc_erofs_xattr_entry, name and value; later encoded */
        uint32_t cwd;   /* the directory in which entries are made; 0: none */
        char cwd_path[PATH_MAX];
        /* for the end */
        struct nxc_erofs_name *list;
        size_t cap_list;
        struct nxc_erofs_patch *links;
        size_t n_links, cap_links;
        uint32_t *order;
        uint32_t n_order;
};

int nxc_erofs_tree_init(struct nxc_erofs_tree *t);
void nxc_erofs_tree_done(struct nxc_erofs_tree *t);
struct nxc_erofs_node *nxc_erofs_tree_find(
        struct nxc_erofs_tree *t, uint32_t dir, const char *name, size_t len);
/* The node of a name, cleared if it was something else; valid until the next. */
int nxc_erofs_tree_take_name(
        struct nxc_erofs_tree *t, uint32_t dir, const char *name, struct nxc_erofs_node **ret);
int nxc_erofs_tree_add_dir(struct nxc_erofs_tree *t, uint32_t parent, bool opaque, uint32_t *ret);
/* Gives a directory (path: for messages) extended attributes, in place of those it had. */
int nxc_erofs_tree_set_xattrs(
        struct nxc_erofs_tree *t, uint32_t dir, const char *path, const struct nxc_erofs_xattr *v, size_t n);
/* Writes the directories, and the superblock. */
int nxc_erofs_tree_finish(struct nxc_erofs_tree *t);
