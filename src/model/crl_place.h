/* Where revocation lists are fetched: PLAIN_URL/crl/NAME.  Each node has one for each expiry shard, and certificates and the
 * lists themselves name it (RFC 5280 sections 4.2.1.13 and 5.2.5); the root has one. */
#ifndef KITH_MODEL_CRL_PLACE_H
#define KITH_MODEL_CRL_PLACE_H

#include "core/slice.h"
#include "core/writer.h"

#define CRL_PATH      "/crl/"
#define CRL_ROOT_NAME "root.crl"
#define CRL_URL_MAX   256 /* plain_url has at most 200 */

/* PLAIN_URL/crl/issuing-NN-SSSS.crl: node and shard in lower-case hex. */
void crl_url_put(struct writer *w, const char *plain_url, uint8_t node, uint16_t shard);
/* Takes the NAME apart that such a URL ends with; no other form of it. */
bool crl_name_get(const char *name, uint8_t *node, uint16_t *shard);

#endif
