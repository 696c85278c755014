/* A bundle's config.json (OCI runtime-spec 1.0.x to 1.3.x) as data: read, parsed strictly, checked by a
 * field table. The document itself stays available as JSON; this object owns it. */
#pragma once

#include "core/error.h"
#include "core/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define NXC_SPEC_MAX_BYTES (16u << 20) /* the largest seen in the field are below 1 MiB */

struct nxc_spec;

/* Opens a bundle directory (O_DIRECTORY) and makes its path absolute. BundleNotFound with the reason.
 * *ret_path is malloc'ed. */
int nxc_bundle_open(const char *path, int *ret_fd, char **ret_path, struct nxc_error *err);
/* Reads name (config.json, or a path given with --config) of at most NXC_SPEC_MAX_BYTES. Absent:
 * BundleNotFound, with the hint `nexcage spec`; too large or not a regular file: InvalidSpec. Malloc'ed. */
int nxc_spec_read(int bundle_fd, const char *name, char **ret_text, size_t *ret_len, struct nxc_error *err);
/* InvalidJson with line and column, InvalidSpec when it is not an object. */
int nxc_spec_parse(const char *text, size_t len, struct nxc_spec **ret, struct nxc_error *err);
/* Takes a new reference to a document that we composed. */
int nxc_spec_from_json(json_t *doc, struct nxc_spec **ret, struct nxc_error *err);
/* InvalidSpec unless 1.0.x .. 1.3.x (semver, with pre-release suffixes). */
int nxc_spec_check_version(const struct nxc_spec *spec, struct nxc_error *err);
/* Everything that the runtime spec calls REQUIRED, types, ranges, known enum values: InvalidSpec naming the
 * field
 * ("process.args"). Table-driven: docs/spec-fields.md is generated from the table. */
int nxc_spec_check_required(const struct nxc_spec *spec, struct nxc_error *err);
/* The same, by the rows at and below a place of config.json ("process", "linux.resources"), for a part that
 * comes alone. */
int nxc_spec_check_part(const char *place, const json_t *part, struct nxc_error *err);
/* Appends docs/spec-fields.md: the table in words. 0, -ENOMEM or -EFBIG. */
int nxc_spec_fields_document(struct nxc_buf *out);
void nxc_spec_free(struct nxc_spec *spec);

json_t *nxc_spec_json(const struct nxc_spec *spec); /* borrowed */
const char *nxc_spec_version(const struct nxc_spec *spec);
const char *nxc_spec_root_path(const struct nxc_spec *spec); /* as written; NULL when absent */
bool nxc_spec_root_readonly(const struct nxc_spec *spec);
bool nxc_spec_terminal(const struct nxc_spec *spec);
const char *nxc_spec_annotation(const struct nxc_spec *spec, const char *key); /* or NULL */
json_t *nxc_spec_hooks(const struct nxc_spec *spec);                           /* borrowed object, or NULL */
/* Resolves root.path. Relative: beneath the bundle, following links that stay in it. Absolute: as the host
 * resolves it, which is how engines give it. InvalidRootfs with the reason when missing, not a directory, or
 * leading out of the bundle. *ret_path is absolute and free of links, malloc'ed. */
int nxc_spec_resolve_root(const struct nxc_spec *spec, int bundle_fd, const char *bundle_path,
        char **ret_path, struct nxc_error *err);
/* What `nexcage spec` prints (new reference): the runtime-spec's example for a Linux container; rootless as
 * runc. */
json_t *nxc_spec_template(bool rootless);
