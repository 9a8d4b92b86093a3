"""Both data centres on one Linux machine, for the demo, the live tests and rehearsals."""
