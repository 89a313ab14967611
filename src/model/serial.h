/* A certificate's serial number as an address (DESIGN section 3): node (1 byte, 01 to 7f), expiry shard (2), index (4, dense
 * for each issuer, node and shard), 64 bits that cannot be guessed.  15 bytes, positive, big-endian. */
#ifndef KITH_MODEL_SERIAL_H
#define KITH_MODEL_SERIAL_H

#include "core/err.h"

#define SERIAL_SIZE  15
#define SERIAL_TAIL  8
#define SHARD_SPAN_S (28 * 86400) /* a shard holds what expires within 28 days */
#define SHARD_NEVER  0xffff       /* notAfter 99991231235959Z */
#define TIME_NEVER   253402300799 /* 9999-12-31T23:59:59Z */

enum issuer_number { ISSUER_ROOT = 1, ISSUER_ISSUING = 2 };

struct serial {
    uint8_t issuer; /* not part of the bytes */
    uint8_t node;
    uint16_t shard;
    uint32_t index;
    uint8_t tail[SERIAL_TAIL];
};

uint16_t shard_of(int64_t not_after);
/* The last second that a shard covers; TIME_NEVER for SHARD_NEVER. */
int64_t shard_end(uint16_t shard);

void serial_put(const struct serial *s, uint8_t out[SERIAL_SIZE]);
/* Takes the bytes of the INTEGER, without a leading zero byte.  Errors: ERR_SERIAL. */
MUST_USE bool serial_get(struct slice bytes, enum issuer_number issuer, struct serial *out, struct err *e);

/* The 63-bit number under which the database keeps the certificate: issuer, node, shard, index. */
int64_t serial_cert_id(const struct serial *s);
struct serial serial_of_cert_id(int64_t id); /* tail is zero */
/* The whole from what the table of certificates holds of it; false if the tail is not of its size. */
MUST_USE bool serial_of_row(int64_t id, struct slice tail, uint8_t out[SERIAL_SIZE]);

#endif
