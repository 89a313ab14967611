# Signs releases.
name = code-signing
version = 1
for = release, security
keys = p256, p384, ed25519, rsa3072, rsa4096
validity = 1y
validity-max = 3y
backdate = 1h
subject = CN=%{name}
key-usage = digitalSignature
extended-key-usage = codeSigning
extended-key-usage-critical = yes
crl = yes
