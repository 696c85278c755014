/* --userns: the ids of the host that a container made from an image has in a user namespace of its own.
 *
 * auto gives every container of a store a range of its own, out of those that /etc/subuid and /etc/subgid
 * keep for "containers" (podman's name) or root. Which ones are taken is told by a file in each container's
 * directory, from its staging on: it comes and goes with the directory, so there is nothing to undo. A lock
 * on the directory of all of them keeps two creates from the same choice. */
#include "lifecycle/flow-internal.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/path.h"
#include "core/publish.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define USERNS_FILE ".userns"
#define SUBID_MAX_BYTES (1u << 20)
#define AUTO_SIZE 65536u /* ids of a container: every one that an image may have */
#define SLOTS_MAX 65536u /* that many fit into 32 bits */

/* ---- MAPPING: CONTAINER:HOST:SIZE[,...] for users and groups alike */

static int parse_field(char **p, char end, uint32_t *ret)
{
        char *text = *p, *stop = strchr(text, end);
        uint64_t n;

        if (!stop)
                return -EINVAL;
        *stop = '\0';
        *p = stop + 1;
        if (nxc_parse_u64(text, &n) < 0 || n > UINT32_MAX)
                return -EINVAL;
        *ret = (uint32_t)n;
        return 0;
}

static int parse_range(char *text, struct nxc_id_range *ret)
{
        uint64_t size;

        if (parse_field(&text, ':', &ret->inside) < 0 || parse_field(&text, ':', &ret->outside) < 0 ||
                nxc_parse_u64(text, &size) < 0 || size == 0 || size > UINT32_MAX)
                return -EINVAL;
        ret->count = (uint32_t)size;
        return ret->inside + size > UINT32_MAX || ret->outside + size > UINT32_MAX ? -ERANGE : 0;
}

static int add_range(struct nxc_id_range **v, size_t *n, const struct nxc_id_range *range)
{
        struct nxc_id_range *grown = reallocarray(*v, *n + 1, sizeof(**v));

        if (!grown)
                return -ENOMEM;
        grown[(*n)++] = *range;
        *v = grown;
        return 0;
}

static int add_to_both(struct nxc_idmap *m, const struct nxc_id_range *uids, const struct nxc_id_range *gids,
        struct nxc_error *err)
{
        return add_range(&m->uids, &m->n_uids, uids) < 0 || add_range(&m->gids, &m->n_gids, gids) < 0
                       ? nxc_oom(err)
                       : 0;
}

static int parse_mapping(const char *text, struct nxc_idmap *m, struct nxc_error *err)
{
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *item;
        bool maps_root = false;
        int r = copy ? 0 : nxc_oom(err);

        while (r == 0 && (item = strsep(&rest, ","))) {
                struct nxc_id_range range;

                if (m->n_uids == NXC_IDMAP_MAX)
                        return nxc_fail_kind(
                                err, NXC_ERR_USAGE, 0, "--userns: more than %d ranges", NXC_IDMAP_MAX);
                if (parse_range(item, &range) < 0) {
                        r = nxc_fail_kind(err, NXC_ERR_USAGE, 0, "--userns '%s' is no mapping", text);
                        nxc_error_hint(err, "auto, host, or CONTAINER:HOST:SIZE[,...], as 0:100000:65536");
                        return r;
                }
                maps_root |= range.inside == 0;
                r = add_to_both(m, &range, &range, err);
        }
        if (r == 0 && !maps_root)
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "--userns '%s' does not map id 0", text);
        return r;
}

/* ---- auto */

/* NAME:START:COUNT of the first of the names that has one. 1, 0, or negative. */
static int find_subids(const char *path, struct nxc_id_range *ret, struct nxc_error *err)
{
        static const char *const names[] = { "containers", "root", "0" };
        _cleanup_free_ char *text = NULL;
        int r = nxc_read_file_at(AT_FDCWD, path, SUBID_MAX_BYTES, &text, NULL, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *copy = strdup(text);
                char *rest = copy, *line;

                if (!copy)
                        return nxc_oom(err);
                while ((line = strsep(&rest, "\n"))) {
                        size_t n = strlen(names[i]);
                        uint64_t count;

                        if (strncmp(line, names[i], n) != 0 || line[n] != ':')
                                continue;
                        line += n + 1;
                        if (parse_field(&line, ':', &ret->outside) < 0 || nxc_parse_u64(line, &count) < 0 ||
                                count == 0 || ret->outside + count > (uint64_t)UINT32_MAX + 1)
                                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                                        "--userns auto: '%s' has no usable range for '%s'", path, names[i]);
                        ret->inside = 0;
                        ret->count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
                        return 1;
                }
        }
        return 0;
}

static int get_subids(const char *path, struct nxc_id_range *ret, struct nxc_error *err)
{
        int r = access(path, F_OK) < 0 ? 0 : find_subids(path, ret, err);

        if (r != 0)
                return r < 0 ? r : 0;
        r = nxc_fail_kind(
                err, NXC_ERR_USAGE, 0, "--userns auto: '%s' has no range for 'containers' or 'root'", path);
        nxc_error_hint(err, "echo containers:1000000:1073741824 | tee -a /etc/subuid /etc/subgid");
        return r;
}

/* Marks the slots of others. What cannot be read is being removed. */
static void mark_taken(int containers_fd, bool *taken, size_t n)
{
        _cleanup_close_ int fd = fcntl(containers_fd, F_DUPFD_CLOEXEC, 3);
        _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *de;

        if (!d)
                return;
        TAKE_FD(fd);
        rewinddir(d);
        while ((de = readdir(d))) {
                _cleanup_free_ char *path = nxc_strf("%s/" USERNS_FILE, de->d_name), *text = NULL;
                uint64_t slot;

                if (path && de->d_name[0] && !nxc_streq(de->d_name, "..") &&
                        nxc_read_file_at(containers_fd, path, 32, &text, NULL, NULL) == 0 &&
                        nxc_parse_u64(text, &slot) == 0 && slot < n)
                        taken[slot] = true;
        }
}

static int find_slot(const struct nxc_flow *f, size_t n, size_t *ret, struct nxc_error *err)
{
        _cleanup_free_ char *path = nxc_path_join(f->host->store, "containers");
        _cleanup_free_ bool *taken = calloc(n, sizeof(*taken));
        _cleanup_close_ int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        char text[16];
        size_t slot = 0;

        if (!path || !taken)
                return nxc_oom(err);
        if (fd >= 0 && flock(fd, LOCK_EX) == 0)
                mark_taken(fd, taken, n);
        while (slot < n && taken[slot])
                slot++;
        if (slot == n)
                return nxc_fail_kind(
                        err, NXC_ERR_BUSY, 0, "--userns auto: all %zu ranges of ids are in use", n);
        *ret = slot;
        snprintf(text, sizeof(text), "%zu", slot);
        return f->staging_fd < 0
                       ? 0 /* a dry run */
                       : nxc_publish_at(f->staging_fd, USERNS_FILE, text, strlen(text), 0600, 0, err);
}

static int choose_auto(const struct nxc_flow *f, struct nxc_idmap *m, struct nxc_error *err)
{
        struct nxc_id_range uids, gids;
        size_t n, slot = 0;
        uint32_t size;
        int r = get_subids("/etc/subuid", &uids, err);

        if (r == 0)
                r = get_subids("/etc/subgid", &gids, err);
        if (r < 0)
                return r;
        size = uids.count < gids.count ? uids.count : gids.count;
        n = size < AUTO_SIZE ? 1 : size / AUTO_SIZE;
        if (size > AUTO_SIZE)
                size = AUTO_SIZE;
        r = find_slot(f, n < SLOTS_MAX ? n : SLOTS_MAX, &slot, err);
        if (r < 0)
                return r;
        uids.outside += (uint32_t)slot * size;
        gids.outside += (uint32_t)slot * size;
        uids.count = gids.count = size;
        return add_to_both(m, &uids, &gids, err);
}

int nxc_flow_choose_ids(struct nxc_flow *f, struct nxc_error *err)
{
        const char *userns = f->o->userns;
        _cleanup_(nxc_idmap_freep) struct nxc_idmap *m = NULL;
        int r;

        if (f->ids || !userns || nxc_streq(userns, "host"))
                return 0;
        m = calloc(1, sizeof(*m));
        if (!m)
                return nxc_oom(err);
        r = nxc_streq(userns, "auto") ? choose_auto(f, m, err) : parse_mapping(userns, m, err);
        if (r == 0)
                f->ids = TAKE_PTR(m);
        return r;
}

json_t *nxc_flow_id_mappings(const struct nxc_id_range *ranges, size_t n)
{
        json_t *list = json_array();

        for (size_t i = 0; i < n; i++)
                json_array_append_new(list,
                        json_pack("{s:I, s:I, s:I}", "containerID", (json_int_t)ranges[i].inside, "hostID",
                                (json_int_t)ranges[i].outside, "size", (json_int_t)ranges[i].count));
        if (json_array_size(list) == n)
                return list;
        json_decref(list);
        return NULL;
}
