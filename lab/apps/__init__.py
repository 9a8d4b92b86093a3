"""The two real applications of the lab as source trees, and what the lab must know about them; it runs nothing."""
