"""Stock keeping."""

_stock = {}


def take(sku, quantity):
    available = _stock.get(sku, 0)
    if available > quantity:
        _stock[sku] = available - quantity
        return True
    return False


def restock(sku, quantity):
    _stock[sku] = quantity
