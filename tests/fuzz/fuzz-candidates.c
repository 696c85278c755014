/* index.json and manifest.json of what is imported: which images there are, and which one is meant. */
#include "core/cleanup.h"
#include "core/json.h"
#include "engine/import-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void choose(struct nxc_candidates *c)
{
        const struct nxc_candidate *one;
        struct nxc_reference ref;

        (void)!nxc_candidates_select(c, NULL, "fuzz", &one, NULL);
        (void)!nxc_candidates_select(c, "localhost/fuzz:latest", "fuzz", &one, NULL);
        for (size_t i = 0; i < c->n; i++)
                for (size_t k = 0; k < c->v[i].names.n; k++)
                        (void)!nxc_candidate_reference(c->v[i].names.v[k], i % 2, &ref);
        nxc_candidates_done(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_t *doc = NULL;
        struct nxc_docker_archive docker;
        struct nxc_candidates c;

        if (size > 65536 || nxc_json_parse((const char *)data, size, "fuzz", &doc, NULL) < 0)
                return 0;
        if (nxc_candidates_of_index(doc, &c, NULL) == 0)
                choose(&c);
        if (nxc_docker_archive_parse(doc, &docker, NULL) == 0) {
                if (nxc_candidates_of_docker(&docker, &c, NULL) == 0)
                        choose(&c);
                nxc_docker_archive_done(&docker);
        }
        return 0;
}
