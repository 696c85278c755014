/* See erofs-internal.h.
 *
 * Theory of operation. An image is written front to back while the archive is read, once, and holds:
 *
 *   block 0       the superblock at 1024 and behind it the root's inode (whose number has 16 bits only)
 *   then, mixed   whole blocks of files, as they arrive, and *chunks*: places of some blocks that are left
 *                 open while blocks of files follow, and are filled in memory with inodes
 *   at the end    blocks of large directories; then the directories' inodes, breadth first
 *   behind it     what is ours and not EROFS': checksums of the extents, and the layer's record
 *
 * EROFS allows this mixture: an inode's number is where it lies, nothing else finds it. So a file's inode is
 * done when its entry ends, and what has to be remembered of it is its name and its number: memory does not
 * grow with what files hold, and nothing is written to be read again. Directories come last since only then
 * their names are known; and before any of them is written all have got their places, for "." and ".." name
 * them by number.
 *
 * Tails. A file of less than a block follows its inode in the same block (INLINE) when both fit; else it
 * takes a block of its own, as the last, partial block of a larger file does: so that an index
 * (erofs-merge.c) can name a file's blocks where they lie. The inodes of a chunk go into the first of its
 * blocks that has room for it. A chunk is a sixteenth of what was written before it, at most CHUNK_MAX:
 * small images stay small, and a large chunk is filled well. When none of its blocks has room it is written
 * and the next one opened.
 *
 * Holes of sparse files are blocks that were never written: zeros to EROFS, holes to the file system
 * below. (EROFS has chunk based files for them, which cost a map; these cost addresses, of which there are
 * enough for 16 TiB.)
 *
 * Attributes lie in the inode when they are short, else each in blocks of its own, shared by number, so that
 * they never push a tail out of reach. The same as those of the inode before are not written again.
 *
 * Inodes are all of the 64 byte kind: the shorter one has no time of its own.
 *
 * Hard links: the links of an inode are known when all names are; those with more than one are patched.
 *
 * Determinism: no time of now, no random uuid, no pointer or hash order has a part in it. */
#include "layerfs/erofs-internal.h"

#include "core/cleanup.h"
#include "layerfs/content-internal.h"
#include "layerfs/layerfs-internal.h"

#include <assert.h>
#include <isa-l/crc.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BLOCK NXC_EROFS_BLOCK
#define SLOT NXC_EROFS_SLOT
#define CHUNK_MAX 128        /* blocks */
#define XATTR_INLINE_MAX 512 /* bytes of attributes in an inode */
#define ROOT_POS (NXC_EROFS_SUPER_OFFSET + sizeof(struct nxc_erofs_super))
#define DIRENT sizeof(struct nxc_erofs_dirent)

static_assert(sizeof(struct nxc_erofs_super) == 128, "on disk");
static_assert(sizeof(struct nxc_erofs_inode) == 64, "on disk");
static_assert(DIRENT == 12, "on disk");
static_assert(sizeof(struct nxc_erofs_xattr_header) == 12, "on disk");
static_assert(sizeof(struct nxc_erofs_xattr_entry) == 4, "on disk");
static_assert(sizeof(struct nxc_erofs_chunk) == 8, "on disk");
static_assert(sizeof(struct nxc_erofs_device) == 128, "on disk");
static_assert(ROOT_POS % SLOT == 0, "the root's inode is at a slot");
static_assert(
        NXC_EROFS_XATTR_BODY_MAX == sizeof(struct nxc_erofs_xattr_header) + 4 * NXC_TAR_MAX_XATTRS, "");

struct nxc_erofs_writer {
        struct nxc_erofs_out out;
        struct nxc_error *err;
        uint8_t *first; /* block 0 */
        struct {
                uint8_t *data;
                uint64_t pos;
                uint32_t blocks; /* 0: none is open */
                uint16_t used[CHUNK_MAX];
        } chunk;
        uint64_t file_pos;  /* where the data of the file being read begin */
        uint64_t file_size; /* of them so far */
        uint32_t xattr_block;
        bool has_shared;
        bool has_remote; /* files whose data lie on devices */
        uint16_t devices;
        uint8_t *last_shared; /* the entries as written, and their ids: for the next inode with the same */
        size_t last_shared_len, last_shared_cap;
        uint32_t last_ids[NXC_TAR_MAX_XATTRS];
        size_t last_n;
        uint32_t inodes;
        bool root_placed;
        uint64_t place;  /* of the next directory's inode, relative to the first */
        uint32_t blocks; /* of directories, relative likewise */
        uint64_t first_dir_block;
};

int nxc_erofs_open(int fd, struct nxc_erofs_writer **ret, struct nxc_error *err)
{
        struct nxc_erofs_writer *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return nxc_oom(err);
        w->err = err;
        w->first = aligned_alloc(BLOCK, BLOCK);
        w->chunk.data = aligned_alloc(BLOCK, (size_t)CHUNK_MAX * BLOCK);
        r = w->first && w->chunk.data ? nxc_erofs_out_open(&w->out, fd, err) : nxc_oom(err);
        if (r == 0)
                r = nxc_erofs_out_skip(&w->out, 1);
        if (r < 0) {
                nxc_erofs_close(w);
                return r;
        }
        memset(w->first, 0, BLOCK);
        w->file_pos = BLOCK;
        *ret = w;
        return 0;
}

int nxc_erofs_add_device(struct nxc_erofs_writer *w, const char *tag, uint32_t blocks)
{
        struct nxc_erofs_device device = { .blocks = htole32(blocks) };

        assert(nxc_erofs_out_pos(&w->out) == BLOCK + w->devices * sizeof(device));
        memcpy(device.tag, tag, strnlen(tag, sizeof(device.tag)));
        w->devices++;
        return nxc_erofs_out_add(&w->out, &device, sizeof(device));
}

int nxc_erofs_end_devices(struct nxc_erofs_writer *w)
{
        int r = nxc_erofs_out_align(&w->out);

        w->file_pos = nxc_erofs_out_pos(&w->out);
        return r;
}

void nxc_erofs_close(struct nxc_erofs_writer *w)
{
        if (!w)
                return;
        nxc_erofs_out_done(&w->out);
        free(w->first);
        free(w->chunk.data);
        free(w->last_shared);
        free(w);
}

/* --- chunks --- */

static int close_chunk(struct nxc_erofs_writer *w)
{
        uint32_t used = w->chunk.blocks;
        uint64_t end = w->chunk.pos + (uint64_t)w->chunk.blocks * BLOCK;

        while (used > 0 && w->chunk.used[used - 1] == 0)
                used--;
        w->chunk.blocks = 0;
        if (used == 0)
                return 0;
        /* Nothing came behind it: the blocks that it did not need are free again. */
        if (nxc_erofs_out_pos(&w->out) == end && w->out.len == 0)
                w->out.base = w->chunk.pos + (uint64_t)used * BLOCK;
        return nxc_erofs_out_put(&w->out, w->chunk.pos, w->chunk.data, used);
}

static int open_chunk(struct nxc_erofs_writer *w)
{
        uint64_t sixteenth = nxc_erofs_out_pos(&w->out) / BLOCK / 16;
        int r = close_chunk(w);

        if (r < 0)
                return r;
        w->chunk.blocks = sixteenth < 1 ? 1 : sixteenth > CHUNK_MAX ? CHUNK_MAX : (uint32_t)sixteenth;
        memset(w->chunk.data, 0, (size_t)w->chunk.blocks * BLOCK);
        memset(w->chunk.used, 0, sizeof(w->chunk.used));
        r = nxc_erofs_out_flush(&w->out);
        w->chunk.pos = nxc_erofs_out_pos(&w->out);
        return r < 0 ? r : nxc_erofs_out_skip(&w->out, w->chunk.blocks);
}

/* Room for an inode and what follows it, at most a block. */
static int take_room(struct nxc_erofs_writer *w, size_t len, uint8_t **ret, uint64_t *ret_pos)
{
        uint32_t i = 0;
        int r;

        assert(len <= BLOCK);
        while (i < w->chunk.blocks && w->chunk.used[i] + len > BLOCK)
                i++;
        if (i == w->chunk.blocks) {
                r = open_chunk(w);
                if (r < 0)
                        return r;
                i = 0;
        }
        *ret = w->chunk.data + (size_t)i * BLOCK + w->chunk.used[i];
        *ret_pos = w->chunk.pos + (uint64_t)i * BLOCK + w->chunk.used[i];
        w->chunk.used[i] = (uint16_t)(w->chunk.used[i] + (len + SLOT - 1) / SLOT * SLOT);
        return 0;
}

/* --- attributes --- */

static size_t entry_size(const struct nxc_erofs_xattr *x)
{
        return (sizeof(struct nxc_erofs_xattr_entry) + x->name_len + x->value_len + 3) / 4 * 4;
}

static size_t put_entry(uint8_t *p, const struct nxc_erofs_xattr *x)
{
        struct nxc_erofs_xattr_entry e = { x->name_len, x->prefix, htole16(x->value_len) };
        size_t size = entry_size(x);

        memset(p + size - 4, 0, 4); /* the padding, before what may reach into it */
        memcpy(p, &e, sizeof(e));
        memcpy(p + sizeof(e), x->name, x->name_len);
        memcpy(p + sizeof(e) + x->name_len, x->value, x->value_len);
        return size;
}

static int write_shared(struct nxc_erofs_writer *w, const struct nxc_erofs_xattr *v, size_t n, size_t size)
{
        size_t at = 0;
        uint64_t pos = nxc_erofs_out_pos(&w->out);
        int r;

        if (!w->has_shared)
                w->xattr_block = (uint32_t)(pos / BLOCK);
        w->has_shared = true;
        w->last_n = n;
        for (size_t i = 0; i < n; i++) {
                uint64_t id = (pos + at - (uint64_t)w->xattr_block * BLOCK) / 4;

                if (id > UINT32_MAX)
                        return nxc_fail_kind(w->err, NXC_ERR_INVALID_IMAGE, EFBIG,
                                "write large extended attributes more than 16 GiB apart");
                w->last_ids[i] = htole32((uint32_t)id);
                at += entry_size(&v[i]);
        }
        r = nxc_erofs_out_add(&w->out, w->last_shared, size);
        return r < 0 ? r : nxc_erofs_out_align(&w->out);
}

/* The entries one after the other, in last_shared; written unless they were already. */
static int share(struct nxc_erofs_writer *w, const struct nxc_erofs_xattr *v, size_t n, size_t size)
{
        _cleanup_free_ uint8_t *encoded = malloc(size);
        size_t at = 0;

        if (!encoded)
                return nxc_oom(w->err);
        for (size_t i = 0; i < n; i++)
                at += put_entry(encoded + at, &v[i]);
        if (w->last_n == n && w->last_shared_len == size && memcmp(w->last_shared, encoded, size) == 0)
                return 0;
        free(w->last_shared);
        w->last_shared = TAKE_PTR(encoded);
        w->last_shared_len = size;
        return write_shared(w, v, n, size);
}

int nxc_erofs_encode_xattrs(
        struct nxc_erofs_writer *w, const struct nxc_erofs_xattr *v, size_t n, uint8_t *ret, size_t *ret_len)
{
        struct nxc_erofs_xattr_header header = { 0 };
        size_t len = sizeof(header), entries = 0;
        int r;

        *ret_len = 0;
        if (n == 0)
                return 0;
        assert(n <= NXC_TAR_MAX_XATTRS);
        for (size_t i = 0; i < n; i++)
                entries += entry_size(&v[i]);
        if (entries > XATTR_INLINE_MAX) {
                r = share(w, v, n, entries);
                if (r < 0)
                        return r;
                header.n_shared = (uint8_t)n;
                memcpy(ret + len, w->last_ids, n * sizeof(w->last_ids[0]));
                len += n * sizeof(w->last_ids[0]);
        } else {
                for (size_t i = 0; i < n; i++)
                        len += put_entry(ret + len, &v[i]);
        }
        memcpy(ret, &header, sizeof(header));
        *ret_len = len;
        return 0;
}

/* --- inodes --- */

/* As the kernel's new_encode_dev. */
static uint32_t encode_device(dev_t device)
{
        uint32_t minor = minor(device);

        return (minor & 0xff) | (uint32_t)major(device) << 8 | (minor & ~0xffu) << 12;
}

static void put_inode(struct nxc_erofs_writer *w, uint8_t *p, const struct nxc_erofs_attrs *a, uint64_t size,
        uint16_t format, uint32_t start, const uint8_t *xattrs, size_t xattr_len)
{
        struct nxc_erofs_inode inode = {
                .format = htole16(format),
                .xattr_count = htole16(
                        xattr_len ? (uint16_t)((xattr_len - sizeof(struct nxc_erofs_xattr_header)) / 4 + 1)
                                  : 0),
                .mode = htole16((uint16_t)a->mode),
                .size = htole64(size),
                .start = htole32(S_ISCHR(a->mode) || S_ISBLK(a->mode) ? encode_device(a->device) : start),
                .ino = htole32(++w->inodes),
                .uid = htole32(a->uid),
                .gid = htole32(a->gid),
                .mtime = htole64((uint64_t)a->mtime.tv_sec),
                .mtime_nsec = htole32((uint32_t)a->mtime.tv_nsec),
                .nlink = htole32(a->nlink),
        };

        memcpy(p, &inode, sizeof(inode));
        if (xattr_len)
                memcpy(p + sizeof(inode), xattrs, xattr_len);
}

int nxc_erofs_add_data(struct nxc_erofs_writer *w, uint64_t offset, const void *data, size_t len)
{
        uint64_t hole = offset - w->file_size;
        int r = 0;

        if (hole > 0) {
                uint64_t rest = (BLOCK - w->file_size % BLOCK) % BLOCK, whole = 0;

                if (hole > rest)
                        whole = (hole - rest) / BLOCK;
                r = nxc_erofs_out_add(&w->out, NULL, (size_t)(whole ? rest : hole));
                if (r == 0 && whole)
                        r = nxc_erofs_out_skip(&w->out, whole);
                if (r == 0 && whole)
                        r = nxc_erofs_out_add(&w->out, NULL, (size_t)(hole - rest - whole * BLOCK));
        }
        w->file_size = offset + len;
        return r < 0 ? r : nxc_erofs_out_add(&w->out, data, len);
}

/* Whether all of a file may follow its inode. */
static bool fits_inode(const struct nxc_erofs_attrs *a, size_t tail_len)
{
        size_t inode = sizeof(struct nxc_erofs_inode) + (a->n_xattrs > 0 ? NXC_EROFS_XATTR_BODY_MAX : 0);

        return a->size < BLOCK && inode + tail_len <= BLOCK;
}

int nxc_erofs_add_inode(struct nxc_erofs_writer *w, const struct nxc_erofs_attrs *a, uint64_t *ret_nid)
{
        uint8_t xattrs[NXC_EROFS_XATTR_BODY_MAX], held[BLOCK], *p = NULL;
        size_t xattr_len = 0, tail_len = 0;
        const uint8_t *tail = NULL;
        uint32_t start = a->size < BLOCK ? NXC_EROFS_NO_BLOCK : (uint32_t)(w->file_pos / BLOCK);
        uint64_t pos = 0;
        int r = a->size > w->file_size ? nxc_erofs_add_data(w, a->size, NULL, 0) : 0;

        assert(w->file_size <= a->size || r < 0);
        if (r == 0) { /* the tail is taken back before attributes may be written behind the file */
                tail = nxc_erofs_out_take_tail(&w->out, &tail_len);
                memcpy(held, tail, tail_len);
                if (tail_len > 0 && !fits_inode(a, tail_len)) {
                        start = (uint32_t)(w->file_pos / BLOCK);
                        r = nxc_erofs_out_add(&w->out, held, tail_len);
                        if (r == 0)
                                r = nxc_erofs_out_align(&w->out);
                        tail_len = 0;
                }
        }
        if (r == 0)
                r = nxc_erofs_encode_xattrs(w, a->xattrs, a->n_xattrs, xattrs, &xattr_len);
        if (r == 0)
                r = take_room(w, sizeof(struct nxc_erofs_inode) + xattr_len + tail_len, &p, &pos);
        if (r < 0)
                return r;
        put_inode(w, p, a, a->size, tail_len > 0 ? NXC_EROFS_INLINE : NXC_EROFS_PLAIN, start, xattrs,
                xattr_len);
        memcpy(p + sizeof(struct nxc_erofs_inode) + xattr_len, held, tail_len);
        w->file_pos = nxc_erofs_out_pos(&w->out);
        w->file_size = 0;
        *ret_nid = pos / SLOT;
        return 0;
}

int nxc_erofs_add_remote_inode(struct nxc_erofs_writer *w, const struct nxc_erofs_attrs *a, uint16_t device,
        uint32_t start, uint64_t *ret_nid)
{
        uint64_t blocks = (a->size + BLOCK - 1) / BLOCK;
        uint32_t bits = 0;
        uint8_t xattrs[NXC_EROFS_XATTR_BODY_MAX], *p = NULL;
        size_t xattr_len, at, n;
        uint64_t pos = 0;
        int r;

        while (bits < NXC_EROFS_CHUNK_BITS_MAX && (uint64_t)1 << bits < blocks)
                bits++;
        n = (size_t)((blocks + ((uint64_t)1 << bits) - 1) >> bits);
        r = nxc_erofs_encode_xattrs(w, a->xattrs, a->n_xattrs, xattrs, &xattr_len);
        at = (sizeof(struct nxc_erofs_inode) + xattr_len + 7) / 8 * 8;
        if (r == 0)
                r = take_room(w, at + n * sizeof(struct nxc_erofs_chunk), &p, &pos);
        if (r < 0)
                return r;
        put_inode(w, p, a, a->size, NXC_EROFS_CHUNKS, bits | NXC_EROFS_CHUNK_INDEXES, xattrs, xattr_len);
        for (size_t i = 0; i < n; i++) {
                struct nxc_erofs_chunk chunk = { 0, htole16(device),
                        htole32(start + (uint32_t)(i << bits)) };

                memcpy(p + at + i * sizeof(chunk), &chunk, sizeof(chunk));
        }
        w->has_remote = true;
        *ret_nid = pos / SLOT;
        return 0;
}

static int read_back(struct nxc_erofs_writer *w, uint64_t pos, void *buf, size_t len)
{
        uint64_t end = w->chunk.pos + (uint64_t)w->chunk.blocks * BLOCK;

        if (pos < w->chunk.pos || pos + len > end)
                return nxc_erofs_out_read(&w->out, pos, buf, len);
        memcpy(buf, w->chunk.data + (pos - w->chunk.pos), len);
        return 0;
}

int nxc_erofs_read_symlink(struct nxc_erofs_writer *w, uint64_t nid, char *buf, size_t size)
{
        struct nxc_erofs_inode inode;
        uint64_t pos = nid * SLOT, xattr_count;
        size_t len;
        int r = read_back(w, pos, &inode, sizeof(inode));

        if (r < 0)
                return r;
        len = (size_t)le64toh(inode.size);
        len = len < size ? len : size - 1;
        xattr_count = le16toh(inode.xattr_count);
        pos += sizeof(inode);
        if (xattr_count)
                pos += sizeof(struct nxc_erofs_xattr_header) + 4 * (xattr_count - 1);
        if (le16toh(inode.format) == NXC_EROFS_PLAIN)
                pos = (uint64_t)le32toh(inode.start) * BLOCK;
        r = read_back(w, pos, buf, len);
        if (r == 0)
                buf[len] = '\0';
        return r;
}

int nxc_erofs_set_links(struct nxc_erofs_writer *w, struct nxc_erofs_patch *v, size_t n)
{
        int r = close_chunk(w);

        if (r == 0)
                r = nxc_erofs_out_flush(&w->out);
        for (size_t i = 0; i < n; i++) {
                v[i].pos = v[i].pos * SLOT + offsetof(struct nxc_erofs_inode, nlink);
                v[i].value = htole32(v[i].value);
        }
        return r < 0 || n == 0 ? r : nxc_erofs_out_patch(&w->out, v, n);
}

/* --- directories --- */

static int by_name(const void *a, const void *b)
{
        const struct nxc_erofs_name *x = a, *y = b;
        int r = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);

        return r ? r : x->len - y->len;
}

void nxc_erofs_sort_names(struct nxc_erofs_name *v, size_t n)
{
        qsort(v, n, sizeof(*v), by_name);
}

/* How many of the names fit one block, and how much of it they take. */
static size_t fill_block(const struct nxc_erofs_name *v, size_t n, size_t *ret_len)
{
        size_t i = 0, len = 0;

        while (i < n && len + DIRENT + v[i].len <= BLOCK)
                len += DIRENT + v[i++].len;
        *ret_len = len;
        return i;
}

/* The kernel's file types in directories. */
static uint8_t dirent_type(mode_t type)
{
        switch (type & S_IFMT) {
        case S_IFREG:
                return 1;
        case S_IFDIR:
                return 2;
        case S_IFCHR:
                return 3;
        case S_IFBLK:
                return 4;
        case S_IFIFO:
                return 5;
        case S_IFLNK:
                return 7;
        default:
                return 0;
        }
}

static void put_names(uint8_t *p, const struct nxc_erofs_name *v, size_t n)
{
        size_t at = n * DIRENT;

        for (size_t i = 0; i < n; i++) {
                struct nxc_erofs_dirent d = { .nid = htole64(v[i].nid),
                        .name_offset = htole16((uint16_t)at),
                        .type = dirent_type(v[i].type) };

                memcpy(p + i * DIRENT, &d, sizeof(d));
                memcpy(p + at, v[i].name, v[i].len);
                at += v[i].len;
        }
}

int nxc_erofs_begin_directories(struct nxc_erofs_writer *w)
{
        int r = close_chunk(w);

        if (r == 0)
                r = nxc_erofs_out_flush(&w->out);
        w->root_placed = false;
        w->place = 0;
        w->blocks = 0;
        return r;
}

/* Places are relative until all are known. */
int nxc_erofs_place_directory(struct nxc_erofs_writer *w, const struct nxc_erofs_name *v, size_t n,
        size_t xattr_len, struct nxc_erofs_place *ret)
{
        size_t inode = sizeof(struct nxc_erofs_inode) + xattr_len, len = 0;
        bool is_root = !w->root_placed;
        uint64_t begin = is_root ? ROOT_POS : w->place, blocks = 0;

        w->root_placed = true;
        for (size_t i = 0; i < n; blocks++)
                i += fill_block(v + i, n - i, &len);
        *ret = (struct nxc_erofs_place){
                .size = (blocks - 1) * BLOCK + len, .start = NXC_EROFS_NO_BLOCK, .is_root = is_root
        };
        if (len < BLOCK && inode + len <= (is_root ? BLOCK - ROOT_POS : BLOCK)) {
                ret->tail = (uint16_t)len;
                blocks--;
        }
        if (!is_root && begin / BLOCK != (begin + inode + ret->tail - 1) / BLOCK)
                begin = (begin + BLOCK - 1) / BLOCK * BLOCK;
        if (blocks > UINT32_MAX - w->blocks)
                return nxc_fail_kind(w->err, NXC_ERR_INVALID_IMAGE, EFBIG, "write so many directories");
        ret->nid = begin / SLOT;
        if (blocks)
                ret->start = w->blocks;
        w->blocks += (uint32_t)blocks;
        if (!is_root)
                w->place = (begin + inode + ret->tail + SLOT - 1) / SLOT * SLOT;
        return 0;
}

int nxc_erofs_end_placing(struct nxc_erofs_writer *w)
{
        int r = nxc_erofs_out_flush(&w->out);

        w->first_dir_block = nxc_erofs_out_pos(&w->out) / BLOCK;
        if (r == 0 && w->first_dir_block + w->blocks + w->place / BLOCK >= NXC_EROFS_NO_BLOCK)
                return nxc_fail_kind(
                        w->err, NXC_ERR_INVALID_IMAGE, EFBIG, "write an image of more than 16 TiB");
        return r;
}

void nxc_erofs_settle(const struct nxc_erofs_writer *w, struct nxc_erofs_place *p)
{
        if (p->start != NXC_EROFS_NO_BLOCK)
                p->start += (uint32_t)w->first_dir_block;
        if (!p->is_root)
                p->nid += (w->first_dir_block + w->blocks) * BLOCK / SLOT;
}

int nxc_erofs_add_directory_blocks(struct nxc_erofs_writer *w, const struct nxc_erofs_place *p,
        const struct nxc_erofs_name *v, size_t n)
{
        uint64_t left = (p->size - p->tail + BLOCK - 1) / BLOCK;
        uint8_t block[BLOCK];
        int r = 0;

        assert(left == 0 || nxc_erofs_out_pos(&w->out) == (uint64_t)p->start * BLOCK);
        for (; r == 0 && left > 0; left--) {
                size_t len, k = fill_block(v, n, &len);

                memset(block + len, 0, BLOCK - len);
                put_names(block, v, k);
                r = nxc_erofs_out_add(&w->out, block, BLOCK);
                v += k;
                n -= k;
        }
        return r;
}

int nxc_erofs_add_directory_inode(struct nxc_erofs_writer *w, const struct nxc_erofs_place *p,
        const struct nxc_erofs_attrs *a, const uint8_t *xattrs, size_t xattr_len,
        const struct nxc_erofs_name *v, size_t n)
{
        uint8_t buf[BLOCK], *to = buf;
        size_t inode = sizeof(struct nxc_erofs_inode) + xattr_len, len;
        uint64_t pos = p->nid * SLOT;
        int r;

        if (p->is_root)
                to = w->first + ROOT_POS;
        put_inode(w, to, a, p->size, p->tail > 0 ? NXC_EROFS_INLINE : NXC_EROFS_PLAIN, p->start, xattrs,
                xattr_len);
        if (p->tail) {
                for (uint64_t skip = (p->size - p->tail) / BLOCK; skip > 0; skip--) {
                        size_t k = fill_block(v, n, &len);

                        v += k;
                        n -= k;
                }
                put_names(to + inode, v, n);
        }
        if (to != buf)
                return 0;
        assert(pos >= nxc_erofs_out_pos(&w->out));
        r = nxc_erofs_out_add(&w->out, NULL, (size_t)(pos - nxc_erofs_out_pos(&w->out)));
        return r < 0 ? r : nxc_erofs_out_add(&w->out, buf, inode + p->tail);
}

/* --- the end --- */

int nxc_erofs_finish(struct nxc_erofs_writer *w, const uint8_t uuid[16], uint64_t *ret_inodes)
{
        struct nxc_erofs_super super = {
                .magic = htole32(NXC_EROFS_MAGIC),
                .compat = htole32(NXC_EROFS_COMPAT_CHECKSUM | NXC_EROFS_COMPAT_MTIME),
                .block_bits = NXC_EROFS_BLOCK_BITS,
                .root_nid = htole16(ROOT_POS / SLOT),
                .inodes = htole64(w->inodes),
                .xattr_block = htole32(w->xattr_block),
                .incompat = htole32((w->has_remote ? NXC_EROFS_INCOMPAT_CHUNKS : 0u) |
                                    (w->devices ? NXC_EROFS_INCOMPAT_DEVICES : 0u)),
                .devices = htole16(w->devices),
                .device_slot = htole16(w->devices ? BLOCK / sizeof(struct nxc_erofs_device) : 0),
        };
        uint8_t *at = w->first + NXC_EROFS_SUPER_OFFSET;
        int r = nxc_erofs_out_align(&w->out);

        if (r == 0)
                r = nxc_erofs_out_flush(&w->out);
        if (r < 0)
                return r;
        super.blocks = htole32((uint32_t)(nxc_erofs_out_pos(&w->out) / BLOCK));
        memcpy(super.uuid, uuid, sizeof(super.uuid));
        memcpy(at, &super, sizeof(super));
        super.checksum = htole32(crc32_iscsi(at, BLOCK - NXC_EROFS_SUPER_OFFSET, 0xFFFFFFFFu));
        memcpy(at, &super, sizeof(super));
        *ret_inodes = w->inodes;
        return nxc_erofs_out_put(&w->out, 0, w->first, 1);
}

static int by_start(const void *a, const void *b)
{
        const struct nxc_erofs_extent *x = a, *y = b;

        return x->start < y->start ? -1 : x->start > y->start;
}

int nxc_erofs_seal(struct nxc_erofs_writer *w, const char *magic, const void *more, size_t more_len,
        struct nxc_layer_record *record)
{
        size_t n = w->out.n_extents, len = n * sizeof(w->out.extents[0]), total;
        _cleanup_free_ struct nxc_erofs_extent *index = NULL;
        int r;

        index = malloc(len);
        if (!index)
                return nxc_oom(w->err);
        qsort(w->out.extents, n, sizeof(w->out.extents[0]), by_start);
        for (size_t i = 0; i < n; i++)
                index[i] = (struct nxc_erofs_extent){ htole32(w->out.extents[i].start),
                        htole32(w->out.extents[i].blocks), htole64(w->out.extents[i].crc) };
        memcpy(record->magic, magic, sizeof(record->magic));
        record->version = htole32(NXC_LAYER_RECORD_VERSION);
        record->blocks = htole32((uint32_t)(nxc_erofs_out_pos(&w->out) / BLOCK));
        record->n_extents = htole32((uint32_t)n);
        record->index_crc = htole64(nxc_crc64(0, index, len));
        record->crc = htole64(nxc_crc64(0, record, offsetof(struct nxc_layer_record, crc)));
        total = (len + more_len + sizeof(*record) + BLOCK - 1) / BLOCK * BLOCK;
        r = nxc_erofs_out_add(&w->out, index, len);
        if (r == 0)
                r = nxc_erofs_out_add(&w->out, NULL, total - len - more_len - sizeof(*record));
        if (r == 0 && more_len)
                r = nxc_erofs_out_add(&w->out, more, more_len);
        if (r == 0)
                r = nxc_erofs_out_add(&w->out, record, sizeof(*record));
        return r < 0 ? r : nxc_erofs_out_flush(&w->out);
}
