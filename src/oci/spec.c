/* See spec.h. The bundle is opened once, and everything of it is reached through that fd. */
#include "oci/spec.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"
#include "core/str.h"
#include "oci/spec-internal.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define ACCEPTED_VERSIONS "1.0.0 to 1.3.x"

struct nxc_spec {
        json_t *doc;
};

/* --- the bundle --- */

int nxc_bundle_open(const char *path, int *ret_fd, char **ret_path, struct nxc_error *err)
{
        _cleanup_free_ char *absolute = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!path[0])
                return nxc_fail_kind(err, NXC_ERR_BUNDLE_NOT_FOUND, ENOENT, "open bundle ''");
        absolute = nxc_path_absolute(path);
        if (!absolute)
                return errno == ENOMEM ? nxc_oom(err)
                                       : nxc_fail_kind(err, NXC_ERR_BUNDLE_NOT_FOUND, errno,
                                                 "open bundle '%s'", path);
        fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
                r = nxc_fail_kind(err, NXC_ERR_BUNDLE_NOT_FOUND, errno, "open bundle '%s'", absolute);
                nxc_error_hint(err, "a bundle is a directory with a config.json and a root filesystem");
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        *ret_path = TAKE_PTR(absolute);
        return 0;
}

/* A device or a pipe is told by stat before it is opened: opening may already have an effect, or block. */
static int open_config(int bundle_fd, const char *name, struct nxc_error *err)
{
        struct stat st;
        int fd, r;

        if (fstatat(bundle_fd, name, &st, 0) == 0 && !S_ISREG(st.st_mode))
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "read '%s': not a regular file", name);
        fd = openat(bundle_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT) {
                r = nxc_fail_kind(err, NXC_ERR_BUNDLE_NOT_FOUND, ENOENT,
                        "JSON specification file '%s' not found in the bundle", name);
                nxc_error_hint(err, "`nexcage spec` writes a config.json to start from");
                return r;
        }
        if (fd < 0)
                return nxc_fail(err, errno, "open '%s' of the bundle", name);
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                close(fd);
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "read '%s': not a regular file", name);
        }
        return fd;
}

int nxc_spec_read(int bundle_fd, const char *name, char **ret_text, size_t *ret_len, struct nxc_error *err)
{
        _cleanup_close_ int fd = open_config(bundle_fd, name, err);
        int r;

        if (fd < 0)
                return fd;
        r = nxc_read_fd(fd, NXC_SPEC_MAX_BYTES, ret_text, ret_len, err, name);
        return r == -EFBIG ? nxc_error_set_kind(err, NXC_ERR_INVALID_SPEC), r : r;
}

/* --- the document --- */

int nxc_spec_from_json(json_t *doc, struct nxc_spec **ret, struct nxc_error *err)
{
        struct nxc_spec *spec;

        if (!json_is_object(doc))
                return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0, "parse config.json: not a JSON object");
        spec = malloc(sizeof(*spec));
        if (!spec)
                return nxc_oom(err);
        spec->doc = json_incref(doc);
        *ret = spec;
        return 0;
}

int nxc_spec_parse(const char *text, size_t len, struct nxc_spec **ret, struct nxc_error *err)
{
        _cleanup_json_ json_t *doc = NULL;
        int r = nxc_json_parse(text, len, "config.json", &doc, err);

        return r < 0 ? r : nxc_spec_from_json(doc, ret, err);
}

void nxc_spec_free(struct nxc_spec *spec)
{
        if (!spec)
                return;
        json_decref(spec->doc);
        free(spec);
}

/* --- the version --- */

/* A number without leading zeros (semver 2.0.0, item 2); *s moves behind it. */
static bool take_number(const char **s, unsigned *ret)
{
        size_t n = strspn(*s, "0123456789");

        if (n == 0 || n > 6 || (n > 1 && (*s)[0] == '0'))
                return false;
        *ret = (unsigned)strtoul(*s, NULL, 10);
        *s += n;
        return true;
}

/* Dot-separated, none empty: what follows "-" or "+". */
static bool take_identifiers(const char **s)
{
        for (;;) {
                size_t n = strspn(*s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-");

                if (n == 0)
                        return false;
                *s += n;
                if (**s != '.')
                        return true;
                (*s)++;
        }
}

static bool take_dot(const char **s)
{
        return *(*s)++ == '.';
}

static bool is_accepted_version(const char *s)
{
        unsigned major, minor, patch;

        if (!take_number(&s, &major) || !take_dot(&s) || !take_number(&s, &minor) || !take_dot(&s) ||
                !take_number(&s, &patch))
                return false;
        if (*s == '-' && (s++, !take_identifiers(&s)))
                return false;
        if (*s == '+' && (s++, !take_identifiers(&s)))
                return false;
        return !*s && major == 1 && minor <= 3;
}

int nxc_spec_check_version(const struct nxc_spec *spec, struct nxc_error *err)
{
        const json_t *version = json_object_get(spec->doc, "ociVersion");
        char shown[64];
        size_t n;

        if (!version || json_is_null(version))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_SPEC, 0, "config field ociVersion is required, and missing");
        if (!json_is_string(version))
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_SPEC, 0, "config field ociVersion is not of type string");
        if (strlen(json_string_value(version)) == json_string_length(version) &&
                is_accepted_version(json_string_value(version)))
                return 0;
        n = (size_t)snprintf(shown, sizeof(shown), "%s", json_string_value(version));
        for (size_t i = 0; i < n && i < sizeof(shown) - 1; i++)
                if ((unsigned char)shown[i] < 0x20 || shown[i] == 0x7f)
                        shown[i] = '?';
        return nxc_fail_kind(err, NXC_ERR_INVALID_SPEC, 0,
                "config field ociVersion is '%s', must be a version from " ACCEPTED_VERSIONS, shown);
}

int nxc_spec_check_required(const struct nxc_spec *spec, struct nxc_error *err)
{
        int r = nxc_spec_check_fields(spec->doc, err);

        return r < 0 ? r : nxc_spec_check_relations(spec->doc, err);
}

/* --- what others ask of it --- */

json_t *nxc_spec_json(const struct nxc_spec *spec)
{
        return spec->doc;
}

const char *nxc_spec_version(const struct nxc_spec *spec)
{
        return nxc_json_str(spec->doc, "ociVersion");
}

const char *nxc_spec_root_path(const struct nxc_spec *spec)
{
        return nxc_json_str(spec->doc, "root.path");
}

bool nxc_spec_root_readonly(const struct nxc_spec *spec)
{
        return json_is_true(nxc_json_get(spec->doc, "root.readonly"));
}

bool nxc_spec_terminal(const struct nxc_spec *spec)
{
        return json_is_true(nxc_json_get(spec->doc, "process.terminal"));
}

const char *nxc_spec_annotation(const struct nxc_spec *spec, const char *key)
{
        return json_string_value(json_object_get(json_object_get(spec->doc, "annotations"), key));
}

json_t *nxc_spec_hooks(const struct nxc_spec *spec)
{
        json_t *hooks = json_object_get(spec->doc, "hooks");

        return json_is_object(hooks) ? hooks : NULL;
}

/* --- the root filesystem --- */

static int path_of_fd(int fd, char **ret)
{
        char proc[64], *path = malloc(PATH_MAX);
        ssize_t n;

        if (!path)
                return -ENOMEM;
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
        n = readlink(proc, path, PATH_MAX);
        if (n < 0 || n >= PATH_MAX) {
                n = n < 0 ? -errno : -ENAMETOOLONG;
                free(path);
                return (int)n;
        }
        path[n] = '\0';
        *ret = path;
        return 0;
}

/* An absolute link may still point into the bundle, which RESOLVE_BENEATH cannot know: where the host takes
 * it, and then that way again, from the bundle's fd and without any link. */
static int open_absolute_link(int bundle_fd, const char *bundle_path, const char *root)
{
        _cleanup_free_ char *joined = nxc_path_join(bundle_path, root), *real = NULL, *bundle = NULL;

        if (!joined)
                return -ENOMEM;
        bundle = realpath(bundle_path, NULL);
        real = realpath(joined, NULL);
        if (!bundle || !real)
                return -errno;
        if (!nxc_path_is_beneath(bundle, real))
                return -EXDEV;
        return nxc_beneath_open(bundle_fd, real + strlen(bundle), O_PATH | O_DIRECTORY, 0);
}

static int open_root(int bundle_fd, const char *bundle_path, const char *root)
{
        int fd;

        if (root[0] == '/') {
                fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
                return fd < 0 ? -errno : fd;
        }
        fd = nxc_within_open(bundle_fd, root, O_PATH | O_DIRECTORY, 0);
        return fd == -EXDEV ? open_absolute_link(bundle_fd, bundle_path, root) : fd;
}

int nxc_spec_resolve_root(const struct nxc_spec *spec, int bundle_fd, const char *bundle_path,
        char **ret_path, struct nxc_error *err)
{
        const char *root = nxc_spec_root_path(spec);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!root || !root[0])
                return nxc_fail_kind(
                        err, NXC_ERR_INVALID_SPEC, 0, "config field root.path is required, and missing");
        fd = open_root(bundle_fd, bundle_path, root);
        if (fd == -EXDEV)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, EXDEV,
                        "root filesystem '%s' leads out of the bundle '%s'", root, bundle_path);
        if (fd == -ENOMEM)
                return nxc_oom(err);
        if (fd < 0)
                return nxc_fail_kind(err, NXC_ERR_INVALID_ROOTFS, -fd,
                        "open root filesystem '%s' of the bundle '%s'", root, bundle_path);
        r = path_of_fd(fd, ret_path);
        if (r < 0)
                return nxc_fail(err, -r, "find the path of root filesystem '%s'", root);
        return 0;
}
