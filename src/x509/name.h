/* Distinguished names: from text to DER and back (RFC 4514, the subset below).
 *
 * Text is "CN=dev 1, serialNumber=42, O=Acme\, Inc.": attributes CN, serialNumber, O, OU, C, ST, L, title, UID, DC,
 * emailAddress, or an OID in dots; `\` before a special character or two hex digits; blanks around ',' '+' '=' do not count.
 * As RFC 4514 section 2.1 has it, the first attribute in the text is the last in the DER. */
#ifndef KITH_X509_NAME_H
#define KITH_X509_NAME_H

#include "core/err.h"
#include "core/writer.h"

#define NAME_DER_MAX   1024
#define NAME_TEXT_MAX  1024
#define NAME_ATTRS_MAX 16

/* Writes the Name for a text; an empty text is the empty Name.  Errors: ERR_DN. */
MUST_USE bool name_write(struct writer *w, struct slice text, struct err *e);
/* Writes a Name as text.  Errors: ERR_DN. */
MUST_USE bool name_text(struct slice name, struct writer *w, struct err *e);
/* For messages: the text in dst, NUL-terminated, escaped, cut at cap.  Returns dst. */
char *name_quote(struct slice name, char *dst, size_t cap);
#define NAME_QUOTE(s) name_quote((s), (char[160]){0}, 160)

/* Puts `\` where a value needs it, so that it may stand in a text. */
void name_escape(struct writer *w, struct slice value);

/* True if it is a Name of RFC 5280 section 4.1.2.4, up to NAME_ATTRS_MAX attributes. */
MUST_USE bool name_valid(struct slice name);
bool name_is_empty(struct slice name);
/* The value of the most specific (last) attribute of this type (OID content); empty if there is none.  Only
 * PrintableString, UTF8String and IA5String count.  The Name must be valid. */
struct slice name_get0(struct slice name, struct slice oid);
/* How many attributes of this type there are, of whatever string type. */
size_t name_count(struct slice name, struct slice oid);
struct slice name_get0_cn(struct slice name);
struct slice name_get0_serial_number(struct slice name);

#endif
