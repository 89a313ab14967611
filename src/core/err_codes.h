/* ERR_ROW(id, class, number, slug, explanation).  Numbers are unique in the table and never reused; a room appends to its
 * own block (its range is in the comment). */

/* 1-99: general */
ERR_ROW(ERR_USAGE, USAGE, 1, "usage", "The command or request is not one that exists, or lacks a part.")
ERR_ROW(ERR_NOMEM, INTERNAL, 2, "out-of-memory", "Memory ran out; nothing was changed.")
ERR_ROW(ERR_INTERNAL, INTERNAL, 3, "internal",
        "A rule that Kith sets itself was broken. Please report it with the log.")
ERR_ROW(ERR_IO, IO, 4, "io",
        "A file, socket or device could not be read or written; the message names it and the cause.")
ERR_ROW(ERR_NOTFOUND, NOTFOUND, 5, "not-found", "Nothing of that name is known here.")
ERR_ROW(ERR_CONFLICT, CONFLICT, 6, "conflict", "It exists already, or its state does not allow this step.")
ERR_ROW(ERR_DENIED, AUTH, 7, "denied", "The caller is not known, or what it showed serves no more.")
ERR_ROW(ERR_UNAVAILABLE, UNAVAILABLE, 8, "unavailable", "A part that is needed does not answer now. Ask again later.")
ERR_ROW(ERR_LIMIT, SIZE, 9, "limit", "A limit on size or number was reached.")
ERR_ROW(ERR_POLICY, POLICY, 10, "policy", "A rule of this platform forbids it.")
ERR_ROW(ERR_SYNTAX, SYNTAX, 11, "syntax", "The bytes are not in the form that the standard named in `why` demands.")
ERR_ROW(ERR_CRYPTO, CRYPTO, 12, "crypto", "A signature, seal or digest does not verify.")
ERR_ROW(ERR_FORBIDDEN, FORBIDDEN, 13, "forbidden", "The caller is known, but lacks the role that this act needs.")
/* 100-199: core */
ERR_ROW(ERR_DER, SYNTAX, 100, "der", "Not the distinguished encoding that X.690 demands of this structure.")
ERR_ROW(ERR_CBOR, SYNTAX, 101, "cbor",
        "Not well-formed deterministic CBOR (RFC 8949 section 4.2), or not the expected item.")
ERR_ROW(ERR_COSE, SYNTAX, 102, "cose", "Not the COSE structure (RFC 9052) that is expected here.")
ERR_ROW(ERR_PROOF, CRYPTO, 103, "proof", "A Merkle proof (RFC 9162) does not lead to the root.")
/* 200-299: base (250-299: http) */
ERR_ROW(ERR_CONFIG, USAGE, 200, "config",
        "The configuration file has a line that is not understood; the message has file, line and column.")
ERR_ROW(ERR_OPTION, USAGE, 201, "option", "An option or its value is not one that exists here; --help lists them.")
ERR_ROW(ERR_JSON, SYNTAX, 202, "json",
        "Not the JSON (RFC 8259) that is expected here; the message names the member or the place.")
ERR_ROW(ERR_FRAME, SYNTAX, 203, "frame",
        "A message between two of Kith's processes is cut, empty or too long; are both of one version?")
ERR_ROW(ERR_FILE_MODE, POLICY, 204, "file-mode",
        "A file or directory with secrets is open to others, or belongs to somebody else.")
ERR_ROW(ERR_LOCKED, CONFLICT, 205, "locked", "Another process uses it already.")
ERR_ROW(ERR_SANDBOX, INTERNAL, 206, "sandbox",
        "The sandbox could not be closed, so the process did not start its work.")
ERR_ROW(ERR_PEER, AUTH, 207, "peer",
        "The process on the other side of the local socket runs as a user that is not let in.")
ERR_ROW(ERR_TOO_BIG, SIZE, 208, "too-big", "A file, message or text is larger than the maximum for its kind.")
ERR_ROW(ERR_TIME_TEXT, SYNTAX, 209, "time-text", "Not a time as RFC 3339 writes it, such as 2026-11-23T11:00:00Z.")
ERR_ROW(ERR_ENCODING, SYNTAX, 210, "encoding",
        "Not strict hex, base64, base64url or base32 (RFC 4648) of the expected length.")
ERR_ROW(ERR_HTTP_LISTEN, IO, 250, "http-listen",
        "A listening socket could not be opened; the message has address and cause.")
ERR_ROW(ERR_HTTP_REQUEST, SYNTAX, 251, "http-request",
        "The request is not HTTP/1.1 as RFC 9112 writes it, or lacks something that this path needs.")
ERR_ROW(ERR_HTTP_TOO_LARGE, SIZE, 252, "http-too-large",
        "The header or the body of a request is larger than is taken here.")
ERR_ROW(ERR_HTTP_METHOD, USAGE, 253, "http-method",
        "The path exists but does not take this method; Allow lists those that it takes.")
ERR_ROW(ERR_HTTP_ANSWER, SYNTAX, 254, "http-answer",
        "The other side answered something that is not HTTP, or not what was asked for.")
ERR_ROW(ERR_TLS, CRYPTO, 255, "tls", "TLS could not be set up or agreed on; the message has the cause.")
ERR_ROW(ERR_TLS_TRUST, CRYPTO, 256, "tls-trust",
        "The server's certificate does not lead to the root that is trusted, or is for another name.")
ERR_ROW(ERR_HTTP_AUTH, AUTH, 257, "http-auth", "This path needs a client certificate or a user and password.")
/* 300-399: keys */
ERR_ROW(ERR_KEY_PASSPHRASE, AUTH, 300, "key-passphrase",
        "The passphrase does not open the sealed key, or the file was changed since it was sealed.")
ERR_ROW(ERR_KEY_EXISTS, CONFLICT, 301, "key-exists",
        "There is a private key at this place already. Kith never overwrites one.")
ERR_ROW(ERR_KEY_FILE, SYNTAX, 302, "key-file",
        "Not a private key file: PEM with one PKCS#8 structure (RFC 5958), sealed by PBES2, is expected.")
ERR_ROW(ERR_KEY_TYPE, POLICY, 303, "key-type",
        "The kind or size of the key is not one that Kith takes, or the signature algorithm does not fit it.")
ERR_ROW(ERR_SECRET_FILE, POLICY, 304, "secret-file",
        "A file that holds a passphrase, PIN or key is empty, too long or no regular file.")
ERR_ROW(ERR_KEY_REF, USAGE, 305, "key-ref",
        "Not a key reference: file:PATH, file:PATH?plain, or a pkcs11: URI (RFC 7512) without a PIN in it.")
ERR_ROW(ERR_SPKI, SYNTAX, 306, "spki",
        "Not the DER of a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) with a sound public key.")
ERR_ROW(ERR_SIGNATURE, CRYPTO, 307, "signature", "The signature does not verify with this key over these bytes.")
ERR_ROW(ERR_KEY_MISMATCH, CRYPTO, 308, "key-mismatch",
        "The private key does not belong to the public key that is stored beside it, or is not the key that the "
        "platform was set up with; one of the two was changed.")
ERR_ROW(ERR_P11_MODULE, UNAVAILABLE, 320, "p11-module",
        "The PKCS#11 module cannot be loaded or initialised; see the message for its own words.")
ERR_ROW(ERR_P11_TOKEN, UNAVAILABLE, 321, "p11-token",
        "The token is not there, or was lost and is not back yet. It is looked for again by itself.")
ERR_ROW(
    ERR_P11_PIN, AUTH, 322, "p11-pin",
    "The token refused the PIN. One PIN file is tried once, over restarts too, so that nothing locks the token. "
    "Write the right PIN to that file (or touch it): what waits for it goes on by itself; a broker, and a kithd that "
    "had logged in with the old PIN, are restarted.")
ERR_ROW(ERR_P11_OBJECT, NOTFOUND, 323, "p11-object", "No private key with this id or label is visible on the token.")
ERR_ROW(
    ERR_P11_REFUSED, POLICY, 324, "p11-refused",
    "The token does not do this: the mechanism, the template or the function is not supported or not allowed there.")
ERR_ROW(ERR_P11_BUSY, UNAVAILABLE, 325, "p11-busy", "No session with the token became free in time.")
ERR_ROW(ERR_P11_DEVICE, UNAVAILABLE, 326, "p11-device",
        "The token or its module reports a fault of its own; the return value stands in the message.")
ERR_ROW(ERR_P11_CLOSED, UNAVAILABLE, 327, "p11-closed",
        "The token failed repeatedly; requests are refused at once until the next trial succeeds.")
/* 400-499: store */
ERR_ROW(ERR_STORE, IO, 400, "store", "The database refused a statement; the message has its words.")
ERR_ROW(ERR_STORE_UNAVAILABLE, UNAVAILABLE, 401, "store-unavailable",
        "The database does not answer, or is locked by another process. Ask again later.")
ERR_ROW(ERR_STORE_FULL, UNAVAILABLE, 402, "store-full",
        "The disk or the quota of the database is full. Nothing was lost; it goes on when there is room.")
ERR_ROW(ERR_STORE_CONFLICT, UNAVAILABLE, 403, "store-conflict",
        "Another node changed the same rows again and again. Ask again later.")
ERR_ROW(ERR_STORE_EXISTS, CONFLICT, 404, "store-exists",
        "A row with this key, or with a value that must be unique, is there already.")
ERR_ROW(ERR_STORE_SCHEMA, POLICY, 405, "store-schema",
        "The database is not one of Kith, or its schema is another than this program's.")
ERR_ROW(ERR_STORE_VALUE, INTERNAL, 406, "store-value", "A value does not fit its column.")
ERR_ROW(ERR_STORE_RULE, INTERNAL, 407, "store-rule",
        "State may change only together with its ledger entry; this statement would not.")
ERR_ROW(ERR_STORE_ORIGIN, POLICY, 408, "store-origin",
        "The database's log has another name than the configuration says.")
ERR_ROW(ERR_STORE_WRITER, CONFLICT, 409, "store-writer", "Another process writes to this database as the same node.")
ERR_ROW(ERR_STORE_CORRUPT, IO, 410, "store-corrupt",
        "The database file is damaged. Restore it from a copy; the ledger shows what the copy lacks.")
ERR_ROW(ERR_STORE_LOST, IO, 411, "store-lost",
        "The database is not there or empty, but this platform's signers have signed before. Put it back; a new one "
        "would not know what was issued.")
ERR_ROW(ERR_STORE_BEHIND, IO, 412, "store-behind",
        "The database is older than what the signers have vouched for: an older copy of it stands beside signers that "
        "went on. Nothing is issued, since it would give out what was given out already. Restore the newest copy of "
        "the database; it has to be as new as the signers' journals, or newer.")
ERR_ROW(ERR_STORE_EMPTY, NOTFOUND, 413, "store-empty",
        "There is nothing in the database: it was made for this platform and never used, or is not the platform's. The "
        "first start of "
        "kithd makes its tables.")
/* 500-599: x509 */
ERR_ROW(ERR_CSR, SYNTAX, 500, "csr", "Not a certificate request of PKCS#10 (RFC 2986) that is taken here.")
ERR_ROW(ERR_CSR_POP, CRYPTO, 501, "csr-pop",
        "The request is not signed by the key in it, so nothing shows that the sender holds that key.")
ERR_ROW(ERR_SIG_ALG, POLICY, 502, "sig-alg",
        "The signature algorithm is not one that Kith takes: ECDSA, RSA and RSA-PSS with SHA-256 or SHA-384, Ed25519.")
ERR_ROW(ERR_CERT, SYNTAX, 510, "cert", "Not a certificate of RFC 5280.")
ERR_ROW(ERR_CERT_SIGNATURE, CRYPTO, 511, "cert-signature",
        "The certificate is not signed by the key that it should be signed by.")
ERR_ROW(ERR_TEMPLATE, INTERNAL, 512, "cert-template",
        "A certificate was to be made that RFC 5280 does not allow, or that is too large.")
ERR_ROW(ERR_CHAIN_UNTRUSTED, POLICY, 520, "chain-untrusted",
        "No path leads from the certificate to a trust anchor. kith anchor ls shows the anchors.")
ERR_ROW(ERR_CHAIN_TIME, POLICY, 521, "chain-time", "A certificate of the path is not valid yet, or not any more.")
ERR_ROW(ERR_CHAIN_RULE, POLICY, 522, "chain-rule",
        "A certificate of the path may not be used so: its constraints, key usage or a critical extension forbid it.")
ERR_ROW(ERR_CRL, SYNTAX, 530, "crl", "Not a certificate revocation list of RFC 5280 section 5 that is taken here.")
ERR_ROW(ERR_CRL_SIGNATURE, CRYPTO, 531, "crl-signature", "The revocation list is not signed by its issuer.")
ERR_ROW(ERR_DN, USAGE, 540, "dn", "Not a distinguished name such as CN=name, O=organisation (RFC 4514).")
ERR_ROW(ERR_SAN, SYNTAX, 541, "san", "Not the GeneralNames of RFC 5280 section 4.2.1.6.")
/* 600-699: model */
ERR_ROW(ERR_DEVICE_STATE, CONFLICT, 600, "device-state",
        "The device's state does not allow this step; the message says from which state to which.")
ERR_ROW(ERR_NAME, USAGE, 601, "name", "A name has characters or a length that Kith does not take.")
ERR_ROW(ERR_TOMBSTONE, POLICY, 602, "tombstone",
        "The device was retired, revoked or scrapped. That is permanent: no door lets it in again.")
ERR_ROW(ERR_DEVICE_RETIRED, POLICY, 604, "device-retired",
        "The device was retired, and whoever holds its key is told to destroy that. It comes back under no identity.")
ERR_ROW(ERR_SERIAL, SYNTAX, 603, "serial", "The certificate's serial number is not one that this platform gives out.")
/* 700-799: ledger */
ERR_ROW(ERR_EVENT, INTERNAL, 700, "event",
        "An event is not as the catalogue (doc/spec/events.md) has it; the message names the field.")
ERR_ROW(ERR_NOTE, SYNTAX, 701, "note", "Not a signed note, checkpoint, proof or verifier key as C2SP writes them.")
ERR_ROW(ERR_NOTE_SIG, CRYPTO, 702, "note-signature",
        "A signature on a checkpoint is wrong, or one that is wanted is not there.")
ERR_ROW(ERR_LEDGER_ENTRY, CRYPTO, 703, "ledger-entry",
        "A ledger entry is not in its form, or was altered: its parts do not fit together.")
ERR_ROW(ERR_LEDGER, INTERNAL, 704, "ledger", "The ledger in the database is not whole: an entry or a tile is missing.")
ERR_ROW(ERR_TILE, NOTFOUND, 705, "tile", "The log has no such tile (yet).")
/* 800-899: ca */
ERR_ROW(ERR_PROFILE, USAGE, 800, "profile",
        "A profile file has a line that is not understood; the message has line and column.")
ERR_ROW(ERR_PROFILE_KEY, POLICY, 801, "profile-key", "The profile does not allow this kind of key.")
ERR_ROW(ERR_PROFILE_VALIDITY, POLICY, 802, "profile-validity",
        "The profile does not allow so long a validity, or the issuer ends before.")
ERR_ROW(ERR_PROFILE_SAN, POLICY, 803, "profile-san", "The request asks for a name that is not this subject's.")
ERR_ROW(ERR_PROFILE_FACT, POLICY, 804, "profile-fact",
        "The profile needs a fact about the subject that is not known, or that cannot stand in a certificate.")
ERR_ROW(ERR_SIGNER_GONE, UNAVAILABLE, 820, "signer-gone",
        "The signer does not answer or cannot work: it is starting again, its token is away or refuses, or its files "
        "cannot be "
        "read or written. Nothing was lost; ask again.")
ERR_ROW(ERR_SIGNER_PROTOCOL, INTERNAL, 821, "signer-protocol",
        "The signer and the server do not understand each other; are both of one version?")
/* 900-999: signer */
ERR_ROW(ERR_AUTHORITY, AUTH, 900, "authority", "The signer was shown nothing that entitles to this signature.")
ERR_ROW(ERR_PROFILE_UNKNOWN, POLICY, 901, "profile-unknown",
        "The signer's roster has no such profile, or its file is not the one that the roster names.")
ERR_ROW(ERR_RATE, RATE, 902, "rate", "More was asked for than is allowed in this time: signatures, by the roster.")
ERR_ROW(ERR_UNCOVERED, POLICY, 903, "uncovered",
        "The ledger lacks an entry for something that the signer signed; it cosigns no such checkpoint.")
ERR_ROW(ERR_CRL_OMITS, POLICY, 904, "crl-omits",
        "The list lacks a certificate that was revoked, or names one that was not.")
ERR_ROW(ERR_ROSTER, POLICY, 905, "roster", "The roster is missing, or is not the one that the signer was set up with.")
ERR_ROW(ERR_JOURNAL, IO, 906, "journal",
        "The signer's journal cannot be read or written, or was changed; nothing is signed until it is whole.")
ERR_ROW(ERR_CLOCK, UNAVAILABLE, 907, "clock",
        "The signer's clock is far from the time that it counts itself, or was set before what it signed last: no "
        "certificates until it is right.")
ERR_ROW(ERR_JOURNAL_LOST, IO, 908, "journal-lost",
        "The signer's journal is missing or empty. A signer that forgot what it signed signs nothing.")
ERR_ROW(ERR_CA_REVOKED, UNAVAILABLE, 909, "ca-revoked",
        "The root has revoked the issuing CA: nothing is issued until there is another.")
ERR_ROW(ERR_ROOT_CRL, UNAVAILABLE, 910, "root-crl",
        "The root's list (ca/root.crl) is missing, malformed, not the root's or older than one that was there before: "
        "whether the issuing CA is revoked is not known, and nothing is issued.")
ERR_ROW(ERR_JOURNAL_BEHIND, IO, 911, "journal-behind",
        "A signer's journal is older than the database, or was cut: the database has signatures of it that it does not "
        "know. It would give serial numbers out again and forget revocations, so nothing is signed. Restore the newest "
        "copy of the signers' directories, or the platform's directory and its database from copies of one time.")
/* 1000-1099: server */
ERR_ROW(ERR_CLAIM, AUTH, 1000, "claim",
        "The claim is not one that is open for this device: wrong, expired or withdrawn.")
ERR_ROW(ERR_CLAIM_USED, POLICY, 1001, "claim-used", "A claim serves once; this one did.")
ERR_ROW(ERR_CLAIM_OTHER_KEY, POLICY, 1002, "claim-other-key",
        "The claim was used with another key. Either the device lost its key, or somebody else has a copy of its "
        "token: an alarm was raised.")
ERR_ROW(ERR_KEY_TAKEN, CONFLICT, 1003, "key-taken",
        "One key belongs to one device; two devices with the same key cannot be told apart.")
ERR_ROW(ERR_IN_PROGRESS, UNAVAILABLE, 1004, "in-progress",
        "The same thing is being done at this moment. Ask again in a second.")
ERR_ROW(ERR_EST, SYNTAX, 1005, "est", "Not a request as RFC 7030 has it; the message says which part.")
ERR_ROW(ERR_CHANNEL_BINDING, AUTH, 1006, "channel-binding",
        "The request's challengePassword does not belong to this TLS connection.")
ERR_ROW(ERR_NOT_READY, UNAVAILABLE, 1007, "not-ready",
        "A part that is needed is not there yet; /readyz lists the parts.")
ERR_ROW(ERR_NOT_OFFERED, USAGE, 1008, "not-offered",
        "The standard has this request as an option, and this platform does not offer it (HTTP status 501).")
ERR_ROW(ERR_LIVE_CERTIFICATES, RATE, 1009, "live-certificates",
        "Within an hour the device got as many certificates as its model lets be good at once (live_certificates). "
        "Either it asks in a loop with new keys, or somebody has a copy of its key.")
ERR_ROW(ERR_TWO_DEVICES, CONFLICT, 1010, "two-devices",
        "The IDevID in TLS and the claim that came with it are of two devices. One of them is not this device's.")
ERR_ROW(ERR_IDEVID_OTHER, POLICY, 1011, "idevid-other",
        "The device came in by another IDevID of a manufacturer that is still trusted. Either its manufacturer gave it a "
        "new one, or one serial number to two devices, or it was copied: an alarm was raised. If it is the right device, "
        "a token (kith device token) lets it in.")
/* 1100-1199: gate */
ERR_ROW(ERR_FEED, SYNTAX, 1100, "feed",
        "A message of the revocation feed is not in the form of doc/spec/feed.md; nothing of it was taken over.")
ERR_ROW(ERR_FEED_HASH, CRYPTO, 1101, "feed-hash", "A revocation set is not the one that the signed head names.")
ERR_ROW(ERR_FEED_FORK, CRYPTO, 1102, "feed-fork",
        "The platform told two stories: a head does not follow from the one that this gateway has. Keep both and look "
        "who signs.")
ERR_ROW(ERR_FEED_ROLLBACK, CRYPTO, 1103, "feed-rollback",
        "A feed or a state file is older than what this gateway has seen already.")
ERR_ROW(
    ERR_GATE_NO_STATE, UNAVAILABLE, 1110, "gate-no-state",
    "The gateway never had a feed, or its state file is gone; it refuses everybody until the platform has sent one.")
ERR_ROW(ERR_GATE_STATE, CRYPTO, 1111, "gate-state",
        "The gateway's state file is cut, damaged or not what it wrote; it refuses everybody until the platform has "
        "sent a new one.")
ERR_ROW(ERR_GATE_STALE, UNAVAILABLE, 1112, "gate-stale",
        "The feed is older than its next head plus the grace period; nobody is let in on knowledge that old.")
ERR_ROW(ERR_GATE_CERT, POLICY, 1120, "gate-cert",
        "The certificate is not one that this platform's issuing CA gave to a device.")
ERR_ROW(ERR_GATE_VALIDITY, POLICY, 1121, "gate-validity", "The certificate is not valid yet, or not any more.")
ERR_ROW(ERR_GATE_REVOKED, POLICY, 1122, "gate-revoked", "The certificate was revoked.")
ERR_ROW(ERR_GATE_HELD, POLICY, 1123, "gate-held", "The certificate is held: its device is suspended or in quarantine.")
ERR_ROW(ERR_GATE_SHARD, POLICY, 1124, "gate-unknown-shard",
        "The feed says nothing about certificates of this node and time of expiry.")
ERR_ROW(ERR_GATE_DEVICE, POLICY, 1125, "gate-device", "The device is not one of this gateway's site.")
ERR_ROW(ERR_GATE_TOPIC, POLICY, 1126, "gate-topic", "No topic pattern of the policy covers what the device asked for.")
ERR_ROW(ERR_GATE_BROKER, POLICY, 1127, "gate-broker",
        "The broker's configuration would let clients pass the plugin; `kith gateway config` writes one that does not.")
/* 1200-1299: agent */
ERR_ROW(ERR_TOKEN, SYNTAX, 1200, "token",
        "Not an enrolment token as `kith device add --token` prints it: cut, changed, or of another kind.")
ERR_ROW(ERR_AGENT_STATE, INTERNAL, 1201, "agent-state",
        "A file in the agent's state directory is not what the agent wrote. Restore it, or enrol with a new token.")
ERR_ROW(ERR_AGENT_ENROLLED, CONFLICT, 1202, "agent-enrolled",
        "The state directory belongs to another device, or has a credential that still works.")
ERR_ROW(ERR_AGENT_NOT_ENROLLED, NOTFOUND, 1203, "agent-not-enrolled",
        "The state directory has neither a credential nor a claim to get one with.")
ERR_ROW(ERR_AGENT_ROOT, CRYPTO, 1204, "agent-root",
        "What is said to be the platform's root certificate, by the platform or by a file here, is not the one whose "
        "fingerprint "
        "stands in the token.")
ERR_ROW(ERR_AGENT_CERT, CRYPTO, 1205, "agent-cert",
        "What the platform sent as certificate is not for the key that asked, or does not lead to the root.")
ERR_ROW(ERR_AGENT_PENDING, UNAVAILABLE, 1206, "agent-pending",
        "The platform took the request and has not decided yet. The same key asks again by itself.")
ERR_ROW(ERR_AGENT_RETIRED, POLICY, 1207, "agent-retired",
        "The platform said that this device is gone for good, so its keys were destroyed. That is permanent.")
ERR_ROW(ERR_AGENT_HOOK, IO, 1208, "agent-hook",
        "The command that is to run after a renewal could not be run, failed, or took too long.")
/* 1300-1399: cli */
ERR_ROW(
    ERR_INIT_HALF, CONFLICT, 1300, "init-half",
    "An init was killed before it was done, and the directory has what it made. The same command goes on from there.")
ERR_ROW(
    ERR_FINDINGS, CRYPTO, 1301, "ledger-findings",
    "The ledger, or the state that it records, was altered or is not whole; each finding names the entry or the row.")
ERR_ROW(ERR_CHECKS, IO, 1302, "doctor-checks",
        "One of doctor's checks found something that is wrong; its line says what and how it is mended.")
/* 1400-1499: supervisor */
ERR_ROW(ERR_PROGRAM, NOTFOUND, 1400, "program",
        "One of Kith's programs is not where kithd looks for it: beside itself and in ../libexec/kith. The "
        "installation is not whole.")
ERR_ROW(ERR_CHILD_START, INTERNAL, 1401, "child-start",
        "The kernel did not let kithd start one of its processes; the message has the cause. It is tried again.")
ERR_ROW(ERR_SETUP, NOTFOUND, 1402, "setup",
        "Something that the configuration names, or that `kith init` makes, is not there.")
