/* "Setup Container Metadata": the record of the container that is being made. In memory only: claim-id
 * writes it. */
#include "lifecycle/flow-internal.h"

#include "core/json.h"

#include <pwd.h>
#include <string.h>

static char *owner_name(void)
{
        struct passwd *pw = geteuid() == 0 ? NULL : getpwuid(geteuid());

        return geteuid() == 0 ? strdup("root") : pw ? strdup(pw->pw_name) : nxc_strf("%u", geteuid());
}

static int describe_image(struct nxc_flow *f, struct nxc_record *rec)
{
        rec->storage = strdup(f->storage->name);
        rec->store = strdup(f->host->store);
        f->container_dir = nxc_strf("%s/containers/%s", f->host->store, f->id);
        rec->container_dir = f->container_dir ? strdup(f->container_dir) : NULL;
        rec->rootfs = nxc_strf("%s/rootfs", f->container_dir);
        rec->image = strdup(f->image && f->image->name ? f->image->name : f->image_name);
        if (f->is_run && f->o->detach && !f->spec && !(rec->log_path = nxc_strf("%s/log", f->container_dir)))
                return -ENOMEM;
        if (!rec->storage || !rec->store || !rec->container_dir || !rec->rootfs || !rec->image)
                return -ENOMEM;
        if (!f->image)
                return 0;
        rec->image_digest = strdup(f->image->digest.text);
        for (size_t i = 0; i < f->image->config.n_diff_ids; i++)
                if (nxc_strv_add(&rec->diff_ids, f->image->config.diff_ids[i].text) < 0)
                        return -ENOMEM;
        return rec->image_digest ? 0 : -ENOMEM;
}

/* root.path of a bundle whose root comes from an image. */
static int redirect_root(struct nxc_flow *f, struct nxc_error *err)
{
        json_t *doc = nxc_spec_json(f->spec);

        f->spec_changed = true;
        if (json_object_set_new(json_object_get(doc, "root"), "path", json_string(f->record->rootfs)) < 0)
                return nxc_oom(err);
        return 0;
}

int nxc_flow_describe(struct nxc_flow *f, struct nxc_error *err)
{
        struct nxc_record *rec = f->record = calloc(1, sizeof(*rec));
        char now[40];
        int r = 0;

        if (!rec)
                return nxc_oom(err);
        nxc_now_rfc3339(now);
        rec->id = strdup(f->id);
        rec->created = strdup(now);
        rec->owner = owner_name();
        rec->systemd_cgroup = f->host->systemd_cgroup;
        rec->auto_remove = f->o->auto_remove;
        rec->hooks_continue = f->hooks_continue;
        if (f->image_name)
                r = describe_image(f, rec);
        else if (!(rec->rootfs = strdup(f->rootfs.path)))
                r = -ENOMEM;
        if (r < 0 || !rec->id || !rec->created || !rec->owner)
                return nxc_oom(err);
        if (f->spec && f->image_name)
                r = redirect_root(f, err);
        else if (f->image)
                r = nxc_flow_compose(f, err);
        if (r < 0 || !f->spec)
                return r;
        rec->bundle = f->bundle ? strdup(f->bundle) : NULL;
        rec->oci_version = strdup(nxc_spec_version(f->spec));
        rec->annotations = json_deep_copy(nxc_json_get(nxc_spec_json(f->spec), "annotations"));
        return rec->bundle && rec->oci_version && !nxc_json_starved() ? 0 : nxc_oom(err);
}
