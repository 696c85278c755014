/* Users by name or number, from etc/passwd and etc/group of the container's root.
 *
 * The root is untrusted: its etc/passwd may be a link to the host's, a device or endless. So the files
 * are resolved as a process chrooted there would (openat2), looked at before they are opened for
 * reading, and read up to a limit; and a line that does not parse is skipped, where runc's parser takes
 * what it cannot read for 0, which is root. */
#include "oci/compose.h"

#include "core/fs.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ACCOUNTS_MAX_BYTES (1u << 20)
#define ID_MAX 0x7fffffffu /* podman's and docker's; (uint32_t)-1 means "no change" to the kernel */
#define GROUPS_MAX 65536   /* NGROUPS_MAX of the kernel */

/* Reads a file of the root; absent: "". */
static int read_accounts(int root_fd, const char *path, char **ret, struct nxc_error *err)
{
        _cleanup_close_ int where = root_fd < 0 ? -ENOENT : nxc_root_open(root_fd, path, O_PATH, 0);
        _cleanup_close_ int fd = -EBADF;
        char proc[64];
        struct stat st;

        if (where == -ENOENT || where == -ENOTDIR) {
                *ret = strdup("");
                return *ret ? 0 : nxc_oom(err);
        }
        if (where < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, -where, "open %s of the image", path);
        if (fstat(where, &st) < 0)
                return nxc_fail(err, errno, "stat %s of the image", path);
        if (!S_ISREG(st.st_mode))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_IMAGE, 0, "%s of the image is not a regular file", path);
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", where);
        fd = open(proc, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return nxc_fail(err, errno, "open %s of the image", path);
        if (nxc_read_fd(fd, ACCOUNTS_MAX_BYTES, ret, NULL, err, path) < 0)
                return nxc_error_set_kind(err, NXC_ERR_INVALID_IMAGE);
        return 0;
}

static bool parse_id(const char *s, uint32_t *ret)
{
        uint64_t v;

        if (nxc_parse_u64(s, &v) < 0 || v > ID_MAX)
                return false;
        *ret = (uint32_t)v;
        return true;
}

static bool is_numeric(const char *s)
{
        return *s && strspn(s, "0123456789") == strlen(s);
}

/* The next line, cut at colons in place into at most max fields; fewer are "". NULL at the end. */
static char *next_entry(char **text, char **fields, size_t max)
{
        static char empty[] = "";
        char *line = strsep(text, "\n");

        for (size_t i = 0; line && i < max; i++)
                fields[i] = empty;
        for (char *p = line, *f; p && max > 0 && (f = strsep(&p, ":")); max--)
                *fields++ = f;
        return line;
}

/* name:password:uid:gid:gecos:home:shell. ret_name is malloc'ed; false: no such entry. */
static int find_passwd(char *text, const char *user, struct nxc_user *u, char **ret_name, bool *ret_found,
        struct nxc_error *err)
{
        bool numeric = is_numeric(user);
        char *f[7];

        while (next_entry(&text, f, NXC_ARRAY_SIZE(f))) {
                uint32_t uid, gid;

                if (!parse_id(f[2], &uid) || !parse_id(f[3], &gid))
                        continue;
                if (numeric ? uid != u->uid : !nxc_streq(f[0], user))
                        continue;
                u->uid = uid;
                u->gid = gid;
                if (f[5][0] == '/' && !nxc_has_control(f[5])) {
                        u->home = strdup(f[5]);
                        if (!u->home)
                                return nxc_oom(err);
                }
                *ret_name = strdup(f[0]);
                if (!*ret_name)
                        return nxc_oom(err);
                *ret_found = true;
                return 0;
        }
        *ret_found = false;
        return 0;
}

static int add_gid(struct nxc_user *u, uint32_t gid, struct nxc_error *err)
{
        uint32_t *p;

        for (size_t i = 0; i < u->n_additional; i++)
                if (u->additional_gids[i] == gid)
                        return 0;
        if (u->n_additional == GROUPS_MAX)
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_IMAGE, 0, "the user is in more than %d groups", GROUPS_MAX);
        p = reallocarray(u->additional_gids, u->n_additional + 1, sizeof(*p));
        if (!p)
                return nxc_oom(err);
        p[u->n_additional++] = gid;
        u->additional_gids = p;
        return 0;
}

static bool lists(char *members, const char *name)
{
        for (char *m; (m = strsep(&members, ","));)
                if (nxc_streq(m, name))
                        return true;
        return false;
}

/* name:password:gid:member,member. The groups that list the user. */
static int add_memberships(char *text, const char *name, struct nxc_user *u, struct nxc_error *err)
{
        char *f[4];

        while (next_entry(&text, f, NXC_ARRAY_SIZE(f))) {
                uint32_t gid;
                int r;

                if (!parse_id(f[2], &gid) || !lists(f[3], name))
                        continue;
                r = add_gid(u, gid, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool find_group(char *text, const char *name, uint32_t *ret)
{
        char *f[4];

        while (next_entry(&text, f, NXC_ARRAY_SIZE(f)))
                if (nxc_streq(f[0], name) && parse_id(f[2], ret))
                        return true;
        return false;
}

static int lookup_user(
        int root_fd, const char *user, struct nxc_user *u, char **ret_name, struct nxc_error *err)
{
        _cleanup_free_ char *passwd = NULL;
        bool found;
        int r;

        if (is_numeric(user) && !parse_id(user, &u->uid))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "user '%s': uids and gids must be in range 0-%u",
                        user, ID_MAX);
        r = read_accounts(root_fd, "etc/passwd", &passwd, err);
        if (r == 0)
                r = find_passwd(passwd, user, u, ret_name, &found, err);
        if (r < 0)
                return r;
        if (!found && !is_numeric(user))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "unable to find user %.64s: no matching entries in passwd file", user);
        return 0;
}

static int lookup_groups(
        int root_fd, const char *group, const char *name, struct nxc_user *u, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        int r = 0;

        if (group && is_numeric(group)) {
                if (!parse_id(group, &u->gid))
                        return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                                "group '%s': uids and gids must be in range 0-%u", group, ID_MAX);
                return add_gid(u, u->gid, err);
        }
        if (group || name)
                r = read_accounts(root_fd, "etc/group", &text, err);
        if (r < 0)
                return r;
        if (group && !find_group(text, group, &u->gid))
                return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                        "unable to find group %.64s: no matching entries in group file", group);
        r = add_gid(u, u->gid, err);
        if (r == 0 && !group && name)
                r = add_memberships(text, name, u, err);
        return r;
}

/* Nobody asked for a user: root, with the home that passwd gives it. */
static int lookup_default(int root_fd, struct nxc_user *u, struct nxc_error *err)
{
        _cleanup_free_ char *name = NULL;

        return lookup_user(root_fd, "0", u, &name, err);
}

int nxc_user_lookup(int root_fd, const char *user, struct nxc_user *ret, struct nxc_error *err)
{
        _cleanup_free_ char *copy = NULL, *name = NULL;
        struct nxc_user u = { 0 };
        char *group;
        int r;

        if (!user || !*user) {
                r = lookup_default(root_fd, &u, err);
                u.gid = 0;
        } else {
                copy = strdup(user);
                if (!copy)
                        return nxc_oom(err);
                group = strchr(copy, ':');
                if (group)
                        *group++ = '\0';
                /* An empty half would silently mean root to other tools. */
                if (!*copy || (group && (!*group || strchr(group, ':'))) || nxc_has_control(user))
                        return nxc_fail_kind(err, NXC_ERR_USAGE, 0, "user '%.64s' is not USER[:GROUP]",
                                nxc_has_control(user) ? "?" : user);
                r = lookup_user(root_fd, copy, &u, &name, err);
                if (r == 0)
                        r = lookup_groups(root_fd, group, name, &u, err);
        }
        if (r < 0) {
                nxc_user_done(&u);
                return r;
        }
        *ret = u;
        return 0;
}

void nxc_user_done(struct nxc_user *u)
{
        free(u->additional_gids);
        free(u->home);
        *u = (struct nxc_user){ 0 };
}
