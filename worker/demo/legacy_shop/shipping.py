"""Shipping cost by weight."""


def cost(weight_kg):
    if weight_kg < 1:
        return 4.90
    if weight_kg > 1 and weight_kg <= 5:
        return 7.90
    if weight_kg > 5 and weight_kg < 20:
        return 14.90
    return None


def parcels(weights):
    return sum(cost(w) for w in weights)
