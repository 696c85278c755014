/* The error object: what went wrong, where, and what the user can do about it.
 *
 * One convention everywhere: a function returns 0 or -errno, its last parameter is `struct nxc_error *err`,
 * and its outputs are untouched on failure. An error needs no allocation, so that OutOfMemory is an error
 * like another. `err` is only written on failure; the first error written stays (a later nxc_fail on the
 * same object replaces it only through nxc_error_reset). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Names as the create flow's "Error Handling" diagram has them; the tail is what the other verbs need. */
enum nxc_error_kind {
        NXC_ERR_NONE,
        NXC_ERR_INVALID_JSON,
        NXC_ERR_INVALID_SPEC,
        NXC_ERR_FILE,
        NXC_ERR_OUT_OF_MEMORY,
        NXC_ERR_IMAGE_NOT_FOUND,
        NXC_ERR_INVALID_IMAGE,
        NXC_ERR_BUNDLE_NOT_FOUND,
        NXC_ERR_CONTAINER_EXISTS,
        NXC_ERR_ZFS,
        NXC_ERR_LXC,
        NXC_ERR_PROXMOX,
        NXC_ERR_CONFIG,
        NXC_ERR_INVALID_CONFIG,
        NXC_ERR_INVALID_ROOTFS,
        NXC_ERR_RUNTIME_NOT_AVAILABLE,
        NXC_ERR_NOT_IMPLEMENTED,
        NXC_ERR_CONTAINER_NOT_FOUND,
        NXC_ERR_INVALID_STATE,
        NXC_ERR_REGISTRY,
        NXC_ERR_UNAUTHORIZED,
        NXC_ERR_CRUN,
        NXC_ERR_RUNC,
        NXC_ERR_VM,
        NXC_ERR_HOOK,
        NXC_ERR_NETWORK,
        NXC_ERR_BUSY,
        NXC_ERR_INTERRUPTED,
        NXC_ERR_USAGE,
        _NXC_ERR_MAX,
};

struct nxc_error {
        enum nxc_error_kind kind;
        int errnum;         /* positive errno; never 0 in a set error */
        const char *stage;  /* static name of the step of the flow; set by the step runner */
        char message[1024]; /* what we tried on which object, lower case, no full stop */
        char hint[512];     /* what the user can do, or "" */
};

/* The flow document's name of a kind, e.g. "InvalidSpec". Never NULL. */
const char *nxc_error_kind_name(enum nxc_error_kind kind);

static inline bool nxc_error_is_set(const struct nxc_error *err)
{
        return err && err->kind != NXC_ERR_NONE;
}

/* Sets err (which may be NULL) and returns -errnum (errnum 0 counts as EINVAL). The message gets ":
 * strerror" appended. The kind is FileError, or OutOfMemory for ENOMEM. */
int nxc_fail(struct nxc_error *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same with an explicit kind, but for ENOMEM: want of memory is never an image's or a configuration's
 * fault. errnum 0: no strerror is appended, and -EINVAL is returned. */
int nxc_fail_kind(struct nxc_error *err, enum nxc_error_kind kind, int errnum, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/* -ENOMEM, kind OutOfMemory. */
int nxc_oom(struct nxc_error *err);

/* Puts "prefix: " before the message; for crossing a noun. Returns -err->errnum. */
int nxc_error_wrap(struct nxc_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Changes the kind of a set error (a FileError under an image is an InvalidImage); an OutOfMemory stays one.
 * Returns -err->errnum. */
int nxc_error_set_kind(struct nxc_error *err, enum nxc_error_kind kind);

/* Sets the hint. */
void nxc_error_hint(struct nxc_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void nxc_error_reset(struct nxc_error *err);
