# A person or service that operates the platform.
name = operator
version = 1
for = admin, renewal
keys = p256, p384, ed25519, rsa2048, rsa3072, rsa4096
validity = 365d
validity-max = 398d
backdate = 1h
subject = CN=%{name}
san = uri:urn:kith:operator:%{name}
key-usage = digitalSignature
extended-key-usage = clientAuth
crl = yes
