/* A record as JSON: one table says what is written and what is taken back, so that both cannot differ.
 *
 * Reading is strict, since a record names paths that delete removes: an unknown key (a newer nexcage's), a
 * wrong type, a relative path, or something that is no digest is an error. */
#include "state/state.h"

#include "core/digest.h"
#include "core/json.h"

#include <string.h>

#define RECORD_VERSION 1 /* raised when an older nexcage would misread a record */

enum type { TEXT, PATH, DIGEST, DIGESTS, OBJECT, BOOL };

static const struct field {
        const char *name;
        enum type type;
        bool required;
        size_t offset;
} fields[] = {
#define FIELD(name, type, required, member)                               \
        {                                                                 \
                name, type, required, offsetof(struct nxc_record, member) \
        }
        FIELD("id", TEXT, true, id),
        FIELD("ociVersion", TEXT, true, oci_version),
        FIELD("bundle", PATH, true, bundle),
        FIELD("runtimeBundle", PATH, false, rt_bundle),
        FIELD("rootfs", PATH, true, rootfs),
        FIELD("runtime", TEXT, true, backend),
        FIELD("created", TEXT, true, created),
        FIELD("owner", TEXT, true, owner),
        FIELD("storage", TEXT, false, storage),
        FIELD("store", PATH, false, store),
        FIELD("containerDir", PATH, false, container_dir),
        FIELD("image", TEXT, false, image),
        FIELD("imageDigest", DIGEST, false, image_digest),
        FIELD("stopSignal", TEXT, false, stop_signal),
        FIELD("logPath", PATH, false, log_path),
        FIELD("diffIds", DIGESTS, false, diff_ids),
        FIELD("annotations", OBJECT, false, annotations),
        FIELD("labels", OBJECT, false, labels),
        FIELD("systemdCgroup", BOOL, false, systemd_cgroup),
        FIELD("autoRemove", BOOL, false, auto_remove),
        FIELD("hooksContinue", BOOL, false, hooks_continue),
#undef FIELD
};

static void *member(const struct nxc_record *r, const struct field *f)
{
        return (char *)r + f->offset;
}

void nxc_record_free(struct nxc_record *r)
{
        if (!r)
                return;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(fields); i++) {
                switch (fields[i].type) {
                case TEXT:
                case PATH:
                case DIGEST:
                        free(*(char **)member(r, &fields[i]));
                        break;
                case DIGESTS:
                        nxc_strv_done(member(r, &fields[i]));
                        break;
                case OBJECT:
                        json_decref(*(json_t **)member(r, &fields[i]));
                        break;
                case BOOL:
                        break;
                }
        }
        free(r);
}

static json_t *strings(const struct nxc_strv *s)
{
        _cleanup_json_ json_t *array = json_array();

        for (size_t i = 0; i < s->n; i++)
                if (json_array_append_new(array, json_string(s->v[i])) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

/* 1 and no value: the field has its default and is left out. */
static int field_to_json(const struct nxc_record *r, const struct field *f, json_t **ret)
{
        const char *text;
        json_t *object;

        switch (f->type) {
        case TEXT:
        case PATH:
        case DIGEST:
                text = *(char **)member(r, f);
                if (!text)
                        return 1;
                *ret = json_string(text);
                break;
        case DIGESTS:
                if (((struct nxc_strv *)member(r, f))->n == 0)
                        return 1;
                *ret = strings(member(r, f));
                break;
        case OBJECT:
                object = *(json_t **)member(r, f);
                if (!object)
                        return 1;
                *ret = json_incref(object);
                break;
        case BOOL:
                if (!*(bool *)member(r, f))
                        return 1;
                *ret = json_true();
                break;
        }
        return *ret ? 0 : -ENOMEM;
}

json_t *nxc_record_to_json(const struct nxc_record *r)
{
        _cleanup_json_ json_t *j = json_object();

        if (json_object_set_new(j, "version", json_integer(RECORD_VERSION)) < 0)
                return NULL;
        for (size_t i = 0; i < NXC_ARRAY_SIZE(fields); i++) {
                json_t *value = NULL;
                int k = field_to_json(r, &fields[i], &value);

                if (k == 0 && json_object_set_new(j, fields[i].name, value) < 0)
                        k = -ENOMEM;
                if (k < 0)
                        return NULL;
        }
        return TAKE_PTR(j);
}

static int bad(struct nxc_error *err, const struct field *f, const char *want)
{
        return nxc_fail_kind(err, NXC_ERR_FILE, 0, "container record: '%s' has to be %s", f->name, want);
}

static int read_text(struct nxc_record *r, const struct field *f, const json_t *value, struct nxc_error *err)
{
        const char *text = json_string_value(value);
        char **to = member(r, f);

        if (!text)
                return bad(err, f, "a string");
        if (f->type == PATH && (text[0] != '/' || nxc_has_control(text)))
                return bad(err, f, "an absolute path");
        if (f->type == DIGEST && !nxc_digest_is_valid(text))
                return bad(err, f, "a digest");
        *to = strdup(text);
        return *to ? 0 : nxc_oom(err);
}

static int read_digests(
        struct nxc_record *r, const struct field *f, const json_t *value, struct nxc_error *err)
{
        const json_t *item;
        size_t i;

        if (!json_is_array(value))
                return bad(err, f, "an array of digests");
        json_array_foreach ((json_t *)value, i, item) {
                const char *text = json_string_value(item);

                if (!text || !nxc_digest_is_valid(text))
                        return bad(err, f, "an array of digests");
                if (nxc_strv_add(member(r, f), text) < 0)
                        return nxc_oom(err);
        }
        return 0;
}

static int read_object(struct nxc_record *r, const struct field *f, json_t *value, struct nxc_error *err)
{
        const char *key;
        json_t *item;

        if (!json_is_object(value))
                return bad(err, f, "an object");
        json_object_foreach (value, key, item)
                if (!json_is_string(item))
                        return bad(err, f, "an object of strings");
        *(json_t **)member(r, f) = json_incref(value);
        return 0;
}

static int read_field(struct nxc_record *r, const struct field *f, json_t *value, struct nxc_error *err)
{
        switch (f->type) {
        case TEXT:
        case PATH:
        case DIGEST:
                return read_text(r, f, value, err);
        case DIGESTS:
                return read_digests(r, f, value, err);
        case OBJECT:
                return read_object(r, f, value, err);
        case BOOL:
                if (!json_is_boolean(value))
                        return bad(err, f, "true or false");
                *(bool *)member(r, f) = json_is_true(value);
                return 0;
        }
        return 0;
}

static const struct field *find_field(const char *name)
{
        for (size_t i = 0; i < NXC_ARRAY_SIZE(fields); i++)
                if (nxc_streq(fields[i].name, name))
                        return &fields[i];
        return NULL;
}

static int read_fields(struct nxc_record *r, const json_t *j, struct nxc_error *err)
{
        const char *key;
        json_t *value;

        json_object_foreach ((json_t *)j, key, value) {
                const struct field *f = find_field(key);
                int k;

                if (nxc_streq(key, "version"))
                        continue;
                if (!f)
                        return nxc_fail_kind(err, NXC_ERR_FILE, 0, "container record: unknown key '%.64s'",
                                nxc_has_control(key) ? "?" : key);
                k = read_field(r, f, value, err);
                if (k < 0)
                        return k;
        }
        for (size_t i = 0; i < NXC_ARRAY_SIZE(fields); i++)
                if (fields[i].required && !json_object_get(j, fields[i].name))
                        return bad(err, &fields[i], "there");
        return nxc_id_check(r->id, NULL) < 0 ? bad(err, find_field("id"), "a container id") : 0;
}

int nxc_record_from_json(const json_t *j, struct nxc_record **ret, struct nxc_error *err)
{
        __attribute__((cleanup(nxc_record_freep))) struct nxc_record *r = NULL;
        const json_t *version = json_object_get(j, "version");
        int k;

        if (!json_is_object(j) || !json_is_integer(version))
                return nxc_fail_kind(err, NXC_ERR_FILE, 0, "container record: not a record");
        if (json_integer_value(version) != RECORD_VERSION)
                return nxc_fail_kind(err, NXC_ERR_FILE, 0,
                        "container record: of version %lld, this nexcage knows %d",
                        (long long)json_integer_value(version), RECORD_VERSION);
        r = calloc(1, sizeof(*r));
        if (!r)
                return nxc_oom(err);
        k = read_fields(r, j, err);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return 0;
}
