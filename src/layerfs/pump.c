/* See pump-internal.h. */
#include "layerfs/pump-internal.h"

#include "core/cleanup.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#define SLOTS 3 /* one being read, one being filled, one between them; a block each (NXC_PLAIN_BLOCK) */

struct nxc_pump {
        struct nxc_plain *plain;
        bool threaded;
        pthread_t thread;
        pthread_mutex_t mutex; /* of all that follows */
        pthread_cond_t moved;
        uint8_t *data[SLOTS];
        size_t len[SLOTS];
        unsigned head, count; /* of filled slots; the one that the reader has is among them */
        bool reading;         /* the reader has the one at head */
        bool stop, ended;
        ssize_t end; /* 0, or -errno with err */
        struct nxc_error err;
};

/* A free slot, or negative when it is to stop. */
static int wait_for_room(struct nxc_pump *p)
{
        int slot = -1;

        pthread_mutex_lock(&p->mutex);
        while (p->count == SLOTS && !p->stop)
                pthread_cond_wait(&p->moved, &p->mutex);
        if (!p->stop)
                slot = (int)((p->head + p->count) % SLOTS);
        pthread_mutex_unlock(&p->mutex);
        return slot;
}

static void *fill_slots(void *arg)
{
        struct nxc_pump *p = arg;
        ssize_t n = 1;
        int slot;

        while (n > 0 && (slot = wait_for_room(p)) >= 0) {
                n = nxc_plain_read(p->plain, p->data[slot], &p->err);
                pthread_mutex_lock(&p->mutex);
                if (n > 0) {
                        p->len[slot] = (size_t)n;
                        p->count++;
                } else {
                        p->ended = true;
                        p->end = n;
                }
                pthread_cond_signal(&p->moved);
                pthread_mutex_unlock(&p->mutex);
        }
        return NULL;
}

/* Signals stay with the threads that expect them. */
static bool start_thread(struct nxc_pump *p)
{
        sigset_t all, saved;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &saved);
        r = pthread_create(&p->thread, NULL, fill_slots, p);
        pthread_sigmask(SIG_SETMASK, &saved, NULL);
        return r == 0;
}

int nxc_pump_open(struct nxc_plain *plain, struct nxc_pump **ret, struct nxc_error *err)
{
        struct nxc_pump *p = calloc(1, sizeof(*p));

        if (!p)
                return nxc_oom(err);
        p->plain = plain;
        pthread_mutex_init(&p->mutex, NULL);
        pthread_cond_init(&p->moved, NULL);
        for (int i = 0; i < SLOTS; i++) {
                p->data[i] = malloc(NXC_PLAIN_BLOCK);
                if (!p->data[i]) {
                        nxc_pump_close(p);
                        return nxc_oom(err);
                }
        }
        p->threaded = start_thread(p);
        *ret = p;
        return 0;
}

ssize_t nxc_pump_next(struct nxc_pump *p, const void **ret, struct nxc_error *err)
{
        ssize_t n;

        if (!p->threaded) {
                n = nxc_plain_read(p->plain, p->data[0], err);
                *ret = p->data[0];
                return n;
        }
        pthread_mutex_lock(&p->mutex);
        if (p->reading) { /* done with the last one */
                p->head = (p->head + 1) % SLOTS;
                p->count--;
                p->reading = false;
                pthread_cond_signal(&p->moved);
        }
        while (p->count == 0 && !p->ended)
                pthread_cond_wait(&p->moved, &p->mutex);
        if (p->count > 0) {
                p->reading = true;
                *ret = p->data[p->head];
                n = (ssize_t)p->len[p->head];
        } else {
                n = p->end;
                if (n < 0 && err)
                        *err = p->err;
        }
        pthread_mutex_unlock(&p->mutex);
        return n;
}

void nxc_pump_close(struct nxc_pump *p)
{
        if (!p)
                return;
        if (p->threaded) {
                pthread_mutex_lock(&p->mutex);
                p->stop = true;
                pthread_cond_signal(&p->moved);
                pthread_mutex_unlock(&p->mutex);
                pthread_join(p->thread, NULL);
        }
        for (int i = 0; i < SLOTS; i++)
                free(p->data[i]);
        pthread_cond_destroy(&p->moved);
        pthread_mutex_destroy(&p->mutex);
        free(p);
}
