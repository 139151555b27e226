"""Regions, and counties of one declared vintage."""
