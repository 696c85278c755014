/* Mounts: the default ones, -v, --mount, --tmpfs, the image's volumes, and the files under /etc.
 *
 * A mount option belongs to a group of which one may be given (ro or rw; one propagation; ...); what was
 * not given is filled up with podman's default of the group. Options that podman knows and we do not are
 * rows too. */
#include "oci/compose-internal.h"

#include "core/json.h"
#include "core/path.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum group {
        ACCESS,
        PROPAGATION,
        RECURSION,
        EXEC,
        DEV,
        SUID,
        COPY_UP,
        SIZE,
        MODE,
        INODES,
        NOT_IMPLEMENTED,
        N_GROUPS
};
enum { BIND = 1, TMPFS = 2 };

static const struct option {
        const char *name; /* with '=': the prefix of an option with a value */
        enum group group;
        int kinds;
} options[] = {
        { "ro", ACCESS, BIND | TMPFS },
        { "rw", ACCESS, BIND | TMPFS },
        { "private", PROPAGATION, BIND | TMPFS },
        { "rprivate", PROPAGATION, BIND | TMPFS },
        { "shared", PROPAGATION, BIND | TMPFS },
        { "rshared", PROPAGATION, BIND | TMPFS },
        { "slave", PROPAGATION, BIND | TMPFS },
        { "rslave", PROPAGATION, BIND | TMPFS },
        { "unbindable", PROPAGATION, BIND | TMPFS },
        { "runbindable", PROPAGATION, BIND | TMPFS },
        { "bind", RECURSION, BIND },
        { "rbind", RECURSION, BIND },
        { "exec", EXEC, BIND | TMPFS },
        { "noexec", EXEC, BIND | TMPFS },
        { "dev", DEV, BIND | TMPFS },
        { "nodev", DEV, BIND | TMPFS },
        { "suid", SUID, BIND | TMPFS },
        { "nosuid", SUID, BIND | TMPFS },
        { "tmpcopyup", COPY_UP, TMPFS },
        { "notmpcopyup", COPY_UP, TMPFS },
        { "size=", SIZE, TMPFS },
        { "mode=", MODE, TMPFS },
        { "nr_inodes=", INODES, TMPFS },
        { "z", NOT_IMPLEMENTED, BIND },
        { "Z", NOT_IMPLEMENTED, BIND },
        { "U", NOT_IMPLEMENTED, BIND | TMPFS },
        { "O", NOT_IMPLEMENTED, BIND },
        { "idmap", NOT_IMPLEMENTED, BIND },
        { "idmap=", NOT_IMPLEMENTED, BIND },
        { "copy", NOT_IMPLEMENTED, BIND },
        { "nocopy", NOT_IMPLEMENTED, BIND },
        { "upperdir=", NOT_IMPLEMENTED, BIND },
        { "workdir=", NOT_IMPLEMENTED, BIND },
};

/* A mount that is being described. */
struct spec {
        const char *flag; /* "--volume", for messages */
        const char *text;
        int kind;
        char *source, *destination;
        struct nxc_strv options;
        const char *given[N_GROUPS]; /* the option of each group, borrowed from .options; its strings do not
                                        move */
};

static void spec_done(struct spec *s)
{
        free(s->source);
        free(s->destination);
        nxc_strv_done(&s->options);
}
#define _cleanup_spec_ _cleanup_(spec_done)

static bool option_matches(const struct option *o, const char *text)
{
        return nxc_ends_with(o->name, "=") ? nxc_starts_with(text, o->name) : nxc_streq(text, o->name);
}

static const struct option *find_option(const struct spec *s, const char *text)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(options); i++)
                if (option_matches(&options[i], text) && (options[i].kinds & s->kind))
                        return &options[i];
        return NULL;
}

static int add_option(struct spec *s, const char *text, struct nxc_error *err)
{
        const struct option *o = find_option(s, text);

        if (!o)
                return nxc_usage(err, "%s '%s': unknown mount option '%.64s'", s->flag, s->text, text);
        if (o->group == NOT_IMPLEMENTED)
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "%s '%s': mount option '%.64s' is not implemented", s->flag, s->text, text);
        if (s->given[o->group])
                return nxc_usage(err, "%s '%s': mount options '%s' and '%s' exclude each other", s->flag,
                        s->text, s->given[o->group], text);
        if (nxc_strv_add(&s->options, text) < 0)
                return nxc_oom(err);
        s->given[o->group] = s->options.v[s->options.n - 1];
        return 0;
}

static int add_options(struct spec *s, const char *list, struct nxc_error *err)
{
        _cleanup_free_ char *copy = strdup(list);
        char *rest = copy;
        int r = 0;

        if (!copy)
                return nxc_oom(err);
        for (char *o; r == 0 && (o = strsep(&rest, ","));)
                if (*o)
                        r = add_option(s, o, err);
        return r;
}

/* What podman adds where the user said nothing. */
static int add_defaults(struct spec *s, struct nxc_error *err)
{
        static const struct {
                enum group group;
                int kinds;
                const char *option;
        } defaults[] = {
                { ACCESS, BIND | TMPFS, "rw" },
                { PROPAGATION, BIND | TMPFS, "rprivate" },
                { RECURSION, BIND, "rbind" },
                { SUID, TMPFS, "nosuid" },
                { DEV, TMPFS, "nodev" },
                { COPY_UP, TMPFS, "tmpcopyup" },
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(defaults); i++)
                if (!s->given[defaults[i].group] && (s->kind & defaults[i].kinds))
                        r = add_option(s, defaults[i].option, err);
        return r;
}

static int set_destination(struct spec *s, const char *path, struct nxc_error *err)
{
        if (path[0] != '/')
                return nxc_usage(err, "%s '%s': invalid container path \"%s\", must be an absolute path",
                        s->flag, s->text, path);
        if (nxc_has_control(path))
                return nxc_usage(err, "%s: the container path has a control character", s->flag);
        free(s->destination);
        s->destination = nxc_path_normalize(path);
        if (!s->destination)
                return nxc_oom(err);
        if (nxc_streq(s->destination, "/"))
                return nxc_usage(
                        err, "%s '%s': the root of the container cannot be mounted over", s->flag, s->text);
        return 0;
}

/* A path of the host; a bare word would be podman's named volume. */
static int set_source(struct spec *s, const char *path, struct nxc_error *err)
{
        struct stat st;

        if (!*path)
                return nxc_usage(err, "%s '%s': the source is empty", s->flag, s->text);
        if (path[0] != '/' && path[0] != '.' && !strchr(path, '/') && nxc_streq(s->flag, "--volume"))
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "%s '%s': named volume '%s' is not implemented", s->flag, s->text, path);
        if (path[0] != '/' && path[0] != '.' && nxc_streq(s->flag, "--volume"))
                return nxc_usage(
                        err, "%s '%s': source '%s' starts with neither '/' nor '.'", s->flag, s->text, path);
        if (stat(path, &st) < 0)
                return nxc_fail_kind(
                        err, NXC_ERR_USAGE, errno, "%s '%s': statfs %s", s->flag, s->text, path);
        free(s->source);
        s->source = nxc_path_absolute(path);
        return s->source ? 0 : nxc_oom(err);
}

static bool is_taken(const json_t *mounts, const char *destination)
{
        const json_t *m;
        size_t i;

        json_array_foreach (mounts, i, m)
                if (nxc_streq(nxc_json_str(m, "destination"), destination))
                        return true;
        return false;
}

static int append_mount(json_t *mounts, const char *destination, const char *type, const char *source,
        json_t *option_array, struct nxc_error *err)
{
        json_t *m = json_pack("{s:s, s:s, s:s, s:o}", "destination", destination, "type", type, "source",
                source, "options", option_array);

        return json_array_append_new(mounts, m) < 0 ? nxc_oom(err) : 0;
}

/* Shared and slave mounts only work in a root that is not private itself. */
static int raise_propagation(struct nxc_compose *c, const char *propagation, struct nxc_error *err)
{
        const char *now = nxc_json_str(c->linux_, "rootfsPropagation");

        if (nxc_ends_with(propagation, "shared"))
                return nxc_put(c->linux_, "rootfsPropagation", json_string("shared"), err);
        if (nxc_ends_with(propagation, "slave") && !now)
                return nxc_put(c->linux_, "rootfsPropagation", json_string("rslave"), err);
        return 0;
}

/* Fills up the options and appends the mount. */
static int finish(struct nxc_compose *c, struct spec *s, json_t *mounts, struct nxc_error *err)
{
        bool copy_up = !nxc_streq(s->given[COPY_UP], "notmpcopyup");
        json_t *array;
        int r;

        if (is_taken(mounts, s->destination))
                return nxc_usage(
                        err, "%s '%s': %s: duplicate mount destination", s->flag, s->text, s->destination);
        r = add_defaults(s, err);
        if (r == 0)
                r = raise_propagation(c, s->given[PROPAGATION], err);
        if (r < 0)
                return r;
        array = nxc_json_strv(&s->options);
        for (size_t i = json_array_size(array);
                !copy_up && i-- > 0;) /* it only says that another is not wanted */
                if (nxc_streq(json_string_value(json_array_get(array, i)), "notmpcopyup"))
                        json_array_remove(array, i);
        return append_mount(mounts, s->destination, s->kind == BIND ? "bind" : "tmpfs",
                s->kind == BIND ? s->source : "tmpfs", array, err);
}

/* A directory that the lifecycle makes, under a number; filled from the image like podman's anonymous
 * volumes. */
static int add_anonymous(
        struct nxc_compose *c, const char *destination, json_t *mounts, struct nxc_error *err)
{
        _cleanup_free_ char *source = NULL;

        assert(c->opts->volumes_dir);
        source = nxc_strf("%s/%zu", c->opts->volumes_dir, c->res->anonymous_volumes.n);
        if (!source || nxc_strv_add(&c->res->anonymous_volumes, destination) < 0)
                return nxc_oom(err);
        return append_mount(mounts, destination, "bind", source,
                nxc_json_words("rprivate rw nodev exec nosuid rbind"), err);
}

/* SRC:DST[:opts], or DST. */
static int add_volume(struct nxc_compose *c, const char *text, json_t *mounts, struct nxc_error *err)
{
        _cleanup_spec_ struct spec s = { .flag = "--volume", .text = text, .kind = BIND };
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy, *source, *destination, *opts;
        int r;

        if (!copy)
                return nxc_oom(err);
        source = strsep(&rest, ":");
        destination = strsep(&rest, ":");
        opts = strsep(&rest, ":");
        if (rest)
                return nxc_usage(err, "--volume '%s' is not SRC:DST[:OPTIONS]", text);
        r = set_destination(&s, destination ? destination : source, err);
        if (r < 0)
                return r;
        if (!destination && is_taken(mounts, s.destination))
                return nxc_usage(err, "--volume '%s': %s: duplicate mount destination", text, s.destination);
        if (!destination)
                return add_anonymous(c, s.destination, mounts, err);
        if (opts)
                r = add_options(&s, opts, err);
        if (r == 0)
                r = set_source(&s, source, err);
        return r < 0 ? r : finish(c, &s, mounts, err);
}

/* DST[:opts] */
static int add_tmpfs(struct nxc_compose *c, const char *text, json_t *mounts, struct nxc_error *err)
{
        _cleanup_spec_ struct spec s = { .flag = "--tmpfs", .text = text, .kind = TMPFS };
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy;
        int r;

        if (!copy)
                return nxc_oom(err);
        r = set_destination(&s, strsep(&rest, ":"), err);
        if (r == 0 && rest)
                r = add_options(&s, rest, err);
        return r < 0 ? r : finish(c, &s, mounts, err);
}

/* The keys of --mount in the words of the table above. A key with `if_false` is a boolean; another one
 * has a value, which `option` and it make an option of `group`. */
static const struct {
        const char *key;
        int kinds;
        const char *option; /* NULL: not implemented */
        const char *if_false;
        enum group group;
} mount_keys[] = {
        { "ro", BIND | TMPFS, "ro", "rw" },
        { "readonly", BIND | TMPFS, "ro", "rw" },
        { "rw", BIND | TMPFS, "rw", "ro" },
        { "bind-nonrecursive", BIND, "bind", "rbind" },
        { "exec", BIND | TMPFS, "exec", "noexec" },
        { "noexec", BIND | TMPFS, "noexec", "exec" },
        { "dev", BIND | TMPFS, "dev", "nodev" },
        { "nodev", BIND | TMPFS, "nodev", "dev" },
        { "suid", BIND | TMPFS, "suid", "nosuid" },
        { "nosuid", BIND | TMPFS, "nosuid", "suid" },
        { "tmpcopyup", TMPFS, "tmpcopyup", "notmpcopyup" },
        { "notmpcopyup", TMPFS, "notmpcopyup", "tmpcopyup" },
        { "bind-propagation", BIND, "", NULL, PROPAGATION },
        { "tmpfs-size", TMPFS, "size=", NULL, SIZE },
        { "tmpfs-mode", TMPFS, "mode=", NULL, MODE },
        { "relabel", BIND, NULL, NULL },
        { "consistency", BIND, NULL, NULL },
        { "idmap", BIND, NULL, NULL },
        { "U", BIND | TMPFS, NULL, NULL },
        { "chown", BIND | TMPFS, NULL, NULL },
};

static int add_mount_option(struct spec *s, const char *key, const char *value, struct nxc_error *err)
{
        size_t i = 0;
        bool on = true;

        while (i < NXC_ARRAY_SIZE(mount_keys) &&
                (!nxc_streq(key, mount_keys[i].key) || !(mount_keys[i].kinds & s->kind)))
                i++;
        if (i == NXC_ARRAY_SIZE(mount_keys))
                return nxc_usage(err, "--mount '%s': unknown option '%.64s'", s->text, key);
        if (!mount_keys[i].option)
                return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                        "--mount '%s': option '%s' is not implemented", s->text, key);
        if (!mount_keys[i].if_false) {
                _cleanup_free_ char *option = nxc_strf("%s%s", mount_keys[i].option, value ? value : "");
                const struct option *o = option ? find_option(s, option) : NULL;

                if (!option)
                        return nxc_oom(err);
                if (!value || !*value)
                        return nxc_usage(err, "--mount '%s': option '%s' needs a value", s->text, key);
                if (!o || o->group != mount_keys[i].group)
                        return nxc_usage(err, "--mount '%s': invalid %s '%.64s'", s->text, key, value);
                return add_option(s, option, err);
        }
        if (value && nxc_parse_bool(value, &on) < 0)
                return nxc_usage(
                        err, "--mount '%s': '%s=%.64s' is neither true nor false", s->text, key, value);
        return add_option(s, on ? mount_keys[i].option : mount_keys[i].if_false, err);
}

static int add_mount_key(struct spec *s, const char *key, const char *value, struct nxc_error *err)
{
        static const char *const sources[] = { "src", "source" };
        static const char *const destinations[] = { "dst", "destination", "target" };

        if (nxc_streq(key, "type"))
                return 0;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(sources); i++) {
                if (!nxc_streq(key, sources[i]))
                        continue;
                if (s->kind == TMPFS)
                        return nxc_usage(err, "--mount '%s': a tmpfs has no source", s->text);
                return set_source(s, value ? value : "", err);
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(destinations); i++)
                if (nxc_streq(key, destinations[i]))
                        return set_destination(s, value ? value : "", err);
        return add_mount_option(s, key, value, err);
}

/* The type decides what the other keys mean, wherever it stands. podman's default is "volume". */
static int find_mount_type(struct spec *s, struct nxc_error *err)
{
        static const char *const later[] = { "volume", "image", "devpts", "glob", "ramfs", "cgroup" };
        const char *p = s->text, *type = "volume";
        size_t n = strlen(type);

        for (; *p; p += strcspn(p, ","), p += *p == ',') {
                if (nxc_starts_with(p, "type=")) {
                        type = p + 5;
                        n = strcspn(type, ",");
                }
        }
        if (n == 4 && strncmp(type, "bind", n) == 0)
                s->kind = BIND;
        else if (n == 5 && strncmp(type, "tmpfs", n) == 0)
                s->kind = TMPFS;
        if (s->kind)
                return 0;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(later); i++)
                if (strlen(later[i]) == n && strncmp(type, later[i], n) == 0)
                        return nxc_fail_kind(err, NXC_ERR_NOT_IMPLEMENTED, 0,
                                "--mount '%s': type %s is not implemented", s->text, later[i]);
        return nxc_usage(err, "--mount '%s': invalid filesystem type \"%.*s\"", s->text,
                (int)(n < 64 ? n : 64), type);
}

static int add_mount(struct nxc_compose *c, const char *text, json_t *mounts, struct nxc_error *err)
{
        _cleanup_spec_ struct spec s = { .flag = "--mount", .text = text };
        _cleanup_free_ char *copy = strdup(text);
        char *rest = copy;
        int r;

        if (!copy)
                return nxc_oom(err);
        r = find_mount_type(&s, err);
        for (char *key; r == 0 && (key = strsep(&rest, ","));) {
                char *value = strchr(key, '=');

                if (value)
                        *value++ = '\0';
                r = add_mount_key(&s, key, value, err);
        }
        if (r < 0)
                return r;
        if (!s.destination)
                return nxc_usage(err, "--mount '%s': must set volume destination", text);
        if (s.kind == BIND && !s.source)
                return nxc_usage(err, "--mount '%s': must set source of a bind mount", text);
        return finish(c, &s, mounts, err);
}

/* With a read-only root, podman's --read-only-tmpfs (its default). The mode serves an image without the
 * directory. */
static int add_read_only_tmpfs(struct nxc_compose *c, json_t *mounts, struct nxc_error *err)
{
        static const struct {
                const char *destination, *options;
        } rows[] = {
                { "/run", "rw rprivate nosuid nodev tmpcopyup" },
                { "/tmp", "rw rprivate nosuid nodev tmpcopyup mode=1777" },
                { "/var/tmp", "rw rprivate nosuid nodev tmpcopyup mode=1777" },
        };
        int r = 0;

        for (size_t i = 0; c->opts->read_only && r == 0 && i < NXC_ARRAY_SIZE(rows); i++)
                if (!is_taken(mounts, rows[i].destination))
                        r = append_mount(mounts, rows[i].destination, "tmpfs", "tmpfs",
                                nxc_json_words(rows[i].options), err);
        return r;
}

static int add_image_volumes(struct nxc_compose *c, json_t *mounts, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < c->image->volumes.n; i++) {
                const char *text = c->image->volumes.v[i];
                _cleanup_free_ char *path = nxc_path_normalize(text);

                if (!path)
                        return nxc_oom(err);
                if (text[0] != '/' || nxc_streq(path, "/"))
                        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0,
                                "image config.config: volume '%.200s' is not an absolute path below the "
                                "root",
                                text);
                if (!is_taken(mounts, path))
                        r = add_anonymous(c, path, mounts, err);
        }
        return r;
}

/* Without a network podman gives no resolv.conf. */
static int add_etc_files(struct nxc_compose *c, json_t *mounts, struct nxc_error *err)
{
        static const char *const names[] = { "hostname", "hosts", "resolv.conf" };
        size_t n = nxc_streq(c->opts->network, "host") ? 3 : 2;
        int r = 0;

        for (size_t i = 0; c->opts->etc_dir && r == 0 && i < n; i++) {
                _cleanup_free_ char *destination = nxc_path_join("/etc", names[i]);
                _cleanup_free_ char *source = nxc_path_join(c->opts->etc_dir, names[i]);

                if (!destination || !source)
                        return nxc_oom(err);
                if (is_taken(mounts, destination) || is_taken(mounts, "/etc"))
                        continue;
                if (nxc_strv_add(&c->res->etc_files, names[i]) < 0)
                        return nxc_oom(err);
                r = append_mount(mounts, destination, "bind", source, nxc_json_words("bind rprivate"), err);
        }
        return r;
}

/* Left out where the user mounts something at the same place, and below /dev when the user mounts /dev. */
static int add_default_mounts(struct nxc_compose *c, const json_t *others, struct nxc_error *err)
{
        static const struct {
                const char *destination, *type, *source, *options;
                bool read_only; /* unless privileged */
        } rows[] = {
                { "/proc", "proc", "proc", "nosuid noexec nodev" },
                { "/dev", "tmpfs", "tmpfs", "nosuid noexec strictatime mode=755 size=65536k" },
                { "/sys", "sysfs", "sysfs", "nosuid noexec nodev", true },
                { "/dev/pts", "devpts", "devpts",
                        "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5" },
                { "/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev" },
                { "/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k" },
                { "/sys/fs/cgroup", "cgroup", "cgroup", "rprivate nosuid noexec nodev relatime", true },
        };
        bool own_dev = is_taken(others, "/dev");
        int r = 0;

        for (size_t i = 0; r == 0 && i < NXC_ARRAY_SIZE(rows); i++) {
                _cleanup_free_ char *words = nxc_strf("%s%s", rows[i].options,
                        !rows[i].read_only    ? ""
                        : c->opts->privileged ? " rw"
                                              : " ro");

                if (!words)
                        return nxc_oom(err);
                if (is_taken(others, rows[i].destination) ||
                        (own_dev && nxc_starts_with(rows[i].destination, "/dev/")))
                        continue;
                /* Who does not own the network may not mount a sysfs; the host's is bound, as podman
                 * does. */
                if (nxc_streq(rows[i].type, "sysfs") && c->opts->uid_mappings &&
                        nxc_streq(c->opts->network, "host"))
                        r = append_mount(c->mounts, rows[i].destination, "bind", "/sys",
                                nxc_json_words("rbind rprivate nosuid noexec nodev ro"), err);
                else
                        r = append_mount(c->mounts, rows[i].destination, rows[i].type, rows[i].source,
                                nxc_json_words(words), err);
        }
        return r;
}

static size_t depth(const json_t *mount)
{
        size_t n = 0;

        for (const char *p = nxc_json_str(mount, "destination"); *p; p++)
                n += *p == '/';
        return n;
}

/* Appends what is not so deep first, or a parent would hide what is mounted below it; otherwise the
 * order is kept. */
static int append_by_depth(json_t *to, const json_t *from, struct nxc_error *err)
{
        for (size_t i = 0; i < json_array_size(from); i++) {
                json_t *m = json_array_get(from, i);
                size_t at = json_array_size(to);

                while (at > 0 && depth(json_array_get(to, at - 1)) > depth(m))
                        at--;
                if (json_array_insert(to, at, m) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

int nxc_compose_mounts(struct nxc_compose *c, struct nxc_error *err)
{
        const struct {
                const struct nxc_strv *list;
                int (*add)(struct nxc_compose *, const char *, json_t *, struct nxc_error *);
        } given[] = {
                { &c->opts->volumes, add_volume },
                { &c->opts->mounts, add_mount },
                { &c->opts->tmpfs, add_tmpfs },
        };
        _cleanup_json_ json_t *others = json_array();
        int r = others ? 0 : nxc_oom(err);

        for (size_t i = 0; i < NXC_ARRAY_SIZE(given); i++)
                for (size_t k = 0; r == 0 && k < given[i].list->n; k++)
                        r = given[i].add(c, given[i].list->v[k], others, err);
        if (r == 0)
                r = add_image_volumes(c, others, err);
        if (r == 0)
                r = add_read_only_tmpfs(c, others, err);
        if (r == 0)
                r = add_etc_files(c, others, err);
        if (r == 0)
                r = add_default_mounts(c, others, err);
        return r < 0 ? r : append_by_depth(c->mounts, others, err);
}
