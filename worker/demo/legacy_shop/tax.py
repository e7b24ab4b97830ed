"""Value added tax."""

RATES = {"DE": 0.19, "FR": 0.20, "AT": 0.20}


def gross(net, country):
    return round(net * (1 + RATES[country]), 2)


def tax_of(gross_amount, country):
    return round(gross_amount * RATES[country], 2)
