/* Paths as text; nothing here touches the file system. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Lexical clean-up into a malloc'ed absolute path: "//", "." and ".." are resolved, ".." stops at "/". A
 * relative path is taken from "/". NULL: out of memory. */
char *nxc_path_normalize(const char *path);

/* dir + "/" + name with exactly one slash between. NULL: out of memory. */
char *nxc_path_join(const char *dir, const char *name);

/* The absolute form against the working directory, not resolving links. NULL with errno. */
char *nxc_path_absolute(const char *path);

/* Whether path is dir or below it, both normalised. */
bool nxc_path_is_beneath(const char *dir, const char *path);

/* The last component; never NULL. */
const char *nxc_path_basename(const char *path);
