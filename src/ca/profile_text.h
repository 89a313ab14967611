/* Placeholders in a profile's subject and names: %{id}, %{model}, %{serial}, %{owner}, %{name}, %{csr.cn}, %{tag:NAME}. */
#ifndef KITH_CA_PROFILE_TEXT_H
#define KITH_CA_PROFILE_TEXT_H

#include "ca/profile.h"

/* How a value is made fit for where it goes. */
enum profile_quoting {
    PROFILE_QUOTE_DN,   /* escaped (RFC 4514 section 2.4) */
    PROFILE_QUOTE_URI,  /* percent-encoded (RFC 3986 section 2.1) */
    PROFILE_QUOTE_NONE, /* as it is; the writer of the name refuses what cannot stand */
};

/* Writes the text with the facts put in.  Errors: ERR_PROFILE_FACT. */
MUST_USE bool profile_text_expand(struct slice text, const struct profile_facts *f, enum profile_quoting quoting,
                                  struct writer *w, struct err *e);
/* Is the text one that can be expanded, and with is_name a subject?  Errors: ERR_PROFILE. */
MUST_USE bool profile_text_check(struct slice text, bool is_name, struct err *e);

#endif
