/* What `state` prints: the runtime-spec's state, in runc's order, and our own keys behind it. */
#include "state/state.h"

#include "core/json.h"

#include <assert.h>

static const char *const status_names[] = {
        [NXC_STATUS_CREATING] = "creating",
        [NXC_STATUS_CREATED] = "created",
        [NXC_STATUS_RUNNING] = "running",
        [NXC_STATUS_PAUSED] = "paused",
        [NXC_STATUS_STOPPED] = "stopped",
};
static_assert(
        sizeof(status_names) / sizeof(status_names[0]) == NXC_STATUS_STOPPED + 1, "every status has a name");

const char *nxc_status_name(enum nxc_status status)
{
        assert(status >= 0 && status <= NXC_STATUS_STOPPED);
        return status_names[status];
}

json_t *nxc_state_document(const struct nxc_record *r, enum nxc_status status, int pid)
{
        _cleanup_json_ json_t *doc = json_object();
        int k = 0;

        k |= json_object_set_new(doc, "ociVersion", json_string(r->oci_version));
        k |= json_object_set_new(doc, "id", json_string(r->id));
        k |= json_object_set_new(doc, "pid", json_integer(status == NXC_STATUS_STOPPED ? 0 : pid));
        k |= json_object_set_new(doc, "status", json_string(nxc_status_name(status)));
        k |= json_object_set_new(doc, "bundle", json_string(r->bundle));
        k |= json_object_set_new(doc, "rootfs", json_string(r->rootfs));
        k |= json_object_set_new(doc, "created", json_string(r->created));
        if (json_object_size(r->annotations) > 0)
                k |= json_object_set(doc, "annotations", r->annotations);
        k |= json_object_set_new(doc, "owner", json_string(r->owner));
        k |= json_object_set_new(doc, "runtime", json_string(r->backend));
        if (r->image)
                k |= json_object_set_new(doc, "image", json_string(r->image));
        if (r->image_digest)
                k |= json_object_set_new(doc, "imageDigest", json_string(r->image_digest));
        return k ? NULL : TAKE_PTR(doc);
}
