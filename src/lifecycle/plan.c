/* --dry-run: what the flow would do, from what its reading steps have found out. */
#include "lifecycle/flow-internal.h"

#include "core/cleanup.h"
#include "core/json.h"

#include <string.h>

static const char *why_runtime(const struct nxc_flow *f)
{
        if (f->o->runtime)
                return "asked for";
        if (f->spec && nxc_spec_annotation(f->spec, "org.nexcage.runtime"))
                return "the annotation org.nexcage.runtime";
        return f->host->config->n_routes || f->host->config->runtime ? "the configuration"
                                                                     : "the first usable one";
}

static json_t *plan_image(const struct nxc_flow *f)
{
        json_t *j, *layers = json_array();

        if (!f->image_name) {
                json_decref(layers);
                return json_null();
        }
        if (!f->image) {
                json_decref(layers);
                return json_pack(
                        "{s:s, s:b, s:s}", "name", f->image_name, "present", 0, "digest", f->resolved.text);
        }
        for (size_t i = 0; i < f->image->config.n_diff_ids; i++)
                json_array_append_new(layers, json_string(f->image->config.diff_ids[i].text));
        j = json_pack("{s:s, s:b, s:s, s:o}", "name", f->image->name ? f->image->name : f->image_name,
                "present", 1, "digest", f->image->digest.text, "layers", layers);
        return j;
}

static json_t *plan_steps(const struct nxc_flow *f)
{
        json_t *steps = json_array();

        for (size_t i = 0; i < nxc_create_n_steps; i++) {
                const struct nxc_step *s = &nxc_create_steps[i];

                if (!s->applies || s->applies(f))
                        json_array_append_new(
                                steps, json_pack("{s:s, s:s, s:b}", "step", s->name, "box", s->box, "writes",
                                               !!(s->flags & NXC_STEP_WRITES)));
        }
        return steps;
}

static json_t *make_plan(const struct nxc_flow *f)
{
        json_t *spec = f->spec ? nxc_spec_json(f->spec) : NULL;
        json_t *mounts = nxc_json_get(spec, "mounts"), *args = nxc_json_get(spec, "process.args");

        return json_pack("{s:s, s:s?, s:o, s:{s:s, s:s}, s:s?, s:s?, s:o, s:s?, s:O, s:O, s:o}", "id", f->id,
                "bundle", f->bundle, "image", plan_image(f), "runtime", "name", f->backend->name, "why",
                why_runtime(f), "storage", f->image_name ? f->storage->name : NULL, "storageWhy",
                f->image_name ? f->storage_why : NULL, "storageSize",
                f->storage_size ? json_integer((json_int_t)f->storage_size) : json_null(), "rootfs",
                f->record->rootfs, "mounts", mounts ? mounts : json_null(), "args",
                args ? args : json_null(), "steps", plan_steps(f));
}

static void print_words(FILE *out, const char *label, const json_t *words)
{
        json_t *w;
        size_t i;

        if (!json_is_array(words))
                return;
        fprintf(out, "%-10s", label);
        json_array_foreach ((json_t *)words, i, w)
                fprintf(out, " %s", json_string_value(w));
        fputc('\n', out);
}

static void print_text(FILE *out, const json_t *plan)
{
        const char *digest = nxc_json_str(plan, "image.digest");
        json_t *m;
        size_t i;

        fprintf(out, "%-10s %s\n", "container", nxc_json_str(plan, "id"));
        if (nxc_json_str(plan, "bundle"))
                fprintf(out, "%-10s %s\n", "bundle", nxc_json_str(plan, "bundle"));
        if (nxc_json_str(plan, "image.name"))
                fprintf(out, "%-10s %s@%s%s\n", "image", nxc_json_str(plan, "image.name"), digest,
                        json_is_true(nxc_json_get(plan, "image.present")) ? "" : " (would be pulled)");
        json_array_foreach (nxc_json_get(plan, "image.layers"), i, m)
                fprintf(out, "%-10s %s\n", "layer", json_string_value(m));
        fprintf(out, "%-10s %s (%s)\n", "runtime", nxc_json_str(plan, "runtime.name"),
                nxc_json_str(plan, "runtime.why"));
        if (nxc_json_str(plan, "storage"))
                fprintf(out, "%-10s %s (%s)\n", "storage", nxc_json_str(plan, "storage"),
                        nxc_json_str(plan, "storageWhy"));
        if (nxc_json_str(plan, "rootfs"))
                fprintf(out, "%-10s %s\n", "root", nxc_json_str(plan, "rootfs"));
        json_array_foreach (json_object_get(plan, "mounts"), i, m) {
                const char *source = nxc_json_str(m, "source"), *type = nxc_json_str(m, "type");

                fprintf(out, "%-10s %s on %s (%s)\n", "mount", source ? source : "none",
                        nxc_json_str(m, "destination"), type ? type : "bind");
        }
        print_words(out, "program", json_object_get(plan, "args"));
        json_array_foreach (json_object_get(plan, "steps"), i, m)
                fprintf(out, "%-10s %s%s\n", "step", nxc_json_str(m, "step"),
                        json_is_true(json_object_get(m, "writes")) ? " (left out)" : "");
}

int nxc_flow_print_plan(const struct nxc_flow *f, struct nxc_error *err)
{
        _cleanup_json_ json_t *plan = make_plan(f);
        FILE *out = f->o->plan_out ? f->o->plan_out : stdout;
        _cleanup_free_ char *text = NULL;

        if (!plan || nxc_json_starved())
                return nxc_oom(err);
        if (!f->o->dry_run_json) {
                print_text(out, plan);
                return 0;
        }
        text = nxc_json_format(plan, true);
        if (!text)
                return nxc_oom(err);
        fprintf(out, "%s\n", text);
        return 0;
}
