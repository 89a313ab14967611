# Answers about revocation (RFC 6960 section 4.2.2.2): short, so that it needs no revocation itself.
name = ocsp-signing
version = 1
for = server, security
keys = p256, p384, rsa2048, rsa3072, rsa4096
validity = 14d
validity-max = 30d
backdate = 1h
subject = CN=%{name}
key-usage = digitalSignature
extended-key-usage = OCSPSigning
ocsp-no-check = yes
