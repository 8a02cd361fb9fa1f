"""What is known of one column, or of several together: how values are written, rounded, tied to others; and writing into them."""
