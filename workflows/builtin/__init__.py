"""Workflows that ship with Tenuto."""
