/* A malloc that fails: preloaded by tests/integration/oom.bats, never linked.
 *
 *      LD_PRELOAD=oom-preload.so NXC_OOM_AT=N COMMAND      the N-th allocation since main began fails
 *      ... NXC_OOM_ALL=1                                   and so do all after it
 *      LD_PRELOAD=oom-preload.so NXC_OOM_COUNT=FILE ...    nothing fails; their number is written to FILE at
 * the end
 *
 * All of libc and of the libraries gets its memory here (strdup, asprintf, fopen, jansson, ...). The
 * programs that the command executes are let alone: only what is under test shall fail. Its forked children
 * go on counting for themselves. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static int (*next_memalign)(void **, size_t, size_t);
static int (*next_main)(int, char **, char **);

static atomic_ulong n_allocations;
static _Thread_local bool
        loading; /* in dlopen(3), where the loader and foreign constructors rather end than fail */
static unsigned long fail_at;
static bool in_main, fail_all;
static const char *count_file;

__attribute__((constructor)) static void find_next(void)
{
        next_malloc = dlsym(RTLD_NEXT, "malloc");
        next_calloc = dlsym(RTLD_NEXT, "calloc");
        next_realloc = dlsym(RTLD_NEXT, "realloc");
        next_memalign = dlsym(RTLD_NEXT, "posix_memalign");
}

static bool fails(void)
{
        unsigned long n;

        if (!in_main || loading)
                return false;
        n = atomic_fetch_add(&n_allocations, 1) + 1;
        if (!fail_at || n < fail_at || (n > fail_at && !fail_all))
                return false;
        errno = ENOMEM;
        return true;
}

void *malloc(size_t size)
{
        if (!next_malloc)
                find_next();
        return fails() ? NULL : next_malloc(size);
}

void *calloc(size_t n, size_t size)
{
        if (!next_calloc)
                find_next();
        return fails() ? NULL : next_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
        if (!next_realloc)
                find_next();
        return fails() ? NULL : next_realloc(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(p, bytes);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
        return fails() ? ENOMEM : next_memalign(ret, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
        void *p;
        int r = posix_memalign(&p, alignment, size);

        if (r)
                errno = r;
        return r ? NULL : p;
}

void *dlopen(const char *file, int mode)
{
        void *(*next)(const char *, int) = dlsym(RTLD_NEXT, "dlopen"), *handle;

        loading = true;
        handle = next(file, mode);
        loading = false;
        return handle;
}

static void write_count(void)
{
        char text[32];
        int n = snprintf(text, sizeof(text), "%lu\n", (unsigned long)n_allocations);
        int fd = open(count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, text, (size_t)n) != n)
                abort();
        close(fd);
}

static int counted_main(int argc, char **argv, char **envp)
{
        const char *at = getenv("NXC_OOM_AT");
        int r;

        fail_at = at ? strtoul(at, NULL, 10) : 0;
        fail_all = getenv("NXC_OOM_ALL") != NULL;
        count_file = getenv("NXC_OOM_COUNT");
        unsetenv("LD_PRELOAD");
        in_main = true;
        r = next_main(argc, argv, envp);
        in_main = false;
        if (count_file)
                write_count();
        return r;
}

/* The way from _start to main, so that what the loader and constructors allocate does not count. */
int __libc_start_main(int (*main_)(int, char **, char **), int argc, char **argv, void (*init)(void),
        void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

int __libc_start_main(int (*main_)(int, char **, char **), int argc, char **argv, void (*init)(void),
        void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
        __typeof__(__libc_start_main) *next = (__typeof__(next))dlsym(RTLD_NEXT, "__libc_start_main");

        next_main = main_;
        return next(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
