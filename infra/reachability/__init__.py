"""Which packets the declared network lets through, computed; it asks no cluster."""
