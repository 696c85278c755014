/* See path.h. */
#include "core/path.h"

#include "core/cleanup.h"
#include "core/str.h"

#include <string.h>

char *nxc_path_normalize(const char *path)
{
        size_t n = 0, len = strlen(path);
        char *out = malloc(len + 2);

        if (!out)
                return NULL;
        while (*path) {
                size_t k = strcspn(path, "/");

                if (k == 2 && path[0] == '.' && path[1] == '.') {
                        while (n > 0 && out[--n] != '/')
                                ;
                } else if (k > 0 && !(k == 1 && path[0] == '.')) {
                        out[n++] = '/';
                        memcpy(out + n, path, k);
                        n += k;
                }
                path += k;
                path += strspn(path, "/");
        }
        if (n == 0)
                out[n++] = '/';
        out[n] = '\0';
        return out;
}

char *nxc_path_join(const char *dir, const char *name)
{
        size_t n = strlen(dir);

        while (n > 0 && dir[n - 1] == '/')
                n--;
        name += strspn(name, "/");
        return nxc_strf("%.*s/%s", (int)n, dir, name);
}

char *nxc_path_absolute(const char *path)
{
        _cleanup_free_ char *cwd = NULL, *joined = NULL;

        if (path[0] == '/')
                return nxc_path_normalize(path);
        cwd = getcwd(NULL, 0);
        if (!cwd)
                return NULL;
        joined = nxc_path_join(cwd, path);
        return joined ? nxc_path_normalize(joined) : NULL;
}

bool nxc_path_is_beneath(const char *dir, const char *path)
{
        size_t n = strlen(dir);

        if (n == 1 && dir[0] == '/')
                return path[0] == '/';
        return strncmp(dir, path, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

const char *nxc_path_basename(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}
