/* Reads frames (u32 length, bytes) from stdin and answers each with one byte: 1 if the profile of core/cbor takes it, 0 if
 * not; then, for a 1, the frame of what it encodes to again. */
#include <stdio.h>
#include <stdlib.h>

#include "unit/core/recode.h"

#define FRAME_MAX 65536

static uint8_t in[FRAME_MAX], out[FRAME_MAX];

static bool take(uint32_t *n)
{
    uint8_t head[4];
    if (fread(head, 1, 4, stdin) != 4)
        return false;
    *n = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
    return *n <= FRAME_MAX && fread(in, 1, *n, stdin) == *n;
}

int main(void)
{
    for (uint32_t n; take(&n);) {
        struct reader r = reader_of(slice_of(in, n));
        struct writer w = WRITER_ARRAY(out);
        bool good = cbor_valid(slice_of(in, n));
        putchar(good);
        if (!good)
            continue;
        recode_item(&r, &w);
        struct slice s = writer_slice(&w);
        uint8_t head[4] = {(uint8_t)(s.n >> 24), (uint8_t)(s.n >> 16), (uint8_t)(s.n >> 8), (uint8_t)s.n};
        fwrite(head, 1, 4, stdout);
        fwrite(s.p, 1, s.n, stdout);
    }
    return 0;
}
