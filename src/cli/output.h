/* What goes to standard output: JSON documents, tables, and the check that it arrived. */
#pragma once

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NXC_TABLE_COLUMNS_MAX 8

/* A table grows by whole rows and is printed aligned, two blanks between columns. */
struct nxc_table {
        char **cells;
        size_t n_columns, n_cells, cap;
        bool failed; /* out of memory; told by nxc_table_print */
};

/* The first row is the heading. Each row has n_columns cells, copied; NULL is shown as "". Control
 * characters are shown as "?": names come from images. */
void nxc_table_add(struct nxc_table *t, const char *const *cells);
int nxc_table_print(const struct nxc_table *t, struct nxc_error *err);
void nxc_table_done(struct nxc_table *t);
#define _cleanup_table_ __attribute__((cleanup(nxc_table_done)))

/* One document and a newline on stdout. */
int nxc_print_json(const json_t *j, bool indent, struct nxc_error *err);

/* "4.5 MB", powers of 1000, as podman and Docker show images. */
void nxc_format_size(uint64_t bytes, char *ret, size_t size);
/* "3 days ago" from RFC 3339; "" when it is no time. now: seconds since the epoch. */
void nxc_format_age(const char *rfc3339, int64_t now, char *ret, size_t size);

/* Flushes stdout. A reader that went away is no error: *ret_broken is set. Anything else is a FileError. */
int nxc_finish_stdout(bool *ret_broken, struct nxc_error *err);
