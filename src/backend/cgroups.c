/* See cgroups-internal.h. Directories are those that a runtime recorded. */
#include "backend/cgroups-internal.h"

#include "core/cleanup.h"
#include "core/path.h"
#include "sys/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#define MAX_DEPTH 32   /* of a container's own cgroups below its one */
#define MAX_ROUNDS 200 /* of killing: what forks faster than this needs a pids limit */

/* A directory below the root of a hierarchy, and a real one. Where another file system covers a hierarchy,
 * crun makes plain files there: their pids are nobody's any more. 1, 0, or -ENOMEM. */
static int is_below_a_root(const char *dir)
{
        _cleanup_free_ char *clean = nxc_path_normalize(dir);
        int least = nxc_cgroup_mode() == NXC_CGROUP_V2 ? 4 : 5,
            slashes = 0; /* "/sys/fs/cgroup[/CONTROLLER]/x" */
        struct statfs fs;

        if (!clean)
                return -ENOMEM;
        if (!nxc_streq(clean, dir) || !nxc_path_is_beneath("/sys/fs/cgroup", dir))
                return false;
        for (const char *p = dir; *p; p++)
                slashes += *p == '/';
        if (slashes < least || statfs(dir, &fs) < 0)
                return false;
        return fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC;
}

static FILE *open_procs(const char *dir, const char *mode)
{
        _cleanup_free_ char *path = nxc_path_join(dir, "cgroup.procs");

        return path ? fopen(path, mode) : NULL;
}

/* 1, 0, or -errno: who could not look does not know. */
static int holds_us(const char *dir, int depth)
{
        _cleanup_fclose_ FILE *f = open_procs(dir, "re");
        _cleanup_closedir_ DIR *d = f ? opendir(dir) : NULL;
        struct dirent *de;
        int pid;

        if (!d)
                return errno == ENOENT || errno == ENODEV ? 0 : -errno;
        while (fscanf(f, "%d", &pid) == 1)
                if (pid == getpid())
                        return 1;
        while (depth < MAX_DEPTH && (de = readdir(d))) {
                _cleanup_free_ char *child = NULL;
                int r;

                if (de->d_type != DT_DIR || nxc_streq(de->d_name, ".") || nxc_streq(de->d_name, ".."))
                        continue;
                child = nxc_path_join(dir, de->d_name);
                r = child ? holds_us(child, depth + 1) : -ENOMEM;
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Never where we are ourselves: such a "container's" cgroup is its engine's, or the host's. Negative: it is
 * not known, which is worth a further look. */
static int is_a_containers(const char *dir)
{
        int r = is_below_a_root(dir);

        if (r > 0) {
                r = holds_us(dir, 0);
                r = r < 0 ? r : !r;
        }
        return r;
}

static size_t signal_one(const char *dir, int signal)
{
        _cleanup_fclose_ FILE *f = open_procs(dir, "re");
        size_t n = 0;
        int pid;

        while (f && fscanf(f, "%d", &pid) == 1)
                n += pid > 0 && kill(pid, signal) == 0;
        return n;
}

/* Depth first; remove: also the directories. Returns how many processes got the signal. */
static size_t walk(const char *dir, int signal, bool remove, int depth)
{
        _cleanup_closedir_ DIR *d = opendir(dir);
        struct dirent *de;
        size_t n = 0;

        if (!d || depth > MAX_DEPTH)
                return 0;
        while ((de = readdir(d))) {
                _cleanup_free_ char *child = NULL;

                if (de->d_type != DT_DIR || nxc_streq(de->d_name, ".") || nxc_streq(de->d_name, ".."))
                        continue;
                child = nxc_path_join(dir, de->d_name);
                n += child ? walk(child, signal, remove, depth + 1) : 0;
        }
        n += signal_one(dir, signal);
        if (remove)
                rmdir(dir);
        return n;
}

/* A frozen v1 task takes no signal before it is thawed; v2 kills it as it is. */
static void thaw(const char *dir)
{
        _cleanup_free_ char *path = nxc_path_join(dir, "freezer.state");
        _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -EBADF;

        if (fd >= 0 && write(fd, "THAWED", 6) < 0)
                return;
}

static bool is_gone(const struct nxc_strv *dirs)
{
        for (size_t i = 0; i < dirs->n; i++)
                if (is_a_containers(dirs->v[i]) != 0)
                        return false;
        return true;
}

static void pause_between_rounds(void)
{
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

void nxc_cgroups_clear(const struct nxc_strv *dirs)
{
        for (int round = 0; round < MAX_ROUNDS && !is_gone(dirs); round++) {
                if (round > 0)
                        pause_between_rounds();
                for (size_t i = 0; i < dirs->n; i++) {
                        if (is_a_containers(dirs->v[i]) <= 0)
                                continue;
                        thaw(dirs->v[i]);
                        walk(dirs->v[i], SIGKILL, true, 0);
                }
        }
}

/* In the first directory that has any: with v1 all have the same. */
static size_t signal_round(const struct nxc_strv *dirs, int signal)
{
        size_t n = 0;

        for (size_t i = 0; n == 0 && i < dirs->n; i++) {
                int r = is_a_containers(dirs->v[i]);

                if (r < 0)
                        r = is_a_containers(dirs->v[i]);
                if (r > 0)
                        n = walk(dirs->v[i], signal, false, 0);
        }
        return n;
}

size_t nxc_cgroups_signal(const struct nxc_strv *dirs, int signal)
{
        size_t first = signal_round(dirs, signal);

        /* What forked meanwhile must not escape. */
        for (int round = 0; first > 0 && signal == SIGKILL && round < MAX_ROUNDS; round++) {
                for (size_t i = 0; i < dirs->n; i++)
                        if (is_a_containers(dirs->v[i]) > 0)
                                thaw(dirs->v[i]);
                pause_between_rounds();
                if (signal_round(dirs, signal) == 0)
                        break;
        }
        return first;
}
