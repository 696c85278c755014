/* The environment: defaults < image < --env-file < -e, and then what the container has to say of itself. */
#include "oci/compose-internal.h"

#include "core/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define ENV_FILE_MAX_BYTES (1u << 20)
#define BLANKS " \t\n\v\f\r"

/* Sets NAME=VALUE where NAME was, or at the end. */
static int env_set(struct nxc_strv *env, const char *entry)
{
        size_t n = strcspn(entry, "=") + 1;
        char *copy;

        for (size_t i = 0; i < env->n; i++) {
                if (strncmp(env->v[i], entry, n) != 0)
                        continue;
                copy = strdup(entry);
                if (!copy)
                        return -ENOMEM;
                free(env->v[i]);
                env->v[i] = copy;
                return 0;
        }
        return nxc_strv_add(env, entry);
}

static bool env_has(const struct nxc_strv *env, const char *name)
{
        size_t n = strlen(name);

        for (size_t i = 0; i < env->n; i++)
                if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=')
                        return true;
        return false;
}

/* NAME or PREFIX*: what the host has of it; nothing is no error. */
static int take_from_host(struct nxc_strv *env, const char *name, const char *const *host)
{
        size_t n = strlen(name);
        bool prefix = n > 0 && name[n - 1] == '*';
        int r = 0;

        n -= prefix;
        for (; r == 0 && host && *host; host++)
                if (strncmp(*host, name, n) == 0 &&
                        (prefix ? strchr(*host, '=') != NULL : (*host)[n] == '='))
                        r = env_set(env, *host);
        return r;
}

/* One -e or line of a file, podman's rules: blanks before the name go, everything after '=' stays as it
 * is. */
static int add_entry(struct nxc_compose *c, struct nxc_strv *env, const char *entry, struct nxc_error *err)
{
        size_t n;

        entry += strspn(entry, BLANKS);
        n = strcspn(entry, "=");
        if (n == 0)
                return nxc_usage(err, "invalid environment variable: '%.100s'", entry);
        if (strcspn(entry, BLANKS) < n)
                return nxc_usage(err, "the name of environment variable '%.*s' has white spaces",
                        (int)(n < 100 ? n : 100), entry);
        if ((entry[n] ? env_set(env, entry) : take_from_host(env, entry, c->host->env)) < 0)
                return nxc_oom(err);
        return 0;
}

static int add_file(struct nxc_compose *c, struct nxc_strv *env, const char *path, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        size_t len;
        int r = nxc_read_file_at(AT_FDCWD, path, ENV_FILE_MAX_BYTES, &text, &len, err);

        if (r < 0)
                return nxc_error_wrap(err, "--env-file");
        if (strlen(text) != len)
                return nxc_usage(err, "--env-file '%s' has a NUL byte", path);
        rest = text;
        while (r == 0 && (line = strsep(&rest, "\n"))) {
                size_t n = strlen(line);

                if (n > 0 && line[n - 1] == '\r')
                        line[n - 1] = '\0';
                line += strspn(line, BLANKS);
                if (*line && *line != '#')
                        r = add_entry(c, env, line, err);
        }
        if (r < 0)
                nxc_error_wrap(err, "--env-file '%s'", path);
        return r;
}

static int add_layers(struct nxc_compose *c, struct nxc_strv *env, struct nxc_error *err)
{
        static const char *const defaults[] = {
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
                "container=nexcage",
        };
        int r = 0;

        for (size_t i = 0; i < NXC_ARRAY_SIZE(defaults); i++)
                if (env_set(env, defaults[i]) < 0)
                        return nxc_oom(err);
        for (size_t i = 0; i < c->image->env.n; i++)
                if (env_set(env, c->image->env.v[i]) < 0)
                        return nxc_oom(err);
        for (size_t i = 0; r == 0 && i < c->opts->env_files.n; i++)
                r = add_file(c, env, c->opts->env_files.v[i], err);
        for (size_t i = 0; r == 0 && i < c->opts->env.n; i++)
                r = add_entry(c, env, c->opts->env.v[i], err);
        if (r == 0 && !env_has(env, "HOME") &&
                nxc_strv_addf(env, "HOME=%s", c->user.home ? c->user.home : "/") < 0)
                return nxc_oom(err);
        if (r == 0 && !env_has(env, "HOSTNAME") && nxc_strv_addf(env, "HOSTNAME=%s", c->res->hostname) < 0)
                return nxc_oom(err);
        return r;
}

int nxc_compose_env(struct nxc_compose *c, struct nxc_error *err)
{
        _cleanup_strv_ struct nxc_strv env = { 0 };
        json_t *array = json_array();
        int r = nxc_put(c->process, "env", array, err);

        if (r == 0)
                r = add_layers(c, &env, err);
        for (size_t i = 0; r == 0 && i < env.n; i++)
                r = nxc_put_string(array, env.v[i], err);
        return r;
}
