/* Importing from inside: which image of a layout or an archive is meant. This folder only, and its tests. */
#pragma once

#include "core/str.h"
#include "image/reference.h"
#include "oci/manifest.h"

/* One image that a source offers. */
struct nxc_candidate {
        struct nxc_strv names;      /* as written there: ref.name, containerd's name, RepoTags */
        struct nxc_descriptor desc; /* of an OCI layout: its manifest or index */
        size_t docker;              /* of a docker-archive: which of manifest.json */
};
struct nxc_candidates {
        struct nxc_candidate *v;
        size_t n;
        bool is_platform_list; /* index.json is itself the index of one image: no names, a platform in each
                                  entry */
};

int nxc_candidates_of_index(const json_t *index, struct nxc_candidates *ret, struct nxc_error *err);
int nxc_candidates_of_docker(
        const struct nxc_docker_archive *docker, struct nxc_candidates *ret, struct nxc_error *err);
/* The one that selector names (a reference, a plain tag or a digest; NULL: the only one). Usage, listing the
 * names. */
int nxc_candidates_select(const struct nxc_candidates *c, const char *selector, const char *what,
        const struct nxc_candidate **ret, struct nxc_error *err);
void nxc_candidates_done(struct nxc_candidates *c);

/* The reference that a name in a layout stands for: one without a registry is of localhost, as podman has
 * it; docker's RepoTags are of docker.io. -EINVAL: it is none. */
int nxc_candidate_reference(const char *name, bool is_docker, struct nxc_reference *ret);

enum nxc_import_kind {
        NXC_IMPORT_ANY,
        NXC_IMPORT_OCI_DIR,
        NXC_IMPORT_OCI_ARCHIVE,
        NXC_IMPORT_DOCKER_ARCHIVE
};
/* "[oci:]DIR[:SELECTOR]" and the like. What exists decides where the path ends. *ret_path and *ret_selector
 * (or NULL) are malloc'ed. */
int nxc_import_parse_source(const char *text, enum nxc_import_kind *ret_kind, char **ret_path,
        char **ret_selector, struct nxc_error *err);
