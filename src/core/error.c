/* See error.h. Formatting goes to fixed buffers: a message that does not fit is cut, never lost. */
#include "core/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
        [NXC_ERR_NONE] = "None",
        [NXC_ERR_INVALID_JSON] = "InvalidJson",
        [NXC_ERR_INVALID_SPEC] = "InvalidSpec",
        [NXC_ERR_FILE] = "FileError",
        [NXC_ERR_OUT_OF_MEMORY] = "OutOfMemory",
        [NXC_ERR_IMAGE_NOT_FOUND] = "ImageNotFound",
        [NXC_ERR_INVALID_IMAGE] = "InvalidImage",
        [NXC_ERR_BUNDLE_NOT_FOUND] = "BundleNotFound",
        [NXC_ERR_CONTAINER_EXISTS] = "ContainerExists",
        [NXC_ERR_ZFS] = "ZFSError",
        [NXC_ERR_LXC] = "LXCError",
        [NXC_ERR_PROXMOX] = "ProxmoxError",
        [NXC_ERR_CONFIG] = "ConfigError",
        [NXC_ERR_INVALID_CONFIG] = "InvalidConfig",
        [NXC_ERR_INVALID_ROOTFS] = "InvalidRootfs",
        [NXC_ERR_RUNTIME_NOT_AVAILABLE] = "RuntimeNotAvailable",
        [NXC_ERR_NOT_IMPLEMENTED] = "NotImplemented",
        [NXC_ERR_CONTAINER_NOT_FOUND] = "ContainerNotFound",
        [NXC_ERR_INVALID_STATE] = "InvalidState",
        [NXC_ERR_REGISTRY] = "RegistryError",
        [NXC_ERR_UNAUTHORIZED] = "Unauthorized",
        [NXC_ERR_CRUN] = "CrunError",
        [NXC_ERR_RUNC] = "RuncError",
        [NXC_ERR_VM] = "VMError",
        [NXC_ERR_HOOK] = "HookError",
        [NXC_ERR_NETWORK] = "NetworkError",
        [NXC_ERR_BUSY] = "Busy",
        [NXC_ERR_INTERRUPTED] = "Interrupted",
        [NXC_ERR_USAGE] = "Usage",
};
static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == _NXC_ERR_MAX, "every kind has a name");

const char *nxc_error_kind_name(enum nxc_error_kind kind)
{
        assert(kind >= 0 && kind < _NXC_ERR_MAX);
        return kind_names[kind];
}

static void append(char *buf, size_t size, const char *text)
{
        size_t n = strlen(buf);

        if (n + 1 < size)
                snprintf(buf + n, size - n, "%s", text);
}

/* openat2 and the mount API are what nexcage stands on; said once, for whichever of them is missing. */
#define ENOSYS_HINT                                                                            \
        "Linux 5.6 or newer is needed, and a seccomp profile that lets openat2 and the mount " \
        "system calls pass"

static int __attribute__((format(printf, 4, 0)))
fail_va(struct nxc_error *err, enum nxc_error_kind kind, int errnum, const char *fmt, va_list ap)
{
        if (errnum < 0) /* a caller that passed -errno must not get a success for it */
                errnum = -errnum;
        if (err && err->kind == NXC_ERR_NONE) {
                err->kind = errnum == ENOMEM ? NXC_ERR_OUT_OF_MEMORY : kind;
                err->errnum = errnum ? errnum : EINVAL;
                snprintf(err->hint, sizeof(err->hint), "%s", errnum == ENOSYS ? ENOSYS_HINT : "");
                vsnprintf(err->message, sizeof(err->message), fmt, ap);
                if (errnum) {
                        append(err->message, sizeof(err->message), ": ");
                        append(err->message, sizeof(err->message), strerror(errnum));
                }
        }
        return errnum ? -errnum : -EINVAL;
}

int nxc_fail(struct nxc_error *err, int errnum, const char *fmt, ...)
{
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = fail_va(err, NXC_ERR_FILE, errnum, fmt, ap);
        va_end(ap);
        return r;
}

int nxc_fail_kind(struct nxc_error *err, enum nxc_error_kind kind, int errnum, const char *fmt, ...)
{
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = fail_va(err, kind, errnum, fmt, ap);
        va_end(ap);
        return r;
}

int nxc_oom(struct nxc_error *err)
{
        return nxc_fail_kind(err, NXC_ERR_OUT_OF_MEMORY, ENOMEM, "allocate memory");
}

int nxc_error_wrap(struct nxc_error *err, const char *fmt, ...)
{
        char old[sizeof(err->message)];
        va_list ap;

        if (!nxc_error_is_set(err))
                return -EINVAL;
        memcpy(old, err->message, sizeof(old));
        va_start(ap, fmt);
        vsnprintf(err->message, sizeof(err->message), fmt, ap);
        va_end(ap);
        append(err->message, sizeof(err->message), ": ");
        append(err->message, sizeof(err->message), old);
        return -err->errnum;
}

int nxc_error_set_kind(struct nxc_error *err, enum nxc_error_kind kind)
{
        if (!nxc_error_is_set(err))
                return -EINVAL;
        if (err->kind != NXC_ERR_OUT_OF_MEMORY)
                err->kind = kind;
        return -err->errnum;
}

void nxc_error_hint(struct nxc_error *err, const char *fmt, ...)
{
        va_list ap;

        if (!nxc_error_is_set(err))
                return;
        va_start(ap, fmt);
        vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
        va_end(ap);
}

void nxc_error_reset(struct nxc_error *err)
{
        if (err)
                *err = (struct nxc_error){ 0 };
}
