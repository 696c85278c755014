/* Logging: debug and warnings of the library code, and the log file that engines read.
 *
 * Code below cli logs at debug, or warns when it survives ("..., ignoring"). The one error line of a failed
 * command is written by cli through nxc_log_error. Text goes to stderr; with --log FILE also to that file,
 * as text or as one JSON object per line {"level","msg","time"} (what containerd, podman and conmon
 * parse). */
#pragma once

#include "core/error.h"

#include <stdbool.h>

enum nxc_log_level { NXC_LOG_ERROR, NXC_LOG_WARN, NXC_LOG_INFO, NXC_LOG_DEBUG };
enum nxc_log_format { NXC_LOG_TEXT, NXC_LOG_JSON };

struct nxc_log_config {
        enum nxc_log_level level;   /* what is shown; errors and warnings always reach the log file */
        enum nxc_log_format format; /* of the file, or of stderr where there is no file */
        int fd;                     /* the log file, or negative; stays owned by the caller */
        bool quiet_errors;          /* errors go to the file only: cli shows them in another form */
};

void nxc_log_setup(const struct nxc_log_config *config);
bool nxc_log_is_debug(void);

void nxc_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void nxc_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void nxc_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Shows a set error: kind, stage, message, hint. Called once, by cli. */
void nxc_log_error(const struct nxc_error *err);
