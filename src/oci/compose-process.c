/* The process: command, user, limits, working directory. */
#include "oci/compose-internal.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --entrypoint: a JSON array, or one word that is never split. Text that only looks like JSON is a word,
 * as in podman. */
static int add_entrypoint(const char *text, json_t *args, struct nxc_error *err)
{
        _cleanup_json_ json_t *array = NULL;
        json_t *item;
        size_t i;
        int r;

        if (!*text)
                return 0;
        r = nxc_json_parse(text, strlen(text), "--entrypoint", &array, NULL);
        if (r == -ENOMEM)
                return nxc_oom(err);
        if (r < 0 || !json_is_array(array))
                return nxc_put_string(args, text, err);
        json_array_foreach (array, i, item)
                if (!json_is_string(item))
                        return nxc_usage(
                                err, "--entrypoint: element %zu of the JSON array is not a string", i);
        return json_array_extend(args, array) < 0 ? nxc_oom(err) : 0;
}

static int add_strv(const struct nxc_strv *s, json_t *args, struct nxc_error *err)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < s->n; i++)
                r = nxc_put_string(args, s->v[i], err);
        return r;
}

/* The image's Cmd counts only when neither a command nor an entrypoint was given. */
static int compose_args(struct nxc_compose *c, struct nxc_error *err)
{
        const struct nxc_compose_opts *o = c->opts;
        json_t *args = json_array();
        int r = nxc_put(c->process, "args", args, err);

        if (r == 0)
                r = o->entrypoint ? add_entrypoint(o->entrypoint, args, err)
                                  : add_strv(&c->image->entrypoint, args, err);
        if (r == 0 && o->args.n > 0)
                r = add_strv(&o->args, args, err);
        else if (r == 0 && !o->entrypoint)
                r = add_strv(&c->image->cmd, args, err);
        if (r == 0 && json_array_size(args) == 0)
                return nxc_usage(
                        err, "no command or entrypoint provided, and no CMD or ENTRYPOINT from image");
        if (r == 0 && !*json_string_value(json_array_get(args, 0)))
                return nxc_usage(err, "the command to run is an empty string");
        return r;
}

static int compose_user(struct nxc_compose *c, struct nxc_error *err)
{
        json_t *user = json_pack("{s:I, s:I, s:i}", "uid", (json_int_t)c->user.uid, "gid",
                (json_int_t)c->user.gid, "umask", 0022);
        json_t *gids;
        int r = nxc_put(c->process, "user", user, err);

        if (r < 0 || c->user.n_additional == 0)
                return r;
        gids = json_array();
        r = nxc_put(user, "additionalGids", gids, err);
        for (size_t i = 0; r == 0 && i < c->user.n_additional; i++)
                if (json_array_append_new(gids, json_integer(c->user.additional_gids[i])) < 0)
                        return nxc_oom(err);
        return r;
}

static const char *const rlimit_names[] = {
        "CORE",
        "CPU",
        "DATA",
        "FSIZE",
        "LOCKS",
        "MEMLOCK",
        "MSGQUEUE",
        "NICE",
        "NOFILE",
        "NPROC",
        "RSS",
        "RTPRIO",
        "RTTIME",
        "SIGPENDING",
        "STACK",
};

/* RLIM_INFINITY is UINT64_MAX, which a JSON integer of ours cannot hold: it is kept as the real that is
 * nearest, and nxc_json_format() writes it as the integer again. */
static json_t *limit_value(int64_t v)
{
        return v < 0 ? json_real(0x1p64) : json_integer(v);
}

static int parse_limit(const char *s, int64_t *ret)
{
        if (nxc_streq(s, "unlimited")) {
                *ret = -1;
                return 0;
        }
        return nxc_parse_i64(s, ret) < 0 || *ret < -1 ? -EINVAL : 0;
}

/* name=soft[:hard] */
static int add_ulimit(const char *text, json_t *rlimits, struct nxc_error *err)
{
        _cleanup_free_ char *copy = strdup(text), *type = NULL;
        char *value = copy ? strchr(copy, '=') : NULL, *hard_text;
        const char *name = NULL;
        int64_t soft, hard;
        json_t *j;
        size_t i;

        if (!copy)
                return nxc_oom(err);
        if (!value)
                return nxc_usage(err, "ulimit option '%.100s' requires name=SOFT:HARD", text);
        *value++ = '\0';
        for (i = 0; i < NXC_ARRAY_SIZE(rlimit_names); i++)
                if (strcasecmp(copy, rlimit_names[i]) == 0)
                        name = rlimit_names[i];
        if (!name)
                return nxc_usage(err, "ulimit option '%.100s': invalid ulimit type: %.64s", text, copy);
        hard_text = strchr(value, ':');
        if (hard_text)
                *hard_text++ = '\0';
        if (parse_limit(value, &soft) < 0 || parse_limit(hard_text ? hard_text : value, &hard) < 0)
                return nxc_usage(err, "ulimit option '%.100s' requires name=SOFT:HARD", text);
        if (hard >= 0 && (soft < 0 || soft > hard))
                return nxc_usage(
                        err, "ulimit option '%.100s': the soft limit is above the hard limit", text);
        type = nxc_strf("RLIMIT_%s", name);
        if (!type)
                return nxc_oom(err);
        json_array_foreach (rlimits, i, j)
                if (nxc_streq(nxc_json_str(j, "type"), type))
                        return nxc_usage(err, "ulimit %s is given twice", copy);
        return json_array_append_new(rlimits, json_pack("{s:s, s:o, s:o}", "type", type, "hard",
                                                      limit_value(hard), "soft", limit_value(soft))) < 0
                       ? nxc_oom(err)
                       : 0;
}

static int compose_rlimits(struct nxc_compose *c, struct nxc_error *err)
{
        json_t *rlimits;
        int r;

        if (c->opts->ulimits.n == 0)
                return 0; /* podman raises nofile and nproc here; we leave what the caller has */
        rlimits = json_array();
        r = nxc_put(c->process, "rlimits", rlimits, err);
        for (size_t i = 0; r == 0 && i < c->opts->ulimits.n; i++)
                r = add_ulimit(c->opts->ulimits.v[i], rlimits, err);
        return r;
}

int nxc_compose_process(struct nxc_compose *c, struct nxc_error *err)
{
        int r = compose_args(c, err);

        if (r == 0)
                r = compose_user(c, err);
        if (r == 0)
                r = nxc_compose_put_capabilities(c, err);
        if (r == 0)
                r = compose_rlimits(c, err);
        if (r == 0 && c->no_new_privileges)
                r = nxc_put(c->process, "noNewPrivileges", json_true(), err);
        if (r == 0 && c->apparmor)
                r = nxc_put(c->process, "apparmorProfile", json_string(c->apparmor), err);
        return r;
}

static bool is_mounted_over(const json_t *mounts, const char *path)
{
        const json_t *m;
        size_t i;

        json_array_foreach (mounts, i, m) {
                const char *dst = nxc_json_str(m, "destination");

                if (dst && nxc_path_is_beneath(dst, path))
                        return true;
        }
        return false;
}

/* The image's WorkingDir is made when it is missing; the user's own is an error then, as podman has it. */
static int look_for_workdir(struct nxc_compose *c, const char *path, bool given, struct nxc_error *err)
{
        _cleanup_close_ int fd = -EBADF;

        if (c->root_fd < 0 || is_mounted_over(c->mounts, path))
                return 0;
        fd = nxc_root_open(c->root_fd, path, O_PATH | O_DIRECTORY, 0);
        if (fd >= 0)
                return 0;
        if (fd != -ENOENT)
                return nxc_fail_kind(err, given ? NXC_ERR_USAGE : NXC_ERR_INVALID_IMAGE, -fd,
                        "open working directory '%s' in the image", path);
        if (given)
                return nxc_usage(err, "workdir '%s' does not exist in the image", path);
        c->res->make_workdir = strdup(path);
        return c->res->make_workdir ? 0 : nxc_oom(err);
}

int nxc_compose_workdir(struct nxc_compose *c, struct nxc_error *err)
{
        bool given = c->opts->workdir;
        const char *text = given ? c->opts->workdir : c->image->working_dir ? c->image->working_dir : "/";
        _cleanup_free_ char *path = nxc_path_normalize(text);
        int r;

        if (!path)
                return nxc_oom(err);
        if (text[0] != '/' || nxc_has_control(text))
                return nxc_fail_kind(err, given ? NXC_ERR_USAGE : NXC_ERR_INVALID_IMAGE, 0,
                        "%s '%.200s' is not %s", given ? "--workdir" : "image config.config: 'WorkingDir'",
                        nxc_has_control(text) ? "?" : text,
                        text[0] != '/' ? "an absolute path" : "free of control characters");
        r = look_for_workdir(c, path, given, err);
        return r < 0 ? r : nxc_put(c->process, "cwd", json_string(path), err);
}
