/* An enrolment token has one form: what parses formats to the same text. */
#include "fuzz.h"

#include "model/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token t;
    struct err e = {0};
    char text[TOKEN_MAX];
    if (!token_parse(slice_of(data, size), &t, &e))
        return 0;
    HOLDS(token_format(t.url, t.root_sha256, t.device, t.claim, text, sizeof text, &e));
    HOLDS(slice_eq(slice_str(text), slice_of(data, size)));
    return 0;
}
