/* The inside of cgroup.h, for its files and their tests: the same functions against any tree of files. */
#pragma once

#include "sys/cgroup.h"

#include <stdint.h>

struct nxc_cgroup_host {
        const char *proc_root;   /* "/proc" */
        const char *cgroup_root; /* "/sys/fs/cgroup" */
        enum nxc_cgroup_mode mode;
};

/* Finds the directory of a process for a controller ("" and "unified": the v2 hierarchy). */
int nxc_cgroup_host_dir(const struct nxc_cgroup_host *host, pid_t pid, const char *controller, char **ret,
        struct nxc_error *err);
int nxc_cgroup_host_pids(
        const struct nxc_cgroup_host *host, pid_t init, pid_t **ret, size_t *ret_n, struct nxc_error *err);
int nxc_cgroup_host_is_frozen(
        const struct nxc_cgroup_host *host, pid_t init, bool *ret, struct nxc_error *err);
int nxc_cgroup_host_stats(
        const struct nxc_cgroup_host *host, pid_t init, json_t **ret, struct nxc_error *err);
int nxc_cgroup_host_oom_count(
        const struct nxc_cgroup_host *host, pid_t init, unsigned long long *ret, struct nxc_error *err);
void nxc_cgroup_host_expect_move(const struct nxc_cgroup_host *host);

/* One file of a cgroup: a number ("max" is UINT64_MAX), and the value of "key value" in a flat-keyed file.
 * Return -ENOENT and the like, without an error object: a controller or a file that is absent is no
 * failure. */
int nxc_cgroup_read_number(const char *dir, const char *file, uint64_t *ret);
int nxc_cgroup_read_key(const char *dir, const char *file, const char *key, uint64_t *ret);
/* The text of a file, malloc'ed; NULL with errno when it cannot be read. */
char *nxc_cgroup_read_text(const char *dir, const char *file);

struct nxc_cgroup_host nxc_cgroup_this_host(void);
