/* Names of datasets: short enough, of allowed characters, and never the same for two things.
 *
 * A name of zfs has letters, digits and "-_.: " between its slashes and 255 characters in all, with that of
 * a snapshot. An id of a container has letters, digits and "-_.+", never begins with a dot, and may be 255
 * long by itself. So "+" is written ":", which no id has; and an id that leaves no room is written as a dot
 * and its digest, which no id begins with. */
#include "storage/zfs-internal.h"

#include "core/digest.h"

#include <assert.h>
#include <dlfcn.h>
#include <string.h>

#define CONTAINERS "/containers/"
#define IMAGES "/images/"
#define HEX_MAX 65 /* of a SHA-256, with the NUL */
#define LIBCRYPTO "libcrypto.so.3"

/* What has to fit behind any parent: "/containers/." and a digest. */
#define PARENT_MAX (NXC_ZFS_NAME_MAX - NXC_ZFS_SNAPSHOT_MAX - (int)sizeof(CONTAINERS) - HEX_MAX)
static_assert(PARENT_MAX > 100, "a parent may have a name that people choose");

/* SHA-256, by libcrypto: opened here, as the program is not linked with it (it takes longer to load than
 * most commands run). */
static int digest_hex(const char *text, size_t len, char ret[HEX_MAX], struct nxc_error *err)
{
        unsigned char *(*sha256)(const unsigned char *, size_t, unsigned char *);
        void *lib = dlopen(LIBCRYPTO, RTLD_NOW | RTLD_LOCAL);
        unsigned char md[32];

        if (!lib)
                return nxc_fail_kind(
                        err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "open '%s': %s", LIBCRYPTO, dlerror());
        *(void **)&sha256 = dlsym(lib, "SHA256");
        if (!sha256)
                return nxc_fail_kind(err, NXC_ERR_RUNTIME_NOT_AVAILABLE, 0, "'%s' has no SHA256", LIBCRYPTO);
        sha256((const unsigned char *)text, len, md);
        for (size_t i = 0; i < sizeof(md); i++)
                snprintf(ret + 2 * i, 3, "%02x", md[i]);
        return 0;
}

static bool is_allowed(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               strchr("-_.:", c);
}

int nxc_zfs_check_parent(const char *parent, struct nxc_error *err)
{
        size_t len = strlen(parent), in_part = 0;
        bool ok = (parent[0] >= 'a' && parent[0] <= 'z') || (parent[0] >= 'A' && parent[0] <= 'Z');

        for (size_t i = 0; ok && i <= len; i++) {
                bool ends = parent[i] == '/' || parent[i] == '\0';

                if (ends)
                        ok = in_part > 0 && !(in_part == 1 && parent[i - 1] == '.') &&
                             !(in_part == 2 && strncmp(parent + i - 2, "..", 2) == 0);
                else
                        ok = is_allowed(parent[i]);
                in_part = ends ? 0 : in_part + 1;
        }
        if (!ok)
                return nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0,
                        "'%s' (zfs.parent in [storage]) is no name of a dataset, such as POOL/nexcage",
                        parent);
        if (len > PARENT_MAX)
                return nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, ENAMETOOLONG,
                        "the name '%s' (zfs.parent in [storage]) has more than %d characters", parent,
                        PARENT_MAX);
        return 0;
}

int nxc_zfs_container_name(
        const struct nxc_storage_container *c, char ret[NXC_ZFS_NAME_MAX], struct nxc_error *err)
{
        size_t at = strlen(c->env->zfs_parent) + strlen(CONTAINERS), len = strlen(c->id);
        char hex[HEX_MAX];
        int r = 0;

        snprintf(ret, NXC_ZFS_NAME_MAX, "%s" CONTAINERS, c->env->zfs_parent);
        if (at + len < NXC_ZFS_NAME_MAX - NXC_ZFS_SNAPSHOT_MAX) {
                for (size_t i = 0; i <= len; i++)
                        ret[at + i] = c->id[i] == '+' ? ':' : c->id[i];
                return 0;
        }
        r = digest_hex(c->id, len, hex, err);
        if (r == 0)
                snprintf(ret + at, NXC_ZFS_NAME_MAX - at, ".%s", hex);
        return r;
}

/* ChainID(L0..Ln) = SHA-256 of "ChainID(L0..Ln-1) DiffID(Ln)" (image-spec, config.md). */
int nxc_zfs_image_name(const char *parent, const struct nxc_strv *diff_ids, char ret[NXC_ZFS_NAME_MAX],
        struct nxc_error *err)
{
        char chain[NXC_DIGEST_MAX], both[2 * NXC_DIGEST_MAX], hex[HEX_MAX];

        snprintf(chain, sizeof(chain), "%s", diff_ids->v[0]);
        for (size_t i = 1; i < diff_ids->n; i++) {
                int r, n = snprintf(both, sizeof(both), "%s %s", chain, diff_ids->v[i]);

                r = digest_hex(both, (size_t)n, hex, err);
                if (r < 0)
                        return r;
                snprintf(chain, sizeof(chain), "sha256:%s", hex);
        }
        /* A digest of another kind is too long for a name of zfs, and too long is not cut. */
        if (!nxc_starts_with(chain, "sha256:")) {
                int r = digest_hex(chain, strlen(chain), hex, err);

                if (r < 0)
                        return r;
                snprintf(chain, sizeof(chain), "sha256:.%s", hex);
        }
        snprintf(ret, NXC_ZFS_NAME_MAX, "%s" IMAGES "%s", parent, strchr(chain, ':') + 1);
        return 0;
}

int nxc_zfs_filling_name(
        const struct nxc_storage_container *c, char ret[NXC_ZFS_NAME_MAX], struct nxc_error *err)
{
        char hex[HEX_MAX];
        int r = digest_hex(c->dir, strlen(c->dir), hex, err);

        if (r == 0)
                snprintf(ret, NXC_ZFS_NAME_MAX, "%s" IMAGES ".new-%.32s", c->env->zfs_parent, hex);
        return r;
}

int nxc_zfs_check_snapshot(const char *name, struct nxc_error *err)
{
        size_t len = strlen(name);
        bool ok = len > 0 && len <= NXC_ZFS_SNAPSHOT_MAX - 2 && name[0] != '-' && name[0] != '.';

        for (size_t i = 0; ok && i < len; i++)
                ok = is_allowed(name[i]);
        if (ok)
                return 0;
        return nxc_fail_kind(err, NXC_ERR_USAGE, 0,
                "'%s' is no name of a snapshot: 1 to %d letters, digits and \"_-.:\", first none of \"-.\"",
                name, NXC_ZFS_SNAPSHOT_MAX - 2);
}
