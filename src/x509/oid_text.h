/* Object identifiers in dots ("1.2.840.10045") to the content of their DER and back. */
#ifndef KITH_X509_OID_TEXT_H
#define KITH_X509_OID_TEXT_H

#include "core/slice.h"
#include "core/writer.h"

/* Fails the writer if the text is no OID. */
void oid_from_text(struct writer *w, struct slice text);
void oid_text(struct writer *w, struct slice oid);

#endif
