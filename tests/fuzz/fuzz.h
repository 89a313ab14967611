/* What a fuzz target includes.  A broken oracle aborts, which libFuzzer and the replay both report. */
#ifndef KITH_TESTS_FUZZ_FUZZ_H
#define KITH_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/crypto.h"
#include "core/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define HOLDS(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #x);                                     \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* In place of a hash and of a signature something quick that depends on every byte: the structure is what is fuzzed. */
extern const struct crypto fuzz_crypto;
/* Of a struct signer: what fuzz_crypto verifies. */
bool fuzz_sign(void *ctx, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n, struct err *e);

#endif
