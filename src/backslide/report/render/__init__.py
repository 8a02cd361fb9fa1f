"""Terminal, Markdown, HTML and notebook."""
