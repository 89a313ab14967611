/* How the table of certificates holds a certificate's DER: the first one of its kind (profile, length of the key) since the
 * server started as it is (`base` is null), those after it compressed against that one (`base` is its number).  Packing is the commit thread's;
 * unpacking anybody's. */
#ifndef KITH_SERVER_DER_STORE_H
#define KITH_SERVER_DER_STORE_H

#include "store/db.h"

#define DER_STORE_MAX 4096 /* bytes of a certificate */

struct der_store;
MUST_USE bool der_store_new(struct der_store **out, struct err *e);
void der_store_free(struct der_store *s);

/* What goes into the columns `base` and `der`: `base` null and the DER itself if it is not worth the work.  The frame stands in
 * buf (DER_STORE_MAX bytes).  `spki_n`: certificates of one profile are alike if their keys are as long. */
void der_store_pack(struct der_store *s, const char *profile, size_t spki_n, struct slice der, uint8_t *buf,
                    struct value *base, struct value *stored);
/* A certificate that was stored as it is is durable: those like it may lean on it. */
void der_store_offer(struct der_store *s, const char *profile, size_t spki_n, int64_t id, struct slice der);

/* The DER from the columns `base` and `der` of a row; into buf of DER_STORE_MAX bytes.  Errors: certificate (damaged). */
MUST_USE bool der_store_unpack(struct der_store *s, struct db *db, const struct rows *r, int base_col, int der_col,
                               uint8_t *buf, size_t *n, struct err *e);

#endif
