/* The graph: shared steps, shared layers, sizes. */
#include "layerfs/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t add(struct nxc_graph *g, const char *digest, const char *layers)
{
        struct nxc_digest ids[16];
        uint32_t number;
        size_t n = 0;

        for (; layers[n]; n++)
                snprintf(ids[n].text, sizeof(ids[n].text), "sha256:%c", layers[n]);
        assert_int_equal(nxc_graph_add_image(g, digest, ids, n, &number), 0);
        return number;
}

static struct nxc_graph_layer *layer(struct nxc_graph *g, char c)
{
        char text[] = "sha256:?";

        text[7] = c;
        return nxc_graph_layer_of(g, text, false);
}

static void layers_are_counted_once_for_an_image(void **state)
{
        struct nxc_graph *g = nxc_graph_new();

        add(g, "one", "abc");
        add(g, "two", "abd");
        add(g, "two", "abd"); /* another name of it */
        add(g, "three", "aea");
        assert_int_equal(nxc_graph_n_images(g), 3);
        assert_int_equal(nxc_graph_n_layers(g), 5);
        assert_int_equal(layer(g, 'a')->n_images, 3);
        assert_int_equal(layer(g, 'b')->n_images, 2);
        assert_int_equal(layer(g, 'c')->n_images, 1);
        assert_int_equal(layer(g, 'e')->last_image, 2);
        assert_null(layer(g, 'x'));
        assert_non_null(nxc_graph_layer_of(g, "sha256:x", true));
        assert_int_equal(layer(g, 'x')->n_images, 0);
        nxc_graph_free(g);
}

static void images_share_the_steps_they_begin_with(void **state)
{
        struct nxc_graph *g = nxc_graph_new();
        uint32_t one = add(g, "one", "abc"), two = add(g, "two", "abd"), three = add(g, "three", "ba");
        const struct nxc_graph_step *top = nxc_graph_step(g, nxc_graph_image(g, two)->top);

        assert_int_equal(nxc_graph_n_steps(g), 6); /* a ab abc abd b ba */
        assert_int_equal(top->below, nxc_graph_step(g, nxc_graph_image(g, one)->top)->below);
        assert_int_equal(nxc_graph_step(g, nxc_graph_step(g, top->below)->below)->below, NXC_GRAPH_NONE);
        assert_int_equal(top->n_images, 1);
        assert_int_equal(nxc_graph_image(g, three)->n_layers, 2);
        for (uint32_t i = 0; i < nxc_graph_n_steps(g); i++)
                assert_true(
                        nxc_graph_step(g, i)->below == NXC_GRAPH_NONE || nxc_graph_step(g, i)->below < i);
        nxc_graph_free(g);
        nxc_graph_free(NULL);
}

static void sizes(void **state)
{
        struct nxc_graph *g = nxc_graph_new();
        uint32_t one = add(g, "one", "abcc"), two = add(g, "two", "ad");
        uint64_t own, shared;

        layer(g, 'a')->bytes = 1000;
        layer(g, 'b')->bytes = 100;
        layer(g, 'c')->bytes = 10;
        layer(g, 'd')->bytes = 1;
        nxc_graph_sizes(g, one, &own, &shared);
        assert_int_equal(own, 110); /* the one that comes twice lies on the disk once */
        assert_int_equal(shared, 1000);
        nxc_graph_sizes(g, two, &own, &shared);
        assert_int_equal(own, 1);
        assert_int_equal(shared, 1000);
        nxc_graph_free(g);
}

/* Deep and wide, without recursion. */
static void large(void **state)
{
        struct nxc_graph *g = nxc_graph_new();
        struct nxc_digest *ids = calloc(500, sizeof(*ids));
        char digest[16];

        for (int k = 0; k < 500; k++)
                snprintf(ids[k].text, sizeof(ids[k].text), "sha256:%d", k);
        for (int i = 0; i < 2000; i++) {
                snprintf(digest, sizeof(digest), "%d", i);
                snprintf(ids[499].text, sizeof(ids[499].text), "sha256:top-%d", i);
                assert_int_equal(nxc_graph_add_image(g, digest, ids, 500, NULL), 0);
        }
        assert_int_equal(nxc_graph_n_steps(g), 499 + 2000);
        assert_int_equal(nxc_graph_n_layers(g), 499 + 2000);
        free(ids);
        nxc_graph_free(g);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(layers_are_counted_once_for_an_image),
                cmocka_unit_test(images_share_the_steps_they_begin_with),
                cmocka_unit_test(sizes),
                cmocka_unit_test(large),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
