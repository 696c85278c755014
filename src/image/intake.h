/* Taking an image into the store: blobs are staged, verified by digest and size while they are written, and
 * appear (with the entry of index.json last) only when the whole image was found right. Engine module only.
 *
 * A staging area is a locked directory <store>/images/.staging-XXXX; abandon removes it, and a later
 * nxc_image_collect or intake sweeps those whose owner is dead. */
#pragma once

#include "image/image.h"

struct nxc_intake;

/* Removes a blob that was found wrong, so that the next intake brings it again. */
int nxc_image_blob_drop(struct nxc_image_store *s, const struct nxc_digest *digest, struct nxc_error *err);

int nxc_intake_begin(struct nxc_image_store *s, struct nxc_intake **ret, struct nxc_error *err);
/* Drops all that was staged. NULL is fine. */
void nxc_intake_abandon(struct nxc_intake *in);
/* Makes every write from now on fail with Interrupted: one thread's error ends the others' downloads. */
void nxc_intake_cancel(struct nxc_intake *in);

/* A blob being written: hash and size are computed on the way, more than desc->size is refused at once.
 * Thread safe across different blobs. A blob that the store or the staging area already has: *ret is NULL,
 * success; it is part of the image then. InvalidImage when the staged one is not of desc->size. */
struct nxc_blob_writer;
int nxc_blob_writer_open(struct nxc_intake *in, const struct nxc_descriptor *desc,
        struct nxc_blob_writer **ret, struct nxc_error *err);
/* A blob whose digest is not known beforehand: an archive's entry. algorithm: "sha256" or "sha512". It is
 * staged, but part of the image only when nxc_blob_writer_open asks for it later. */
int nxc_blob_writer_open_unnamed(struct nxc_intake *in, const char *algorithm, uint64_t max_size,
        struct nxc_blob_writer **ret, struct nxc_error *err);
/* The file being written, to read from what is there already (nxc_blob_writer_size) with pread. Borrowed. */
int nxc_blob_writer_fd(const struct nxc_blob_writer *w);
int nxc_blob_writer_write(struct nxc_blob_writer *w, const void *data, size_t len, struct nxc_error *err);
/* Drops what was written so far (a retry that starts over). */
int nxc_blob_writer_rewind(struct nxc_blob_writer *w, struct nxc_error *err);
uint64_t nxc_blob_writer_size(
        const struct nxc_blob_writer *w); /* bytes so far: where a Range request goes on */
/* Compares digest and size (InvalidImage). Frees w, also on failure. -EAGAIN, InvalidImage as well: what a
 * killed process had left of it was wrong, and is gone; another try begins at the start. */
int nxc_blob_writer_close(struct nxc_blob_writer *w, struct nxc_error *err);
/* The same for one without a name; ret gets digest and size. */
int nxc_blob_writer_close_unnamed(
        struct nxc_blob_writer *w, struct nxc_descriptor *ret, struct nxc_error *err);
void nxc_blob_writer_discard(struct nxc_blob_writer *w); /* NULL is fine */
/* A blob we hold in memory. */
int nxc_intake_add_blob(struct nxc_intake *in, const struct nxc_descriptor *desc, const void *data,
        size_t len, struct nxc_error *err);
/* Opens a blob, staged or already in the store. */
int nxc_intake_blob_open(
        struct nxc_intake *in, const struct nxc_digest *digest, int *ret_fd, struct nxc_error *err);

/* Waits until all that was written to the store's file system, layers too, is on disk: before anything gets
 * its name, so that a power cut never shows a name without its content. */
int nxc_intake_sync(struct nxc_intake *in, struct nxc_error *err);
/* Publishes all blobs of the image and enters manifest (a descriptor of a manifest blob; its platform, too)
 * into index.json under name (NULL: untagged). index_digest and config_digest may be NULL or "". Syncs, so
 * that a power cut leaves whole images or none. On failure what was published is taken back. Frees in on
 * success. */
int nxc_intake_commit(struct nxc_intake *in, const struct nxc_descriptor *manifest,
        const struct nxc_digest *index_digest, const struct nxc_digest *config_digest,
        const struct nxc_reference *name, struct nxc_error *err);
