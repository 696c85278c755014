/* See progress.h. On a terminal the unfinished transfers are the last lines, redrawn in place; a finished
 * one is printed above them for good. No colours: there is nothing for NO_COLOR to switch off. */
#include "cli/progress.h"

#include "cli/output.h"
#include "core/cleanup.h"
#include "core/digest.h"
#include "core/json.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define REDRAW_NS 100000000ull /* ten times a second is smooth, and cheap over ssh */
#define TELL_NS 100000000ull   /* the same for a program that reads */
#define SHORT_DIGEST 12

void nxc_progress_init(struct nxc_progress *p, enum nxc_progress_mode mode)
{
        const char *term = getenv("TERM");
        bool can = isatty(STDERR_FILENO) && term && *term && !nxc_streq(term, "dumb");
        struct winsize ws;

        *p = (struct nxc_progress){ .out = stderr, .mode = mode, .columns = 80 };
        if (mode == NXC_PROGRESS_AUTO)
                p->mode = can ? NXC_PROGRESS_TTY : NXC_PROGRESS_PLAIN;
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 40)
                p->columns = ws.ws_col;
}

static void name_transfer(const struct nxc_progress_event *ev, char *ret, size_t size)
{
        const char *hex = ev->digest && ev->digest->text[0] ? nxc_digest_hex(ev->digest) : "";

        snprintf(
                ret, size, "%.16s%s%.*s", ev->what ? ev->what : "image", *hex ? " " : "", SHORT_DIGEST, hex);
}

static uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct nxc_progress_bar *find_bar(struct nxc_progress *p, const struct nxc_progress_event *ev)
{
        struct nxc_progress_bar *b;

        for (size_t i = 0; i < p->n_bars; i++)
                if (nxc_streq(p->bars[i].digest, ev->digest->text))
                        return &p->bars[i];
        if (p->n_bars == NXC_PROGRESS_BARS_MAX)
                return NULL;
        b = &p->bars[p->n_bars++];
        *b = (struct nxc_progress_bar){ 0 };
        name_transfer(ev, b->name, sizeof(b->name));
        snprintf(b->digest, sizeof(b->digest), "%s", ev->digest->text);
        return b;
}

static void drop_bar(struct nxc_progress *p, struct nxc_progress_bar *b)
{
        size_t i = (size_t)(b - p->bars);

        memmove(b, b + 1, (p->n_bars - i - 1) * sizeof(*b));
        p->n_bars--;
}

/* Whether it is too early to tell again how far this transfer is. */
static bool is_too_early(struct nxc_progress *p, const struct nxc_progress_event *ev)
{
        struct nxc_progress_bar *b = ev->digest ? find_bar(p, ev) : NULL;
        uint64_t now = now_ns();

        if (!b)
                return ev->kind == NXC_PROGRESS_BYTES;
        if (ev->kind == NXC_PROGRESS_DONE || ev->kind == NXC_PROGRESS_CACHED)
                drop_bar(p, b);
        if (ev->kind != NXC_PROGRESS_BYTES)
                return false;
        if (now - b->told_ns < TELL_NS)
                return true;
        b->told_ns = now;
        return false;
}

static void show_json(struct nxc_progress *p, const struct nxc_progress_event *ev)
{
        static const char *const kinds[] = {
                [NXC_PROGRESS_START] = "start",
                [NXC_PROGRESS_BYTES] = "bytes",
                [NXC_PROGRESS_DONE] = "done",
                [NXC_PROGRESS_CACHED] = "cached",
        };
        _cleanup_json_ json_t *j = NULL;
        _cleanup_free_ char *text = NULL;

        if (is_too_early(p, ev))
                return;
        j = json_pack("{s:s, s:s, s:s?, s:I, s:I}", "event", kinds[ev->kind], "what",
                ev->what ? ev->what : "image", "digest", ev->digest ? ev->digest->text : NULL, "doneBytes",
                (json_int_t)ev->done_bytes, "totalBytes", (json_int_t)ev->total_bytes);
        text = j ? nxc_json_format(j, false) : NULL;
        if (text)
                fprintf(p->out, "%s\n", text);
}

static void print_finished(const struct nxc_progress *p, const struct nxc_progress_event *ev)
{
        char name[48], size[16];

        name_transfer(ev, name, sizeof(name));
        nxc_format_size(ev->total_bytes ? ev->total_bytes : ev->done_bytes, size, sizeof(size));
        if (ev->kind == NXC_PROGRESS_CACHED)
                fprintf(p->out, "%s: is here already\n", name);
        else
                fprintf(p->out, "%s: done (%s)\n", name, size);
}

static void show_line(const struct nxc_progress *p, const struct nxc_progress_event *ev)
{
        char name[48];

        if (ev->kind == NXC_PROGRESS_START) {
                name_transfer(ev, name, sizeof(name));
                fprintf(p->out, "%s: started\n", name);
        } else if (ev->kind != NXC_PROGRESS_BYTES) {
                print_finished(p, ev);
        }
}

static void draw_bar(const struct nxc_progress *p, const struct nxc_progress_bar *b)
{
        unsigned width = p->columns > 72 ? 30 : 10;
        double part = b->total ? (double)b->done / (double)b->total : 0;
        unsigned full = (unsigned)(width * (part > 1 ? 1 : part));
        char done[16], total[16];

        nxc_format_size(b->done, done, sizeof(done));
        nxc_format_size(b->total, total, sizeof(total));
        fprintf(p->out, "%-22.22s [", b->name);
        for (unsigned i = 0; i < width; i++)
                fputc(i < full ? '=' : i == full ? '>' : ' ', p->out);
        if (b->total)
                fprintf(p->out, "] %s/%s\x1b[K\n", done, total);
        else
                fprintf(p->out, "] %s\x1b[K\n", done);
}

static void erase(struct nxc_progress *p)
{
        if (p->drawn)
                fprintf(p->out, "\x1b[%zuA\r\x1b[J", p->drawn);
        p->drawn = 0;
}

static void redraw(struct nxc_progress *p, bool now)
{
        uint64_t ns = now_ns();

        if (!now && ns - p->drawn_ns < REDRAW_NS)
                return;
        erase(p);
        for (size_t i = 0; i < p->n_bars; i++)
                draw_bar(p, &p->bars[i]);
        p->drawn = p->n_bars;
        p->drawn_ns = ns;
        fflush(p->out);
}

static void show_bar(struct nxc_progress *p, const struct nxc_progress_event *ev)
{
        bool ended = ev->kind == NXC_PROGRESS_DONE || ev->kind == NXC_PROGRESS_CACHED;
        struct nxc_progress_bar *b = find_bar(p, ev);

        if (!b)
                return;
        b->done = ev->done_bytes;
        b->total = ev->total_bytes;
        if (ended) {
                erase(p);
                print_finished(p, ev);
                drop_bar(p, b);
        }
        redraw(p, ended || ev->kind == NXC_PROGRESS_START);
}

void nxc_progress_event(void *arg, const struct nxc_progress_event *ev)
{
        struct nxc_progress *p = arg;

        if (p->mode == NXC_PROGRESS_JSON)
                show_json(p, ev);
        else if (!ev->digest) /* the image as a whole: its parts were shown */
                nxc_progress_done(p);
        else if (p->mode == NXC_PROGRESS_TTY)
                show_bar(p, ev);
        else if (p->mode == NXC_PROGRESS_PLAIN)
                show_line(p, ev);
}

void nxc_progress_done(struct nxc_progress *p)
{
        if (!p->out)
                return;
        erase(p);
        p->n_bars = 0;
        fflush(p->out);
}
