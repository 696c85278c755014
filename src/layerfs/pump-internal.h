/* A plain stream that is decompressed and hashed in a thread of its own, some blocks ahead: so that one
 * large layer keeps two cores busy, one with this and one with making files. Only for this folder and its
 * tests. */
#pragma once

#include "layerfs/decompress-internal.h"

struct nxc_pump;

/* Borrows plain, which nobody else may use until the pump is closed. Without threads to be had it works in
 * step. */
int nxc_pump_open(struct nxc_plain *plain, struct nxc_pump **ret, struct nxc_error *err);
/* The next block, valid until the next call; else as nxc_plain_read. */
ssize_t nxc_pump_next(struct nxc_pump *pump, const void **ret, struct nxc_error *err);
void nxc_pump_close(struct nxc_pump *pump); /* NULL is fine */
