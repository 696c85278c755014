/* Project quotas (ext4 and XFS, mounted with prjquota): a limit for all that lies below a directory, whoever
 * owns it. By descriptor: quotactl_fd(2), Linux >= 5.14. All return 0 or -errno without err. */
#pragma once

#include <stdint.h>

struct nxc_quota {
        uint64_t used_bytes, limit_bytes; /* limit 0: none */
};

/* Whether the file system keeps project quotas and enforces them: -ENOTSUP when not. */
int nxc_quota_probe(int fd);
/* A number that no directory has and no limit is set for. */
int nxc_quota_find_project(int fd, uint32_t *ret);
/* Gives a directory, with what it holds, to a project; what is made in it later belongs to it too. Only
 * directories and regular files can. */
int nxc_quota_assign(int dir_fd, uint32_t project);
/* 0: none. */
int nxc_quota_project_of(int dir_fd, uint32_t *ret);
int nxc_quota_get(int fd, uint32_t project, struct nxc_quota *ret);
int nxc_quota_set_limit(int fd, uint32_t project, uint64_t bytes); /* 0: takes it away */
