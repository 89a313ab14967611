/* What is read as JSON and written again is read as the same. */
#include "base/json.h"
#include "fuzz.h"

#define SIZE_LIMIT 65536

static bool write_again(struct slice text, struct buf *out)
{
    struct json *j;
    struct err e = {0};
    if (!json_read(text, SIZE_LIMIT, &j, &e)) {
        HOLDS(e.code == ERR_JSON || e.code == ERR_TOO_BIG);
        return false;
    }
    struct json_out o = json_out_of(out);
    json_put(&o, NULL, j);
    json_free(j);
    HOLDS(json_out_done(&o));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf once, twice;
    buf_init(&once, 8 * SIZE_LIMIT);
    buf_init(&twice, 8 * SIZE_LIMIT);
    if (write_again(slice_of(data, n), &once) && once.n <= SIZE_LIMIT) {
        HOLDS(write_again(buf_slice(&once), &twice));
        HOLDS(slice_eq(buf_slice(&once), buf_slice(&twice)));
    }
    buf_clear(&once);
    buf_clear(&twice);
    return 0;
}
