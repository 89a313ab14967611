/* Where a path leads, however it is written. */
#ifndef KITH_BASE_PATH_H
#define KITH_BASE_PATH_H

#include <limits.h>
#include <stdbool.h>

/* Without links and dots, absolute; what is not there yet stands at its end, as it would be made. */
void path_real(const char *path, char out[PATH_MAX]);
/* True if the path is the directory or in it, whatever links lead there and whether they are there yet. */
bool path_is_below(const char *dir, const char *path);

#endif
