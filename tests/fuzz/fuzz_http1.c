/* Head, path and chunked body of HTTP/1.1, from the same bytes: the head is what stands before the first empty line. */
#include "base/http1.h"
#include "fuzz.h"

static void read_body(struct slice in, size_t piece)
{
    struct http1_chunks c = {0};
    while (in.n && !c.done) {
        size_t used;
        struct slice data;
        struct slice part = slice_of(in.p, in.n < piece ? in.n : piece);
        if (!http1_read_chunks(&c, part, &used, &data, NULL))
            return;
        HOLDS(used > 0 && used <= part.n && data.n <= used);
        in = slice_of(in.p + used, in.n - used);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *end = memmem(data, n, "\r\n\r\n", 4);
    size_t head_n = end ? (size_t)(end - data) + 4 : n;
    char *text = malloc(head_n + 1);
    if (!text)
        return 0;
    memcpy(text, data, head_n);
    text[head_n] = 0;
    struct http1_head h;
    if (http1_read_head(text, head_n, &h, NULL)) {
        struct http1_path p;
        char *dst = malloc(strlen(h.target) + 1);
        HOLDS(!(h.chunked && h.length >= 0));
        HOLDS(h.fields_n <= HTTP1_FIELDS_MAX);
        HOLDS(!dst || !http1_read_path(h.target, dst, &p, NULL) || p.n <= HTTP1_SEGMENTS_MAX);
        free(dst);
    }
    free(text);
    read_body(slice_of(data + head_n, n - head_n), n);
    read_body(slice_of(data + head_n, n - head_n), 1);
    return 0;
}
