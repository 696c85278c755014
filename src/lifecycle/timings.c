/* --timings: how long each box of the flow took, as a table, as JSON, as the flow diagram with the path that
 * was taken, or as a trace that a browser's profiler opens. */
#include "lifecycle/flow-internal.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/log.h"

static double ms(uint64_t ns)
{
        return (double)ns / 1e6;
}

static void print_text(FILE *out, const struct nxc_step_time *times)
{
        uint64_t total = 0;

        for (size_t i = 0; i < nxc_create_n_steps; i++) {
                if (!times[i].ran)
                        continue;
                total += times[i].duration_ns;
                fprintf(out, "%-3s %-20s %9.3f ms\n", nxc_create_steps[i].box, nxc_create_steps[i].name,
                        ms(times[i].duration_ns));
        }
        fprintf(out, "    %-20s %9.3f ms\n", "total", ms(total));
}

static void print_json(
        FILE *out, const struct nxc_flow *f, const struct nxc_step_time *times, const struct nxc_error *err)
{
        _cleanup_json_ json_t *all = json_object();
        _cleanup_free_ char *text = NULL;
        json_t *steps = json_array();

        for (size_t i = 0; i < nxc_create_n_steps; i++)
                if (times[i].ran)
                        json_array_append_new(
                                steps, json_pack("{s:s, s:s, s:f}", "step", nxc_create_steps[i].name, "box",
                                               nxc_create_steps[i].box, "ms", ms(times[i].duration_ns)));
        json_object_set_new(all, "id", json_string(f->id));
        json_object_set_new(all, "ok", json_boolean(!nxc_error_is_set(err)));
        json_object_set_new(all, "steps", steps);
        text = nxc_json_format(all, false);
        if (text)
                fprintf(out, "%s\n", text);
        else
                nxc_warn("show the timings: out of memory, ignoring");
}

/* Boxes that were passed through are nodes with their time; the one that failed is red, as in the
 * specification. */
static void print_mermaid(FILE *out, const struct nxc_step_time *times, const struct nxc_error *err)
{
        size_t last = SIZE_MAX;

        fprintf(out, "flowchart TD\n");
        for (size_t i = 0; i < nxc_create_n_steps; i++) {
                if (!times[i].ran)
                        continue;
                fprintf(out, "    S%zu[\"%s %s<br/>%.3f ms\"]\n", i, nxc_create_steps[i].box,
                        nxc_create_steps[i].name, ms(times[i].duration_ns));
                if (last != SIZE_MAX)
                        fprintf(out, "    S%zu --> S%zu\n", last, i);
                last = i;
        }
        if (last != SIZE_MAX)
                fprintf(out, "    style S%zu fill:%s\n", last,
                        nxc_error_is_set(err) ? "#ffcdd2" : "#c8e6c9");
}

static void print_chrome(FILE *out, const struct nxc_step_time *times)
{
        const char *comma = "";

        fprintf(out, "[");
        for (size_t i = 0; i < nxc_create_n_steps; i++) {
                if (!times[i].ran)
                        continue;
                fprintf(out, "%s{\"name\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f}",
                        comma, nxc_create_steps[i].name, (double)times[i].start_ns / 1e3,
                        (double)times[i].duration_ns / 1e3);
                comma = ",";
        }
        fprintf(out, "]\n");
}

void nxc_flow_print_timings(
        const struct nxc_flow *f, const struct nxc_step_time *times, const struct nxc_error *err)
{
        FILE *out = f->o->timings_out ? f->o->timings_out : stderr;

        switch (f->o->timings) {
        case NXC_TIMINGS_TEXT:
                print_text(out, times);
                break;
        case NXC_TIMINGS_JSON:
                print_json(out, f, times, err);
                break;
        case NXC_TIMINGS_MERMAID:
                print_mermaid(out, times, err);
                break;
        case NXC_TIMINGS_CHROME:
                print_chrome(out, times);
                break;
        case NXC_TIMINGS_NONE:
                break;
        }
}
