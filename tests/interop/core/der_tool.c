/* Says of one file whether core/der takes it, by the exit status; `-o` prints the tags and offsets as asn1parse does. */
#include <stdio.h>

#include "core/der.h"

static uint8_t in[65536];

static void walk(struct reader *r, int depth)
{
    while (reader_left(r)) {
        size_t offset = (size_t)(r->p - in);
        struct reader look = *r;
        struct der_item item = der_next(&look);
        printf("%zu:d=%d hl=%zu l=%zu\n", offset, depth, item.whole.n - item.content.n, item.content.n);
        if (item.tag & 0x20) {
            struct reader inner = der_enter(r, item.tag);
            walk(&inner, depth + 1);
        } else {
            der_next(r);
        }
    }
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!f)
        return 2;
    size_t n = fread(in, 1, sizeof in, f);
    fclose(f);
    if (!der_valid(slice_of(in, n)))
        return 1;
    struct reader r = reader_of(slice_of(in, n));
    walk(&r, 0);
    return 0;
}
