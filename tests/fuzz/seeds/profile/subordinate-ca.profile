# A CA below the root: the issuing one, made by `kith init` or `kith ca sign-request`.
name = subordinate-ca
version = 1
for = security
keys = p256, p384, rsa3072, rsa4096
validity = 10y
validity-max = 20y
backdate = 1h
subject = CN=%{name}
key-usage = keyCertSign, cRLSign, digitalSignature
ca = yes
path-length = 0
crl = yes
authority-info = yes
