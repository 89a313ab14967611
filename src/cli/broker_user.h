/* The user that a broker goes on as: Debian's mosquitto, started by root, gives up root before it reads anything but its
 * configuration, so its gateway's directory, the plugin and every directory above them have to let that user in. */
#ifndef KITH_CLI_BROKER_USER_H
#define KITH_CLI_BROKER_USER_H

#include "core/cc.h"
#include "core/err.h"

#define BROKER_USER "mosquitto"

/* Errors: not-found (no such user). */
MUST_USE bool broker_user_check(const char *user, struct err *e);
/* Gives the directory and the files in it to the user.  Errors: not-found (no such user), io. */
MUST_USE bool broker_user_give(const char *dir, const char *user, struct err *e);
/* Whether `user` exists and root would be given up for it: only root starts a broker as somebody else. */
bool broker_user_applies(const char *user);
/* True if the user may read the file or enter the directory.  If not, `*blocked` is the first directory above it that keeps
 * the user out, or `path` itself; it points into a static buffer. */
MUST_USE bool broker_user_reads(const char *path, const char *user, const char **blocked);

#endif
