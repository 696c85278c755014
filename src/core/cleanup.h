/* Cleanup types: everything acquired is released by the scope that owns it; giving away is visible (TAKE_*).
 * Each cleanup accepts the empty value and keeps errno. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NXC_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void nxc_freep(void *p)
{
        int saved = errno;

        free(*(void **)p);
        *(void **)p = NULL;
        errno = saved;
}

static inline void nxc_closep(int *fd)
{
        int saved = errno;

        if (*fd >= 0)
                close(*fd);
        *fd = -EBADF;
        errno = saved;
}

static inline void nxc_fclosep(FILE **f)
{
        int saved = errno;

        if (*f)
                fclose(*f);
        *f = NULL;
        errno = saved;
}

static inline void nxc_closedirp(DIR **d)
{
        int saved = errno;

        if (*d)
                closedir(*d);
        *d = NULL;
        errno = saved;
}

#define _cleanup_free_ _cleanup_(nxc_freep)
#define _cleanup_close_ _cleanup_(nxc_closep)
#define _cleanup_fclose_ _cleanup_(nxc_fclosep)
#define _cleanup_closedir_ _cleanup_(nxc_closedirp)

#define TAKE_FD(fd)              \
        ({                       \
                int _fd_ = (fd); \
                (fd) = -EBADF;   \
                _fd_;            \
        })

#define TAKE_PTR(p)                      \
        ({                               \
                __typeof__(p) _p_ = (p); \
                (p) = NULL;              \
                _p_;                     \
        })
