/* ERR_ROW(id, class, number, slug, explanation).  Numbers are unique in the table and never reused; a room appends to its
 * own block (its range is in the comment). */

/* 1-99: general */
ERR_ROW(ERR_USAGE, USAGE, 1, "usage", "The command or request is not one that exists, or lacks a part.")
ERR_ROW(ERR_NOMEM, INTERNAL, 2, "out-of-memory", "Memory ran out; nothing was changed.")
ERR_ROW(ERR_INTERNAL, INTERNAL, 3, "internal", "A rule that Kith sets itself was broken. Please report it with the log.")
ERR_ROW(ERR_IO, IO, 4, "io", "A file, socket or device could not be read or written; the message names it and the cause.")
ERR_ROW(ERR_NOTFOUND, NOTFOUND, 5, "not-found", "Nothing of that name is known here.")
ERR_ROW(ERR_CONFLICT, CONFLICT, 6, "conflict", "It exists already, or its state does not allow this step.")
ERR_ROW(ERR_DENIED, AUTH, 7, "denied", "The caller is not known, or lacks the role that this act needs.")
ERR_ROW(ERR_UNAVAILABLE, UNAVAILABLE, 8, "unavailable", "A part that is needed does not answer now. Ask again later.")
ERR_ROW(ERR_LIMIT, LIMIT, 9, "limit", "A limit on size, number or rate was reached.")
ERR_ROW(ERR_POLICY, POLICY, 10, "policy", "A rule of this platform forbids it.")
ERR_ROW(ERR_SYNTAX, SYNTAX, 11, "syntax", "The bytes are not in the form that the standard named in `why` demands.")
ERR_ROW(ERR_CRYPTO, CRYPTO, 12, "crypto", "A signature, seal or digest does not verify.")
/* 100-199: core */
ERR_ROW(ERR_DER, SYNTAX, 100, "der", "Not the distinguished encoding that X.690 demands of this structure.")
ERR_ROW(ERR_CBOR, SYNTAX, 101, "cbor", "Not well-formed deterministic CBOR (RFC 8949 section 4.2), or not the expected item.")
ERR_ROW(ERR_COSE, SYNTAX, 102, "cose", "Not the COSE structure (RFC 9052) that is expected here.")
ERR_ROW(ERR_PROOF, CRYPTO, 103, "proof", "A Merkle proof (RFC 9162) does not lead to the root.")
/* 200-299: base (250-299: http) */
ERR_ROW(ERR_CONFIG, USAGE, 200, "config", "The configuration file has a line that is not understood; the message has file, line and column.")
ERR_ROW(ERR_OPTION, USAGE, 201, "option", "An option or its value is not one that exists here; --help lists them.")
ERR_ROW(ERR_JSON, SYNTAX, 202, "json", "Not the JSON (RFC 8259) that is expected here; the message names the member or the place.")
ERR_ROW(ERR_FRAME, SYNTAX, 203, "frame", "A message between two of Kith's processes is cut, empty or too long; are both of one version?")
ERR_ROW(ERR_FILE_MODE, POLICY, 204, "file-mode", "A file or directory with secrets is open to others, or belongs to somebody else.")
ERR_ROW(ERR_LOCKED, CONFLICT, 205, "locked", "Another process uses it already.")
ERR_ROW(ERR_SANDBOX, INTERNAL, 206, "sandbox", "The sandbox could not be closed, so the process did not start its work.")
ERR_ROW(ERR_PEER, AUTH, 207, "peer", "The process on the other side of the local socket runs as a user that is not let in.")
ERR_ROW(ERR_TOO_BIG, LIMIT, 208, "too-big", "A file, message or text is larger than the maximum for its kind.")
ERR_ROW(ERR_TIME_TEXT, SYNTAX, 209, "time-text", "Not a time as RFC 3339 writes it, such as 2026-11-23T11:00:00Z.")
ERR_ROW(ERR_ENCODING, SYNTAX, 210, "encoding", "Not strict hex, base64, base64url or base32 (RFC 4648) of the expected length.")
/* 300-399: keys */
/* 400-499: store */
ERR_ROW(ERR_STORE, IO, 400, "store", "The database refused a statement; the message has its words.")
ERR_ROW(ERR_STORE_UNAVAILABLE, UNAVAILABLE, 401, "store-unavailable", "The database does not answer, or is locked by another process. Ask again later.")
ERR_ROW(ERR_STORE_FULL, UNAVAILABLE, 402, "store-full", "The disk or the quota of the database is full. Nothing was lost; it goes on when there is room.")
ERR_ROW(ERR_STORE_CONFLICT, UNAVAILABLE, 403, "store-conflict", "Another node changed the same rows again and again. Ask again later.")
ERR_ROW(ERR_STORE_EXISTS, CONFLICT, 404, "store-exists", "A row with this key, or with a value that must be unique, is there already.")
ERR_ROW(ERR_STORE_SCHEMA, POLICY, 405, "store-schema", "The database is not one of Kith, or its schema is another than this program's.")
ERR_ROW(ERR_STORE_VALUE, INTERNAL, 406, "store-value", "A value does not fit its column.")
ERR_ROW(ERR_STORE_RULE, INTERNAL, 407, "store-rule", "State may change only together with its ledger entry; this statement would not.")
ERR_ROW(ERR_STORE_ORIGIN, POLICY, 408, "store-origin", "The database's log has another name than the configuration says.")
ERR_ROW(ERR_STORE_WRITER, CONFLICT, 409, "store-writer", "Another process writes to this database as the same node.")
ERR_ROW(ERR_STORE_CORRUPT, IO, 410, "store-corrupt", "The database file is damaged. Restore it from a copy; the ledger shows what the copy lacks.")
/* 500-599: x509 */
/* 600-699: model */
ERR_ROW(ERR_DEVICE_STATE, CONFLICT, 600, "device-state", "The device's state does not allow this step; the message says from which state to which.")
ERR_ROW(ERR_NAME, USAGE, 601, "name", "A name has characters or a length that Kith does not take.")
ERR_ROW(ERR_TOMBSTONE, POLICY, 602, "tombstone", "The device was retired, revoked or scrapped. That is permanent: no door lets it in again.")
ERR_ROW(ERR_SERIAL, SYNTAX, 603, "serial", "The certificate's serial number is not one that this platform gives out.")
/* 700-799: ledger */
/* 800-899: ca */
ERR_ROW(ERR_SIGNER_GONE, UNAVAILABLE, 820, "signer-gone", "The signer does not answer: it is starting again, or its token is away. Nothing was lost; ask again.")
ERR_ROW(ERR_SIGNER_PROTOCOL, INTERNAL, 821, "signer-protocol", "The signer and the server do not understand each other; are both of one version?")
/* 900-999: signer */
ERR_ROW(ERR_AUTHORITY, AUTH, 900, "authority", "The signer was shown nothing that entitles to this signature.")
ERR_ROW(ERR_PROFILE_UNKNOWN, POLICY, 901, "profile-unknown", "The signer's roster has no such profile, or its file is not the one that the roster names.")
ERR_ROW(ERR_RATE, LIMIT, 902, "rate", "More signatures were asked for than the roster allows in this time.")
ERR_ROW(ERR_UNCOVERED, POLICY, 903, "uncovered", "The ledger lacks an entry for something that the signer signed; it cosigns no such checkpoint.")
ERR_ROW(ERR_CRL_OMITS, POLICY, 904, "crl-omits", "The list lacks a certificate that was revoked, or names one that was not.")
ERR_ROW(ERR_ROSTER, POLICY, 905, "roster", "The roster is missing, or is not the one that the signer was set up with.")
ERR_ROW(ERR_JOURNAL, IO, 906, "journal", "The signer's journal cannot be read or written, or was changed; nothing is signed until it is whole.")
/* 1000-1099: server */
/* 1100-1199: gate */
ERR_ROW(ERR_FEED, SYNTAX, 1100, "feed", "A message of the revocation feed is not in the form of doc/spec/feed.md; nothing of it was taken over.")
ERR_ROW(ERR_FEED_HASH, CRYPTO, 1101, "feed-hash", "A revocation set is not the one that the signed head names.")
ERR_ROW(ERR_FEED_FORK, CRYPTO, 1102, "feed-fork", "The platform told two stories: a head does not follow from the one that this gateway has. Keep both and look who signs.")
ERR_ROW(ERR_FEED_ROLLBACK, CRYPTO, 1103, "feed-rollback", "A feed or a state file is older than what this gateway has seen already.")
ERR_ROW(ERR_GATE_NO_STATE, UNAVAILABLE, 1110, "gate-no-state", "The gateway never had a feed, or its state file is gone; it refuses everybody until the platform has sent one.")
ERR_ROW(ERR_GATE_STATE, CRYPTO, 1111, "gate-state", "The gateway's state file is cut, damaged or not what it wrote; it refuses everybody until the platform has sent a new one.")
ERR_ROW(ERR_GATE_STALE, UNAVAILABLE, 1112, "gate-stale", "The feed is older than its next head plus the grace period; nobody is let in on knowledge that old.")
ERR_ROW(ERR_GATE_CERT, POLICY, 1120, "gate-cert", "The certificate is not one that this platform's issuing CA gave to a device.")
ERR_ROW(ERR_GATE_VALIDITY, POLICY, 1121, "gate-validity", "The certificate is not valid yet, or not any more.")
ERR_ROW(ERR_GATE_REVOKED, POLICY, 1122, "gate-revoked", "The certificate was revoked.")
ERR_ROW(ERR_GATE_HELD, POLICY, 1123, "gate-held", "The certificate is held: its device is suspended or in quarantine.")
ERR_ROW(ERR_GATE_SHARD, POLICY, 1124, "gate-unknown-shard", "The feed says nothing about certificates of this node and time of expiry.")
ERR_ROW(ERR_GATE_DEVICE, POLICY, 1125, "gate-device", "The device is not one of this gateway's site.")
ERR_ROW(ERR_GATE_TOPIC, POLICY, 1126, "gate-topic", "No topic pattern of the policy covers what the device asked for.")
ERR_ROW(ERR_GATE_BROKER, POLICY, 1127, "gate-broker", "The broker's configuration would let clients pass the plugin; `kith gateway config` writes one that does not.")
/* 1200-1299: agent */
/* 1300-1399: cli */
