/* Parts of LayerFS and of the image store against what a reader would write first, in one run: a line for
 * each with the medians in microseconds, "NAME OURS STRAIGHTFORWARD", or for memory in bytes. Both do the
 * same and have to come to the same result.
 *
 * usage: micro [STORE DIFF_ID...]   with a store, its layers are mounted, too (root) */
#include "core/arena.h"
#include "core/lru.h"
#include "layerfs/graph.h"
#include "layerfs/layerfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNS 9

static void die(const char *what)
{
        fprintf(stderr, "micro: %s\n", what);
        exit(1);
}

static double now_us(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts); /* others may be at work, too */
        return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
        const double *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

struct sample {
        double us;
        unsigned long result;
};

/* In a process of its own, as a command does it once: nobody finds the memory of the one before. */
static struct sample measure(unsigned long (*fn)(void))
{
        struct sample s = { 0 };
        int ends[2];
        pid_t pid;

        if (pipe(ends) < 0)
                die("pipe");
        pid = fork();
        if (pid < 0)
                die("fork");
        if (pid == 0) {
                double start = now_us();

                s.result = fn();
                s.us = now_us() - start;
                _exit(write(ends[1], &s, sizeof(s)) != sizeof(s));
        }
        close(ends[1]);
        if (read(ends[0], &s, sizeof(s)) != sizeof(s))
                die("an alternative failed");
        close(ends[0]);
        waitpid(pid, NULL, 0);
        return s;
}

/* Of the two alternatives in turn. */
static void compare(const char *name, unsigned long (*ours)(void), unsigned long (*theirs)(void))
{
        double a[RUNS], b[RUNS];

        for (int i = 0; i < RUNS; i++) {
                struct sample x = measure(ours), y = measure(theirs);

                if (x.result != y.result)
                        die("the two do not come to the same result");
                a[i] = x.us;
                b[i] = y.us;
        }
        qsort(a, RUNS, sizeof(*a), by_value);
        qsort(b, RUNS, sizeof(*b), by_value);
        printf("%s %.1f %.1f\n", name, a[RUNS / 2], b[RUNS / 2]);
        fflush(stdout);
}

/* --- a cache of 512 documents, asked for 2,000, some much more often than others --- */

#define CACHED 512
#define WANTED 2000
#define ASKED 100000

static char keys[WANTED][80];
static unsigned short asked[ASKED];

static void make_keys(void)
{
        unsigned seed = 1;

        for (int i = 0; i < WANTED; i++)
                snprintf(keys[i], sizeof(keys[i]), "sha256:%064d", i);
        for (int i = 0; i < ASKED; i++) {
                unsigned r = (unsigned)rand_r(&seed) % WANTED, s = (unsigned)rand_r(&seed) % WANTED;

                asked[i] = (unsigned short)(r * s / WANTED);
        }
}

static void no_release(void *value)
{
        (void)value;
}

static unsigned long lru_ours(void)
{
        struct nxc_lru *c = nxc_lru_new(CACHED, no_release);
        static int value;
        unsigned long hits = 0;

        for (int i = 0; i < ASKED; i++) {
                const char *key = keys[asked[i]];

                if (nxc_lru_get(c, key))
                        hits++;
                else
                        nxc_lru_put(c, key, &value, 1);
        }
        nxc_lru_free(c);
        return hits;
}

/* An array in the order of use, searched from its end. */
static unsigned long lru_theirs(void)
{
        static const char *kept[CACHED];
        size_t n = 0;
        unsigned long hits = 0;

        for (int i = 0; i < ASKED; i++) {
                const char *key = keys[asked[i]];
                size_t k = n;

                while (k > 0 && strcmp(kept[k - 1], key) != 0)
                        k--;
                if (k > 0) {
                        hits++;
                        memmove(&kept[k - 1], &kept[k], (n - k) * sizeof(kept[0]));
                } else if (n == CACHED) {
                        memmove(&kept[0], &kept[1], (n - 1) * sizeof(kept[0]));
                } else {
                        n++;
                }
                kept[n - 1] = key;
        }
        return hits;
}

/* --- objects of layers: made, named, and all gone again --- */

#define OBJECTS 100000
#define LAYER_NAME "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct object {
        struct object *next;
        const char *name;
        unsigned long size;
};

static unsigned long pool_ours(void)
{
        struct nxc_arena a = { 0 };
        struct object *all = NULL;
        unsigned long sum = 0;

        for (unsigned long i = 0; i < OBJECTS; i++) {
                struct object *o = nxc_arena_take(&a, sizeof(*o));

                o->name = nxc_arena_strdup(&a, LAYER_NAME);
                o->size = i;
                o->next = all;
                all = o;
        }
        for (struct object *o = all; o; o = o->next)
                sum += o->size + (unsigned char)o->name[0];
        nxc_arena_done(&a);
        return sum;
}

static unsigned long pool_theirs(void)
{
        struct object *all = NULL, *next;
        unsigned long sum = 0;

        for (unsigned long i = 0; i < OBJECTS; i++) {
                struct object *o = calloc(1, sizeof(*o));

                o->name = strdup(LAYER_NAME);
                o->size = i;
                o->next = all;
                all = o;
        }
        for (struct object *o = all; o; o = next) {
                next = o->next;
                sum += o->size + (unsigned char)o->name[0];
                free((char *)o->name);
                free(o);
        }
        return sum;
}

/* What the objects hold, with all that belongs to them: pages that became resident. */
static size_t resident(void)
{
        unsigned long size = 0, pages = 0;
        FILE *f = fopen("/proc/self/statm", "r");

        if (!f || fscanf(f, "%lu %lu", &size, &pages) != 2)
                die("/proc/self/statm");
        fclose(f);
        return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned long memory_ours(void)
{
        struct nxc_arena a = { 0 };
        size_t before = resident();

        for (int i = 0; i < OBJECTS; i++) {
                struct object *o = nxc_arena_take(&a, sizeof(*o));

                o->name = nxc_arena_strdup(&a, LAYER_NAME);
        }
        return resident() - before;
}

static unsigned long memory_theirs(void)
{
        size_t before = resident();

        for (int i = 0; i < OBJECTS; i++) {
                struct object *o = calloc(1, sizeof(*o));

                if (!o || !(o->name = strdup(LAYER_NAME)))
                        die("memory");
        }
        return resident() - before;
}

/* --- which of 2,000 layers no image has, of 1,000 images of 10 --- */

#define IMAGES 1000
#define PER_IMAGE 10
#define LAYERS 2000

static struct nxc_digest image_layers[IMAGES][PER_IMAGE], there[LAYERS];

static void make_images(void)
{
        for (int i = 0; i < LAYERS; i++)
                snprintf(there[i].text, sizeof(there[i].text), "sha256:%064d", i);
        for (int i = 0; i < IMAGES; i++)
                for (int k = 0; k < PER_IMAGE; k++)
                        image_layers[i][k] = there[(k < 8 ? i / 50 * 8 + k : 200 + i * 2 + k - 8) % LAYERS];
}

static unsigned long graph_ours(void)
{
        struct nxc_graph *g = nxc_graph_new();
        unsigned long unused = 0;

        for (int i = 0; i < IMAGES; i++) {
                char digest[80];

                snprintf(digest, sizeof(digest), "sha256:%064d", i);
                nxc_graph_add_image(g, digest, image_layers[i], PER_IMAGE, NULL);
        }
        for (int i = 0; i < LAYERS; i++) {
                const struct nxc_graph_layer *l = nxc_graph_layer_of(g, there[i].text, false);

                unused += !l || l->n_images == 0;
        }
        nxc_graph_free(g);
        return unused;
}

/* A set of what is used, as a list without doubles; then each is looked for in it. */
static bool is_in(char (*set)[NXC_DIGEST_MAX], size_t n, const char *text)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(set[i], text) == 0)
                        return true;
        return false;
}

static unsigned long graph_theirs(void)
{
        static char used[LAYERS][NXC_DIGEST_MAX];
        unsigned long unused = 0;
        size_t n = 0;

        for (int i = 0; i < IMAGES; i++)
                for (int k = 0; k < PER_IMAGE; k++)
                        if (!is_in(used, n, image_layers[i][k].text))
                                strcpy(used[n++], image_layers[i][k].text);
        for (int i = 0; i < LAYERS; i++)
                unused += !is_in(used, n, there[i].text);
        return unused;
}

/* --- all layers of an image mounted: as one, and one by one --- */

static struct nxc_layerfs *layerfs;
static struct nxc_digest chain_ids[512];
static size_t n_chain_ids;

static unsigned long mount_chain(const char *with_index)
{
        struct nxc_layer_chain *chain;
        struct nxc_error err = { 0 };
        int fd = -1;

        setenv("NXC_FEATURE_EROFS_INDEX", with_index, 1);
        if (nxc_layerfs_hold(layerfs, chain_ids, n_chain_ids, &chain, &err) < 0 ||
                nxc_layer_chain_compose(chain, -1, -1, false, &fd, &err) < 0)
                die(err.message);
        nxc_layer_chain_release(chain);
        close(fd);
        return 0;
}

static unsigned long batch_ours(void)
{
        return mount_chain("1");
}

static unsigned long batch_theirs(void)
{
        return mount_chain("0");
}

int main(int argc, char **argv)
{
        make_keys();
        compare("cache", lru_ours, lru_theirs);
        compare("pool", pool_ours, pool_theirs);
        printf("memory %lu %lu\n", measure(memory_ours).result, measure(memory_theirs).result);
        make_images();
        compare("graph", graph_ours, graph_theirs);
        if (argc > 2) {
                int store = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (nxc_layerfs_open(store, false, &layerfs, NULL) < 0)
                        die(argv[1]);
                for (int i = 2; i < argc && n_chain_ids < 500; i++)
                        snprintf(chain_ids[n_chain_ids++].text, NXC_DIGEST_MAX, "%s", argv[i]);
                compare("batch", batch_ours, batch_theirs);
                nxc_layerfs_close(layerfs);
        }
        return 0;
}
