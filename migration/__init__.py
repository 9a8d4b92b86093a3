"""Surveys, plans, moves and proves; never imports infra."""
