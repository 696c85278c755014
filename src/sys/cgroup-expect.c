/* The grace period that is begun before it is needed: see nxc_cgroup_expect_move in cgroup.h. */
#include "sys/cgroup-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/str.h"
#include "sys/feature.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#define STACK_BYTES (64u << 10)

/* By its number: "0", the writer itself, would go without the lock (Linux 5.12). */
static void *move_to_where_we_are(void *tasks)
{
        _cleanup_close_ int fd = (int)(intptr_t)tasks;
        char tid[16];
        int n = snprintf(tid, sizeof(tid), "%d", (int)gettid());

        (void)!write(fd, tid, (size_t)n);
        return NULL;
}

/* Signals are for the main thread. */
static int start_thread(int fd)
{
        pthread_attr_t attr;
        sigset_t all, before;
        pthread_t thread;
        int r;

        sigfillset(&all);
        pthread_attr_init(&attr);
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attr, STACK_BYTES);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&thread, &attr, move_to_where_we_are, (void *)(intptr_t)fd);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
        return -r;
}

void nxc_cgroup_host_expect_move(const struct nxc_cgroup_host *host)
{
        _cleanup_free_ char *dir = NULL, *tasks = NULL;
        int fd;

        if (host->mode != NXC_CGROUP_V1 && host->mode != NXC_CGROUP_HYBRID)
                return;
        if (!nxc_feature_enabled("CGROUP_EXPECT") ||
                nxc_cgroup_host_dir(host, getpid(), "pids", &dir, NULL) < 0)
                return;
        tasks = nxc_strf("%s/tasks", dir);
        fd = tasks ? open(tasks, O_WRONLY | O_CLOEXEC) : -1;
        if (fd >= 0 && start_thread(fd) < 0)
                close(fd);
}

void nxc_cgroup_expect_move(void)
{
        const struct nxc_cgroup_host host = nxc_cgroup_this_host();

        nxc_cgroup_host_expect_move(&host);
}
