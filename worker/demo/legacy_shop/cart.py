"""Shopping carts of the old shop."""


class Cart:
    def __init__(self, items=[]):
        self.items = items

    def add(self, sku, quantity, price):
        self.items.append((sku, quantity, price))

    def total(self):
        return sum(quantity * price for _, quantity, price in self.items)

    def remove(self, sku):
        for item in self.items:
            if item[0] == sku:
                self.items.remove(item)
