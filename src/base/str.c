#include "base/str.h"

void str_copy_slice(char *dst, size_t cap, struct slice src)
{
    size_t n = src.n < cap ? src.n : cap - 1;
    if (n)
        memcpy(dst, src.p, n);
    dst[n] = 0;
}

void str_copy(char *dst, size_t cap, const char *src)
{
    str_copy_slice(dst, cap, slice_of(src, strnlen(src, cap - 1)));
}
