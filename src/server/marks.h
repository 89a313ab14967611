/* Marks: what the gateways are to be told of certificates that were revoked, held or released.  As data: who gathers them, and
 * how they become fields of a request to the signer. */
#ifndef KITH_SERVER_MARKS_H
#define KITH_SERVER_MARKS_H

#include "base/buf.h"
#include "model/serial.h"

/* Whether it is a hold or a release is looked up when the signer is told. */
enum mark_kind { MARK_REVOKE, MARK_HOLD, MARK_RELEASE };
struct feed_mark {
    enum mark_kind kind;
    uint8_t serial[SERIAL_SIZE];
    int reason;
};

struct marks {
    struct feed_mark *v;
    size_t n, cap;
};
MUST_USE bool marks_add(struct marks *m, const struct feed_mark *mark, struct err *e);
void marks_clear(struct marks *m);

/* Of several marks on one certificate one is enough, the revocation if there is one.  In place, of the first *taken; if memory
 * runs out, *taken becomes 1.  Returns how many are left. */
size_t marks_settle(struct feed_mark *m, size_t *taken);
/* Is there a revocation among them, or (`revoke` false) something else? */
bool marks_have(const struct feed_mark *m, size_t n, bool revoke);
/* Those of one kind as a field of REQUEST_REVOKE or REQUEST_HOLD. */
void marks_put(struct buf *out, const struct feed_mark *m, size_t n, enum mark_kind kind);

#endif
