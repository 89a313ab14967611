/* A socket that others find by its file.  Once the file is gone (DIR/run looks like something that may be cleared), whoever listens
 * there goes on unheard, and no other name can be given to it: it takes another socket. */
#ifndef KITH_SUPERVISOR_SOCKET_FILE_H
#define KITH_SUPERVISOR_SOCKET_FILE_H

#include <sys/stat.h>

#include "base/env.h"

struct socket_file {
    const char *path;
    int fd; /* that we listen on; -1: somebody else does */
    dev_t dev;
    ino_t ino; /* of what we made */
};

/* Listens, waiting for whoever is about to leave.  Errors: locked (somebody stays), those of frame_listen(). */
MUST_USE bool socket_file_listen_patiently(struct socket_file *s, const struct env *env, struct err *e);
/* False also if what has the name is not what we made. */
bool socket_file_is_there(const struct socket_file *s);
/* Listens anew, in place of the one whose file is gone; of somebody else's: could it be made again?  Errors: as above, io. */
MUST_USE bool socket_file_renew(struct socket_file *s, struct err *e);
void socket_file_close(struct socket_file *s);

#endif
