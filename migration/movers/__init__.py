"""Programs that carry bytes; each can be run alone."""
