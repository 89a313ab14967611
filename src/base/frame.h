/* Messages over a unix stream socket: u32 big-endian length, then the payload.  A length of 0 or beyond the maximum is an
 * error; memory grows with what has come, not with what was announced. */
#ifndef KITH_BASE_FRAME_H
#define KITH_BASE_FRAME_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/env.h"

#define FRAME_MAX    (16u << 20)
#define FRAME_HEADER 4

/* The incremental reader, for event loops. */
struct frame_in {
    struct buf buf;
    uint8_t head[FRAME_HEADER];
    size_t head_n;
    uint32_t want;
    bool ready; /* the last feed gave a frame: the next begins a new one */
};
void frame_in_init(struct frame_in *f, uint32_t max);
void frame_in_clear(struct frame_in *f);
/* Takes bytes from the front of *in until a frame is whole or *in is empty.  *have: *frame is it, borrowed until the next
 * call; call again while bytes are left.  Errors: frame; the connection is then to be closed. */
MUST_USE bool frame_feed(struct frame_in *f, struct slice *in, struct slice *frame, bool *have, struct err *e);
/* Something of an unfinished frame was read. */
bool frame_in_is_partial(const struct frame_in *f);
/* Appends header and payload to b. */
MUST_USE bool frame_put(struct buf *b, struct slice payload, uint32_t max, struct err *e);

/* Blocking (the sockets may be non-blocking: poll is used); timeout_ms is for the whole frame, -1 for none.  Errors: io,
 * unavailable (timeout, or the peer closed: frame_read sets *closed if that was between two frames), frame.
 * A payload is read behind nothing: out is reset first. */
MUST_USE bool frame_read(int fd, const struct env *env, int timeout_ms, struct buf *out, bool *closed, struct err *e);
MUST_USE bool frame_write(int fd, const struct env *env, int timeout_ms, struct slice payload, struct err *e);

struct frame_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
/* Makes the socket with mode 0600 and listens; a socket that nobody answers on is replaced, one that is in use is an error
 * (locked).  Close-on-exec, non-blocking. */
MUST_USE bool frame_listen(const char *path, int *fd, struct err *e);
/* Takes one connection; *fd is -1 and the result true if there was none.  Peers whose user is neither ours, root nor
 * allowed_uid are refused (peer).  allowed_uid (uid_t)-1: no further one. */
MUST_USE bool frame_accept(int listener, uid_t allowed_uid, int *fd, struct frame_peer *peer, struct err *e);
MUST_USE bool frame_peer_of(int fd, struct frame_peer *peer, struct err *e);
/* Connects; tries again while the socket does not exist or refuses, up to timeout_ms. */
MUST_USE bool frame_connect(const char *path, const struct env *env, int timeout_ms, int *fd, struct err *e);

#endif
