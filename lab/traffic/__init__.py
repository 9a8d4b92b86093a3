"""Citizens who use both systems through their public names, and the audit of what they were promised."""
