#include "model/serial.h"

#include "core/reader.h"
#include "core/writer.h"

uint16_t shard_of(int64_t not_after)
{
    int64_t shard = not_after / SHARD_SPAN_S;
    return shard < 0 ? 0 : shard >= SHARD_NEVER ? SHARD_NEVER : not_after >= TIME_NEVER ? SHARD_NEVER : (uint16_t)shard;
}

int64_t shard_end(uint16_t shard)
{
    return shard == SHARD_NEVER ? TIME_NEVER : ((int64_t)shard + 1) * SHARD_SPAN_S - 1;
}

void serial_put(const struct serial *s, uint8_t out[SERIAL_SIZE])
{
    struct writer w = writer_of(out, SERIAL_SIZE);
    writer_u8(&w, s->node);
    writer_u16(&w, s->shard);
    writer_u32(&w, s->index);
    writer_put(&w, SLICE_ARRAY(s->tail));
}

bool serial_get(struct slice bytes, enum issuer_number issuer, struct serial *out, struct err *e)
{
    *out = (struct serial){0};
    struct reader r = reader_of(bytes);
    struct serial s = {
        .issuer = (uint8_t)issuer, .node = reader_u8(&r), .shard = reader_u16(&r), .index = reader_u32(&r)};
    struct slice tail = reader_take(&r, sizeof s.tail);
    if (!reader_end(&r) || s.node == 0 || s.node > 0x7f)
        return err_set(e, ERR_SERIAL, "serial of %zu bytes: \"%s\"", bytes.n, ERR_QUOTE(bytes));
    memcpy(s.tail, tail.p, sizeof s.tail);
    *out = s;
    return true;
}

int64_t serial_cert_id(const struct serial *s)
{
    return (int64_t)((uint64_t)s->issuer << 55 | (uint64_t)s->node << 48 | (uint64_t)s->shard << 32 | s->index);
}

struct serial serial_of_cert_id(int64_t id)
{
    uint64_t u = (uint64_t)id;
    return (struct serial){
        .issuer = (uint8_t)(u >> 55), .node = u >> 48 & 0x7f, .shard = (uint16_t)(u >> 32), .index = (uint32_t)u};
}

bool serial_of_row(int64_t id, struct slice tail, uint8_t out[SERIAL_SIZE])
{
    struct serial s = serial_of_cert_id(id);
    memset(out, 0, SERIAL_SIZE);
    if (tail.n != sizeof s.tail)
        return false;
    memcpy(s.tail, tail.p, sizeof s.tail);
    serial_put(&s, out);
    return true;
}
