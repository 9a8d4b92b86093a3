"""Pages for people, written from the components and from what they declare, so that none goes stale."""
