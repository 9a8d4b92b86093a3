"""The rules as a Pulumi policy pack: previews and updates that break one are refused."""
