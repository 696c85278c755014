/* See image-doc-internal.h. */
#include "oci/image-doc-internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int nxc_doc_fail(struct nxc_error *err, const char *where, const char *fmt, ...)
{
        char what[512];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(what, sizeof(what), fmt, ap);
        va_end(ap);
        return nxc_fail_kind(err, NXC_ERR_INVALID_IMAGE, 0, "%s: %s", where, what);
}

static int get(const json_t *o, const char *where, const char *key, int flags, json_type type,
        const char *type_name, json_t **ret, struct nxc_error *err)
{
        json_t *j = json_object_get(o, key);

        if (!j || json_is_null(j)) {
                if (flags & NXC_DOC_REQUIRED)
                        return nxc_doc_fail(err, where, "'%s' is missing", key);
                *ret = NULL;
                return 0;
        }
        if (json_typeof(j) != type)
                return nxc_doc_fail(err, where, "'%s' is not %s", key, type_name);
        *ret = j;
        return 0;
}

int nxc_doc_string(const json_t *o, const char *where, const char *key, int flags, const char **ret,
        struct nxc_error *err)
{
        json_t *j = NULL;
        int r = get(o, where, key, flags, JSON_STRING, "a string", &j, err);

        if (r < 0)
                return r;
        if (j && !(flags & NXC_DOC_TEXT) && nxc_has_control(json_string_value(j)))
                return nxc_doc_fail(err, where, "'%s' has a control character", key);
        *ret = j ? json_string_value(j) : NULL;
        return 0;
}

int nxc_doc_object(
        const json_t *o, const char *where, const char *key, int flags, json_t **ret, struct nxc_error *err)
{
        return get(o, where, key, flags, JSON_OBJECT, "an object", ret, err);
}

int nxc_doc_array(
        const json_t *o, const char *where, const char *key, int flags, json_t **ret, struct nxc_error *err)
{
        return get(o, where, key, flags, JSON_ARRAY, "an array", ret, err);
}

int nxc_doc_strv(const json_t *o, const char *where, const char *key, int flags, struct nxc_strv *ret,
        struct nxc_error *err)
{
        json_t *array, *item;
        size_t i;
        int r = nxc_doc_array(o, where, key, flags, &array, err);

        if (r < 0)
                return r;
        json_array_foreach (array, i, item) {
                const char *s = json_string_value(item);

                if (!s)
                        return nxc_doc_fail(err, where, "'%s[%zu]' is not a string", key, i);
                if (!(flags & NXC_DOC_TEXT) && nxc_has_control(s))
                        return nxc_doc_fail(err, where, "'%s[%zu]' has a control character", key, i);
                if (nxc_strv_add(ret, s) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

int nxc_doc_keys(const json_t *o, const char *where, const char *key, int flags, struct nxc_strv *ret,
        struct nxc_error *err)
{
        json_t *object, *value;
        const char *name;
        int r = nxc_doc_object(o, where, key, flags, &object, err);

        if (r < 0)
                return r;
        json_object_foreach (object, name, value) {
                if (nxc_has_control(name))
                        return nxc_doc_fail(err, where, "a key of '%s' has a control character", key);
                if (nxc_strv_add(ret, name) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

int nxc_doc_dup(
        const json_t *o, const char *where, const char *key, int flags, char **ret, struct nxc_error *err)
{
        const char *s;
        char *copy = NULL;
        int r = nxc_doc_string(o, where, key, flags, &s, err);

        if (r < 0)
                return r;
        if (s && *s) {
                copy = strdup(s);
                if (!copy)
                        return nxc_oom(err);
        }
        *ret = copy;
        return 0;
}
