/* See content-internal.h. */
#include "layerfs/content-internal.h"

#include "core/cleanup.h"

#include <isa-l/crc64.h>
#include <unistd.h>

#define CRC64_ECMA_REFLECTED 0xC96C5795D7870F42ull
#define READ_CHUNK (256 * 1024)

uint64_t nxc_crc64(uint64_t crc, const void *data, size_t len)
{
        return crc64_ecma_refl(crc, data, len);
}

/* A linear map of the 64 bits of the register, one column per bit (as in zlib's crc32_combine). */
struct matrix {
        uint64_t column[64];
};

static uint64_t matrix_times(const struct matrix *m, uint64_t vector)
{
        uint64_t sum = 0;

        for (const uint64_t *c = m->column; vector; vector >>= 1, c++)
                if (vector & 1)
                        sum ^= *c;
        return sum;
}

static void matrix_square(struct matrix *m)
{
        struct matrix square;

        for (int i = 0; i < 64; i++)
                square.column[i] = matrix_times(m, m->column[i]);
        *m = square;
}

uint64_t nxc_crc64_zeros(uint64_t crc, uint64_t len)
{
        struct matrix m = { { CRC64_ECMA_REFLECTED } }; /* one zero bit */
        uint64_t state = ~crc;

        for (int i = 1; i < 64; i++)
                m.column[i] = 1ull << (i - 1);
        for (int i = 0; i < 3; i++)
                matrix_square(&m); /* one zero byte */
        for (; len; len >>= 1) {
                if (len & 1)
                        state = matrix_times(&m, state);
                if (len > 1)
                        matrix_square(&m);
        }
        return ~state;
}

static int crc_range(int fd, off_t from, off_t to, char *chunk, uint64_t *crc)
{
        while (from < to) {
                size_t want = to - from < READ_CHUNK ? (size_t)(to - from) : READ_CHUNK;
                ssize_t n = pread(fd, chunk, want, from);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO; /* it shrinks while we read */
                *crc = nxc_crc64(*crc, chunk, (size_t)n);
                from += n;
        }
        return 0;
}

int nxc_crc64_fd(int fd, uint64_t size, uint64_t *ret)
{
        _cleanup_free_ char *chunk = malloc(READ_CHUNK);
        off_t pos = 0, end = (off_t)size;
        uint64_t crc = 0;

        if (!chunk)
                return -ENOMEM;
        while (pos < end) {
                off_t data = lseek(fd, pos, SEEK_DATA), hole;
                int r;

                if (data < 0 && errno != ENXIO)
                        return -errno;
                if (data < 0 || data > end)
                        data = end;
                hole = data < end ? lseek(fd, data, SEEK_HOLE) : end;
                if (hole < 0)
                        return -errno;
                if (data > pos)
                        crc = nxc_crc64_zeros(crc, (uint64_t)(data - pos));
                r = crc_range(fd, data, hole < end ? hole : end, chunk, &crc);
                if (r < 0)
                        return r;
                pos = hole < end ? hole : end;
        }
        *ret = crc;
        return 0;
}

struct nxc_content_record {
        uint64_t ino, crc;
};

int nxc_content_index_add(struct nxc_content_index *ix, ino_t ino, uint64_t crc)
{
        if (ix->n == ix->cap) {
                size_t cap = ix->cap ? 2 * ix->cap : 1024;
                struct nxc_content_record *v = realloc(ix->v, cap * sizeof(*v));

                if (!v)
                        return -ENOMEM;
                ix->v = v;
                ix->cap = cap;
        }
        ix->v[ix->n++] = (struct nxc_content_record){ ino, crc };
        ix->sorted = false;
        return 0;
}

static int by_ino(const void *a, const void *b)
{
        const struct nxc_content_record *x = a, *y = b;

        return x->ino < y->ino ? -1 : x->ino > y->ino;
}

bool nxc_content_index_find(struct nxc_content_index *ix, ino_t ino, uint64_t *ret)
{
        struct nxc_content_record key = { .ino = ino }, *found;

        if (ix->stale || ix->n == 0)
                return false;
        if (!ix->sorted)
                qsort(ix->v, ix->n, sizeof(*ix->v), by_ino);
        ix->sorted = true;
        found = bsearch(&key, ix->v, ix->n, sizeof(*ix->v), by_ino);
        if (found)
                *ret = found->crc;
        return found != NULL;
}

void nxc_content_index_done(struct nxc_content_index *ix)
{
        nxc_freep(&ix->v);
        *ix = (struct nxc_content_index){ NULL };
}
