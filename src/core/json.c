/* See json.h. */
#include "core/json.h"

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/str.h"

#include <string.h>

/* jansson has a fixed depth of 2048; we look before it recurses. */
static bool too_deep(const char *text, size_t len)
{
        bool in_string = false;
        int depth = 0;

        for (size_t i = 0; i < len; i++) {
                char c = text[i];

                if (in_string && c == '\\')
                        i++;
                else if (c == '"')
                        in_string = !in_string;
                else if (!in_string && (c == '{' || c == '['))
                        depth++;
                else if (!in_string && (c == '}' || c == ']'))
                        depth--;
                if (depth > NXC_JSON_MAX_DEPTH)
                        return true;
        }
        return false;
}

int nxc_json_parse(const char *text, size_t len, const char *what, json_t **ret, struct nxc_error *err)
{
        json_error_t je;
        json_t *j;

        if (too_deep(text, len))
                return nxc_fail_kind(err, NXC_ERR_INVALID_JSON, 0, "parse %s: nested deeper than %d levels", what,
                        NXC_JSON_MAX_DEPTH);
        j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
        if (!j && json_error_code(&je) == json_error_out_of_memory)
                return nxc_oom(err);
        if (!j)
                return nxc_fail_kind(err, NXC_ERR_INVALID_JSON, 0, "parse %s: line %d, column %d: %s", what, je.line,
                        je.column, je.text);
        *ret = j;
        return 0;
}

int nxc_json_load_at(int dirfd, const char *path, size_t limit, json_t **ret, struct nxc_error *err)
{
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r = nxc_read_file_at(dirfd, path, limit, &text, &len, err);

        if (r < 0)
                return r;
        return nxc_json_parse(text, len, path, ret, err);
}

char *nxc_json_format(const json_t *j, bool indent)
{
        return json_dumps(j, (indent ? JSON_INDENT(2) : JSON_COMPACT) | JSON_ENCODE_ANY);
}

json_t *nxc_json_get(const json_t *j, const char *dotted)
{
        while (j && *dotted) {
                char key[128];
                size_t n = strcspn(dotted, ".");

                if (n >= sizeof(key))
                        return NULL;
                memcpy(key, dotted, n);
                key[n] = '\0';
                j = json_object_get(j, key);
                dotted += n;
                dotted += *dotted == '.';
        }
        return (json_t *)j;
}

const char *nxc_json_str(const json_t *j, const char *dotted)
{
        return json_string_value(nxc_json_get(j, dotted));
}
