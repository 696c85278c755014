/* The field table of config.json: for src/oci and its tests only. */
#pragma once

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nxc_spec_type {
        NXC_SPEC_OBJECT,
        NXC_SPEC_MAP,
        NXC_SPEC_ARRAY,
        NXC_SPEC_STRING,
        NXC_SPEC_BOOL,
        NXC_SPEC_INTEGER
};

/* What a text has to be: the words end the sentence "field x must be ..." in errors and in the document. */
struct nxc_spec_rule {
        const char *words;
        bool (*ok)(const char *text);
};

struct nxc_spec_field {
        const char
                *path; /* dotted; "[]" after an array, "{}" after a map, whose elements the row is about */
        enum nxc_spec_type type;
        bool required;  /* whenever its parent is there */
        bool non_empty; /* arrays and strings */
        int64_t min;    /* integers */
        uint64_t max;
        const char *const *values;        /* the known values, or NULL */
        const struct nxc_spec_rule *rule; /* of a string, or NULL */
        const struct nxc_spec_rule *key;  /* of a map's keys, or NULL */
};

/* Parents come before their children. */
extern const struct nxc_spec_field nxc_spec_fields[];
extern const size_t nxc_spec_n_fields;

/* Each row against the document. */
int nxc_spec_check_fields(const json_t *doc, struct nxc_error *err);
/* What needs more than one field: duplicates, a hostname without its namespace, sysctls and theirs. */
int nxc_spec_check_relations(const json_t *doc, struct nxc_error *err);
