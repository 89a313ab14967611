#include "x509/certs_only.h"

#include "core/der.h"
#include "core/oid.h"

#define SIGNED_DATA_VERSION 1

void certs_only_write(struct writer *w, const struct slice *certs, size_t n)
{
    size_t info = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_CMS_SIGNED_DATA);
    size_t explicit_content = der_open(w, DER_CONTEXT_CONS(0));
    size_t signed_data = der_open(w, DER_SEQUENCE);
    der_put_int(w, SIGNED_DATA_VERSION);
    der_close(w, der_open(w, DER_SET)); /* no digests */
    size_t encapsulated = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_CMS_DATA);
    der_close(w, encapsulated);
    size_t set = der_open(w, DER_CONTEXT_CONS(0));
    for (size_t i = 0; i < n; i++)
        der_put_raw(w, certs[i]);
    der_close(w, set);
    der_close(w, der_open(w, DER_SET)); /* no signers */
    der_close(w, signed_data);
    der_close(w, explicit_content);
    der_close(w, info);
}

bool certs_only_read(struct slice der, struct slice *certs, struct err *e)
{
    *certs = (struct slice){0};
    struct reader r = reader_of(der);
    struct reader info = der_enter(&r, DER_SEQUENCE);
    bool is_signed = slice_eq(der_oid(&info), OID_CMS_SIGNED_DATA);
    struct reader content = der_enter(&info, DER_CONTEXT_CONS(0));
    struct reader data = der_enter(&content, DER_SEQUENCE);
    int64_t version = der_int64(&data);
    der_expect(&data, DER_SET);
    der_expect(&data, DER_SEQUENCE);
    struct slice set = der_expect(&data, DER_CONTEXT_CONS(0));
    der_expect(&data, DER_SET);
    der_leave(&content, &data);
    der_leave(&info, &content);
    der_leave(&r, &info);
    if (!reader_end(&r) || !is_signed || version != SIGNED_DATA_VERSION) {
        err_set(e, ERR_DER, "not a certs-only message");
        return err_why(e, "RFC 7030 section 4.2.3, RFC 5652 section 5.1");
    }
    *certs = set;
    return true;
}

bool certs_only_next(struct slice *certs, struct slice *cert)
{
    struct reader r = reader_of(*certs);
    *cert = reader_left(&r) ? der_raw_as(&r, DER_SEQUENCE) : (struct slice){0};
    *certs = reader_rest(&r);
    return cert->n != 0;
}
