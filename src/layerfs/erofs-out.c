/* See erofs-internal.h: the file that an image is written to.
 *
 * Large, aligned writes past the page cache (O_DIRECT): a buffered write costs as much processor time as
 * inflating what is written, and what is written here is not read soon. Where the file system refuses (or
 * NXC_FEATURE_DIRECT_IO=0 says so), the same writes go through the cache. */
#include "layerfs/erofs-internal.h"

#include "core/cleanup.h"
#include "layerfs/content-internal.h"
#include "sys/feature.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

#define BUF_BYTES (1u << 20) /* where larger writes stop being faster */
#define BLOCK NXC_EROFS_BLOCK

int nxc_erofs_out_open(struct nxc_erofs_out *o, int fd, struct nxc_error *err)
{
        int flags = fcntl(fd, F_GETFL);

        *o = (struct nxc_erofs_out){ .fd = fd, .err = err, .buf = aligned_alloc(BLOCK, BUF_BYTES) };
        if (!o->buf)
                return nxc_oom(err);
        o->direct = nxc_feature_enabled("DIRECT_IO") && flags >= 0 &&
                    fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
        return 0;
}

/* Some file systems take O_DIRECT and refuse the write, or want larger blocks than ours. */
static bool give_up_direct(struct nxc_erofs_out *o)
{
        int flags = fcntl(o->fd, F_GETFL);

        if (!o->direct || flags < 0 || fcntl(o->fd, F_SETFL, flags & ~O_DIRECT) < 0)
                return false;
        o->direct = false;
        return true;
}

void nxc_erofs_out_done(struct nxc_erofs_out *o)
{
        give_up_direct(o);
        nxc_freep(&o->buf);
        nxc_freep(&o->extents);
}

static int write_blocks(struct nxc_erofs_out *o, uint64_t pos, const uint8_t *data, size_t len)
{
        while (len > 0) {
                ssize_t n = pwrite(o->fd, data, len, (off_t)pos);

                if (n < 0 && (errno == EINTR || (errno == EINVAL && give_up_direct(o))))
                        continue;
                if (n < 0) {
                        nxc_fail(o->err, errno, "write a layer's image");
                        if (o->err && (o->err->errnum == ENOSPC || o->err->errnum == EDQUOT))
                                nxc_error_hint(o->err, "the file system of the store is full");
                        return o->err ? -o->err->errnum : -EIO;
                }
                data += n;
                len -= (size_t)n;
                pos += (uint64_t)n;
        }
        return 0;
}

static int read_blocks(struct nxc_erofs_out *o, uint64_t pos, uint8_t *data, size_t len)
{
        while (len > 0) {
                ssize_t n = pread(o->fd, data, len, (off_t)pos);

                if (n < 0 && (errno == EINTR || (errno == EINVAL && give_up_direct(o))))
                        continue;
                if (n <= 0)
                        return nxc_fail(o->err, n < 0 ? errno : EIO, "read back a layer's image");
                data += n;
                len -= (size_t)n;
                pos += (uint64_t)n;
        }
        return 0;
}

int nxc_erofs_out_put(struct nxc_erofs_out *o, uint64_t pos, const uint8_t *data, uint32_t blocks)
{
        size_t len = (size_t)blocks * BLOCK;

        if (pos + len > (uint64_t)NXC_EROFS_NO_BLOCK * BLOCK)
                return nxc_fail_kind(
                        o->err, NXC_ERR_INVALID_IMAGE, EFBIG, "write an image of more than 16 TiB");
        if (o->n_extents == o->cap_extents) {
                size_t cap = o->cap_extents ? 2 * o->cap_extents : 64;
                struct nxc_erofs_extent *v = realloc(o->extents, cap * sizeof(*v));

                if (!v)
                        return nxc_oom(o->err);
                o->extents = v;
                o->cap_extents = cap;
        }
        o->extents[o->n_extents++] = (struct nxc_erofs_extent){ (uint32_t)(pos / BLOCK), blocks,
                nxc_crc64(0, data, len) };
        return write_blocks(o, pos, data, len);
}

int nxc_erofs_out_flush(struct nxc_erofs_out *o)
{
        int r;

        assert(o->len % BLOCK == 0);
        if (o->len == 0)
                return 0;
        r = nxc_erofs_out_put(o, o->base, o->buf, (uint32_t)(o->len / BLOCK));
        o->base += o->len;
        o->len = 0;
        return r;
}

int nxc_erofs_out_add(struct nxc_erofs_out *o, const void *data, size_t len)
{
        int r = 0;

        while (r == 0 && len > 0) {
                size_t n = BUF_BYTES - o->len < len ? BUF_BYTES - o->len : len;

                if (data) {
                        memcpy(o->buf + o->len, data, n);
                        data = (const uint8_t *)data + n;
                } else {
                        memset(o->buf + o->len, 0, n);
                }
                o->len += n;
                len -= n;
                if (o->len == BUF_BYTES)
                        r = nxc_erofs_out_flush(o);
        }
        return r;
}

int nxc_erofs_out_align(struct nxc_erofs_out *o)
{
        return nxc_erofs_out_add(o, NULL, (BLOCK - o->len % BLOCK) % BLOCK);
}

int nxc_erofs_out_skip(struct nxc_erofs_out *o, uint64_t blocks)
{
        int r = nxc_erofs_out_flush(o);

        o->base += blocks * BLOCK;
        return r;
}

const uint8_t *nxc_erofs_out_take_tail(struct nxc_erofs_out *o, size_t *ret_len)
{
        *ret_len = o->len % BLOCK;
        o->len -= *ret_len;
        return o->buf + o->len;
}

int nxc_erofs_out_read(struct nxc_erofs_out *o, uint64_t pos, void *buf, size_t len)
{
        uint64_t from = pos / BLOCK * BLOCK;
        size_t span = (size_t)((pos + len + BLOCK - 1) / BLOCK * BLOCK - from);
        _cleanup_free_ uint8_t *blocks = NULL;
        int r;

        if (pos >= o->base && pos + len <= o->base + o->len) {
                memcpy(buf, o->buf + (pos - o->base), len);
                return 0;
        }
        blocks = aligned_alloc(BLOCK, span);
        if (!blocks)
                return nxc_oom(o->err);
        r = read_blocks(o, from, blocks, span);
        if (r == 0)
                memcpy(buf, blocks + (pos - from), len);
        return r;
}

static int by_start(const void *a, const void *b)
{
        const struct nxc_erofs_extent *x = a, *y = b;

        return x->start < y->start ? -1 : x->start > y->start;
}

int nxc_erofs_out_patch(struct nxc_erofs_out *o, const struct nxc_erofs_patch *v, size_t n)
{
        _cleanup_free_ uint8_t *data = NULL;
        size_t i = 0;
        int r = 0;

        qsort(o->extents, o->n_extents, sizeof(*o->extents), by_start);
        for (size_t k = 0; r == 0 && i < n && k < o->n_extents; k++) {
                struct nxc_erofs_extent *e = &o->extents[k];
                uint64_t from = (uint64_t)e->start * BLOCK;
                size_t len = (size_t)e->blocks * BLOCK;

                if (v[i].pos >= from + len)
                        continue;
                if (!data)
                        data = aligned_alloc(BLOCK, BUF_BYTES); /* no extent is larger */
                if (!data)
                        return nxc_oom(o->err);
                r = read_blocks(o, from, data, len);
                for (; r == 0 && i < n && v[i].pos < from + len; i++)
                        memcpy(data + (v[i].pos - from), &v[i].value, sizeof(v[i].value));
                if (r == 0)
                        r = write_blocks(o, from, data, len);
                e->crc = nxc_crc64(0, data, len);
        }
        assert(r < 0 || i == n);
        return r;
}
