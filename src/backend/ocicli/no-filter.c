/* Instead of what make-filter.c makes, where it cannot be run: no libseccomp, or built for another
 * machine. */
#include "backend/ocicli/ocicli-internal.h"

const char ocicli_default_filter[] = "";
