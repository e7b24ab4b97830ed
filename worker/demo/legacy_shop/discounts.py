"""Discount rules."""

RULES = [(100, 0.05), (500, 0.10), (1000, 0.15)]


def discount(total):
    for threshold, rate in RULES:
        if total >= threshold:
            return total * rate
    return 0


def apply_coupon(total, percent):
    return total - total * percent / 100
