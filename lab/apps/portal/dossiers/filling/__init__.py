"""Invents the portal's data, the same every time for the same scale; never used once a portal is in service."""
