# An application that reads what devices say.
name = application
version = 1
for = admin, renewal
keys = p256, p384, ed25519, rsa2048, rsa3072, rsa4096
validity = 90d
validity-max = 398d
backdate = 1h
subject = CN=%{name}
san = uri:urn:kith:application:%{name}
key-usage = digitalSignature
extended-key-usage = clientAuth
crl = yes
