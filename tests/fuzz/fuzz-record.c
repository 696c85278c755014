/* A container record: what is taken is written and taken again, the same. */
#include "core/json.h"
#include "state/state.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_t *j = NULL, *out = NULL, *again = NULL;
        struct nxc_record *r = NULL, *second = NULL;
        struct nxc_error err = { 0 };

        if (size > 64 << 10 || nxc_json_parse((const char *)data, size, "record", &j, NULL) < 0)
                return 0;
        if (nxc_record_from_json(j, &r, &err) < 0) {
                if (!nxc_error_is_set(&err) || !err.message[0])
                        abort();
                return 0;
        }
        out = nxc_record_to_json(r);
        if (!out || nxc_record_from_json(out, &second, NULL) < 0)
                abort();
        again = nxc_record_to_json(second);
        if (!json_equal(out, again))
                abort();
        json_decref(nxc_state_document(r, NXC_STATUS_RUNNING, 1));
        nxc_record_free(r);
        nxc_record_free(second);
        return 0;
}
