/* A platform for the agent's unit tests: a root that signs, and a book of what was asked, in memory that forks share. */
#ifndef KITH_TESTS_UNIT_AGENT_CA_H
#define KITH_TESTS_UNIT_AGENT_CA_H

#include "agent/steps.h"

#define CA_NOW    INT64_C(1800000000)
#define CA_LIFE_S 86400
#define CA_DEVICE "dev_01jdabcdefghjkmnpqrstvwxyz"
#define CA_CLAIM  "abcdefghijklmnopqrstuvwxyz234567"

struct ca_book {
    unsigned asked, hellos, other_keys, bad; /* other_keys: the claim came with a second key */
    unsigned reached[STEP_COUNT];
    int kill_at; /* -1: nowhere */
    bool retired, pending, wrong_key;
    uint8_t claim_key[SHA256_SIZE];
    bool claim_used;
};

struct ca {
    struct key *key;
    uint8_t root[4096], root_sha256[SHA256_SIZE];
    size_t root_n;
    struct ca_book *book;
};

void ca_make(struct ca *ca, const char *dir);
void ca_free(struct ca *ca);
struct platform ca_platform(struct ca *ca);
struct token ca_token(const struct ca *ca);

#endif
