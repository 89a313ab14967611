/* The enrolment token: the one text that is pasted into a device.  "kith1_" and base64url of the CBOR array
 * [1, url, SHA-256 of the root certificate, device id, claim].  It has one form: what parses is what formats.
 *
 * The claim is a secret that serves once, so no error quotes any part of a token but its URL and device id. */
#ifndef KITH_MODEL_TOKEN_H
#define KITH_MODEL_TOKEN_H

#include "base/id.h"
#include "core/crypto.h"

#define TOKEN_PREFIX      "kith1_"
#define TOKEN_URL_MAX     255
#define TOKEN_CLAIM_CHARS 32 /* base32 of 20 bytes */
#define TOKEN_MAX         512

struct token {
    char url[TOKEN_URL_MAX + 1]; /* https://HOST[:PORT][/PATH], no '/' at the end */
    uint8_t root_sha256[SHA256_SIZE];
    char device[ID_MAX];
    char claim[TOKEN_CLAIM_CHARS + 1];
};

/* Writes the text and a NUL.  TOKEN_MAX is always enough.  Errors: ERR_TOKEN (a part that no token can have), limit. */
MUST_USE bool token_format(const char *url, const uint8_t root_sha256[SHA256_SIZE], const char *device,
                           const char *claim, char *out, size_t cap, struct err *e);
/* No white space around it.  Errors: ERR_TOKEN. */
MUST_USE bool token_parse(struct slice text, struct token *out, struct err *e);

/* An https base URL as tokens and agent.conf have it.  Errors: ERR_TOKEN. */
MUST_USE bool token_check_url(struct slice url, struct err *e);

#endif
