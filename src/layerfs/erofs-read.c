/* See erofs-read-internal.h.
 *
 * Reads go through a few windows, since inodes and directories lie close to each other in the order in which
 * they are asked for, with the data of files, which nobody wants, between them. */
#include "layerfs/erofs-read-internal.h"

#include "core/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BLOCK NXC_EROFS_BLOCK
#define WINDOW (64u << 10)
#define WINDOWS 8

struct nxc_erofs_window {
        uint64_t pos;
        size_t len; /* 0: empty */
        uint8_t data[WINDOW];
};

static int damaged(struct nxc_erofs_reader *rd, const char *what)
{
        nxc_fail_kind(rd->err, NXC_ERR_INVALID_IMAGE, 0, "read layer '%s': %s", rd->name, what);
        nxc_error_hint(rd->err, "nexcage verify --repair makes it again");
        return -EINVAL;
}

static int fill_window(struct nxc_erofs_reader *rd, struct nxc_erofs_window *w, uint64_t pos)
{
        uint64_t want = rd->size - pos < WINDOW ? rd->size - pos : WINDOW;
        ssize_t n;

        w->len = 0;
        w->pos = pos;
        do
                n = pread(rd->fd, w->data, want, (off_t)pos);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return nxc_fail(rd->err, errno, "read layer '%s'", rd->name);
        if ((uint64_t)n != want)
                return damaged(rd, "its image is too short");
        w->len = (size_t)n;
        return 0;
}

static int read_at(struct nxc_erofs_reader *rd, uint64_t pos, void *buf, size_t len)
{
        uint8_t *to = buf;

        if (pos > rd->size || len > rd->size - pos)
                return damaged(rd, "its image points beyond its end");
        while (len > 0) {
                struct nxc_erofs_window *w = &rd->windows[pos / WINDOW % WINDOWS];
                size_t n, at = (size_t)(pos % WINDOW);
                int r = w->len > 0 && w->pos == pos - at ? 0 : fill_window(rd, w, pos - at);

                if (r < 0)
                        return r;
                n = w->len - at < len ? w->len - at : len;
                memcpy(to, w->data + at, n);
                to += n;
                pos += n;
                len -= n;
        }
        return 0;
}

int nxc_erofs_reader_open(
        struct nxc_erofs_reader *rd, int fd, const char *name, uint32_t blocks, struct nxc_error *err)
{
        struct nxc_erofs_super super;
        int r;

        *rd = (struct nxc_erofs_reader){
                .fd = fd, .name = name, .size = (uint64_t)blocks * BLOCK, .err = err
        };
        rd->windows = malloc(WINDOWS * sizeof(*rd->windows));
        if (!rd->windows)
                return nxc_oom(err);
        for (int i = 0; i < WINDOWS; i++)
                rd->windows[i].len = 0;
        posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* the windows are what we want of it */
        r = read_at(rd, NXC_EROFS_SUPER_OFFSET, &super, sizeof(super));
        if (r == 0 && (le32toh(super.magic) != NXC_EROFS_MAGIC || super.block_bits != NXC_EROFS_BLOCK_BITS ||
                              super.meta_block || super.incompat))
                r = damaged(rd, "its superblock is not one of ours");
        if (r < 0) {
                nxc_erofs_reader_done(rd);
                return r;
        }
        rd->inodes = le64toh(super.inodes);
        rd->root_nid = le16toh(super.root_nid);
        rd->xattr_pos = (uint64_t)le32toh(super.xattr_block) * BLOCK;
        return 0;
}

void nxc_erofs_reader_done(struct nxc_erofs_reader *rd)
{
        nxc_freep(&rd->windows);
        nxc_buf_done(&rd->xattrs);
}

/* --- attributes --- */

/* Appends one entry to the buffer, as it lies there; *pos gets behind it. */
static int load_xattr(struct nxc_erofs_reader *rd, uint64_t *pos, uint64_t end)
{
        struct nxc_erofs_xattr_entry e;
        char text[UINT8_MAX];
        uint16_t left;
        int r;

        r = read_at(rd, *pos, &e, sizeof(e));
        if (r < 0)
                return r;
        *pos += sizeof(e);
        left = le16toh(e.value_len);
        if (*pos + e.name_len + left > end)
                return damaged(rd, "an extended attribute does not end");
        e.value_len = left;
        r = nxc_buf_add(&rd->xattrs, &e, sizeof(e));
        if (r == 0)
                r = read_at(rd, *pos, text, e.name_len);
        if (r == 0)
                r = nxc_buf_add(&rd->xattrs, text, e.name_len);
        *pos += e.name_len;
        while (r == 0 && left > 0) {
                uint16_t n = left < sizeof(text) ? left : (uint16_t)sizeof(text);

                r = read_at(rd, *pos, text, n);
                if (r == 0)
                        r = nxc_buf_add(&rd->xattrs, text, n);
                *pos += n;
                left = (uint16_t)(left - n);
        }
        *pos = (*pos + 3) / 4 * 4;
        return r == -ENOMEM ? nxc_oom(rd->err) : r;
}

/* body: the header, ids of shared ones, entries. */
static int load_xattrs(struct nxc_erofs_reader *rd, uint64_t pos, size_t len, size_t *ret_n)
{
        struct nxc_erofs_xattr_header header;
        uint64_t end = pos + len;
        size_t n = 0;
        int r = read_at(rd, pos, &header, sizeof(header));

        pos += sizeof(header);
        for (unsigned i = 0; r == 0 && i < header.n_shared; i++, n++, pos += sizeof(uint32_t)) {
                uint32_t id;

                if (pos + sizeof(id) > end)
                        return damaged(rd, "its shared attributes do not end");
                r = read_at(rd, pos, &id, sizeof(id));
                if (r == 0) {
                        uint64_t at = rd->xattr_pos + (uint64_t)le32toh(id) * 4;

                        r = load_xattr(rd, &at, rd->size);
                }
        }
        for (; r == 0 && pos < end; n++)
                r = n < NXC_TAR_MAX_XATTRS ? load_xattr(rd, &pos, end)
                                           : damaged(rd, "an inode has too many attributes");
        *ret_n = n;
        return r;
}

static void list_xattrs(const struct nxc_erofs_reader *rd, size_t n, struct nxc_erofs_xattr *v)
{
        const char *p = rd->xattrs.data;

        for (size_t i = 0; i < n; i++) {
                struct nxc_erofs_xattr_entry e;

                memcpy(&e, p, sizeof(e));
                p += sizeof(e);
                v[i] = (struct nxc_erofs_xattr){ e.prefix, e.name_len, e.value_len, p, p + e.name_len };
                p += e.name_len + e.value_len;
        }
}

/* --- inodes --- */

/* As the kernel's new_decode_dev. */
static dev_t decode_device(uint32_t d)
{
        return makedev((d & 0xfff00) >> 8, (d & 0xff) | (d >> 12 & 0xfff00));
}

int nxc_erofs_read_inode(struct nxc_erofs_reader *rd, uint64_t nid, struct nxc_erofs_stat *ret)
{
        struct nxc_erofs_inode inode;
        uint64_t pos = nid * NXC_EROFS_SLOT;
        size_t count, len = 0, n = 0;
        int r = nid > UINT64_MAX / NXC_EROFS_SLOT ? damaged(rd, "an inode lies beyond its end")
                                                  : read_at(rd, pos, &inode, sizeof(inode));

        if (r < 0)
                return r;
        count = le16toh(inode.xattr_count);
        if (count)
                len = sizeof(struct nxc_erofs_xattr_header) + 4 * (count - 1);
        rd->xattrs.len = 0;
        if (len)
                r = load_xattrs(rd, pos + sizeof(inode), len, &n);
        if (r < 0)
                return r;
        ret->format = le16toh(inode.format);
        if (ret->format != NXC_EROFS_PLAIN && ret->format != NXC_EROFS_INLINE)
                return damaged(rd, "an inode is not one of ours");
        ret->start = le32toh(inode.start);
        ret->data_pos = pos + sizeof(inode) + len;
        ret->attrs = (struct nxc_erofs_attrs){ .mode = le16toh(inode.mode),
                .uid = le32toh(inode.uid),
                .gid = le32toh(inode.gid),
                .mtime = { (time_t)le64toh(inode.mtime), le32toh(inode.mtime_nsec) },
                .size = le64toh(inode.size),
                .device = decode_device(ret->start),
                .nlink = le32toh(inode.nlink),
                .xattrs = ret->xattrs,
                .n_xattrs = n };
        list_xattrs(rd, n, ret->xattrs);
        return 0;
}

/* Where a place in a file's content lies, which goes on for *len there. */
static uint64_t find_data(const struct nxc_erofs_stat *st, uint64_t offset, size_t *len)
{
        uint64_t blocks = (uint64_t)st->start * BLOCK, tail = st->attrs.size / BLOCK * BLOCK;

        if (st->format == NXC_EROFS_PLAIN)
                return blocks + offset;
        if (offset >= tail)
                return st->data_pos + (offset - tail);
        if (*len > tail - offset)
                *len = (size_t)(tail - offset);
        return blocks + offset;
}

static int read_content(struct nxc_erofs_reader *rd, const struct nxc_erofs_stat *st, uint64_t offset,
        uint8_t *buf, size_t len)
{
        int r = 0;

        while (r == 0 && len > 0) {
                size_t n = len;
                uint64_t pos = find_data(st, offset, &n);

                r = read_at(rd, pos, buf, n);
                buf += n;
                offset += n;
                len -= n;
        }
        return r;
}

int nxc_erofs_read_small(struct nxc_erofs_reader *rd, const struct nxc_erofs_stat *st, uint8_t *buf)
{
        if (st->attrs.size > BLOCK)
                return damaged(rd, "a small file is large");
        return read_content(rd, st, 0, buf, (size_t)st->attrs.size);
}

/* --- directories --- */

static mode_t mode_of(uint8_t type)
{
        static const mode_t modes[] = { 0, S_IFREG, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO, 0, S_IFLNK };

        return type < sizeof(modes) / sizeof(modes[0]) ? modes[type] : 0;
}

static int read_names(
        struct nxc_erofs_reader *rd, const uint8_t *block, size_t len, nxc_erofs_entry_fn fn, void *arg)
{
        struct nxc_erofs_dirent first, d;
        size_t n;

        if (len < sizeof(first))
                return damaged(rd, "a directory is cut off");
        memcpy(&first, block, sizeof(first));
        n = le16toh(first.name_offset) / sizeof(d);
        if (n == 0 || n * sizeof(d) > len)
                return damaged(rd, "a directory has no names");
        for (size_t i = 0; i < n; i++) {
                char name[NAME_MAX + 1];
                size_t from, to = len, size;
                int r;

                memcpy(&d, block + i * sizeof(d), sizeof(d));
                from = le16toh(d.name_offset);
                if (i + 1 < n) {
                        struct nxc_erofs_dirent next;

                        memcpy(&next, block + (i + 1) * sizeof(next), sizeof(next));
                        to = le16toh(next.name_offset);
                }
                if (from < n * sizeof(d) || from >= to || to > len || to - from > NAME_MAX)
                        return damaged(rd, "a directory has a wrong name");
                size = strnlen((const char *)block + from, to - from);
                memcpy(name, block + from, size);
                name[size] = '\0';
                if (size == 0 || strchr(name, '/') || !mode_of(d.type))
                        return damaged(rd, "a directory has a wrong name");
                if (nxc_streq(name, ".") || nxc_streq(name, ".."))
                        continue;
                r = fn(arg, name, le64toh(d.nid), mode_of(d.type));
                if (r < 0)
                        return r;
        }
        return 0;
}

int nxc_erofs_read_directory(
        struct nxc_erofs_reader *rd, const struct nxc_erofs_stat *st, nxc_erofs_entry_fn fn, void *arg)
{
        uint8_t block[BLOCK];
        int r = 0;

        for (uint64_t at = 0; r == 0 && at < st->attrs.size; at += BLOCK) {
                size_t len = st->attrs.size - at < BLOCK ? (size_t)(st->attrs.size - at) : BLOCK;

                r = read_content(rd, st, at, block, len);
                if (r == 0)
                        r = read_names(rd, block, len, fn, arg);
        }
        return r;
}
