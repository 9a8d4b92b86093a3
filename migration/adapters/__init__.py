"""The outside world behind the ports; nothing here decides."""
