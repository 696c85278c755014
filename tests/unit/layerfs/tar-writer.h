/* A tar archive in memory, with whatever a hostile one may hold: nothing is checked. */
#pragma once

#include "core/hash.h"
#include "core/str.h"

#include <stdio.h>
#include <string.h>

/* One entry, as a row of a test's table. type: as in tar ('0' file, '1' hard link, '2' link, '3' char, '4'
 * block, '5' directory, '6' FIFO); 0 ends a list. */
struct tar_entry {
        char type;
        const char *name;
        const char *text; /* contents, or the link's target */
        unsigned mode;    /* 0: 0644, 0755 of a directory */
        unsigned uid, gid;
        unsigned major, minor;
        const char *pax[3]; /* "key=value" records before it */
        size_t size;        /* contents of so many 'x' instead of text */
};

static inline void tar_octal(char *field, size_t size, unsigned long long value)
{
        char digits[32];

        snprintf(digits, sizeof(digits), "%0*llo", (int)size - 1, value);
        memcpy(field, digits, size - 1);
}

static inline void tar_header(
        struct nxc_buf *tar, const struct tar_entry *e, char type, const char *name, size_t size)
{
        char h[512] = { 0 };
        unsigned sum = 0;

        memcpy(h, name, strnlen(name, 100));
        tar_octal(h + 100, 8, e->mode ? e->mode : type == '5' ? 0755 : 0644);
        tar_octal(h + 108, 8, e->uid);
        tar_octal(h + 116, 8, e->gid);
        tar_octal(h + 124, 12, size);
        tar_octal(h + 136, 12, 1500000000);
        h[156] = type;
        if ((type == '1' || type == '2') && e->text)
                memcpy(h + 157, e->text, strnlen(e->text, 100));
        memcpy(h + 257, "ustar\00000", 8);
        tar_octal(h + 329, 8, e->major);
        tar_octal(h + 337, 8, e->minor);
        memset(h + 148, ' ', 8);
        for (size_t i = 0; i < sizeof(h); i++)
                sum += (unsigned char)h[i];
        snprintf(h + 148, 8, "%06o", sum);
        (void)!nxc_buf_add(tar, h, sizeof(h));
}

static inline void tar_data(struct nxc_buf *tar, const void *data, size_t len)
{
        static const char zeros[512];

        (void)!nxc_buf_add(tar, data, len);
        (void)!nxc_buf_add(tar, zeros, (512 - len % 512) % 512);
}

/* "LENGTH key=value\n", the length counting itself. */
static inline void pax_record(struct nxc_buf *records, const char *record)
{
        size_t body = strlen(record) + 2, len = body + 1;
        char digits[24];

        while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + body > len)
                len++;
        (void)!nxc_buf_printf(records, "%s %s\n", digits, record);
}

static inline void tar_add(struct nxc_buf *tar, const struct tar_entry *e)
{
        size_t size = e->size ? e->size : e->type == '0' && e->text ? strlen(e->text) : 0;
        _cleanup_buf_ struct nxc_buf records = { 0 };

        for (size_t i = 0; i < NXC_ARRAY_SIZE(e->pax) && e->pax[i]; i++)
                pax_record(&records, e->pax[i]);
        if (records.len) {
                tar_header(tar, e, 'x', "pax", records.len);
                tar_data(tar, records.data, records.len);
        }
        tar_header(tar, e, e->type, e->name, size);
        if (e->size) {
                _cleanup_free_ char *x = malloc(e->size);

                memset(x, 'x', e->size);
                tar_data(tar, x, e->size);
        } else if (size) {
                tar_data(tar, e->text, size);
        }
}

static inline void tar_end(struct nxc_buf *tar)
{
        static const char zeros[1024];

        (void)!nxc_buf_add(tar, zeros, sizeof(zeros));
}

static inline void tar_all(struct nxc_buf *tar, const struct tar_entry *entries)
{
        for (; entries->type; entries++)
                tar_add(tar, entries);
        tar_end(tar);
}
