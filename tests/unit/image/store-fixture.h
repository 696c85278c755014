/* What the tests of the store and of the intake share: a store in a temporary directory, and small
 * images. */
#pragma once

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/str.h"
#include "image/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
        char path[64];
        int store_fd;
        struct nxc_image_store *store;
};

static inline int fixture_setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        strcpy(f->path, "/tmp/nxc-test-image-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->store_fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->store_fd >= 0);
        assert_int_equal(nxc_image_store_open(f->store_fd, true, &f->store, NULL), 0);
        *state = f;
        return 0;
}

static inline int fixture_teardown(void **state)
{
        struct fixture *f = *state;

        nxc_image_store_close(f->store);
        close(f->store_fd);
        nxc_remove_tree_at(AT_FDCWD, f->path, NULL);
        free(f);
        return 0;
}

static inline struct nxc_descriptor describe(const char *text, const char *media_type)
{
        struct nxc_descriptor d = { .size = strlen(text) };

        snprintf(d.media_type, sizeof(d.media_type), "%s", media_type);
        assert_int_equal(nxc_hash_buffer("sha256", text, d.size, &d.digest, NULL), 0);
        return d;
}

static inline struct nxc_reference reference(const char *text)
{
        struct nxc_reference ref;

        assert_int_equal(nxc_reference_parse(text, &ref, NULL), 0);
        return ref;
}

/* The documents of an image of one layer, told apart by seed. */
struct documents {
        char layer[64], config[512], manifest[1024];
        struct nxc_descriptor layer_desc, config_desc, manifest_desc;
};

static inline void make_documents(struct documents *d, const char *seed)
{
        snprintf(d->layer, sizeof(d->layer), "layer of %s", seed);
        d->layer_desc = describe(d->layer, "application/vnd.oci.image.layer.v1.tar");
        snprintf(d->config, sizeof(d->config),
                "{\"architecture\":\"amd64\",\"os\":\"linux\",\"author\":\"%s\",\"rootfs\":{\"type\":"
                "\"layers\","
                "\"diff_ids\":[\"%s\"]}}",
                seed, d->layer_desc.digest.text);
        d->config_desc = describe(d->config, NXC_MT_OCI_CONFIG);
        snprintf(d->manifest, sizeof(d->manifest),
                "{\"schemaVersion\":2,\"mediaType\":\"" NXC_MT_OCI_MANIFEST
                "\",\"config\":{\"mediaType\":\"%s\","
                "\"digest\":\"%s\",\"size\":%d},\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
                "\"size\":%d}]}",
                d->config_desc.media_type, d->config_desc.digest.text, (int)d->config_desc.size,
                d->layer_desc.media_type, d->layer_desc.digest.text, (int)d->layer_desc.size);
        d->manifest_desc = describe(d->manifest, NXC_MT_OCI_MANIFEST);
}

static inline void stage_documents(struct nxc_intake *in, const struct documents *d)
{
        struct nxc_error e = { 0 };

        assert_int_equal(nxc_intake_add_blob(in, &d->layer_desc, d->layer, d->layer_desc.size, &e), 0);
        assert_int_equal(nxc_intake_add_blob(in, &d->config_desc, d->config, d->config_desc.size, &e), 0);
        assert_int_equal(
                nxc_intake_add_blob(in, &d->manifest_desc, d->manifest, d->manifest_desc.size, &e), 0);
}

static inline void add_image(struct fixture *f, const char *seed, const char *name, struct documents *d)
{
        struct nxc_reference ref = { 0 };
        struct nxc_error e = { 0 };
        struct nxc_intake *in;

        if (name)
                ref = reference(name);
        make_documents(d, seed);
        assert_int_equal(nxc_intake_begin(f->store, &in, &e), 0);
        stage_documents(in, d);
        assert_int_equal(nxc_intake_commit(in, &d->manifest_desc, NULL, &d->config_desc.digest,
                                 name ? &ref : NULL, &e),
                0);
}

/* How many things a directory of the store holds; hidden ones only when they begin with prefix. */
static inline size_t count_entries(struct fixture *f, const char *dir, const char *prefix)
{
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        size_t n = 0;
        int fd = openat(f->store_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        d = fdopendir(fd);
        while ((de = readdir(d)))
                n += prefix ? nxc_starts_with(de->d_name, prefix) : de->d_name[0] != '.';
        return n;
}
