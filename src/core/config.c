/* See config.h. The sections and keys are a table; libinih reads the lines. */
#include "core/config.h"

#include "core/cleanup.h"
#include "core/fs.h"

#include <assert.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAIN_FILE "/etc/nexcage/nexcage.conf"
#define DROP_IN_DIR "/etc/nexcage/conf.d"
#define MAX_BYTES (1u << 20) /* a configuration is written by people */
#define MAX_LINE \
        199 /* libinih's buffer is 200 bytes in Debian, and it would go on with the rest as a new line */

struct key {
        const char *section, *name; /* name NULL: any, and the setter gets it */
        /* 0, -ENOMEM, or -EINVAL with *ret_want saying what the value has to be */
        int (*set)(struct nxc_config *c, size_t offset, const char *name, const char *value,
                const char **ret_want);
        size_t offset;
};

static int set_string(
        struct nxc_config *c, size_t offset, const char *name, const char *value, const char **ret_want)
{
        char **field = (char **)((char *)c + offset), *copy;

        *ret_want = "not empty";
        if (!*value)
                return -EINVAL;
        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

static int set_path(
        struct nxc_config *c, size_t offset, const char *name, const char *value, const char **ret_want)
{
        *ret_want = "an absolute path";
        return value[0] == '/' ? set_string(c, offset, name, value, ret_want) : -EINVAL;
}

/* Words, which replace those of an earlier file; empty: none. */
static int set_words(
        struct nxc_config *c, size_t offset, const char *name, const char *value, const char **ret_want)
{
        struct nxc_strv *field = (struct nxc_strv *)((char *)c + offset);

        nxc_strv_done(field);
        for (;;) {
                size_t n;

                value += strspn(value, " \t,\n");
                n = strcspn(value, " \t,\n");
                if (n == 0)
                        return 0;
                if (nxc_strv_addf(field, "%.*s", (int)n, value) < 0)
                        return -ENOMEM;
                value += n;
        }
}

static int set_on_failure(
        struct nxc_config *c, size_t offset, const char *name, const char *value, const char **ret_want)
{
        bool *field = (bool *)((char *)c + offset);

        *ret_want = "'abort' or 'continue'";
        if (!nxc_streq(value, "abort") && !nxc_streq(value, "continue"))
                return -EINVAL;
        *field = nxc_streq(value, "continue");
        return 0;
}

static int set_size(
        struct nxc_config *c, size_t offset, const char *name, const char *value, const char **ret_want)
{
        uint64_t *size = (uint64_t *)((char *)c + offset);

        *ret_want = "a size of 1m or more (10g, 512m)";
        return nxc_parse_size(value, size) == 0 && *size >= 1024 * 1024 ? 0 : -EINVAL;
}

static int set_layer_format(
        struct nxc_config *c, size_t offset, const char *name, const char *value, const char **ret_want)
{
        if (nxc_streq(value, "auto") || nxc_streq(value, "erofs") || nxc_streq(value, "dir"))
                return set_string(c, offset, name, value, ret_want);
        *ret_want = "'auto', 'erofs' or 'dir'";
        return -EINVAL;
}

/* Routes keep their order; a pattern that comes again is changed in its place. */
static int set_route(
        struct nxc_config *c, size_t offset, const char *name, const char *value, const char **ret_want)
{
        _cleanup_free_ char *pattern = strdup(name), *runtime = strdup(value);
        struct nxc_config_route *routes;

        *ret_want = "the name of a runtime";
        if (!*value)
                return -EINVAL;
        if (!pattern || !runtime)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_routes; i++) {
                if (!nxc_streq(c->routes[i].pattern, name))
                        continue;
                free(c->routes[i].runtime);
                c->routes[i].runtime = TAKE_PTR(runtime);
                return 0;
        }
        routes = reallocarray(c->routes, c->n_routes + 1, sizeof(*routes));
        if (!routes)
                return -ENOMEM;
        c->routes = routes;
        routes[c->n_routes++] = (struct nxc_config_route){ .pattern = TAKE_PTR(pattern),
                .runtime = TAKE_PTR(runtime) };
        return 0;
}

static const struct key keys[] = {
        { "paths", "root", set_path, offsetof(struct nxc_config, root) },
        { "paths", "store", set_path, offsetof(struct nxc_config, store) },
        { "runtime", "default", set_string, offsetof(struct nxc_config, runtime) },
        { "routes", NULL, set_route, 0 },
        { "storage", "driver", set_string, offsetof(struct nxc_config, storage) },
        { "storage", "size", set_size, offsetof(struct nxc_config, storage_size) },
        { "storage", "zfs.parent", set_string, offsetof(struct nxc_config, zfs_parent) },
        { "layerfs", "format", set_layer_format, offsetof(struct nxc_config, layer_format) },
        { "hooks", "on_failure", set_on_failure, offsetof(struct nxc_config, hooks_continue) },
        { "registry", "authfile", set_path, offsetof(struct nxc_config, authfile) },
        { "registry", "cert_dir", set_path, offsetof(struct nxc_config, cert_dir) },
        { "registry", "insecure", set_words, offsetof(struct nxc_config, insecure) },
};

struct reading {
        struct nxc_config *config;
        int errnum;       /* of the first line that was refused */
        char reason[400]; /* why */
};

static int refuse(struct reading *r, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int refuse(struct reading *r, int errnum, const char *fmt, ...)
{
        va_list ap;

        if (!r->errnum) {
                va_start(ap, fmt);
                vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
                va_end(ap);
                r->errnum = errnum;
        }
        return 0; /* libinih: this line is an error */
}

static int handle(void *user, const char *section, const char *name, const char *value)
{
        struct reading *reading = user;
        bool known = false;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(keys); i++) {
                const struct key *k = &keys[i];
                const char *want;
                int r;

                if (!nxc_streq(k->section, section))
                        continue;
                known = true;
                if (k->name && !nxc_streq(k->name, name))
                        continue;
                r = k->set(reading->config, k->offset, name, value, &want);
                if (r == -EINVAL)
                        return refuse(reading, EINVAL, "%s in [%s] has to be %s, not '%s'", name, section,
                                want, value);
                return r < 0 ? refuse(reading, -r, "out of memory") : 1;
        }
        if (!known)
                return refuse(reading, EINVAL, "unknown section '%s'", section);
        return refuse(reading, EINVAL, "unknown key '%s' in [%s]", name, section);
}

/* What libinih would not notice: 0, or the number of the line, with the reason. */
static int check_lines(const char *text, size_t len, const char **ret_reason)
{
        int line = 1;

        for (const char *p = text; p < text + len; line++) {
                const char *end = memchr(p, '\n', (size_t)(text + len - p));
                size_t n = (size_t)((end ? end : text + len) - p);

                *ret_reason = n > MAX_LINE ? "line too long" : memchr(p, '\0', n) ? "NUL character" : NULL;
                if (*ret_reason)
                        return line;
                /* Only known sections, even when they are empty */
                if (p[0] == '[') {
                        bool known = false;

                        for (size_t i = 0; i < NXC_ARRAY_SIZE(keys); i++) {
                                size_t k = strlen(keys[i].section);

                                known |= n > k + 1 && memcmp(p + 1, keys[i].section, k) == 0 &&
                                         p[k + 1] == ']';
                        }
                        *ret_reason = "unknown section";
                        if (!known)
                                return line;
                }
                p += n + 1;
        }
        return 0;
}

static int read_config(int dirfd, const char *name, const char *shown, struct nxc_config *c, bool optional,
        struct nxc_error *err)
{
        struct reading reading = { .config = c };
        struct nxc_error why = { 0 };
        _cleanup_free_ char *text = NULL;
        const char *reason;
        size_t len;
        int r = nxc_read_file_at(dirfd, name, MAX_BYTES, &text, &len, &why), line;

        if (r == -ENOENT && optional)
                return 0;
        if (r < 0)
                return nxc_fail_kind(err, r == -ENOMEM ? NXC_ERR_OUT_OF_MEMORY : NXC_ERR_CONFIG, -r,
                        "read the configuration '%s'", shown);
        line = check_lines(text, len, &reason);
        if (line)
                return nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0, "%s:%d: %s", shown, line, reason);
        line = ini_parse_string(text, handle, &reading);
        if (line == 0)
                return 0;
        if (line < 0 || reading.errnum == ENOMEM)
                return nxc_oom(err);
        return nxc_fail_kind(err, NXC_ERR_INVALID_CONFIG, 0, "%s:%d: %s", shown, line,
                reading.errnum ? reading.reason : "neither [section] nor KEY = VALUE");
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_drop_ins(struct nxc_config *c, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv names = { 0 };
        _cleanup_closedir_ DIR *dir = opendir(DROP_IN_DIR);
        struct dirent *de;
        int r = 0;

        if (!dir && errno == ENOENT)
                return 0;
        if (!dir)
                return nxc_fail_kind(err, NXC_ERR_CONFIG, errno, "read the directory '%s'", DROP_IN_DIR);
        while ((de = readdir(dir)))
                if (de->d_name[0] != '.' && nxc_ends_with(de->d_name, ".conf") &&
                        nxc_strv_add(&names, de->d_name) < 0)
                        return nxc_oom(err);
        if (names.n)
                qsort(names.v, names.n, sizeof(*names.v), compare);
        for (size_t i = 0; r == 0 && i < names.n; i++) {
                char shown[sizeof(DROP_IN_DIR) + 1 + NAME_MAX];

                snprintf(shown, sizeof(shown), "%s/%s", DROP_IN_DIR, names.v[i]);
                r = read_config(dirfd(dir), names.v[i], shown, c, false, err);
        }
        return r;
}

int nxc_config_load(struct nxc_config **ret, struct nxc_error *err)
{
        const char *other = secure_getenv("NEXCAGE_CONFIG");
        struct nxc_config *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return nxc_oom(err);
        c->runtime = strdup("auto");
        if (!c->runtime) {
                r = nxc_oom(err);
        } else if (other && *other) {
                r = read_config(AT_FDCWD, other, other, c, false, err);
        } else {
                r = read_config(AT_FDCWD, MAIN_FILE, MAIN_FILE, c, true, err);
                if (r == 0)
                        r = read_drop_ins(c, err);
        }
        if (r < 0) {
                nxc_config_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

void nxc_config_free(struct nxc_config *c)
{
        if (!c)
                return;
        for (size_t i = 0; i < c->n_routes; i++) {
                free(c->routes[i].pattern);
                free(c->routes[i].runtime);
        }
        free(c->routes);
        free(c->runtime);
        free(c->storage);
        free(c->zfs_parent);
        free(c->layer_format);
        free(c->root);
        free(c->store);
        free(c->authfile);
        free(c->cert_dir);
        nxc_strv_done(&c->insecure);
        free(c);
}
