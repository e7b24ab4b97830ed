"""Invoice numbers and due dates."""

import datetime

_last = 0


def next_number(path="invoice.seq"):
    global _last
    with open(path) as f:
        _last = int(f.read())
    _last += 1
    with open(path, "w") as f:
        f.write(str(_last))
    return "INV-%05d" % _last


def due_date(issued, days=30):
    return datetime.date(issued.year, issued.month, issued.day + days)
