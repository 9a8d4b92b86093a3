"""Invents the feedback system's data, the same every time for the same scale; never used once it is in service."""
