/* Help texts, made from the tables. */
#pragma once

#include "cli/command.h"
#include "core/error.h"
#include "core/str.h"

#define NXC_HELP_COLUMNS 100

/* Append the text; 0 or -ENOMEM. */
int nxc_help_format_command(const struct nxc_command *c, struct nxc_buf *out);
int nxc_help_format_overview(struct nxc_buf *out);

/* The same on stdout. */
int nxc_help_command(const struct nxc_command *c, struct nxc_error *err);
int nxc_help_overview(struct nxc_error *err);

/* "SIZE", or the choices "a|b"; "" for what takes no value. 0 or -ENOMEM. */
int nxc_option_metavar(const struct nxc_option *o, struct nxc_buf *out);
