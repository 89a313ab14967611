/* Which devices and keys have an issuance under way.  In memory: the second transaction of an issuance checks claim, key and
 * state again, so a reservation lost in a crash, or one that another node does not know, costs a signature and nothing else. */
#ifndef KITH_SERVER_RESERVATIONS_H
#define KITH_SERVER_RESERVATIONS_H

#include <pthread.h>

#include "core/err.h"

#define RESERVATION_BUCKETS 1024

/* Lives in whoever reserves. */
struct reservation {
    const char *device;
    const uint8_t *spki_hash; /* 32 bytes */
    struct reservation *next_device, *next_key;
    bool held;
};

struct reservations {
    pthread_mutex_t lock;
    struct reservation *by_device[RESERVATION_BUCKETS], *by_key[RESERVATION_BUCKETS];
};

/* What is said of a key that another device has.  Always false. */
bool reservations_key_taken(struct err *e);
void reservations_init(struct reservations *r);
/* Both the device and the key; what is held already stays so.  Errors: ERR_IN_PROGRESS, ERR_KEY_TAKEN. */
MUST_USE bool reservations_take(struct reservations *r, struct reservation *n, const char *device,
                                const uint8_t spki_hash[32], struct err *e);
void reservations_drop(struct reservations *r, struct reservation *n); /* not held: does nothing */

#endif
