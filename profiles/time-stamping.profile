# A time stamping authority (RFC 3161 section 2.3: this one purpose, critical).
name = time-stamping
version = 1
for = security
keys = p256, p384, rsa3072, rsa4096
validity = 3y
validity-max = 10y
backdate = 1h
subject = CN=%{name}
key-usage = digitalSignature
extended-key-usage = timeStamping
extended-key-usage-critical = yes
crl = yes
