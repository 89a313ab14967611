/* DER as text, one element a line, for golden files: stable, and readable in a review. */
#ifndef KITH_TESTS_CA_DER_DUMP_H
#define KITH_TESTS_CA_DER_DUMP_H

#include <stdio.h>

#include "core/der.h"
#include "x509/oid_text.h"

static inline const char *dump_tag_name(uint8_t tag)
{
    static const struct {
        uint8_t tag;
        const char *name;
    } rows[] = {
        {DER_BOOLEAN, "BOOLEAN"},
        {DER_INTEGER, "INTEGER"},
        {DER_BIT_STRING, "BIT STRING"},
        {DER_OCTET_STRING, "OCTET STRING"},
        {DER_NULL, "NULL"},
        {DER_OID, "OID"},
        {DER_UTF8_STRING, "UTF8String"},
        {DER_PRINTABLE_STRING, "PrintableString"},
        {DER_IA5_STRING, "IA5String"},
        {DER_UTC_TIME, "UTCTime"},
        {DER_SEQUENCE, "SEQUENCE"},
        {DER_GENERALIZED_TIME, "GeneralizedTime"},
        {DER_SET, "SET"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].tag == tag)
            return rows[i].name;
    return NULL;
}

static inline void dump_value(FILE *f, uint8_t tag, struct slice v)
{
    bool text = v.n > 0 && tag != DER_INTEGER && tag != DER_BIT_STRING;
    for (size_t i = 0; i < v.n; i++)
        text &= v.p[i] >= ' ' && v.p[i] < 0x7f;
    if (tag == DER_OID) {
        char buf[100];
        struct writer w = WRITER_ARRAY(buf);
        oid_text(&w, v);
        fprintf(f, " %.*s", (int)w.n, buf);
    } else if (text) {
        fprintf(f, " \"%.*s\"", (int)v.n, (const char *)v.p);
    } else {
        fputc(' ', f);
        for (size_t i = 0; i < v.n; i++)
            fprintf(f, "%02x", v.p[i]);
    }
}

static inline void dump_der(FILE *f, struct slice s, int indent)
{
    struct reader r = reader_of(s);
    while (reader_left(&r)) {
        struct der_item it = der_next(&r);
        if (!reader_ok(&r))
            return;
        const char *name = dump_tag_name(it.tag);
        if (name)
            fprintf(f, "%*s%s", indent, "", name);
        else
            fprintf(f, "%*s[%u]", indent, "", it.tag & 0x1fu);
        bool holds = it.tag & 0x20 || (it.tag == DER_OCTET_STRING && it.content.n > 1 && der_valid(it.content));
        if (!holds)
            dump_value(f, it.tag, it.content);
        fputc('\n', f);
        if (holds)
            dump_der(f, it.content, indent + 2);
    }
}

#endif
